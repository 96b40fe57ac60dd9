// Package simulation runs the platform's machines under one seed: three nodes of
// a location over one log, with clients, on a clock that only the seed moves.
// Nodes crash, stand still and step their clocks; the log is slow, loses
// appends, loses answers; two nodes believe they hold the lease.
//
// Promises:
//
//  1. One seed is one history: the same seed gives the same trace, to the byte.
//  2. The code under test is the code that runs: the replica core and the
//     service's machine, without their shells.
//  3. Everything clients were told is held against everything they did.
//
// Refuses: goroutines, clocks, sockets. What only those can break is for the
// conformance tests and the torture.
package simulation

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

// World is the time, the dice and everything that is going to happen.
type World struct {
	rng   *rand.Rand
	start time.Time
	now   time.Time
	queue events
	order uint64

	tell  func(line string) // nil: only the hash is kept
	trace uint64
	lines int
}

// newWorld begins a history. tell, if not nil, gets every line of the trace.
func newWorld(seed uint64, tell func(string)) *World {
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return &World{rng: rand.New(rand.NewPCG(seed, 0x77656972)), start: start, now: start, tell: tell}
}

// Now returns the true time, which no node knows.
func (w *World) Now() time.Time { return w.now }

// After lets fn happen once d has passed.
func (w *World) After(d time.Duration, fn func()) {
	w.order++
	heap.Push(&w.queue, &event{at: w.now.Add(d), order: w.order, fn: fn})
}

// Between draws a duration.
func (w *World) Between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)))
}

// Chance is true n times in a hundred.
func (w *World) Chance(percent int) bool { return w.rng.IntN(100) < percent }

// Pick draws a number below n.
func (w *World) Pick(n int) int { return w.rng.IntN(n) }

// Say adds a line to the trace.
func (w *World) Say(format string, args ...any) {
	line := fmt.Sprintf("%9.3fms ", float64(w.now.Sub(w.start).Microseconds())/1000) + fmt.Sprintf(format, args...)
	h := fnv.New64a()
	fmt.Fprintf(h, "%x %s", w.trace, line)
	w.trace = h.Sum64()
	w.lines++
	if w.tell != nil {
		w.tell(line)
	}
}

// run lets things happen until the given time has passed or nothing is left.
func (w *World) run(until time.Time) {
	for w.queue.Len() > 0 && !w.queue[0].at.After(until) {
		e := heap.Pop(&w.queue).(*event)
		w.now = e.at
		e.fn()
	}
	w.now = until
}

type event struct {
	at    time.Time
	order uint64 // of two at one time, the one asked for first
	fn    func()
}

type events []*event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].order < q[j].order
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(*event)) }
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}

// Result is what a history came to.
type Result struct {
	Seed       uint64
	Trace      uint64 // hash of the trace
	Lines      int
	Violations []string
	Counts     map[string]int
}

// String tells the result in a line and each violation in one more.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: trace %016x of %d lines, %v", r.Seed, r.Trace, r.Lines, r.Counts)
	for _, v := range r.Violations {
		b.WriteString("\n  " + v)
	}
	return b.String()
}
