package namespace

import (
	"context"
	"sync"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/replica"
)

// fetches are the messages the broker wants to see again, because rules have to
// judge them: it keeps no bytes itself.
type fetches struct {
	wanted chan struct{} // holds one token when there is something

	mu   sync.Mutex
	refs []record.Ref
}

// fetch has a message read once it is durable. The broker bounds how many it wants.
func (n *Namespace) fetch(t *replica.Turn, ref record.Ref) {
	t.Reveal(func() {
		f := &n.fetches
		f.mu.Lock()
		f.refs = append(f.refs, ref)
		f.mu.Unlock()
		select {
		case f.wanted <- struct{}{}:
		default:
		}
	})
}

// fetchAll is the goroutine that reads.
func (n *Namespace) fetchAll(ctx context.Context) {
	f := &n.fetches
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wanted:
		}
		f.mu.Lock()
		refs := f.refs
		f.refs = nil
		f.mu.Unlock()
		for _, ref := range refs {
			n.fetchOne(ctx, ref)
		}
	}
}

// fetchOne gives the broker a message's bytes, or none when they can not be had.
func (n *Namespace) fetchOne(ctx context.Context, ref record.Ref) {
	encoded, err := n.Read(ctx, ref)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		n.log.Error("a message can not be read", "namespace", n.name, "at", ref, "error", fault.Detail(err))
	}
	// An ownership that has ended wants nothing any more.
	_ = n.Do(func(t *Turn) { t.Broker.Fetched(t, ref, encoded) })
}
