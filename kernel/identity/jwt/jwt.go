// Package jwt reads, judges and makes signed JSON Web Tokens, and the key sets they are
// checked with (RFC 7515, 7517, 7518, 7519).
//
// It promises:
//
//  1. A token is believed only under a public key whose kind goes with its algorithm:
//     RS, PS and ES with 256, 384 and 512. Nothing unsigned and nothing signed with a
//     shared secret, whatever the header says: a public key is never used as one.
//  2. What is parsed is bounded, before it is decoded.
//  3. Time, keys and randomness are arguments.
//
// It refuses to fetch keys (package oidc does), to decide whose token is good where,
// and encrypted tokens, nested ones, and extensions marked critical.
package jwt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what is parsed.
const (
	TokenBytesMax  = 16 << 10 // of the whole token; a token with 200 groups has about 10 KiB
	headerBytesMax = 4 << 10
	listMax        = 1000 // audiences, roles, groups
)

// Token is a token taken apart and not yet believed.
type Token struct {
	Header Header
	Claims Claims

	signed    string // what the signature covers
	signature []byte
}

// Header is what the token says of its own signature.
type Header struct {
	Algorithm string   `json:"alg"`
	KeyID     string   `json:"kid,omitempty"`
	Thumb     string   `json:"x5t,omitempty"`
	Type      string   `json:"typ,omitempty"`
	Critical  []string `json:"crit,omitempty"`
}

var errNotToken = errors.New("it is not made of three parts with '.' between them")

// Looks says whether text might be a token, without reading it.
func Looks(text string) bool {
	return strings.HasPrefix(text, "ey") && strings.Count(text, ".") == 2
}

// Parse takes a token apart. Nothing in it is to be believed before Verify.
func Parse(text string) (Token, error) {
	var t Token
	if len(text) > TokenBytesMax {
		return t, fmt.Errorf("it is longer than %d bytes", TokenBytesMax)
	}
	if strings.Count(text, ".") != 2 {
		return t, errNotToken
	}
	head, rest, _ := strings.Cut(text, ".")
	body, signature, _ := strings.Cut(rest, ".")
	if len(head) > headerBytesMax {
		return t, fmt.Errorf("its header is longer than %d bytes", headerBytesMax)
	}
	if err := decode(head, &t.Header); err != nil {
		return t, fmt.Errorf("its header cannot be read: %w", err)
	}
	if len(t.Header.Critical) > 0 {
		return t, fmt.Errorf("it needs the extension %q, which is not known", t.Header.Critical[0])
	}
	if err := decode(body, &t.Claims); err != nil {
		return t, fmt.Errorf("its claims cannot be read: %w", err)
	}
	if err := t.Claims.bounded(); err != nil {
		return t, err
	}
	var err error
	if t.signature, err = base64.RawURLEncoding.Strict().DecodeString(signature); err != nil || len(t.signature) == 0 {
		return t, errors.New("it has no signature that can be read")
	}
	t.signed = text[:len(head)+1+len(body)]
	return t, nil
}

func decode(part string, into any) error {
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return errors.New("it is not base64url")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(into); err != nil {
		return errors.New("it is no JSON object of the expected form")
	}
	if d.More() {
		return errors.New("something follows the JSON object")
	}
	return nil
}
