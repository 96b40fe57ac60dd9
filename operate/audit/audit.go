// Package audit keeps the audit log of a location: a unit of its own, with a journal like
// any other, copied to the locations it is paired with.
//
// What it promises:
//
//  1. Note returns when the entry is durable, on whichever node owns the log. What cannot
//     be noted is written whole into the process's own log, as an error, and the caller
//     is told.
//     Nothing is shown before it is durable.
//  2. Refusals cost a bounded amount: those that differ in nothing but their time are one
//     entry a second and node, and beyond KindsMax kinds in a second the rest are counted
//     together. They are durable within about a second.
//  3. Each paired location has a copy of every entry within seconds while the two hear
//     each other; later, when they do not. A copy is never changed by the location that
//     has it.
//  4. Asking is paged and bounded.
//
// What it refuses: to be changed or emptied by anybody. Old entries go when there are too
// many or they are too old (see package history).
//
//	GET  /audit                 entries, the newest first: ?since= until= outcome= caller= scope= action= location= top=
//	POST /audit/entries         of other nodes of the location
//	GET  /peer/audit?after=N    of a paired location: what was noted here, the oldest first
package audit

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	kernel "weir/kernel/audit"
	"weir/kernel/audit/history"
	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/replica"
)

// Unit is the name of the unit that keeps the log.
const Unit = "audit"

// Options are what the log stands on.
type Options struct {
	Location string
	// Way gives the way to the node that owns the unit; nil when that is this one.
	Way func(ctx context.Context) (http.RoundTripper, error)
	// Peers gives the ways to the paired locations, by name.
	Peers  func() map[string]http.RoundTripper
	Logger *slog.Logger
}

// Log is the audit log on this node.
type Log struct {
	o     Options
	log   *slog.Logger
	unit  *replica.Unit
	state history.State // the machine; the unit guards it

	refusals refusals
	stop     context.CancelFunc
	running  sync.WaitGroup
}

var _ kernel.Log = (*Log)(nil)

// New makes a log that is empty and does nothing yet: give Machine to its unit, and the
// unit to Start.
func New(o Options) *Log {
	l := &Log{o: o, log: o.Logger}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	return l
}

// machine is the state as its unit folds it.
type machine struct{ *history.State }

func (m machine) Apply(_ record.Ref, fact []byte) error { return m.State.Apply(fact) }

// Machine is what the unit folds.
func (l *Log) Machine() replica.Machine { return machine{&l.state} }

// Start begins to write what is noted and to copy what other locations have.
func (l *Log) Start(u *replica.Unit) {
	l.unit = u
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.running.Go(func() { l.every(ctx, flushEvery, l.flush) })
	l.running.Go(func() { l.every(ctx, copyEvery, l.copyAll) })
}

// Stop writes what is left and ends.
func (l *Log) Stop(ctx context.Context) error {
	l.stop()
	l.running.Wait()
	l.flush(ctx)
	return nil
}

const (
	flushEvery = time.Second
	copyEvery  = 2 * time.Second
	// noteTimeout is how long a caller waits for its entry to be durable.
	noteTimeout = 10 * time.Second
)

func (l *Log) every(ctx context.Context, pause time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Note implements audit.Log.
func (l *Log) Note(ctx context.Context, e kernel.Entry) error {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e = e.Bounded()
	if e.Outcome == kernel.Refused {
		l.refusals.add(e)
		return nil
	}
	return l.write(ctx, []kernel.Entry{e})
}

// write makes entries durable, here or on the node that owns the log.
func (l *Log) write(ctx context.Context, entries []kernel.Entry) error {
	// The operation is done: who asked for it may be gone, its entry is written.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	err := l.append(ctx, entries)
	if err != nil {
		for _, e := range entries {
			l.log.Error("an entry of the audit log could not be kept there", "entry", e, "error", fault.Detail(err))
		}
	}
	return err
}

// append writes on the owner, and tries again while ownership moves.
func (l *Log) append(ctx context.Context, entries []kernel.Entry) error {
	for len(entries) > 0 {
		n := fitting(entries)
		if err := l.appendSome(ctx, entries[:n]); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

// fitting is how many of the entries one fact takes.
func fitting(entries []kernel.Entry) int {
	size := 0
	for i, e := range entries {
		text, _ := json.Marshal(e) // texts, numbers and times marshal
		if size += len(text); size > factBytesMax && i > 0 {
			return i
		}
	}
	return len(entries)
}

// factBytesMax is far below what a turn may record.
const factBytesMax = 128 << 10

func (l *Log) appendSome(ctx context.Context, entries []kernel.Entry) error {
	for {
		way, err := l.o.Way(ctx)
		switch {
		case err != nil:
		case way == nil:
			err = l.call(ctx, func(t *replica.Turn) error { return l.record(t, l.state.Noted(l.o.Location, entries)) })
		default:
			err = post(ctx, way, entries)
		}
		switch fault.KindOf(err) {
		case fault.NotOwner, fault.Unavailable, fault.Busy:
		default:
			return err
		}
		timer := time.NewTimer(retryPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

const retryPause = 100 * time.Millisecond

// call does a turn on the owner and gives its error or the unit's.
func (l *Log) call(ctx context.Context, work func(*replica.Turn) error) error {
	var refusal error
	if err := l.unit.Call(ctx, func(t *replica.Turn) { refusal = work(t) }); err != nil {
		return err
	}
	return refusal
}

func (l *Log) record(t *replica.Turn, fact []byte) error {
	t.Record(fact)
	return l.state.Apply(fact)
}

// Find gives the entries a query chooses: all that are durable on the owner, elsewhere
// as far as this node has folded them.
func (l *Log) Find(ctx context.Context, q history.Query) (found []kernel.Entry, err error) {
	find := func() { found = l.state.Find(q) }
	if l.unit.Ownership().Self {
		err = l.call(ctx, func(*replica.Turn) error { find(); return nil }) // it waits until what it saw is durable
		if err == nil {
			return found, nil
		}
		if !fault.Is(err, fault.NotOwner) {
			return nil, err
		}
	}
	l.unit.View(find)
	return found, nil
}

// flush writes the refusals that have gathered.
func (l *Log) flush(ctx context.Context) {
	if entries := l.refusals.take(); len(entries) > 0 {
		_ = l.write(ctx, entries) // it has said so
	}
}

// copyAll brings the copies of other locations up to date, on the node that owns the log.
func (l *Log) copyAll(ctx context.Context) {
	if l.o.Peers == nil || !l.unit.Ownership().Self {
		return
	}
	for location, way := range l.o.Peers() {
		for l.copy(ctx, location, way) && ctx.Err() == nil {
		}
	}
}

// copy takes one page of another location's log, and says whether there may be more.
func (l *Log) copy(ctx context.Context, location string, way http.RoundTripper) (more bool) {
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	var last uint64
	l.unit.View(func() { last = l.state.Last(location) })
	page, err := fetch(ctx, way, last)
	if err != nil {
		l.log.Debug("the audit log of another location could not be read", "location", location, "error", err)
		return false
	}
	for rest := page; len(rest) > 0 && err == nil; {
		n := fitting(rest)
		err = l.call(ctx, func(t *replica.Turn) error {
			fact, err := l.state.Copied(location, rest[:n])
			if err != nil || fact == nil {
				return err
			}
			return l.record(t, fact)
		})
		rest = rest[n:]
	}
	if err != nil {
		l.log.Warn("the audit log of another location could not be copied", "location", location, "error", err)
		return false
	}
	return len(page) == pageMax
}
