package core

import (
	"errors"
	"fmt"
	"time"

	"weir/kernel/journal/record"
)

// Sender is the primary's side of the link of one unit.
type Sender struct {
	unit, location string
	limits         Limits
	terms          Terms

	book    book
	started bool   // book counts
	owned   uint64 // epoch that was opened here, 0: none
	acked   Mark
	known   bool // acked was said by the other location

	session  uint64 // of the newest connection
	live     bool   // it is there
	seeding  bool   // it is sent a seed, or was
	peer     string
	heard    time.Time // when anything came from the other location; else since when it is awaited
	moved    time.Time // when it acknowledged more, or when something began to wait for that
	window   uint64
	next     Mark // behind what was sent
	flight   []sent
	inFlight uint64 // bytes in flight
	begun    record.Position
	foreign  time.Time // since when another node's epoch is in the log
	epoch    uint64    // that epoch
	degraded bool
}

// sent is a frame of records that is not acknowledged.
type sent struct {
	last  Mark
	bytes uint64
}

// Errors of a session.
var (
	// ErrStale: the session was replaced, or ended before.
	ErrStale = errors.New("link: the connection was replaced by a newer one, or the terms have changed")
	// ErrSilent: nothing came for too long.
	ErrSilent = errors.New("link: the other location is silent")
	// ErrMoved: another node of this location appends; ask there.
	ErrMoved = errors.New("link: another node of this location owns the unit now")
	// ErrProtocol: the other side does what the protocol does not allow.
	ErrProtocol = errors.New("link: the other location breaks the protocol")
)

// NewSender returns a sender without terms.
func NewSender(unit, location string, limits Limits) *Sender {
	return &Sender{unit: unit, location: location, limits: limits.Defaults()}
}

// Configure sets the terms. A session that was agreed on under another term, or
// that nothing allows any more, ends: Live tells.
func (s *Sender) Configure(t Terms, now time.Time) {
	if t.Term != s.terms.Term || !t.Watched {
		s.live = false
	}
	if t.Watched && (!s.terms.Watched || t.Term != s.terms.Term) {
		// What was acknowledged in another term says too little of this one.
		s.heard, s.moved, s.known = now, now, false
		if s.started {
			s.book.begin(s.book.end.at, s.book.average, now)
		}
	}
	s.terms = t
	s.look(now)
}

// Opened tells that an ownership began here, with a batch at a position.
func (s *Sender) Opened(epoch uint64, at record.Position, now time.Time) {
	s.owned = max(s.owned, epoch)
	if s.epoch <= s.owned {
		s.foreign = time.Time{}
	}
	if !s.live {
		s.heard = now
	}
	switch {
	case !s.started || at < s.book.end.at || !s.terms.Watched:
		s.started = true
		s.book.begin(at, s.book.average, now)
	default:
		s.append(func() { s.book.skip(at, now) }, now)
	}
}

// Appended tells of a durable batch that ends at a position, in order.
func (s *Sender) Appended(at record.Position, bytes, facts int, now time.Time) {
	switch {
	case !s.started || !s.terms.Watched:
		s.started = true
		s.book.begin(at, s.book.average, now)
	case at > s.book.end.at:
		s.append(func() { s.book.append(at, uint64(bytes), uint64(facts), now) }, now)
	}
}

// append changes the end of the book: what was all acknowledged waits from now on.
func (s *Sender) append(change func(), now time.Time) {
	if s.behind() == 0 {
		s.moved = now
	}
	change()
	if s.known {
		s.book.settle(s.acked.At)
	}
}

// behind returns how many positions are known to be missing in the other location.
func (s *Sender) behind() record.Position {
	from := s.floor()
	return s.book.end.at - min(from, s.book.end.at)
}

// floor is the position from which the lag counts.
func (s *Sender) floor() record.Position {
	if s.known {
		return s.acked.At
	}
	return s.book.start
}

// Held returns the position up to which the other location has everything, as far as
// it has said; false: none is to have it.
func (s *Sender) Held() (record.Position, bool) {
	if !s.known {
		return 0, s.terms.Watched
	}
	return s.acked.At, s.terms.Watched
}

// Live reports whether a session is the present one.
func (s *Sender) Live(session uint64) bool { return s.live && s.session == session }

// Gone tells that a session's connection has ended.
func (s *Sender) Gone(session uint64, now time.Time) {
	if s.Live(session) {
		s.look(now)
		s.live = false
	}
}

// Heard tells that bytes came in a session.
func (s *Sender) Heard(session uint64, at time.Time) {
	if s.Live(session) && at.After(s.heard) {
		s.heard = at
	}
}

// Tick looks at the clock for a session. The error says why it must end.
func (s *Sender) Tick(session uint64, now time.Time) error {
	s.look(now)
	switch {
	case !s.Live(session):
		return ErrStale
	case now.Sub(s.heard) > s.limits.DeadAfter:
		return fmt.Errorf("%w for %s", ErrSilent, now.Sub(s.heard))
	case !s.foreign.IsZero() && now.Sub(s.foreign) > s.limits.DeadAfter:
		s.owned = 0
		return ErrMoved
	}
	return nil
}

// Covered reports whether what was decided up to a position may be revealed.
func (s *Sender) Covered(at record.Position, now time.Time) bool {
	s.look(now)
	return !s.terms.Watched || s.terms.Mode != Sync || s.degraded || s.known && s.acked.At >= at
}

// Wake returns when Covered may change although nothing happens; false: never.
func (s *Sender) Wake() (time.Time, bool) {
	if !s.mayDegrade() || s.degraded {
		return time.Time{}, false
	}
	return s.good().Add(s.silence() + 1), true
}

// Degraded reports whether sync mode goes on without the other location.
func (s *Sender) Degraded(now time.Time) bool {
	s.look(now)
	return s.degraded
}

// mayDegrade holds for who has owned the unit: nobody waits for others.
func (s *Sender) mayDegrade() bool {
	return s.owned > 0 && s.terms.Watched && s.terms.Mode == Sync && s.terms.WhenAway == Degrade
}

// good is the last time when nothing was wrong with the other location: it was
// heard of, and what waits for it was not there yet or became less.
func (s *Sender) good() time.Time {
	if s.behind() > 0 && s.moved.Before(s.heard) {
		return s.moved
	}
	return s.heard
}

// silence is how long the other location may be silent before it counts as away.
func (s *Sender) silence() time.Duration {
	if s.mayDegrade() {
		return max(s.limits.AwayAfter, s.terms.Patience)
	}
	return s.limits.AwayAfter
}

// away reports whether the other location counts as away.
func (s *Sender) away(now time.Time) bool { return now.Sub(s.good()) > s.silence() }

// look degrades and recovers.
func (s *Sender) look(now time.Time) {
	switch {
	case !s.mayDegrade():
		s.degraded = false
	case s.away(now):
		s.degraded = true
	case s.degraded && s.live && s.known && !s.seeding:
		oldest, behind := s.book.oldest(s.acked.At)
		s.degraded = behind && now.Sub(oldest) > s.limits.CaughtUp
	}
}

// Lag returns how far the other location is behind.
func (s *Sender) Lag(now time.Time) Lag {
	s.look(now)
	l := Lag{Connected: s.live, End: s.book.end.at, Peer: s.peer, Degraded: s.degraded}
	if s.known {
		l.Acked = s.acked.At
	}
	from := s.floor()
	t := s.book.end.tally.minus(s.book.at(from))
	l.Messages, l.Bytes = t.Messages, t.Bytes
	if oldest, behind := s.book.oldest(from); behind {
		l.Time = max(now.Sub(oldest), 0)
	}
	l.Estimated = from < s.book.exact
	return l
}

// said is what the primary tells of itself.
func (s *Sender) said(now time.Time) Said {
	return Said{End: s.book.end.at, Tally: s.book.end.tally, Time: now}
}
