package http

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	crypt "crypto"

	"software.sslmate.com/src/go-pkcs12"

	"weir/service/workflow/connector"
)

// certificate makes a certificate with its key, as a pfx.
func certificate(t testing.TB, key crypt.Signer, password string) (*x509.Certificate, string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "orders"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	pfx, err := pkcs12.Modern.Encode(key, cert, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	return cert, base64.StdEncoding.EncodeToString(pfx)
}

func TestClientCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, pfx := certificate(t, key, "secret")
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := made(t, Options{Roots: roots})
	ask := func(login string) connector.Answer {
		return c.Do(within(t), &connector.Call{Type: "Http", Inputs: inputs(t, `{"method": "GET", "uri": "HOST"`+login+`}`, s.URL)})
	}
	for range 2 {
		if a := ask(fmt.Sprintf(`, "authentication": {"type": "ClientCertificate", "pfx": %q, "password": "secret"}`, pfx)); a.Body != "orders" {
			t.Fatalf("%+v", a)
		}
	}
	if a := ask(""); a.Code != "SecureConnectionFailed" || a.Retryable {
		t.Errorf("without: %+v", a)
	}
	if a := ask(fmt.Sprintf(`, "authentication": {"type": "ClientCertificate", "pfx": %q, "password": "hunter2"}`, pfx)); a.Code != codeBadInputs || !strings.Contains(a.Message, "password") || strings.Contains(a.Message, "hunter2") {
		t.Errorf("with another password: %+v", a)
	}
}

// issuer is a token endpoint as version 1 has it.
type issuer struct {
	*httptest.Server
	asked  atomic.Int64
	life   int
	status int
	mu     sync.Mutex
	forms  []url.Values
}

func newIssuer(t testing.TB) *issuer {
	i := &issuer{life: 3600}
	i.Server = httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		n := i.asked.Add(1)
		r.ParseForm()
		i.mu.Lock()
		i.forms = append(i.forms, r.PostForm)
		life, status := i.life, i.status
		i.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path != "/t1/oauth2/token":
			nethttp.NotFound(w, r)
		case status != 0:
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret %s is provided."}`, r.PostForm.Get("client_secret"))
		default:
			fmt.Fprintf(w, `{"access_token": "token-%d", "expires_in": "%d", "token_type": "Bearer"}`, n, life)
		}
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) set(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func TestDirectory(t *testing.T) {
	i := newIssuer(t)
	host := echo(t)
	var now atomic.Int64
	now.Store(time.Now().Unix())
	c := made(t, Options{Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	ask := func(secret string) connector.Answer {
		return c.Do(within(t), &connector.Call{Type: "Http", Inputs: inputs(t, fmt.Sprintf(`{"method": "GET", "uri": "HOST", "authentication": {"type": "ActiveDirectoryOAuth", "authority": %q, "tenant": "t1", "audience": "https://a.example", "clientId": "c1", "secret": %q}}`, i.URL, secret), host)})
	}
	bears := func(a connector.Answer, n int) {
		t.Helper()
		if !strings.Contains(textOf(a.Body), fmt.Sprintf("Authorization: Bearer token-%d\n", n)) {
			t.Errorf("it does not bear token %d: %+v", n, a)
		}
	}
	bears(ask("s1"), 1)
	bears(ask("s1"), 1)
	if f := i.forms[0]; f.Get("grant_type") != "client_credentials" || f.Get("client_id") != "c1" || f.Get("client_secret") != "s1" || f.Get("resource") != "https://a.example" {
		t.Errorf("asked with %v", f)
	}
	bears(ask("s2"), 2) // whose secret is another one is another one
	now.Add(3600 - 299) // shortly before its end
	bears(ask("s1"), 3)
	i.set(func() { i.life = 60 })
	now.Add(3600)
	bears(ask("s1"), 4)
	now.Add(29) // one that lives shortly is used for half its life
	bears(ask("s1"), 4)
	now.Add(2)
	bears(ask("s1"), 5)

	i.set(func() { i.status = 401 })
	now.Add(3600)
	if a := ask("s1"); a.Code != codeLogin || a.Retryable || !strings.Contains(a.Message, "AADSTS7000215: Invalid client secret *sanitized*") {
		t.Errorf("refused: %+v", a)
	}
	i.set(func() { i.status = 503 })
	if a := ask("s1"); a.Code != codeLogin || !a.Retryable {
		t.Errorf("out of order: %+v", a)
	}
	i.Close()
	if a := ask("s1"); a.Code != codeLogin || !a.Retryable {
		t.Errorf("gone: %+v", a)
	}
}

// Many that need a token ask for it once.
func TestOneAsks(t *testing.T) {
	i := newIssuer(t)
	host := echo(t)
	c := made(t, Options{})
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			a := c.Do(within(t), &connector.Call{Type: "Http", Inputs: inputs(t, fmt.Sprintf(`{"method": "GET", "uri": "HOST", "authentication": {"type": "ActiveDirectoryOAuth", "authority": %q, "tenant": "t1", "clientId": "c1", "secret": "s"}}`, i.URL+"/"), host)})
			if a.Status != 200 {
				t.Errorf("%+v", a)
			}
		})
	}
	wait.Wait()
	if n := i.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// An application that shows a certificate signs who it is.
func TestDirectoryWithCertificate(t *testing.T) {
	i := newIssuer(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert, pfx := certificate(t, key, "p")
	c := made(t, Options{Authority: i.URL})
	a := c.Do(within(t), &connector.Call{Type: "Http", Inputs: inputs(t, fmt.Sprintf(`{"method": "GET", "uri": "HOST", "authentication": {"type": "ActiveDirectoryOAuth", "tenant": "t1", "clientId": "c1", "pfx": %q, "password": "p"}}`, pfx), echo(t))})
	if a.Status != 200 {
		t.Fatalf("%+v", a)
	}
	f := i.forms[0]
	parts := strings.Split(f.Get("client_assertion"), ".")
	if f.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || len(parts) != 3 {
		t.Fatalf("asked with %v", f)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypt.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
	var claims struct {
		Aud, Iss, Sub, Jti string
		Exp                int64
	}
	data, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if err := json.Unmarshal(data, &claims); err != nil || claims.Aud != i.URL+"/t1/oauth2/token" || claims.Iss != "c1" || claims.Sub != "c1" || claims.Jti == "" || claims.Exp < time.Now().Unix() {
		t.Errorf("it claims %s, %v", data, err)
	}
}

// identities gives tokens of managed identities.
type identities struct{ asked []string }

func (i *identities) Token(_ context.Context, owner, identity, audience string) (string, time.Time, error) {
	i.asked = append(i.asked, owner+" "+identity+" "+audience)
	if identity == "/stranger" {
		return "", time.Time{}, errors.New("the identity /stranger is not assigned to it")
	}
	return fmt.Sprintf("mi-%d", len(i.asked)), time.Now().Add(time.Hour), nil
}

// A token that is refused is asked for anew, once.
func TestManagedIdentity(t *testing.T) {
	var refuse atomic.Value
	refuse.Store("")
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.Header.Get("Authorization") == "Bearer "+refuse.Load().(string) {
			w.WriteHeader(401)
		}
		io.WriteString(w, r.Header.Get("Authorization"))
	}))
	defer s.Close()
	gives := &identities{}
	c := made(t, Options{Tokens: gives})
	ask := func(login string) connector.Answer {
		return c.Do(within(t), &connector.Call{Type: "Http", Who: connector.Who{Workflow: "/w", Identity: "/site"}, Inputs: inputs(t, `{"method": "GET", "uri": "HOST", "authentication": {"type": "ManagedServiceIdentity"`+login+`}}`, s.URL)})
	}
	if a := ask(""); a.Body != "Bearer mi-1" {
		t.Errorf("%+v", a)
	}
	if a := ask(`, "audience": "https://b.example", "identity": "/mine"`); a.Body != "Bearer mi-2" {
		t.Errorf("%+v", a)
	}
	refuse.Store("mi-1")
	if a := ask(""); a.Status != 200 || a.Body != "Bearer mi-3" {
		t.Errorf("after a refusal: %+v", a)
	}
	refuse.Store("mi-4")
	if a := ask(`, "identity": "/other"`); a.Status != 401 {
		t.Errorf("a fresh one that is refused: %+v", a)
	}
	if a := ask(`, "identity": "/stranger"`); a.Code != codeLogin || !strings.Contains(a.Message, "not assigned") {
		t.Errorf("a stranger: %+v", a)
	}
	want := "[/site  https://management.azure.com/ /site /mine https://b.example /site  https://management.azure.com/ /site /other https://management.azure.com/ /site /stranger https://management.azure.com/]"
	if got := fmt.Sprint(gives.asked); got != want {
		t.Errorf("asked for %s\nwant %s", got, want)
	}
}
