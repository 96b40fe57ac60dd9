package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

var keys = sync.OnceValue(func() map[string]crypto.Signer {
	r, _ := rsa.GenerateKey(rand.Reader, 2048)
	all := map[string]crypto.Signer{"rsa": r}
	for name, curve := range map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384(), "p521": elliptic.P521()} {
		all[name], _ = ecdsa.GenerateKey(curve, rand.Reader)
	}
	return all
})

var at = time.Unix(1_800_000_000, 0).UTC()

func claims() Claims {
	return Claims{Issuer: "https://issuer", Subject: "s", Audience: Texts{"https://servicebus.azure.net/"}, Expires: Date{at}, Object: "o", Authorized: "app", Roles: Texts{"r"}, Scopes: "a b"}
}

func TestSignAndVerify(t *testing.T) {
	for name, key := range keys() {
		text, err := Sign(Header{KeyID: "k"}, claims(), key, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		token, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := PublicJWK("k", key.Public())
		if err != nil {
			t.Fatal(err)
		}
		set, _ := json.Marshal(map[string]any{"keys": []JWK{{Kind: "oct"}, jwk}})
		read, err := ParseSet(set)
		if err != nil || len(read) != 1 {
			t.Fatalf("%s: %v %v", name, read, err)
		}
		if err := token.Verify(read[0]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if token.Claims.Audience[0] != "https://servicebus.azure.net/" || !token.Claims.Expires.Equal(at) || token.Claims.App() != "app" || len(token.Claims.ScopeList()) != 2 {
			t.Errorf("%s: %+v", name, token.Claims)
		}
		for other, wrong := range keys() {
			if other != name && token.Verify(Key{Public: wrong.Public()}) == nil {
				t.Errorf("a token of %s holds under the key of %s", name, other)
			}
		}
		if token.Verify(Key{Public: key.Public(), Algorithm: "RS999"}) == nil {
			t.Errorf("%s: the key is for another algorithm", name)
		}
		parts := strings.Split(text, ".")
		changed, err := Parse(parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"oid":"admin"}`)) + "." + parts[2])
		if err != nil || changed.Verify(read[0]) != ErrSignature {
			t.Errorf("%s: changed claims: %v, %v", name, err, changed.Verify(read[0]))
		}
	}
}

// TestAllAlgorithms signs by hand what Sign does not make.
func TestAllAlgorithms(t *testing.T) {
	key := keys()["rsa"].(*rsa.PrivateKey)
	for alg, m := range methods {
		if m.curve != nil {
			continue
		}
		signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+alg+`"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{}`))
		var o crypto.SignerOpts = m.hash
		if m.pss {
			o = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: m.hash}
		}
		signature, err := key.Sign(rand.Reader, m.digest(signed), o)
		if err != nil {
			t.Fatal(err)
		}
		token, err := Parse(signed + "." + base64.RawURLEncoding.EncodeToString(signature))
		if err != nil {
			t.Fatal(err)
		}
		if err := token.Verify(Key{Public: key.Public()}); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// TestForgeries are the tricks tokens are known for.
func TestForgeries(t *testing.T) {
	key := keys()["rsa"].(*rsa.PrivateKey)
	good := Key{ID: "k", Public: key.Public()}
	part := base64.RawURLEncoding.EncodeToString
	body := part([]byte(`{"oid":"admin"}`))
	jwk, _ := PublicJWK("k", key.Public())
	public, _ := json.Marshal(jwk)
	for name, head := range map[string]string{"none": `{"alg":"none"}`, "NONE": `{"alg":"NoNe"}`, "HMAC with the public key": `{"alg":"HS256"}`, "no algorithm": `{}`} {
		signed := part([]byte(head)) + "." + body
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(signed))
		token, err := Parse(signed + "." + part(mac.Sum(nil)))
		if err == nil {
			err = token.Verify(good)
		}
		if err == nil {
			t.Errorf("%s is believed", name)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "one part": "ey", "two parts": "ey.ey", "four parts": "a.b.c.d", "five parts, encrypted": "a.b.c.d.e", "empty signature": part([]byte(`{"alg":"RS256"}`)) + "." + body + ".",
		"padded": part([]byte(`{"alg":"RS256"}`)) + "." + body + ".YQ==", "no JSON": "YQ." + body + ".YQ", "list": part([]byte(`[]`)) + "." + body + ".YQ",
		"more behind": part([]byte(`{"alg":"RS256"}{}`)) + "." + body + ".YQ", "critical": part([]byte(`{"alg":"RS256","crit":["b64"]}`)) + "." + body + ".YQ",
		"long": strings.Repeat("a", TokenBytesMax) + ".b.c", "expiry": part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(`{"exp":1e300}`)) + ".YQ", "negative": part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(`{"exp":-1}`)) + ".YQ",
		"many groups": part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(`{"groups":["`+strings.Repeat(`","`, 1001)+`"]}`)) + ".YQ",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s is parsed", name)
		}
	}
}

func TestKeySets(t *testing.T) {
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	weak, _ := PublicJWK("w", small.Public())
	good, _ := PublicJWK("g", keys()["p256"].Public())
	off := good
	off.Y = off.X
	cipher := good
	cipher.Use = "enc"
	for name, set := range map[string]any{
		"empty": []JWK{}, "weak": []JWK{weak}, "off its curve": []JWK{off}, "for encryption": []JWK{cipher}, "too many": make([]JWK, keysMax+1), "even exponent": []JWK{{Kind: "RSA", N: good.X, E: "Ag"}},
	} {
		data, _ := json.Marshal(map[string]any{"keys": set})
		if keys, err := ParseSet(data); err == nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
	if _, err := ParseSet([]byte("<html>")); err == nil {
		t.Error("a page is a key set")
	}
}

func TestAudience(t *testing.T) {
	c := Claims{Audience: Texts{"https://ServiceBus.azure.net"}}
	for audience, want := range map[string]bool{"https://servicebus.azure.net/": true, "https://servicebus.azure.net": true, "https://servicebus.azure.net/x": false, "": false} {
		if c.For([]string{audience}) != want {
			t.Errorf("%q: %t", audience, !want)
		}
	}
	if (&Claims{}).For([]string{""}) {
		t.Error("no audience is for somebody")
	}
}

func FuzzParse(f *testing.F) {
	text, _ := Sign(Header{KeyID: "k"}, claims(), keys()["p256"], rand.Reader)
	f.Add(text)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("a.b.c")
	other := Key{Public: keys()["p384"].Public()}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Parse(text)
		if err != nil {
			return
		}
		if token.Verify(other) == nil || token.Verify(Key{Public: keys()["rsa"].Public()}) == nil {
			t.Fatal("a forged token is believed")
		}
		token.Claims.For([]string{"x"})
	})
}

func FuzzParseSet(f *testing.F) {
	jwk, _ := PublicJWK("k", keys()["p256"].Public())
	data, _ := json.Marshal(map[string]any{"keys": []JWK{jwk}})
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseSet(data)
		for _, k := range keys {
			if err != nil || k.sound() != nil {
				t.Fatal("an unsound key", k, err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"rsa", "p256"} {
		b.Run(name, func(b *testing.B) {
			text, _ := Sign(Header{KeyID: "k"}, claims(), keys()[name], rand.Reader)
			k := Key{Public: keys()[name].Public()}
			for b.Loop() {
				token, _ := Parse(text)
				if token.Verify(k) != nil {
					b.Fatal("it does not hold")
				}
			}
		})
	}
}
