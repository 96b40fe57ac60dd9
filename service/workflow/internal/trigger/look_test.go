package trigger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

const (
	polls  = `{"p": {"type": "Http", "recurrence": {"frequency": "Minute", "interval": 1}, "inputs": {"method": "GET", "uri": "https://x/"}}}`
	splits = `{"p": {"type": "Http", "recurrence": {"frequency": "Minute", "interval": 1}, "inputs": {"method": "GET", "uri": "https://x/"}, "splitOn": "@triggerBody()"}}`
	pushed = `{"p": {"type": "ServiceProvider", "kind": "Push", "inputs": {"parameters": {}, "serviceProviderConfiguration": {"connectionName": "c", "operationId": "receive", "serviceProviderId": "/serviceProviders/serviceBus"}}}}`
)

func bodyOf(v any) connector.Item { return connector.Item{Outputs: expression.NewObject("body", v)} }

// A trigger that looks gives the cursor back that it got, heeds After and More, and
// notes looks that found nothing.
func TestLooks(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		began := time.Now()
		var seen []string
		o.looks = func(w *connector.Watch) connector.Found {
			seen = append(seen, fmt.Sprintf("%d:%s", int(time.Since(began)/time.Second), w.Cursor))
			switch len(seen) {
			case 1:
				return connector.Found{Status: 200, Items: []connector.Item{bodyOf("a"), bodyOf("b")}, Cursor: []byte("1"), More: true}
			case 2:
				return connector.Found{Status: 200, Cursor: []byte("2"), After: 7 * time.Second}
			case 3:
				return connector.Found{Status: 202, Cursor: []byte("2"), After: 7 * time.Second}
			}
			return connector.Found{Status: 200, Items: []connector.Item{bodyOf("c")}, Cursor: []byte("3")}
		}
		e.gain("east")
		e.put("a", polls)
		after(68 * time.Second)
		expect(t, strings.Join(seen, " "), "0: 0:1 7:2 60:2")
		expect(t, e.bodies("a"), "a b c")
		expect(t, e.notes("a"), "Skipped OK, Skipped Accepted")
	})
}

// A trigger without a recurrence looks again at once when its looks wait for something
// to be there, and after a while when they do not.
func TestLooksWithoutARecurrence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		var waits atomic.Bool
		var looks atomic.Int64
		waits.Store(true)
		o := &outside{e: e, looks: func(w *connector.Watch) connector.Found {
			if looks.Add(1); waits.Load() {
				time.Sleep(w.Wait)
			}
			return connector.Found{}
		}}
		ctx, cancel := context.WithCancel(context.Background())
		wait := New(Options{Host: e, Connectors: o}).Start(ctx)
		e.gain("east")
		e.put("w", pushed)
		after(5*time.Minute + time.Second)
		if n := looks.Swap(0); n != 11 {
			t.Errorf("%d looks of half a minute", n)
		}
		waits.Store(false)
		after(5 * time.Minute)
		if n := looks.Load(); n < 27 || n > 31 {
			t.Errorf("%d looks that do not wait", n)
		}
		cancel()
		wait()
	})
}

// Looks that fail are tried again as the policy says, then noted; what may not be tried
// again is noted at once.
func TestLooksFail(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		looks, again := 0, true
		o.looks = func(w *connector.Watch) connector.Found {
			looks++
			return connector.Found{Status: 503, Code: "ServiceUnavailable", Message: "down", Retryable: again}
		}
		e.gain("east")
		e.put("a", strings.Replace(polls, `"https://x/"`, `"https://x/", "retryPolicy": {"type": "fixed", "count": 2, "interval": "PT10S"}`, 1))
		after(59 * time.Second)
		if looks != 3 {
			t.Errorf("%d looks", looks)
		}
		expect(t, e.notes("a"), "Failed ServiceUnavailable")
		o.mu.Lock()
		again = false
		o.mu.Unlock()
		after(time.Minute)
		expect(t, e.notes("a"), "Failed ServiceUnavailable, Failed ServiceUnavailable")
		e.put("b", `{"p": {"type": "ApiManagement", "recurrence": {"frequency": "Minute", "interval": 1}, "inputs": {"api": {"id": "x"}, "pathTemplate": {"template": "/"}, "method": "GET"}}}`)
		after(time.Second)
		expect(t, e.notes("b"), "Failed TriggerTypeNotSupported")
	})
}

// A disabled trigger does not look, and goes on with its cursor.
func TestLooksEndWithTheWorkflow(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		looks := 0
		o.looks = func(w *connector.Watch) connector.Found {
			looks++
			return connector.Found{Status: 200, Items: []connector.Item{bodyOf(fmt.Sprintf("%s%d", w.Cursor, looks))}, Cursor: []byte(fmt.Sprintf("c%d-", looks))}
		}
		e.gain("east")
		e.put("a", polls)
		after(61 * time.Second)
		e.set("a", func(f *flow) { f.view.Disabled = true })
		after(3 * time.Minute)
		e.set("a", func(f *flow) { f.view.Disabled = false })
		after(time.Second)
		expect(t, e.bodies("a"), "1 c1-2 c2-3")
		if err := m.Reset(context.Background(), "a", "p"); err != nil {
			t.Error(err)
		}
		after(time.Second)
		expect(t, e.bodies("a"), "1 c1-2 c2-3 4")
		e.put("b", polls)
		after(time.Second)
		if err := m.SetState(context.Background(), "b", "p", "a", "p"); err != nil {
			t.Error(err)
		}
		after(time.Second)
		expect(t, e.bodies("b"), "5 c4-6")
		e.remove("a")
		after(3 * time.Minute)
		if looks != 9 {
			t.Errorf("%d looks", looks)
		}
	})
}

// What is split are runs of one step, or none is.
func TestSplit(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		n := 0
		o.looks = func(w *connector.Watch) connector.Found {
			n++
			return connector.Found{Status: 200, Items: []connector.Item{bodyOf([]any{int64(n), int64(n * 10)})}, Cursor: []byte(fmt.Sprint(n))}
		}
		e.gain("east")
		e.put("a", splits)
		e.set("a", func(f *flow) { f.room = 3 })
		after(61 * time.Second)
		expect(t, e.bodies("a"), "1 10")
		after(3 * time.Minute)
		e.end("a", run.Succeeded, 0)
		after(3 * time.Second)
		expect(t, e.bodies("a"), "1 10 2 20")
		if n != 2 {
			t.Errorf("%d looks while there was no room", n)
		}
	})
}

// What is split into more runs than ever may wait is said so, and nothing of it is lost.
func TestSplitTooMuch(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		o.looks = func(w *connector.Watch) connector.Found {
			return connector.Found{Status: 200, Items: []connector.Item{bodyOf([]any{"a", "b", "c"})}, Cursor: []byte("x")}
		}
		e.gain("east")
		e.put("a", splits, func(v *host.View) { v.Runs, v.WaitingRuns = 1, 1 })
		after(10 * time.Second)
		if got := e.notes("a"); !strings.HasPrefix(got, "Failed SplitOnItemsLimitExceeded") {
			t.Errorf("noted: %s", got)
		}
		e.put("a", splits, func(v *host.View) { v.WaitingRuns = 2 })
		after(10 * time.Second)
		expect(t, e.bodies("a"), "a b c")
	})
}

// queue is a broker with locks: what is not settled comes again when its lock has run out.
type queue struct {
	mu       sync.Mutex
	lock     time.Duration
	messages []*letter
	settled  []string
	holds    int
	fails    bool // settling does
	seen     int
}

type letter struct {
	id    string
	until time.Time
	gone  bool
}

func (q *queue) look(w *connector.Watch) connector.Found {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen++
	f := connector.Found{}
	for _, m := range q.messages {
		if m.gone || time.Now().Before(m.until) || len(f.Items) >= w.Most {
			continue
		}
		m.until = time.Now().Add(q.lock)
		until := m.until
		f.Items = append(f.Items, connector.Item{Outputs: expression.NewObject("body", m.id), Key: m.id,
			Settle: func(ctx context.Context, done bool) error {
				q.mu.Lock()
				defer q.mu.Unlock()
				if q.fails || m.gone || !m.until.Equal(until) || time.Now().After(m.until) {
					return errKilled
				}
				q.settled = append(q.settled, fmt.Sprintf("%s %t", m.id, done))
				m.gone = done
				if !done {
					m.until = time.Time{}
				}
				return nil
			},
			Hold: func(ctx context.Context) (time.Duration, error) {
				q.mu.Lock()
				defer q.mu.Unlock()
				if m.gone || !m.until.Equal(until) || time.Now().After(m.until) {
					return 0, errKilled
				}
				q.holds++
				m.until = time.Now().Add(q.lock)
				until = m.until
				return q.lock, nil
			}})
	}
	f.More = len(f.Items) > 0
	return f
}

func (q *queue) send(ids ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range ids {
		q.messages = append(q.messages, &letter{id: id})
	}
}

func (q *queue) told() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return strings.Join(q.settled, ", ")
}

// An item is held while its run goes on and settled when it has ended. One whose run
// failed is given back, and has another run when it comes again.
func TestItemsInHand(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		q := &queue{lock: 30 * time.Second}
		o.looks = q.look
		q.send("a", "b")
		e.gain("east")
		e.put("w", pushed)
		after(5 * time.Minute)
		expect(t, e.bodies("w"), "a b")
		expect(t, q.told(), "")
		if q.holds < 20 || q.holds > 50 {
			t.Errorf("held %d times", q.holds)
		}
		e.end("w", run.Succeeded, 0)
		after(2 * time.Second)
		expect(t, q.told(), "a true")
		e.end("w", run.Failed, 1)
		after(2 * time.Second)
		if got := q.told(); !strings.HasPrefix(got, "a true, b false") {
			t.Errorf("settled %s", got)
		}
		// It was given back, and is tried again when it comes again.
		expect(t, e.bodies("w"), "a b b")
		e.end("w", run.Succeeded)
		after(2 * time.Second)
		expect(t, q.told(), "a true, b false, b true")
	})
}

// Who wants to know only that its runs are recorded is told so, again when the item
// comes again; the key is forgotten then, while the run goes on.
func TestItemsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		e.gain("east")
		e.put("w", pushed)
		var mu sync.Mutex
		gone, tries := map[int]bool{}, 0
		o := &outside{e: e, looks: func(w *connector.Watch) connector.Found {
			mu.Lock()
			defer mu.Unlock()
			f := connector.Found{After: 5 * time.Second}
			for k := 0; k < 20 && len(f.Items) < w.Most; k++ {
				if gone[k] {
					continue
				}
				f.Items = append(f.Items, connector.Item{Outputs: expression.NewObject("body", int64(k)), Key: fmt.Sprint(k), Taken: func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					if tries++; tries%3 == 1 {
						return errKilled
					}
					gone[k] = true
					return nil
				}})
			}
			return f
		}}
		ctx, cancel := context.WithCancel(context.Background())
		wait := New(Options{Host: e, Connectors: o, Limits: Limits{KeysKept: 6, LookItems: 4}}).Start(ctx)
		after(3 * time.Minute)
		got := strings.Fields(e.bodies("w"))
		if slices.Sort(got); len(got) != 20 || len(slices.Compact(got)) != 20 {
			t.Errorf("runs of %v", got)
		}
		if len(gone) != 20 {
			t.Errorf("%d were taken", len(gone))
		}
		cancel()
		wait()
	})
}

// After a takeover an item comes again and belongs to the run that it has; when that has
// ended meanwhile it is settled at once. No other run is started.
func TestItemsComeAgain(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		q := &queue{lock: 30 * time.Second}
		o.looks = q.look
		q.send("a", "b", "c")
		e.gain("east")
		e.put("w", pushed)
		after(10 * time.Second)
		q.mu.Lock()
		q.fails = true
		q.mu.Unlock()
		e.end("w", run.Succeeded, 0)
		after(time.Minute)
		e.drop()
		e.end("w", run.Succeeded, 1)
		after(time.Minute)
		q.mu.Lock()
		q.fails = false
		q.mu.Unlock()
		e.gain("west")
		after(time.Minute)
		if got := strings.Split(q.told(), ", "); len(got) != 2 || !slices.Contains(got, "a true") || !slices.Contains(got, "b true") {
			t.Errorf("settled %v", got)
		}
		e.end("w", run.Succeeded, 2)
		after(10 * time.Second)
		if !strings.HasSuffix(q.told(), ", c true") {
			t.Errorf("settled %s", q.told())
		}
		expect(t, e.bodies("w"), "a b c")
	})
}

// What was in hand of a workflow that is removed is given back.
func TestItemsOfAWorkflowThatIsRemoved(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		q := &queue{lock: 30 * time.Second}
		o.looks = q.look
		q.send("a")
		e.gain("east")
		e.put("w", pushed)
		after(time.Minute)
		e.remove("w")
		after(5 * time.Second)
		expect(t, q.told(), "a false")
	})
}

// When there is room for some runs only, those with a key begin, and the others when
// there is room; nothing is found meanwhile.
func TestItemsWaitForRoom(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		q := &queue{lock: 20 * time.Second}
		o.looks = q.look
		q.send("a", "b", "c", "d")
		e.gain("east")
		e.put("w", pushed)
		e.set("w", func(f *flow) { f.room = 3 })
		after(time.Minute)
		expect(t, e.bodies("w"), "a b c")
		e.end("w", run.Succeeded, 0)
		after(30 * time.Second)
		expect(t, e.bodies("w"), "a b c d")
		e.end("w", run.Succeeded)
		after(30 * time.Second)
		if got := strings.Split(q.told(), ", "); len(got) != 4 {
			t.Errorf("settled %v", got)
		}
	})
}

// So many keys are remembered and no more: a trigger looks no further while they are all
// in hand, and forgets those that were settled.
func TestKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		o := &outside{e: e}
		q := &queue{lock: time.Minute}
		o.looks = q.look
		for k := range 50 {
			q.send(fmt.Sprint(k))
		}
		ctx, cancel := context.WithCancel(context.Background())
		m := New(Options{Host: e, Connectors: o, Limits: Limits{KeysKept: 10, LookItems: 4}})
		wait := m.Start(ctx)
		e.gain("east")
		e.put("w", pushed)
		for round := 1; round <= 5; round++ {
			after(10 * time.Second)
			if n := len(e.runs("w")); n != 10*round {
				t.Errorf("round %d: %d runs", round, n)
			}
			e.end("w", run.Succeeded)
		}
		after(10 * time.Second)
		if n := len(strings.Split(q.told(), ", ")); n != 50 {
			t.Errorf("%d are settled", n)
		}
		cancel()
		wait()
	})
}

// feed is a source with a cursor, whose items do not come again by themselves.
func feed(total int) func(*connector.Watch) connector.Found {
	return func(w *connector.Watch) connector.Found {
		n := 0
		fmt.Sscan(string(w.Cursor), &n)
		f := connector.Found{Status: 200, Cursor: w.Cursor}
		for k := n; k < min(n+3, total); k++ {
			f.Items = append(f.Items, bodyOf(int64(k)))
			f.Cursor = []byte(fmt.Sprint(k + 1))
		}
		f.More = len(f.Items) > 0
		return f
	}
}

// A trigger that looks, killed before and after everything that it records or asks,
// starts a run for each item once.
func TestLooksKilledAnywhere(t *testing.T) {
	const total = 10
	var want []string
	for k := range total {
		want = append(want, fmt.Sprint(k))
	}
	for at := 1; ; at++ {
		points := 0
		synctest.Test(t, func(t *testing.T) {
			e := newEstate(t)
			e.killAt = at
			e.put("a", polls)
			e.gain("east")
			o := &outside{e: e, looks: feed(total)}
			for range 2 {
				ctx, cancel := context.WithCancel(context.Background())
				_, wait := e.start(ctx, o)
				after(3 * time.Minute)
				cancel()
				wait()
				e.gain("west")
			}
			if got := e.bodies("a"); got != strings.Join(want, " ") {
				t.Errorf("killed at %d: %s", at, got)
			}
			points = e.points
		})
		if at > points {
			t.Logf("killed at %d points", at-1)
			return
		}
	}
}

// The same with items that have keys and locks: each has one run, and is settled once
// its run has ended.
func TestItemsKilledAnywhere(t *testing.T) {
	const total = 6
	for at := 1; ; at++ {
		points := 0
		synctest.Test(t, func(t *testing.T) {
			e := newEstate(t)
			e.killAt = at
			e.put("w", pushed)
			e.set("w", func(f *flow) { f.room = 4 })
			e.gain("east")
			q := &queue{lock: 20 * time.Second}
			for k := range total {
				q.send(fmt.Sprint(k))
			}
			o := &outside{e: e, looks: q.look}
			for range 2 {
				ctx, cancel := context.WithCancel(context.Background())
				_, wait := e.start(ctx, o)
				for range 10 {
					after(10 * time.Second)
					e.end("w", run.Succeeded)
				}
				cancel()
				wait()
				e.gain("west")
			}
			got := strings.Fields(e.bodies("w"))
			slices.Sort(got)
			if strings.Join(got, " ") != "0 1 2 3 4 5" {
				t.Errorf("killed at %d, these had runs: %v", at, got)
			}
			if n := len(strings.Split(q.told(), ", ")); n != total {
				t.Errorf("killed at %d, settled: %s", at, q.told())
			}
			points = e.points
		})
		if at > min(points, 60) {
			t.Logf("killed at %d points", at-1)
			return
		}
	}
}
