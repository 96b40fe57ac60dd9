package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
)

// Sign makes a token with a private key, by the algorithm that goes with it: RS256, or
// the ES of its curve.
func Sign(h Header, c Claims, key crypto.Signer, random io.Reader) (string, error) {
	m, err := methodOf(&h, key)
	if err != nil {
		return "", err
	}
	head, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	type plain Claims // without methods
	body, err := json.Marshal(struct {
		Audience audienceText `json:"aud,omitempty"`
		plain
	}{audienceText(c.Audience), plain(c)})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := key.Sign(random, m.digest(signed), m.hash)
	if err != nil {
		return "", err
	}
	if m.curve != nil {
		if signature, err = fixed(signature, (m.curve.Params().BitSize+7)/8); err != nil {
			return "", err
		}
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// methodOf completes the header.
func methodOf(h *Header, key crypto.Signer) (method, error) {
	if h.Type == "" {
		h.Type = "JWT"
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		h.Algorithm = "RS256"
	case *ecdsa.PublicKey:
		for name, m := range methods {
			if m.curve == public.Curve {
				h.Algorithm = name
			}
		}
	}
	m, ok := methods[h.Algorithm]
	if !ok {
		return m, errors.New("tokens are signed with an RSA or ECDSA key")
	}
	return m, nil
}

// fixed writes an ECDSA signature as tokens carry it: two numbers of one length.
func fixed(der []byte, size int) ([]byte, error) {
	var s struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &s); err != nil {
		return nil, err
	}
	out := make([]byte, 2*size)
	s.R.FillBytes(out[:size])
	s.S.FillBytes(out[size:])
	return out, nil
}
