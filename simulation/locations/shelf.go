package locations

import (
	"errors"

	"weir/kernel/journal/record"
	"weir/kernel/link/core"
	replica "weir/kernel/replica/core"
)

// shelf is the journal of a unit in one generation, in one location: records, each
// stored only at the position it expects. What is stored stays, whoever crashes.
type shelf struct {
	site       *site
	unit       string
	generation int

	base    record.Position // what lies before the first record there ever was here
	first   record.Position // what lies before it was trimmed
	records [][]byte        // behind base
	sums    []uint64        // of all positions, for the judge also of those before base
	chained []uint64        // of the newest record of the chain there
	batches map[record.Position]record.Batch
	chain   *record.Chain
	snaps   []snapshot // the two newest

	bells []func() // told of every record
}

var (
	errFenced  = errors.New("fenced: another writer was first")
	errTrimmed = errors.New("trimmed")
)

func newShelf(s *site, unit string, generation int) *shelf {
	return &shelf{site: s, unit: unit, generation: generation, first: 1,
		batches: map[record.Position]record.Batch{}, chain: record.NewChain(record.Tail{})}
}

// seed makes an empty journal begin behind a snapshot.
func (l *shelf) seed(s snapshot) {
	l.base, l.first = s.at.Last, s.at.Last+1
	l.sums = append([]uint64(nil), s.sums...)
	l.chained = append([]uint64(nil), s.chained...)
	l.chain = record.NewChain(s.at)
	l.snaps = []snapshot{s}
}

func (l *shelf) last() record.Position { return record.Position(len(l.sums)) }

// sum returns the checksum of the record that is or was at a position.
func (l *shelf) sum(at record.Position) uint64 {
	if at == 0 || at > l.last() {
		return 0
	}
	return l.sums[at-1]
}

func (l *shelf) mark() core.Mark { return core.Mark{At: l.last(), Sum: l.sum(l.last())} }

// store takes records, as far as the fence lets it. copied says that they come from the
// other location.
func (l *shelf) store(after record.Position, recs [][]byte, copied bool) error {
	for i, rec := range recs {
		at := after + record.Position(i) + 1
		if at != l.last()+1 {
			return errFenced
		}
		h, _, err := record.Decode(at, rec)
		if err != nil {
			return err
		}
		l.records, l.sums = append(l.records, rec), append(l.sums, h.Sum)
		b, whole, err := l.chain.Add(at, rec)
		if err != nil {
			l.site.w.judge.violation("the journal of %s in %s is damaged: %v", l.unit, l.site.name, err)
			return err
		}
		l.chained = append(l.chained, l.chain.Tail().Sum)
		if whole {
			l.batches[b.At] = b
		}
		if whole && !copied {
			l.site.w.judge.appended(l, b)
		}
	}
	for _, ring := range l.bells {
		ring()
	}
	return nil
}

// replay gives at most limit batches behind from.
func (l *shelf) replay(from record.Tail, limit int, fn func(record.Batch) error) (record.Tail, error) {
	if from.Last+1 < l.first {
		return from, errTrimmed
	}
	chain := record.NewChain(from)
	for at := from.Last + 1; at <= l.last() && limit > 0; at++ {
		b, whole, err := chain.Add(at, l.records[at-l.base-1])
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

// read returns the bytes at ref, nil if they are not there any more.
func (l *shelf) read(ref record.Ref) []byte {
	b, ok := l.batches[ref.At]
	if !ok || int(ref.Off)+int(ref.Len) > len(b.Data) {
		return nil
	}
	return b.Data[ref.Off : ref.Off+ref.Len]
}

// stands says what this history knows of a mark, as the journal does.
func (l *shelf) stands(m core.Mark, chained uint64) core.Found {
	switch {
	case m == core.Mark{}: // a copy that begins: what was trimmed is noticed when it is sent
	case m.At > l.last():
		return core.Parted
	case m.At+1 < l.first:
		return core.Trimmed
	case m.Sum != l.sum(m.At):
		if m.At < l.first {
			return core.Trimmed // the first record that is left names another: nobody can tell
		}
		return core.Parted
	case m.At >= l.first && chained != l.chained[m.At-1] && !l.site.w.rules.CopiesOnGaps:
		return core.Parted
	}
	return core.Stands
}

// save keeps a snapshot, and trims behind the one before it and the oldest payload.
func (l *shelf) save(s snapshot) {
	if n := len(l.snaps); n > 0 && l.snaps[n-1].at.Last >= s.at.Last {
		return
	}
	if l.snaps = append(l.snaps, s); len(l.snaps) > 2 {
		l.snaps = l.snaps[1:]
	}
}

// trim forgets what lies before a position.
func (l *shelf) trim(b *replica.Bounds) {
	for before := b.Before(); l.first < before; l.first++ {
		delete(l.batches, l.first)
	}
}
