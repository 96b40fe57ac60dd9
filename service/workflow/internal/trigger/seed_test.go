package trigger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// Whatever is lost how often, and whichever location goes on: under many seeds a unit
// with every kind of trigger is killed again and again while workflows are disabled,
// enabled and declared anew. What the package promises holds of all that came of it.
func TestSeeds(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { play(t, uint64(seed)) })
	}
}

const (
	feeds   = 40
	letters = 25
)

func play(t *testing.T, seed uint64) {
	lots := rand.New(rand.NewPCG(seed, 1))
	e := newEstate(t)
	q := &queue{lock: 20 * time.Second}
	o := &outside{e: e}
	s := newService(o)
	from := feed(feeds)
	o.looks = func(w *connector.Watch) connector.Found {
		if w.Type == "Http" {
			return from(w)
		}
		return q.look(w)
	}
	for k := range letters {
		q.send(fmt.Sprint(k))
	}
	e.gain("east")
	e.put("ticks", everyMinute)
	e.put("windows", `{"w": {"type": "SlidingWindow", "recurrence": {"frequency": "Minute", "interval": 1}}}`)
	e.put("polls", polls)
	e.put("items", pushed)
	e.put("hooks", hooks)
	e.put("a", gathers)
	e.set("items", func(f *flow) { f.room = 7 })
	ctx, cancel := context.WithCancel(context.Background())
	m, wait := e.start(ctx, o)
	began, sent := time.Now(), 0
	for range 40 {
		after(time.Duration(lots.IntN(20)+1) * time.Second)
		for _, name := range []string{"ticks", "windows", "polls", "items", "a"} {
			if lots.IntN(3) == 0 {
				e.end(name, run.Succeeded)
			}
		}
		switch lots.IntN(8) {
		case 0:
			e.set("hooks", func(f *flow) { f.view.Disabled = !f.view.Disabled })
		case 1:
			e.put("hooks", strings.Replace(hooks, "https://x/", fmt.Sprintf("https://x/%d", lots.IntN(3)), -1))
		case 2:
			e.set("polls", func(f *flow) { f.view.Disabled = !f.view.Disabled })
		case 3, 4:
			if m.Send(context.Background(), "a", "b", Message{Batch: "orders", ID: fmt.Sprint(sent), Key: "k", Content: int64(sent)}) == nil {
				sent++
			}
		}
		if e.isLost() {
			if lots.IntN(3) == 0 {
				cancel()
				wait()
				ctx, cancel = context.WithCancel(context.Background())
				m, wait = e.start(ctx, o)
			}
			e.gain([]string{"east", "west"}[lots.IntN(2)])
			e.mu.Lock()
			e.killAt = e.points + 1 + lots.IntN(40)
			e.mu.Unlock()
		} else if lots.IntN(10) == 0 {
			e.drop()
		}
	}
	e.mu.Lock()
	e.killAt = 0
	e.mu.Unlock()
	e.drop()
	after(time.Second)
	e.gain("west")
	e.set("hooks", func(f *flow) { f.view.Disabled = false })
	e.set("polls", func(f *flow) { f.view.Disabled = false })
	for range 40 {
		after(5 * time.Second)
		for _, name := range []string{"ticks", "windows", "polls", "items", "a"} {
			e.end(name, run.Succeeded)
		}
	}
	judge(t, e, s, q, seed, began, sent)
	cancel()
	wait()
}

// judge holds what came of a seed against what is promised.
func judge(t *testing.T, e *estate, s *service, q *queue, seed uint64, began time.Time, sent int) {
	t.Helper()
	times := map[time.Time]bool{}
	for _, r := range e.runs("ticks") {
		if times[r.scheduled] {
			t.Errorf("seed %d: the time %s is fired twice", seed, r.scheduled.Sub(began))
		}
		times[r.scheduled] = true
	}
	end := time.Time{}
	for _, r := range e.runs("windows") {
		from, _ := r.outputs.Get("windowStartTime")
		to, _ := r.outputs.Get("windowEndTime")
		x, _ := time.Parse(time.RFC3339Nano, expression.Text(from))
		if !end.IsZero() && !x.Equal(end) {
			t.Errorf("seed %d: a window begins at %s, the one before it ends at %s", seed, x.Sub(began), end.Sub(began))
		}
		end, _ = time.Parse(time.RFC3339Nano, expression.Text(to))
	}
	if time.Since(end) > 2*time.Minute {
		t.Errorf("seed %d: the last window ends at %s", seed, end.Sub(began))
	}
	var want []string
	for k := range feeds {
		want = append(want, fmt.Sprint(k))
	}
	if got := e.bodies("polls"); got != strings.Join(want, " ") {
		t.Errorf("seed %d: polled %s", seed, got)
	}
	got := strings.Fields(e.bodies("items"))
	slices.Sort(got)
	if len(got) != letters || len(slices.Compact(got)) != letters {
		t.Errorf("seed %d: %d items had runs: %v", seed, len(got), got)
	}
	if n := len(strings.Split(q.told(), ", ")); n != letters {
		t.Errorf("seed %d: %d items are settled", seed, n)
	}
	if got := s.has(); got != "https://west/hooks/h" {
		t.Errorf("seed %d: subscribed are %q", seed, got)
	}
	all := strings.Fields(batchesOf(e))
	for k := range sent - sent%3 {
		n := 0
		for _, word := range all {
			if strings.TrimSuffix(word, ";") == fmt.Sprint(k) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("seed %d: message %d is in %d runs", seed, k, n)
		}
	}
}
