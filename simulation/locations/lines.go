package locations

import "time"

const placesMax = 5 // two locations and three witnesses

// lines are the network: from each place to each other one, each way for itself.
type lines struct {
	w     *world
	cut   [placesMax][placesMax]bool
	lossy [placesMax][placesMax]int           // in a hundred, beyond what is usual
	slow  [placesMax][placesMax]time.Duration // most that is added
}

// lateMax is how long what a cut holds up may still arrive afterwards.
const lateMax = 15 * time.Second

func (l *lines) delay(from, to int) time.Duration {
	if from == to {
		return l.w.Between(20*time.Microsecond, 300*time.Microsecond)
	}
	d := l.w.Between(500*time.Microsecond, 8*time.Millisecond)
	if slow := l.slow[from][to]; slow > 0 {
		d += l.w.Between(0, slow)
	}
	return d
}

// carry brings a request or an answer: after others that left later, twice, long after
// nobody waits any more, or never.
func (l *lines) carry(from, to int, arrive func()) {
	if from == to {
		l.w.After(l.delay(from, to), arrive)
		return
	}
	if l.w.Pick(100) < 1+l.lossy[from][to] && !l.w.calm {
		return
	}
	for range 1 + l.w.Pick(50)/49 {
		l.bring(from, to, l.w.Now().Add(lateMax), l.delay(from, to), arrive)
	}
}

func (l *lines) bring(from, to int, until time.Time, delay time.Duration, arrive func()) {
	l.w.After(delay, func() {
		switch {
		case !l.cut[from][to]:
			arrive()
		case l.w.Now().Before(until) && !l.w.Chance(10):
			l.bring(from, to, until, l.w.Between(50*time.Millisecond, 800*time.Millisecond), arrive)
		}
	})
}

// mend makes all lines whole.
func (l *lines) mend() { *l = lines{w: l.w} }

// end is one end of a connection: what is said at the other one comes in order, and
// all of it while the line is whole.
type end struct {
	h      *host
	life   int
	other  *end
	closed bool
	hear   func(msg any)
	ready  time.Time // when the newest thing that was said to it arrives
	stuck  []any     // behind a cut
}

// bye is the last thing that is heard of a connection.
type bye struct{}

// connect makes a connection between two processes; accept gets the far end.
func (l *lines) connect(from, to *host, accept func(*end)) *end {
	here, there := &end{h: from, life: from.life}, &end{h: to, life: to.life}
	here.other, there.other = there, here
	from.ends, to.ends = append(prune(from.ends), here), append(prune(to.ends), there)
	accept(there)
	return here
}

func prune(ends []*end) []*end {
	kept := ends[:0]
	for _, e := range ends {
		if !e.closed {
			kept = append(kept, e)
		}
	}
	return kept
}

// send says something to the other end.
func (e *end) send(msg any) {
	if e.closed {
		return
	}
	w, to := e.h.w, e.other
	at := w.Now().Add(w.lines.delay(e.h.site.place, to.h.site.place))
	if at.Before(to.ready) {
		at = to.ready
	}
	to.ready = at
	w.After(at.Sub(w.Now()), func() { to.deliver(msg) })
}

func (e *end) deliver(msg any) {
	if e.closed {
		return
	}
	if len(e.stuck) > 0 || e.h.w.lines.cut[e.other.h.site.place][e.h.site.place] {
		if e.stuck = append(e.stuck, msg); len(e.stuck) == 1 {
			e.unstick()
		}
		return
	}
	e.h.arrive(e.life, func() { e.take(msg) })
}

// unstick looks again and again whether the line is whole.
func (e *end) unstick() {
	e.h.w.After(e.h.w.Between(50*time.Millisecond, 300*time.Millisecond), func() {
		switch {
		case e.closed:
			e.stuck = nil
		case e.h.w.lines.cut[e.other.h.site.place][e.h.site.place]:
			e.unstick()
		default:
			came := e.stuck
			e.stuck = nil
			e.h.arrive(e.life, func() {
				for _, msg := range came {
					e.take(msg)
				}
			})
		}
	})
}

func (e *end) take(msg any) {
	if !e.closed && e.hear != nil {
		e.hear(msg)
	}
}

// close ends the connection for this side; the other one hears of it.
func (e *end) close() {
	if !e.closed {
		e.send(bye{})
		e.closed = true
	}
}

// abandon ends it with its process; the other side may hear of that, or not.
func (e *end) abandon() {
	if e.h.w.Chance(50) {
		e.close()
	}
	e.closed = true
}
