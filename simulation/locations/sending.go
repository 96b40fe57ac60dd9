package locations

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"weir/kernel/journal/record"
	"weir/kernel/link/core"
)

// limits of the link are those of package link, but for the window, which is small so
// that it fills.
var limits = core.Limits{WindowBytes: 64 << 10}.Defaults()

// answer is how the primary answers a hello.
type answer struct{ core.Answer }

// sending is the primary's side of the link of a unit: core, and what package link does
// around it.
type sending struct {
	u       *unit
	core    *core.Sender
	session *serving
}

// serving is one session of it.
type serving struct {
	s      *sending
	end    *end
	id     uint64
	cursor record.Position
	seeded bool
	over   bool

	unowned int // ticks since another node has the unit
}

func newSending(u *unit) *sending {
	return &sending{u: u, core: core.NewSender(u.name, u.h.site.name, limits)}
}

// configure sets the terms; a session that they end is closed.
func (s *sending) configure(t core.Terms) {
	s.core.Configure(t, s.u.h.now())
	if v := s.session; v != nil && !s.core.Live(v.id) {
		v.close()
	}
	s.u.reveal()
}

// serve takes a connection.
func (s *sending) serve(e *end) {
	v := &serving{s: s, end: e}
	e.hear = func(msg any) {
		s.core.Heard(v.id, s.u.h.now())
		switch msg := msg.(type) {
		case core.Hello:
			v.hello(msg)
		case core.Mark:
			v.ack(msg)
		case bye:
			v.close()
		}
	}
}

func (v *serving) close() {
	if v.over {
		return
	}
	v.over = true
	v.end.close()
	v.s.core.Gone(v.id, v.s.u.h.now())
	if v.s.session == v {
		v.s.session = nil
	}
}

// said is what the primary says of itself, in the time of the wall.
func (s *sending) said(said core.Said) core.Said {
	said.Time = s.u.h.wall()
	return said
}

func (v *serving) hello(h core.Hello) {
	s, u := v.s, v.s.u
	refuse := func(a core.Answer) {
		u.h.w.Say("%s/%s refuses %s: %s %s", u.h.name, u.name, h.Location, a.Verdict, a.Reason)
		v.end.send(answer{a})
		v.close()
	}
	if a, refused := s.core.Refuse(h, u.h.now()); refused {
		refuse(a)
		return
	}
	found := u.shelf.stands(h.After, h.Chained)
	extent := core.Extent{End: u.shelf.last(), Average: 200}
	if u.h.site.disk.full && u.h.w.Chance(20) {
		found = core.Unread
	}
	u.h.after(u.h.w.Between(100*time.Microsecond, 5*time.Millisecond), func() {
		if v.over {
			return
		}
		a, session, lost := s.core.Hello(h, found, extent, u.h.now())
		if lost > 0 {
			u.h.w.judge.lacks(u, h, lost)
		}
		a.Said = s.said(a.Said)
		if session == 0 {
			refuse(a)
			return
		}
		if s.session != nil {
			s.session.close()
		}
		v.id, v.cursor, s.session = session, h.After.At, v
		u.h.w.Say("%s/%s serves %s in term %d behind %d: %s", u.h.name, u.name, h.Location, a.Term, h.After.At, a.Verdict)
		v.end.send(answer{a})
		if a.Verdict == core.SeedFirst {
			v.seed()
		}
		v.beat()
		v.tick()
		v.pump()
	})
}

// pump sends what there is, as the window allows.
func (s *sending) pump() {
	if s.session != nil {
		s.session.pump()
	}
}

// framesRecords is how many records go into one frame at most, here.
const framesRecords = 32

func (v *serving) pump() {
	l, now := v.s.u.shelf, v.s.u.h.now()
	for !v.over && !v.seeded && v.cursor < l.last() && v.s.core.Room(v.id) {
		if v.cursor+1 < l.first {
			v.s.core.Seeding(v.id)
			v.seed()
			return
		}
		from := v.cursor - l.base
		recs := l.records[from:min(from+framesRecords, record.Position(len(l.records)))]
		for len(recs) > 0 && v.s.core.Room(v.id) {
			d, rest, err := v.s.core.Send(v.id, recs, l.last(), now)
			if err != nil {
				v.close()
				return
			}
			v.cursor += record.Position(len(recs) - len(rest))
			d.Said = v.s.said(d.Said)
			v.end.send(d)
			recs = rest
		}
	}
}

// seed sends the newest snapshot, and then nothing more.
func (v *serving) seed() {
	u := v.s.u
	v.seeded = true
	n := len(u.shelf.snaps)
	if n == 0 {
		u.h.w.judge.violation("%s was trimmed in %s and there is no snapshot", u.name, u.h.site.name)
		v.close()
		return
	}
	s := u.shelf.snaps[n-1]
	u.h.w.Say("%s/%s sends the %s to begin with", u.h.name, u.name, s)
	v.end.send(core.Seed{At: s.at, Time: u.h.wall(), Bytes: uint64(len(s.data)), Sum: xxhash.Sum64(s.data)})
	half := len(s.data) / 2
	v.end.send(core.Chunk{Data: s.data[:half]})
	v.end.send(core.Chunk{Offset: uint64(half), Data: s.data[half:]})
	v.end.send(snapshot{sums: s.sums, chained: s.chained}) // not part of the protocol: it is for the judge
}

func (v *serving) ack(m core.Mark) {
	u := v.s.u
	if err := v.s.core.Ack(v.id, m, u.h.now()); err != nil {
		if err != core.ErrStale {
			u.h.w.judge.violation("%s/%s does not believe an acknowledgement: %v", u.h.name, u.name, err)
		}
		v.close()
		return
	}
	u.reveal()
	v.pump()
}

func (v *serving) beat() {
	v.s.u.h.after(limits.BeatEvery, func() {
		if !v.over {
			v.end.send(v.s.said(v.s.core.Beat(v.s.u.h.now())))
			v.beat()
		}
	})
}

// elsewhere reports that another node of the location has the unit, for some time.
func (v *serving) elsewhere() bool {
	u := v.s.u
	if holder := u.h.site.lease(u.name).holder; u.owning || holder == "" || holder == u.h.name || u.h.w.rules.ServesUnowned {
		v.unowned = 0
		return false
	}
	v.unowned++
	return v.unowned > 20
}

func (v *serving) tick() {
	v.s.u.h.after(limits.BeatEvery/2, func() {
		if v.over {
			return
		}
		if err := v.s.core.Tick(v.id, v.s.u.h.now()); err != nil || v.elsewhere() {
			v.close()
			return
		}
		v.s.u.reveal()
		v.tick()
	})
}
