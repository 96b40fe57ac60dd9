package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// Journal is what the suite holds to account: the methods of *journal.Journal.
type Journal interface {
	Append(ctx context.Context, expect record.Tail, epoch uint64, batch []byte) *journal.Pending
	Replay(ctx context.Context, from record.Tail, fn func(record.Batch) error) (record.Tail, error)
	Follow(ctx context.Context, from record.Tail, fn func(record.Batch) error) error
	Read(ctx context.Context, ref record.Ref) ([]byte, error)
	End(ctx context.Context) (record.Position, error)
	Trim(ctx context.Context, before record.Position) error
	Size(ctx context.Context) (journal.Size, error)
	Mark(ctx context.Context) (journal.Mark, error)
	Copy(ctx context.Context, after journal.Mark, recs [][]byte) *journal.Pending
	Records(ctx context.Context, after journal.Mark, fn func(recs [][]byte, end record.Position) error) error
	Stands(ctx context.Context, m journal.Mark) (bool, error)
}

var (
	_ Journal = (*journal.Journal)(nil)
	_ Journal = (*Node)(nil)
)

// Run holds a journal to the promises of package journal. open makes an empty
// journal and returns a function that gives handles on it, each a writer of its
// own as another node would be.
func Run(t *testing.T, open func(t *testing.T) func() Journal) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, handle func() Journal)
	}{
		{"a new journal is empty", empty},
		{"batches of every size come back", sizes},
		{"chained appends keep their order", chained},
		{"of two writers one is fenced", fenced},
		{"a fenced chain fails whole", fencedChain},
		{"an append behind the end is fenced", ahead},
		{"a batch too large is refused", tooLarge},
		{"an older epoch is fenced", olderEpoch},
		{"a follower sees what is there and what comes", follows},
		{"a follower's own error ends it", followEnds},
		{"bytes of a batch are read across records", reads},
		{"what was trimmed is gone, what stays is checkable", trims},
		{"the last batch always stays", trimsNotTheLast},
		{"a reader beyond the end learns of lost records", beyond},
		{"a reader with another history learns of the fork", fork},
		{"an append may reuse its bytes", reuse},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
	for _, c := range []struct {
		name string
		test func(t *testing.T, open func(t *testing.T) func() Journal)
	}{
		{"a copy is exact", copies},
		{"a copy that does not fit is refused", copiesThatDoNotFit},
		{"a copy begins behind a trim", copiesBehindATrim},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

// within bounds a test that would otherwise hang; nothing is judged by it.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// must appends and waits.
func must(t *testing.T, j Journal, tail record.Tail, epoch uint64, batch []byte) record.Tail {
	t.Helper()
	p := j.Append(within(t), tail, epoch, batch)
	if err := p.Wait(within(t)); err != nil {
		t.Fatalf("append behind %d: %v", tail.Last, err)
	}
	return p.Next()
}

// replay returns the batches behind a tail, and the tail to append to.
func replay(t *testing.T, j Journal, from record.Tail) ([]record.Batch, record.Tail) {
	t.Helper()
	var got []record.Batch
	tail, err := j.Replay(within(t), from, func(b record.Batch) error {
		got = append(got, b)
		return nil
	})
	if err != nil {
		t.Fatalf("replay from %d: %v", from.Last, err)
	}
	return got, tail
}

// fill returns n bytes that tell where they belong.
func fill(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i) ^ seed
	}
	return b
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error is %v, want %v", got, want)
	}
}

func wantDamage(t *testing.T, err error, at record.Position, finding record.Finding) {
	t.Helper()
	d, ok := errors.AsType[*record.Damage](err)
	if !ok {
		t.Fatalf("error is %v, want a *Damage", err)
	}
	if d.At != at || d.Finding != finding || d.Stream == "" {
		t.Errorf("damage is %+v, want %s at %d with a stream's name", *d, finding, at)
	}
}

func empty(t *testing.T, handle func() Journal) {
	j := handle()
	if end, err := j.End(within(t)); end != 0 || err != nil {
		t.Errorf("End = %d, %v", end, err)
	}
	if size, err := j.Size(within(t)); size != (journal.Size{First: 1}) || err != nil {
		t.Errorf("Size = %+v, %v", size, err)
	}
	if got, tail := replay(t, j, record.Tail{}); len(got) != 0 || tail != (record.Tail{}) {
		t.Errorf("replay gave %v, %v", got, tail)
	}
}

func sizes(t *testing.T, handle func() Journal) {
	j := handle()
	lengths := []int{0, 1, 1 << 10, record.PartBytes - 1, record.PartBytes, record.PartBytes + 1, 3*record.PartBytes + 7, 5}
	tail, at := record.Tail{}, record.Position(1)
	var tails []record.Tail
	for i, n := range lengths {
		tail = must(t, j, tail, 1, fill(n, byte(i)))
		tails = append(tails, tail)
	}
	got, end := replay(t, handle(), record.Tail{})
	if len(got) != len(lengths) || end != tail {
		t.Fatalf("%d batches up to %+v, want %d up to %+v", len(got), end, len(lengths), tail)
	}
	for i, b := range got {
		if b.At != at || b.Next != tails[i] || b.Epoch != 1 || b.Time.IsZero() || !bytes.Equal(b.Data, fill(lengths[i], byte(i))) {
			t.Errorf("batch %d of %d bytes: at %d next %+v, want at %d next %+v, and its bytes", i, len(b.Data), b.At, b.Next, at, tails[i])
		}
		at = b.Next.Last + 1
	}
	if size, err := j.Size(within(t)); err != nil || size.First != 1 || size.Last != tail.Last || size.Bytes < 6*record.PartBytes {
		t.Errorf("Size = %+v, %v", size, err)
	}
}

func chained(t *testing.T, handle func() Journal) {
	j := handle()
	var under []*journal.Pending
	tail := record.Tail{}
	const n = 500
	for i := range n {
		p := j.Append(within(t), tail, 1, fmt.Append(nil, i))
		if p.At() != tail.Last+1 {
			t.Fatalf("append %d predicts position %d behind %d", i, p.At(), tail.Last)
		}
		tail = p.Next()
		under = append(under, p)
	}
	for i, p := range under {
		if err := p.Wait(within(t)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	got, _ := replay(t, handle(), record.Tail{})
	for i, b := range got {
		if string(b.Data) != fmt.Sprint(i) {
			t.Fatalf("batch %d is %q", i, b.Data)
		}
	}
	if len(got) != n {
		t.Errorf("%d batches, want %d", len(got), n)
	}
}

func fenced(t *testing.T, handle func() Journal) {
	old, new := handle(), handle()
	tail := must(t, old, record.Tail{}, 1, []byte("one"))
	_, seen := replay(t, new, record.Tail{})
	must(t, new, seen, 2, []byte("two"))
	wantErr(t, old.Append(within(t), tail, 1, []byte("lost")).Wait(within(t)), journal.ErrFenced)

	got, end := replay(t, old, record.Tail{})
	if len(got) != 2 || string(got[1].Data) != "two" || end.Epoch != 2 {
		t.Errorf("the journal has %d batches, the last of epoch %d", len(got), end.Epoch)
	}
	must(t, old, end, 3, []byte("three"))
}

func fencedChain(t *testing.T, handle func() Journal) {
	old, new := handle(), handle()
	tail := must(t, old, record.Tail{}, 1, []byte("one"))
	must(t, new, tail, 2, []byte("two"))
	var under []*journal.Pending
	for i := range 10 {
		p := old.Append(within(t), tail, 1, fmt.Append(nil, "lost", i))
		tail = p.Next()
		under = append(under, p)
	}
	for _, p := range under {
		wantErr(t, p.Wait(within(t)), journal.ErrFenced)
	}
	wantErr(t, old.Append(within(t), tail, 1, []byte("late")).Wait(within(t)), journal.ErrFenced)
	if got, _ := replay(t, new, record.Tail{}); len(got) != 2 {
		t.Errorf("the journal has %d batches, want 2", len(got))
	}
}

func ahead(t *testing.T, handle func() Journal) {
	j := handle()
	tail := must(t, j, record.Tail{}, 1, []byte("one"))
	tail.Last += 3
	wantErr(t, j.Append(within(t), tail, 1, []byte("two")).Wait(within(t)), journal.ErrFenced)
}

func tooLarge(t *testing.T, handle func() Journal) {
	j := handle()
	p := j.Append(within(t), record.Tail{}, 1, make([]byte, record.BatchBytesMax+1))
	wantErr(t, p.Wait(within(t)), journal.ErrTooLarge)
	must(t, j, record.Tail{}, 1, []byte("small"))
}

func olderEpoch(t *testing.T, handle func() Journal) {
	j := handle()
	tail := must(t, j, record.Tail{}, 5, []byte("one"))
	wantErr(t, j.Append(within(t), tail, 4, []byte("two")).Wait(within(t)), journal.ErrFenced)
	must(t, j, tail, 5, []byte("three"))
}
