package core_test

import (
	"fmt"
	"hash/fnv"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
)

// memoryLog is the log as JetStream keeps it: records, each stored only if it
// expects exactly the newest position.
type memoryLog struct {
	records [][]byte
	first   record.Position // everything before was trimmed
}

func (l *memoryLog) put(expect record.Position, rec []byte) bool {
	if int(expect) != len(l.records) {
		return false
	}
	l.records = append(l.records, rec)
	return true
}

// replay gives at most limit batches behind from.
func (l *memoryLog) replay(from record.Tail, limit int, fn func(record.Batch) error) (record.Tail, error) {
	if from.Last+1 < l.first {
		return from, errTrimmed
	}
	chain := record.NewChain(from)
	for at := from.Last + 1; int(at) <= len(l.records) && limit > 0; at++ {
		b, whole, err := chain.Add(at, l.records[at-1])
		if err != nil {
			return chain.Tail(), err
		}
		if whole {
			limit--
			if err := fn(b); err != nil {
				return chain.Tail(), err
			}
		}
	}
	return chain.Tail(), nil
}

var errTrimmed = fmt.Errorf("trimmed")

// ledger is a machine that remembers the order of all facts.
type ledger struct {
	count int
	sum   uint64
	last  string
	lies  bool // refuse the next fact
}

func (l *ledger) Apply(ref record.Ref, fact []byte) error {
	if l.lies {
		return fmt.Errorf("no such fact %q", fact)
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %d %d %s", l.sum, ref.At, ref.Off, ref.Len, fact[:min(len(fact), 40)])
	l.sum, l.last = h.Sum64(), string(fact[:min(len(fact), 40)])
	l.count++
	return nil
}

func (l *ledger) Snapshot(dst []byte) []byte {
	return fmt.Appendf(dst, "%d %d %q", l.count, l.sum, l.last)
}

func (l *ledger) Restore(data []byte) error {
	*l = ledger{}
	if n, _ := fmt.Sscanf(string(data), "%d %d %q", &l.count, &l.sum, &l.last); n < 3 {
		return fmt.Errorf("not a ledger: %q", data)
	}
	return nil
}

func (l *ledger) Reset() { *l = ledger{} }

// sent is a batch on its way from a node to the log, record by record.
type sent struct {
	id    uint64
	after record.Position
	recs  [][]byte
	gone  bool // fenced, or lost on the way
}

// node is a replica, and what its driver keeps.
type node struct {
	name   string
	ledger ledger
	r      *core.Replica
	wire   []*sent
	acks   []ack
}

type ack struct {
	id  uint64
	err error
}

func newNode(name string) *node {
	n := &node{name: name}
	n.r = core.New(&n.ledger, name)
	return n
}

// submit does what a driver does with an append: cut it, send it, say so.
func (n *node) submit(a *core.Append) {
	recs, next := record.Split(a.After, a.Epoch, time.Unix(0, 0), a.Data)
	n.wire = append(n.wire, &sent{id: a.ID, after: a.After.Last, recs: recs})
	n.r.Submitted(a.ID, next)
}

// store lets the log take the next record of the oldest batch on the wire and
// reports what became of the batch: "" while it is under way.
func (n *node) store(l *memoryLog) (outcome string) {
	s := n.wire[0]
	if !l.put(s.after, s.recs[0]) {
		s.gone = true
	}
	s.after++
	if s.recs = s.recs[1:]; len(s.recs) > 0 {
		return ""
	}
	n.wire = n.wire[1:]
	if s.gone {
		n.fence(s.id)
		return "fenced"
	}
	n.acks = append(n.acks, ack{s.id, nil})
	return "stored"
}

var (
	errFenced  = fmt.Errorf("fenced")
	errUnknown = fmt.Errorf("outcome unknown")
)

// fence fails the batch and, as the journal promises, all that are chained to it.
func (n *node) fence(id uint64) {
	n.acks = append(n.acks, ack{id, errFenced})
	for _, s := range n.wire {
		s.gone = true
	}
}
