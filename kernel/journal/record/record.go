// Package record is the journal on paper: positions, and the format in which a
// batch of bytes is cut into records, chained, and put together again.
//
// It is pure: no clock, no goroutine, no I/O. The log that stores the records
// is somebody else's; package journal keeps them in JetStream.
//
// Words: a *batch* is what one append carries, bytes of any size up to
// BatchBytesMax. It is stored as one or more *records*, each at most BytesMax
// long, in consecutive positions. The *chain* is the order in which each record
// names the checksum of the one before it.
//
// Promises:
//
//  1. Every record carries a checksum over its header and body and the checksum
//     of its predecessor. A changed byte, a missing record and a record from
//     another history are three different findings, each named in a Damage.
//  2. Chain gives a batch only when it is whole and every record of it was
//     verified. It never goes on after damage.
//  3. A batch that its writer did not finish is passed over when the next batch
//     begins, on every reader alike.
//  4. A record that a fenced writer slipped in behind the fence (it does not
//     chain) is passed over, on every reader alike: its writer was never told
//     that it was stored. More of them in a row than a writer can have under way
//     are a Fork.
//  5. Split is deterministic: same tail, epoch, time and bytes give the same records.
//  6. Byte n of a batch is in record n/PartBytes: a reader of a few bytes needs
//     only the records they are in.
//
// Refuses: to repair, to guess, to fold on.
package record

import "time"

// Position is a record's place in a journal: its stream sequence, from 1. A
// batch is known by the position of its first record. 0 is before everything.
type Position uint64

// Ref names bytes inside a batch: Len bytes from Off in the batch at At.
type Ref struct {
	At       Position
	Off, Len uint32
}

// Tail is the end of a chain, all that is needed to append to it or to go on
// reading behind it. The zero Tail is the beginning of a journal.
type Tail struct {
	// Last is the last position taken, whatever is stored there.
	Last Position
	// Sum is the checksum of the last record of the chain.
	Sum uint64
	// Batch counts the whole batches up to here.
	Batch uint64
	// Epoch is the epoch of the last record of the chain.
	Epoch uint64
}

// Batch is one whole, verified batch.
type Batch struct {
	// At is the position of its first record.
	At Position
	// Next is the tail behind its last record.
	Next Tail
	// Epoch is the ownership under which it was written.
	Epoch uint64
	// Data is what was appended. It may be shared with caches: do not write to it.
	Data []byte
	// Time is when it was appended, by the writer's clock.
	Time time.Time
}

const (
	// BytesMax is the longest record, header included. It stays under the 1 MiB
	// that a NATS server takes by default, with room for the headers NATS adds.
	BytesMax = 1<<20 - 4096
	// PartBytes is how much of a batch each of its records but the last holds.
	PartBytes = BytesMax - HeaderBytes
	// BatchBytesMax is the longest batch: a message of 100 MiB and what belongs
	// to it.
	BatchBytesMax = 128 << 20
	// StragglersMax is how many records of fenced writers may follow each other: no
	// writer has more under way. More are another history.
	StragglersMax = 256
)

// Parts returns how many records a batch of n bytes takes. An empty batch takes
// one.
func Parts(n int) int {
	return max(1, (n+PartBytes-1)/PartBytes)
}
