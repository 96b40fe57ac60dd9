package core

import (
	"encoding/binary"
	"fmt"
	"time"

	"weir/kernel/journal/record"
)

// Hello is what a secondary says first.
type Hello struct {
	Version  uint32
	Term     uint64 // of the group, as the secondary knows it
	After    Mark   // its newest record
	Chained  uint64 // checksum of the newest record there that is of the chain; 0: not known
	Window   uint64 // bytes it takes before it has acknowledged them
	Unit     string
	Location string
}

// Verdict is the primary's answer to a hello. Numbers are sent: never reuse one.
type Verdict uint8

// What a primary answers.
const (
	OK         Verdict = 1 // records follow
	SeedFirst  Verdict = 2 // a seed follows: the records behind the mark were trimmed away
	Fork       Verdict = 3 // the mark is not in this history
	Term       Verdict = 4 // the secondary knows a newer term
	NotPrimary Verdict = 5 // this location does not copy this unit to that one
	BadVersion Verdict = 6 // another protocol
	Away       Verdict = 7 // the log can not be read now
)

var verdictNames = map[Verdict]string{OK: "ok", SeedFirst: "seed", Fork: "fork", Term: "term", NotPrimary: "not-primary", BadVersion: "version", Away: "away"}

// String returns the verdict's stable name.
func (v Verdict) String() string {
	if name, ok := verdictNames[v]; ok {
		return name
	}
	return fmt.Sprintf("verdict-%d", uint8(v))
}

// Answer is what the primary says to a hello.
type Answer struct {
	Verdict  Verdict
	Term     uint64
	Said     Said
	Tally    Tally // at the mark of the hello
	Location string
	Reason   string // for people; empty when Verdict is OK
}

// Said is what the primary tells of itself with nearly everything.
type Said struct {
	End   record.Position // of its log
	Tally Tally           // at the end
	Time  time.Time       // by its clock
}

// Data are consecutive records.
type Data struct {
	First   record.Position
	Said    Said
	Tally   Tally // behind the last of the records
	Records [][]byte
}

// Seed announces a snapshot, which chunks make up.
type Seed struct {
	At    record.Tail
	Time  time.Time
	Bytes uint64
	Sum   uint64 // xxhash64 of the whole
}

// Chunk is a part of a snapshot.
type Chunk struct {
	Offset uint64
	Data   []byte
}

// Append methods add the body of a frame to b; Parse functions read it back. A
// parsed body shares memory with what it was read from. Words may grow at their
// end in later versions: what is behind what is known is left alone.

// Append adds the body of a hello.
func (h Hello) Append(b []byte) []byte {
	b = le.AppendUint32(b, h.Version)
	b = le.AppendUint64(b, h.Term)
	b = appendMark(b, h.After)
	b = le.AppendUint64(b, h.Chained)
	b = le.AppendUint64(b, h.Window)
	return appendText(appendText(b, h.Unit), h.Location)
}

// ParseHello reads the body of a hello.
func ParseHello(body []byte) (Hello, error) {
	r := reader{rest: body}
	h := Hello{Version: r.uint32(), Term: r.uint64(), After: r.mark(), Chained: r.uint64(), Window: r.uint64(), Unit: r.text(), Location: r.text()}
	return h, r.err("hello")
}

// Append adds the body of an answer.
func (a Answer) Append(b []byte) []byte {
	b = append(b, byte(a.Verdict))
	b = le.AppendUint64(b, a.Term)
	b = appendTally(appendSaid(b, a.Said), a.Tally)
	return appendText(appendText(b, a.Location), a.Reason)
}

// ParseAnswer reads the body of an answer.
func ParseAnswer(body []byte) (Answer, error) {
	r := reader{rest: body}
	a := Answer{Verdict: Verdict(r.byte()), Term: r.uint64(), Said: r.said(), Tally: r.tally(), Location: r.text(), Reason: r.text()}
	return a, r.err("answer")
}

// Append adds the body of a frame of records.
func (d Data) Append(b []byte) []byte {
	b = le.AppendUint64(b, uint64(d.First))
	b = appendTally(appendSaid(b, d.Said), d.Tally)
	b = le.AppendUint32(b, uint32(len(d.Records)))
	for _, rec := range d.Records {
		b = le.AppendUint32(b, uint32(len(rec)))
		b = append(b, rec...)
	}
	return b
}

// ParseData reads the body of a frame of records: at least one, none longer than
// a record can be, nothing behind them.
func ParseData(body []byte) (Data, error) {
	r := reader{rest: body}
	d := Data{First: record.Position(r.uint64()), Said: r.said(), Tally: r.tally()}
	n := r.uint32()
	if uint64(n)*(4+record.HeaderBytes) > uint64(len(r.rest)) || n == 0 {
		r.bad = true
	} else {
		d.Records = make([][]byte, 0, n)
	}
	for range n {
		size := r.uint32()
		if r.bad || size < record.HeaderBytes || size > record.BytesMax {
			r.bad = true
			break
		}
		d.Records = append(d.Records, r.take(int(size)))
	}
	if len(r.rest) > 0 || d.First == 0 || d.First+record.Position(n) < d.First {
		r.bad = true
	}
	return d, r.err("records")
}

// Append adds the body of a beat.
func (s Said) Append(b []byte) []byte { return appendSaid(b, s) }

// ParseBeat reads the body of a beat.
func ParseBeat(body []byte) (Said, error) {
	r := reader{rest: body}
	s := r.said()
	return s, r.err("beat")
}

// AppendAck adds the body of an acknowledgement.
func AppendAck(b []byte, m Mark) []byte { return appendMark(b, m) }

// ParseAck reads the body of an acknowledgement.
func ParseAck(body []byte) (Mark, error) {
	r := reader{rest: body}
	m := r.mark()
	return m, r.err("acknowledgement")
}

// Append adds the body of a seed's announcement.
func (s Seed) Append(b []byte) []byte {
	b = appendMark(b, Mark{At: s.At.Last, Sum: s.At.Sum})
	b = le.AppendUint64(b, s.At.Batch)
	b = le.AppendUint64(b, s.At.Epoch)
	b = le.AppendUint64(b, uint64(s.Time.UnixNano()))
	b = le.AppendUint64(b, s.Bytes)
	return le.AppendUint64(b, s.Sum)
}

// ParseSeed reads the body of a seed's announcement.
func ParseSeed(body []byte) (Seed, error) {
	r := reader{rest: body}
	at := r.mark()
	s := Seed{At: record.Tail{Last: at.At, Sum: at.Sum, Batch: r.uint64(), Epoch: r.uint64()}, Time: r.time(), Bytes: r.uint64(), Sum: r.uint64()}
	r.bad = r.bad || s.Bytes > SeedBytesMax
	return s, r.err("seed")
}

// Append adds the body of a part of a seed.
func (c Chunk) Append(b []byte) []byte {
	return append(le.AppendUint64(b, c.Offset), c.Data...)
}

// ParseChunk reads the body of a part of a seed.
func ParseChunk(body []byte) (Chunk, error) {
	r := reader{rest: body}
	c := Chunk{Offset: r.uint64()}
	c.Data = r.rest
	return c, r.err("part of a seed")
}

// AppendBye adds the body of a farewell.
func AppendBye(b []byte, reason string) []byte { return appendText(b, reason) }

// ParseBye reads the body of a farewell.
func ParseBye(body []byte) (string, error) {
	r := reader{rest: body}
	reason := r.text()
	return reason, r.err("farewell")
}

var le = binary.LittleEndian

// textBytesMax is the longest text in a word.
const textBytesMax = 4 << 10

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), textBytesMax)]
	return append(le.AppendUint16(b, uint16(len(s))), s...)
}

func appendMark(b []byte, m Mark) []byte {
	return le.AppendUint64(le.AppendUint64(b, uint64(m.At)), m.Sum)
}

func appendTally(b []byte, t Tally) []byte {
	return le.AppendUint64(le.AppendUint64(b, t.Messages), t.Bytes)
}

func appendSaid(b []byte, s Said) []byte {
	b = appendTally(le.AppendUint64(b, uint64(s.End)), s.Tally)
	return le.AppendUint64(b, uint64(s.Time.UnixNano()))
}

// reader reads a body from its beginning. Once it is bad it gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	got := r.rest[:n:n]
	r.rest = r.rest[n:]
	return got
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

func (r *reader) text() string {
	if b := r.take(2); b != nil {
		n := int(le.Uint16(b))
		r.bad = n > textBytesMax
		return string(r.take(n))
	}
	return ""
}

func (r *reader) time() time.Time { return time.Unix(0, int64(r.uint64())) }
func (r *reader) mark() Mark      { return Mark{At: record.Position(r.uint64()), Sum: r.uint64()} }
func (r *reader) tally() Tally    { return Tally{r.uint64(), r.uint64()} }
func (r *reader) said() Said {
	return Said{End: record.Position(r.uint64()), Tally: r.tally(), Time: r.time()}
}

func (r *reader) err(what string) error {
	if r.bad {
		return fmt.Errorf("%w: a bad %s", errFrame, what)
	}
	return nil
}
