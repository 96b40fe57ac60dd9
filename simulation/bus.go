package simulation

import (
	"fmt"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
	"weir/service/bus/bustest"
)

// Options of one history.
type Options struct {
	Seed uint64
	// Length is how long clients work and faults happen; the drain comes after.
	Length time.Duration
	// Tell, if not nil, gets every line of the trace.
	Tell func(string)
}

// bus is the history of one namespace: its nodes, its clients, its judge.
type bus struct {
	*World
	log   *Log
	lease *Lease
	nodes []*Node
	judge *judge

	ids       int
	receivers map[bustest.ReceiverID]*receiver
	calm      bool // faults are over
	done      bool // clients begin nothing new
	doubtful  bool // in this history the lease may be given to two
}

// Bus plays one history of a Service Bus namespace.
func Bus(o Options) Result {
	w := NewWorld(o.Seed, o.Tell)
	b := &bus{World: w, log: newLog(w), lease: &Lease{w: w}, receivers: map[bustest.ReceiverID]*receiver{}}
	b.judge = newJudge(w)
	b.doubtful = o.Seed%4 == 0
	for i := range 3 {
		name := fmt.Sprintf("n%d", i+1)
		b.nodes = append(b.nodes, newNode(w, b.log, b.lease, name, func() Machine { return &machine{Broker: bustest.NewBroker(), bus: b} }))
	}
	b.people()
	b.trouble()
	w.Run(w.start.Add(o.Length))
	b.peace()
	w.Run(w.now.Add(3 * time.Second))
	b.done = true
	w.Run(w.now.Add(90 * time.Second))
	b.judge.verdict(b)
	return Result{Seed: o.Seed, Trace: w.trace, Lines: w.lines, Violations: b.judge.violations, Tail: b.judge.tail, Counts: b.judge.counts}
}

// machine is the broker as a Machine of the simulation.
type machine struct {
	*bustest.Broker
	bus *bus
}

func (m *machine) Gained(epoch uint64) { m.Own(epoch) }
func (m *machine) Lost()               { m.Disown() }

// fetch reads what the broker wants to judge, as the shell does.
func (m *machine) fetch(e bustest.Event) {
	n := m.node()
	if n == nil {
		return
	}
	m.bus.Say("fetch %v: %d bytes", e.Ref, len(m.bus.log.read(e.Ref)))
	n.later(m.bus.Between(20*time.Microsecond, 5*time.Millisecond), func() {
		n.Do(func(t *core.Turn) {
			m.Fetched(t, e.Ref, m.bus.log.read(e.Ref))
			m.bus.spread(t, m)
		})
	})
}

// node is the node that runs this machine.
func (m *machine) node() *Node {
	for _, n := range m.bus.nodes {
		if n.machine == Machine(m) {
			return n
		}
	}
	return nil
}

func (m *machine) Tick(t *core.Turn) {
	m.Broker.Tick(t)
	m.bus.spread(t, m)
}

func (m *machine) Carry(t *core.Turn, before record.Position, read func(record.Ref) []byte) {
	for _, ref := range m.Live(before, 1<<20) {
		payload := read(ref)
		if payload == nil {
			m.bus.judge.violation("payload at %v is gone although it is live", ref)
			continue
		}
		m.Broker.Carry(t, ref, payload)
	}
	m.bus.spread(t, m)
}

// entities of the estate: what is declared, and what a message sent to a door
// must come out of.
var entities = []bustest.Definition{
	{Name: "plain", Kind: bustest.Queue},
	{Name: "sessions", Kind: bustest.Queue, RequiresSession: true},
	{Name: "once", Kind: bustest.Queue, DuplicateWindow: time.Hour},
	{Name: "gone", Kind: bustest.Queue},
	{Name: "left", Kind: bustest.Queue},
	{Name: "right", Kind: bustest.Queue},
	{Name: "entrance", Kind: bustest.Queue, ForwardTo: "hall"},
	{Name: "hall", Kind: bustest.Queue},
	{Name: "news", Kind: bustest.Topic},
	{Name: "news/Subscriptions/all", Kind: bustest.Subscription, Rules: []bustest.Rule{{Name: "$Default"}}},
	{Name: "news/Subscriptions/none", Kind: bustest.Subscription, Rules: []bustest.Rule{
		{Name: "no", Filter: bustest.Filter{Kind: bustest.SQLFilter, Expression: "sys.MessageId = 'nobody'"}}}},
}

var comesOut = map[string][]string{
	"plain": {"plain"}, "sessions": {"sessions"}, "once": {"once"}, "left": {"left"}, "right": {"right"},
	"entrance": {"hall"}, "news": {"news/Subscriptions/all"},
}

func complete(d bustest.Definition) bustest.Definition {
	d.LockDuration, d.MaxDeliveryCount = 600*time.Millisecond, 6
	d.MaxSizeBytes, d.MaxMessageBytes = 1<<30, 1<<20
	return d
}

// declare defines what is missing, as the service does at a take-over.
func declare(t *core.Turn, m *machine) {
	for _, d := range entities {
		if _, ok := m.Definition(d.Name); !ok {
			if err := m.Define(t, complete(d)); err != nil {
				panic("simulation: define " + d.Name + ": " + err.Error())
			}
		}
	}
}

// trouble plans the faults of the history.
func (b *bus) trouble() {
	b.After(b.Between(20*time.Millisecond, 400*time.Millisecond), func() {
		if b.calm {
			return
		}
		n := b.nodes[b.Pick(len(b.nodes))]
		if owner := b.owner(); owner != nil && b.Chance(60) {
			n = owner
		}
		b.fault(n)
		b.trouble()
	})
}

func (b *bus) fault(n *Node) {
	switch dice := b.Pick(100); {
	case dice < 30:
		if n.alive {
			n.Crash()
			b.After(b.Between(20*time.Millisecond, 600*time.Millisecond), n.start)
		}
	case dice < 45:
		n.paused = b.now.Add(b.Between(10*time.Millisecond, 700*time.Millisecond))
		b.Say("%s stands still until %s", n.name, n.paused.Format("05.000"))
	case dice < 60:
		n.cut = true
		life := n.life
		b.Say("%s is cut off", n.name)
		b.After(b.Between(10*time.Millisecond, 900*time.Millisecond), func() {
			if n.life == life {
				n.cut = false
				b.Say("%s is back", n.name)
			}
		})
	case dice < 70:
		n.skew = b.Between(-2*time.Second, 2*time.Second)
		b.Say("the clock of %s is off by %s", n.name, n.skew)
	case dice < 80:
		b.log.slow = !b.log.slow
		b.Say("the log is slow: %v", b.log.slow)
	case dice < 90 && b.doubtful:
		b.lease.wrong = true
		b.Say("the lease goes to whoever asks")
		b.After(b.Between(50*time.Millisecond, 300*time.Millisecond), func() { b.lease.wrong = false })
	default:
		if owner := b.owner(); owner != nil {
			owner.Snapshot()
		}
	}
}

// peace ends the faults and mends what is broken.
func (b *bus) peace() {
	b.Say("peace")
	b.calm, b.log.slow, b.lease.wrong = true, false, false
	for _, n := range b.nodes {
		n.cut, n.paused, n.skew = false, time.Time{}, 0
		if !n.alive {
			n.start()
		}
	}
}

// owner is the node that believes it owns the unit; the newest if two do.
func (b *bus) owner() (owner *Node) {
	for _, n := range b.nodes {
		if n.alive && n.replica.Role() == core.Owner && (owner == nil || n.replica.Epoch() > owner.replica.Epoch()) {
			owner = n
		}
	}
	return owner
}

// spread reveals what the broker had to say in this turn.
func (b *bus) spread(t *core.Turn, m *machine) {
	events := m.Events(nil)
	if len(events) == 0 {
		return
	}
	t.Reveal(func() {
		for _, e := range events {
			if e.Kind == bustest.Fetch {
				m.fetch(e)
			} else if r := b.receivers[e.Receiver]; r != nil {
				r.hear(e)
			}
		}
	})
}
