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
	"fmt"
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

	tell  func(line string) // nil: only the hash and the newest lines are kept
	trace uint64
	lines int
	line  []byte
	tail  [tailLines][]byte // the newest lines, in a ring
}

// tailLines is how much of the trace is kept to be shown beside a violation.
const tailLines = 60

// NewWorld begins a history. tell, if not nil, gets every line of the trace.
func NewWorld(seed uint64, tell func(string)) *World {
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return &World{rng: rand.New(rand.NewPCG(seed, 0x77656972)), start: start, now: start, tell: tell}
}

// Now returns the true time, which no node knows.
func (w *World) Now() time.Time { return w.now }

// After lets fn happen once d has passed.
func (w *World) After(d time.Duration, fn func()) {
	w.order++
	w.queue.push(event{at: w.Elapsed() + d, order: w.order, fn: fn})
}

// Between draws a duration.
func (w *World) Between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)))
}

// Chance is true n times in a hundred.
func (w *World) Chance(percent int) bool { return w.rng.IntN(100) < percent }

// Pick draws a number below n.
func (w *World) Pick(n int) int { return w.rng.IntN(n) }

// Elapsed is how much true time has passed since the beginning.
func (w *World) Elapsed() time.Duration { return w.now.Sub(w.start) }

// Say adds a line to the trace.
func (w *World) Say(format string, args ...any) {
	w.line = fmt.Appendf(w.line[:0], "%9.3fms ", float64(w.now.Sub(w.start).Microseconds())/1000)
	w.line = fmt.Appendf(w.line, format, args...)
	for _, c := range w.line { // FNV-1a, from line to line
		w.trace = (w.trace ^ uint64(c)) * 1099511628211
	}
	keep := &w.tail[w.lines%tailLines]
	*keep = append((*keep)[:0], w.line...)
	w.lines++
	if w.tell != nil {
		w.tell(string(w.line))
	}
}

// Tail returns the newest lines of the trace, oldest first.
func (w *World) Tail() []string {
	var tail []string
	for i := max(0, w.lines-tailLines); i < w.lines; i++ {
		tail = append(tail, string(w.tail[i%tailLines]))
	}
	return tail
}

// Trace returns the hash of the trace, and of how many lines.
func (w *World) Trace() (hash uint64, lines int) { return w.trace, w.lines }

// Run lets things happen until the given time has passed or nothing is left.
func (w *World) Run(until time.Time) {
	end := until.Sub(w.start)
	for len(w.queue) > 0 && w.queue[0].at <= end {
		e := w.queue.pop()
		w.now = w.start.Add(e.at)
		e.fn()
	}
	w.now = until
}

type event struct {
	at    time.Duration // since the beginning
	order uint64        // of two at one time, the one asked for first
	fn    func()
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.order < o.order }

// events are a heap. It is written out because half of all a history does is to wait.
type events []event

func (q *events) push(e event) {
	*q = append(*q, e)
	h := *q
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(h[up]) {
			break
		}
		h[i], i = h[up], up
	}
	h[i] = e
}

func (q *events) pop() event {
	h := *q
	first, last := h[0], h[len(h)-1]
	h[len(h)-1] = event{}
	h = h[:len(h)-1]
	*q = h
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].before(h[down]) {
			down++
		}
		if !h[down].before(last) {
			break
		}
		h[i], i = h[down], down
	}
	if len(h) > 0 {
		h[i] = last
	}
	return first
}

// Result is what a history came to.
type Result struct {
	Seed       uint64
	Trace      uint64 // hash of the trace
	Lines      int
	Violations []string
	Tail       []string // of the trace, up to the first violation
	Counts     map[string]int
}

// String tells the result in a line, each violation in one more, and what happened
// before the first.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: trace %016x of %d lines, %v", r.Seed, r.Trace, r.Lines, r.Counts)
	for _, v := range r.Violations {
		b.WriteString("\n  " + v)
	}
	for _, line := range r.Tail {
		b.WriteString("\n    " + line)
	}
	return b.String()
}
