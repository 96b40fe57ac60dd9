package locations

import (
	"errors"
	"fmt"
	"time"

	"weir/kernel/journal/record"
)

// site is one place: a location or a witness, with all that it stores.
type site struct {
	w       *world
	name    string
	place   int
	witness bool
	hosts   []*host
	disk    *disk
	refuses bool // when nobody listens, who calls is told at once

	note        note
	generations map[string]int // of units, as kept beside the note
	shelves     map[string]map[int]*shelf
	leases      map[string]*lease
	ballot      stored
}

// lease is that of one unit, the right to write its log.
type lease struct {
	holder   string
	epoch    uint64
	revision uint64
}

// door is the first process that takes a connection.
func (s *site) door() *host {
	first := 0
	if len(s.hosts) > 1 {
		first = s.w.Pick(len(s.hosts))
	}
	for i := range s.hosts {
		if h := s.hosts[(first+i)%len(s.hosts)]; h.alive {
			return h
		}
	}
	return nil
}

func (s *site) alive() bool {
	for _, h := range s.hosts {
		if h.alive {
			return true
		}
	}
	return false
}

func (s *site) lease(unit string) *lease {
	if s.leases[unit] == nil {
		s.leases[unit] = &lease{}
	}
	return s.leases[unit]
}

// shelf returns a unit's journal in a generation, made when it is not there.
func (s *site) shelf(unit string, generation int) *shelf {
	all := s.shelves[unit]
	if all == nil {
		all = map[int]*shelf{}
		s.shelves[unit] = all
	}
	if all[generation] == nil {
		all[generation] = newShelf(s, unit, generation)
	}
	return all[generation]
}

var errSeeded = errors.New("a journal of that generation is there and begins elsewhere")

// seed makes a journal that begins behind a snapshot: first the snapshot is stored,
// then the journal.
func (s *site) seed(p *proc, unit string, generation int, snap snapshot) error {
	begins := func() (*shelf, error) {
		have := s.shelves[unit][generation]
		if have != nil && have.base != snap.at.Last {
			return nil, errSeeded
		}
		return have, nil
	}
	if have, err := begins(); have != nil || err != nil {
		return err
	}
	p.point("before a seed is stored")
	err := p.write(func() error {
		if _, err := begins(); err != nil {
			return err
		}
		s.shelf(unit, generation).seed(snap)
		return nil
	})
	if err == nil {
		p.point("when a seed is stored")
	}
	return err
}

// stored is a ballot as it is stored, and its version.
type stored struct {
	ballot  ballot
	version uint64
}

// disk is what a place stores with: slow or full at times.
type disk struct {
	w       *world
	site    *site
	slow    bool
	full    bool
	pending []*writing
}

// writing is a change under way.
type writing struct {
	h      *host
	change func() error
	over   bool
}

var (
	errUnknown = errors.New("outcome unknown: no answer came")
	errFull    = errors.New("no space is left")
)

// storeTimeout is how long an answer of the storage is waited for.
const storeTimeout = 10 * time.Second

func (d *disk) latency() time.Duration {
	if d.slow {
		return d.w.Between(20*time.Millisecond, 400*time.Millisecond)
	}
	return d.w.Between(100*time.Microsecond, 3*time.Millisecond)
}

// lane keeps what is written in one order in it.
type lane struct{ arrives, answers time.Time }

// write makes a change durable and tells the process, if that is still there. l, if not
// nil, keeps the order.
func (d *disk) write(h *host, l *lane, change func() error, told func(error)) {
	if l == nil {
		l = &lane{}
	}
	op := &writing{h: h, change: change}
	d.pending = append(d.pending, op)
	life := h.life
	l.arrives = later(l.arrives, d.w.Now().Add(d.latency()))
	d.w.After(l.arrives.Sub(d.w.Now()), func() {
		if op.over {
			return
		}
		d.forget(op)
		err := error(errFull)
		if !d.full {
			err = change()
		}
		if d.w.Pick(4000) == 0 {
			err = errUnknown
		}
		wait := d.latency() / 4
		if err == errUnknown || err == errFull {
			wait += 100 * time.Millisecond
		}
		l.answers = later(l.answers, d.w.Now().Add(wait))
		d.w.After(l.answers.Sub(d.w.Now()), func() { h.arrive(life, func() { told(err) }) })
	})
}

func (d *disk) forget(op *writing) {
	op.over = true
	for i, other := range d.pending {
		if other == op {
			d.pending = append(d.pending[:i], d.pending[i+1:]...)
			return
		}
	}
}

// lost decides what becomes of what a process was storing when it ended: each change
// is made or not, and none later.
func (d *disk) lost(h *host) {
	var rest, its []*writing
	for _, op := range d.pending {
		if op.h == h {
			its = append(its, op)
		} else {
			rest = append(rest, op)
		}
	}
	d.pending = rest
	for _, op := range its {
		op.over = true
		if !d.full && d.w.Chance(50) {
			_ = op.change() // nobody is told
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// snapshot is a state that was saved.
type snapshot struct {
	at      record.Tail
	data    []byte
	sums    []uint64 // of all records up to it, for the judge
	chained []uint64 // and those of the chain there
}

func (s snapshot) String() string { return fmt.Sprintf("snapshot at %d", s.at.Last) }
