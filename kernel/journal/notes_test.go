package journal

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weir/kernel/fault"
)

// deaf loses answers: what it is asked for is done all the same, or is not.
type deaf struct {
	jetstream.KeyValue
	lost   int  // answers to lose
	before bool // the request is lost, not its answer
}

func (d *deaf) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if d.lost == 0 {
		return d.KeyValue.Update(ctx, key, value, revision)
	}
	d.lost--
	if !d.before {
		if _, err := d.KeyValue.Update(ctx, key, value, revision); err != nil {
			return 0, err
		}
	}
	return 0, nats.ErrTimeout
}

func (d *deaf) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if d.lost > 0 {
		d.lost--
		return nil, nats.ErrNoResponders
	}
	return d.KeyValue.Get(ctx, key)
}

// A note whose answer was lost is written once, and is not taken for somebody else's.
func TestNotesWhoseAnswersAreLost(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	n, err := s.Notes(t.Context(), "notes")
	if err != nil {
		t.Fatal(err)
	}
	revision, err := n.Put(t.Context(), "k", []byte("first"), 0)
	if err != nil {
		t.Fatal(err)
	}
	kv := n.kv
	for _, before := range []bool{false, true} {
		n.kv = &deaf{KeyValue: kv, lost: 2, before: before}
		again, err := n.Put(t.Context(), "k", []byte{byte(revision)}, revision)
		if err != nil || again != revision+1 {
			t.Fatalf("request lost %v: revision %d after %d, %v", before, again, revision, err)
		}
		revision = again
	}
	n.kv = &deaf{KeyValue: kv, lost: 1, before: true}
	if _, err := kv.Update(t.Context(), escape("k"), []byte("of somebody else"), revision); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Put(t.Context(), "k", []byte("mine"), revision); !errors.Is(err, ErrNoteChanged) {
		t.Errorf("over a note of somebody else: %v", err)
	}
	n.kv = &deaf{KeyValue: kv, lost: 1 << 20}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := n.Get(ctx, "k"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("when nobody answers: %v (%v)", err, fault.KindOf(err))
	}
}
