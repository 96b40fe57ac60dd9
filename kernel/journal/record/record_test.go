package record_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"weir/kernel/journal/record"
)

var noon = time.Unix(1_800_000_000, 42)

// written is a journal on paper: its records in order, and the tail behind them.
type written struct {
	records [][]byte
	tail    record.Tail
}

// add appends a batch of n bytes and returns the tail behind it.
func (w *written) add(epoch uint64, n int) record.Tail {
	batch := bytes.Repeat([]byte{byte(len(w.records) + 1)}, n)
	records, tail := record.Split(w.tail, epoch, noon, batch)
	w.records = append(w.records, records...)
	w.tail = tail
	return tail
}

// read gives all records to a chain and returns the batches up to an error.
func read(from record.Tail, records [][]byte) ([]record.Batch, *record.Chain, error) {
	chain := record.NewChain(from)
	var got []record.Batch
	for i, rec := range records {
		b, whole, err := chain.Add(from.Last+1+record.Position(i), rec)
		if err != nil {
			return got, chain, err
		}
		if whole {
			got = append(got, b)
		}
	}
	return got, chain, nil
}

func wantDamage(t *testing.T, err error, at record.Position, finding record.Finding) {
	t.Helper()
	d, ok := errors.AsType[*record.Damage](err)
	if !ok {
		t.Fatalf("error is %v, want a *Damage", err)
	}
	if d.At != at || d.Finding != finding {
		t.Errorf("%v, want %s at %d", d, finding, at)
	}
}

func TestWhatIsSplitComesTogether(t *testing.T) {
	var w written
	sizes := []int{0, 1, record.PartBytes - 1, record.PartBytes, record.PartBytes + 1, 3 * record.PartBytes, 9}
	for _, n := range sizes {
		w.add(7, n)
	}
	got, chain, err := read(record.Tail{}, w.records)
	if err != nil || len(got) != len(sizes) || chain.Tail() != w.tail {
		t.Fatalf("%d batches up to %+v, %v; want %d up to %+v", len(got), chain.Tail(), err, len(sizes), w.tail)
	}
	for i, b := range got {
		if len(b.Data) != sizes[i] || b.Epoch != 7 || !b.Time.Equal(noon) || b.Next.Batch != uint64(i+1) {
			t.Errorf("batch %d: %d bytes, epoch %d, %v, %+v", i, len(b.Data), b.Epoch, b.Time, b.Next)
		}
		// From behind any batch the rest reads alike.
		rest, _, err := read(b.Next, w.records[b.Next.Last:])
		if err != nil || len(rest) != len(sizes)-i-1 {
			t.Errorf("from behind batch %d: %d batches, %v", i, len(rest), err)
		}
	}
	for i, rec := range w.records {
		if len(rec) > record.BytesMax {
			t.Errorf("record %d has %d bytes, at most %d", i, len(rec), record.BytesMax)
		}
	}
}

// The bytes that are stored are a promise to old journals.
func TestTheFormatStands(t *testing.T) {
	records, tail := record.Split(record.Tail{Last: 8, Sum: 0x1122334455667788, Batch: 4, Epoch: 2}, 3, noon, []byte("hello"))
	want := "WEIR\x01\x00\x00\x00" + "\x00\x00\x00\x00" + "\x01\x00\x00\x00" + "\x05\x00\x00\x00" + "\x00\x00\x00\x00" +
		"\x09\x00\x00\x00\x00\x00\x00\x00" + "\x05\x00\x00\x00\x00\x00\x00\x00" + "\x03\x00\x00\x00\x00\x00\x00\x00" +
		"\x2a\x00\xb4\x93\x76\xe2\xfa\x18" + "\x88\x77\x66\x55\x44\x33\x22\x11"
	got := string(records[0])
	if got[:64] != want || got[record.HeaderBytes:] != "hello" {
		t.Errorf("record is %q, want %q, a checksum, and hello", got, want)
	}
	if tail != (record.Tail{Last: 9, Sum: 0x2d07aff4d87bc880, Batch: 5, Epoch: 3}) {
		t.Errorf("tail is %#x", tail)
	}
	if record.PartBytes != 1044408 {
		t.Errorf("PartBytes is %d: references into old journals depend on it", record.PartBytes)
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	var w written
	w.add(1, 20)
	for i := range len(w.records[0]) * 8 {
		rec := bytes.Clone(w.records[0])
		rec[i/8] ^= 1 << (i % 8)
		if _, _, err := record.Decode(1, rec); err == nil {
			t.Errorf("bit %d of byte %d flipped, and nobody noticed", i%8, i/8)
		}
	}
}

func TestFindings(t *testing.T) {
	// Positions: batch 1 at 1, batch 2 at 2 to 4, batch 3 at 5.
	history := func() *written {
		w := &written{}
		w.add(1, 10)
		w.add(1, 3*record.PartBytes)
		w.add(1, 10)
		return w
	}
	newer := bytes.Clone(history().records[0])
	newer[4] = 2
	w := history()

	for _, c := range []struct {
		name    string
		from    record.Tail
		records [][]byte
		at      record.Position
		finding record.Finding
	}{
		{"nothing of ours", record.Tail{}, [][]byte{[]byte("hello")}, 1, record.BadHeader},
		{"empty", record.Tail{}, [][]byte{nil}, 1, record.BadHeader},
		{"a newer format", record.Tail{}, [][]byte{newer}, 1, record.NewerFormat},
		{"cut short", record.Tail{}, [][]byte{w.records[0][:75]}, 1, record.BadSum},
		{"at the wrong place", record.Tail{}, [][]byte{w.records[4]}, 1, record.Misplaced},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := read(c.from, c.records)
			wantDamage(t, err, c.at, c.finding)
		})
	}
}

func TestPositionsMustFollow(t *testing.T) {
	var w written
	for range 4 {
		w.add(1, 10)
	}
	chain := record.NewChain(record.Tail{})
	if _, _, err := chain.Add(1, w.records[0]); err != nil {
		t.Fatal(err)
	}
	_, _, err := chain.Add(4, w.records[3])
	wantDamage(t, err, 2, record.Gap)
	_, _, err = chain.Add(1, w.records[0])
	wantDamage(t, err, 1, record.Misplaced)
	// The chain stands where it stood: the right record goes on.
	if _, whole, err := chain.Add(2, w.records[1]); !whole || err != nil {
		t.Error(whole, err)
	}
}

func TestAnUnfinishedBatchIsPassedOver(t *testing.T) {
	var w written
	w.add(1, 10)
	records, _ := record.Split(w.tail, 1, noon, make([]byte, 3*record.PartBytes))
	_, chain, err := read(record.Tail{}, append(w.records, records[:2]...))
	if err != nil {
		t.Fatal(err)
	}
	left := chain.Tail()
	if left.Last != 3 || left.Batch != 1 {
		t.Fatalf("the tail to append to is %+v", left)
	}
	next := &written{records: append(w.records, records[:2]...), tail: left}
	next.add(2, 10)
	next.add(2, 2*record.PartBytes)
	got, _, err := read(record.Tail{}, next.records)
	if err != nil || len(got) != 3 || got[1].At != 4 || got[2].At != 5 {
		t.Errorf("%d batches, %v", len(got), err)
	}

	// Who begins to read behind the unfinished batch finds no fault either; who
	// meets its continuation there does.
	if got, _, err := read(left, next.records[3:]); err != nil || len(got) != 2 {
		t.Errorf("from behind it: %d batches, %v", len(got), err)
	}
	_, _, err = read(left, records[2:])
	wantDamage(t, err, 4, record.Torn)
}

// An owner has two appends under way. The first is lost, another writer's record
// takes its place, the second arrives and fits by position. It is nobody's, of
// whatever epoch it is.
func TestAStragglerIsPassedOver(t *testing.T) {
	for _, epoch := range []uint64{3, 4, 5, 6} {
		var w written
		w.add(4, 10)
		late := &written{tail: record.Tail{Last: 1, Sum: w.tail.Sum, Batch: 1, Epoch: 3}}
		late.add(epoch, 20) // is lost
		late.add(epoch, 30)
		late.add(epoch, 35)
		w.add(5, 40)
		if before, stray := record.NewChain(w.tail).Stray(late.records[1]); !stray || before == w.tail.Sum {
			t.Errorf("epoch %d: is not seen to be stray: %x, %v", epoch, before, stray)
		}
		w.records = append(w.records, late.records[1])
		_, chain, err := read(record.Tail{}, w.records)
		if err != nil {
			t.Fatal(err)
		}
		if _, stray := chain.Stray(late.records[2]); stray {
			t.Error("what follows a straggler is taken for another first one")
		}
		w.records = append(w.records, late.records[2])
		if _, chain, err = read(record.Tail{}, w.records); err != nil {
			t.Fatal(err)
		}
		w.tail = chain.Tail()
		w.add(7, 50)
		got, _, err := read(record.Tail{}, w.records)
		if err != nil || len(got) != 3 || len(got[1].Data) != 40 || len(got[2].Data) != 50 {
			t.Errorf("epoch %d: %d batches, %v", epoch, len(got), err)
		}
	}
}

func TestTooManyStragglersAreAnotherHistory(t *testing.T) {
	var w written
	for range record.StragglersMax + 2 {
		w.add(1, 1)
	}
	_, chain, err := read(record.Tail{Sum: 1, Epoch: 2}, w.records)
	wantDamage(t, err, record.StragglersMax+1, record.Fork)
	if last := chain.Tail().Last; last != record.StragglersMax {
		t.Errorf("passed over up to %d", last)
	}
}

func TestEpochsDoNotGoBack(t *testing.T) {
	var w written
	w.add(2, 10)
	w.add(1, 10)
	_, _, err := read(record.Tail{}, w.records)
	wantDamage(t, err, 2, record.Fork)
}

func TestLocateBelievesOnlySoundRecords(t *testing.T) {
	var w written
	w.add(1, 10)
	w.add(1, 10)
	if at := record.Locate(1, w.records[1]); at != 2 {
		t.Errorf("a sound record of position 2 is located at %d", at)
	}
	w.records[1][25] ^= 1
	if at := record.Locate(1, w.records[1]); at != 1 {
		t.Errorf("a damaged record is located at %d", at)
	}
}

// Random histories with random faults: a reader gives a prefix of what was
// appended and, when a fault touched what it read, an error.
func TestRandomFaultsAreNeverFolded(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var w written
		var batches []int
		for range 2 + rng.IntN(8) {
			n := rng.IntN(100)
			if rng.IntN(4) == 0 {
				n = rng.IntN(3 * record.PartBytes)
			}
			batches = append(batches, n)
			w.add(1, n)
		}
		harmed, records := false, append([][]byte(nil), w.records...)
		switch i := rng.IntN(len(records)); rng.IntN(4) {
		case 0:
			records[i] = bytes.Clone(records[i])
			records[i][rng.IntN(len(records[i]))] ^= 1 << rng.IntN(8)
			harmed = true
		case 1:
			records = append(records[:i], records[i+1:]...)
			harmed = i < len(records)
		case 2:
			j := rng.IntN(len(records))
			records[i], records[j] = records[j], records[i]
			harmed = i != j
		}
		got, _, err := read(record.Tail{}, records)
		if harmed != (err != nil) {
			t.Fatalf("seed %d: harmed %v, error %v", seed, harmed, err)
		}
		for i, b := range got {
			if len(b.Data) != batches[i] {
				t.Fatalf("seed %d: batch %d has %d bytes, appended were %d", seed, i, len(b.Data), batches[i])
			}
		}
	}
}
