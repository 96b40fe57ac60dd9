package core

import (
	"encoding/binary"
	"fmt"
	"time"

	"weir/kernel/journal/record"
)

// The batch as core writes it, version 1; numbers little endian:
//
//	 0  1  version, 1
//	 1  1  kind: 0 facts, 1 opening
//	 2  2  zero
//	 4  4  number of facts
//	 8  8  epoch of the owner
//	16  8  the owner's time stamp, nanoseconds since 1970
//	24     the facts, each: length as uvarint, bytes
//
// An opening batch is the first of an epoch. Its one fact is the name of the node
// that opened it, for people who read logs; machines never see it.
const (
	batchVersion = 1
	headBytes    = 24
	countOffset  = 4
	epochOffset  = 8
	stampOffset  = 16
)

type kind uint8

const (
	facts   kind = 0
	opening kind = 1
)

// Findings of a fold, beside those of package record.
const (
	// BadBatch: a verified batch whose content is not a batch of this format.
	BadBatch record.Finding = "bad-batch"
	// BadEpoch: an epoch that goes back, or that nobody opened.
	BadEpoch record.Finding = "bad-epoch"
	// BadFact: a fact the machine can not fold.
	BadFact record.Finding = "bad-fact"
	// BadSnapshot: a snapshot that can not be restored.
	BadSnapshot record.Finding = "bad-snapshot"
)

// batch is the open batch: what the owner gathers.
type batch struct {
	data    []byte
	count   uint32
	reveals []func()
	urgent  bool // a turn that recorded nothing has a reveal here
}

// begin writes the head into memory, as far as it is known.
func (b *batch) begin(epoch uint64, memory []byte) {
	var head [headBytes]byte
	head[0] = batchVersion
	binary.LittleEndian.PutUint64(head[epochOffset:], epoch)
	b.data = append(memory[:0], head[:]...)
}

// add copies one fact, given in parts, to the end and returns where it begins
// and how long it is.
func (b *batch) add(parts ...[]byte) (off, length int) {
	for _, p := range parts {
		length += len(p)
	}
	b.data = binary.AppendUvarint(b.data, uint64(length))
	off = len(b.data)
	for _, p := range parts {
		b.data = append(b.data, p...)
	}
	b.count++
	return off, length
}

// seal completes the head.
func (b *batch) seal(k kind, stamp int64) {
	b.data[1] = byte(k)
	binary.LittleEndian.PutUint32(b.data[countOffset:], b.count)
	binary.LittleEndian.PutUint64(b.data[stampOffset:], uint64(stamp))
}

// Head is what a batch says of itself.
type Head struct {
	Opening bool
	Facts   int
	Epoch   uint64
	Stamp   time.Time
}

// DecodeBatch reads a batch and calls fact for each of its facts with the place
// where it lies, that of an opening batch included. It is for the fold and for
// tools that show a log. The error is a *record.Damage or what fact returned.
func DecodeBatch(b record.Batch, fact func(ref record.Ref, fact []byte) error) (Head, error) {
	h, err := decodeHead(b)
	if err != nil {
		return h, err
	}
	off := headBytes
	for n := range h.Facts {
		length, w := binary.Uvarint(b.Data[off:])
		if w <= 0 || length > uint64(len(b.Data)-off-w) {
			return h, damaged(b.At, BadBatch, "fact %d of %d is cut off", n+1, h.Facts)
		}
		off += w
		end := off + int(length)
		if err := fact(record.Ref{At: b.At, Off: uint32(off), Len: uint32(length)}, b.Data[off:end:end]); err != nil {
			return h, err
		}
		off = end
	}
	if off != len(b.Data) {
		return h, damaged(b.At, BadBatch, "%d bytes behind the last of %d facts", len(b.Data)-off, h.Facts)
	}
	return h, nil
}

func decodeHead(b record.Batch) (Head, error) {
	if len(b.Data) < headBytes {
		return Head{}, damaged(b.At, BadBatch, "%d bytes are less than a batch's head", len(b.Data))
	}
	if v := b.Data[0]; v != batchVersion {
		return Head{}, damaged(b.At, record.NewerFormat, "batch format %d, this program reads %d", v, batchVersion)
	}
	if k := kind(b.Data[1]); k != facts && k != opening {
		return Head{}, damaged(b.At, record.NewerFormat, "batch kind %d is unknown to this program", k)
	}
	le := binary.LittleEndian
	return Head{
		Opening: kind(b.Data[1]) == opening,
		Facts:   int(le.Uint32(b.Data[countOffset:])),
		Epoch:   le.Uint64(b.Data[epochOffset:]),
		Stamp:   time.Unix(0, int64(le.Uint64(b.Data[stampOffset:]))).UTC(),
	}, nil
}

func damaged(at record.Position, f record.Finding, format string, args ...any) *record.Damage {
	return &record.Damage{At: at, Finding: f, Detail: fmt.Sprintf(format, args...)}
}
