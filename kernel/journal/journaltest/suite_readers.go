package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

func follows(t *testing.T, handle func() Journal) {
	j := handle()
	tail := must(t, j, record.Tail{}, 1, []byte("0"))
	tail = must(t, j, tail, 1, []byte("1"))
	ctx, stop := context.WithCancel(within(t))
	seen, ended := make(chan record.Batch, 100), make(chan error, 1)
	follower := handle()
	go func() {
		ended <- follower.Follow(ctx, record.Tail{}, func(b record.Batch) error {
			seen <- b
			return nil
		})
	}()
	expect := func(i int, text []byte) {
		t.Helper()
		select {
		case b := <-seen:
			if !bytes.Equal(b.Data, text) {
				t.Errorf("batch %d has %d bytes that are not those appended", i, len(b.Data))
			}
		case err := <-ended:
			t.Fatalf("the follower ended: %v", err)
		}
	}
	expect(0, []byte("0"))
	expect(1, []byte("1"))
	for i := 2; i < 20; i++ {
		text := fmt.Append(nil, i)
		if i == 10 {
			text = fill(2*record.PartBytes, 10)
		}
		tail = must(t, j, tail, 1, text)
		expect(i, text)
	}
	stop()
	wantErr(t, <-ended, context.Canceled)
}

func followEnds(t *testing.T, handle func() Journal) {
	j := handle()
	tail := must(t, j, record.Tail{}, 1, []byte("one"))
	must(t, j, tail, 1, []byte("two"))
	enough := errors.New("enough")
	n := 0
	count := func(record.Batch) error { n++; return enough }
	wantErr(t, j.Follow(within(t), record.Tail{}, count), enough)
	_, err := j.Replay(within(t), tail, count)
	wantErr(t, err, enough)
	if n != 2 {
		t.Errorf("fn was called %d times, want once by each", n)
	}
}

func reads(t *testing.T, handle func() Journal) {
	j := handle()
	batch := fill(2*record.PartBytes+100, 3)
	tail := must(t, j, record.Tail{}, 1, []byte("before"))
	at := tail.Last + 1
	tail = must(t, j, tail, 1, batch)
	must(t, j, tail, 1, []byte("behind"))
	other := handle() // has none of it in memory
	for _, c := range []struct{ off, n int }{
		{0, 1}, {0, 0}, {10, 500}, {record.PartBytes - 1, 1}, {record.PartBytes, 1}, {record.PartBytes - 1, 2},
		{5, 2 * record.PartBytes}, {0, len(batch)}, {len(batch) - 1, 1}, {2 * record.PartBytes, 100},
	} {
		for who, h := range map[string]Journal{"the writer": j, "another": other} {
			got, err := h.Read(within(t), record.Ref{At: at, Off: uint32(c.off), Len: uint32(c.n)})
			if err != nil || !bytes.Equal(got, batch[c.off:c.off+c.n]) {
				t.Errorf("%s reads %d bytes from %d: %d bytes, %v", who, c.n, c.off, len(got), err)
			}
		}
	}
	for _, ref := range []record.Ref{
		{At: at, Off: uint32(len(batch)), Len: 1},
		{At: at, Off: uint32(len(batch)) - 1, Len: 2},
		{At: at + 1, Off: 0, Len: 1},
		{At: 1, Off: 7, Len: 1},
	} {
		if got, err := j.Read(within(t), ref); err == nil {
			t.Errorf("Read(%+v) gave %d bytes of nothing", ref, len(got))
		}
	}
	_, err := j.Read(within(t), record.Ref{At: 77, Off: 0, Len: 1})
	wantDamage(t, err, 77, record.Lost)
}

func trims(t *testing.T, handle func() Journal) {
	j := handle()
	tails := []record.Tail{{}}
	for i := range 10 {
		n := 10
		if i == 5 {
			n = 2*record.PartBytes + 1 // positions 6, 7 and 8
		}
		tails = append(tails, must(t, j, tails[i], 1, fill(n, byte(i))))
	}
	trimTo := func(before, first record.Position) {
		t.Helper()
		if err := j.Trim(within(t), before); err != nil {
			t.Fatal(err)
		}
		if size, err := j.Size(within(t)); err != nil || size.First != first || size.Last != 12 {
			t.Fatalf("trimmed before %d: Size = %+v, %v, want to begin at %d", before, size, err, first)
		}
	}
	trimTo(0, 1)
	trimTo(1, 1)
	trimTo(4, 4)
	trimTo(2, 4) // is gone already
	trimTo(8, 6) // in the middle of a batch: that one stays

	for i := 5; i <= 10; i++ {
		got, end := replay(t, handle(), tails[i])
		if len(got) != 10-i || end != tails[10] {
			t.Errorf("from behind batch %d: %d batches up to %+v", i, len(got), end)
		}
	}
	_, err := handle().Replay(within(t), tails[4], func(record.Batch) error { return nil })
	wantErr(t, err, journal.ErrTrimmed)
	wantErr(t, handle().Follow(within(t), record.Tail{}, func(record.Batch) error { return nil }), journal.ErrTrimmed)
	_, err = handle().Read(within(t), record.Ref{At: 2, Len: 1})
	wantErr(t, err, journal.ErrTrimmed)
	must(t, j, tails[10], 1, []byte("on"))
}

func trimsNotTheLast(t *testing.T, handle func() Journal) {
	j := handle()
	tail := must(t, j, record.Tail{}, 1, []byte("one"))
	end := must(t, j, tail, 1, fill(record.PartBytes*2, 0))
	for _, before := range []record.Position{end.Last, end.Last + 1, 1000} {
		if err := j.Trim(within(t), before); err != nil {
			t.Fatal(err)
		}
	}
	got, after := replay(t, handle(), tail)
	if len(got) != 1 || after != end {
		t.Errorf("%d batches up to %+v, want the last one", len(got), after)
	}
	must(t, j, end, 1, []byte("on"))
}

func beyond(t *testing.T, handle func() Journal) {
	j := handle()
	tail := must(t, j, record.Tail{}, 1, []byte("one"))
	tail.Last = 5
	_, err := j.Replay(within(t), tail, func(record.Batch) error { return nil })
	wantDamage(t, err, 5, record.Lost)
}

func fork(t *testing.T, handle func() Journal) {
	j := handle()
	one := must(t, j, record.Tail{}, 1, []byte("one"))
	two := must(t, j, one, 1, []byte("two"))
	for _, tail := range []record.Tail{one, two} {
		tail.Sum ^= 1
		wantDamage(t, handle().Follow(within(t), tail, func(record.Batch) error { return nil }), tail.Last, record.Fork)
	}
}

func reuse(t *testing.T, handle func() Journal) {
	j := handle()
	batch := []byte("first")
	p := j.Append(within(t), record.Tail{}, 1, batch)
	copy(batch, "other")
	if err := p.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	got, err := j.Read(within(t), record.Ref{At: 1, Len: 5})
	if err != nil || string(got) != "first" {
		t.Errorf("Read = %q, %v", got, err)
	}
}
