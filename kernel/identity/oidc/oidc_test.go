package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
)

const (
	issuerURL = "https://login.example/tenant"
	entraURL  = "https://login.microsoftonline.com/t1/v2.0"
	door      = "https://servicebus.azure.net/"
)

// provider is an identity provider, as the network between.
type provider struct {
	mu    sync.Mutex
	url   string
	says  string // its name in the discovery document
	keys  map[string]crypto.Signer
	down  bool
	asked int // for keys
}

func newProvider(url string) *provider {
	p := &provider{url: url, says: url, keys: map[string]crypto.Signer{}}
	p.rotate("k1")
	return p
}

// rotate replaces all keys by a new one.
func (p *provider) rotate(kid string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = map[string]crypto.Signer{kid: key}
}

func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, errors.New("nobody is there")
	}
	var body any
	switch r.URL.String() {
	case p.url + "/.well-known/openid-configuration":
		body = map[string]string{"issuer": p.says, "jwks_uri": p.url + "/keys"}
	case p.url + "/keys":
		p.asked++
		var list []jwt.JWK
		for kid, key := range p.keys {
			j, _ := jwt.PublicJWK(kid, key.Public())
			list = append(list, j)
		}
		body = map[string]any{"keys": list}
	default:
		return &http.Response{StatusCode: 404, Status: "404", Body: http.NoBody, Request: r}, nil
	}
	data, _ := json.Marshal(body)
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(data))), Request: r}, nil
}

func (p *provider) token(kid string, change func(*jwt.Claims)) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	c := jwt.Claims{Issuer: p.url, Subject: "somebody", Audience: jwt.Texts{door}, Expires: jwt.Date{Time: now.Add(time.Hour)}, NotBefore: jwt.Date{Time: now}, Object: "O1", AppID: "app-1", Groups: jwt.Texts{"G1"}, Roles: jwt.Texts{"r"}}
	if change != nil {
		change(&c)
	}
	text, err := jwt.Sign(jwt.Header{KeyID: kid}, c, p.keys[kid], rand.Reader)
	if err != nil {
		panic(err)
	}
	return text
}

func trusting(p *provider, issuers ...Issuer) *Verifier {
	v := New(nil, FetchOptions{Transport: p})
	v.Trust(issuers)
	return v
}

func (v *Verifier) judge(text string) (identity.Principal, error) {
	return v.Verify(context.Background(), text, []string{"https://ServiceBus.azure.net"}, identity.Peer{}, time.Now())
}

func TestVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(issuerURL)
		v := trusting(p, Issuer{URL: issuerURL, Audiences: []string{"api://weir"}})
		defer v.Stop()
		ago := func(d time.Duration) jwt.Date { return jwt.Date{Time: time.Now().Add(-d)} }
		for _, c := range []struct {
			name   string
			change func(*jwt.Claims)
			want   string // start of the refusal; empty: none
		}{
			{"good", nil, ""},
			{"an audience of the issuer", func(c *jwt.Claims) { c.Audience = jwt.Texts{"api://weir"} }, ""},
			{"one audience of many", func(c *jwt.Claims) { c.Audience = jwt.Texts{"x", "https://servicebus.azure.net"} }, ""},
			{"expired within the skew", func(c *jwt.Claims) { c.Expires = ago(9 * time.Second) }, ""},
			{"early within the skew", func(c *jwt.Claims) { c.NotBefore = ago(-4 * time.Minute) }, ""},
			{"expired", func(c *jwt.Claims) { c.Expires = ago(12 * time.Second) }, "ExpiredToken: The token is expired. Expiration time:"},
			{"no end", func(c *jwt.Claims) { c.Expires = jwt.Date{} }, "InvalidToken: The token does not say when"},
			{"early", func(c *jwt.Claims) { c.NotBefore = ago(-6 * time.Minute) }, "InvalidToken: The token is not good yet"},
			{"issued in the future", func(c *jwt.Claims) { c.IssuedAt = ago(-6 * time.Minute) }, "InvalidToken: The token is not good yet"},
			{"for somebody else", func(c *jwt.Claims) { c.Audience = jwt.Texts{"https://management.azure.com/"} }, "InvalidAudience"},
			{"for nobody", func(c *jwt.Claims) { c.Audience = nil }, "InvalidAudience"},
			{"a stranger", func(c *jwt.Claims) { c.Issuer = "https://login.example/tenant2" }, "InvalidIssuer"},
			{"the same with a slash", func(c *jwt.Claims) { c.Issuer += "/" }, "InvalidIssuer"},
			{"of nobody", func(c *jwt.Claims) { c.Subject = "" }, "InvalidToken: The token names nobody"},
		} {
			got, err := v.judge(p.token("k1", c.change))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%s: %v", c.name, err)
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || !fault.Is(err, fault.Unauthorized)):
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
		}
		text := p.token("k1", nil)
		for name, bad := range map[string]string{"nothing": "", "no token": "hello", "changed": text[:len(text)-8] + "AAAAAAAA"} {
			if _, err := v.judge(bad); err == nil {
				t.Errorf("%s is believed", name)
			}
		}
	})
}

// Who a token is about: as an Entra tenant says, or made from issuer and subject.
func TestSubjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(entraURL)
		v := trusting(p, Issuer{URL: entraURL, Directory: true})
		defer v.Stop()
		got, err := v.judge(p.token("k1", nil))
		if err != nil || got.Kind != identity.Bearer || strings.Join(got.Subject.Principals(), " ") != "o1 g1" || got.Subject.App != "app-1" || got.Subject.Person {
			t.Errorf("%+v %+v, %v", got, got.Subject, err)
		}
		got, err = v.judge(p.token("k1", func(c *jwt.Claims) {
			c.Issuer, c.Scopes, c.UPN = "https://sts.windows.net/t1/", "user_impersonation", "ann@example"
		}))
		if err != nil || !got.Subject.Person || got.String() != "ann@example" {
			t.Errorf("version 1: %+v %+v, %v", got, got.Subject, err)
		}
		if _, err := v.judge(p.token("k1", func(c *jwt.Claims) { c.Issuer = "https://sts.windows.net/t2/" })); err == nil {
			t.Error("another tenant is believed")
		}
		v.Trust([]Issuer{{URL: entraURL}})
		got, err = v.judge(p.token("k1", nil))
		if want := ObjectID(entraURL, "somebody"); err != nil || got.Subject.Object != want || got.Subject.Groups[0] != ObjectID(entraURL, "group G1") {
			t.Errorf("derived: %+v, %v", got.Subject, err)
		}
	})
}

// Keys change at the provider; it goes away and comes back; ids are invented.
func TestKeysComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(issuerURL)
		v := trusting(p, Issuer{URL: issuerURL})
		defer v.Stop()
		good := func(text string) {
			t.Helper()
			if _, err := v.judge(text); err != nil {
				t.Error(err)
			}
		}
		bad := func(text string, kind fault.Kind) {
			t.Helper()
			if _, err := v.judge(text); !fault.Is(err, kind) {
				t.Errorf("%v, want %v", err, kind)
			}
		}
		life := func(c *jwt.Claims) { c.Expires.Time = c.Expires.Add(48 * time.Hour) }
		p.set(func() { p.down = true })
		bad(p.token("k1", nil), fault.Unavailable) // never reached
		p.set(func() { p.down = false })
		time.Sleep(fetchEvery)
		old := p.token("k1", life)
		good(old)

		p.rotate("k2")
		good(old) // the key is kept
		bad(p.token("k2", nil), fault.Unauthorized)
		time.Sleep(fetchEvery) // not fetched again so soon
		good(p.token("k2", nil))
		bad(old, fault.Unauthorized) // and the one before is taken back

		asked := p.asked
		stranger := newProvider(issuerURL)
		for range 100 {
			bad(stranger.token("k1", nil), fault.Unauthorized)
		}
		if p.asked != asked {
			t.Errorf("invented key ids had the provider asked %d times at once", p.asked-asked)
		}

		text := p.token("k2", life)
		p.set(func() { p.down = true })
		for range 23 {
			time.Sleep(time.Hour)
			good(text)
			synctest.Wait()
		}
		time.Sleep(2 * time.Hour)
		bad(text, fault.Unavailable)
		p.set(func() { p.down = false })
		time.Sleep(fetchEvery)
		good(text)
	})
}

// shelf keeps key sets in a map.
type shelf map[string][]byte

func (s shelf) Load(name string) ([]byte, error) {
	if data, ok := s[name]; ok {
		return data, nil
	}
	return nil, errors.New("there is none")
}

func (s shelf) Save(name string, data []byte) error { s[name] = data; return nil }

// The server restarts while the provider is down.
func TestKeysAreKeptOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, kept := newProvider(issuerURL), shelf{}
		start := func(i Issuer) *Verifier {
			v := New(nil, FetchOptions{Transport: p, Shelf: kept})
			v.Trust([]Issuer{i})
			return v
		}
		text := p.token("k1", func(c *jwt.Claims) { c.Expires.Time = c.Expires.Add(48 * time.Hour) })
		v := start(Issuer{URL: issuerURL})
		if _, err := v.judge(text); err != nil {
			t.Fatal(err)
		}
		v.Stop()
		p.set(func() { p.down = true })
		v = start(Issuer{URL: issuerURL})
		if _, err := v.judge(text); err != nil {
			t.Error(err)
		}
		v.Stop()
		v = start(Issuer{URL: issuerURL, KeysURL: issuerURL + "/others"})
		if _, err := v.judge(text); err == nil {
			t.Error("keys of another address are believed")
		}
		v.Stop()
		time.Sleep(KeysKeptFor + time.Minute)
		v = start(Issuer{URL: issuerURL})
		if _, err := v.judge(text); !fault.Is(err, fault.Unavailable) {
			t.Errorf("keys that are too old: %v", err)
		}
		v.Stop()
		for name := range kept {
			kept[name] = []byte("damaged")
		}
		start(Issuer{URL: issuerURL}).Stop()
	})
}

func TestDiscoveryMustMeanTheIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(issuerURL)
		p.says = "https://login.example/other"
		v := trusting(p, Issuer{URL: issuerURL})
		defer v.Stop()
		if _, err := v.judge(p.token("k1", nil)); !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		v.Trust([]Issuer{{URL: issuerURL, KeysURL: issuerURL + "/keys"}}) // told where they are
		if _, err := v.judge(p.token("k1", nil)); err != nil {
			t.Error(err)
		}
	})
}

// local is the directory of a location.
type local struct{ key jwt.Key }

func (l local) SigningKey(kid string, _ time.Time) (jwt.Key, bool) { return l.key, kid == l.key.ID }
func (l local) Issued(*jwt.Claims) error                           { return nil }
func (l local) Knows(object string) bool                           { return object == "o1" || object == "g2" }

func TestLocalDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, own := newProvider(entraURL), newProvider("https://here")
		own.rotate("mine")
		v := New(local{jwt.Key{ID: "mine", Public: own.keys["mine"].Public()}}, FetchOptions{Transport: p})
		v.Trust([]Issuer{{URL: entraURL, Directory: true}})
		defer v.Stop()
		if got, err := v.judge(own.token("mine", nil)); err != nil || got.Subject.Object != "o1" {
			t.Errorf("%+v, %v", got, err)
		}
		own.rotate("mine")
		if _, err := v.judge(own.token("mine", nil)); err == nil || !strings.HasPrefix(err.Error(), "InvalidSignature") {
			t.Errorf("another key of the same name: %v", err)
		}
		for name, change := range map[string]func(*jwt.Claims){"its object id": nil, "its group": func(c *jwt.Claims) { c.Object, c.Groups = "o9", jwt.Texts{"G2"} }} {
			if _, err := v.judge(p.token("k1", change)); err == nil || !strings.Contains(err.Error(), "own directory") {
				t.Errorf("%s from elsewhere: %v", name, err)
			}
		}
		if _, err := v.judge(p.token("k1", func(c *jwt.Claims) { c.Object = "o9" })); err != nil {
			t.Error(err)
		}
	})
}

func TestLoopbackTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := newProvider("https://here")
		v := New(local{jwt.Key{ID: "k1", Public: own.keys["k1"].Public()}}, FetchOptions{Transport: own})
		defer v.Stop()
		text := own.token("k1", func(c *jwt.Claims) { c.LoopbackFor = "loopback" })
		if _, err := v.judge(text); err == nil {
			t.Error("it is good from elsewhere")
		}
		if _, err := v.Verify(context.Background(), text, []string{door}, identity.Peer{Loopback: true}, time.Now()); err != nil {
			t.Error(err)
		}
	})
}

func TestCheckURL(t *testing.T) {
	for text, good := range map[string]bool{
		"https://a.example/x": true, "http://localhost:8080": true, "http://127.0.0.1/x": true, "http://[::1]:1/": true,
		"http://a.example": false, "ftp://a": false, "https://": false, "https://u:p@a": false, "": false, "http://localhost.evil.example": false, "http://169.254.169.254/": false,
	} {
		if err := CheckURL(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestGUID(t *testing.T) {
	if a, b := ObjectID("i", "s"), ObjectID("is", ""); a == b || len(a) != 36 || a[14] != '8' {
		t.Errorf("%s %s", a, b)
	}
}
