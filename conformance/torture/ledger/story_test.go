package ledger

import (
	"fmt"
	"math/rand/v2"
)

// story tells a history as a broker that keeps its word would make it: sends,
// receives, settlements and crashes in one seeded order. It is the other side of
// every test here: Check must find nothing in what a story tells, and must find
// whatever a test then breaks.
type story struct {
	h       History
	rand    *rand.Rand
	now     Instant
	places  map[string]*shelf
	numbers map[string]int64
	ids     int
	holding int
}

// shelf is one place of the story's broker.
type shelf struct {
	Place
	sessions bool
	next     int64
	live     []*item
	dead     []*item
	held     map[string]int // session: holding
}

type item struct {
	seq     int64
	id      string
	session string
	locked  bool
	holding int
}

func tell(seed uint64, steps int) *story {
	s := &story{rand: rand.New(rand.NewPCG(seed, 1)), places: map[string]*shelf{}, numbers: map[string]int64{}}
	s.place(Place{Name: "plain", Target: "plain"}, false)
	s.place(Place{Name: "sessions", Target: "sessions"}, true)
	s.place(Place{Name: "topic/a", Target: "topic"}, false)
	s.place(Place{Name: "topic/b", Target: "topic"}, false)
	s.place(Place{Name: "volatile", Target: "volatile", Volatile: true, InFlight: 3}, false)
	for range steps {
		switch n := s.rand.IntN(100); {
		case n < 40:
			s.send(pick(s.rand, "plain", "sessions", "topic", "volatile"))
		case n < 98:
			s.receive(s.shelf())
		default:
			s.crash()
		}
	}
	s.drain()
	return s
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func (s *story) place(p Place, sessions bool) {
	s.h.Places = append(s.h.Places, p)
	s.places[p.Name] = &shelf{Place: p, sessions: sessions, held: map[string]int{}}
}

func (s *story) shelf() *shelf { return s.places[s.h.Places[s.rand.IntN(len(s.h.Places))].Name] }

func (s *story) tick() Instant { s.now++; return s.now }

// send sends one message; now and then a crash falls into the call, and then
// the client's library may have stored it twice, once, or not at all.
func (s *story) send(target string) {
	s.ids++
	call := Send{ID: fmt.Sprintf("m%d", s.ids), Target: target, Start: s.tick(), Outcome: Confirmed}
	if target == "sessions" {
		call.Session = pick(s.rand, "", "red", "blue")
		s.numbers[call.Session]++
		call.Number = s.numbers[call.Session]
	}
	copies := 1
	if s.rand.IntN(20) == 0 {
		copies = s.rand.IntN(3)
		call.Outcome = Unknown
		s.store(call, min(copies, 1))
		s.crash()
		copies--
		if copies > 0 {
			call.Outcome = Confirmed
		}
	}
	s.store(call, copies)
	call.End = s.tick()
	s.h.Sends = append(s.h.Sends, call)
}

func (s *story) store(call Send, copies int) {
	for _, p := range s.h.Places {
		for shelf := s.places[p.Name]; p.Target == call.Target && copies > 0; copies-- {
			shelf.next++
			shelf.live = append(shelf.live, &item{seq: shelf.next, id: call.ID, session: call.Session})
			if call.Target == "topic" {
				break // one copy in each subscription
			}
		}
	}
}

// crash kills the server: locks and holdings are forgotten.
func (s *story) crash() {
	o := Outage{Start: s.tick()}
	for _, p := range s.places {
		clear(p.held)
		for _, m := range append(p.live, p.dead...) {
			m.locked = false
		}
	}
	if v := s.places["volatile"]; len(v.live) > 0 && s.rand.IntN(2) == 0 {
		v.live = v.live[1:] // it was on its way
	}
	o.End = s.tick()
	s.h.Outages = append(s.h.Outages, o)
}

func (s *story) receive(p *shelf) {
	if p.sessions {
		s.receiveSession(p)
		return
	}
	for _, m := range p.live {
		if !m.locked {
			s.deliver(p, m, false, 0)
			s.decide(p, m, false)
			return
		}
	}
}

// receiveSession takes a session, works on its first messages and lets go.
func (s *story) receiveSession(p *shelf) {
	session := pick(s.rand, "", "red", "blue")
	s.holding++
	h := Holding{ID: s.holding, Place: p.Name, Session: session, Accepted: s.tick()}
	s.h.Holdings = append(s.h.Holdings, h)
	p.held[session] = h.ID
	for n := s.rand.IntN(4); n > 0; n-- {
		m := first(p.live, session)
		if m == nil || p.held[session] != h.ID {
			return
		}
		s.deliver(p, m, false, h.ID)
		s.decide(p, m, false)
	}
}

func first(of []*item, session string) *item {
	for _, m := range of {
		if m.session == session {
			return m
		}
	}
	return nil
}

func (s *story) deliver(p *shelf, m *item, dead bool, holding int) {
	m.holding = holding
	s.h.Deliveries = append(s.h.Deliveries, Delivery{
		Place: p.Name, Dead: dead, ID: m.id, Session: m.session, Sequence: m.seq,
		Holding: holding, Intact: true, At: s.tick(), Wall: int64(s.now),
	})
	if p.Volatile {
		p.remove(m, dead)
	}
}

// decide settles what was delivered, or crashes in the middle of it.
func (s *story) decide(p *shelf, m *item, dead bool) {
	if p.Volatile {
		return
	}
	call := Settle{Place: p.Name, Dead: dead, Sequence: m.seq, ID: m.id, Holding: m.holding, Start: s.tick(), Outcome: Confirmed, Verb: Complete}
	switch n := s.rand.IntN(20); {
	case n == 0:
		call.Verb = Abandon
	case n == 1 && !dead:
		call.Verb = Bury
	}
	happened := true
	if s.rand.IntN(20) == 0 {
		happened = s.rand.IntN(2) == 0
		call.Outcome = Unknown
	}
	if happened && call.Verb != Abandon {
		p.remove(m, dead)
	}
	if happened && call.Verb == Bury {
		p.dead = append(p.dead, m)
	}
	if call.Outcome == Unknown {
		s.crash()
	}
	call.End = s.tick()
	s.h.Settles = append(s.h.Settles, call)
}

func (p *shelf) remove(m *item, dead bool) {
	from := &p.live
	if dead {
		from = &p.dead
	}
	for i, x := range *from {
		if x == m {
			*from = append((*from)[:i:i], (*from)[i+1:]...)
			return
		}
	}
}

// drain completes all that is left, as the last phase of a run does.
func (s *story) drain() {
	for _, p := range s.h.Places {
		shelf := s.places[p.Name]
		for tries := 0; len(shelf.live)+len(shelf.dead) > 0 && tries < 100000; tries++ {
			if len(shelf.live) > 0 {
				s.receive(shelf)
			}
			if len(shelf.dead) > 0 {
				m := shelf.dead[0]
				s.deliver(shelf, m, true, 0)
				s.decide(shelf, m, true)
			}
		}
	}
}
