package locations

import (
	"errors"
	"iter"
	"math"
	"time"
)

// proc is something a process does step by step, written as it happens: a coroutine
// that runs only when the queue of events lets it, until it waits again. It dies with
// its process, between any two steps.
type proc struct {
	h     *host
	life  int
	name  string
	limit time.Duration // by the host's clock: what takes longer fails

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	due   bool // a resumption is under way
	done  bool
}

// killed unwinds a proc whose process has ended.
type killed struct{}

const forever = time.Duration(math.MaxInt64)

var errTimeout = errors.New("it took too long")

// spawn begins a proc of a process that is alive.
func (h *host) spawn(name string, body func(p *proc)) *proc {
	p := &proc{h: h, life: h.life, name: name, limit: forever}
	p.next, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.yield = yield
		defer func() {
			p.done = true
			if r := recover(); r != nil && r != any(killed{}) {
				panic(r)
			}
		}()
		body(p)
	})
	h.procs[p] = struct{}{}
	p.poke()
	return p
}

// poke lets a proc look again whether what it waits for is there.
func (p *proc) poke() {
	if p.due || p.done {
		return
	}
	p.due = true
	p.h.w.After(0, func() { p.h.arrive(p.life, p.resume) })
}

func (p *proc) resume() {
	p.due = false
	if p.done {
		return
	}
	p.h.w.running = p
	p.next()
	p.h.w.running = nil
	if p.done {
		delete(p.h.procs, p)
	}
}

// end lets a proc of a living process do nothing more.
func (p *proc) end() {
	if p == nil || p.done {
		return
	}
	p.done = true
	delete(p.h.procs, p)
	p.stop()
}

// pause gives the time to others.
func (p *proc) pause() {
	if !p.yield(struct{}{}) || !p.h.alive || p.h.life != p.life {
		panic(killed{})
	}
}

// until waits until something is so; false: it took longer than d by the host's clock,
// or than the proc may take. What changes a condition pokes the proc.
func (p *proc) until(so func() bool, d time.Duration) bool {
	if so() {
		return true
	}
	deadline := p.limit
	if d != forever {
		deadline = min(deadline, p.h.mono()+d)
	}
	if deadline != forever {
		p.h.after(deadline-p.h.mono(), p.poke)
	}
	for !so() {
		if p.h.mono() >= deadline {
			return false
		}
		p.pause()
	}
	return true
}

func never() bool { return false }

// sleep waits for a time; false: the proc may take no longer.
func (p *proc) sleep(d time.Duration) bool {
	p.until(never, d)
	return p.h.mono() < p.limit
}

// look waits for what nobody tells of.
func (p *proc) look(so func() (bool, error)) error {
	for {
		if ok, err := so(); ok || err != nil {
			return err
		}
		if !p.sleep(10 * time.Millisecond) {
			return errTimeout
		}
	}
}

// within bounds what follows; the result takes the bound away again.
func (p *proc) within(d time.Duration) (before func()) {
	was := p.limit
	p.limit = min(p.limit, p.h.mono()+d)
	return func() { p.limit = was }
}

// endsMax is how often a slanted history ends a process at its point.
const endsMax = 3

// point is a place between two steps, where a process may end.
func (p *proc) point(name string) {
	w := p.h.w
	w.judge.counts["at: "+name]++
	always := w.slant.EndAt == name && w.ended < endsMax
	if always {
		w.ended++
	}
	if always || w.mine != nil && w.mine(p.h) {
		if !always {
			w.mine = nil
		}
		w.judge.counts["ended at: "+name]++
		w.Say("%s ends %s", p.h.name, name)
		w.breakDown(p.h)
		panic(killed{})
	}
}

// write changes what the location stores, and waits until it is durable. An error of
// kind errUnknown leaves open whether it is.
func (p *proc) write(change func() error) error {
	var outcome error
	answered := false
	p.h.site.disk.write(p.h, nil, change, func(err error) {
		outcome, answered = err, true
		p.poke()
	})
	if !p.until(func() bool { return answered }, storeTimeout) {
		return errUnknown
	}
	return outcome
}

// ask has the other location do something, and waits for its answer.
func ask[T any](p *proc, to *site, d time.Duration, serve func(q *proc, c *controller) (T, error)) (T, error) {
	var answer T
	err := errTimeout
	answered := false
	back := func(v T, e error) {
		p.h.w.lines.carry(to.place, p.h.site.place, func() {
			p.h.arrive(p.life, func() {
				if !answered {
					answer, err, answered = v, e, true
					p.poke()
				}
			})
		})
	}
	p.h.w.lines.carry(p.h.site.place, to.place, func() {
		door := to.door()
		if door == nil {
			if to.refuses {
				back(answer, errRefused)
			}
			return
		}
		door.asked = append(door.asked, func() { back(answer, errBroken) })
		door.arrive(door.life, func() {
			door.spawn("answer", func(q *proc) { back(serve(q, door.ctl)) })
		})
	})
	p.until(func() bool { return answered }, d)
	return answer, err
}

var (
	errRefused = errors.New("nobody listens there")
	errBroken  = errors.New("the connection broke before the answer came")
)
