package host

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/wall"
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
	Position() record.Position
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
	values *values
	plans  plans
	clock  atomic.Int64 // the unit's time that was seen last, nanoseconds

	// reigning is the tenure of the present ownership. Only turns and the machine use it.
	reigning *tenure

	mu      sync.Mutex
	active  *tenure // takes work; nil when this node does not decide
	changed chan struct{}
	life    context.Context
	running sync.WaitGroup
}

// New returns a host. It does nothing until Start gives it its unit, which must have been
// opened with Machine, Gained and Woken.
func New(o Options) *Host {
	h := &Host{o: o, limits: o.Limits.orDefault(), log: o.Logger, ledger: ledger.New(), changed: make(chan struct{})}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.o.Now == nil {
		h.o.Now = wall.Now
	}
	if h.o.Random == nil {
		h.o.Random = random
	}
	h.values = newValues(h)
	return h
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// machine is the ledger as the unit sees it, with the tenure forgotten whenever the
// ledger's state is.
type machine struct {
	*ledger.Ledger
	h *Host
}

var _ replica.Compactor = machine{}

// Carry records an old payload once more.
func (m machine) Carry(t *replica.Turn, old record.Ref, payload []byte) {
	m.Ledger.Carry(t, old, payload)
}

// Reset goes back to the empty state.
func (m machine) Reset() {
	m.Ledger.Reset()
	m.h.reigning = nil
	// What was not durable may lie at the same place as what will be.
	m.h.values.forget()
	m.h.plans.forget()
}

// Machine returns the fold that the unit must keep.
func (h *Host) Machine() replica.Machine { return machine{h.ledger, h} }

// Start lets the host work with its unit until ctx ends; wait returns when all has ended.
func (h *Host) Start(ctx context.Context, unit Unit) (wait func()) {
	h.unit = unit
	h.mu.Lock()
	h.life = ctx
	h.mu.Unlock()
	h.running.Go(func() {
		<-ctx.Done()
		if t := h.current(); t != nil {
			t.end()
		}
	})
	return h.running.Wait
}

// Gained is the first turn of an ownership.
func (h *Host) Gained(rt *replica.Turn) {
	t := newTenure(h, rt.Epoch())
	h.reigning = t
	h.saw(rt)
	h.ledger.Unfinished(func(r *ledger.Run) {
		if r.State() != nil {
			t.old[r.Number] = true
		}
	})
	if h.ledger.Secret() == nil {
		secret := make([]byte, secretBytes)
		_, _ = rand.Read(secret) // never fails
		_ = h.ledger.SetSecret(rt, secret)
	}
	h.ledger.Own(rt, h.o.Location, rt.Epoch())
	rt.Reveal(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.life == nil || h.life.Err() != nil {
			return
		}
		h.running.Go(t.reign)
	})
}

// secretBytes is how long the unit's secret is.
const secretBytes = 32

// saw notes the unit's time.
func (h *Host) saw(rt *replica.Turn) { h.clock.Store(rt.Now().UnixNano()) }

// now is the time: never before the unit's, so that what a turn finds due is due for the
// runs too.
func (h *Host) now() time.Time {
	now := h.o.Now()
	if last := h.clock.Load(); last > now.UnixNano() {
		return time.Unix(0, last)
	}
	return now
}

func (h *Host) current() *tenure {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.active
}

// tenure gives the present ownership, or the fault that says that there is none.
func (h *Host) tenure() (*tenure, error) {
	if t := h.current(); t != nil {
		return t, nil
	}
	return nil, fault.New(fault.NotOwner, "This node does not own %s.", h.o.Unit)
}

// crown makes a tenure the one that takes work, or ends one that does not any more.
func (h *Host) crown(t *tenure, reigns bool) {
	h.mu.Lock()
	if reigns {
		h.active = t
	} else if h.active == t {
		h.active = nil
	}
	h.mu.Unlock()
	h.announce()
}

// Owned reports whether this node decides, and gives the context that ends with that.
func (h *Host) Owned() (context.Context, bool) {
	if t := h.current(); t != nil {
		return t.ctx, true
	}
	return nil, false
}

// Changed gives a channel that is closed with the next change of what is declared
// (workflows put, switched, removed) or of who owns.
func (h *Host) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

func (h *Host) announce() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
}

// read gives bytes of the log. What was recorded and is not durable yet is waited for.
func (h *Host) read(ctx context.Context, ref record.Ref) ([]byte, error) {
	if ref.At > h.unit.Position() {
		if err := h.unit.Call(ctx, func(*replica.Turn) {}); err != nil {
			return nil, err
		}
	}
	return h.unit.Read(ctx, ref)
}
