// Package seal keeps short secrets unreadable where they are stored: keys and passwords
// in a journal, its snapshots and their backups.
//
// What it promises:
//  1. What is sealed can be opened with a key of the ring alone, and only in the place
//     it was sealed for: moved to another one it does not open.
//  2. The same secret sealed in the same place by the same key gives the same text, so
//     that putting what is there already changes nothing. Nothing else shows through.
//  3. Sealing uses the first key of the ring, opening any of them: a new key goes in
//     front, and the old one may go when everything has been sealed again.
//
// What it refuses: to hide how long a secret is, or that two versions of one place hold
// the same; and to protect from who can read the key file.
//
// AES-256-GCM (NIST SP 800-38D) with a nonce that HMAC-SHA-256 makes of place and secret,
// so that no nonce serves two texts.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	keyBytes   = 32
	nonceBytes = 12
	idBytes    = 4
	keysMax    = 16 // of a ring
	version    = "1"
)

// Ring is the keys that open, the first of which seals. The zero Ring has none.
type Ring struct{ keys []key }

type key struct {
	id   string // of which key a text was sealed by
	aead cipher.AEAD
	mac  []byte
}

// New makes a ring of 256-bit keys.
func New(raw ...[]byte) (Ring, error) {
	if len(raw) == 0 || len(raw) > keysMax {
		return Ring{}, fmt.Errorf("a ring has 1 to %d keys, not %d", keysMax, len(raw))
	}
	var r Ring
	for _, one := range raw {
		k, err := newKey(one)
		if err != nil {
			return Ring{}, err
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

// Derive makes a ring of one key from a secret that several nodes share.
func Derive(secret []byte) (Ring, error) {
	raw, err := hkdf.Key(sha256.New, secret, nil, "weir seal key", keyBytes)
	if err != nil {
		return Ring{}, err
	}
	return New(raw)
}

func newKey(raw []byte) (key, error) {
	if len(raw) != keyBytes {
		return key{}, fmt.Errorf("a key has %d bytes, not %d", keyBytes, len(raw))
	}
	part := func(what string, n int) []byte {
		out, err := hkdf.Key(sha256.New, raw, nil, "weir seal "+what, n)
		if err != nil {
			panic(err) // the lengths are constants
		}
		return out
	}
	block, err := aes.NewCipher(part("encrypt", keyBytes))
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return key{}, err
	}
	return key{id: hex.EncodeToString(part("name", idBytes)), aead: aead, mac: part("nonce", keyBytes)}, nil
}

// With has the keys of another ring open as well.
func (r Ring) With(other Ring) Ring {
	return Ring{keys: append(slices.Clip(r.keys), other.keys...)}
}

// Can says whether there is a key to seal with.
func (r Ring) Can() bool { return len(r.keys) > 0 }

// Seal makes a secret unreadable for everybody without the key, and good in one place.
func (r Ring) Seal(place, secret string) string {
	k := r.keys[0]
	nonce := k.nonce(place, secret)
	sealed := k.aead.Seal(nonce, nonce, []byte(secret), []byte(place))
	return version + "." + k.id + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// nonce is made of both texts and where one ends.
func (k key) nonce(place, secret string) []byte {
	h := hmac.New(sha256.New, k.mac)
	fmt.Fprintf(h, "%d:%s%s", len(place), place, secret)
	return h.Sum(nil)[:nonceBytes]
}

// Open gives the secret that Seal made unreadable in that place. The error says which
// key is missing, or that the text was changed or moved.
func (r Ring) Open(place, sealed string) (string, error) {
	v, rest, _ := strings.Cut(sealed, ".")
	id, text, ok := strings.Cut(rest, ".")
	if v != version || !ok {
		return "", errors.New("it is not sealed in a way this program knows")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) < nonceBytes {
		return "", errors.New("the sealed text is damaged")
	}
	for _, k := range r.keys {
		if k.id != id {
			continue
		}
		secret, err := k.aead.Open(nil, data[:nonceBytes], data[nonceBytes:], []byte(place))
		if err != nil {
			return "", errors.New("the sealed text is damaged, or was sealed for another place")
		}
		return string(secret), nil
	}
	return "", fmt.Errorf("it was sealed with the key %s, which is not among the keys given (%s)", id, strings.Join(r.Names(), ", "))
}

// Current says whether a text was sealed by the key that seals now.
func (r Ring) Current(sealed string) bool {
	return r.Can() && strings.HasPrefix(sealed, version+"."+r.keys[0].id+".")
}

// Names are the short names of the keys, the one that seals first. They tell nothing
// about the keys.
func (r Ring) Names() []string {
	var names []string
	for _, k := range r.keys {
		names = append(names, k.id)
	}
	return names
}

// Load reads a ring from a file: one key a line, as base64, the one that seals first;
// lines that begin with # are remarks.
func Load(file string) (Ring, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Ring{}, fmt.Errorf("read the key file: %w", err)
	}
	var raw [][]byte
	for n, line := range bytes.Split(data, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		one, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(one) != keyBytes {
			return Ring{}, fmt.Errorf("line %d of the key file %s is no key: a key is %d random bytes as base64, such as \"openssl rand -base64 %d\" prints", n+1, file, keyBytes, keyBytes)
		}
		raw = append(raw, one)
	}
	r, err := New(raw...)
	if err != nil {
		return Ring{}, fmt.Errorf("the key file %s: %w", file, err)
	}
	return r, nil
}

// LoadOrMake is Load, of a file that is made with one random key when it is not there.
// Only its owner can read it.
func LoadOrMake(file string) (Ring, error) {
	r, err := Load(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	raw := make([]byte, keyBytes)
	rand.Read(raw) // never fails (crypto/rand)
	text := "# Seals the secrets in this directory. Without it they cannot be read again: keep a copy.\n" + base64.StdEncoding.EncodeToString(raw) + "\n"
	if err := place(file, text); err != nil && !errors.Is(err, fs.ErrExist) {
		return Ring{}, fmt.Errorf("keep the key file: %w", err)
	}
	return Load(file) // another process may have been first
}

// place puts a whole and durable file there, unless there is one.
func place(file, text string) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), file)
}
