package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/groups"
	"weir/operate/probe"
	"weir/operate/watch/core"
)

// world answers for everybody a watchdog asks, by host name: west and east are locations,
// hook takes events, beat the heartbeat, two is another watchdog. Nothing of it is a
// network, so that its time can be played.
type world struct {
	mu       sync.Mutex
	status   map[string]*groups.Status // by location
	silent   map[string]bool           // hosts that never answer
	fails    map[string]int            // hosts that answer this status
	events   []told
	posts    int // to the hook, taken or not
	beats    int
	promoted int
	refusal  string // of promotions
	other    Shown
}

func newWorld() *world {
	unit := func() []groups.Unit { return []groups.Unit{{Unit: "u", Connected: true, Ready: true}} }
	return &world{
		status: map[string]*groups.Status{
			"west": {Name: "orders", Term: 1, Standing: groups.Primary, Holder: "west", Peer: "east", PeerReachable: true, Units: unit()},
			"east": {Name: "orders", Term: 1, Standing: groups.Secondary, Holder: "west", Peer: "west", PeerReachable: true, Units: unit()},
		},
		silent: map[string]bool{}, fails: map[string]int{}, other: Shown{Name: "two", Instance: "another", Began: time.Now()},
	}
}

func (w *world) set(change func(w *world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

// number reads a count.
func (w *world) number(p *int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *p
}

// RoundTrip answers one request.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Host
	w.mu.Lock()
	if w.silent[host] {
		w.mu.Unlock()
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	defer w.mu.Unlock()
	code, body := w.answer(r, host)
	if w.fails[host] != 0 {
		code = w.fails[host]
	}
	text, err := json.Marshal(body)
	return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Body: io.NopCloser(strings.NewReader(string(text))), Request: r}, err
}

func (w *world) answer(r *http.Request, host string) (int, any) {
	status := w.status[host]
	switch {
	case host == "hook":
		w.posts++
		var e told
		if err := json.NewDecoder(r.Body).Decode(&e); err == nil && w.fails[host] == 0 {
			w.events = append(w.events, e)
		}
	case host == "beat":
		w.beats++
	case host == "two":
		return 200, w.other
	case status == nil:
		return 404, nil
	case r.URL.Path == groups.Path:
		return 200, groups.List{Location: host, Value: []groups.Status{*status}}
	case r.URL.Path == groups.Path+"/orders":
		return 200, status
	case strings.HasSuffix(r.URL.Path, "/promote"):
		if w.promoted++; w.refusal != "" {
			return 409, map[string]any{"error": map[string]string{"message": w.refusal}}
		}
		status.Standing, status.Holder, status.Term = groups.Primary, host, status.Term+1
		return 200, groups.Change{Term: status.Term, ExpectedLoss: &groups.Loss{Known: true, Messages: 7}}
	}
	return 200, map[string]string{}
}

// take gives the events that came since the last time, as "raised location/west".
func (w *world) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, e := range w.events {
		all = append(all, e.Kind+" "+e.Alarm.Key)
	}
	w.events = nil
	return all
}

// watchdog is one that watches the world, with the options of a test.
func (w *world) watchdog(t *testing.T, change func(o *Options)) *Watchdog {
	t.Helper()
	client := &http.Client{Transport: w}
	o := Options{
		Name: "one", Webhooks: []string{"http://hook/secret"}, Client: client, Limits: core.Limits{Remind: time.Hour},
		Locations: []groups.Location{{Name: "west", Admin: []string{"http://west"}, Client: client}, {Name: "east", Admin: []string{"http://east"}, Client: client}},
	}
	change(&o)
	dog := New(o)
	if err := dog.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dog.Stop)
	return dog
}

// message is a probe that answers as it is told to.
type message func(ctx context.Context) probe.Result

func (m message) Check(ctx context.Context) probe.Result { return m(ctx) }
