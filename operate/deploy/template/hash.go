package template

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"strings"
)

// uniqueOf is the hash behind uniqueString(): a 64-bit Murmur hash, two halves of 32
// bits mixed into each other, whose bits are written five at a time.
func uniqueOf(s string) string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	h := murmur64([]byte(s))
	out := make([]byte, 13)
	for i := range out {
		out[i] = letters[h>>59]
		h <<= 5
	}
	return string(out)
}

func murmur64(data []byte) uint64 {
	const c1, c2 = 0x239b961b, 0xab0e9789
	var h1, h2 uint32
	first := func(k uint32) uint32 { return bits.RotateLeft32(k*c1, 15) * c2 }
	second := func(k uint32) uint32 { return bits.RotateLeft32(k*c2, 17) * c1 }
	rest := data
	for ; len(rest) >= 8; rest = rest[8:] {
		h1 ^= first(binary.LittleEndian.Uint32(rest))
		h1 = (bits.RotateLeft32(h1, 19)+h2)*5 + 0x561ccd1b
		h2 ^= second(binary.LittleEndian.Uint32(rest[4:]))
		h2 = (bits.RotateLeft32(h2, 13)+h1)*5 + 0x0bcaa747
	}
	if len(rest) > 0 {
		var last [8]byte
		copy(last[:], rest)
		h1 ^= first(binary.LittleEndian.Uint32(last[:]))
		if len(rest) > 4 {
			h2 ^= second(binary.LittleEndian.Uint32(last[4:]))
		}
	}
	h1 ^= uint32(len(data))
	h2 ^= uint32(len(data))
	h1 += h2
	h2 += h1
	h1, h2 = mixed(h1), mixed(h2)
	h1 += h2
	h2 += h1
	return uint64(h2)<<32 | uint64(h1)
}

// mixed is Murmur's finish.
func mixed(h uint32) uint32 {
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// guidOf is the name-based GUID (RFC 4122, version 5) behind guid(), in the name space
// that Azure Resource Manager documents.
func guidOf(s string) string {
	space, _ := hex.DecodeString(strings.ReplaceAll("11fb06fb-712d-4ddd-98c7-e71bbd588830", "-", ""))
	sum := sha1.Sum(append(space, s...))
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	text := hex.EncodeToString(id)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// Hash is a short name of a text, the same for the same text.
func Hash(text string) string { return uniqueOf(text) }
