package simulation

import (
	"errors"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
)

// Machine is what a service brings: its fold, and what it does beside folding
// while its node owns the unit.
type Machine interface {
	core.Machine
	// Gained and Lost begin and end an ownership.
	Gained(epoch uint64)
	Lost()
	// NextWake is when the machine wants a Tick; zero for never.
	NextWake() time.Time
	Tick(t *core.Turn)
	// Horizon is the oldest position a live payload lies at, 0 for none. Carry
	// moves what lies before a position forward, reading payloads from the log.
	Horizon() record.Position
	Carry(t *core.Turn, before record.Position, read func(record.Ref) []byte)
}

// Node is one process of the location: a replica, its driver, and its clock.
type Node struct {
	w       *World
	log     *Log
	lease   *Lease
	name    string
	build   func() Machine
	machine Machine
	replica *core.Replica

	life    int // counts restarts; what belongs to an earlier life is ignored
	alive   bool
	paused  time.Time // stands still until then
	cut     bool      // from the log and the lease
	skew    time.Duration
	renewed time.Time // by its monotonic clock, which does not step
	wire    time.Time // when its newest append reaches the log
	answers time.Time // when the newest answer reaches it: they keep their order
	waking  time.Time
	onLost  []func()
}

func newNode(w *World, l *Log, lease *Lease, name string, build func() Machine) *Node {
	n := &Node{w: w, log: l, lease: lease, name: name, build: build}
	n.start()
	return n
}

func (n *Node) start() {
	n.life++
	n.alive, n.cut, n.paused, n.waking = true, false, time.Time{}, time.Time{}
	n.machine = n.build()
	n.replica = core.New(n.machine, n.name)
	n.every(2*time.Millisecond, 30*time.Millisecond, n.fold)
	n.every(40*time.Millisecond, 60*time.Millisecond, n.campaign)
}

// every lets fn happen again and again in this life.
func (n *Node) every(low, high time.Duration, fn func()) {
	n.later(n.w.Between(low, high), func() {
		fn()
		n.every(low, high, fn)
	})
}

// later lets fn happen in this life, when the node does not stand still.
func (n *Node) later(d time.Duration, fn func()) {
	life := n.life
	n.w.After(d, func() { n.arrive(life, fn) })
}

func (n *Node) arrive(life int, fn func()) {
	switch {
	case !n.alive || n.life != life:
	case n.w.now.Before(n.paused):
		n.w.After(n.paused.Sub(n.w.now), func() { n.arrive(life, fn) })
	default:
		fn()
		n.settle()
	}
}

// clock is the time as the node sees it.
func (n *Node) clock() time.Time { return n.w.now.Add(n.skew) }

// Crash ends the process. What it had sent is still under way.
func (n *Node) Crash() {
	n.w.Say("%s crashes as %s", n.name, n.replica.Role())
	n.alive = false
	n.lost()
}

// lost tells everybody who is connected, once.
func (n *Node) lost() {
	told := n.onLost
	n.onLost = nil
	for _, fn := range told {
		fn()
	}
}

// fold takes what the log has, as a follower or on the way to ownership.
func (n *Node) fold() {
	if n.cut || n.replica.Role() == core.Owner || n.replica.Role() == core.Broken {
		return
	}
	if n.replica.Role() == core.Candidate && n.replica.Next() != n.replica.Tail() {
		return // the opening batch is under way
	}
	end, err := n.log.replay(n.replica.Tail(), 1+n.w.Pick(40), n.replica.Folded)
	if errors.Is(err, errTrimmed) {
		s := n.log.snapshots[len(n.log.snapshots)-1]
		n.w.Say("%s restores the snapshot at %d", n.name, s.at.Last)
		if err = n.replica.Restore(s.at, s.data); err != nil {
			panic("simulation: a snapshot can not be restored: " + err.Error())
		}
		return
	}
	if err != nil {
		panic("simulation: " + n.name + " can not fold: " + err.Error())
	}
	if n.replica.Role() == core.Candidate && int(end.Last) == len(n.log.records) && end.Batch == n.replica.Tail().Batch {
		n.w.Say("%s opens after %d", n.name, end.Last)
		n.replica.Open(end, n.clock())
	}
}

// campaign asks for the lease, or to keep it.
func (n *Node) campaign() {
	role := n.replica.Role()
	if role != core.Follower && n.w.now.Sub(n.renewed) > leaseTimeout*3/4 {
		n.w.Say("%s could not renew", n.name)
		n.replica.LeaseLost()
		return
	}
	if n.cut {
		return
	}
	asked := n.w.now
	n.w.After(n.log.latency(), func() {
		floor, ok := n.lease.ask(n.name)
		n.later(n.log.latency(), func() {
			switch {
			case ok:
				n.renewed = asked
				if n.replica.Role() == core.Follower {
					n.replica.LeaseGranted(floor)
				}
			case n.replica.Role() != core.Follower:
				n.replica.LeaseLost()
			}
		})
	})
}

// Do runs one turn, and reports whether the node may decide.
func (n *Node) Do(work func(t *core.Turn)) bool {
	if n.replica.Blocked() {
		return false
	}
	return n.replica.Turn(n.clock(), work)
}

// settle does what the replica wants done.
func (n *Node) settle() {
	rd := n.replica.Ready()
	if rd.Lost != nil {
		n.w.Say("%s lost epoch %d: %s", n.name, rd.Lost.Epoch, rd.Lost.Why)
		n.machine.Lost()
		n.lost()
	}
	if rd.Gained != 0 {
		n.w.Say("%s owns epoch %d", n.name, rd.Gained)
		n.machine.Gained(rd.Gained)
	}
	if rd.Append != nil {
		n.submit(rd.Append)
	}
	for _, reveal := range rd.Reveals {
		reveal()
	}
	n.wake()
}

// submit sends a batch to the log: in order, with delay, sometimes in vain.
func (n *Node) submit(a *core.Append) {
	recs, next := record.Split(a.After, a.Epoch, n.clock(), a.Data)
	n.replica.Submitted(a.ID, next)
	arrives := n.w.now.Add(n.log.latency())
	if arrives.Before(n.wire) {
		arrives = n.wire
	}
	n.wire = arrives
	drop := n.cut || n.w.rng.IntN(3000) == 0
	deaf := n.w.rng.IntN(3000) == 0
	id, after, life := a.ID, a.After.Last, n.life
	n.w.After(arrives.Sub(n.w.now), func() {
		err := errUnknown
		if !drop {
			err = n.log.store(after, recs)
		}
		if deaf {
			err = errUnknown
		}
		wait := n.log.latency() / 4
		if err == errUnknown {
			wait = 100 * time.Millisecond
		}
		back := n.w.now.Add(wait)
		if back.Before(n.answers) {
			back = n.answers
		}
		n.answers = back
		n.w.After(back.Sub(n.w.now), func() { n.arrive(life, func() { n.answer(id, err) }) })
	})
}

func (n *Node) answer(id uint64, err error) {
	if err != nil {
		n.w.Say("%s: append %d: %v", n.name, id, err)
		n.replica.AppendFailed(id, err)
		return
	}
	n.replica.Appended(id)
}

// wake arranges the machine's next tick.
func (n *Node) wake() {
	at := n.machine.NextWake()
	if n.replica.Role() != core.Owner || at.IsZero() || !n.waking.IsZero() && !at.Before(n.waking) {
		return
	}
	n.waking = at
	n.later(max(at.Sub(n.replica.Now()), 0)+time.Millisecond, func() {
		if n.waking.Equal(at) {
			n.waking = time.Time{}
			n.Do(n.machine.Tick)
		}
	})
}

// Snapshot takes one as the shell does, and carries payloads forward before.
func (n *Node) Snapshot() {
	if n.replica.Role() != core.Owner || n.cut {
		return
	}
	if len(n.log.snapshots) > 0 {
		before := n.log.snapshots[len(n.log.snapshots)-1].at.Last
		n.Do(func(t *core.Turn) { n.machine.Carry(t, before, n.log.read) })
	}
	n.replica.Seal()
	n.settle()
	at, data := n.replica.Snapshot(nil)
	horizon := n.machine.Horizon()
	if horizon == 0 {
		horizon = at.Last + 1
	}
	n.Do(func(t *core.Turn) {
		t.Reveal(func() {
			n.w.Say("%s saves a snapshot at %d of %d bytes", n.name, at.Last, len(data))
			n.log.save(snapshot{at: at, data: data}, horizon)
		})
	})
	n.settle()
}

// Lease is the keeper of the lease: one answer to each question, but it can be
// wrong about the time.
type Lease struct {
	w      *World
	holder string
	until  time.Time
	epoch  uint64
	wrong  bool // grants to whoever asks
}

const leaseTimeout = 400 * time.Millisecond

func (l *Lease) ask(name string) (floor uint64, ok bool) {
	if l.holder != name && l.w.now.Before(l.until) && !l.wrong {
		return 0, false
	}
	if l.holder != name {
		l.epoch++
		l.w.Say("the lease goes to %s", name)
	}
	l.holder, l.until = name, l.w.now.Add(leaseTimeout)
	return l.epoch, true
}
