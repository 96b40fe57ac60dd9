package registry

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Facts and snapshots are versioned: a new binary folds what an old one wrote.
//
//	fact:     version 1, kind (1 put, 2 deleted), time in Unix ns, id, body (of put)
//	snapshot: "WREG", version 1, revision, count, then entries by key:
//	          id, revision, created and updated in Unix ns, body
//
// Numbers are varints, strings and bodies have their length in front.
const (
	factVersion     = 1
	kindPut         = 1
	kindDeleted     = 2
	snapshotVersion = 1
)

var snapshotMagic = []byte("WREG")

type fact struct {
	deleted bool
	at      time.Time
	id      string
	body    []byte
}

// Put is the fact that a resource has this body from now on.
func Put(at time.Time, id string, body []byte) []byte {
	b := header(kindPut, at, id)
	return appendBytes(b, body)
}

// Deleted is the fact that a resource, and all under it, is gone.
func Deleted(at time.Time, id string) []byte { return header(kindDeleted, at, id) }

func header(kind byte, at time.Time, id string) []byte {
	b := []byte{factVersion, kind}
	b = binary.AppendVarint(b, at.UnixNano())
	return appendBytes(b, id)
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// reader takes values off the front of encoded bytes; once it fails it stays failed.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n uint64) []byte {
	if r.failed || n > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	head := r.rest[:n]
	r.rest = r.rest[n:]
	return head
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.take(uint64(max(n, 0)))
	r.failed = r.failed || n <= 0
	return v
}

func (r *reader) time() time.Time {
	v, n := binary.Varint(r.rest)
	r.take(uint64(max(n, 0)))
	r.failed = r.failed || n <= 0
	return time.Unix(0, v).UTC()
}

func (r *reader) bytes() []byte { return r.take(r.uvarint()) }

func decode(b []byte) (fact, error) {
	if len(b) < 2 || b[0] != factVersion || b[1] != kindPut && b[1] != kindDeleted {
		return fact{}, fmt.Errorf("registry: a fact that begins with %x is damaged or from a newer version", b[:min(len(b), 2)])
	}
	r := reader{rest: b[2:]}
	f := fact{deleted: b[1] == kindDeleted, at: r.time(), id: string(r.bytes())}
	if !f.deleted {
		f.body = slices.Clone(r.bytes()) // the fact's bytes belong to the caller
	}
	if r.failed || len(r.rest) > 0 || f.id == "" {
		return fact{}, fmt.Errorf("registry: a fact of %d bytes is damaged", len(b))
	}
	return f, nil
}

// Snapshot appends the whole state to dst.
func (s *State) Snapshot(dst []byte) []byte {
	dst = append(dst, snapshotMagic...)
	dst = append(dst, snapshotVersion)
	dst = binary.AppendUvarint(dst, s.revision)
	dst = binary.AppendUvarint(dst, uint64(len(s.nodes)))
	for _, e := range s.All() {
		dst = appendBytes(dst, e.ID)
		dst = binary.AppendUvarint(dst, e.Revision)
		dst = binary.AppendVarint(dst, e.Created.UnixNano())
		dst = binary.AppendVarint(dst, e.Updated.UnixNano())
		dst = appendBytes(dst, e.Body)
	}
	return dst
}

// Restore replaces the state by a snapshot. After an error the state is empty.
// Changes before a snapshot are not remembered.
func (s *State) Restore(data []byte) error {
	s.Reset()
	r := reader{rest: data}
	if string(r.take(uint64(len(snapshotMagic)))) != string(snapshotMagic) {
		return fmt.Errorf("registry: this is no snapshot of a registry")
	}
	if version := r.take(1); r.failed || version[0] != snapshotVersion {
		return fmt.Errorf("registry: the snapshot has version %d, this binary reads %d", version, snapshotVersion)
	}
	s.revision = r.uvarint()
	for count := r.uvarint(); count > 0 && !r.failed; count-- {
		e := Entry{ID: string(r.bytes()), Revision: r.uvarint(), Created: r.time(), Updated: r.time()}
		e.Body = slices.Clone(r.bytes())
		s.insert(&node{e, Key(e.ID)})
	}
	if r.failed || len(r.rest) > 0 {
		s.Reset()
		return fmt.Errorf("registry: the snapshot of %d bytes is damaged", len(data))
	}
	return nil
}
