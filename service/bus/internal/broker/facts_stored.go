package broker

import "weir/kernel/journal/record"

// What a stored message says of itself, as flags. Numbers are stored.
const (
	storedSession = 1 << 0
	storedIDs     = 1 << 1 // ids that duplicate detection keeps follow
	storedOrigin  = 1 << 2
	storedPayload = 1 << 3 // its payload is among those behind the head
	storedFlags   = 1<<4 - 1
)

// appendStored writes a plan for new messages:
//
//	head, time in ms, bytes of all payloads, number of messages, then for each:
//	flags, [session id], [ids: number, each entity and id], [origin],
//	length of the payload, number of placements, the placements
//
// Behind the head lie the payloads, in order and without anything between them.
func (b *Broker) appendStored(dst []byte, p *plan) []byte {
	dst = appendNumber(appendHead(dst, factStored), uint64(b.now))
	total := 0
	for i := range p.items {
		if x := &p.items[i]; x.stays > 0 {
			total += x.length
		}
	}
	dst = appendNumber(dst, uint64(total))
	dst = appendNumber(dst, uint64(len(p.items)))
	placements, ids := p.placements, p.remembered
	for i := range p.items {
		x := &p.items[i]
		flags := uint64(0)
		if x.hasSession {
			flags |= storedSession
		}
		if x.remembered > 0 {
			flags |= storedIDs
		}
		if x.origin != 0 {
			flags |= storedOrigin
		}
		if x.stays > 0 {
			flags |= storedPayload
		}
		dst = appendNumber(dst, flags)
		if x.hasSession {
			dst = appendText(dst, x.session)
		}
		dst = appendIDs(dst, ids[:x.remembered])
		if x.origin != 0 {
			dst = appendNumber(dst, uint64(x.origin))
		}
		if x.stays > 0 {
			dst = appendNumber(dst, uint64(x.length))
		}
		dst = appendNumber(dst, uint64(x.placements))
		for k := range placements[:x.placements] {
			dst = appendPlacement(dst, &placements[k], b.now, false)
		}
		placements, ids = placements[x.placements:], ids[x.remembered:]
	}
	return dst
}

func appendIDs(dst []byte, ids []remembered) []byte {
	if len(ids) == 0 {
		return dst
	}
	dst = appendNumber(dst, uint64(len(ids)))
	for _, x := range ids {
		dst = appendText(appendNumber(dst, uint64(x.entity.id)), x.id)
	}
	return dst
}

// foldIDs gives ids to the duplicate detection of their entities.
func (b *Broker) foldIDs(r *reader, now int64) error {
	for range r.count() {
		e := b.byID[r.small()]
		id := r.text()
		if r.bad || e == nil {
			return badFact("it names an entity that is not there")
		}
		e.history.add(id, now, e.def.DuplicateWindow.Milliseconds())
		b.touch(e.main)
	}
	return nil
}

// foldStored folds new messages. Only the head is looked at; of the payloads, where
// they lie.
func (b *Broker) foldStored(ref record.Ref, r *reader) error {
	now := r.positive()
	total := r.number()
	n := r.count()
	if r.bad || total > uint64(ref.Len) {
		return badFact("the head of stored messages is cut off")
	}
	at := record.Ref{At: ref.At, Off: ref.Off + ref.Len - uint32(total)}
	for range n {
		if err := b.foldMessage(&at, r, now); err != nil {
			return err
		}
	}
	if uint64(at.Off) != uint64(ref.Off)+uint64(ref.Len) {
		return badFact("payloads take %d bytes more than the fact has", int64(at.Off)-int64(ref.Off)-int64(ref.Len))
	}
	return r.endAt(ref, total)
}

// foldMessage folds one new message; at is where its payload lies, if it has one,
// and goes on behind it.
func (b *Broker) foldMessage(at *record.Ref, r *reader, now int64) error {
	flags := r.number()
	s := slot{enqueued: now}
	if flags&storedSession != 0 {
		id := r.bytes()
		if r.bad {
			return badFact("a session id is cut off")
		}
		s.session = b.texts.keepBytes(id)
		defer b.texts.drop(s.session)
	}
	if flags&storedIDs != 0 {
		if err := b.foldIDs(r, now); err != nil {
			return err
		}
	}
	origin := int64(0)
	if flags&storedOrigin != 0 {
		origin = r.positive()
	}
	if flags&storedPayload != 0 {
		n := r.number()
		if n > 1<<32-1-uint64(at.Off) {
			r.fail()
		} else {
			at.Len = uint32(n)
		}
	}
	if r.bad || flags&^storedFlags != 0 {
		return badFact("a stored message is cut off or not understood")
	}
	var err error
	if s.payload, err = b.foldPlacements(r, now, s, *at, origin, flags&storedPayload != 0); err != nil {
		return err
	}
	if flags&storedPayload != 0 {
		at.Off += at.Len
	}
	return nil
}

// foldPlacements puts the copies of a new message in their places. Its payload is
// entered with the first.
func (b *Broker) foldPlacements(r *reader, now int64, s slot, at record.Ref, origin int64, has bool) (uint32, error) {
	for range r.count() {
		x := r.placement(b, now)
		if r.bad {
			return 0, badFact("a placement is cut off or not understood")
		}
		if x.flags == placePassed {
			if err := x.mailbox.skip(x.seq); err != nil {
				return 0, err
			}
			continue
		}
		if !has {
			return 0, badFact("a message without a payload is to lie in '%s'", x.mailbox.path())
		}
		if s.payload == 0 {
			var p *payload
			s.payload, p = b.payloads.add(at)
			p.origin = origin
			if store := x.mailbox.entity.store(); store.def.Kind == Topic {
				p.home = store.id
			}
		}
		if err := b.place(&x, s, nil); err != nil {
			return 0, err
		}
	}
	if has && s.payload == 0 {
		return 0, badFact("a payload comes with a message that lies nowhere")
	}
	return s.payload, nil
}

// skip uses up a sequence number.
func (m *mailbox) skip(seq int64) error {
	if seq != m.next {
		return badFact("number %d of '%s' is used up where %d is next", seq, m.path(), m.next)
	}
	m.next++
	return nil
}
