package watch

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/groups"
	"weir/operate/watch/core"
)

// TestAWebhookIsTriedAgain, in order, until it takes the event.
func TestAWebhookIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set(func(w *world) { w.fails["hook"], w.status["east"].Standing = 503, groups.Salvage })
		w.watchdog(t, func(o *Options) {})
		pass(20 * time.Second)
		wants(t, w)
		if w.number(&w.posts) < 3 {
			t.Errorf("tried %d times", w.number(&w.posts))
		}
		w.set(func(w *world) { w.fails["hook"], w.status["east"].Standing = 0, groups.Secondary })
		pass(time.Minute)
		w.mu.Lock()
		first := w.events[0]
		w.mu.Unlock()
		wants(t, w, "raised group/orders/east/salvage", "cleared group/orders/east/salvage")
		if first.Watchdog != "one" || first.Dropped != 0 || !strings.Contains(first.Text, "weir salvage orders") || first.Alarm.Group != "orders" || first.Alarm.Since.IsZero() {
			t.Errorf("it says %+v", first)
		}
	})
}

// TestTriesAreBounded: what is not taken is left for the next, which says so.
func TestTriesAreBounded(t *testing.T) {
	for status, tries := range map[int]int{500: triesMax, 429: triesMax, 404: 1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.set(func(w *world) { w.fails["hook"], w.status["east"].Standing = status, groups.Salvage })
			dog := w.watchdog(t, func(o *Options) {})
			pass(5 * time.Minute)
			if w.number(&w.posts) != tries || dog.sinks[0].lost.Load() != 1 {
				t.Errorf("%d: tried %d times, lost %d", status, w.number(&w.posts), dog.sinks[0].lost.Load())
			}
			w.set(func(w *world) { w.fails["hook"], w.status["east"].Standing = 0, groups.Secondary })
			pass(time.Minute)
			w.set(func(w *world) { w.status["east"].Standing = groups.Salvage })
			pass(time.Minute)
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.events) != 2 || w.events[0].Dropped != 1 || w.events[1].Dropped != 0 {
				t.Errorf("%d: the next two say %+v", status, w.events)
			}
		})
	}
}

// TestWhatCanNotBeDeliveredIsDropped: the oldest goes, and is counted.
func TestWhatCanNotBeDeliveredIsDropped(t *testing.T) {
	s := newSink("nowhere", "one", New(Options{}).log, nil)
	for range waitingMax + 10 {
		s.give(core.Event{Kind: core.Raised})
	}
	s.give(core.Event{Kind: "last"})
	if len(s.waiting) != waitingMax || s.lost.Load() != 11 {
		t.Fatalf("%d wait, %d are lost", len(s.waiting), s.lost.Load())
	}
	var newest core.Event
	for range waitingMax {
		newest = <-s.waiting
	}
	if newest.Kind != "last" {
		t.Errorf("the newest is %+v", newest)
	}
}

// TestTheEndDeliversWhatWaits, once, and does not wait for who never answers.
func TestTheEndDeliversWhatWaits(t *testing.T) {
	for silent, want := range map[bool]int{false: 2, true: 0} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.set(func(w *world) { w.fails["hook"] = 503 })
			dog := w.watchdog(t, func(o *Options) {})
			for range 2 {
				dog.tell(core.Event{Kind: core.Raised, Alarm: core.Alarm{Condition: core.Condition{Key: "x"}}})
			}
			synctest.Wait()
			w.set(func(w *world) { w.fails["hook"], w.silent["hook"] = 0, silent })
			began := time.Now()
			dog.Stop()
			if got := w.take(); len(got) != want {
				t.Errorf("silent %v: delivered %q", silent, got)
			}
			if took := time.Since(began); took > stopWithin {
				t.Errorf("silent %v: it took %s", silent, took)
			}
		})
	}
}

// TestNothingIsLeftBehind: an event that was given just before the end is delivered.
func TestNothingIsLeftBehind(t *testing.T) {
	for range 20 { // the sink may see either first
		taken := 0
		s := newSink("somewhere", "one", slog.New(slog.DiscardHandler), func(ctx context.Context, _ []byte) error {
			if ctx.Err() == nil {
				taken++
			}
			return ctx.Err()
		})
		s.give(core.Event{Kind: core.Raised})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.run(ctx)
		if taken != 1 {
			t.Fatalf("it was delivered %d times", taken)
		}
	}
}

func TestACommandGetsTheEvent(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the command of this test is a shell script")
	}
	dir := t.TempDir()
	script, out := filepath.Join(dir, "page"), filepath.Join(dir, "out")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat > \"$1.part\" && mv \"$1.part\" \"$1\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dog := New(Options{Name: "one", Exec: []string{script, out}, Client: &http.Client{Transport: newWorld()}})
	text, err := json.Marshal(told{Watchdog: "one", Event: core.Event{Kind: core.Raised}})
	if err != nil {
		t.Fatal(err)
	}
	if err := dog.execute(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != string(text) {
		t.Errorf("it got %q, %v", got, err)
	}
	dog.o.Exec = []string{"/bin/sh", "-c", "echo no pager >&2; exit 3"}
	if err := dog.execute(t.Context(), text); err == nil || !strings.Contains(err.Error(), "no pager") {
		t.Errorf("%v", err)
	}
}

// TestSecretsStayOutOfErrors: addresses of webhooks are secrets often enough.
func TestSecretsStayOutOfErrors(t *testing.T) {
	dog := New(Options{Client: &http.Client{}})
	err := dog.post("http://127.0.0.1:1/secret")(t.Context(), nil)
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
	if got := place("https://hooks.example.com/services/secret?token=secret"); got != "https://hooks.example.com" {
		t.Error(got)
	}
}
