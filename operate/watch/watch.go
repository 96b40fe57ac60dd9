// Package watch is a watchdog: a process outside both locations that looks at them all
// the time, through the doors clients use too, tells people when something is wrong,
// and, where it was told to, promotes a location.
//
// Promises:
//
//  1. Every round ends in bounded time, also when nobody answers; one that does not, and
//     a watchdog that stood still, is told too.
//  2. What package core calls an alarm is written, posted and handed to a command; what
//     can not be delivered is tried again and, when too much waits, dropped and counted.
//  3. It promotes only where it may, only without force, only when the other location
//     hears nothing of the primary either, and once within its cool-down.
//  4. Its own silence shows: other watchdogs ask it, and it calls an address each round
//     that somebody else can miss.
//
// It refuses to decide who may own: it asks for a promotion, the voters decide. It keeps
// nothing on disk: what is still wrong after a restart is raised again.
package watch

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"weir/internal/groups"
	"weir/operate/probe"
	"weir/operate/watch/core"
)

// Options say what is watched. Zero values take the defaults named here.
type Options struct {
	Name      string
	Locations []groups.Location
	Data      map[string]probe.Probe // by location: a message through its own doors
	Probe     probe.Probe            // a message through the address of applications; nil: none is sent
	Peers     []string               // URLs of other watchdogs
	Listen    string                 // where this one is asked; empty: it is not
	TLS       *tls.Config            // to be asked over HTTPS; nil: HTTP
	Heartbeat string                 // URL that is called after each round; empty: none
	Webhooks  []string
	Exec      []string      // command that gets each event on its standard input
	Act       []string      // groups that may be promoted
	Every     time.Duration // between two rounds; 5 s
	CoolDown  time.Duration // between two promotions of a group; 10 min
	Limits    core.Limits
	Client    *http.Client // for peers, webhooks and the heartbeat
	Logger    *slog.Logger
}

const (
	everyDefault    = 5 * time.Second
	coolDownDefault = 10 * time.Minute
	askWithin       = 4 * time.Second
	headerTimeout   = 5 * time.Second
	promoteWithin   = time.Minute
	// lateMin is how late a watchdog is told of at the earliest.
	lateMin = 15 * time.Second
	// stopWithin is how long events may take to be delivered when it ends.
	stopWithin = 3 * time.Second
)

// Watchdog is one of them.
type Watchdog struct {
	o        Options
	log      *slog.Logger
	instance string // tells this process from another one of the same name
	alarms   *core.Alarms
	sinks    []*sink
	server   *http.Server
	door     net.Listener
	cancel   context.CancelFunc
	hush     context.CancelFunc // ends the sinks
	watching sync.WaitGroup
	telling  sync.WaitGroup
	beating  chan struct{} // holds the one heartbeat under way

	mu      sync.Mutex
	began   time.Time
	last    time.Time // end of the newest round
	rounds  int
	seen    core.Seen // in it
	message core.Probe
	up      []core.Alarm
	beat    string                 // why the newest heartbeat was not taken
	heard   map[string]heardOf     // other watchdogs, by URL
	acted   map[string]*lastAction // by group, lower case
}

// New builds a watchdog that does nothing yet.
func New(o Options) *Watchdog {
	if o.Every == 0 {
		o.Every = everyDefault
	}
	if o.CoolDown == 0 {
		o.CoolDown = coolDownDefault
	}
	if o.Limits.Late == 0 {
		o.Limits.Late = max(3*o.Every, lateMin)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: deliverLimit}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Watchdog{
		o: o, log: o.Logger, instance: rand.Text(), alarms: core.New(o.Limits), beating: make(chan struct{}, 1),
		heard: map[string]heardOf{}, acted: map[string]*lastAction{},
	}
	for _, url := range o.Webhooks {
		w.sinks = append(w.sinks, newSink(place(url), o.Name, w.log, w.post(url)))
	}
	if len(o.Exec) > 0 {
		w.sinks = append(w.sinks, newSink(o.Exec[0], o.Name, w.log, w.execute))
	}
	return w
}

// Start begins to watch.
func (w *Watchdog) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	tell, hush := context.WithCancel(context.Background())
	w.cancel, w.hush, w.began = cancel, hush, time.Now()
	if w.o.Listen != "" {
		if err := w.serve(); err != nil {
			cancel()
			hush()
			return fmt.Errorf("listen for other watchdogs on %s: %w", w.o.Listen, err)
		}
	}
	for _, s := range w.sinks {
		w.telling.Go(func() { s.run(tell) })
	}
	w.watching.Go(func() { w.run(ctx) })
	return nil
}

// Addr is where it is asked; empty: it is not.
func (w *Watchdog) Addr() string {
	if w.door == nil {
		return ""
	}
	return w.door.Addr().String()
}

// Stop ends it. What waits to be delivered is tried once more.
func (w *Watchdog) Stop() {
	w.cancel()
	if w.server != nil {
		w.server.Close()
	}
	w.watching.Wait()
	w.hush()
	w.telling.Wait()
}

// sight is what one round saw.
type sight struct {
	seen    core.Seen
	message core.Probe
}

// run looks every so often, and keeps an eye on itself: what looks never holds up this
// loop.
func (w *Watchdog) run(ctx context.Context) {
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	sights := make(chan sight, 1)
	began, last, looking := time.Now(), time.Now(), true
	look := func() { sights <- w.look(ctx) }
	w.watching.Go(look)
	for {
		select {
		case s := <-sights:
			looking = false
			w.judge(ctx, s)
		case <-tick.C:
			now := time.Now()
			late := now.Sub(last) - w.o.Every
			last = now
			if looking {
				late = max(late, now.Sub(began)-w.o.Every)
			}
			if late > w.o.Limits.Late {
				w.judge(ctx, sight{seen: core.Seen{Partial: true, Late: late}})
			}
			if !looking {
				began, looking = now, true
				w.watching.Go(look)
			}
		case <-ctx.Done():
			return
		}
	}
}

// judge tells what follows from a round.
func (w *Watchdog) judge(ctx context.Context, s sight) {
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	for _, e := range w.alarms.Step(now, s.seen, core.Judge(s.seen, s.message, w.o.Limits)) {
		w.tell(e)
	}
	up := w.alarms.Up()
	w.mu.Lock()
	w.up = up
	if !s.seen.Partial {
		w.last, w.seen, w.message = now, s.seen, s.message
		w.rounds++
	}
	w.mu.Unlock()
	if s.seen.Partial {
		return
	}
	w.act(ctx, s.seen, up)
	w.callHome(ctx)
}

// tell writes an event, and gives it to whoever wants it.
func (w *Watchdog) tell(e core.Event) {
	level := slog.LevelError
	if e.Kind == core.Cleared {
		level = slog.LevelInfo
	} else if e.Alarm.Severity == core.Warning {
		level = slog.LevelWarn
	}
	w.log.Log(context.Background(), level, e.Kind+": "+e.Alarm.What, "alarm", e.Alarm.Key, "severity", e.Alarm.Severity, "since", e.Alarm.Since, "do", e.Alarm.Do)
	for _, s := range w.sinks {
		s.give(e)
	}
}
