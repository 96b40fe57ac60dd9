package replica

import (
	"sync"
	"time"

	"weir/internal/wall"
	"weir/kernel/journal"
)

// Permit says until when this location may show what it decides. The units that
// change location together share one. It counts by the local monotonic clock.
type Permit struct {
	mu      sync.Mutex
	always  bool
	until   time.Time
	changed chan struct{}
	revoked chan struct{} // closed while it is revoked
}

// NewPermit returns a permit that holds always, or not yet.
func NewPermit(always bool) *Permit {
	return &Permit{always: always, changed: make(chan struct{}), revoked: make(chan struct{})}
}

// Extend lets it hold until a time, and not longer.
func (p *Permit) Extend(until time.Time) { p.set(false, until) }

// Revoke ends it now: another location decides. An owner that is to stand down then
// does not wait to show what it has decided.
func (p *Permit) Revoke() {
	p.set(false, time.Time{})
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.revoked:
	default:
		close(p.revoked)
	}
}

// gone is closed while the permit is revoked.
func (p *Permit) gone() <-chan struct{} {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.revoked
}

// Lift lets it hold always.
func (p *Permit) Lift() { p.set(true, time.Time{}) }

// Until returns the time up to which it holds, and whether it holds always.
func (p *Permit) Until() (until time.Time, always bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until, p.always
}

func (p *Permit) set(always bool, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.always, p.until = always, until
	select {
	case <-p.revoked:
		p.revoked = make(chan struct{})
	default:
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// holds reports whether it holds now; when not, changed closes when it may.
func (p *Permit) holds() (bool, <-chan struct{}) {
	if p == nil {
		return true, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.always || wall.Now().Before(p.until), p.changed
}

// Barrier is what an owner heeds of the other location. Its methods are quick.
type Barrier interface {
	// Opened tells that an ownership began and where its opening batch is.
	Opened(epoch uint64, at journal.Position)
	// Appended tells, in order, of each batch that is durable here: its last record,
	// its bytes and how many facts it carries.
	Appended(at journal.Position, bytes, facts int)
	// Covered returns nil when what was decided up to a position may be shown;
	// otherwise a channel that closes when it is time to ask again.
	Covered(at journal.Position) <-chan struct{}
	// Admit is asked before work is taken: for how long to hold it back, or why not to
	// take it (kind Busy).
	Admit() (pause time.Duration, err error)
	// Held returns the position up to which the other location has everything; false:
	// there is none that gets it. What lies behind is kept so that it can be told apart
	// later: the older of the two snapshots stays before it, within HeldLogBytesMax.
	Held() (at journal.Position, held bool)
}

// HeldLogBytesMax is how much log may gather behind the newest snapshot because the
// other location does not have it.
const HeldLogBytesMax = 1 << 30

// unbarred is the barrier where there is none.
type unbarred struct{}

func (unbarred) Opened(uint64, journal.Position)          {}
func (unbarred) Appended(journal.Position, int, int)      {}
func (unbarred) Covered(journal.Position) <-chan struct{} { return nil }
func (unbarred) Admit() (pause time.Duration, err error)  { return 0, nil }
func (unbarred) Held() (journal.Position, bool)           { return 0, false }
