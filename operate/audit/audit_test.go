package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	kernel "weir/kernel/audit"
	"weir/kernel/audit/history"
	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

// startLog is a log that owns its unit.
func startLog(t *testing.T, o Options) *Log {
	t.Helper()
	l := New(o)
	u := replicatest.StartOwner(t, l.Machine())
	startOn(t, l, u)
	return l
}

func startOn(t *testing.T, l *Log, u *replica.Unit) {
	if l.o.Way == nil {
		l.o.Way = func(context.Context) (http.RoundTripper, error) { return nil, nil }
	}
	l.Start(u)
	t.Cleanup(func() { _ = l.Stop(context.WithoutCancel(t.Context())) })
}

// handled is a way to a handler.
type handled struct{ http.Handler }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func find(t *testing.T, l *Log, q history.Query) []kernel.Entry {
	t.Helper()
	found, err := l.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func done(action string) kernel.Entry {
	return kernel.Entry{Caller: "ada", Action: action, Scope: "/subscriptions/s", Door: "arm", Outcome: kernel.Succeeded}
}

func refused(peer string) kernel.Entry {
	return kernel.Entry{Action: "read", Scope: "/subscriptions/s", Door: "arm", Peer: peer, Outcome: kernel.Refused, Code: "Unauthorized"}
}

func TestNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLog(t, Options{Location: "west"})
		for i := range 3 {
			if err := l.Note(t.Context(), done(fmt.Sprint("write ", i))); err != nil {
				t.Fatal(err)
			}
		}
		found := find(t, l, history.Query{})
		if len(found) != 3 || found[0].Action != "write 2" || found[0].Seq != 3 || found[0].Location != "west" || found[0].Time.IsZero() {
			t.Errorf("%+v", found)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Note(cancelled, done("of who is gone")); err != nil {
			t.Errorf("an operation whose client is gone: %v", err)
		}
	})
}

func TestRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLog(t, Options{Location: "west"})
		for i := range 1000 {
			if err := l.Note(t.Context(), refused(fmt.Sprintf("10.0.0.9:%d", i+1024))); err != nil {
				t.Fatal(err)
			}
		}
		for i := range KindsMax + 50 {
			_ = l.Note(t.Context(), refused(fmt.Sprintf("10.0.%d.1:80", i)))
		}
		if found := find(t, l, history.Query{}); len(found) != 0 {
			t.Errorf("%d entries before a second is over", len(found))
		}
		time.Sleep(flushEvery + time.Millisecond)
		synctest.Wait()
		found := find(t, l, history.Query{Oldest: true})
		if len(found) != KindsMax+1 || found[0].Count != 1000 || found[0].First.IsZero() {
			t.Fatalf("%d entries, the first %+v", len(found), found[0])
		}
		others := 0
		for _, e := range found {
			if e.Code == "More" {
				others += e.Count
			}
		}
		if others != 51 {
			t.Errorf("%d are counted together, want 51", others)
		}
	})
}

// Another node gives its entries to the owner, also while ownership moves.
func TestOtherNodesNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := startLog(t, Options{Location: "west"})
		tries := 0
		other := New(Options{Location: "west", Way: func(context.Context) (http.RoundTripper, error) {
			if tries++; tries < 3 {
				return nil, fault.New(fault.NotOwner, "It moves.")
			}
			return handled{owner.NodeHandler()}, nil
		}})
		startOn(t, other, replicatest.StartOwner(t, other.Machine()))
		if err := other.Note(t.Context(), done("write")); err != nil {
			t.Fatal(err)
		}
		if found := find(t, owner, history.Query{}); len(found) != 1 || found[0].Action != "write" {
			t.Errorf("%+v", found)
		}
	})
}

func TestWhatCannotBeNotedIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLog(t, Options{Location: "west", Way: func(context.Context) (http.RoundTripper, error) {
			return nil, fault.New(fault.Unavailable, "Nobody owns it.")
		}})
		began := time.Now()
		if err := l.Note(t.Context(), done("write")); !fault.Is(err, fault.Unavailable) || time.Since(began) > noteTimeout+time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// A location that was away catches up, page by page, and has everything once.
func TestCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		west := startLog(t, Options{Location: "west"})
		away := errors.New("no line")
		var broken error = away
		east := startLog(t, Options{Location: "east", Peers: func() map[string]http.RoundTripper {
			return map[string]http.RoundTripper{"west": tripper(func(r *http.Request) (*http.Response, error) {
				if broken != nil {
					return nil, broken
				}
				return handled{west.PeerHandler()}.RoundTrip(r)
			})}
		}})
		var many []kernel.Entry
		for i := range pageMax + 10 {
			many = append(many, done(fmt.Sprint(i, strings.Repeat("x", 400))))
		}
		if err := west.write(t.Context(), many); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * copyEvery)
		if got := find(t, east, history.Query{Location: "west"}); len(got) != 0 {
			t.Fatalf("%d came over a broken line", len(got))
		}
		broken = nil
		time.Sleep(2 * copyEvery)
		synctest.Wait()
		original, _ := json.Marshal(find(t, west, history.Query{Location: "west", Oldest: true}))
		copied, _ := json.Marshal(find(t, east, history.Query{Location: "west", Oldest: true}))
		if string(original) != string(copied) {
			t.Error("the copy is not what it was")
		}
	})
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAsking(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for query, want := range map[string]string{
		"":                               "",
		"since=1h&outcome=Refused&top=5": "",
		"since=2026-03-01T00:00:00Z":     "",
		"since=yesterday":                "since",
		"until=1":                        "until",
		"outcome=refused":                "outcome",
		"top=0":                          "top",
		"top=1001":                       "top",
		"top=many":                       "top",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ParseQuery(values.Get, now)
		if (err == nil) != (want == "") || err != nil && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", query, err)
		}
	}
	l := startLog(t, Options{Location: "west"})
	if err := l.Note(t.Context(), done("write")); err != nil {
		t.Fatal(err)
	}
	h := l.Handler(func(w http.ResponseWriter, _ *http.Request, err error) { http.Error(w, err.Error(), 400) })
	for _, c := range []struct{ method, target, has string }{
		{"GET", "/audit?outcome=Succeeded", `"action":"write"`},
		{"GET", "/audit?caller=nobody", `{"entries":[]}`},
		{"GET", "/audit?top=x", "from 1 to"},
		{"DELETE", "/audit", "changed by nobody"},
		{"POST", "/audit/entries", "changed by nobody"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.target, nil))
		if !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s %s: %s", c.method, c.target, w.Body)
		}
	}
}
