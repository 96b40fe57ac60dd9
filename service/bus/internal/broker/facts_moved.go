package broker

// What a moved message says of itself, as flags. Numbers are stored.
const (
	movedIDs    = 1 << 0
	movedOrigin = 1 << 1
	movedFlags  = 1<<2 - 1
)

// appendMoved writes a plan for messages that leave a mailbox:
//
//	head, time in ms, mailbox, number of messages, then for each:
//	flags, sequence number, [ids], [origin], number of placements, the placements
func (b *Broker) appendMoved(dst []byte, p *plan) []byte {
	dst = appendNumber(appendHead(dst, factMoved), uint64(b.now))
	dst = appendNumber(dst, p.from.number())
	dst = appendNumber(dst, uint64(len(p.items)))
	placements, ids := p.placements, p.remembered
	for i := range p.items {
		x := &p.items[i]
		flags := uint64(0)
		if x.remembered > 0 {
			flags |= movedIDs
		}
		if x.origin != 0 {
			flags |= movedOrigin
		}
		dst = appendNumber(appendNumber(dst, flags), uint64(x.seq))
		dst = appendIDs(dst, ids[:x.remembered])
		if x.origin != 0 {
			dst = appendNumber(dst, uint64(x.origin))
		}
		dst = appendNumber(dst, uint64(x.placements))
		for k := range placements[:x.placements] {
			dst = appendPlacement(dst, &placements[k], b.now, true)
		}
		placements, ids = placements[x.placements:], ids[x.remembered:]
	}
	return dst
}

func (b *Broker) foldMoved(r *reader) error {
	now := r.positive()
	m := b.numbered(r)
	for range r.count() {
		if r.bad {
			break
		}
		if err := b.foldMove(r, m, now); err != nil {
			return err
		}
	}
	return r.end(factMoved)
}

func (b *Broker) foldMove(r *reader, m *mailbox, now int64) error {
	flags, seq := r.number(), r.positive()
	if r.bad || flags&^movedFlags != 0 {
		return badFact("a moved message is cut off or not understood")
	}
	if flags&movedIDs != 0 {
		if err := b.foldIDs(r, now); err != nil {
			return err
		}
	}
	origin := int64(0)
	if flags&movedOrigin != 0 {
		origin = r.positive()
	}
	g, s := m.segments.get(seq)
	if s == nil {
		return notThere(m, seq)
	}
	if p := b.payloads.slab.at(s.payload); p.origin == 0 {
		p.origin = origin
	}
	// The copies share the payload; it is let go of last.
	copied, edit := *s, b.extraOf(s).edit
	copied.lock, copied.extra = 0, 0
	for range r.count() {
		x := r.placement(b, now)
		if r.bad {
			return badFact("a placement is cut off or not understood")
		}
		if x.flags == placePassed {
			if err := x.mailbox.skip(x.seq); err != nil {
				return err
			}
			continue
		}
		to := copied
		if x.flags&placeAged == 0 {
			to.enqueued = now
		}
		if err := b.place(&x, to, edit); err != nil {
			return err
		}
	}
	b.take(m, g, seq)
	return nil
}

func notThere(m *mailbox, seq int64) error {
	return badFact("message %d of '%s' is not there", seq, m.path())
}
