package locations

import (
	"time"

	link "weir/kernel/link/core"
	continuity "weir/operate/continuity/core"
)

// trouble plans the faults of the history.
func (w *world) trouble() {
	w.After(w.Between(200*time.Millisecond, 4*time.Second), func() {
		if !w.calm {
			w.fault()
			w.trouble()
		}
	})
}

// long is how long a fault lasts: mostly short, at times longer than the vote takes.
func (w *world) long() time.Duration {
	if w.Chance(35) {
		return w.Between(5*time.Second, 16*time.Second)
	}
	return w.Between(100*time.Millisecond, 4*time.Second)
}

// breakDown ends a process, at times with all of its location, and starts it again.
func (w *world) breakDown(h *host) {
	all := []*host{h}
	if w.Chance(50) {
		all = h.site.hosts
	}
	for _, h := range all {
		h.crash()
		w.After(w.long(), func() {
			if !h.alive {
				h.start()
			}
		})
	}
}

func (w *world) fault() {
	s := w.sites[w.Pick(len(w.sites))]
	if w.Chance(50) {
		s = w.sites[w.Pick(2)]
	}
	h := s.hosts[w.Pick(len(s.hosts))]
	switch dice := w.Pick(100); {
	case dice < 22:
		w.breakDown(h)
	case dice < 32 && w.Now().After(h.paused):
		h.paused = w.Now().Add(w.long())
		w.Say("%s stands still for %s", h.name, h.paused.Sub(w.Now()))
	case dice < 62:
		w.line(s)
	case dice < 68:
		h.wrong = w.Between(-20*time.Second, 20*time.Second)
		w.Say("the clock on the wall of %s is off by %s", h.name, h.wrong)
	case dice < 75:
		s.disk.slow = true
		w.Say("the disk of %s is slow", s.name)
		w.After(w.long(), func() { s.disk.slow = false })
	case dice < 80:
		s.disk.full = true
		w.Say("the disk of %s is full", s.name)
		w.After(w.long()/2, func() { s.disk.full = false })
	default:
		at := w.Pick(2)
		skip := w.Pick(10)
		w.mine = func(h *host) bool {
			skip--
			return skip < 0 && (h.site.place == at || skip < -3)
		}
	}
}

// line breaks lines of a place: to one other or to all, one way or both.
func (w *world) line(s *site) {
	const cut, lossy, slow = 0, 1, 2
	how, way, one := []int{cut, cut, lossy, slow}[w.Pick(4)], w.Pick(4), -1
	if w.Chance(60) {
		one = w.Pick(len(w.sites))
	}
	much := 10 + w.Pick(60)
	most := w.Between(50*time.Millisecond, 3*time.Second)
	set := func(from, to int, on bool) {
		switch how {
		case cut:
			w.lines.cut[from][to] = on
		case lossy:
			if w.lines.lossy[from][to] = 0; on {
				w.lines.lossy[from][to] = much
			}
		case slow:
			if w.lines.slow[from][to] = 0; on {
				w.lines.slow[from][to] = most
			}
		}
	}
	all := func(on bool) {
		for to := range w.sites {
			if to == s.place || one >= 0 && one != s.place && to != one {
				continue
			}
			if way != 1 {
				set(s.place, to, on)
			}
			if way != 2 {
				set(to, s.place, on)
			}
		}
	}
	w.Say("%s of %s to %d, ways %d", []string{"a cut", "loss", "delay"}[how], s.name, one, way)
	all(true)
	w.After(w.long(), func() { all(false) })
}

// operators ask for changes, at times both at once.
func (w *world) operators() {
	low, high := 2*time.Second, 12*time.Second
	if w.slant.Hasty {
		low, high = low/8, high/8
	}
	w.After(w.Between(low, high), func() {
		if w.calm {
			return
		}
		for range 1 + w.Pick(6)/5 {
			w.order()
		}
		w.operators()
	})
}

func (w *world) order() {
	s := w.sites[w.Pick(2)]
	h := s.door()
	if h == nil {
		return
	}
	dice, to := w.Pick(100), w.sites[w.Pick(2)].name
	force := w.mayForce(s)
	if force && len(w.voters) == 0 {
		dice = 70
	}
	h.arrive(h.life, func() {
		h.spawn("operator", func(p *proc) {
			var err error
			switch {
			case dice < 60:
				w.Say("an operator at %s asks for a switch to %s", h.name, to)
				stays := to == h.site.name && h.site.note.Holder == to && h.site.note.Phase != continuity.None
				err = h.ctl.switchTo(p, to)
				w.judge.switched(h.site, to, stays, err)
			case dice < 85:
				w.Say("an operator at %s promotes, force %v", h.name, force)
				w.doubtful = w.doubtful || force && len(w.voters) == 0
				err = h.ctl.promote(p, force)
			default:
				err = h.ctl.rejoin(p)
			}
			w.Say("the operator at %s has %v", h.name, err)
		})
	})
}

// mayForce reports whether an operator may say that the other location does not serve.
func (w *world) mayForce(s *site) bool {
	return !s.peer().alive() || len(w.voters) > 0 && w.terms.Mode == link.Sync && w.terms.WhenAway == link.Stop && w.Chance(30)
}

// peace ends the faults, mends what is broken, and has operators decide what waits for
// them.
func (w *world) peace() {
	w.Say("peace")
	w.calm, w.mine = true, nil
	w.lines.mend()
	for _, s := range w.sites {
		s.disk.slow, s.disk.full = false, false
		for _, h := range s.hosts {
			h.wrong = 0
			if !h.alive {
				h.start()
			}
		}
	}
	w.After(10*time.Second, w.decide)
}

// decide is an operator who looks every now and then.
func (w *world) decide() {
	w.After(4*time.Second, w.decide)
	west, east := w.sites[0], w.sites[1]
	for _, s := range []*site{west, east} {
		h := s.door()
		n := s.note
		alone := s.peer().note.Holder == s.peer().name && s.peer().note.Phase == continuity.None
		switch {
		case h == nil:
		case n.Phase == continuity.Parted && alone:
			h.spawn("operator", func(p *proc) { _ = h.ctl.rejoin(p) })
		case n.Holder == s.name && (n.Phase == continuity.HandOver || n.Phase == continuity.Passing):
			w.Say("an operator asks %s again to switch", h.name)
			h.spawn("operator", func(p *proc) { w.Say("%s is asked again: %v", h.name, h.ctl.switchTo(p, s.peer().name)) })
		case n.Holder != s.name && n.Phase == continuity.None && s.peer().note.Holder != s.peer().name && n.Term >= s.peer().note.Term && n.Revision > 0:
			// Where neither copy was ever whole nobody but an operator can choose one.
			force := len(w.voters) == 0 || !h.ctl.whole(n) && (s.peer().note.Term == 0 || !h.ctl.whole(s.peer().note))
			w.Say("an operator promotes %s, force %v", h.name, force)
			w.doubtful = w.doubtful || len(w.voters) == 0
			h.spawn("operator", func(p *proc) { _ = h.ctl.promote(p, force) })
		}
	}
}

// switched: a switch that is said to be done did not go the other way.
func (j *judge) switched(s *site, to string, stays bool, err error) {
	if err != nil {
		return
	}
	if j.counts["switched"]++; stays && s.note.Holder != to {
		j.violation("a switch to %s, where the group is, is done, and %s has it", to, s.note.Holder)
	}
}

// settlesDown: some time after the last fault the group has one primary, which shows
// what it decides, and the other location follows.
func (j *judge) settlesDown() {
	w := j.w
	if len(j.violations) > 0 {
		return
	}
	var has []*site
	for _, s := range w.sites[:2] {
		if s.note.Holder == s.name && s.note.Phase == continuity.None {
			has = append(has, s)
		}
	}
	if len(has) != 1 {
		j.violation("%s after the last fault %d locations have the group: west %+v, east %+v", peaceMax, len(has), w.sites[0].note, w.sites[1].note)
		return
	}
	for _, name := range w.units {
		u := w.find(name)
		if u == nil || u.h.site != has[0] || !u.mayShow() || len(u.reveals) > 0 && !u.send.core.Covered(u.reveals[0].at, u.h.now()) {
			j.violation("%s after the last fault %s is not served in %s", peaceMax, name, has[0].name)
			return
		}
		copied := false
		for _, h := range has[0].peer().hosts {
			copied = copied || h.units[name].recv.core.State().Connected
		}
		if !copied {
			j.violation("%s after the last fault %s does not follow %s: %+v", peaceMax, has[0].peer().name, name, has[0].peer().note)
		}
	}
}
