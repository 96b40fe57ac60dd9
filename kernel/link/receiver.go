package link

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"weir/kernel/journal"
	"weir/kernel/link/core"
	"weir/kernel/replica"
)

// ReceiverOptions say what a receiver copies, and from where.
type ReceiverOptions struct {
	// Unit is the unit's name, Location that of this location.
	Unit, Location string
	// Dial opens a connection to the node of the primary that owns the unit. Its ctx
	// bounds the dialling alone.
	Dial func(ctx context.Context) (net.Conn, error)
	// Term is the group's term as this location knows it.
	Term func() uint64
	// Seeded is given the snapshot to begin with when the primary has trimmed away what
	// would follow here. It keeps it as a new generation and sees to it that the unit
	// is opened again; the receiver copies nothing more into the log it had. It must
	// not wait for the unit to end: that waits for Run, and Run for it.
	Seeded func(ctx context.Context, s journal.Snapshot) error
	// Forked is told that the newest record here is not in the primary's history, once
	// for each such record; nil: nobody is told.
	Forked func(m journal.Mark)
	// Limits bound the link; both locations should agree on them.
	Limits Limits
	// Logger is told what an operator wants to know; nil discards.
	Logger *slog.Logger
}

// Receiver is the secondary's side of the link of one unit on one node. It is the
// unit's replica.Source.
type Receiver struct {
	o   ReceiverOptions
	log *slog.Logger

	running sync.Mutex // one Run at a time
	mu      sync.Mutex
	core    *core.Receiver
	forked  journal.Mark // that was told
	told    string       // the last trouble that was logged
}

// NewReceiver returns a receiver.
func NewReceiver(o ReceiverOptions) *Receiver {
	o.Limits = o.Limits.Defaults()
	return &Receiver{o: o, log: loggerOr(o.Logger).With("unit", o.Unit), core: core.NewReceiver(o.Unit, o.Location, o.Limits)}
}

// State returns what is known of the primary and of the copy.
func (r *Receiver) State() Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.State()
}

const (
	redialMin = 50 * time.Millisecond
	redialMax = 2 * time.Second
)

// Run copies into a log until ctx ends, over as many connections as that takes. It
// returns before that only when the log here fails; then with its error. Whatever
// it was storing has an outcome, or was given up on after Limits.HelloTimeout, when
// it returns.
func (r *Receiver) Run(ctx context.Context, into replica.CopyLog) error {
	r.running.Lock()
	defer r.running.Unlock()
	pause := redialMin
	for {
		s, err := r.session(ctx, into)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if local, ok := errors.AsType[*localError](err); ok {
			return local.error
		}
		if s.seed != nil && r.seeded(ctx, *s.seed) {
			<-ctx.Done() // there is another log now, and another Run for it
			return ctx.Err()
		}
		if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.Verdict == core.Fork {
			r.fork(s.after)
		}
		if s.served {
			pause = redialMin
		}
		if s.seed == nil {
			r.trouble(err)
		}
		rest(ctx, pause)
		pause = min(2*pause, redialMax)
	}
}

// seeded hands a snapshot over; false: it could not be kept.
func (r *Receiver) seeded(ctx context.Context, s journal.Snapshot) bool {
	r.log.Info("a snapshot to begin with has come from the primary", "at", s.At.Last, "bytes", len(s.Data))
	if r.o.Seeded == nil {
		r.log.Error("nobody keeps the snapshot to begin with")
		return false
	}
	if err := r.o.Seeded(ctx, s); err != nil {
		r.log.Error("the snapshot to begin with could not be kept", "error", err)
		return false
	}
	return true
}

// trouble logs why a connection ended or did not come about, each reason once in a
// row.
func (r *Receiver) trouble(err error) {
	kind := err.Error()
	if errors.Is(err, ErrSilent) {
		kind = ErrSilent.Error()
	}
	if kind == r.told {
		return
	}
	r.told = kind
	level := slog.LevelInfo
	if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.Verdict == core.Fork {
		level = slog.LevelError
	}
	if _, ok := errors.AsType[*journal.Damage](err); ok {
		level = slog.LevelError
	}
	r.log.Log(context.Background(), level, "nothing is copied from the primary", "reason", err)
}

// fork tells that the mark of a hello is of another history.
func (r *Receiver) fork(m journal.Mark) {
	if m == r.forked || r.o.Forked == nil {
		return
	}
	r.forked = m
	r.o.Forked(m)
}

// localError is a failure of the log here.
type localError struct{ error }

// Unwrap returns the failure.
func (e *localError) Unwrap() error { return e.error }

func local(err error) error {
	if err == nil {
		return nil
	}
	return &localError{err}
}

// rest waits for a time, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
