package locations

import (
	"errors"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/link/core"
)

// receiving is the secondary's side of the link of a unit: core, and what package link
// does around it.
type receiving struct {
	u       *unit
	core    *core.Receiver
	proc    *proc
	quit    bool
	session *session
	lane    lane
}

// session is one connection of it.
type session struct {
	r       *receiving
	end     *end
	live    bool
	over    bool
	why     error
	failed  bool // the log here failed
	storing int
	seed    *snapshot
}

func newReceiving(u *unit) *receiving {
	return &receiving{u: u, core: core.NewReceiver(u.name, u.h.site.name, limits)}
}

func (r *receiving) stop() {
	r.quit = true
	if r.session != nil {
		r.session.close(errors.New("it is to end"))
	}
	if r.proc != nil {
		r.proc.poke()
	}
}

// run copies until it is stopped, over as many connections as that takes.
func (r *receiving) run(p *proc) {
	r.proc, r.quit = p, false
	pause := 50 * time.Millisecond
	for !r.quit {
		s := r.connect(p)
		if s.live {
			pause = 50 * time.Millisecond
		}
		if s.seed != nil && p.h.ctl.seeded(p, r.u.name, *s.seed) == nil {
			p.until(func() bool { return r.quit }, forever)
		}
		p.until(func() bool { return r.quit }, pause)
		pause = min(2*pause, 2*time.Second)
	}
	r.u.main.poke()
}

// connect is one session; what it was storing has an outcome when it returns, or was
// given up on.
func (r *receiving) connect(p *proc) *session {
	s := &session{r: r}
	h := r.u.h
	after, chained := r.u.shelf.mark(), uint64(0)
	if after.At > 0 {
		chained = r.u.shelf.chained[after.At-1]
	}
	door := h.site.peer().owner(r.u.name)
	p.sleep(2 * h.w.lines.delay(h.site.place, h.site.peer().place))
	if door == nil || !door.alive || r.quit || h.w.lines.cut[h.site.place][h.site.peer().place] {
		return s
	}
	there := door.units[r.u.name]
	s.end = h.w.lines.connect(h, door, there.send.serve)
	s.end.hear = s.hear
	r.session = s
	s.end.send(r.core.Hello(after, chained, h.ctl.last.Term, h.now()))
	s.tick()
	s.beat()
	p.until(func() bool { return s.over }, forever)
	p.until(func() bool { return s.storing == 0 }, limits.HelloTimeout)
	r.core.Gone()
	r.session = nil
	return s
}

// owner is the process that owns a unit, else any.
func (s *site) owner(name string) *host {
	for _, h := range s.hosts {
		if u := h.units[name]; h.alive && u != nil && u.owning {
			return h
		}
	}
	return s.door()
}

func (s *session) close(why error) {
	if s.over {
		return
	}
	s.over, s.why = true, why
	s.end.close()
	if s.r.proc != nil {
		s.r.proc.poke()
	}
}

// hear takes what the primary says.
func (s *session) hear(msg any) {
	r, now := s.r, s.r.u.h.now()
	if s.over {
		return
	}
	r.core.Heard(now)
	var err error
	switch msg := msg.(type) {
	case answer:
		if err = r.core.Answer(msg.Answer, now); err == nil {
			s.live = true
		}
	case core.Data:
		err = s.data(msg, now)
	case core.Said:
		err = r.core.Beat(msg, now)
	case core.Seed:
		err = r.core.Seed(msg, now)
	case core.Chunk:
		err = r.core.Chunk(msg, now)
		if at, data, whole, bad := r.core.Seeded(); bad != nil {
			err = bad
		} else if whole {
			s.seed = &snapshot{at: at, data: data}
		}
	case snapshot:
		s.seed.sums, s.seed.chained = msg.sums, msg.chained
		err = errors.New("a snapshot to begin with has come")
	case bye:
		err = errors.New("the other side has ended the connection")
	}
	if errors.Is(err, core.ErrProtocol) {
		r.u.h.w.judge.violation("%s/%s: %v", r.u.h.name, r.u.name, err)
	}
	if err != nil {
		s.close(err)
	}
}

func (s *session) data(d core.Data, now time.Time) error {
	r, u := s.r, s.r.u
	c, err := r.core.Data(d, now)
	if err != nil {
		return err
	}
	s.storing++
	u.h.site.disk.write(u.h, &r.lane, func() error { return u.shelf.store(c.After.At, c.Records, true) }, func(err error) {
		s.storing--
		r.proc.poke()
		switch {
		case s.failed:
			return
		case err == nil && r.session == s:
			err = r.core.Stored(c.Last)
		}
		if err != nil {
			s.failed = true
			s.close(err)
			return
		}
		if !s.over {
			s.end.send(r.core.Ack())
		}
	})
	return nil
}

// tick watches the clock and the term.
func (s *session) tick() {
	h := s.r.u.h
	h.after(limits.BeatEvery/2, func() {
		if s.over {
			return
		}
		if err := s.r.core.Tick(h.ctl.last.Term, h.now()); err != nil {
			s.close(err)
			return
		}
		s.tick()
	})
}

func (s *session) beat() {
	s.r.u.h.after(limits.BeatEvery, func() {
		if s.over {
			return
		}
		if s.live {
			s.end.send(s.r.core.Ack())
		}
		s.beat()
	})
}

// behind returns how far the copy has come, for the judge.
func (r *receiving) behind() (have, end record.Position) {
	s := r.core.State()
	return s.Mark.At, s.PrimaryEnd
}
