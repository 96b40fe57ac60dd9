// Package watch is a watchdog: a process outside both locations that looks at them all
// the time, through the doors clients use too, tells people when something is wrong,
// and, where it was told to, promotes a location.
//
// Promises:
//
//  1. Every round ends in bounded time, also when nobody answers.
//  2. What package core calls an alarm is written, posted and handed to a command; what
//     can not be delivered is tried again and, when too much waits, dropped and counted.
//  3. It promotes only where it may, only without force, only when the other location
//     hears nothing of the primary either, and at most once in a while.
//  4. Its own silence shows: other watchdogs ask it, and it calls an address each round
//     that somebody else can miss.
//
// It refuses to decide who may own: it asks for a promotion, the voters decide.
package watch

import (
	"context"
	"encoding/json"
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
	Probe     probe.Probe // nil: no message is sent
	Peers     []string    // URLs of other watchdogs
	Listen    string      // where this one is asked; empty: it is not
	Heartbeat string      // URL that is called after each round; empty: none
	Webhooks  []string
	Exec      []string      // command that gets each event on its standard input
	Act       []string      // groups that may be promoted
	Every     time.Duration // between two rounds; 5 s
	CoolDown  time.Duration // between two promotions; 10 min
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
)

// Watchdog is one of them.
type Watchdog struct {
	o      Options
	log    *slog.Logger
	alarms *core.Alarms
	sinks  []*sink
	server *http.Server
	door   net.Listener
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu    sync.Mutex
	began time.Time
	last  time.Time // end of the newest round
	up    []core.Alarm
	acted map[string]time.Time // by group
}

// New builds a watchdog that does nothing yet.
func New(o Options) *Watchdog {
	if o.Every == 0 {
		o.Every = everyDefault
	}
	if o.CoolDown == 0 {
		o.CoolDown = coolDownDefault
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: askWithin}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Watchdog{o: o, log: o.Logger, alarms: core.New(o.Limits), acted: map[string]time.Time{}}
	for _, url := range o.Webhooks {
		w.sinks = append(w.sinks, newSink(url, w.log, w.post(url)))
	}
	if len(o.Exec) > 0 {
		w.sinks = append(w.sinks, newSink(o.Exec[0], w.log, w.execute))
	}
	return w
}

// Start begins to watch.
func (w *Watchdog) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.began = cancel, time.Now()
	if w.o.Listen != "" {
		door, err := net.Listen("tcp", w.o.Listen)
		if err != nil {
			cancel()
			return fmt.Errorf("listen for other watchdogs on %s: %w", w.o.Listen, err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /watch", w.show)
		w.door, w.server = door, &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
		w.wait.Go(func() { _ = w.server.Serve(door) }) // it ends with Stop
	}
	for _, s := range w.sinks {
		w.wait.Go(func() { s.run(ctx) })
	}
	w.wait.Go(func() { w.run(ctx) })
	return nil
}

// Addr is where it is asked; empty: it is not.
func (w *Watchdog) Addr() string {
	if w.door == nil {
		return ""
	}
	return w.door.Addr().String()
}

// Stop ends it.
func (w *Watchdog) Stop() {
	w.cancel()
	if w.server != nil {
		w.server.Close()
	}
	w.wait.Wait()
}

func (w *Watchdog) run(ctx context.Context) {
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	for {
		w.round(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// round looks at everything once.
func (w *Watchdog) round(ctx context.Context) {
	seen, message := w.look(ctx)
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	for _, e := range w.alarms.Step(now, core.Judge(seen, message, w.o.Limits)) {
		w.tell(e)
	}
	up := w.alarms.Up()
	w.mu.Lock()
	w.last, w.up = now, up
	w.mu.Unlock()
	w.act(ctx, seen, up)
	if w.o.Heartbeat != "" {
		w.beat(ctx)
	}
}

// look asks everybody at the same time.
func (w *Watchdog) look(ctx context.Context) (core.Seen, core.Probe) {
	within, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	seen := core.Seen{Locations: map[string]core.Location{}, Peers: map[string]core.Peer{}}
	var message core.Probe
	var mu sync.Mutex
	var asking sync.WaitGroup
	for i := range w.o.Locations {
		l := &w.o.Locations[i]
		asking.Go(func() {
			at := ask(within, l)
			mu.Lock()
			defer mu.Unlock()
			seen.Locations[l.Name] = at
		})
	}
	for _, url := range w.o.Peers {
		asking.Go(func() {
			p := w.askPeer(within, url)
			mu.Lock()
			defer mu.Unlock()
			seen.Peers[url] = p
		})
	}
	if w.o.Probe != nil {
		asking.Go(func() {
			r := w.o.Probe.Check(ctx)
			mu.Lock()
			defer mu.Unlock()
			message = core.Probe{Asked: true, Seconds: r.Seconds}
			if r.Err != nil {
				message.Err = r.Err.Error()
			}
		})
	}
	asking.Wait()
	return seen, message
}

// ask asks one location for its groups, each with its voters.
func ask(ctx context.Context, l *groups.Location) core.Location {
	list, err := l.List(ctx)
	if err != nil {
		return core.Location{Err: err.Error()}
	}
	at := core.Location{}
	for _, g := range list.Value {
		whole, err := l.Show(ctx, g.Name)
		if err != nil {
			whole = g // without its voters
		}
		at.Groups = append(at.Groups, whole)
	}
	return at
}

// Shown is what a watchdog says of itself.
type Shown struct {
	Name   string       `json:"name"`
	Began  time.Time    `json:"began"`
	Silent float64      `json:"silentSeconds"` // since the end of its newest round
	Alarms []core.Alarm `json:"alarms"`
}

func (w *Watchdog) show(out http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	s := Shown{Name: w.o.Name, Began: w.began, Alarms: w.up, Silent: time.Since(w.began).Seconds()}
	if !w.last.IsZero() {
		s.Silent = time.Since(w.last).Seconds()
	}
	w.mu.Unlock()
	out.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(out).Encode(s) // who asked has gone
}

const peerBytesMax = 1 << 20

// askPeer asks another watchdog.
func (w *Watchdog) askPeer(ctx context.Context, url string) core.Peer {
	peer := groups.Location{Name: url, Admin: []string{url}, Client: w.o.Client}
	var s Shown
	if err := peer.Do(ctx, http.MethodGet, "/watch", nil, &s); err != nil {
		return core.Peer{Err: err.Error()}
	}
	return core.Peer{Silent: time.Duration(s.Silent * float64(time.Second))}
}

// tell writes an event, and gives it to whoever wants it.
func (w *Watchdog) tell(e core.Event) {
	level := slog.LevelError
	if e.Kind == "cleared" {
		level = slog.LevelInfo
	} else if e.Alarm.Severity == core.Warning {
		level = slog.LevelWarn
	}
	w.log.Log(context.Background(), level, e.Kind+": "+e.Alarm.What, "alarm", e.Alarm.Key, "severity", e.Alarm.Severity, "since", e.Alarm.Since, "do", e.Alarm.Do)
	for _, s := range w.sinks {
		s.give(e)
	}
}

// act promotes a location where that is allowed and due.
func (w *Watchdog) act(ctx context.Context, seen core.Seen, up []core.Alarm) {
	for _, group := range w.o.Act {
		if last, before := w.acted[group]; before && time.Since(last) < w.o.CoolDown {
			continue
		}
		to, why := core.MayAct(seen, up, group)
		for i := range w.o.Locations {
			if l := &w.o.Locations[i]; to != "" && l.Name == to {
				w.promote(ctx, l, group, why)
			}
		}
	}
}

// promote asks a location to take a group; the voters decide.
func (w *Watchdog) promote(ctx context.Context, l *groups.Location, group, why string) {
	ctx, cancel := context.WithTimeout(ctx, promoteWithin)
	defer cancel()
	c, err := l.Promote(ctx, group, false)
	if err != nil {
		w.log.Warn("a promotion was refused", "group", group, "location", l.Name, "why", why, "error", err)
		return
	}
	w.acted[group] = time.Now()
	w.log.Error("a location was promoted by this watchdog", "group", group, "location", l.Name, "term", c.Term, "why", why)
	at := time.Now()
	w.tell(core.Event{Kind: "acted", Alarm: core.Alarm{Since: at, Condition: core.Condition{
		Key: "act/" + group, Severity: core.Critical, What: fmt.Sprintf("%s was promoted for the group %s: %s", l.Name, group, why), Do: "see to the lost location; what it has alone is salvaged when it is back",
	}}})
}

// beat calls the address that somebody else watches.
func (w *Watchdog) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.o.Heartbeat, nil)
	if err == nil {
		var answer *http.Response
		if answer, err = w.o.Client.Do(r); err == nil {
			answer.Body.Close()
		}
	}
	if err != nil && ctx.Err() == nil {
		w.log.Warn("the heartbeat could not be sent", "error", err)
	}
}
