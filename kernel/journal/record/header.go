package record

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// HeaderBytes is the length of a record's header, version 1. All numbers are
// little endian.
//
//	 0  4  magic "WEIR"
//	 4  1  version, 1
//	 5  3  zero
//	 8  4  index of this part in its batch
//	12  4  number of parts in the batch
//	16  4  length of the batch
//	20  4  zero
//	24  8  position of this record
//	32  8  ordinal of the batch in the journal, from 1
//	40  8  epoch of the writer
//	48  8  time of the append, nanoseconds since 1970, by the writer's clock
//	56  8  checksum of the predecessor, 0 for the first record of a journal
//	64  8  checksum: xxhash64 of bytes 0 to 64 followed by the body
//
// First and last part, and the length of the body, follow from index, number and
// length.
const HeaderBytes = 72

const (
	magic     = "WEIR"
	version   = 1
	sumOffset = 64
)

// Header is what a record says of itself.
type Header struct {
	Part, Parts uint32
	Total       uint32 // bytes of the whole batch
	At          Position
	Ordinal     uint64
	Epoch       uint64
	Time        int64 // nanoseconds since 1970
	Before, Sum uint64
}

// First returns the position of the first record of the record's batch.
func (h Header) First() Position { return h.At - Position(h.Part) }

// IsLast reports whether the record completes its batch.
func (h Header) IsLast() bool { return h.Part+1 == h.Parts }

// seal writes h in front of the body that is already in rec, with the checksum
// of both, and returns that checksum.
func (h Header) seal(rec []byte) uint64 {
	le := binary.LittleEndian
	copy(rec, magic)
	le.PutUint32(rec[4:], version)
	le.PutUint32(rec[8:], h.Part)
	le.PutUint32(rec[12:], h.Parts)
	le.PutUint32(rec[16:], h.Total)
	le.PutUint64(rec[24:], uint64(h.At))
	le.PutUint64(rec[32:], h.Ordinal)
	le.PutUint64(rec[40:], h.Epoch)
	le.PutUint64(rec[48:], uint64(h.Time))
	le.PutUint64(rec[56:], h.Before)
	sum := sumOf(rec)
	le.PutUint64(rec[sumOffset:], sum)
	return sum
}

// sumOf computes the checksum that belongs into rec.
func sumOf(rec []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.Write(rec[:sumOffset])
	d.Write(rec[HeaderBytes:])
	return d.Sum64()
}

// Decode reads and verifies the record stored at position at and returns its
// header and its body, which is a part of rec. The error is a *Damage.
func Decode(at Position, rec []byte) (Header, []byte, error) {
	h, err := peek(at, rec)
	if err != nil {
		return Header{}, nil, err
	}
	if sum := sumOf(rec); sum != h.Sum {
		return Header{}, nil, damaged(at, BadSum, "the record says %016x, its bytes make %016x", h.Sum, sum)
	}
	if err := h.sane(at, len(rec)); err != nil {
		return Header{}, nil, err
	}
	return h, rec[HeaderBytes:], nil
}

// peek reads the header without trusting it.
func peek(at Position, rec []byte) (Header, error) {
	if len(rec) < HeaderBytes || string(rec[:4]) != magic {
		return Header{}, damaged(at, BadHeader, "%d bytes that are no record of a journal", len(rec))
	}
	if rec[4] != version {
		return Header{}, damaged(at, NewerFormat, "format %d, this program reads format %d", rec[4], version)
	}
	le := binary.LittleEndian
	return Header{
		Part:    le.Uint32(rec[8:]),
		Parts:   le.Uint32(rec[12:]),
		Total:   le.Uint32(rec[16:]),
		At:      Position(le.Uint64(rec[24:])),
		Ordinal: le.Uint64(rec[32:]),
		Epoch:   le.Uint64(rec[40:]),
		Time:    int64(le.Uint64(rec[48:])),
		Before:  le.Uint64(rec[56:]),
		Sum:     le.Uint64(rec[sumOffset:]),
	}, nil
}

// sane holds a verified header against itself and against where it was found.
func (h Header) sane(at Position, length int) error {
	switch {
	case h.At != at:
		return damaged(at, Misplaced, "the record belongs to position %d", h.At)
	case h.Part >= h.Parts || uint64(h.Part) >= uint64(at) || h.Ordinal == 0:
		return damaged(at, BadHeader, "part %d of %d in batch %d", h.Part, h.Parts, h.Ordinal)
	case uint64(length-HeaderBytes) != uint64(bodyOf(h.Part, h.Parts, h.Total)):
		return damaged(at, BadHeader, "part %d of %d with %d of %d bytes", h.Part, h.Parts, length-HeaderBytes, h.Total)
	}
	return nil
}

// bodyOf returns how many bytes of a batch of total bytes are in the given part;
// the largest number there is, which fits nothing, when parts is wrong.
func bodyOf(part, parts, total uint32) uint32 {
	if uint64(parts) != uint64(Parts(int(total))) {
		return ^uint32(0)
	}
	if part+1 < parts {
		return PartBytes
	}
	return total - part*PartBytes
}

// Locate returns the position a stored record claims when its checksum bears it
// out, and expect otherwise: for a log that hands out records in order without
// saying where each was stored.
func Locate(expect Position, rec []byte) Position {
	h, err := peek(expect, rec)
	if err != nil || h.At == expect || sumOf(rec) != h.Sum {
		return expect
	}
	return h.At
}

// PartOf returns which part of its batch a verified record is.
func PartOf(rec []byte) uint32 { return binary.LittleEndian.Uint32(rec[8:]) }
