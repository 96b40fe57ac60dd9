package run

import (
	"encoding/binary"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/expression"
)

// The facts of one Advance, version 1: a version byte, how many, and of each its kind,
// its place, which of the other fields it has as flags, and those. Payloads lie behind
// all of them, in their order; a head has their lengths only.
const factsVersion = 1

// What a fact has, as flags. Numbers are stored.
const (
	hasStatus = 1 << iota
	hasWhy
	hasGraph
	hasCount
	hasAttempt
	hasPhase
	hasDue
	hasDeadline
	hasLocation
	hasVariable
	hasFlag
	hasInputs
	hasOutputs
	hasError
	hasAll
)

type writer struct{ b []byte }

func (w *writer) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) signed(n int64)  { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) text(s string)   { w.number(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) ref(r record.Ref) {
	w.number(uint64(r.Len))
	if r.Len > 0 {
		w.number(uint64(r.At))
		w.number(uint64(r.Off))
	}
}

func (f *Fact) flags() (n uint64) {
	for bit, has := range [...]bool{f.Status != 0 || f.Code != "", f.Why != 0, f.Kind == Entered || f.Kind == Started, f.Count != 0, f.Attempt != 0, f.Phase != 0, f.Due != 0, f.Deadline != 0, f.Location != "", f.Op != 0, f.Flag, f.Inputs.given, f.Outputs.given, f.Error.given} {
		if has {
			n |= 1 << bit
		}
	}
	return n
}

// Append writes facts: their head, and behind another text their payloads.
func Append(head, payloads []byte, facts []*Fact) ([]byte, []byte) {
	w := writer{append(head, factsVersion)}
	w.number(uint64(len(facts)))
	for _, f := range facts {
		flags := f.flags()
		if f.Kind == Passed {
			flags &^= hasStatus // folding sets it
		}
		w.b = append(w.b, byte(f.Kind))
		w.number(uint64(f.At.Frame))
		w.number(uint64(f.At.Node))
		w.number(flags)
		w.fields(f, flags)
		for _, p := range []*Payload{&f.Inputs, &f.Outputs, &f.Error} {
			if p.given {
				before := len(payloads)
				payloads = expression.AppendJSON(payloads, p.Value)
				w.number(uint64(len(payloads) - before))
			}
		}
	}
	return w.b, payloads
}

func (w *writer) fields(f *Fact, flags uint64) {
	if flags&hasStatus != 0 {
		w.b = append(w.b, byte(f.Status))
		w.text(f.Code)
	}
	if flags&hasWhy != 0 {
		w.b = append(w.b, byte(f.Why))
		w.number(uint64(f.By))
	}
	if flags&hasGraph != 0 {
		w.number(uint64(f.First))
		w.number(uint64(f.Size))
		w.signed(int64(f.Iteration))
	}
	if flags&hasCount != 0 {
		w.number(uint64(f.Count))
	}
	if flags&hasAttempt != 0 {
		w.number(uint64(f.Attempt))
	}
	if flags&hasPhase != 0 {
		w.b = append(w.b, byte(f.Phase))
	}
	if flags&hasDue != 0 {
		w.signed(f.Due)
	}
	if flags&hasDeadline != 0 {
		w.signed(f.Deadline)
	}
	if flags&hasLocation != 0 {
		w.text(f.Location)
	}
	if flags&hasVariable != 0 {
		w.number(uint64(f.Variable))
		w.b = append(w.b, byte(f.Op))
	}
}

// reader takes what was written apart. After the first thing that is not as it must be
// everything it gives is zero, and bad is set.
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

func (r *reader) small() int32 {
	n := r.number()
	if n > 1<<31-1 {
		r.fail()
		return 0
	}
	return int32(n)
}

func (r *reader) word() uint32 {
	n := r.number()
	if n > 1<<32-1 {
		r.fail()
		return 0
	}
	return uint32(n)
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) text() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) ref() record.Ref {
	n := r.word()
	if n == 0 {
		return record.Ref{}
	}
	return record.Ref{At: record.Position(r.number()), Off: r.word(), Len: n}
}

// Read reads facts whose payloads lie at base.
func Read(head []byte, base record.Ref) ([]*Fact, error) {
	r := reader{b: head}
	if v := r.byte(); v != factsVersion {
		return nil, badFact("its version is %d, this program reads %d", v, factsVersion)
	}
	off := uint64(base.Off)
	facts := make([]*Fact, 0, 8)
	for range r.count() {
		f := &Fact{Kind: Kind(r.byte()), At: Place{r.word(), r.word()}, Iteration: 0}
		flags := r.number()
		r.fields(f, flags)
		for k, p := range []*Payload{&f.Inputs, &f.Outputs, &f.Error} {
			if flags&(hasInputs<<k) != 0 {
				n := r.word()
				p.given, p.Ref = true, record.Ref{At: base.At, Off: uint32(off), Len: n}
				if off += uint64(n); n == 0 || off > uint64(base.Off)+uint64(base.Len) {
					r.fail()
				}
			}
		}
		if r.bad || f.Kind == 0 || f.Kind >= kindsMax || flags >= hasAll || f.Status >= statusesMax || f.Phase >= phasesMax || f.Why >= whysMax || f.Op >= opsMax {
			return nil, badFact("a fact is cut off or not known to this program")
		}
		facts = append(facts, f)
	}
	if r.bad || len(r.b) > 0 || off != uint64(base.Off)+uint64(base.Len) {
		return nil, badFact("facts do not end where they must")
	}
	return facts, nil
}

func (r *reader) fields(f *Fact, flags uint64) {
	if flags&hasStatus != 0 {
		f.Status, f.Code = Status(r.byte()), r.text()
	}
	if flags&hasWhy != 0 {
		f.Why, f.By = Why(r.byte()), r.word()
	}
	if flags&hasGraph != 0 {
		f.First, f.Size, f.Iteration = r.small(), r.small(), int32(r.signed())
	}
	if flags&hasCount != 0 {
		f.Count = r.small()
	}
	if flags&hasAttempt != 0 {
		f.Attempt = r.small()
	}
	if flags&hasPhase != 0 {
		f.Phase = Phase(r.byte())
	}
	if flags&hasDue != 0 {
		f.Due = r.signed()
	}
	if flags&hasDeadline != 0 {
		f.Deadline = r.signed()
	}
	if flags&hasLocation != 0 {
		f.Location = r.text()
	}
	if flags&hasVariable != 0 {
		f.Variable, f.Op = r.small(), Op(r.byte())
	}
	f.Flag = flags&hasFlag != 0
}
