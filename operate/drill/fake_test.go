package drill

import (
	"context"
	"errors"
	"sync"
	"time"

	"weir/internal/groups"
	"weir/operate/evidence"
	"weir/operate/orders"
)

// How the call of a pair fails whose turn it is.
type failure int

const (
	refused  failure = iota // nothing was done
	lost                    // it was done, and the answer did not come
	stubborn                // nor was it at the next two tries
	silenced                // from here on nobody in that location answers
)

// pair is two locations as a drill sees them. Its calls are counted, and one of them
// may fail. What clients would see follows from what is done to it.
type pair struct {
	mu       sync.Mutex
	primary  string
	term     uint64
	isolated string
	at       time.Time // of the isolation
	until    time.Time
	parted   string // has something alone
	auto     bool
	mode     string // async unless said
	stop     bool   // sync: nothing is acknowledged while the other one is away
	voters   []groups.Voter
	rto, rpo int64
	both     bool // the old primary says it is one in the next term too
	sickly   bool
	stops    bool   // in sync mode it stops while the other one is away
	gone     bool   // clients that were cut off never come back
	hidden   uint64 // rows of a tail that are not shown
	// longWay is how long the way back to west cuts clients off, and slow how long a
	// primary that was isolated needs until it is one again.
	longWay, slow time.Duration
	back          time.Time // when it came back

	calls  int
	fail   int // which call fails; 0: none
	how    failure
	silent string // who does not answer any more

	served bool        // whether clients are
	turns  []time.Time // when that changed, from the first true on; may lie ahead
	began  time.Time
}

func newPair() *pair {
	p := &pair{primary: "west", term: 1, mode: "async", began: time.Now()}
	for _, name := range []string{"west", "east", "witness"} {
		p.voters = append(p.voters, groups.Voter{Name: name, Reachable: true})
	}
	p.changed()
	return p
}

var errBroken = errors.New("the line is broken")

// do is a call to a place. Looks of the watcher are not counted: which of them comes
// first when two happen at once is chance.
func (p *pair) do(name string, count bool, fn func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick()
	if name == p.silent {
		return errBroken
	}
	if !count {
		return fn()
	}
	p.calls++
	last := p.fail
	if p.how == stubborn {
		last += 2
	}
	if p.fail == 0 || p.calls < p.fail || p.calls > last {
		return fn()
	}
	switch p.how {
	case lost:
		_ = fn()
	case silenced:
		p.silent = name
	}
	return errBroken
}

func other(name string) string {
	if name == "west" {
		return "east"
	}
	return "west"
}

// tick lets time do its work: an isolation runs out, an isolated primary is replaced
// after 5 s.
func (p *pair) tick() {
	if p.isolated != "" && p.isolated == p.primary && p.auto && time.Since(p.at) > 5*time.Second {
		p.take(other(p.primary))
	}
	if p.isolated != "" && time.Now().After(p.until) {
		p.isolated = ""
		p.changed()
	}
}

func (p *pair) take(name string) {
	p.parted, p.primary = p.primary, name
	p.term++
	p.changed()
}

// changed writes down when clients begin or cease to be served.
func (p *pair) changed() {
	now := p.isolated != p.primary && (!p.gone || p.at.IsZero()) && (p.mode != "sync" || !p.stop || p.isolated == "" && p.parted == "")
	if now != p.served {
		p.served = now
		p.turns = append(p.turns, time.Now())
	}
}

type end struct {
	*pair
	name string
}

func (e *end) Show(ctx context.Context, _ string) (s groups.Status, err error) {
	by, bounded := ctx.Deadline() // the watcher and whoever winds up give a look a second
	return s, e.do(e.name, !bounded || time.Until(by) > time.Second, func() error {
		s = groups.Status{
			Name: "orders", Term: e.term, Holder: e.primary, Standing: groups.Secondary, Mode: e.mode, WhenAway: map[bool]string{true: "stop", false: "degrade"}[e.stops], Automatic: e.auto,
			Units: []groups.Unit{{Connected: !e.sickly && e.isolated == ""}}, Voters: e.voters, RTOSeconds: e.rto, RPOSeconds: e.rpo, PeerReachable: e.isolated == "",
		}
		if e.isolated == e.name {
			s.IsolatedUntil = &e.until
		}
		switch {
		case e.name == e.primary && time.Since(e.back) < e.slow:
			s.Standing = groups.Halted
		case e.name == e.primary:
			s.Standing = groups.Primary
		case e.isolated == e.name:
			s.Standing = groups.Halted
			if e.both {
				s.Standing = groups.Primary
			}
		case e.parted == e.name:
			s.Standing, s.Phase = groups.Salvage, "parted"
		}
		return nil
	})
}

func (e *end) Switch(_ context.Context, _, to string) (c groups.Change, err error) {
	return c, e.do(e.name, true, func() error {
		if e.name != e.primary || e.parted != "" || e.isolated != "" {
			return errors.New("it can not be switched now")
		}
		e.primary = to
		e.term++
		if to == "west" && e.longWay > 0 {
			e.turns = append(e.turns, time.Now(), time.Now().Add(e.longWay))
		}
		c = groups.Change{To: to, Term: e.term, Seconds: 0.1}
		return nil
	})
}

func (e *end) Expect(context.Context, string) (x groups.Expected, err error) {
	return x, e.do(e.name, true, func() error {
		x.Loss = &groups.Loss{Known: true, Messages: 3}
		return nil
	})
}

func (e *end) Promote(context.Context, string, bool) (c groups.Change, err error) {
	return c, e.do(e.name, true, func() error {
		if time.Since(e.at) < 3*time.Second {
			return errors.New("no majority")
		}
		if e.name != e.primary {
			e.take(e.name)
		}
		c = groups.Change{To: e.name, Term: e.term}
		return nil
	})
}

func (e *end) Isolate(_ context.Context, _ string, d time.Duration) error {
	return e.do(e.name, true, func() error {
		if d == 0 {
			e.isolated, e.back = "", time.Now()
		} else {
			e.isolated, e.at, e.until = e.name, time.Now(), time.Now().Add(d)
		}
		e.changed()
		return nil
	})
}

func (e *end) Tail(_ context.Context, _ string, rows int) (s groups.Salvaged, err error) {
	return s, e.do(e.name, true, func() error {
		row := func(kind, id string, at float64) groups.Row {
			return groups.Row{Kind: kind, Entity: orders.Queue, MessageID: id, At: e.at.Add(time.Duration(at * float64(time.Second)))}
		}
		for _, r := range []groups.Row{row("message", "taken", 0), row("message", "taken too", 2.5), row("message", "not", 9), row("settlement", "", 9)} {
			s.Tally.Add(r)
			s.Rows = append(s.Rows, r)
		}
		s.Rows = s.Rows[:min(rows, len(s.Rows))]
		s.Tally.Rows += e.hidden
		return nil
	})
}

func (e *end) Salvage(_ context.Context, _, choice string, _ bool) (s groups.Salvaged, err error) {
	return s, e.do(e.name, true, func() error {
		e.parted = ""
		e.changed()
		s = groups.Salvaged{Choice: choice, Tally: groups.Tally{Rows: 4}}
		return nil
	})
}

// crowd is clients that are acknowledged every 50 ms whenever somebody serves them.
type crowd struct{ p *pair }

const crowdEvery = 50 * time.Millisecond

// served are the moments at which they were.
func (c crowd) served() (all []time.Time) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.tick()
	on, turns := false, c.p.turns
	for at := c.p.began; !at.After(time.Now()); at = at.Add(crowdEvery) {
		for len(turns) > 0 && !turns[0].After(at) {
			on, turns = !on, turns[1:]
		}
		if on {
			all = append(all, at)
		}
	}
	return all
}

func (c crowd) Counts() (n orders.Counts) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.tick()
	on := false
	for _, at := range c.p.turns {
		if at.After(time.Now()) {
			break
		}
		on, n.LastIn = !on, at
	}
	if on {
		n.LastIn = time.Now()
	}
	return n
}

func (crowd) Took(id string) bool { return id != "not" }

func (c crowd) Look(fn func(*orders.Book)) {
	b := orders.NewBook()
	for _, at := range c.served() {
		n, _ := b.Send(at)
		b.Acknowledged(n, at)
		b.Delivered(n, int64(n), at)
	}
	fn(b)
}

func (crowd) Drain(context.Context) orders.Account {
	return orders.Account{Acknowledged: 9, Processed: 9}
}

func rehearse(ctx context.Context, p *pair, kind string) (*evidence.Record, error) {
	return Run(ctx, Options{
		Group: "orders", Kind: kind, Places: map[string]Place{"west": &end{p, "west"}, "east": &end{p, "east"}}, Traffic: crowd{p},
	})
}
