package core

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Version is the protocol this package speaks.
const Version = 2

// HeadBytes is the length of a frame's head. All numbers are little endian.
//
//	 0  4  length of the body, as it is sent
//	 4  1  kind
//	 5  1  flags: 1 the body is compressed (S2, one block)
//	 6  2  zero
//	 8  8  checksum: xxhash64 of bytes 0 to 8 followed by the body
//	16     the body
const HeadBytes = 16

const sumOffset = 8

const (
	// FrameBytesMax is the longest body, before and after compression: a run of
	// records (about 1 MiB, and one record more) and what is said of them.
	FrameBytesMax = 4 << 20
	// wordBytesMax is the longest body of the kinds that carry neither records nor a
	// seed.
	wordBytesMax = 16 << 10
	// FramesInFlightMax is how many frames of records may be unacknowledged.
	FramesInFlightMax = 4096
	// SeedBytesMax is the longest seed.
	SeedBytesMax = 2 << 30
)

// Kind says what a frame is. Numbers are sent: never reuse one.
type Kind uint8

// The kinds of frames, and who sends them.
const (
	KindHello  Kind = 1 // secondary: what it has, the first frame of a connection
	KindAnswer Kind = 2 // primary: whether and how it goes on, the second
	KindData   Kind = 3 // primary: records
	KindBeat   Kind = 4 // primary: where its log ends
	KindAck    Kind = 5 // secondary: what is durable; also its beat
	KindSeed   Kind = 6 // primary: a snapshot follows
	KindChunk  Kind = 7 // primary: a part of it
	KindBye    Kind = 8 // either: why it ends the connection
)

// bulk reports whether a kind carries much, and may so be long and compressed.
func (k Kind) bulk() bool { return k == KindData || k == KindChunk }

// Compressed is the flag of a body that is one S2 block.
const Compressed byte = 1

// errFrame is the error of bytes that are no frame of this protocol.
var errFrame = errors.New("link: not a frame of this protocol")

// Head is what a frame says of itself.
type Head struct {
	Kind   Kind
	Flags  byte
	Length int
	sum    uint64
}

// Seal writes the head into the first HeadBytes of frame, which holds the body
// behind them.
func Seal(frame []byte, k Kind, flags byte) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-HeadBytes))
	frame[4], frame[5], frame[6], frame[7] = byte(k), flags, 0, 0
	binary.LittleEndian.PutUint64(frame[sumOffset:], frameSum(frame[:sumOffset], frame[HeadBytes:]))
}

func frameSum(head, body []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.Write(head)
	d.Write(body)
	return d.Sum64()
}

// ParseHead reads a head, before its body is read, so that nobody makes the
// reader hold more than a frame of its kind may be.
func ParseHead(b *[HeadBytes]byte) (Head, error) {
	h := Head{Kind: Kind(b[4]), Flags: b[5], Length: int(binary.LittleEndian.Uint32(b[:])), sum: binary.LittleEndian.Uint64(b[sumOffset:])}
	most := wordBytesMax
	if h.Kind.bulk() {
		most = FrameBytesMax
	}
	switch {
	case h.Kind < KindHello || h.Kind > KindBye || b[6] != 0 || b[7] != 0:
		return Head{}, fmt.Errorf("%w: kind %d", errFrame, h.Kind)
	case h.Length > most:
		return Head{}, fmt.Errorf("%w: kind %d with %d bytes, at most %d", errFrame, h.Kind, h.Length, most)
	case h.Flags > Compressed || h.Flags == Compressed && !h.Kind.bulk():
		return Head{}, fmt.Errorf("%w: kind %d with flags %d", errFrame, h.Kind, h.Flags)
	}
	return h, nil
}

// Verify holds the body that was read against the head.
func (h Head) Verify(b *[HeadBytes]byte, body []byte) error {
	if len(body) != h.Length || frameSum(b[:sumOffset], body) != h.sum {
		return fmt.Errorf("%w: a frame of kind %d was changed on its way", errFrame, h.Kind)
	}
	return nil
}
