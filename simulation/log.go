package simulation

import (
	"errors"
	"time"

	"weir/kernel/journal/record"
)

// Log is the log as JetStream keeps it: records, each stored only if it expects
// exactly the newest position. What was stored stays, whoever crashes.
type Log struct {
	w       *World
	records [][]byte
	batches map[record.Position][]byte // decoded, for payload reads
	folded  *record.Chain
	first   record.Position // everything before was trimmed
	slow    bool

	snapshots []snapshot
	stored    func(record.Batch) // told of every batch, in order
}

type snapshot struct {
	at   record.Tail
	data []byte
}

var (
	errFenced  = errors.New("fenced: another writer was first")
	errUnknown = errors.New("outcome unknown: no answer came")
	errTrimmed = errors.New("trimmed")
)

func newLog(w *World) *Log {
	return &Log{w: w, batches: map[record.Position][]byte{}, folded: record.NewChain(record.Tail{}), first: 1}
}

// store takes the records of one batch, as far as the fence lets it.
func (l *Log) store(after record.Position, recs [][]byte) error {
	for i, rec := range recs {
		if int(after)+i != len(l.records) {
			return errFenced
		}
		l.records = append(l.records, rec)
		at := record.Position(len(l.records))
		b, whole, err := l.folded.Add(at, rec)
		if err != nil {
			panic("simulation: the log itself is damaged: " + err.Error())
		}
		if whole {
			l.batches[b.At] = b.Data
			if l.stored != nil {
				l.stored(b)
			}
		}
	}
	return nil
}

// replay gives at most limit batches behind from.
func (l *Log) replay(from record.Tail, limit int, fn func(record.Batch) error) (record.Tail, error) {
	if from.Last+1 < l.first {
		return from, errTrimmed
	}
	chain := record.NewChain(from)
	for at := from.Last + 1; int(at) <= len(l.records) && limit > 0; at++ {
		b, whole, err := chain.Add(at, l.records[at-1])
		if err != nil {
			return chain.Tail(), err
		}
		if whole {
			limit--
			if err := fn(b); err != nil {
				return chain.Tail(), err
			}
		}
	}
	return chain.Tail(), nil
}

// read returns the bytes at ref, or nil if they are not in the log any more.
func (l *Log) read(ref record.Ref) []byte {
	data, ok := l.batches[ref.At]
	if !ok || ref.At < l.first || int(ref.Off)+int(ref.Len) > len(data) {
		return nil
	}
	return data[ref.Off : ref.Off+ref.Len]
}

// save keeps a snapshot and trims the log behind the one before it.
func (l *Log) save(s snapshot, horizon record.Position) {
	if n := len(l.snapshots); n > 0 && l.snapshots[n-1].at.Last >= s.at.Last {
		return
	}
	l.snapshots = append(l.snapshots, s)
	if n := len(l.snapshots); n > 1 {
		before := min(l.snapshots[n-2].at.Last+1, horizon)
		l.first = max(l.first, before)
	}
}

// latency is how long one way to the log takes.
func (l *Log) latency() time.Duration {
	if l.slow {
		return l.w.Between(5*time.Millisecond, 80*time.Millisecond)
	}
	return l.w.Between(50*time.Microsecond, 2*time.Millisecond)
}
