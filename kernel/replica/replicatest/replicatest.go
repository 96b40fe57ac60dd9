// Package replicatest is what tests of services need of replicas: a location in
// memory on which units run (Location), a suite that every machine must pass
// (Run), and a small machine that leaves its payloads in the log (Shelf).
//
// Promises:
//
//  1. What runs on a Location waits on channels and timers alone: it may run in a
//     testing/synctest bubble.
//  2. Run holds a machine to what replicas rely on: that folding facts gives the
//     state that deciding them gave, from the beginning and from any snapshot.
package replicatest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"weir/kernel/journal/journaltest"
	"weir/kernel/journal/record"
	"weir/kernel/replica"
	"weir/kernel/replica/core"
)

// Location is the log, the snapshots and the leases of one unit, in memory, shared
// by its nodes. Its faults are those of package journaltest.
type Location struct {
	Log       *journaltest.Memory
	Snapshots *journaltest.MemorySnapshots
	Leases    *journaltest.MemoryLeases
}

// NewLocation makes an empty location.
func NewLocation() *Location {
	return &Location{journaltest.NewMemory(), &journaltest.MemorySnapshots{}, journaltest.NewMemoryLeases()}
}

// Options returns what a unit needs to run a machine here as the named node.
func (l *Location) Options(node string, m replica.Machine) replica.Options {
	return replica.Options{
		Unit: "unit", Node: node, Address: node + ":1", Machine: m,
		Log: l.Log.Node(), Snapshots: l.Snapshots, Leases: l.Leases,
	}
}

// Start starts a unit and ends it with the test.
func Start(t testing.TB, o replica.Options) *replica.Unit {
	t.Helper()
	u := replica.New(o)
	u.Start()
	t.Cleanup(u.Abort)
	return u
}

// StartOwner starts a unit on a location of its own and waits until it owns.
func StartOwner(t testing.TB, m replica.Machine) *replica.Unit {
	t.Helper()
	u := Start(t, NewLocation().Options("node", m))
	if o, err := u.WaitOwner(t.Context()); err != nil || !o.Self {
		t.Fatalf("owner %+v, %v", o, err)
	}
	return u
}

// turnsPerSeed and seedsPerRun are how much Run plays.
const (
	turnsPerSeed = 200
	seedsPerRun  = 20
)

// Run holds a machine to the rules of replicas. work takes one turn of random
// work on a machine that owns: it decides, records facts and folds them, as the
// service does.
//
// In each history an owner takes turns while a follower folds what they record;
// from time to time a further replica starts from a snapshot of either. In the end
// all are in the same state, and a machine that was Reset is as good as new.
func Run[M replica.Machine](t *testing.T, newMachine func() M, work func(m M, turn *replica.Turn, rng *rand.Rand)) {
	for seed := range uint64(seedsPerRun) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			h := &history[M]{t: t, rng: rand.New(rand.NewPCG(seed, 1)), newMachine: newMachine}
			h.play(work)
		})
	}
}

// history is one run of an owner and those who fold after it.
type history[M replica.Machine] struct {
	t          *testing.T
	rng        *rand.Rand
	newMachine func() M
	machine    M
	owner      *core.Replica
	log        [][]byte
	now        time.Time
	folders    []folder[M]
}

type folder[M replica.Machine] struct {
	machine M
	r       *core.Replica
	from    string
}

func (h *history[M]) play(work func(M, *replica.Turn, *rand.Rand)) {
	h.now = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	h.machine = h.newMachine()
	h.owner = core.New(h.machine, "owner")
	h.owner.LeaseGranted(1)
	h.owner.Open(record.Tail{}, h.now)
	h.commit()
	h.join("the beginning", func(*core.Replica) {})
	for n := range turnsPerSeed {
		h.now = h.now.Add(time.Duration(h.rng.IntN(2000)) * time.Millisecond)
		h.owner.Turn(h.now, func(turn *replica.Turn) { work(h.machine, turn, h.rng) })
		h.commit()
		if h.rng.IntN(turnsPerSeed/4) == 0 {
			at, data := h.owner.Snapshot(nil)
			h.join(fmt.Sprintf("the snapshot of turn %d", n), func(r *core.Replica) {
				if err := r.Restore(at, data); err != nil {
					h.t.Errorf("restore the snapshot of turn %d: %v", n, err)
				}
			})
		}
	}
	h.judge()
}

// commit makes durable what the owner has recorded.
func (h *history[M]) commit() {
	for {
		rd := h.owner.Ready()
		for _, fn := range rd.Reveals {
			fn()
		}
		if rd.Append == nil {
			return
		}
		records, next := record.Split(rd.Append.After, rd.Append.Epoch, h.now, rd.Append.Data)
		h.log = append(h.log, records...)
		h.owner.Submitted(rd.Append.ID, next)
		h.owner.Appended(rd.Append.ID)
	}
}

func (h *history[M]) join(from string, place func(*core.Replica)) {
	f := folder[M]{machine: h.newMachine(), from: from}
	f.r = core.New(f.machine, "follower")
	place(f.r)
	h.folders = append(h.folders, f)
}

// judge lets everybody fold to the end and compares.
func (h *history[M]) judge() {
	want := h.machine.Snapshot(nil)
	for _, f := range h.folders {
		h.fold(f)
		if got := f.machine.Snapshot(nil); !bytes.Equal(got, want) {
			h.t.Errorf("folded from %s, the state differs from the owner's (snapshots of %d and %d bytes, first difference at %d)", f.from, len(got), len(want), differ(got, want))
		}
	}
	again := h.newMachine()
	if err := again.Restore(want); err != nil {
		h.t.Errorf("restore the last snapshot: %v", err)
	} else if got := again.Snapshot(nil); !bytes.Equal(got, want) {
		h.t.Errorf("a restored machine's snapshot differs from the one it was restored from, at %d", differ(got, want))
	}
	empty := h.newMachine().Snapshot(nil)
	if again.Reset(); !bytes.Equal(again.Snapshot(nil), empty) {
		h.t.Error("after Reset the machine is not empty")
	}
	if got := h.machine.Snapshot([]byte("before")); !bytes.Equal(got, append([]byte("before"), want...)) {
		h.t.Error("Snapshot does not append to what it is given")
	}
}

func (h *history[M]) fold(f folder[M]) {
	chain := record.NewChain(f.r.Tail())
	for at := f.r.Tail().Last + 1; int(at) <= len(h.log); at++ {
		b, whole, err := chain.Add(at, h.log[at-1])
		if err == nil && whole {
			err = f.r.Folded(b)
		}
		if err != nil {
			h.t.Fatalf("fold from %s: %v", f.from, err)
		}
	}
}

// differ returns the first index at which a and b differ.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
