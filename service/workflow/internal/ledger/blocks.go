package ledger

import "weir/kernel/journal/record"

// block is what lies behind the head of a fact and is still needed.
type block struct {
	ref        record.Ref
	run        *Run // whose state has places in it; nil for others
	prev, next *block
	live       bool
}

// blocks keeps them in the order in which they lie in the journal.
type blocks struct {
	first, last *block
	bytes       uint64
	count       int
}

func (b *blocks) add(ref record.Ref, r *Run) *block {
	x := &block{ref: ref, run: r, live: true}
	b.append(x)
	b.bytes += uint64(ref.Len)
	b.count++
	return x
}

func (b *blocks) append(x *block) {
	x.prev, x.next = b.last, nil
	if b.last != nil {
		b.last.next = x
	} else {
		b.first = x
	}
	b.last = x
}

func (b *blocks) unlink(x *block) {
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		b.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	} else {
		b.last = x.prev
	}
}

func (b *blocks) drop(x *block) {
	if x == nil || !x.live {
		return
	}
	x.live = false
	b.unlink(x)
	b.bytes -= uint64(x.ref.Len)
	b.count--
}

// find gives the block at ref. It walks from the oldest, which is where carrying
// forward works.
func (b *blocks) find(ref record.Ref) *block {
	for x := b.first; x != nil && x.ref.At <= ref.At; x = x.next {
		if x.ref == ref {
			return x
		}
	}
	return nil
}

// move says that a block lies at ref now, last in the journal.
func (b *blocks) move(x *block, ref record.Ref) {
	b.unlink(x)
	if x.run != nil && x.run.state != nil {
		x.run.state.Move(x.ref, ref)
		x.run.Moves++
	}
	x.ref = ref
	b.append(x)
}

// Horizon returns the oldest position that a live block lies at, 0 for none.
func (l *Ledger) Horizon() record.Position {
	if l.blocks.first == nil {
		return 0
	}
	return l.blocks.first.ref.At
}

// LiveBytes returns how many bytes of the journal live blocks take.
func (l *Ledger) LiveBytes() uint64 { return l.blocks.bytes }

// Live returns the oldest live blocks that lie before a position: at least one, and no
// more than maxBytes beyond that.
func (l *Ledger) Live(before record.Position, maxBytes int) []record.Ref {
	var refs []record.Ref
	for x := l.blocks.first; x != nil; x = x.next {
		if x.ref.At >= before || len(refs) > 0 && int(x.ref.Len) > maxBytes {
			break
		}
		maxBytes -= int(x.ref.Len)
		refs = append(refs, x.ref)
	}
	return refs
}

// Carry records the block that lies at old once more. Nothing happens when old is not
// live any more.
func (l *Ledger) Carry(t Turn, old record.Ref, payload []byte) {
	if l.blocks.find(old) == nil || len(payload) != int(old.Len) {
		return
	}
	w := begin(factCarried, t.Now())
	w.number(uint64(old.At))
	w.number(uint64(old.Off))
	w.number(uint64(old.Len))
	l.record(t, w, payload)
}
