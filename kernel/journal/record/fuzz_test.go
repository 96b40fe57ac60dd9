package record_test

import (
	"encoding/binary"
	"testing"

	"github.com/cespare/xxhash/v2"

	"weir/kernel/journal/record"
)

// FuzzDecode gives the decoder anything, with and without a right checksum: it
// must not fall over, and what it accepts must be what Split would have made.
func FuzzDecode(f *testing.F) {
	records, _ := record.Split(record.Tail{Last: 3, Sum: 9, Batch: 2}, 1, noon, make([]byte, record.PartBytes+5))
	f.Add(uint64(5), records[1])
	records, _ = record.Split(record.Tail{}, 1, noon, []byte("hello"))
	f.Add(uint64(1), records[0])
	f.Add(uint64(1), []byte("WEIR\x01"))
	f.Fuzz(func(t *testing.T, at uint64, rec []byte) {
		for range 2 {
			h, body, err := record.Decode(record.Position(at), rec)
			if err == nil && (h.At != record.Position(at) || h.First() < 1 || h.Part >= h.Parts ||
				uint64(h.Part)*record.PartBytes+uint64(len(body)) > uint64(h.Total) || len(body) > record.PartBytes) {
				t.Errorf("accepted %+v with %d bytes", h, len(body))
			}
			chain := record.NewChain(record.Tail{Last: record.Position(at) - 1})
			if b, whole, err := chain.Add(record.Position(at), rec); err == nil && whole && b.Next != chain.Tail() {
				t.Errorf("batch ends at %+v, the chain at %+v", b.Next, chain.Tail())
			}
			record.Locate(record.Position(at), rec)
			if len(rec) < record.HeaderBytes {
				return
			}
			d := xxhash.New()
			d.Write(rec[:record.HeaderBytes-8])
			d.Write(rec[record.HeaderBytes:])
			binary.LittleEndian.PutUint64(rec[record.HeaderBytes-8:], d.Sum64())
		}
	})
}

// FuzzSplit cuts anything and puts it together again.
func FuzzSplit(f *testing.F) {
	f.Add(uint64(0), uint64(0), uint64(1), 0, []byte{})
	f.Add(uint64(7), uint64(3), uint64(2), record.PartBytes, []byte("tail"))
	f.Fuzz(func(t *testing.T, last, sum, epoch uint64, pad int, text []byte) {
		if last > 1<<62 || pad < 0 || pad > 3*record.PartBytes {
			return
		}
		tail := record.Tail{Last: record.Position(last), Sum: sum, Batch: last, Epoch: epoch}
		batch := append(make([]byte, pad), text...)
		records, next := record.Split(tail, epoch, noon, batch)
		got, chain, err := read(tail, records)
		if err != nil || len(got) != 1 || string(got[0].Data) != string(batch) || chain.Tail() != next {
			t.Errorf("%d batches up to %+v, %v; want one up to %+v", len(got), chain.Tail(), err, next)
		}
		for i, rec := range records {
			if int(record.PartOf(rec)) != i {
				t.Errorf("part %d says it is %d", i, record.PartOf(rec))
			}
		}
	})
}
