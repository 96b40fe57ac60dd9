package ledger

import (
	"encoding/binary"
	"time"

	"weir/kernel/journal/record"
)

// A fact is a kind, a version, the time, fields, and what its block holds. Kinds are never used
// for anything else and a version is never changed: a new need is a new version, which
// old binaries refuse by name.
type factKind byte

const (
	factPut       factKind = 1  // a workflow is there, or has a new version; block: the definition
	factRemoved   factKind = 2  // a workflow is not there any more, nor are its runs
	factSwitched  factKind = 3  // a workflow was enabled or disabled
	factBegan     factKind = 4  // a run is there; block, when it waits: its trigger
	factAdvanced  factKind = 5  // facts of a run; block: their payloads
	factArchived  factKind = 6  // a run that has ended was written as one; block: the archive
	factForgotten factKind = 7  // runs are not kept any more
	factTrigger   factKind = 8  // what a trigger remembers
	factCarried   factKind = 9  // a block lies behind this head now
	factOwned     factKind = 10 // an ownership began
	factSecret    factKind = 11 // the unit has a secret
	factKey       factKind = 12 // a key of a workflow has its next generation
	factNoted     factKind = 13 // a trigger fired and no run came of it
	factAdopted   factKind = 14 // a run of another history is there; block: its payloads, or its archive
	factKindsMax           = 15
	factVersion            = 1
)

type writer struct{ b []byte }

func begin(k factKind, now time.Time) *writer {
	w := &writer{append(make([]byte, 0, 128), byte(k), factVersion)}
	w.signed(now.UnixMicro())
	return w
}

func (w *writer) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) signed(n int64)  { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) text(s string)   { w.number(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) flag(set bool) {
	if set {
		w.b = append(w.b, 1)
		return
	}
	w.b = append(w.b, 0)
}

// reader takes a fact or a snapshot apart. After the first thing that is not as it must
// be everything it gives is zero, and bad is set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) number() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) signed() int64 {
	n, w := binary.Varint(r.b)
	if w <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) word() uint32 {
	n := r.number()
	if n > 1<<32-1 {
		r.fail()
		return 0
	}
	return uint32(n)
}

func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.count()
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) flag() bool {
	c := r.byte()
	if c > 1 {
		r.fail()
	}
	return c == 1
}

// record writes a fact with what its block holds, and folds it.
func (l *Ledger) record(t Turn, w *writer, block []byte) record.Ref {
	l.parts = append(l.parts[:0], w.b)
	if len(block) > 0 {
		l.parts = append(l.parts, block)
	}
	ref := t.RecordParts(l.parts...)
	clear(l.parts)
	if err := l.fold(ref, w.b); err != nil {
		panic("ledger: a fact of ours does not fold: " + err.Error())
	}
	return ref
}

// Apply folds one fact that lies at ref. It never refuses: an error means damage, or a
// fact newer than this program.
func (l *Ledger) Apply(ref record.Ref, fact []byte) error {
	if len(fact) != int(ref.Len) {
		return badFact("its length is %d, its place says %d", len(fact), ref.Len)
	}
	return l.fold(ref, fact)
}
