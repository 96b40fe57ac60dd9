package broker

import (
	"encoding/binary"
	"fmt"

	"weir/kernel/fault"
	"weir/wire/amqp"
)

// A fact is a kind, a version, and fields: numbers as varints, texts with their
// length before them, flags as one number. Kinds are never used for anything else
// and a version is never changed: a new need is a new version, which old binaries
// refuse by name.
type factKind byte

const (
	factDefined   factKind = 1  // an entity is there, or changed
	factRemoved   factKind = 2  // an entity is not there any more
	factStored    factKind = 3  // new messages, with their payloads
	factGone      factKind = 4  // messages left for good
	factReturned  factKind = 5  // locked messages came back
	factDeferred  factKind = 6  // a message was set aside
	factMoved     factKind = 7  // messages went from one mailbox to others
	factCarried   factKind = 8  // a payload lies elsewhere now
	factState     factKind = 9  // a session's state was set
	factForgot    factKind = 10 // message ids left the duplicate detection window
	factSalvaged  factKind = 11 // how far another owner's tail was brought back
	factKindsMax           = 12
	factVersion            = 1
	factHeadBytes          = 2
)

var factNames = [factKindsMax]string{
	factDefined: "defined", factRemoved: "removed", factStored: "stored", factGone: "gone", factReturned: "returned",
	factDeferred: "deferred", factMoved: "moved", factCarried: "carried", factState: "session state", factForgot: "forgot", factSalvaged: "salvaged",
}

func (k factKind) String() string {
	if k > 0 && k < factKindsMax {
		return factNames[k]
	}
	return fmt.Sprintf("fact kind %d", byte(k))
}

// badFact is the error of a fact that cannot be folded.
func badFact(format string, args ...any) error {
	return fault.New(fault.Damaged, "A fact of the journal cannot be read: "+format+".", args...)
}

func appendHead(dst []byte, k factKind) []byte { return append(dst, byte(k), factVersion) }

func appendNumber(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

// appendSigned writes numbers near 0, also below it, short.
func appendSigned(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendFlag(dst []byte, set bool) []byte {
	if set {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// reader takes a fact or a snapshot apart. After the first thing that is not as it
// must be everything it gives is zero, and bad is set.
type reader struct {
	b     []byte
	whole int // length of what is read, from its very beginning
	bad   bool
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) number() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		n := r.b[0]
		r.b = r.b[1:]
		return uint64(n)
	}
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

// positive reads a number that must fit an int64.
func (r *reader) positive() int64 {
	n := r.number()
	if n > 1<<63-1 {
		r.fail()
		return 0
	}
	return int64(n)
}

// small reads a number that must fit 32 bits.
func (r *reader) small() uint32 {
	n := r.number()
	if n > 1<<32-1 {
		r.fail()
		return 0
	}
	return uint32(n)
}

// count reads how many things follow, each of which takes at least one byte.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
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

func (r *reader) flag() bool {
	c := r.byte()
	if c > 1 {
		r.fail()
	}
	return c == 1
}

// bytes returns a text without copying it.
func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) text() string { return string(r.bytes()) }

// appendProperties writes properties with the encoding that the wire has for their
// values.
func appendProperties(dst []byte, in []Property) []byte {
	dst = appendNumber(dst, uint64(len(in)))
	for _, p := range in {
		dst = appendText(dst, p.Name)
		dst = amqp.AppendValue(dst, p.Value)
	}
	return dst
}

func (r *reader) properties() []Property {
	n := r.count()
	if n == 0 {
		return nil
	}
	out := make([]Property, 0, min(n, 64))
	for range n {
		name := r.text()
		if r.bad {
			return nil
		}
		v, rest, err := amqp.ReadValue(r.b)
		if err != nil {
			r.fail()
			return nil
		}
		r.b = rest
		out = append(out, Property{name, cloned(v)})
	}
	return out
}

// cloned makes a value independent of the bytes it was read from.
func cloned(v any) any {
	switch x := v.(type) {
	case []byte:
		return append([]byte{}, x...)
	case *amqp.Described:
		return &amqp.Described{Descriptor: cloned(x.Descriptor), Value: cloned(x.Value)}
	}
	return v
}

func appendEdit(dst []byte, e *Edit) []byte {
	if e == nil {
		e = &Edit{}
	}
	dst = appendProperties(dst, e.Application)
	dst = appendNumber(dst, uint64(len(e.Removed)))
	for _, name := range e.Removed {
		dst = appendText(dst, name)
	}
	return appendProperties(dst, e.System)
}

// edit reads an edit, nil for an empty one.
func (r *reader) edit() *Edit {
	e := &Edit{Application: r.properties()}
	for range r.count() {
		e.Removed = append(e.Removed, r.text())
	}
	e.System = r.properties()
	if len(e.Application)+len(e.Removed)+len(e.System) == 0 {
		return nil
	}
	return e
}
