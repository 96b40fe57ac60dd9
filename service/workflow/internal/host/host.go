package host

import (
	"context"
	"log/slog"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/replica"
	"weir/service/workflow/internal/ledger"
)

// Unit is what a host needs of the unit that keeps it; *replica.Unit is one.
type Unit interface {
	Do(work func(*replica.Turn)) error
	Call(ctx context.Context, work func(*replica.Turn)) error
	View(fn func())
	Read(ctx context.Context, ref record.Ref) ([]byte, error)
	Wake(at time.Time)
	Lost() <-chan struct{}
	Ownership() replica.Ownership
}

// Host is one unit of workflows on this node. Its methods are safe for concurrent use.
type Host struct {
	o      Options
	limits Limits
	log    *slog.Logger
	unit   Unit
	ledger *ledger.Ledger
}

// New returns a host. It does nothing until Start gives it its unit, which must have been
// opened with Machine, Gained and Woken.
func New(o Options) *Host {
	h := &Host{o: o, limits: o.Limits.orDefault(), log: o.Logger, ledger: ledger.New()}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h
}

// Machine returns the fold that the unit must keep.
func (h *Host) Machine() replica.Machine { return nil }

// Gained is the first turn of an ownership.
func (h *Host) Gained(t *replica.Turn) {}

// Woken is the turn that was asked for. It says when it wants to run next.
func (h *Host) Woken(t *replica.Turn) time.Time { return time.Time{} }

// Start lets the host work with its unit until ctx ends; wait returns when all has ended.
func (h *Host) Start(ctx context.Context, unit Unit) (wait func()) {
	h.unit = unit
	return func() {}
}

// Owned reports whether this node decides, and gives the context that ends with that.
func (h *Host) Owned() (context.Context, bool) { return nil, false }

// Changed gives a channel that is closed with the next change of what is declared
// (workflows put, switched, removed) or of who owns.
func (h *Host) Changed() <-chan struct{} { return nil }

func notYet() error { return fault.New(fault.Unavailable, "This is not built yet.") }
