// Package secrethash keeps secrets as salted hashes (PBKDF2 with SHA-256), so that
// whoever reads them back cannot use them.
//
// It promises that a hash carries its own parameters, that comparing takes the same time
// whatever is wrong, and that what is hashed is bounded. It refuses to keep anything.
package secrethash

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Parameters of new hashes, and bounds of those that are read.
const (
	rounds    = 210_000 // about 60 ms of one core
	roundsMax = 2_000_000
	saltBytes = 16
	hashBytes = 32
	secretMax = 1024
	scheme    = "pbkdf2-sha256"
)

// New hashes a secret.
func New(secret string, random io.Reader) (string, error) {
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	hash, err := derive(secret, salt, rounds)
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding.EncodeToString
	return strings.Join([]string{scheme, strconv.Itoa(rounds), enc(salt), enc(hash)}, "$"), nil
}

func derive(secret string, salt []byte, rounds int) ([]byte, error) {
	if len(secret) > secretMax {
		return nil, fmt.Errorf("a secret has at most %d bytes", secretMax)
	}
	return pbkdf2.Key(sha256.New, secret, salt, rounds, hashBytes)
}

func parse(text string) (rounds int, salt, hash []byte, ok bool) {
	parts := strings.Split(text, "$")
	if len(parts) != 4 || parts[0] != scheme {
		return 0, nil, nil, false
	}
	rounds, err := strconv.Atoi(parts[1])
	salt, err2 := base64.RawStdEncoding.DecodeString(parts[2])
	hash, err3 := base64.RawStdEncoding.DecodeString(parts[3])
	ok = err == nil && err2 == nil && err3 == nil && rounds > 0 && rounds <= roundsMax && len(salt) >= 8 && len(salt) <= 64 && len(hash) == hashBytes
	return rounds, salt, hash, ok
}

// Sound says whether text is a hash.
func Sound(text string) bool {
	_, _, _, ok := parse(text)
	return ok
}

// Matches says whether a secret is the one that was hashed.
func Matches(hash, secret string) bool {
	rounds, salt, want, ok := parse(hash)
	if !ok {
		return false
	}
	got, err := derive(secret, salt, rounds)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}
