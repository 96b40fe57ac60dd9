package core_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
)

var (
	seeds = flag.Int("seeds", 400, "how many random histories TestSeeds plays")
	seed  = flag.Int64("seed", -1, "play this one history, and tell it")
)

// TestSeeds plays random histories: three replicas over one log that loses,
// delays and reorders records; leases that two hold at once; clocks that jump;
// nodes that crash while their appends are still on the wire. A failing history
// is told again by -seed N -v.
func TestSeeds(t *testing.T) {
	if *seed >= 0 {
		(&world{t: t, met: map[string]int{}, tell: t.Logf}).play(*seed)
		return
	}
	met := map[string]int{}
	for n := range *seeds {
		w := &world{t: t, met: met, tell: func(string, ...any) {}}
		w.play(int64(n))
		if t.Failed() {
			t.Fatalf("seed %d failed", n)
		}
	}
	t.Log(*seeds, "histories met", met)
	for _, what := range []string{"gained", "revealed", "fenced", "append failed", "lease ended", "restored", "saved", "crashed", "blocked", "full"} {
		if met[what] == 0 && *seeds >= 300 {
			t.Errorf("no history met %q: these seeds show too little", what)
		}
	}
}

// world is one history, and what an observer who sees everything knows of it.
type world struct {
	t     *testing.T
	tell  func(format string, args ...any)
	met   map[string]int
	heavy bool // large facts, and more of them than the log can take
	rng   *rand.Rand

	log      memoryLog
	nodes    []*player
	wires    []*node // nodes that crashed with records still on the wire
	snaps    []snapshot
	now      time.Time
	life     int
	revealed []reveal
}

// player is a node with its clock and what it knows of its ownership.
type player struct {
	*node
	skew    time.Duration
	life    int
	epoch   uint64 // it owns, 0 when it does not
	ended   uint64 // newest epoch it lost
	facts   int    // recorded in this ownership
	shown   int    // newest reveal of this ownership
	newest  time.Time
	pending snapshot
}

// reveal is what the outside has seen: fact n of an ownership.
type reveal struct {
	writer string
	epoch  uint64
	fact   int
}

func (w *world) play(seed int64) {
	w.rng = rand.New(rand.NewPCG(uint64(seed), 7))
	w.now = clock("12h")
	w.heavy = seed%40 == 7
	for range 3 {
		w.nodes = append(w.nodes, w.boot())
	}
	for range 250 + w.rng.IntN(500) {
		w.now = w.now.Add(time.Duration(w.rng.IntN(1000)) * time.Microsecond)
		w.step(w.rng.IntN(len(w.nodes)))
	}
	w.tell("the end: everything on the wire is lost, all fold")
	for i, p := range w.nodes {
		p.r.LeaseLost()
		w.ready(p)
		if p.r.Role() == core.Broken {
			w.t.Errorf("%s is broken", p.name)
		}
		w.fold(i, 1<<30)
	}
	w.judge()
}

func (w *world) boot() *player {
	w.life++
	return &player{node: newNode(fmt.Sprintf("n%d", w.life)), life: w.life}
}

// step lets one thing happen to one node.
func (w *world) step(i int) {
	p := w.nodes[i]
	switch dice := w.rng.IntN(100); {
	case dice < 25:
		w.turn(p)
		for burst := 0; w.heavy && burst < 8; burst++ {
			w.ready(p)
			w.turn(p)
		}
	case dice < 45:
		w.carry(p.node)
	case dice < 60:
		w.hear(p)
	case dice < 72:
		w.fold(i, 1+w.rng.IntN(6))
	case dice < 80:
		w.tell("%s has the lease", p.name)
		p.r.LeaseGranted(uint64(w.rng.IntN(4)))
	case dice < 88:
		w.open(i)
	case dice < 90:
		w.lose(p)
	case dice < 92:
		w.snapshot(p)
	case dice < 94:
		w.trim()
	case dice < 95:
		p.skew = time.Duration(w.rng.IntN(7200)-3600) * time.Millisecond
	case dice < 96:
		p.r.LeaseLost()
	case dice < 97:
		w.crash(i)
	default:
		if len(w.wires) > 0 {
			w.carry(w.wires[w.rng.IntN(len(w.wires))])
		}
	}
	w.ready(p)
}

func (w *world) turn(p *player) {
	size := 20
	switch dice := w.rng.IntN(100); {
	case dice < 10:
		size = 100 << 10
	case dice < 11:
		size = record.PartBytes + 1000
	case w.heavy:
		size = 700 << 10
	}
	p.r.Turn(w.now.Add(p.skew), func(t *core.Turn) {
		if t.Now().Before(p.newest) {
			w.t.Errorf("%s: time runs backwards", p.name)
		}
		p.newest = t.Now()
		for range w.rng.IntN(4) {
			p.facts++
			fact := fmt.Appendf(nil, "%s %d %d", p.name, p.epoch, p.facts)
			fact = append(fact, make([]byte, size)...)
			if err := p.ledger.Apply(t.Record(fact), fact); err != nil {
				w.t.Error(err)
			}
		}
		n, epoch := p.facts, p.epoch
		t.Reveal(func() { w.reveal(p, epoch, n) })
	})
	if p.r.Full() {
		w.met["full"]++
	}
	if p.r.Blocked() {
		w.met["blocked"]++
		for p.r.Blocked() && len(p.wire)+len(p.acks) > 0 {
			w.carry(p.node)
			w.hear(p)
			w.ready(p)
		}
	}
}

// reveal checks what the outside gets to see at the moment it sees it.
func (w *world) reveal(p *player, epoch uint64, n int) {
	if epoch != p.epoch {
		w.t.Errorf("%s reveals fact %d of epoch %d, which has ended", p.name, n, epoch)
	}
	if n < p.shown {
		w.t.Errorf("%s reveals fact %d after %d", p.name, n, p.shown)
	}
	p.shown = n
	if n > 0 {
		w.met["revealed"]++
		w.revealed = append(w.revealed, reveal{p.name, epoch, n})
	}
}

// carry moves one record to the log, or loses or delays its batch.
func (w *world) carry(n *node) {
	if len(n.wire) == 0 {
		return
	}
	switch dice := w.rng.IntN(100); {
	case dice < 2:
		n.acks = append(n.acks, ack{n.wire[0].id, errUnknown})
		n.wire = n.wire[1:]
	case dice < 4:
		n.acks = append(n.acks, ack{n.wire[0].id, errUnknown}) // and it goes on
	case dice < 6:
		n.wire = append(n.wire[1:], n.wire[0])
	default:
		id := n.wire[0].id
		outcome := cmpOr(n.store(&w.log), "in part")
		w.met[outcome]++
		w.tell("%s: batch %d %s", n.name, id, outcome)
	}
}

// hear gives a node one answer. The driver promises order: what is answered
// before its predecessor waits.
func (w *world) hear(p *player) {
	if len(p.acks) == 0 {
		return
	}
	slices.SortStableFunc(p.acks, func(a, b ack) int { return int(a.id) - int(b.id) })
	a := p.acks[0]
	if oldest := p.oldest(); oldest != 0 && oldest < a.id {
		return
	}
	p.acks = p.acks[1:]
	if a.err != nil {
		p.r.AppendFailed(a.id, a.err)
		return
	}
	p.r.Appended(a.id)
}

// oldest is the oldest batch that is on the wire and not given up.
func (n *node) oldest() (id uint64) {
	for _, s := range n.wire {
		if id == 0 || s.id < id {
			id = s.id
		}
	}
	return id
}

// ready does what the replica wants done, and checks that it may want it.
func (w *world) ready(p *player) {
	rd := p.r.Ready()
	if rd.Lost != nil {
		w.tell("%s lost epoch %d: %s", p.name, rd.Lost.Epoch, rd.Lost.Why)
		w.met[rd.Lost.Why.String()]++
		p.ended, p.epoch = rd.Lost.Epoch, 0
	}
	if rd.Gained != 0 {
		w.tell("%s owns epoch %d", p.name, rd.Gained)
		w.met["gained"]++
		p.epoch, p.facts, p.shown = rd.Gained, 0, 0
	}
	if a := rd.Append; a != nil {
		if a.Epoch <= p.ended {
			w.t.Errorf("%s appends for epoch %d after it lost epoch %d", p.name, a.Epoch, p.ended)
		}
		p.submit(a)
	}
	for _, fn := range rd.Reveals {
		fn()
	}
}

// fold lets a follower fold some batches, from a snapshot if its place is gone.
func (w *world) fold(i, limit int) (end record.Tail, whole bool) {
	p := w.nodes[i]
	if role := p.r.Role(); role == core.Owner || role == core.Broken || role == core.Candidate && len(p.wire)+len(p.acks) > 0 {
		return end, false
	}
	end, err := w.log.replay(p.r.Tail(), limit, p.r.Folded)
	if errors.Is(err, errTrimmed) {
		s := w.snaps[len(w.snaps)-1]
		w.met["restored"]++
		w.tell("%s restores the snapshot at %d", p.name, s.at.Last)
		err = p.r.Restore(s.at, s.data)
		if err == nil {
			end, err = w.log.replay(p.r.Tail(), limit, p.r.Folded)
		}
	}
	if err != nil {
		w.t.Errorf("%s: %v", p.name, err)
	}
	return end, int(end.Last) == len(w.log.records)
}

func (w *world) open(i int) {
	p := w.nodes[i]
	if p.r.Role() != core.Candidate {
		return
	}
	if end, whole := w.fold(i, 1<<30); whole {
		w.tell("%s opens after %d", p.name, end.Last)
		p.r.Open(end, w.now.Add(p.skew))
	}
}

// lose makes every batch of a node that is under way vanish.
func (w *world) lose(p *player) {
	for _, s := range p.wire {
		p.acks = append(p.acks, ack{s.id, errUnknown})
	}
	p.wire = nil
}

func (w *world) crash(i int) {
	w.met["crashed"]++
	w.tell("%s crashes", w.nodes[i].name)
	w.wires = append(w.wires, w.nodes[i].node)
	w.nodes[i] = w.boot()
}

// snapshot takes one as a driver does: at a boundary, good when a reveal behind
// it runs.
func (w *world) snapshot(p *player) {
	if p.r.Role() != core.Owner {
		return
	}
	p.r.Seal()
	w.ready(p)
	at, data := p.r.Snapshot(nil)
	w.tell("%s takes a snapshot at %d", p.name, at.Last)
	p.r.Turn(w.now.Add(p.skew), func(t *core.Turn) {
		t.Reveal(func() { w.saved(p, snapshot{at, data}) })
	})
}

func (w *world) saved(p *player, s snapshot) {
	var l ledger
	if want := w.oracle(s.at); !bytes.HasSuffix(s.data, want.Snapshot(nil)) {
		w.t.Errorf("%s: snapshot at %d holds %q, the log says %q", p.name, s.at.Last, s.data, want.Snapshot(nil))
	} else if err := l.Restore(want.Snapshot(nil)); err != nil {
		w.t.Error(err)
	}
	if n := len(w.snaps); n == 0 || w.snaps[n-1].at.Last < s.at.Last {
		w.met["saved"]++
		w.snaps = append(w.snaps, s)
	}
}

func (w *world) trim() {
	if n := len(w.snaps); n > 0 {
		w.log.first = max(w.log.first, w.snaps[n-1].at.Last+1)
	}
}

// oracle folds what the whole log says up to a tail.
func (w *world) oracle(upTo record.Tail) *ledger {
	l := &ledger{}
	w.read(func(b record.Batch) error {
		if b.Next.Last > upTo.Last {
			return errors.New("far enough")
		}
		h, _ := core.DecodeBatch(b, func(record.Ref, []byte) error { return nil })
		if !h.Opening {
			_, err := core.DecodeBatch(b, l.Apply)
			return err
		}
		return nil
	})
	return l
}

// read replays the log as it would be if nothing had been trimmed.
func (w *world) read(fn func(record.Batch) error) error {
	all := memoryLog{records: w.log.records}
	_, err := all.replay(record.Tail{}, 1<<30, fn)
	return err
}

// judge holds the end of the history against the invariants.
func (w *world) judge() {
	stored := map[reveal]bool{}
	var owner string
	var epoch uint64
	var stamp time.Time
	err := w.read(func(b record.Batch) error {
		var facts []string
		h, err := core.DecodeBatch(b, func(_ record.Ref, f []byte) error {
			facts = append(facts, string(f[:min(40, len(f))]))
			return nil
		})
		if err != nil {
			return err
		}
		if h.Stamp.Before(stamp) {
			w.t.Errorf("the stamp at %d goes back", b.At)
		}
		if stamp = h.Stamp; h.Opening {
			owner, epoch = facts[0], h.Epoch
			return nil
		}
		for _, f := range facts {
			r := reveal{writer: owner, epoch: epoch}
			var writer string
			if n, _ := fmt.Sscanf(f, "%s %d %d", &writer, &r.epoch, &r.fact); n != 3 || writer != owner || r.epoch != epoch {
				w.t.Errorf("fact %q in epoch %d of %s: two writers in one chain", f, epoch, owner)
			}
			stored[r] = true
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
	for _, r := range w.revealed {
		if !stored[r] {
			w.t.Errorf("%s revealed fact %d of epoch %d, which is not in the log", r.writer, r.fact, r.epoch)
		}
	}
	want := w.oracle(record.Tail{Last: 1 << 60})
	for _, p := range w.nodes {
		if p.ledger != *want {
			w.t.Errorf("%s holds %+v, the log says %+v", p.name, p.ledger, *want)
		}
	}
}
