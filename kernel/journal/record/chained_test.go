package record_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"weir/kernel/journal/record"
)

// ChainedAt says of each position what the tail of a reader says that has come there, in
// logs in which fenced writers left records.
func TestChainedAtIsWhatAReaderSays(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var log [][]byte
		var chain []uint64
		reader := record.NewChain(record.Tail{})
		add := func(rec []byte) {
			log = append(log, rec)
			if _, _, err := reader.Add(record.Position(len(log)), rec); err != nil {
				t.Fatal(err)
			}
			chain = append(chain, reader.Tail().Sum)
		}
		epoch := uint64(1)
		for len(log) < 40 {
			if rnd.IntN(3) > 0 || len(log) == 0 {
				recs, _ := record.Split(reader.Tail(), epoch, time.Unix(1, 0), []byte{byte(len(log))})
				add(recs[0])
				continue
			}
			// A writer with several appends under way loses the first of them.
			lost, next := record.Split(reader.Tail(), epoch, time.Unix(2, 0), []byte("lost"))
			epoch++
			won, _ := record.Split(reader.Tail(), epoch, time.Unix(3, 0), []byte("won"))
			_ = lost
			add(won[0])
			for range 1 + rnd.IntN(4) {
				var recs [][]byte
				recs, next = record.Split(next, epoch-1, time.Unix(2, 0), []byte("late"))
				add(recs[0])
			}
		}
		header := func(at record.Position) (record.Header, error) {
			h, _, err := record.Decode(at, log[at-1])
			return h, err
		}
		for at := record.Position(1); at <= record.Position(len(log)); at++ {
			if got, err := record.ChainedAt(at, 1, header); err != nil || got != chain[at-1] {
				t.Fatalf("seed %d, position %d: %016x, %v; a reader says %016x", seed, at, got, err, chain[at-1])
			}
		}
	}
}
