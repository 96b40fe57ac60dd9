package journaltest

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// errEnough ends a read that has what it wanted.
var errEnough = errors.New("enough")

// read folds the records behind from up to end into fn.
func (n *Node) read(from record.Tail, end record.Position, fn func(record.Batch) error) (record.Tail, error) {
	if err := n.stands(from); err != nil {
		return record.Tail{}, err
	}
	chain := record.NewChain(from)
	for at := from.Last + 1; at <= end; at++ {
		rec, err := n.m.get(at)
		if err != nil {
			return record.Tail{}, err
		}
		b, whole, err := chain.Add(at, rec)
		if err != nil {
			return record.Tail{}, named(err)
		}
		if whole {
			if err := fn(b); err != nil {
				return record.Tail{}, err
			}
		}
	}
	return chain.Tail(), nil
}

// stands verifies that from is a place in this journal.
func (n *Node) stands(from record.Tail) error {
	size, err := n.Size(context.Background())
	switch {
	case err != nil:
		return err
	case from.Last+1 < size.First:
		return fmt.Errorf("memory begins at %d, position %d: %w", size.First, from.Last+1, journal.ErrTrimmed)
	case from.Last == 0 || from.Last < size.First:
		return nil
	}
	for at := from.Last; at >= size.First; at-- {
		rec, err := n.m.get(at)
		if err != nil {
			return err
		}
		h, _, err := record.Decode(at, rec)
		if err != nil || h.Sum == from.Sum {
			return named(err)
		}
	}
	return &record.Damage{Stream: "memory", At: from.Last, Finding: record.Fork, Detail: "another record is stored there"}
}

func named(err error) error {
	if d, ok := errors.AsType[*record.Damage](err); ok {
		d.Stream = "memory"
	}
	return err
}

// Replay is as that of journal.Journal.
func (n *Node) Replay(ctx context.Context, from record.Tail, fn func(record.Batch) error) (record.Tail, error) {
	end, err := n.End(ctx)
	if err != nil {
		return record.Tail{}, err
	}
	return n.read(from, max(end, from.Last), fn)
}

// Follow is as that of journal.Journal.
func (n *Node) Follow(ctx context.Context, from record.Tail, fn func(record.Batch) error) error {
	for {
		end := n.end()
		_, err := n.read(from, end, func(b record.Batch) error {
			from = b.Next
			return cmp.Or(fn(b), ctx.Err())
		})
		if err != nil {
			return err
		}
		if err := n.m.wait(ctx, n, max(from.Last, end)); err != nil {
			return err
		}
	}
}

// Read is as that of journal.Journal.
func (n *Node) Read(_ context.Context, ref record.Ref) ([]byte, error) {
	from, to := uint64(ref.Off), uint64(ref.Off)+uint64(ref.Len)
	if ref.Len == 0 {
		return nil, nil
	}
	var data []byte
	for from < to {
		part := from / record.PartBytes
		at := ref.At + record.Position(part)
		rec, err := n.m.get(at)
		if err != nil {
			return nil, err
		}
		h, body, err := record.Decode(at, rec)
		if err != nil {
			return nil, named(err)
		}
		end := min(to, (part+1)*record.PartBytes)
		if uint64(h.Part) != part || end-part*record.PartBytes > uint64(len(body)) {
			return nil, fmt.Errorf("memory: the batch at %d has no bytes %d to %d", ref.At, from, end)
		}
		data = append(data, body[from-part*record.PartBytes:end-part*record.PartBytes]...)
		from = end
	}
	return data, nil
}

// End is as that of journal.Journal.
func (n *Node) End(ctx context.Context) (record.Position, error) {
	size, err := n.Size(ctx)
	return size.Last, err
}

// Size is as that of journal.Journal.
func (n *Node) Size(context.Context) (journal.Size, error) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	size := journal.Size{First: n.m.first, Last: n.m.last()}
	for _, rec := range n.m.records {
		size.Bytes += uint64(len(rec))
	}
	return size, nil
}

// Trim is as that of journal.Journal.
func (n *Node) Trim(_ context.Context, before record.Position) error {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	at := min(before, n.m.last())
	if at <= n.m.first {
		return nil
	}
	if rec := n.m.records[at-n.m.first]; rec != nil {
		at -= record.Position(record.PartOf(rec))
	}
	n.m.records = append([][]byte(nil), n.m.records[at-n.m.first:]...)
	n.m.first = at
	return nil
}
