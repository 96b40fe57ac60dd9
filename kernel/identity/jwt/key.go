package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// Bounds of keys and their sets.
const (
	SetBytesMax = 512 << 10
	keysMax     = 200
	rsaBitsMin  = 2048
	rsaBitsMax  = 8192 // larger ones cost more to check than they add
)

// Key is a public key tokens are checked with.
type Key struct {
	ID        string
	Algorithm string           // the only one it is for; empty: any that goes with its kind
	Public    crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
}

// ErrSignature is a signature that does not hold.
var ErrSignature = errors.New("its signature does not hold")

// Verify says whether a key signed the token.
func (t *Token) Verify(k Key) error {
	alg := t.Header.Algorithm
	if k.Algorithm != "" && k.Algorithm != alg {
		return fmt.Errorf("its key is for %s, not for %q", k.Algorithm, alg)
	}
	m, ok := methods[alg]
	if !ok {
		return fmt.Errorf("the algorithm %q is not accepted: RS, PS and ES with 256, 384 and 512 are", alg)
	}
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		if m.curve != nil {
			break
		}
		var err error
		if digest := m.digest(t.signed); m.pss {
			err = rsa.VerifyPSS(public, m.hash, digest, t.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			err = rsa.VerifyPKCS1v15(public, m.hash, digest, t.signature)
		}
		if err != nil {
			return ErrSignature
		}
		return nil
	case *ecdsa.PublicKey:
		if m.curve == nil || public.Curve != m.curve {
			break
		}
		size := (m.curve.Params().BitSize + 7) / 8
		if len(t.signature) != 2*size {
			return ErrSignature
		}
		r, s := new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:])
		if !ecdsa.Verify(public, m.digest(t.signed), r, s) {
			return ErrSignature
		}
		return nil
	}
	return fmt.Errorf("its algorithm %s does not go with the kind of its key", alg)
}

// method is how one algorithm signs.
type method struct {
	hash  crypto.Hash
	pss   bool
	curve elliptic.Curve // nil for RSA
}

var methods = map[string]method{
	"RS256": {hash: crypto.SHA256}, "RS384": {hash: crypto.SHA384}, "RS512": {hash: crypto.SHA512},
	"PS256": {hash: crypto.SHA256, pss: true}, "PS384": {hash: crypto.SHA384, pss: true}, "PS512": {hash: crypto.SHA512, pss: true},
	"ES256": {hash: crypto.SHA256, curve: elliptic.P256()}, "ES384": {hash: crypto.SHA384, curve: elliptic.P384()}, "ES512": {hash: crypto.SHA512, curve: elliptic.P521()},
}

func (m method) digest(text string) []byte {
	switch m.hash {
	case crypto.SHA384:
		sum := sha512.Sum384([]byte(text))
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512([]byte(text))
		return sum[:]
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// JWK is a key as key sets write it.
type JWK struct {
	Kind      string   `json:"kty"`
	Use       string   `json:"use,omitempty"`
	ID        string   `json:"kid,omitempty"`
	Thumb     string   `json:"x5t,omitempty"`
	Algorithm string   `json:"alg,omitempty"`
	N         string   `json:"n,omitempty"`
	E         string   `json:"e,omitempty"`
	Curve     string   `json:"crv,omitempty"`
	X         string   `json:"x,omitempty"`
	Y         string   `json:"y,omitempty"`
	Chain     []string `json:"x5c,omitempty"`
}

// ParseSet reads a key set. Keys of kinds that sign no tokens here are passed over, as
// the standard asks; a set without a usable key is an error.
func ParseSet(data []byte) ([]Key, error) {
	if len(data) > SetBytesMax {
		return nil, fmt.Errorf("the key set is longer than %d bytes", SetBytesMax)
	}
	var set struct {
		Keys []JWK `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("the key set cannot be read: %w", err)
	}
	if len(set.Keys) > keysMax {
		return nil, fmt.Errorf("the key set has more than %d keys", keysMax)
	}
	var keys []Key
	for _, j := range set.Keys {
		if k, err := j.Key(); err == nil {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that can check a token")
	}
	return keys, nil
}

// Key reads one key of a set.
func (j JWK) Key() (Key, error) {
	k := Key{ID: j.ID, Algorithm: j.Algorithm}
	if k.ID == "" {
		k.ID = j.Thumb
	}
	if j.Use != "" && j.Use != "sig" {
		return k, errors.New("the key is not for signatures")
	}
	switch j.Kind {
	case "RSA":
		n, err := number(j.N)
		if err != nil {
			return k, err
		}
		e, err := number(j.E)
		if err != nil {
			return k, err
		}
		if !e.IsInt64() || e.Int64() > 1<<31-1 || e.Bit(0) == 0 || e.Int64() < 3 {
			return k, errors.New("the key's exponent is not usable")
		}
		k.Public = &rsa.PublicKey{N: n, E: int(e.Int64())}
	case "EC":
		public, err := j.point()
		if err != nil {
			return k, err
		}
		k.Public = public
	default:
		return k, fmt.Errorf("keys of the kind %q sign no tokens here", j.Kind)
	}
	return k, k.sound()
}

func (j JWK) point() (*ecdsa.PublicKey, error) {
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[j.Curve]
	if !ok {
		return nil, fmt.Errorf("the curve %q is not known", j.Curve)
	}
	x, err := number(j.X)
	if err != nil {
		return nil, err
	}
	y, err := number(j.Y)
	if err != nil {
		return nil, err
	}
	size := (curve.Params().BitSize + 7) / 8
	if x.BitLen() > 8*size || y.BitLen() > 8*size {
		return nil, errors.New("the key is no point of its curve")
	}
	raw := make([]byte, 1+2*size)
	raw[0] = 4 // uncompressed
	x.FillBytes(raw[1 : 1+size])
	y.FillBytes(raw[1+size:])
	return ecdsa.ParseUncompressedPublicKey(curve, raw)
}

func number(text string) (*big.Int, error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) == 0 || len(data) > rsaBitsMax/8+1 {
		return nil, errors.New("a number of the key cannot be read")
	}
	return new(big.Int).SetBytes(data), nil
}

// sound refuses keys that are too weak, or cost too much.
func (k Key) sound() error {
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < rsaBitsMin || bits > rsaBitsMax {
			return fmt.Errorf("an RSA key has %d to %d bits, this one %d", rsaBitsMin, rsaBitsMax, bits)
		}
		return nil
	case *ecdsa.PublicKey:
		return nil
	}
	return errors.New("the key is neither RSA nor ECDSA")
}

// PublicJWK writes a public key for a key set.
func PublicJWK(id string, public crypto.PublicKey) (JWK, error) {
	enc := base64.RawURLEncoding.EncodeToString
	switch p := public.(type) {
	case *rsa.PublicKey:
		return JWK{Kind: "RSA", Use: "sig", ID: id, Thumb: id, N: enc(p.N.Bytes()), E: enc(big.NewInt(int64(p.E)).Bytes())}, nil
	case *ecdsa.PublicKey:
		raw, err := p.Bytes()
		if err != nil {
			return JWK{}, err
		}
		half := (len(raw) - 1) / 2
		return JWK{Kind: "EC", Use: "sig", ID: id, Curve: p.Curve.Params().Name, X: enc(raw[1 : 1+half]), Y: enc(raw[1+half:])}, nil
	}
	return JWK{}, errors.New("the key is neither RSA nor ECDSA")
}

// ParsePublic reads a public key, or the key of a certificate, from PEM.
func ParsePublic(text []byte) (Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return Key{}, errors.New("there is no PEM block in it")
	}
	var k Key
	switch block.Type {
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Key{}, fmt.Errorf("the certificate cannot be read: %w", err)
		}
		k.Public = c.PublicKey
	case "PUBLIC KEY":
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return Key{}, fmt.Errorf("the key cannot be read: %w", err)
		}
		k.Public = public
	default:
		return Key{}, fmt.Errorf("it holds a %s: expected a CERTIFICATE or a PUBLIC KEY", block.Type)
	}
	return k, k.sound()
}
