package journaltest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// A copy in another journal has the same records at the same places, those that
// nobody folds included; it goes on where it was interrupted, and a reader of it reads
// what a reader of the original does.
func copies(t *testing.T, open func(t *testing.T) func() Journal) {
	original, there := open(t), open(t)()
	from := original()
	empty, err := from.Mark(within(t))
	if err != nil || empty != (record.Mark{}) {
		t.Fatalf("the mark of an empty journal is %+v, %v", empty, err)
	}
	tail := record.Tail{}
	for i := range 20 {
		tail = must(t, from, tail, 1, fill(i*i*1000, byte(i)))
	}
	copyUpTo(t, from, there, tail.Last)
	tail = must(t, original(), tail, 2, []byte("later"))
	copyUpTo(t, from, there, tail.Last)

	want, _ := replay(t, from, record.Tail{})
	got, end := replay(t, there, record.Tail{})
	if len(got) != len(want) || end != tail {
		t.Fatalf("the copy has %d batches and ends in %+v, want %d and %+v", len(got), end, len(want), tail)
	}
	for i := range want {
		if string(got[i].Data) != string(want[i].Data) || got[i].Next != want[i].Next {
			t.Errorf("batch %d differs", i)
		}
	}
	if stands, err := there.Stands(within(t), record.Mark{At: tail.Last, Sum: tail.Sum}); err != nil || !stands {
		t.Errorf("the end of the original stands in the copy: %t, %v", stands, err)
	}
}

var errCopied = errors.New("copied")

// copyUpTo copies behind what is there until a position is.
func copyUpTo(t *testing.T, from, to Journal, last record.Position) {
	t.Helper()
	mark, err := to.Mark(within(t))
	if err != nil {
		t.Fatal(err)
	}
	err = from.Records(within(t), mark, func(recs [][]byte, end record.Position) error {
		p := to.Copy(within(t), mark, recs)
		if err := p.Wait(within(t)); err != nil {
			return err
		}
		mark = record.Mark{At: p.Next().Last, Sum: p.Next().Sum}
		if mark.At > end {
			return fmt.Errorf("copied up to %d, the end was said to be %d", mark.At, end)
		}
		if mark.At >= last {
			return errCopied
		}
		return nil
	})
	if !errors.Is(err, errCopied) {
		t.Fatalf("copied up to %d: %v", mark.At, err)
	}
}

// A copy that does not fit is not stored: in the wrong place, damaged, or behind
// another history.
func copiesThatDoNotFit(t *testing.T, open func(t *testing.T) func() Journal) {
	from, there := open(t)(), open(t)()
	tail := must(t, from, record.Tail{}, 1, []byte("one"))
	mark := record.Mark{At: tail.Last, Sum: tail.Sum}
	tail = must(t, from, tail, 1, []byte("two"))
	var recs [][]byte
	err := from.Records(within(t), record.Mark{}, func(run [][]byte, _ record.Position) error {
		if recs = append(recs, run...); len(recs) >= 2 {
			return errCopied
		}
		return nil
	})
	wantErr(t, err, errCopied)

	wantErr(t, there.Copy(within(t), mark, recs[1:2]).Wait(within(t)), journal.ErrFenced)
	wantDamage(t, there.Copy(within(t), record.Mark{}, recs[1:2]).Wait(within(t)), 1, record.Misplaced)
	harmed := append([]byte(nil), recs[0]...)
	harmed[len(harmed)-1] ^= 1
	wantDamage(t, there.Copy(within(t), record.Mark{}, [][]byte{harmed}).Wait(within(t)), 1, record.BadSum)
	if got, _ := replay(t, there, record.Tail{}); len(got) != 0 {
		t.Errorf("%d batches were stored all the same", len(got))
	}

	must(t, there, record.Tail{}, 7, []byte("another history"))
	other, err := there.Mark(within(t))
	if err != nil {
		t.Fatal(err)
	}
	stands, err := from.Stands(within(t), other)
	if err != nil || stands {
		t.Errorf("a mark of another history stands: %t, %v", stands, err)
	}
	err = from.Records(within(t), other, func([][]byte, record.Position) error { return errCopied })
	wantDamage(t, err, other.At, record.Fork)
	if stands, err := from.Stands(within(t), record.Mark{At: tail.Last + 1}); err != nil || stands {
		t.Errorf("a mark beyond the end stands: %t, %v", stands, err)
	}
}

// What was trimmed can not be copied; what stays can, from exactly where it begins.
func copiesBehindATrim(t *testing.T, open func(t *testing.T) func() Journal) {
	from := open(t)()
	tail := record.Tail{}
	var marks []record.Mark
	for range 5 {
		tail = must(t, from, tail, 1, []byte("batch"))
		marks = append(marks, record.Mark{At: tail.Last, Sum: tail.Sum})
	}
	if err := from.Trim(within(t), 4); err != nil {
		t.Fatal(err)
	}
	never := func([][]byte, record.Position) error { return errors.New("it was copied") }
	wantErr(t, from.Records(within(t), marks[0], never), journal.ErrTrimmed)
	var first record.Header
	err := from.Records(within(t), marks[2], func(recs [][]byte, _ record.Position) (err error) {
		if first, _, err = record.Decode(4, recs[0]); err != nil {
			return err
		}
		return errCopied
	})
	wantErr(t, err, errCopied)
	if first.Before != marks[2].Sum {
		t.Errorf("it follows %016x, want %016x", first.Before, marks[2].Sum)
	}
}

// Notes are what the suite holds to account: the methods of *journal.Notes.
type Notes interface {
	Get(ctx context.Context, key string) (data []byte, revision uint64, err error)
	Put(ctx context.Context, key string, data []byte, revision uint64) (uint64, error)
	Delete(ctx context.Context, key string, revision uint64) error
	Watch(ctx context.Context, fn func(key string, data []byte, revision uint64)) error
}

// RunNotes holds notes to their promises.
func RunNotes(t *testing.T, n Notes) {
	const key = "group.Nordwest/1"
	data, none, err := n.Get(within(t), key)
	if err != nil || none != 0 || data != nil {
		t.Fatalf("a note that was never written: %q, %d, %v", data, none, err)
	}
	first, err := n.Put(within(t), key, []byte("one"), 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.Put(within(t), key, []byte("also one"), 0)
	wantErr(t, err, journal.ErrNoteChanged)
	second, err := n.Put(within(t), key, []byte("two"), first)
	if err != nil || second <= first {
		t.Fatalf("revision %d after %d, %v", second, first, err)
	}
	_, err = n.Put(within(t), key, []byte("late"), first)
	wantErr(t, err, journal.ErrNoteChanged)
	wantErr(t, n.Delete(within(t), key, first), journal.ErrNoteChanged)
	data, now, err := n.Get(within(t), key)
	if err != nil || now != second || string(data) != "two" {
		t.Fatalf("the note is %q of revision %d, %v", data, now, err)
	}

	ctx, cancel := context.WithCancel(within(t))
	seen := make(chan string, 8)
	go func() {
		n.Watch(ctx, func(k string, data []byte, _ uint64) { seen <- fmt.Sprintf("%s=%s,%t", k, data, data == nil) })
		close(seen)
	}()
	if got := <-seen; got != key+"=two,false" {
		t.Errorf("watched %s", got)
	}
	if err := n.Delete(within(t), key, second); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != key+"=,true" {
		t.Errorf("watched %s", got)
	}
	cancel()
	for range seen {
	}
}
