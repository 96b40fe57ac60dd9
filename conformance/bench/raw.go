package bench

import (
	"context"
	"os"
	"time"

	"weir/kernel/journal"
)

// rawBytes is one batch of the raw measurements; rawTime is how long each goes on.
const (
	rawBytes = 64 << 10
	rawTime  = time.Second
)

// rawJournal appends batches to a journal of its own, one at a time as a group
// commit does, and returns how many messages a second that carries.
func rawJournal(ctx context.Context, dir string) (perS float64, err error) {
	defer os.RemoveAll(dir)
	store, err := journal.Open(ctx, journal.Options{Dir: dir, Node: "bench"})
	if err != nil {
		return 0, err
	}
	defer store.Close(ctx)
	j, err := store.Journal(ctx, "bench", 1)
	if err != nil {
		return 0, err
	}
	defer j.Close()
	tail, batch := journal.Tail{}, make([]byte, rawBytes)
	return repeat(func() error {
		p := j.Append(ctx, tail, 1, batch)
		tail = p.Next()
		return p.Wait(ctx)
	})
}

// rawSync writes the same bytes to a bare file and syncs each write.
func rawSync(path string) (perS float64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer os.Remove(path)
	defer f.Close()
	batch := make([]byte, rawBytes)
	return repeat(func() error {
		if _, err := f.Write(batch); err != nil {
			return err
		}
		return f.Sync()
	})
}

// repeat stores batches for a while and returns messages a second.
func repeat(store func() error) (perS float64, err error) {
	began, n := time.Now(), 0
	for ; time.Since(began) < rawTime; n++ {
		if err := store(); err != nil {
			return 0, err
		}
	}
	return float64(n*rawBytes/bodyBytes) / time.Since(began).Seconds(), nil
}
