package broker

// makeReady lets an active, unlocked message be delivered, in its old place.
func (b *Broker) makeReady(m *mailbox, g *segment, seq int64) {
	g.ready |= bit(seq)
	m.ready++
	s := g.at(seq)
	if s.due != 0 {
		m.expiry.want(g, s.due)
	}
	switch {
	case m.sessions != nil:
		b.sessionReady(m, g, seq)
	case seq < m.cursor:
		m.returned.push(seq)
	}
	b.touch(m)
}

// makeUnready takes a message out of delivery: locked, set aside or gone. The list
// of returned ones is mended when it is next read.
func (b *Broker) makeUnready(m *mailbox, g *segment, seq int64) {
	if g.ready&bit(seq) == 0 {
		return
	}
	g.ready &^= bit(seq)
	m.ready--
	if m.sessions != nil {
		b.sessionUnready(m, g, seq)
	} else if seq < m.cursor {
		m.returned.stale++
		if m.returned.wasteful() {
			m.returned.mend(m)
		}
	}
}

// firstReady returns the lowest ready sequence number of a mailbox without
// sessions, 0 when there is none.
func (m *mailbox) firstReady() int64 {
	if m.ready == 0 {
		return 0
	}
	for m.returned.len() > 0 {
		if seq := m.returned.top(); m.isReady(seq) {
			return seq
		}
		m.returned.pop()
		m.returned.stale--
	}
	for g := m.segments.from(m.cursor); g != nil; g = m.segments.after(g) {
		if seq := g.lowest(g.ready, m.cursor); seq != 0 {
			m.cursor = seq
			return seq
		}
		m.cursor = (g.num + 1) << segmentBits
	}
	return 0
}

// pass says that the first ready message was taken: the cursor goes on behind it.
func (m *mailbox) pass(seq int64) {
	if seq >= m.cursor {
		m.cursor = seq + 1
	}
}

func (m *mailbox) isReady(seq int64) bool {
	g := m.segments.find(seq)
	return g != nil && g.ready&bit(seq) != 0
}

// returned is a heap of sequence numbers below the cursor. A number stays in it
// when its message stops being ready, until it comes up or until such numbers are
// the majority.
type returned struct {
	heap  []int64
	stale int
}

func (r *returned) len() int       { return len(r.heap) }
func (r *returned) top() int64     { return r.heap[0] }
func (r *returned) wasteful() bool { return r.stale > 64 && r.stale > len(r.heap)/2 }

func (r *returned) push(seq int64) {
	r.heap = append(r.heap, seq)
	i := len(r.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if r.heap[parent] <= r.heap[i] {
			break
		}
		r.heap[parent], r.heap[i] = r.heap[i], r.heap[parent]
		i = parent
	}
}

func (r *returned) pop() int64 {
	seq, last := r.heap[0], len(r.heap)-1
	r.heap[0] = r.heap[last]
	r.heap = r.heap[:last]
	r.down(0)
	if cap(r.heap) > 1024 && len(r.heap) < cap(r.heap)/4 {
		r.heap = append(make([]int64, 0, cap(r.heap)/2), r.heap...)
	}
	return seq
}

func (r *returned) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(r.heap) {
			return
		}
		if child+1 < len(r.heap) && r.heap[child+1] < r.heap[child] {
			child++
		}
		if r.heap[i] <= r.heap[child] {
			return
		}
		r.heap[i], r.heap[child] = r.heap[child], r.heap[i]
		i = child
	}
}

// mend drops the numbers whose messages are not ready any more.
func (r *returned) mend(m *mailbox) {
	kept := r.heap[:0]
	for _, seq := range r.heap {
		if m.isReady(seq) {
			kept = append(kept, seq)
		}
	}
	r.heap, r.stale = kept, 0
	for i := len(kept)/2 - 1; i >= 0; i-- {
		r.down(i)
	}
}
