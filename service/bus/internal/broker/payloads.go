package broker

import "weir/kernel/journal/record"

// payload is where a message's bytes (or a session's state) lie in the journal.
// All copies of a message share one.
type payload struct {
	at         record.Position
	origin     int64 // sequence number where the message was first accepted, 0 when only there
	off, len   uint32
	refs       uint32 // messages and session states that use it
	prev, next uint32 // in the order of the journal
	home       uint32 // the topic it was stored for, 0 for none
	homeRefs   uint32 // of refs, those in that topic: it is charged once
}

func (p *payload) link() *uint32 { return &p.next }

func (p *payload) ref() record.Ref { return record.Ref{At: p.at, Off: p.off, Len: p.len} }

// payloads keeps all live payloads, in the order in which they lie in the journal.
type payloads struct {
	slab        slab[payload, *payload]
	first, last uint32
	bytes       uint64
}

// add enters the payload that now lies last in the journal.
func (p *payloads) add(ref record.Ref) (uint32, *payload) {
	n, item := p.slab.add()
	p.append(n, item, ref)
	p.bytes += uint64(ref.Len)
	return n, item
}

func (p *payloads) append(n uint32, item *payload, ref record.Ref) {
	item.at, item.off, item.len = ref.At, ref.Off, ref.Len
	item.prev, item.next = p.last, 0
	if p.last != 0 {
		p.slab.at(p.last).next = n
	} else {
		p.first = n
	}
	p.last = n
}

func (p *payloads) unlink(item *payload) {
	if item.prev != 0 {
		p.slab.at(item.prev).next = item.next
	} else {
		p.first = item.next
	}
	if item.next != 0 {
		p.slab.at(item.next).prev = item.prev
	} else {
		p.last = item.prev
	}
}

// drop takes a reference away; the last one takes the payload with it.
func (p *payloads) drop(n uint32) {
	item := p.slab.at(n)
	item.refs--
	if item.refs > 0 {
		return
	}
	p.bytes -= uint64(item.len)
	p.unlink(item)
	p.slab.drop(n)
}

// move says that the payload now lies at ref, last in the journal.
func (p *payloads) move(n uint32, ref record.Ref) {
	item := p.slab.at(n)
	p.unlink(item)
	p.append(n, item, ref)
}

// find returns the live payload at ref, 0 when there is none. It walks from the
// oldest, which is where carrying forward works.
func (p *payloads) find(ref record.Ref) uint32 {
	for n := p.first; n != 0; {
		item := p.slab.at(n)
		if item.at > ref.At {
			return 0
		}
		if item.ref() == ref {
			return n
		}
		n = item.next
	}
	return 0
}

// Horizon returns the oldest journal position that a live payload uses, 0 when
// nothing is live: the journal may be trimmed before it.
func (b *Broker) Horizon() record.Position {
	if b.payloads.first == 0 {
		return 0
	}
	return b.payloads.slab.at(b.payloads.first).at
}

// LiveBytes returns how many bytes of the journal live payloads take.
func (b *Broker) LiveBytes() uint64 { return b.payloads.bytes }

// Live returns the oldest live payloads that lie before a position, oldest first:
// at least one, and no more than maxBytes beyond that.
func (b *Broker) Live(before record.Position, maxBytes int) []record.Ref {
	var refs []record.Ref
	for n := b.payloads.first; n != 0; {
		item := b.payloads.slab.at(n)
		if item.at >= before || len(refs) > 0 && int(item.len) > maxBytes {
			break
		}
		maxBytes -= int(item.len)
		refs = append(refs, item.ref())
		n = item.next
	}
	return refs
}

// Carry appends the payload that lies at old once more, so that the journal can be
// trimmed behind it. Every message that shares it moves. Nothing happens when old
// is not live any more.
func (b *Broker) Carry(t Turn, old record.Ref, encoded []byte) {
	b.begin(t)
	if n := b.payloads.find(old); n != 0 && len(encoded) == int(old.Len) {
		b.head = appendCarried(b.head[:0], old)
		b.record(t, encoded)
	}
	b.finish(t)
}
