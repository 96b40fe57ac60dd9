package matrix_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"weir/kernel/identity/jwt"
)

// provider is an identity provider of the test's own: it signs whatever it is told to.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	keys map[string]crypto.Signer // that it publishes
}

func newProvider(t *testing.T) *provider {
	p := &provider{keys: map[string]crypto.Signer{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		list := []jwt.JWK{}
		for kid, key := range p.keys {
			if j, err := jwt.PublicJWK(kid, key.Public()); err == nil {
				list = append(list, j)
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": list})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.rotate(t, "k1")
	return p
}

// rotate replaces the published keys by a new one, and gives it.
func (p *provider) rotate(t *testing.T, kid string) crypto.Signer {
	t.Helper()
	key := newKey(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = map[string]crypto.Signer{kid: key}
	return key
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// token makes a token about a subject for an audience. change makes a bad one of it.
func (p *provider) token(t *testing.T, subject, audience string, change func(*jwt.Claims)) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for kid, key := range p.keys {
		return sign(t, kid, key, p.claims(subject, audience, change))
	}
	t.Fatal("the provider has no key")
	return ""
}

func (p *provider) claims(subject, audience string, change func(*jwt.Claims)) jwt.Claims {
	now := time.Now()
	c := jwt.Claims{Issuer: p.URL, Subject: subject, Audience: jwt.Texts{audience}, NotBefore: jwt.Date{Time: now.Add(-time.Hour)}, Expires: jwt.Date{Time: now.Add(time.Hour)}, AppID: "app of " + subject}
	if change != nil {
		change(&c)
	}
	return c
}

func sign(t *testing.T, kid string, key crypto.Signer, c jwt.Claims) string {
	t.Helper()
	text, err := jwt.Sign(jwt.Header{KeyID: kid}, c, key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
