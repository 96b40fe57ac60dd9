package core_test

import (
	"errors"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
)

func TestBoundsTrimBehindTheSecondSnapshotAndTheHorizon(t *testing.T) {
	at := func(last record.Position) record.Tail { return record.Tail{Last: last} }
	var b core.Bounds
	steps := []struct {
		what   string
		do     func()
		before record.Position
		held   bool
	}{
		{"nothing is known", func() {}, 0, true},
		{"one snapshot has no fallback", func() { b.Saved(at(100), 101) }, 1, false},
		{"two snapshots", func() { b.Saved(at(200), 201) }, 101, false},
		{"a late save of an older one changes nothing", func() { b.Saved(at(150), 151) }, 101, false},
		{"live payloads hold the tail", func() { b.Saved(at(300), 205); b.Saved(at(400), 205) }, 205, true},
		{"they were carried forward", func() { b.Moved(390) }, 301, false},
		{"a new life on a restored snapshot", func() { b.Restored(at(400)) }, 0, true},
		{"and its first own one", func() { b.Saved(at(500), 450) }, 401, false},
	}
	for _, s := range steps {
		s.do()
		if b.Before() != s.before || b.Held() != s.held {
			t.Errorf("%s: trim before %d (held %t), want %d (%t)", s.what, b.Before(), b.Held(), s.before, s.held)
		}
	}
}

func TestCarryDueGoesOnToALowerMark(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		log, live uint64
		under     bool
		want      bool
	}{
		{200 * mib, 0, false, false},       // small logs are left alone
		{300 * mib, 10 * mib, false, true}, // mostly dead
		{300 * mib, 100 * mib, false, false},
		{4000 * mib, 1001 * mib, false, false},
		{4000 * mib, 999 * mib, false, true},
		{3000 * mib, 999 * mib, true, true}, // begun: until about twice
		{2000 * mib, 999 * mib, true, false},
	} {
		if got := core.CarryDue(c.log, c.live, core.CarryLogBytesMin, c.under); got != c.want {
			t.Errorf("log %d MiB, live %d MiB, under way %t: %t", c.log/mib, c.live/mib, c.under, got)
		}
	}
}

func TestTurnsHaveRoom(t *testing.T) {
	n := owner(t)
	n.r.Turn(clock("1s"), func(turn *core.Turn) {
		if turn.Room() < core.TurnBytesMax {
			t.Errorf("a turn has room for %d bytes, promised are %d", turn.Room(), core.TurnBytesMax)
		}
		turn.Record(make([]byte, 1<<20))
		room := turn.Room()
		defer func() {
			if recover() == nil {
				t.Error("a fact larger than the room was taken")
			}
		}()
		turn.Record(make([]byte, room+1))
	})
}

func TestTurnsEndWithTheirFunction(t *testing.T) {
	n := owner(t)
	var kept *core.Turn
	n.r.Turn(clock("1s"), func(turn *core.Turn) { kept = turn })
	defer func() {
		if recover() == nil {
			t.Error("a turn could be used after its end")
		}
	}()
	kept.Record([]byte("late"))
}

func TestAKeptBatchStays(t *testing.T) {
	n := owner(t)
	one := func(turn *core.Turn) { turn.Record([]byte("fact")); turn.Reveal(func() {}) }
	n.r.Keep(true)
	n.r.Turn(clock("1s"), one)
	if rd := n.r.Ready(); rd.Append != nil || n.r.Gathered() != 1 || n.r.Urgent() {
		t.Errorf("a kept batch left, or is urgent: %+v", rd)
	}
	n.r.Turn(clock("1s"), func(turn *core.Turn) { turn.Reveal(func() {}) })
	if !n.r.Urgent() {
		t.Error("a turn without facts waits for the batch, which is not urgent")
	}
	n.r.Seal()
	rd := n.r.Ready()
	if rd.Append == nil || rd.Append.Facts != 1 || n.r.Urgent() {
		t.Fatalf("a sealed batch stays, or the next one is urgent: %+v", rd)
	}
	n.r.Submitted(rd.Append.ID, record.Tail{Last: 2, Batch: 2, Epoch: 1})
	n.r.Appended(rd.Append.ID)
	n.r.Turn(clock("2s"), one)
	n.r.Keep(false)
	if rd := n.r.Ready(); rd.Append == nil || len(rd.Reveals) != 2 {
		t.Errorf("no longer kept, and it stays: %+v", rd)
	}
}

// owner returns a node in its first epoch, with nothing pending.
func owner(t *testing.T) *node {
	t.Helper()
	n := newNode("n")
	n.r.LeaseGranted(1)
	n.r.Open(record.Tail{}, clock("0s"))
	rd := n.r.Ready()
	n.r.Submitted(rd.Append.ID, record.Tail{Last: 1, Batch: 1, Epoch: 1})
	n.r.Appended(rd.Append.ID)
	if n.r.Ready().Gained != 1 {
		t.Fatal("no owner")
	}
	return n
}

// TestFoldNamesWhatItRefuses gives a follower batches that no owner wrote.
func TestFoldNamesWhatItRefuses(t *testing.T) {
	good := ownBatches(t)
	for _, c := range []struct {
		what    string
		spoil   func(b *record.Batch)
		finding record.Finding
	}{
		{"cut head", func(b *record.Batch) { b.Data = b.Data[:10] }, core.BadBatch},
		{"later format", func(b *record.Batch) { b.Data[0] = 2 }, record.NewerFormat},
		{"unknown kind", func(b *record.Batch) { b.Data[1] = 9 }, record.NewerFormat},
		{"one fact too many", func(b *record.Batch) { b.Data[4]++ }, core.BadBatch},
		{"one fact too few", func(b *record.Batch) { b.Data[4]-- }, core.BadBatch},
		{"fact longer than the batch", func(b *record.Batch) { b.Data[24] = 100 }, core.BadBatch},
		{"epoch nobody opened", func(b *record.Batch) { b.Data[8], b.Epoch = 7, 7 }, core.BadEpoch},
		{"record and batch disagree", func(b *record.Batch) { b.Epoch = 7 }, core.BadEpoch},
		{"read twice", func(b *record.Batch) { b.At = 1 }, core.BadBatch},
	} {
		f := newNode("f")
		if err := f.r.Folded(good[0]); err != nil {
			t.Fatal(err)
		}
		b := good[1]
		b.Data = append([]byte(nil), b.Data...)
		c.spoil(&b)
		d, ok := errors.AsType[*record.Damage](f.r.Folded(b))
		if !ok || d.Finding != c.finding || d.At != b.At || f.r.Role() != core.Broken {
			t.Errorf("%s: %v, %s; want %s", c.what, d, f.r.Role(), c.finding)
		}
	}
}

// ownBatches returns an opening batch and one with two facts.
func ownBatches(t *testing.T) []record.Batch {
	t.Helper()
	var l memoryLog
	n := newNode("n")
	commit := func() {
		rd := n.r.Ready()
		n.submit(rd.Append)
		n.store(&l)
		n.r.Appended(n.acks[0].id)
		n.acks = nil
	}
	n.r.LeaseGranted(1)
	n.r.Open(record.Tail{}, clock("0s"))
	commit()
	n.r.Turn(clock("1s"), func(turn *core.Turn) { turn.Record([]byte("one")); turn.Record([]byte("two")) })
	commit()
	var out []record.Batch
	if _, err := l.replay(record.Tail{}, 9, func(b record.Batch) error { out = append(out, b); return nil }); err != nil || len(out) != 2 {
		t.Fatal(out, err)
	}
	return out
}

// FuzzFold gives bytes from anywhere: they are folded or named as damage.
func FuzzFold(f *testing.F) {
	f.Add([]byte("\x01\x01\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := newNode("n")
		err := n.r.Folded(record.Batch{At: 1, Epoch: 1, Data: data, Next: record.Tail{Last: 1, Batch: 1}})
		if _, ok := errors.AsType[*record.Damage](err); err != nil && !ok {
			t.Errorf("%v is no damage", err)
		}
	})
}

func BenchmarkTurn(b *testing.B) {
	n := newNode("n")
	n.r.LeaseGranted(1)
	n.r.Open(record.Tail{}, clock("0s"))
	next := record.Tail{}
	commit := func() {
		rd := n.r.Ready()
		if rd.Append != nil {
			next.Last++
			n.r.Submitted(rd.Append.ID, next)
			n.r.Appended(rd.Append.ID)
		}
	}
	commit()
	fact, now, reveal := make([]byte, 100), time.Now(), func() {}
	work := func(t *core.Turn) { t.Record(fact); t.Reveal(reveal) }
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n.r.Turn(now, work)
		if i%100 == 99 {
			commit()
		}
	}
}
