package amqp

import (
	"slices"

	wire "weir/wire/amqp"
)

// sectionsMax bounds the sections of a message that is put in order.
const sectionsMax = 10_000

// inOrder returns a message with its sections in the order the specification gives
// them, or nil when they can not be told apart. The JavaScript client writes the
// footer before the body.
func inOrder(encoded []byte) []byte {
	type part struct {
		code  uint64
		bytes []byte
	}
	var parts []part
	for rest := encoded; len(rest) > 0; {
		code, _, err := wire.Descriptor(rest)
		if err != nil || len(parts) == sectionsMax {
			return nil
		}
		n, err := wire.Skip(rest)
		if err != nil {
			return nil
		}
		parts = append(parts, part{code, rest[:n]})
		rest = rest[n:]
	}
	slices.SortStableFunc(parts, func(a, b part) int { return int(int64(a.code) - int64(b.code)) })
	ordered := make([]byte, 0, len(encoded))
	for _, p := range parts {
		ordered = append(ordered, p.bytes...)
	}
	return ordered
}
