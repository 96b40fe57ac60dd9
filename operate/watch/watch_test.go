package watch

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/groups"
	"weir/operate/probe"
	"weir/operate/watch/core"
)

// site is a location that answers as it is told to.
type site struct {
	*httptest.Server
	mu       sync.Mutex
	status   groups.Status
	promoted atomic.Int32
}

func newSite(t *testing.T, name, standing string) *site {
	s := &site{status: groups.Status{Name: "orders", Term: 1, Standing: standing, Peer: map[string]string{"west": "east", "east": "west"}[name], PeerReachable: true, Units: []groups.Unit{{Unit: "u", Connected: true, Ready: true}}}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }
	mux.HandleFunc("GET "+groups.Path, func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer(w, groups.List{Location: name, Value: []groups.Status{s.status}})
	})
	mux.HandleFunc("GET "+groups.Path+"/orders", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer(w, s.status)
	})
	mux.HandleFunc("POST "+groups.Path+"/orders/promote", func(w http.ResponseWriter, _ *http.Request) {
		s.promoted.Add(1)
		s.set(func(g *groups.Status) { g.Standing, g.Term = groups.Primary, 2 })
		answer(w, groups.Change{Term: 2})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *site) set(fn func(g *groups.Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(&s.status)
}

// hook collects events, after failing some times.
type hook struct {
	*httptest.Server
	events chan core.Event
	fails  atomic.Int32
}

func newHook(t *testing.T) *hook {
	h := &hook{events: make(chan core.Event, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.fails.Add(-1) >= 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		var e core.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err == nil {
			h.events <- e
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) next(t *testing.T) core.Event {
	t.Helper()
	select {
	case e := <-h.events:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no event came")
		return core.Event{}
	}
}

type message func() probe.Result

func (m message) Check(context.Context) probe.Result { return m() }

func TestALostLocationIsToldAndReplaced(t *testing.T) {
	west, east, h := newSite(t, "west", groups.Primary), newSite(t, "east", groups.Secondary), newHook(t)
	h.fails.Store(2) // the first event is tried three times
	var broken atomic.Bool
	w := New(Options{
		Name: "one", Every: 10 * time.Millisecond, Webhooks: []string{h.URL}, Act: []string{"orders"}, Listen: "127.0.0.1:0",
		Locations: []groups.Location{{Name: "west", Admin: []string{west.URL}}, {Name: "east", Admin: []string{east.URL}}},
		Probe: message(func() probe.Result {
			if broken.Load() {
				return probe.Result{Stage: "send", Err: errors.New("nobody there")}
			}
			return probe.Result{Seconds: 0.01}
		}),
	})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	west.Close()
	if e := h.next(t); e.Kind != "raised" || e.Alarm.Key != "location/west" || e.Alarm.Do == "" {
		t.Fatalf("first came %+v", e)
	}
	if n := east.promoted.Load(); n != 0 {
		t.Error("promoted although east hears west")
	}
	broken.Store(true)
	if e := h.next(t); e.Kind != "raised" || e.Alarm.Key != "probe" {
		t.Fatalf("then came %+v", e)
	}
	east.set(func(g *groups.Status) { g.PeerReachable = false })
	if e := h.next(t); e.Kind != "acted" {
		t.Fatalf("then came %+v", e)
	}
	broken.Store(false)
	if e := h.next(t); e.Kind != "cleared" || e.Alarm.Key != "probe" {
		t.Fatalf("then came %+v", e)
	}
	if n := east.promoted.Load(); n != 1 {
		t.Errorf("promoted %d times", n)
	}

	other := New(Options{Name: "two", Every: 10 * time.Millisecond, Webhooks: []string{h.URL}, Peers: []string{"http://" + w.Addr()}, Locations: []groups.Location{{Name: "east", Admin: []string{east.URL}}}})
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Stop()
	w.server.Close() // it is silent
	if e := h.next(t); e.Kind != "raised" || e.Alarm.Key != "peer/http://"+w.Addr() {
		t.Fatalf("then came %+v", e)
	}
}

func TestWhatCanNotBeDeliveredIsDropped(t *testing.T) {
	s := newSink("nowhere", New(Options{}).log, nil)
	for range waitingMax + 10 {
		s.give(core.Event{Kind: "raised"})
	}
	s.give(core.Event{Kind: "last"})
	if len(s.waiting) != waitingMax {
		t.Fatalf("%d wait", len(s.waiting))
	}
	var newest core.Event
	for range waitingMax {
		newest = <-s.waiting
	}
	if newest.Kind != "last" {
		t.Errorf("the newest is %+v", newest)
	}
}

func TestTheHeartbeatBeats(t *testing.T) {
	var beats atomic.Int32
	heard := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if beats.Add(1) <= 3 {
			heard <- struct{}{}
		}
	}))
	defer server.Close()
	w := New(Options{Every: time.Millisecond, Heartbeat: server.URL})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for range 3 {
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Fatal("no beat")
		}
	}
}
