package trigger

import (
	"bytes"
	"strings"
	"testing"

	"weir/kernel/fault"
)

// A cursor comes back as it was, whatever its bytes, and text takes hardly more room than
// it has. What is too much is refused by name.
func TestMemories(t *testing.T) {
	for _, given := range [][]byte{nil, []byte("text \"quoted\" é"), {0, 255, 1}, []byte(strings.Repeat("0123456789", 22_000))} {
		mem := &memory{Cursor: given, Serial: 3}
		data, err := mem.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode(data)
		if err != nil || !bytes.Equal(back.Cursor, given) || back.Serial != 3 || back.empty() {
			t.Errorf("%.40q comes back as %.40q, %v", given, back.Cursor, err)
		}
		if len(data) > len(given)+200 {
			t.Errorf("%d bytes take %d", len(given), len(data))
		}
	}
	if _, err := (&memory{Cursor: bytes.Repeat([]byte("x"), memoryBytesMax)}).encode(); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too much is taken: %v", err)
	}
	if _, err := decode([]byte(`{"v": 2}`)); err == nil {
		t.Error("what a newer program wrote is read")
	}
}
