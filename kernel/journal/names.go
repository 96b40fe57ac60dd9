package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// A unit's name is anything (often an ARM id). In stream names, which are also
// directory names on disks that may fold case, only a-z, 0-9 and "-" stand for
// themselves; every other byte is "_" and two hex digits. That is injective. A
// name that gets too long is cut and ends in "__" and its SHA-256, which no
// escaped name contains.
const nameBytesMax = 160

// streamName names the journal stream of a unit's generation.
func streamName(unit string, generation int) string {
	return "weir-" + escape(unit) + "-g" + strconv.Itoa(generation)
}

// snapshotStreamName names the stream of its snapshots.
func snapshotStreamName(unit string, generation int) string {
	return "weir-" + escape(unit) + "-s" + strconv.Itoa(generation)
}

// subjectOf is the only subject a stream listens to.
func subjectOf(stream string) string { return "weir." + stream }

func escape(name string) string {
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			b.WriteByte(c)
		} else {
			b.WriteByte('_')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	if b.Len() <= nameBytesMax {
		return b.String()
	}
	sum := sha256.Sum256([]byte(name))
	return b.String()[:nameBytesMax-66] + "__" + hex.EncodeToString(sum[:])
}

// unescape reverses escape; false for a name that was cut.
func unescape(escaped string) (string, bool) {
	var b []byte
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '_' {
			b = append(b, escaped[i])
			continue
		}
		if i+3 > len(escaped) {
			return "", false
		}
		c, err := hex.DecodeString(escaped[i+1 : i+3])
		if err != nil {
			return "", false
		}
		b = append(b, c...)
		i += 2
	}
	return string(b), true
}
