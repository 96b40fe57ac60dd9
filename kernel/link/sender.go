package link

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"weir/internal/wall"
	"weir/kernel/journal"
	"weir/kernel/link/core"
)

// SenderOptions say what a sender sends.
type SenderOptions struct {
	// Unit is the unit's name, Location that of this location.
	Unit, Location string
	// Log and Snapshots are the unit's, of this location; without Snapshots nobody can
	// be sent one to begin with.
	Log       Log
	Snapshots Snapshots
	// Limits bound the link; both locations should agree on them.
	Limits Limits
	// Logger is told what an operator wants to know; nil discards.
	Logger *slog.Logger
	// Observer is told what happens, for metrics; nil is nobody.
	Observer Observer
}

// Sender is the primary's side of the link of one unit on one node. It is always
// there, and neutral until Configure gives it terms. It is the unit's
// replica.Barrier.
type Sender struct {
	o     SenderOptions
	log   *slog.Logger
	watch Observer

	mu       sync.Mutex
	core     *core.Sender
	serving  *serving         // the present session
	asked    journal.Position // what somebody waits for
	changed  chan struct{}    // closed when it is covered; nil: nobody waits
	timer    *time.Timer      // when it may be covered although nothing happens
	degraded bool
}

// NewSender returns a sender without terms.
func NewSender(o SenderOptions) *Sender {
	o.Limits = o.Limits.Defaults()
	s := &Sender{o: o, log: loggerOr(o.Logger).With("unit", o.Unit), watch: o.Observer, core: core.NewSender(o.Unit, o.Location, o.Limits)}
	if s.watch == nil {
		s.watch = Unobserved{}
	}
	return s
}

// Configure sets the terms. A connection that was agreed on in another term ends,
// and so does every one when the unit is in no group any more. A unit in sync mode
// gets its terms before it may become primary: without them nothing is waited for.
func (s *Sender) Configure(t Terms) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core.Configure(t, wall.Now())
	if s.serving != nil && !s.core.Live(s.serving.session) {
		s.present(nil)
	}
	s.stir()
}

// Opened is of replica.Barrier: an ownership began here.
func (s *Sender) Opened(epoch uint64, at journal.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core.Opened(epoch, at, wall.Now())
	s.stir()
}

// Appended is of replica.Barrier: a batch is durable here.
func (s *Sender) Appended(at journal.Position, bytes, facts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core.Appended(at, bytes, facts, wall.Now())
}

// Covered is of replica.Barrier: nil when what was decided up to a position may be
// revealed, else a channel that closes when it is time to ask again.
func (s *Sender) Covered(at journal.Position) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core.Covered(at, wall.Now()) {
		s.note()
		return nil
	}
	if s.changed == nil {
		s.asked, s.changed = at, make(chan struct{})
	}
	s.asked = min(s.asked, at)
	changed := s.changed
	s.arm()
	return changed
}

// Admit is of replica.Barrier: how work is to be taken.
func (s *Sender) Admit() (pause time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Admit(wall.Now())
}

// Held is of replica.Barrier: what the other location has, while one is to have it.
func (s *Sender) Held() (journal.Position, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Held()
}

// Lag returns how far the other location is behind.
func (s *Sender) Lag() Lag {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.core.Lag(wall.Now())
	s.note()
	return l
}

// stir wakes who waits when it may go on, and sees to it that time does so too.
func (s *Sender) stir() {
	s.note()
	if s.changed == nil {
		return
	}
	if s.core.Covered(s.asked, wall.Now()) {
		close(s.changed)
		s.changed = nil
		return
	}
	s.arm()
}

// arm sets the timer for who waits.
func (s *Sender) arm() {
	at, ok := s.core.Wake()
	switch {
	case !ok && s.timer != nil:
		s.timer.Stop()
	case ok && s.timer == nil:
		s.timer = time.AfterFunc(time.Until(at), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.stir()
		})
	case ok:
		s.timer.Reset(time.Until(at))
	}
}

// note tells when sync mode goes on without the other location, and when it is
// whole again.
func (s *Sender) note() {
	now := s.core.Degraded(wall.Now())
	if now == s.degraded {
		return
	}
	s.degraded = now
	s.watch.Degraded(now)
	lag := s.core.Lag(wall.Now())
	if now {
		s.log.Error("ALARM: the other location is away, sync mode is degraded: what is answered from now on is stored in this location alone",
			"peer", lag.Peer, "messages", lag.Messages, "acknowledged", lag.Acked)
		return
	}
	s.log.Warn("the other location has caught up, sync mode is whole again", "peer", lag.Peer)
}

// extent is where the log ends, and what is known of it for estimates.
func (s *Sender) extent(ctx context.Context) (core.Extent, error) {
	size, err := s.o.Log.Size(ctx)
	if err != nil {
		return core.Extent{}, err
	}
	e := core.Extent{End: size.Last}
	if size.Last >= size.First {
		e.Average = size.Bytes / uint64(size.Last-size.First+1)
	}
	return e, nil
}
