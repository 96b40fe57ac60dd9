package broker

// grants is the line of receivers that wait for messages: credit is served in the
// order in which it came. A receiver stands in it once for each time it gave
// credit while others waited behind it, up to a bound.
type grants struct {
	first, last *grant
	free        *grant
}

// grant is a number of messages that a receiver may have at this place in line.
type grant struct {
	receiver   *receiver
	n          uint32
	prev, next *grant
	older      *grant // the receiver's place before this one
}

// adjust follows a receiver's credit, which was before.
func (l *grants) adjust(r *receiver, before uint32) {
	if r.choice != NoSession {
		return // a session's messages go to its holder, there is no line
	}
	now := r.credit()
	switch {
	case now > before:
		l.join(r, now-before)
	case now < before:
		l.reduce(r, before-now)
	}
}

func (l *grants) join(r *receiver, n uint32) {
	if g := r.newest; g != nil && (g == l.last || r.grants >= grantsPerReceiver) {
		g.n += n
		return
	}
	g := l.free
	if g != nil {
		l.free = g.next
	} else {
		g = &grant{}
	}
	*g = grant{receiver: r, n: n, prev: l.last, older: r.newest}
	if l.last != nil {
		l.last.next = g
	} else {
		l.first = g
	}
	l.last = g
	r.newest = g
	r.grants++
}

// reduce takes credit back, the newest first.
func (l *grants) reduce(r *receiver, n uint32) {
	for n > 0 && r.newest != nil {
		g := r.newest
		if g.n > n {
			g.n -= n
			return
		}
		n -= g.n
		l.remove(g)
	}
}

// leave takes a receiver out of the line.
func (l *grants) leave(r *receiver) {
	for r.newest != nil {
		l.remove(r.newest)
	}
}

// spend uses one of the first place's messages.
func (l *grants) spend() {
	g := l.first
	if g.n--; g.n == 0 {
		l.remove(g)
	}
}

func (l *grants) remove(g *grant) {
	if g.prev != nil {
		g.prev.next = g.next
	} else {
		l.first = g.next
	}
	if g.next != nil {
		g.next.prev = g.prev
	} else {
		l.last = g.prev
	}
	l.detach(g)
	*g = grant{next: l.free}
	l.free = g
}

// detach takes the place out of its receiver's list, which is short.
func (l *grants) detach(g *grant) {
	r := g.receiver
	r.grants--
	if r.newest == g {
		r.newest = g.older
		return
	}
	for at := r.newest; at != nil; at = at.older {
		if at.older == g {
			at.older = g.older
			return
		}
	}
}
