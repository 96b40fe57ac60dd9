package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"weir/operate/evidence"
)

// show writes what happens: events as lines, and on a terminal one line below them that
// is always now.
type show struct {
	out   io.Writer
	live  bool // out is a terminal
	began time.Time

	mu    sync.Mutex
	shown bool // the line below is there
	ended chan struct{}
	once  sync.Once
	wait  sync.WaitGroup
}

const (
	liveEvery  = 200 * time.Millisecond
	plainEvery = 2 * time.Second
)

func newShow(out io.Writer) *show {
	s := &show{out: out, began: time.Now(), ended: make(chan struct{})}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		s.live = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return s
}

// event writes a line.
func (s *show) event(e evidence.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	fmt.Fprintf(s.out, "%6.1f s  %s\n", e.At.Sub(s.began).Seconds(), e.What)
}

// wipe takes the line below away. The caller holds mu.
func (s *show) wipe() {
	if s.shown {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.shown = false
	}
}

func (s *show) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
}

// follow keeps telling how far the traffic is.
func (s *show) follow(p *play) {
	every := plainEvery
	if s.live {
		every = liveEvery
	}
	s.wait.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		before, at := p.traffic.Counts(), time.Now()
		for {
			select {
			case <-tick.C:
			case <-s.ended:
				return
			}
			c, now := p.traffic.Counts(), time.Now()
			seconds := now.Sub(at).Seconds()
			line := fmt.Sprintf("%6.1f s  west %-9s east %-9s  orders in %5.0f/s  out %5.0f/s  acknowledged %6d  delivered %6d", now.Sub(s.began).Seconds(),
				p.standing(p.west), p.standing(p.east), float64(c.Acknowledged-before.Acknowledged)/seconds, float64(c.Delivered-before.Delivered)/seconds, c.Acknowledged, c.Delivered)
			before, at = c, now
			s.tell(line)
		}
	})
}

func (s *show) tell(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		fmt.Fprintln(s.out, line)
		return
	}
	s.wipe()
	fmt.Fprint(s.out, line)
	s.shown = true
}

// standing is what a location says it is, in a word.
func (p *play) standing(l *location) string {
	ctx, cancel := context.WithTimeout(context.Background(), waitAtMost)
	defer cancel()
	s, err := l.admin.Show(ctx, groupName)
	if err != nil {
		return "is gone"
	}
	return s.Standing
}

func (s *show) stop() {
	s.once.Do(func() { close(s.ended) })
	s.wait.Wait()
	s.clear()
}

// table writes what it all came to.
func (s *show) table(r *evidence.Record, file string) {
	fmt.Fprintln(s.out)
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	a := r.Account
	row("orders acknowledged", "%d", a.Acknowledged)
	row("lost", "%d", a.Lost)
	row("  of these missing until the salvage", "%d", r.RPOMessages)
	row("delivered again after completion", "%d", a.Repeated)
	row("delivered again before completion", "%d", a.Redelivered)
	row("came as two messages (a send that was tried again)", "%d", a.Twice)
	row("events that a subscriber missed", "%d", a.Missing)
	row("failover: noticed after", "%.1f s", r.DetectionSeconds)
	row("failover: clients waited (RTO)", "%.1f s", r.RTOSeconds)
	row("mode", "%s", r.Mode)
	t.Flush()
	s.held(r, file)
	fmt.Fprintln(s.out, `Next: "weir demo --mode sync" loses nothing even for a moment; "weir demo orders" does it with workflows; docs/locations.md sets up the real thing.`)
}

// held writes what was to hold, and whether it did.
func (s *show) held(r *evidence.Record, file string) {
	fmt.Fprintln(s.out)
	for _, i := range r.Invariants {
		mark := "held   "
		if !i.Held {
			mark = "BROKEN "
		}
		fmt.Fprintf(s.out, "%s  %s (%s)\n", mark, i.What, i.Was)
	}
	fmt.Fprintf(s.out, "\nsigned record: %s\n", file)
}

// flowTable writes what an order flow came to.
func (s *show) flowTable(c count, r *evidence.Record, file string) {
	fmt.Fprintln(s.out)
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	row("orders that arrived", "%d", c.Dropped)
	row("charged for, as the HTTP service counts", "%d", c.Charged)
	row("  of these twice", "%d", c.Twice)
	row("  calls that came again with their key", "%d", c.Repeated)
	row("results", "%d", c.Results)
	row("no order was charged for during", "%.1f s", r.RTOSeconds)
	row("mode", "%s", r.Mode)
	t.Flush()
	s.held(r, file)
	fmt.Fprintln(s.out, "Next: examples/orders has the same flow as files to deploy; docs/locations.md says what becomes of runs.")
}
