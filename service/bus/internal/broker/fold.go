package broker

import "weir/kernel/journal/record"

// fold folds a fact. fact may end before its payloads: of those only the place
// matters.
func (b *Broker) fold(ref record.Ref, fact []byte) error {
	if len(fact) < factHeadBytes {
		return badFact("it has %d bytes", len(fact))
	}
	k := factKind(fact[0])
	if k == 0 || k >= factKindsMax || fact[1] != factVersion {
		return badFact("%v version %d is not known to this program", k, fact[1])
	}
	if len(b.morgue) > 0 {
		b.bury(buryPerFact)
	}
	r := reader{b: fact[factHeadBytes:], whole: len(fact)}
	if b.trace != nil {
		b.trace.begin(k, ref)
	}
	switch k {
	case factStored:
		return b.foldStored(ref, &r)
	case factGone:
		return b.foldGone(&r)
	case factReturned:
		return b.foldReturned(&r)
	case factDeferred:
		return b.foldDeferred(&r)
	case factMoved:
		return b.foldMoved(&r)
	case factCarried:
		return b.foldCarried(ref, &r)
	case factState:
		return b.foldSessionState(ref, &r)
	case factForgot:
		return b.foldForgot(&r)
	case factSalvaged:
		return b.foldSalvaged(&r)
	case factDefined:
		return b.foldDefined(&r)
	default:
		return b.foldRemoved(&r)
	}
}

// end is the last look at a fact without payload: nothing may be left of it.
func (r *reader) end(k factKind) error {
	if r.bad {
		return badFact("a fact of kind %v is cut off or not understood", k)
	}
	if len(r.b) > 0 {
		return badFact("%d bytes are left of a fact of kind %v", len(r.b), k)
	}
	return nil
}

// endAt is the last look at a fact's head: it must end where its payloads begin.
func (r *reader) endAt(ref record.Ref, payloads uint64) error {
	read := uint64(r.whole - len(r.b))
	if r.bad || read+payloads != uint64(ref.Len) || len(r.b) > 0 && uint64(len(r.b)) != payloads {
		return badFact("its payloads do not begin where its head ends")
	}
	return nil
}

// bury empties mailboxes of removed entities, some segments at a time, so that
// removing an entity costs no more than any other command.
func (b *Broker) bury(segments int) {
	for ; segments > 0 && len(b.morgue) > 0; segments-- {
		m := b.morgue[len(b.morgue)-1]
		if g := m.segments.from(0); g != nil {
			for set := g.used; set != 0; set &= set - 1 {
				b.take(m, g, g.lowest(set, 0))
			}
			continue
		}
		if m.sessions != nil && m.sessions.listed.first != 0 {
			for n := 0; n < segmentSlots && m.sessions.listed.first != 0; n++ {
				b.putState(m, m.sessions.listed.first, record.Ref{}, 0)
			}
			continue
		}
		b.morgue[len(b.morgue)-1] = nil
		b.morgue = b.morgue[:len(b.morgue)-1]
	}
}

// buryAll empties all of them.
func (b *Broker) buryAll() {
	for len(b.morgue) > 0 {
		b.bury(1 << 20)
	}
}
