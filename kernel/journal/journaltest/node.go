package journaltest

import (
	"context"
	"fmt"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// Node is what one node has of a Memory.
type Node struct {
	m       *Memory
	sees    record.Position // last position that Poll and Follow show
	network []*Message      // appends that have not arrived, oldest first
	next    record.Tail     // behind the last append
	failed  error           // why the chain that ends in next failed
}

// Message is an append in the network.
type Message struct {
	node    *Node
	before  record.Position
	records [][]byte
	pending *journal.Pending // nil once its writer was told something
	arrived bool             // stored or refused; its answer may still be under way
	verdict error
}

// Append is as that of journal.Journal.
func (n *Node) Append(_ context.Context, expect record.Tail, epoch uint64, batch []byte) *journal.Pending {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	records, next := record.Split(expect, epoch, n.m.now(), batch)
	p := journal.NewPending(expect.Last+1, next)
	switch {
	case len(batch) > record.BatchBytesMax:
		p.Resolve(fmt.Errorf("%w: %d bytes", journal.ErrTooLarge, len(batch)))
		return p
	case epoch < expect.Epoch:
		p.Resolve(fmt.Errorf("%w: epoch %d after epoch %d", journal.ErrFenced, epoch, expect.Epoch))
		return p
	case n.failed != nil && expect.Sum == n.next.Sum && epoch == n.next.Epoch:
		p.Resolve(n.failed)
		return p
	}
	n.next, n.failed = next, nil
	msg := &Message{node: n, before: expect.Last, records: records, pending: p}
	n.network = append(n.network, msg)
	if !n.m.held {
		n.deliver(msg)
		n.answer()
	}
	return p
}

// Waiting returns the appends of this node that have not arrived, or whose writer
// was not told of it, oldest first.
func (n *Node) Waiting() []*Message {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	return append([]*Message(nil), n.network...)
}

// Complete lets the oldest append arrive and its writer know. False: there is none.
func (n *Node) Complete() bool {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	if len(n.network) == 0 {
		return false
	}
	n.deliver(n.network[0])
	n.answer()
	return true
}

// Arrive lets the log take the append, or refuse it, without its writer knowing:
// that takes Answer, or never happens (GiveUp).
func (msg *Message) Arrive() {
	msg.node.m.mu.Lock()
	defer msg.node.m.mu.Unlock()
	msg.node.deliver(msg)
}

// ArrivePart lets only the first records of a long batch arrive. The rest never will.
func (msg *Message) ArrivePart(records int) {
	msg.node.m.mu.Lock()
	defer msg.node.m.mu.Unlock()
	msg.records = msg.records[:min(records, len(msg.records))]
	msg.node.deliver(msg)
	if msg.verdict == nil {
		msg.verdict = journal.ErrUnknown
	}
}

// Drop makes the append never arrive.
func (msg *Message) Drop() {
	msg.node.m.mu.Lock()
	defer msg.node.m.mu.Unlock()
	if !msg.arrived {
		msg.arrived, msg.verdict = true, journal.ErrUnknown
	}
}

// deliver is the log judging a message.
func (n *Node) deliver(msg *Message) {
	if !msg.arrived {
		msg.arrived, msg.verdict = true, n.m.store(msg.before, msg.records)
	}
}

// Answer tells the writer of everything that arrived, in order, up to the first
// that did not.
func (n *Node) Answer() {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	n.answer()
}

func (n *Node) answer() {
	for len(n.network) > 0 && n.network[0].arrived {
		msg := n.network[0]
		if msg.pending != nil && msg.verdict != nil {
			n.fail(msg.verdict)
		}
		if msg.pending != nil {
			msg.pending.Resolve(nil)
			msg.pending = nil
		}
		n.network = n.network[1:]
	}
}

// fail tells every waiting append that it failed, as a failed chain does.
func (n *Node) fail(err error) {
	n.failed = err
	for _, msg := range n.network {
		if msg.pending != nil {
			msg.pending.Resolve(err)
			msg.pending = nil
		}
	}
}

// GiveUp ends the writer's patience (or its process): all its appends become
// ErrUnknown. Those in the network may arrive later, or be dropped.
func (n *Node) GiveUp() {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	n.fail(fmt.Errorf("%w: the writer gave up", journal.ErrUnknown))
}

// See limits what Poll and Follow of this node show to positions up to last: a
// replica that is behind. Replay, which asks the leader, sees everything.
func (n *Node) See(last record.Position) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	n.sees = last
	close(n.m.news)
	n.m.news = make(chan struct{})
}

// Poll returns the whole batches behind from that this node sees now, at most
// max. It never waits. Errors are those of Follow.
func (n *Node) Poll(from record.Tail, max int) ([]record.Batch, error) {
	var got []record.Batch
	_, err := n.read(from, n.end(), func(b record.Batch) error {
		if got = append(got, b); len(got) == max {
			return errEnough
		}
		return nil
	})
	if err == errEnough {
		err = nil
	}
	return got, err
}

// end is the last position this node sees.
func (n *Node) end() record.Position {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	return min(n.m.last(), n.sees)
}
