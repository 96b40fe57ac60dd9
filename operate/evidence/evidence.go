// Package evidence is the record of a failover that was measured: who took part, what
// happened when, what it cost, and whether it kept what was promised; signed, so that
// nobody can change it afterwards without being found out.
//
// Promises:
//
//  1. A record verifies only with the bytes that were signed.
//  2. The key that signed is named by its fingerprint; it is made on first use and can
//     be read by its owner only.
//
// It refuses to judge: whoever makes a record says what was to hold and whether it did.
package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"weir/internal/groups"
	"weir/operate/orders"
)

// Schema is the version of records.
const Schema = "weir.evidence/1"

// Record is what is known of one failover or switch.
type Record struct {
	Schema    string    `json:"schema"`
	Group     string    `json:"group"`
	Kind      string    `json:"kind"` // switch, forced, isolation, kill
	At        time.Time `json:"at"`   // when the harm was done, or the command given
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`
	Host      string    `json:"host"`
	Version   string    `json:"version"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Mode      string    `json:"mode"`
	Config    string    `json:"config"` // sha256 of how the group is declared
	TermFrom  uint64    `json:"termFrom"`
	TermTo    uint64    `json:"termTo"`
	Automatic bool      `json:"automatic"`

	// RPOMessages are orders that were acknowledged and not in the new primary when it
	// took over; RTOSeconds is how long clients saw no acknowledged send.
	RPOMessages      uint64  `json:"rpoMessages"`
	RTOSeconds       float64 `json:"rtoSeconds"`
	DetectionSeconds float64 `json:"detectionSeconds"`
	Repeated         int     `json:"repeated"`
	LostAfterSalvage int     `json:"lostAfterSalvage"`

	Events     []Event          `json:"events"`
	Invariants []Invariant      `json:"invariants"`
	Account    orders.Account   `json:"account"`
	Slices     []orders.Slice   `json:"slices,omitempty"` // of SliceMillis each, from Began
	SliceMs    int64            `json:"sliceMillis,omitempty"`
	Change     *groups.Change   `json:"change,omitempty"`
	Salvaged   *groups.Salvaged `json:"salvaged,omitempty"`
}

// Event is something that happened, by the clock of who looked.
type Event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// Invariant is something that was to hold.
type Invariant struct {
	What string `json:"what"`
	Held bool   `json:"held"`
	Was  string `json:"was"` // in figures
}

// Good reports whether all of them held.
func (r *Record) Good() bool {
	for _, i := range r.Invariants {
		if !i.Held {
			return false
		}
	}
	return true
}

// Config is the fingerprint of how a group is declared.
func Config(s groups.Status) string {
	text, err := json.Marshal([]any{s.Name, s.Mode, s.Automatic, s.RTOSeconds, s.RPOSeconds, len(s.Units), len(s.Voters)})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Signed is a record as it is kept: the very bytes that were signed, and by whom.
type Signed struct {
	Record    json.RawMessage `json:"record"`
	Key       string          `json:"key"` // ed25519 public key, base64
	Signature string          `json:"signature"`
}

const keyFile = "evidence-key.pem"

// Key returns the signing key of a directory, making it first if need be.
func Key(dir string) (ed25519.PrivateKey, error) {
	name := filepath.Join(dir, keyFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(dir, name)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key in PEM", name)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds another kind of key than ed25519", name)
	}
	return key, nil
}

func makeKey(dir, name string) (ed25519.PrivateKey, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// Write signs a record and keeps it in a file.
func Write(file string, r *Record, key ed25519.PrivateKey) error {
	r.Schema = Schema
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	s := Signed{Record: text, Key: base64.StdEncoding.EncodeToString(public), Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))}
	out, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(out, '\n'), 0o644)
}

// Read verifies a file and returns its record with the fingerprint of who signed it.
func Read(file string) (*Record, string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	var s Signed
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, "", fmt.Errorf("%s is no evidence record: %w", file, err)
	}
	key, err := base64.StdEncoding.DecodeString(s.Key)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, "", fmt.Errorf("%s names no key that could have signed it", file)
	}
	signature, err := base64.StdEncoding.DecodeString(s.Signature)
	if err != nil || !ed25519.Verify(key, s.Record, signature) {
		return nil, "", fmt.Errorf("%s was changed after it was signed, or another key signed it", file)
	}
	var r Record
	if err := json.Unmarshal(s.Record, &r); err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err)
	}
	if r.Schema != Schema {
		return nil, "", fmt.Errorf("%s is of the schema %q, this program reads %q", file, r.Schema, Schema)
	}
	return &r, Fingerprint(key), nil
}

// Fingerprint names a public key.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}
