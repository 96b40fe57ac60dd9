package core_test

import (
	"bytes"
	"reflect"
	"testing"

	"weir/kernel/journal/record"
	"weir/kernel/link/core"
)

// words are one of each frame, and what reads and writes its body.
func words() map[core.Kind][]byte {
	recs, _ := record.Split(record.Tail{}, 1, noon, []byte("hello"))
	said := core.Said{End: 9, Tally: core.Tally{Messages: 4, Bytes: 5}, Time: noon}
	return map[core.Kind][]byte{
		core.KindHello:  core.Hello{Version: 1, Term: 2, After: core.Mark{At: 3, Sum: 4}, Chained: 6, Window: 5, Unit: "u", Location: "east"}.Append(nil),
		core.KindAnswer: core.Answer{Verdict: core.Fork, Term: 2, Said: said, Location: "west", Reason: "no"}.Append(nil),
		core.KindData:   core.Data{First: 1, Said: said, Records: recs}.Append(nil),
		core.KindBeat:   said.Append(nil),
		core.KindAck:    core.AppendAck(nil, core.Mark{At: 1, Sum: 2}),
		core.KindSeed:   core.Seed{At: record.Tail{Last: 1, Sum: 2, Batch: 3, Epoch: 4}, Time: noon, Bytes: 5, Sum: 6}.Append(nil),
		core.KindChunk:  core.Chunk{Offset: 1, Data: []byte("x")}.Append(nil),
		core.KindBye:    core.AppendBye(nil, "why"),
	}
}

// again reads a body and writes it again.
func again(k core.Kind, body []byte) (out []byte, err error) {
	switch k {
	case core.KindHello:
		v, e := core.ParseHello(body)
		out, err = v.Append(nil), e
	case core.KindAnswer:
		v, e := core.ParseAnswer(body)
		out, err = v.Append(nil), e
	case core.KindData:
		v, e := core.ParseData(body)
		out, err = v.Append(nil), e
	case core.KindBeat:
		v, e := core.ParseBeat(body)
		out, err = v.Append(nil), e
	case core.KindAck:
		v, e := core.ParseAck(body)
		out, err = core.AppendAck(nil, v), e
	case core.KindSeed:
		v, e := core.ParseSeed(body)
		out, err = v.Append(nil), e
	case core.KindChunk:
		v, e := core.ParseChunk(body)
		out, err = v.Append(nil), e
	case core.KindBye:
		v, e := core.ParseBye(body)
		out, err = core.AppendBye(nil, v), e
	}
	return out, err
}

func TestWordsReadBack(t *testing.T) {
	for k, body := range words() {
		got, err := again(k, body)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("kind %d: %x, %v; want %x", k, got, err, body)
		}
		for n := range len(body) {
			if _, err := again(k, body[:n]); err == nil && !(k == core.KindChunk && n >= 8) {
				t.Errorf("kind %d was read from %d of %d bytes", k, n, len(body))
			}
		}
	}
}

// TestEveryChangedBitIsNoticed: of head and body.
func TestEveryChangedBitIsNoticed(t *testing.T) {
	for k, body := range words() {
		good := frame(k, body)
		for bit := range len(good) * 8 {
			bad := bytes.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			head := [core.HeadBytes]byte(bad)
			h, err := core.ParseHead(&head)
			if err == nil {
				err = h.Verify(&head, bad[core.HeadBytes:])
			}
			if err == nil {
				t.Fatalf("kind %d, bit %d", k, bit)
			}
		}
	}
}

// FuzzFrame gives the codec anything, with and without a right checksum: it must
// not fall over, nor hold more than a frame may be, and what it accepts reads the
// same when it is written again.
func FuzzFrame(f *testing.F) {
	for k, body := range words() {
		f.Add(frame(k, body))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < core.HeadBytes {
			return
		}
		for range 2 {
			head := [core.HeadBytes]byte(b)
			h, err := core.ParseHead(&head)
			if err == nil && h.Length > core.FrameBytesMax {
				t.Fatalf("a frame of %d bytes", h.Length)
			}
			if err == nil && h.Verify(&head, b[core.HeadBytes:]) == nil {
				body := b[core.HeadBytes:]
				out, err := again(h.Kind, body)
				if err == nil {
					more, err := again(h.Kind, out)
					if err != nil || !reflect.DeepEqual(out, more) || !bytes.HasPrefix(body, out) {
						t.Fatalf("kind %d: %x was read as %x, that as %x, %v", h.Kind, body, out, more, err)
					}
				}
			}
			if k := core.Kind(b[4]); k < core.KindHello || k > core.KindBye || len(b) > core.FrameBytesMax {
				return
			}
			b = frame(core.Kind(b[4]), b[core.HeadBytes:])
		}
	})
}
