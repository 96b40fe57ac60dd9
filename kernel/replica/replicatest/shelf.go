package replicatest

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"weir/kernel/journal"
	"weir/kernel/replica"
)

// Shelf is the demonstration machine: keys with payloads. It keeps an index and
// leaves the payloads in the log, as services do.
//
// Its facts: a letter, the key behind its length, and what is put. The zero value
// is ready for use.
type Shelf struct {
	items map[string]journal.Ref
	// Folds counts the facts folded since Reset or Restore.
	Folds int
}

const (
	factPut    = 'P' // key, payload
	factDelete = 'D' // key
)

var errFact = errors.New("not a fact of a shelf")

// Put records a payload under a key and returns where it lies.
func (s *Shelf) Put(t *replica.Turn, key string, payload []byte) journal.Ref {
	head := appendString([]byte{factPut}, key)
	ref := t.RecordParts(head, payload)
	s.put(key, ref, len(head))
	return s.items[key]
}

// Delete removes a key.
func (s *Shelf) Delete(t *replica.Turn, key string) {
	if _, ok := s.items[key]; ok {
		t.Record(appendString([]byte{factDelete}, key))
		delete(s.items, key)
		s.Folds++
	}
}

// Get returns where the payload of a key lies.
func (s *Shelf) Get(key string) (journal.Ref, bool) {
	ref, ok := s.items[key]
	return ref, ok
}

// Len returns the number of keys.
func (s *Shelf) Len() int { return len(s.items) }

// Keys returns all keys, sorted.
func (s *Shelf) Keys() []string {
	keys := make([]string, 0, len(s.items))
	for k := range s.items {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// put indexes the payload that begins skip bytes into the fact at ref.
func (s *Shelf) put(key string, ref journal.Ref, skip int) {
	if s.items == nil {
		s.items = map[string]journal.Ref{}
	}
	s.items[key] = journal.Ref{At: ref.At, Off: ref.Off + uint32(skip), Len: ref.Len - uint32(skip)}
	s.Folds++
}

// Apply folds one fact.
func (s *Shelf) Apply(ref journal.Ref, fact []byte) error {
	if len(fact) == 0 {
		return errFact
	}
	key, rest, err := cutString(fact[1:])
	switch {
	case err != nil:
		return err
	case fact[0] == factPut:
		s.put(key, ref, len(fact)-len(rest))
	case fact[0] == factDelete:
		delete(s.items, key)
		s.Folds++
	default:
		return errFact
	}
	return nil
}

// Snapshot appends the index to dst.
func (s *Shelf) Snapshot(dst []byte) []byte {
	for _, key := range s.Keys() {
		ref := s.items[key]
		dst = appendString(dst, key)
		dst = binary.AppendUvarint(dst, uint64(ref.At))
		dst = binary.AppendUvarint(dst, uint64(ref.Off))
		dst = binary.AppendUvarint(dst, uint64(ref.Len))
	}
	return dst
}

// Restore replaces the index.
func (s *Shelf) Restore(data []byte) error {
	s.Reset()
	for len(data) > 0 {
		key, rest, err := cutString(data)
		if err != nil {
			return err
		}
		var n [3]uint64
		for i := range n {
			v, w := binary.Uvarint(rest)
			if w <= 0 {
				return errFact
			}
			n[i], rest = v, rest[w:]
		}
		s.put(strings.Clone(key), journal.Ref{At: journal.Position(n[0]), Off: uint32(n[1]), Len: uint32(n[2])}, 0)
		data = rest
	}
	s.Folds = 0
	return nil
}

// Reset empties the shelf.
func (s *Shelf) Reset() { *s = Shelf{} }

// Horizon returns the oldest position a payload lies at.
func (s *Shelf) Horizon() (oldest journal.Position) {
	for _, ref := range s.items {
		if oldest == 0 || ref.At < oldest {
			oldest = ref.At
		}
	}
	return oldest
}

// LiveBytes returns the length of all payloads.
func (s *Shelf) LiveBytes() (n uint64) {
	for _, ref := range s.items {
		n += uint64(ref.Len)
	}
	return n
}

// Live returns payloads that lie before a position, oldest first.
func (s *Shelf) Live(before journal.Position, maxBytes int) (refs []journal.Ref) {
	for _, ref := range s.items {
		if ref.At < before {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b journal.Ref) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Off, b.Off)) })
	bytes := 0
	for i, ref := range refs {
		if bytes += int(ref.Len); i > 0 && bytes > maxBytes {
			return refs[:i]
		}
	}
	return refs
}

// Carry puts a payload again, if its key still lies at old.
func (s *Shelf) Carry(t *replica.Turn, old journal.Ref, payload []byte) {
	for _, key := range s.Keys() {
		if s.items[key] == old {
			s.Put(t, key, payload)
			return
		}
	}
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func cutString(b []byte) (s string, rest []byte, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return "", nil, errFact
	}
	return string(b[w : w+int(n)]), b[w+int(n):], nil
}

var _ replica.Compactor = (*Shelf)(nil)
