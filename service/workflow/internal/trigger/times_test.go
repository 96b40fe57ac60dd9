package trigger

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

const everyMinute = `{"tick": {"type": "Recurrence", "recurrence": {"frequency": "Minute", "interval": 1}}}`

// A Recurrence fires at once and at its times; not while it is disabled, nor for what was
// due meanwhile; another version that says the same changes nothing.
func TestRecurrence(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		began := time.Now()
		e.gain("east")
		e.put("a", everyMinute)
		after(2*time.Minute + 10*time.Second)
		expect(t, e.times("a", began), "0 60 120")
		e.put("a", everyMinute)
		after(time.Minute)
		expect(t, e.times("a", began), "0 60 120 180")
		e.set("a", func(f *flow) { f.view.Disabled = true })
		after(5 * time.Minute)
		e.set("a", func(f *flow) { f.view.Disabled = false })
		after(time.Minute)
		expect(t, e.times("a", began), "0 60 120 180 540")
		e.put("a", strings.Replace(everyMinute, `"interval": 1`, `"interval": 2`, 1))
		after(3 * time.Minute)
		expect(t, e.times("a", began), "0 60 120 180 540 550 670")
	})
}

func TestRecurrenceBegins(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		began := time.Now()
		e.gain("east")
		at := func(d time.Duration) string {
			return fmt.Sprintf(`{"tick": {"type": "Recurrence", "recurrence": {"frequency": "Minute", "interval": 1, "startTime": "%s"}}}`, began.Add(d).UTC().Format(time.RFC3339))
		}
		e.put("ahead", at(90*time.Second))
		e.put("behind", at(-90*time.Second))
		e.put("disabled", everyMinute, func(v *host.View) { v.Disabled = true })
		e.put("over", `{"tick": {"type": "Recurrence", "recurrence": {"frequency": "Minute", "interval": 1, "startTime": "1999-01-01T00:00:00Z", "endTime": "1999-02-01T00:00:00Z"}}}`)
		after(3 * time.Minute)
		e.set("disabled", func(f *flow) { f.view.Disabled = false })
		after(10 * time.Second)
		expect(t, e.times("ahead", began), "90 150")
		expect(t, e.times("behind", began), "30 90 150")
		expect(t, e.times("disabled", began), "180")
		expect(t, e.times("over", began), "")
	})
}

// A node that comes back fires once for what was due meanwhile; another location that
// takes over does not.
func TestRecurrenceAfterAPause(t *testing.T) {
	for location, want := range map[string]string{"east": "0 60 210 240", "west": "0 60 240"} {
		stage(t, func(e *estate, m *Manager, o *outside) {
			began := time.Now()
			e.gain("east")
			e.put("a", everyMinute)
			after(70 * time.Second)
			e.drop()
			after(140 * time.Second)
			e.gain(location)
			after(40 * time.Second)
			expect(t, e.times("a", began), want)
		})
	}
}

// A workflow that was declared before another location took over does not fire at once:
// the former owner may have done so. One that is declared after does.
func TestFirstRunAfterATakeover(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		began := time.Now()
		e.put("a", everyMinute)
		after(time.Second)
		e.gain("west")
		e.put("b", everyMinute)
		after(65 * time.Second)
		expect(t, e.times("a", began), "61")
		expect(t, e.times("b", began), "1 61")
	})
}

// Two locations that share a recurrence fire each time once.
func TestShares(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		began := time.Now()
		e.gain("east")
		for k, tag := range []string{"1/2", "2/2", "3/2"} {
			e.put(fmt.Sprint(k), everyMinute, func(v *host.View) { v.Tags = map[string]string{ShareTag: tag} })
		}
		after(5*time.Minute + time.Second)
		one, other := e.times("0", began), e.times("1", began)
		if got := strings.Split(one+" "+other, " "); len(got) != 5 {
			t.Errorf("the shares fire at %q and %q", one, other)
		}
		expect(t, e.times("2", began), "")
		expect(t, e.notes("2"), "Failed InvalidShare")
	})
}

// While the workflow takes no more runs a Recurrence waits, and fires once when it does.
func TestRecurrenceWaitsForRoom(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		began := time.Now()
		e.gain("east")
		e.put("a", everyMinute)
		e.set("a", func(f *flow) { f.room = 1 })
		after(3*time.Minute + time.Second)
		e.end("a", run.Succeeded)
		after(10 * time.Second)
		if got := e.times("a", began); got != "0 182" && got != "0 183" {
			t.Errorf("runs at %q", got)
		}
	})
}

// A condition that does not hold is noted, and the time is over.
func TestRecurrenceWithACondition(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		e.gain("east")
		e.put("a", strings.Replace(everyMinute, `"recurrence"`, `"conditions": [{"expression": "@equals(1, 2)"}], "recurrence"`, 1))
		after(61 * time.Second)
		expect(t, e.times("a", time.Now()), "")
		expect(t, e.notes("a"), "Skipped TriggerConditionNotMet, Skipped TriggerConditionNotMet")
	})
}

// Thousands of recurrences wait in a lane, not in goroutines.
func TestManyRecurrences(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		e.gain("east")
		before := runtime.NumGoroutine()
		const many = 2000
		for k := range many {
			e.put(fmt.Sprint(k), everyMinute)
		}
		after(30 * time.Second)
		if n := runtime.NumGoroutine() - before; n > 5 {
			t.Errorf("%d goroutines wait", n)
		}
		after(40 * time.Second)
		for k := range many {
			if n := len(e.runs(fmt.Sprint(k))); n != 2 {
				t.Fatalf("workflow %d ran %d times", k, n)
			}
		}
	})
}

// No window is left out, in whatever order things go wrong, and each comes after the one
// before it.
func TestSlidingWindow(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		began := time.Now()
		e.gain("east")
		e.put("a", `{"w": {"type": "SlidingWindow", "recurrence": {"frequency": "Minute", "interval": 1}, "inputs": {"delay": "PT10S"}}}`)
		after(75 * time.Second)
		expect(t, windowsOf(e, began), "0-60@70")
		e.drop()
		after(3 * time.Minute)
		e.gain("west")
		after(time.Second)
		expect(t, windowsOf(e, began), "0-60@70 60-120@255 120-180@255 180-240@255")
		e.set("a", func(f *flow) { f.room = 5 })
		after(3 * time.Minute)
		e.end("a", run.Succeeded)
		after(10 * time.Second)
		if got := windowsOf(e, began); !strings.HasPrefix(got, "0-60@70 60-120@255 120-180@255 180-240@255 240-300@310 300-360@4") || !strings.Contains(got, " 360-420@") {
			t.Errorf("windows %s", got)
		}
	})
}

func windowsOf(e *estate, from time.Time) string {
	var all []string
	for _, r := range e.runs("a") {
		at := func(name string) int {
			v, _ := r.outputs.Get(name)
			x, _ := time.Parse(time.RFC3339Nano, expression.Text(v))
			return int(x.Sub(from) / time.Second)
		}
		all = append(all, fmt.Sprintf("%d-%d@%d", at("windowStartTime"), at("windowEndTime"), int(r.at.Sub(from)/time.Second)))
	}
	return strings.Join(all, " ")
}

// A recurrence that is killed at any point, and goes on at once where it was, fires each
// time once.
func TestRecurrenceKilledAnywhere(t *testing.T) {
	for at := 1; ; at++ {
		points := 0
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			e := newEstate(t)
			e.killAt = at
			e.put("a", everyMinute)
			e.gain("east")
			for range 2 {
				ctx, cancel := context.WithCancel(context.Background())
				_, wait := e.start(ctx, &outside{e: e})
				for !e.isLost() && time.Since(began) < 5*time.Minute+30*time.Second {
					after(time.Second)
				}
				cancel()
				wait()
				e.gain("east")
			}
			if got := e.times("a", began); got != "0 60 120 180 240 300" && got != "1 61 121 181 241 301" && !once(got) {
				t.Errorf("killed at %d it fires at %s", at, got)
			}
			points = e.points
		})
		if at > points {
			return
		}
	}
}

// once says that there is one time for each minute, a second late at most.
func once(times string) bool {
	for k, s := range strings.Fields(times) {
		var n int
		fmt.Sscan(s, &n)
		if n < 60*k || n > 60*k+2 {
			return false
		}
	}
	return len(strings.Fields(times)) == 6
}

func TestRunByHand(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		began := time.Now()
		if _, err := m.Run(context.Background(), "a", "tick"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("who does not own runs: %v", err)
		}
		e.gain("east")
		e.put("a", everyMinute)
		after(10 * time.Second)
		name, err := m.Run(context.Background(), "a", "tick")
		if err != nil || name == "" {
			t.Errorf("run %q, %v", name, err)
		}
		after(55 * time.Second)
		expect(t, e.times("a", began), "0 10 60")
		if err := m.Reset(context.Background(), "a", "tick"); err != nil {
			t.Error(err)
		}
		after(61 * time.Second)
		expect(t, e.times("a", began), "0 10 60 125")
		if err := m.Reset(context.Background(), "a", "other"); !fault.Is(err, fault.NotFound) {
			t.Errorf("reset what is not there: %v", err)
		}
	})
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
