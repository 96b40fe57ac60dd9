package replica_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/journaltest"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

var chaosSeeds = flag.Int("chaos", 40, "how many histories TestChaos plays")

// TestChaos lets clients work with three nodes while nodes crash, stop, are cut
// off from the leases, and lose the answers of the log. What was acknowledged is
// there in the end, on every node.
func TestChaos(t *testing.T) {
	var met tally
	for seed := range *chaosSeeds {
		synctest.Test(t, func(t *testing.T) {
			c := &chaos{t: t, met: &met, rng: rand.New(rand.NewPCG(uint64(seed), 3)), l: replicatest.NewLocation()}
			c.play()
		})
		if t.Failed() {
			t.Fatalf("in history %d", seed)
		}
	}
	t.Logf("%d ownerships, %d bytes appended, %d reveals, %d snapshots", met.gained, met.appended, met.revealed, met.snapshots)
	if met.gained < 4**chaosSeeds || met.revealed < 100**chaosSeeds {
		t.Error("too little happened to show anything")
	}
}

type chaos struct {
	t   *testing.T
	met *tally
	rng *rand.Rand
	l   *replicatest.Location

	mu    sync.Mutex
	nodes [3]*victim
	acked [4]int // newest value acknowledged, by client
}

// victim is one life of a node.
type victim struct {
	node
	log    *journaltest.Node
	leases *cutLeases
}

func (c *chaos) play() {
	for i := range c.nodes {
		c.start(i)
	}
	var clients sync.WaitGroup
	for i := range c.acked {
		rng := rand.New(rand.NewPCG(uint64(i), c.rng.Uint64()))
		clients.Go(func() { c.client(i, rng) })
	}
	for range 60 {
		time.Sleep(time.Duration(c.rng.IntN(3000)) * time.Millisecond)
		c.fault(c.rng.IntN(len(c.nodes)))
	}
	for _, v := range c.nodes {
		v.leases.away.Store(false)
	}
	clients.Wait()
	time.Sleep(time.Minute)
	for i, v := range c.nodes {
		for client, want := range c.acked {
			if got := c.value(v, client); got < want {
				c.t.Errorf("node %d has %d of client %d, acknowledged was %d", i, got, client, want)
			}
		}
		if err := v.Ready(); err != nil {
			c.t.Errorf("node %d: %v", i, err)
		}
	}
}

func (c *chaos) start(i int) {
	v := &victim{log: c.l.Log.Node(), leases: &cutLeases{}}
	v.node = start(c.t, c.l, fmt.Sprint("n", i), cut(v.leases), small(c.met), func(o *replica.Options) {
		o.Log, o.SnapshotEveryBytes, o.CarryLogBytesMin = v.log, 1<<10, 8<<10
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = v
}

func (c *chaos) at(i int) *victim {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[i]
}

func (c *chaos) fault(i int) {
	v := c.at(i)
	switch dice := c.rng.IntN(100); {
	case dice < 25:
		v.Abort()
		v.log.GiveUp()
		c.start(i)
	case dice < 40:
		if err := v.Stop(c.t.Context()); err != nil {
			c.t.Error(err)
		}
		c.start(i)
	case dice < 60:
		v.leases.away.Store(!v.leases.away.Load())
	case dice < 70:
		v.leases.deaf.Store(true)
	case dice < 90:
		c.silence(v)
	}
}

// silence lets a node's appends go unanswered for a while, some for ever.
func (c *chaos) silence(v *victim) {
	c.l.Log.Hold()
	time.Sleep(time.Duration(c.rng.IntN(2000)) * time.Millisecond)
	c.l.Log.Free()
	for _, n := range c.nodes {
		if n == v && c.rng.IntN(2) == 0 {
			for _, msg := range n.log.Waiting() {
				if c.rng.IntN(2) == 0 {
					msg.Drop()
				}
				msg.Arrive()
			}
			n.log.GiveUp()
			n.log.Answer()
		}
		for n.log.Complete() {
		}
	}
}

// client counts upward, on whichever node owns.
func (c *chaos) client(id int, rng *rand.Rand) {
	for value := 1; value < 300; value++ {
		time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
		v := c.at(rng.IntN(len(c.nodes)))
		err := v.Call(c.t.Context(), func(t *replica.Turn) { v.shelf.Put(t, fmt.Sprint("c", id), []byte(strconv.Itoa(value))) })
		switch fault.KindOf(err) {
		case fault.None:
			c.mu.Lock()
			c.acked[id] = value
			c.mu.Unlock()
		case fault.NotOwner, fault.Unavailable:
		default:
			c.t.Errorf("client %d: %v", id, err)
		}
	}
}

// value reads what a node has of a client; 0 when it has nothing.
func (c *chaos) value(v *victim, client int) int {
	n, _ := strconv.Atoi(v.get(c.t, fmt.Sprint("c", client)))
	return n
}
