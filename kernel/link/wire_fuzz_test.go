package link

import (
	"bytes"
	"net"
	"testing"

	"weir/kernel/link/core"
)

// FuzzUnpack gives the decompressor anything: it must not fall over, nor give more
// than a frame holds.
func FuzzUnpack(f *testing.F) {
	w := newWire(nil)
	f.Add(bytes.Clone(w.pack(bytes.Repeat([]byte("weir "), 500))[core.HeadBytes:]))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := unpack(b); err == nil && len(plain) > core.FrameBytesMax {
			t.Errorf("%d bytes", len(plain))
		}
	})
}

// TestFramesCrossTheWire: whatever is written is read, compressed or not.
func TestFramesCrossTheWire(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	out, in := newWire(here), newWire(there)
	noise := make([]byte, 1<<20)
	x := uint32(1)
	for i := range noise {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for name, c := range map[string]struct {
		data    []byte
		smaller bool
	}{
		"short": {[]byte("x"), false}, "noise": {noise, false}, "text": {bytes.Repeat([]byte("weir "), 1<<16), true},
	} {
		sent := make(chan int, 1)
		go func() {
			n, _ := out.write(core.KindChunk, core.Chunk{Offset: 7, Data: c.data}.Append)
			sent <- n
		}()
		k, body, err := in.read()
		if err != nil || k != core.KindChunk {
			t.Fatal(name, k, err)
		}
		got, err := core.ParseChunk(body)
		if err != nil || !bytes.Equal(got.Data, c.data) || got.Offset != 7 {
			t.Errorf("%s: %d bytes, %v", name, len(got.Data), err)
		}
		if n := <-sent; (n < len(c.data)) != c.smaller {
			t.Errorf("%s: %d bytes took %d", name, len(c.data), n)
		}
	}
}
