package broker

import (
	"errors"
	"slices"

	"weir/kernel/journal/record"
)

// errAway says that a destination cannot take messages now.
var errAway = errors.New("the destination is away")

// forward moves a forwarding mailbox's ready messages on, in their order. It stops
// at the first that cannot go: an order is kept, and a destination that is away is
// tried again later.
func (b *Broker) forward(t Turn, m *mailbox) {
	if m.paused > b.now || !m.entity.takesReceives() {
		return
	}
	m.paused = 0
	for range forwardPerTurn {
		seq := b.nextReady(t, m, 0)
		if seq == 0 || !b.forwardOne(t, m, seq) {
			return
		}
	}
	m.more = true
}

// forwardOne reports whether the message went away.
func (b *Broker) forwardOne(t Turn, m *mailbox, seq int64) bool {
	p := b.newPlan()
	err := p.move(b, m, seq, func(l letter) error {
		if m.role == deadLetters {
			l.source = m.entity.def.Name
		}
		l.content = b.fetched(m, seq)
		done, err := b.onward(p, m, m.forwardsTo(), l, false)
		if err == nil && !done {
			return errAway
		}
		return err
	})
	if err != nil {
		p.drop()
		b.pause(m, seq, err)
		return false
	}
	b.commit(t, p, nil)
	return true
}

// pause stops a mailbox that forwards or activates: until the bytes of its next
// messages have been read, or until its destination is tried again.
func (b *Broker) pause(m *mailbox, seq int64, cause error) {
	if cause != errBytesWanted {
		m.paused = b.now + forwardRetryMillis
		return
	}
	f := &m.fetching
	if _, asked := f.asked[seq]; !asked || f.until <= b.now {
		b.fetch(m, seq)
	}
	m.paused = f.until
}

// fetching is what a mailbox waits for whose messages can go on only after
// somebody has read their bytes.
type fetching struct {
	asked map[int64]record.Ref // by sequence number
	bytes int                  // asked for
	until int64                // then it is asked for again, ms
	got   map[int64][]byte
}

// fetchPlace is a message whose bytes were asked for.
type fetchPlace struct {
	place uint32 // of the mailbox
	seq   int64
}

// fetched returns a message's bytes to be looked at, nil when nobody has read them.
func (b *Broker) fetched(m *mailbox, seq int64) *view {
	if encoded, ok := m.fetching.got[seq]; ok {
		return b.show(encoded)
	}
	return nil
}

// fetch asks for the bytes of a message and of those near it that will be next.
// What was asked for before and never came is not waited for any longer.
func (b *Broker) fetch(m *mailbox, seq int64) {
	f := &m.fetching
	for old, ref := range f.asked {
		b.unask(ref, fetchPlace{m.place, old})
	}
	f.asked, f.bytes, f.until = map[int64]record.Ref{}, 0, b.now+fetchRetryMillis
	g, s := m.segments.get(seq)
	kind := s.state
	b.ask(m, seq, s)
	for range fetchSegments {
		for set := g.used; set != 0; set &= set - 1 {
			next := g.lowest(set, 0)
			x := g.at(next)
			if next <= seq || x.state != kind || x.lock != 0 || kind == scheduled && x.due > b.now {
				continue
			}
			if len(f.asked) >= fetchesMax || f.bytes >= fetchBytesMax {
				return
			}
			b.ask(m, next, x)
		}
		if g = m.segments.after(g); g == nil {
			return
		}
	}
}

// fetchSegments is how many segments are looked at for messages to ask for.
const fetchSegments = 2

func (b *Broker) ask(m *mailbox, seq int64, s *slot) {
	f := &m.fetching
	if _, ok := f.got[seq]; ok {
		return
	}
	p := b.payloads.slab.at(s.payload)
	ref := p.ref()
	f.asked[seq] = ref
	f.bytes += int(p.len)
	b.wanted[ref] = append(b.wanted[ref], fetchPlace{m.place, seq})
	b.say(Event{Kind: Fetch, Ref: ref})
}

func (b *Broker) unask(ref record.Ref, at fetchPlace) {
	left := slices.DeleteFunc(b.wanted[ref], func(x fetchPlace) bool { return x == at })
	if len(left) == 0 {
		delete(b.wanted, ref)
		return
	}
	b.wanted[ref] = left
}

// Fetched answers a Fetch event with the encoded message that was asked for, nil
// when it could not be read: it is asked for again later then.
func (b *Broker) Fetched(t Turn, ref record.Ref, encoded []byte) {
	b.begin(t)
	defer b.finish(t)
	if encoded == nil {
		return
	}
	places := b.wanted[ref]
	delete(b.wanted, ref)
	for _, at := range places {
		m := b.places[at.place]
		if m == nil || m.fetching.asked[at.seq] != ref {
			continue
		}
		f := &m.fetching
		delete(f.asked, at.seq)
		if _, s := m.segments.get(at.seq); s == nil {
			continue
		}
		if f.got == nil {
			f.got = map[int64][]byte{}
		}
		f.got[at.seq] = encoded
		m.paused = 0
		b.activate(t, m)
		b.touch(m)
	}
}
