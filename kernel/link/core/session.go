package core

import (
	"fmt"
	"time"

	"weir/kernel/journal/record"
)

// Found is what the primary's log says of the mark of a hello.
type Found uint8

const (
	Stands  Found = iota // records follow it
	Parted               // it is of another history
	Trimmed              // what follows it was trimmed away
	Unread               // the log can not be asked
)

// Extent is what the driver knows of the primary's log: where it ends, and how many
// bytes a record of it has on average.
type Extent struct {
	End     record.Position
	Average uint64
}

// Refuse holds a hello against the terms, before the log is asked; false: there is
// nothing against it.
func (s *Sender) Refuse(h Hello, now time.Time) (Answer, bool) {
	switch {
	case h.Version != Version:
		return s.answer(BadVersion, now, "this location speaks version %d of the protocol, not %d", Version, h.Version), true
	case h.Unit != s.unit:
		return s.answer(NotPrimary, now, "this connection was passed to %s, not to %s", s.unit, h.Unit), true
	case h.Location == s.location:
		return s.answer(NotPrimary, now, "both locations are called %s", s.location), true
	case !s.terms.Watched:
		return s.answer(NotPrimary, now, "%s does not copy %s to another location", s.location, s.unit), true
	case h.Term > s.terms.Term:
		return s.answer(Term, now, "%s has term %d, %s knows of term %d", s.location, s.terms.Term, h.Location, h.Term), true
	}
	return Answer{}, false
}

// Hello answers a hello that was not refused. With OK and SeedFirst a session
// begins, which replaces the one before. lost is how many positions the other
// location has less than it had acknowledged: never more than 0 while its disks
// keep what they promise.
func (s *Sender) Hello(h Hello, found Found, log Extent, now time.Time) (a Answer, session uint64, lost uint64) {
	if a, refused := s.Refuse(h, now); refused {
		return a, 0, 0
	}
	switch {
	case found == Parted && h.After.At > log.End && s.unopened():
		// What was copied here before the term may still be on its way to the log.
		return s.answer(Away, now, "%s has not opened %s in term %d yet", s.location, s.unit, s.terms.Term), 0, 0
	case found == Parted:
		return s.answer(Fork, now, "position %d with checksum %016x is not in the history of %s in %s", h.After.At, h.After.Sum, s.unit, s.location), 0, 0
	case found == Unread:
		return s.answer(Away, now, "the log of %s can not be read in %s now", s.unit, s.location), 0, 0
	}
	s.know(log, now)
	if s.known && s.peer == h.Location && h.After.At < s.acked.At {
		lost = uint64(s.acked.At - h.After.At)
	}
	if !s.known || s.peer != h.Location || h.After.At != s.acked.At {
		s.moved = now // else to come again and again is not to get on
	}
	s.session++
	s.live, s.seeding = true, found == Trimmed
	s.peer, s.window = h.Location, min(h.Window, s.limits.WindowBytes)
	s.heard = now
	s.acked, s.known, s.next = h.After, true, h.After
	s.flight, s.inFlight = s.flight[:0], 0
	s.begun, s.foreign, s.epoch = s.book.end.at, time.Time{}, 0
	s.book.settle(h.After.At)
	s.look(now)
	v := OK
	if s.seeding {
		v = SeedFirst
	}
	return s.answer(v, now, ""), s.session, lost
}

// unopened reports that no epoch of the present term was opened by this side: where the log
// ends is not settled then. The first term is of whoever had the log before.
func (s *Sender) unopened() bool {
	return s.terms.Term > 1 && s.owned>>termShift < s.terms.Term
}

// termShift is how far the term of a group stands to the left in its epochs.
const termShift = 32

// know takes over what the log itself says, where nothing better is known.
func (s *Sender) know(log Extent, now time.Time) {
	if !s.started {
		s.started = true
		s.book.begin(log.End, log.Average, now)
		return
	}
	s.book.average = log.Average
	if s.owned == 0 {
		s.append(func() { s.book.skip(log.End, now) }, now)
	}
}

func (s *Sender) answer(v Verdict, now time.Time, reason string, args ...any) Answer {
	a := Answer{Verdict: v, Term: s.terms.Term, Said: s.said(now), Location: s.location}
	if v == OK || v == SeedFirst {
		a.Tally = s.book.at(s.acked.At)
	}
	if reason != "" {
		a.Reason = fmt.Sprintf(reason, args...)
	}
	return a
}

// Room reports whether another frame of records may be sent in a session.
func (s *Sender) Room(session uint64) bool {
	return s.Live(session) && (len(s.flight) == 0 || s.inFlight < s.window && len(s.flight) < FramesInFlightMax)
}

// dataBytesMax is how much a frame of records carries, unless one record is more.
const dataBytesMax = 2 << 20

// Send takes records off recs, as many as go into a frame, and returns the frame
// and the rest. The records must follow what was sent before: another one is
// damage. end is the last position the log is known to have.
func (s *Sender) Send(session uint64, recs [][]byte, end record.Position, now time.Time) (Data, [][]byte, error) {
	if !s.Live(session) {
		return Data{}, nil, ErrStale
	}
	if s.owned == 0 {
		s.append(func() { s.book.skip(end, now) }, now)
	}
	d := Data{First: s.next.At + 1}
	n, size := 0, 0
	for n < len(recs) && (n == 0 || size+len(recs[n]) <= dataBytesMax) {
		at := s.next.At + 1
		h, _, err := record.Decode(at, recs[n])
		if err != nil {
			return Data{}, nil, err
		}
		s.watchEpoch(h, now)
		s.next = Mark{At: at, Sum: h.Sum}
		size += len(recs[n])
		n++
	}
	d.Records, d.Said, d.Tally = recs[:n], s.said(now), s.book.at(s.next.At)
	d.Said.End = max(d.Said.End, end)
	s.flight = append(s.flight, sent{s.next, uint64(size)})
	s.inFlight += uint64(size)
	return d, recs[n:], nil
}

// watchEpoch notices that somebody else appends, behind what was there when the
// session began. What this node has opened itself it may be told of a moment later.
func (s *Sender) watchEpoch(h record.Header, now time.Time) {
	if h.Epoch <= s.owned || h.At <= s.begun || h.Epoch <= s.epoch {
		return
	}
	s.epoch = h.Epoch
	if s.foreign.IsZero() {
		s.foreign = now
	}
}

// Ack takes what the other location says is durable there. The same mark again is
// its beat.
func (s *Sender) Ack(session uint64, m Mark, now time.Time) error {
	if !s.Live(session) {
		return ErrStale
	}
	s.heard = now
	if m == s.acked {
		return nil
	}
	n, bytes := 0, uint64(0)
	for n < len(s.flight) && s.flight[n].last.At <= m.At {
		bytes += s.flight[n].bytes
		n++
	}
	if n == 0 || s.flight[n-1].last != m {
		return fmt.Errorf("%w: it acknowledges position %d with checksum %016x, which was not sent", ErrProtocol, m.At, m.Sum)
	}
	s.flight = append(s.flight[:0], s.flight[n:]...)
	s.inFlight -= bytes
	s.acked, s.moved = m, now
	s.book.settle(m.At)
	s.look(now)
	return nil
}

// Beat is what the primary says when it has nothing else to say.
func (s *Sender) Beat(now time.Time) Said { return s.said(now) }

// Seeding tells that a session is sent a snapshot instead of records from now on.
func (s *Sender) Seeding(session uint64) {
	if s.Live(session) {
		s.seeding = true
		s.flight, s.inFlight = s.flight[:0], 0
	}
}
