package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
	"weir/kernel/identity/oidc"
	"weir/kernel/resource/access"
	"weir/kernel/resource/access/accesstest"
)

const (
	people   = "/subscriptions/s/resourceGroups/g/providers/Weir.Identity/"
	door     = "https://servicebus.azure.net"
	password = "correct horse"
	appID    = "11111111-1111-4111-8111-111111111111"
	secret   = "a secret of the shop"
	back     = "http://localhost/done"
	verifies = "a-verifier-that-is-at-least-43-characters-long"
)

// stage is an issuer with somebody to know.
type stage struct {
	*testing.T
	*Issuer
	store *accesstest.Store
	index *access.Index
	now   time.Time
	peer  string
}

func newStage(t *testing.T, change func(*Options)) *stage {
	s := &stage{T: t, now: time.Now(), peer: "127.0.0.1:1"}
	s.store, s.index = accesstest.New(t, access.Options{Default: true})
	o := Options{
		Directory: s.index.Directory, Store: s.store, Scope: accesstest.Scope, Now: func() time.Time { return s.now }, Managed: true,
		Settled:  func(context.Context) error { s.store.Settle(s.index); return nil },
		Loopback: func(r *http.Request) bool { return strings.HasPrefix(r.RemoteAddr, "127.") },
	}
	if change != nil {
		change(&o)
	}
	s.Issuer = New(o)
	s.store.Declare(people+"users/ann", map[string]any{"password": password, "displayName": "Ann <of the shop>"})
	s.store.Declare(people+"applications/shop", map[string]any{"clientId": appID, "roles": []any{"reader"}, "redirectUris": []any{back, "https://shop.example/done"}})
	s.store.Declare(people+"applications/shop/secrets/one", map[string]any{"secret": secret})
	s.store.Settle(s.index)
	return s
}

// ask makes a request: a form is posted.
func (s *stage) ask(path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r := httptest.NewRequest(method, "http://issuer.example"+path, strings.NewReader(form.Encode()))
	r.RemoteAddr = s.peer
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	if !Serves(r.URL.Path) {
		s.Fatalf("%s is not served", path)
	}
	s.ServeHTTP(w, r)
	return w
}

func body(w *httptest.ResponseRecorder) map[string]any {
	var m map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &m)
	return m
}

// refuse checks a refusal.
func (s *stage) refuse(name string, w *httptest.ResponseRecorder, code string) {
	s.Helper()
	if m := body(w); w.Code < 400 || m["error"] != code || m["access_token"] != nil {
		s.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, code)
	}
}

// believe judges a token as the doors do.
func (s *stage) believe(token any, audience string) (identity.Principal, error) {
	v := oidc.New(s.index, oidc.FetchOptions{})
	defer v.Stop()
	text, _ := token.(string)
	return v.Verify(s.Context(), text, []string{audience}, identity.Peer{Loopback: true}, s.now)
}

func (s *stage) good(w *httptest.ResponseRecorder, audience string) identity.Principal {
	s.Helper()
	p, err := s.believe(body(w)["access_token"], audience)
	if err != nil {
		s.Fatalf("%v\n%d %s", err, w.Code, w.Body)
	}
	return p
}

func app(more ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {secret}, "scope": {door + "/.default"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

const tokenPath = "/" + access.TenantID + "/oauth2/v2.0/token"

func TestClientCredentials(t *testing.T) {
	s := newStage(t, nil)
	p := s.good(s.ask(tokenPath, app()), door)
	if p.Subject.App != appID || p.Subject.Roles[0] != "reader" || p.Subject.Person {
		t.Errorf("%+v", p.Subject)
	}
	s.good(s.ask("/weir/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {secret}, "resource": {door + "/"}}), door)
	form := app()
	form.Del("client_id")
	form.Del("client_secret")
	s.good(s.ask(tokenPath, form, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(appID+":"+url.QueryEscape(secret)))), door)
	for name, c := range map[string]struct {
		form url.Values
		code string
	}{
		"wrong secret": {app("client_secret", "wrong"), "invalid_client"}, "no secret": {app("client_secret", ""), "invalid_client"}, "unknown": {app("client_id", "x"), "invalid_client"},
		"public client": {app("client_id", access.CLIClientID), "invalid_client"}, "no scope": {app("scope", ""), "invalid_scope"}, "two resources": {app("scope", door+"/.default https://x/.default"), "invalid_scope"},
		"no resource": {app("scope", "openid"), "invalid_scope"}, "a bad one": {app("scope", "https://a b/.default"), "invalid_scope"},
		"other grant": {app("grant_type", "password"), "unsupported_grant_type"}, "no grant": {app("grant_type", ""), "invalid_request"},
	} {
		s.refuse(name, s.ask(tokenPath, c.form), c.code)
	}
	s.now = s.now.Add(2 * time.Minute) // failures are forgotten
	s.store.Declare(people+"applications/shop/secrets/one", map[string]any{"expires": s.now.Add(-time.Second).Format(time.RFC3339)})
	s.store.Settle(s.index)
	s.refuse("expired secret", s.ask(tokenPath, app()), "invalid_client")
	if w := s.ask(tokenPath, nil); w.Code != http.StatusMethodNotAllowed {
		t.Error(w.Code)
	}
}

// Who guesses is slowed down, and others are not.
func TestGuessing(t *testing.T) {
	s := newStage(t, nil)
	for range failuresMax {
		s.refuse("a guess", s.ask(tokenPath, app("client_secret", "guess")), "invalid_client")
	}
	s.refuse("one too many, and right", s.ask(tokenPath, app()), "temporarily_unavailable")
	s.peer = "127.0.0.2:1"
	s.good(s.ask(tokenPath, app()), door)
	s.peer = "127.0.0.1:1"
	s.now = s.now.Add(failuresWindow)
	s.good(s.ask(tokenPath, app()), door)
}

func TestAssertions(t *testing.T) {
	s := newStage(t, nil)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	s.store.Declare(people+"applications/shop/keys/k", map[string]any{"publicKey": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	s.store.Settle(s.index)
	n := 0
	sign := func(key *ecdsa.PrivateKey, change func(*jwt.Claims)) url.Values {
		n++
		c := jwt.Claims{Issuer: appID, Subject: appID, Audience: jwt.Texts{"http://issuer.example" + tokenPath}, Expires: jwt.Date{Time: s.now.Add(10 * time.Minute)}, ID: string(rune('a' + n))}
		if change != nil {
			change(&c)
		}
		text, err := jwt.Sign(jwt.Header{}, c, key, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		form := app("client_assertion", text, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Del("client_secret")
		return form
	}
	once := sign(key, nil)
	s.good(s.ask(tokenPath, once), door)
	s.refuse("a second time", s.ask(tokenPath, once), "invalid_client")
	for name, form := range map[string]url.Values{
		"another key":  sign(other, nil),
		"elsewhere":    sign(key, func(c *jwt.Claims) { c.Audience = jwt.Texts{"https://login.microsoftonline.com/x/oauth2/v2.0/token"} }),
		"somebody":     sign(key, func(c *jwt.Claims) { c.Issuer = "x" }),
		"expired":      sign(key, func(c *jwt.Claims) { c.Expires.Time = s.now.Add(-10 * time.Minute) }),
		"for ever":     sign(key, func(c *jwt.Claims) { c.Expires.Time = s.now.Add(240 * time.Hour) }),
		"no end":       sign(key, func(c *jwt.Claims) { c.Expires = jwt.Date{} }),
		"without name": sign(key, func(c *jwt.Claims) { c.ID = "" }),
	} {
		s.refuse(name, s.ask(tokenPath, form), "invalid_client")
	}
}

// Workloads of another platform show its token, about whom they are trusted to be.
func TestFederated(t *testing.T) {
	const platform, audience = "https://kubernetes.example", access.FederatedAudience
	s := newStage(t, func(o *Options) {
		o.Federated = func(_ context.Context, token string, audiences []string) (identity.Principal, error) {
			c, err := jwt.Parse(token) // believed as it is: package oidc is tested elsewhere
			if err != nil || !c.Claims.For(audiences) {
				return identity.Principal{}, errors.New("not for us")
			}
			return identity.Principal{Subject: &identity.Subject{Issuer: c.Claims.Issuer, Object: oidc.ObjectID(c.Claims.Issuer, c.Claims.Subject)}}, nil
		}
	})
	const managed = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker"
	worker := s.store.Declare(managed, nil)
	trusted := map[string]any{"issuer": platform, "subject": "system:serviceaccount:shop:worker"}
	s.store.Declare(managed+"/federatedIdentityCredentials/k8s", trusted)
	s.store.Declare(people+"applications/shop/federatedIdentityCredentials/k8s", trusted)
	s.store.Settle(s.index)
	if got := s.index.Directory().Platforms; len(got) != 1 || got[0].URL != platform || got[0].Directory {
		t.Errorf("platforms are %+v", got)
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	show := func(client string, c jwt.Claims) *httptest.ResponseRecorder {
		text, err := jwt.Sign(jwt.Header{}, c, key, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		form := app("client_id", client, "client_assertion", text, "client_assertion_type", assertionType)
		form.Del("client_secret")
		return s.ask(tokenPath, form)
	}
	good := jwt.Claims{Issuer: platform, Subject: "system:serviceaccount:shop:worker", Audience: jwt.Texts{audience}}
	if p := s.good(show(worker.String("clientId"), good), door); p.Subject.Object != worker.String("principalId") {
		t.Errorf("%+v", p.Subject)
	}
	if p := s.good(show(appID, good), door); p.Subject.App != appID {
		t.Errorf("%+v", p.Subject)
	}
	other, elsewhere, foreign := good, good, good
	other.Subject, elsewhere.Audience, foreign.Issuer = "system:serviceaccount:shop:other", jwt.Texts{"https://kubernetes.example"}, "https://other.example"
	for name, c := range map[string]jwt.Claims{"another subject": other, "another audience": elsewhere, "another platform": foreign} {
		s.refuse(name, show(worker.String("clientId"), c), "invalid_client")
		s.refuse(name, show(appID, c), "invalid_client")
	}
	s.refuse("the default identity", show(access.DefaultClientID, good), "invalid_client")
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifies))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func request(more ...string) url.Values {
	q := url.Values{"client_id": {access.CLIClientID}, "redirect_uri": {"http://localhost:4711"}, "response_type": {"code"}, "scope": {door + "/.default openid offline_access"}, "state": {"st"}, "nonce": {"n"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return q
}

func login(q url.Values, name, password string) url.Values {
	form := url.Values{"username": {name}, "password": {password}}
	for k, v := range q {
		form[k] = v
	}
	return form
}

const authorizePath = "/" + access.TenantID + "/oauth2/v2.0/authorize"

// The story of a person who signs in with a browser, comes back with a refresh token,
// and changes the password.
func TestCodeAndRefresh(t *testing.T) {
	s := newStage(t, nil)
	page := s.ask(authorizePath+"?"+request("login_hint", "<ann>").Encode(), nil)
	if h := page.Header(); page.Code != 200 || !strings.Contains(page.Body.String(), `value="&lt;ann&gt;"`) || h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Fatalf("%d %v %s", page.Code, h, page.Body)
	}
	if w := s.ask(authorizePath, login(request(), "ann", "wrong password")); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "wrong password") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	code := func() string {
		w := s.ask(authorizePath, login(request(), "Ann", password))
		to, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != http.StatusSeeOther || to.Host != "localhost:4711" || to.Query().Get("state") != "st" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		return to.Query().Get("code")
	}
	redeem := func(code string, more ...string) *httptest.ResponseRecorder {
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {access.CLIClientID}, "code": {code}, "redirect_uri": {"http://localhost:4711"}, "code_verifier": {verifies}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return s.ask(tokenPath, form)
	}
	first := code()
	if _, err := s.believe(first, access.CLIClientID); err == nil {
		t.Error("a code is an access token")
	}
	s.refuse("wrong verifier", redeem(first, "code_verifier", "x"+verifies), "invalid_grant")
	s.refuse("no verifier", redeem(first, "code_verifier", ""), "invalid_grant")
	s.refuse("another address", redeem(first, "redirect_uri", "http://localhost:1"), "invalid_grant")
	s.refuse("another application", redeem(first, "client_id", "04b07795-8ddb-461a-bbee-02f9e1bf7b46"), "invalid_grant")
	w := redeem(first)
	p := s.good(w, door)
	if p.Name != "ann" || !p.Subject.Person || p.Subject.Scopes[0] != "user_impersonation" {
		t.Errorf("%+v %+v", p, p.Subject)
	}
	s.refuse("a second time", redeem(first), "invalid_grant")
	old := code()
	s.now = s.now.Add(codeFor + time.Second)
	s.refuse("too late", redeem(old), "invalid_grant")

	answer := body(w)
	id, err := jwt.Parse(answer["id_token"].(string))
	if err != nil || id.Claims.Nonce != "n" || id.Claims.Preferred != "ann" || id.Claims.Audience[0] != access.CLIClientID {
		t.Errorf("%+v, %v", id.Claims, err)
	}
	if _, err := s.believe(answer["id_token"], access.CLIClientID); err == nil {
		t.Error("an id token is an access token")
	}
	refresh := func(token any) *httptest.ResponseRecorder {
		return s.ask(tokenPath, url.Values{"grant_type": {"refresh_token"}, "client_id": {access.CLIClientID}, "refresh_token": {token.(string)}, "scope": {"https://management.azure.com/.default offline_access openid"}})
	}
	w = refresh(answer["refresh_token"])
	s.good(w, "https://management.azure.com")
	s.refuse("an access token for a refresh token", refresh(answer["access_token"]), "invalid_grant")
	s.store.Declare(people+"users/ann", map[string]any{"password": "another horse"})
	s.store.Settle(s.index)
	s.refuse("the password has changed", refresh(body(w)["refresh_token"]), "invalid_grant")
}

// Requests that must not lead anybody anywhere, and those that are told why.
func TestAuthorizeRefusals(t *testing.T) {
	s := newStage(t, nil)
	for name, q := range map[string]url.Values{
		"unknown application": request("client_id", "x"), "another host": request("redirect_uri", "https://evil.example"), "a host that begins so": request("redirect_uri", "http://localhost.evil.example"),
		"user in it": request("redirect_uri", "http://localhost@evil.example"), "another path": request("redirect_uri", "http://localhost:1/x"), "none": request("redirect_uri", ""),
		"a port of a fixed address": request("client_id", appID, "redirect_uri", "https://shop.example:444/done"), "script": request("redirect_uri", "javascript:alert(1)"),
	} {
		if w := s.ask(authorizePath, login(q, "ann", password)); w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	for name, q := range map[string]url.Values{
		"no challenge": request("code_challenge", ""), "plain": request("code_challenge_method", "plain"), "a token": request("response_type", "token"), "two resources": request("scope", "https://a/x https://b/y"),
	} {
		w := s.ask(authorizePath+"?"+q.Encode(), nil)
		to, _ := url.Parse(w.Header().Get("Location"))
		if w.Code != http.StatusSeeOther || to.Query().Get("error") == "" || to.Query().Get("code") != "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	w := s.ask(authorizePath, login(request("response_mode", "form_post", "state", `"><script>`), "ann", password))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `name="code"`) || strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.store.Declare(people+"users/ann", map[string]any{"enabled": false})
	s.store.Settle(s.index)
	if w := s.ask(authorizePath, login(request(), "ann", password)); w.Code != http.StatusUnauthorized {
		t.Errorf("a disabled user: %d", w.Code)
	}
}

func TestDevices(t *testing.T) {
	s := newStage(t, nil)
	begin := func() map[string]any {
		return body(s.ask("/common/oauth2/v2.0/devicecode", url.Values{"client_id": {access.CLIClientID}, "scope": {door + "/.default"}}))
	}
	d := begin()
	poll := func(code any) *httptest.ResponseRecorder {
		return s.ask(tokenPath, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {access.CLIClientID}, "device_code": {code.(string)}})
	}
	s.refuse("nobody yet", poll(d["device_code"]), "authorization_pending")
	const path = "/weir/oauth2/device"
	sign := func(code, password string) int {
		return s.ask(path, url.Values{"user_code": {code}, "username": {"ann"}, "password": {password}}).Code
	}
	user := d["user_code"].(string)
	if !regexp.MustCompile(`^[B-Z]{9}$`).MatchString(user) || s.ask(path+"?user_code="+user, nil).Code != 200 {
		t.Errorf("%v", d)
	}
	if sign(user, "wrong") != http.StatusUnauthorized || sign("XXXXXXXXX", password) != http.StatusUnauthorized || sign(strings.ToLower(user[:4]+"-"+user[4:]), password) != http.StatusOK {
		t.Error("a page lets in, or does not")
	}
	if sign(user, password) != http.StatusUnauthorized {
		t.Error("a code is good twice")
	}
	s.good(poll(d["device_code"]), door)
	s.refuse("a second time", poll(d["device_code"]), "expired_token")
	late := begin()
	s.now = s.now.Add(deviceFor + time.Second)
	s.refuse("too late", poll(late["device_code"]), "expired_token")
	s.refuse("a confidential application", s.ask("/weir/oauth2/v2.0/devicecode", url.Values{"client_id": {appID}}), "unauthorized_client")
	for range devicesMax {
		begin()
	}
	s.refuse("too many", s.ask("/weir/oauth2/v2.0/devicecode", url.Values{"client_id": {access.CLIClientID}}), "temporarily_unavailable")
}

// Managed identity is for this machine, and asks in the right way; the look whether it
// is there is answered.
func TestManagedIdentity(t *testing.T) {
	s := newStage(t, nil)
	m := s.store.Declare("/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker", nil)
	s.store.Settle(s.index)
	const header, resource = "X-IDENTITY-HEADER", "?api-version=2019-08-01&resource=" + door
	if p := s.good(s.ask(PathAppService+resource, nil, header, "x"), door); p.Subject.Object != access.DefaultObjectID {
		t.Errorf("%+v", p.Subject)
	}
	for _, by := range []string{"client_id=" + m.String("clientId"), "principal_id=" + m.String("principalId"), "mi_res_id=" + url.QueryEscape(m.ID.String())} {
		if p := s.good(s.ask(PathAppService+resource+"&"+by, nil, header, "x"), door); p.Subject.Object != m.String("principalId") {
			t.Errorf("%s: %+v", by, p.Subject)
		}
	}
	w := s.ask(PathIMDS+"?api-version=2018-02-01&resource="+url.QueryEscape(door), nil, "Metadata", "true")
	s.good(w, door)
	for _, name := range []string{"expires_on", "expires_in", "not_before", "resource", "token_type", "client_id"} {
		if text, ok := body(w)[name].(string); !ok || text == "" {
			t.Errorf("%s is %v: clients read a text", name, body(w)[name])
		}
	}
	key := m.String("workloadKey")
	for name, c := range map[string]struct {
		path    string
		headers []string
		peer    string
		status  int
	}{
		"the look whether it is there": {PathIMDS + "?api-version=2018-02-01", nil, "", 400},
		"no header":                    {PathAppService + resource, nil, "", 403},
		"no resource":                  {PathAppService, []string{header, "x"}, "", 400},
		"unknown identity":             {PathAppService + resource + "&client_id=x", []string{header, "x"}, "", 400},
		"another machine":              {PathAppService + resource, []string{header, "x"}, "10.0.0.1:1", 400},
		"another machine, IMDS":        {PathIMDS + resource, []string{"Metadata", "true"}, "10.0.0.1:1", 400},
		"passed on by a proxy":         {PathAppService + resource, []string{header, "x", "X-Forwarded-For", "10.0.0.1"}, "", 400},
		"a web page":                   {PathIMDS + resource, []string{"Metadata", "true", "Origin", "https://evil.example"}, "", 400},
		"a workload elsewhere":         {PathAppService + resource, []string{header, key}, "10.0.0.1:1", 200},
		"a workload as another":        {PathAppService + resource + "&client_id=" + access.DefaultClientID, []string{header, key}, "10.0.0.1:1", 400},
	} {
		if s.peer = "127.0.0.1:1"; c.peer != "" {
			s.peer = c.peer
		}
		if w := s.ask(c.path, nil, c.headers...); w.Code != c.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	off := newStage(t, func(o *Options) { o.Managed = false })
	if w := off.ask(PathAppService+resource, nil, header, "x"); w.Code != 400 {
		t.Errorf("it is off: %d %s", w.Code, w.Body)
	}
}

// Keys are published before they sign, and believed until their last token has ended.
func TestKeysRotate(t *testing.T) {
	s := newStage(t, nil)
	published := func() (kids []string) {
		keys, err := jwt.ParseSet(s.ask("/weir/discovery/v2.0/keys", nil).Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			kids = append(kids, k.ID)
		}
		return kids
	}
	kid := func() string {
		s.Helper()
		tok, err := jwt.Parse(body(s.ask(tokenPath, app()))["access_token"].(string))
		if err != nil {
			t.Fatal(err)
		}
		return tok.Header.KeyID
	}
	first := kid()
	if got := published(); len(got) != 1 || got[0] != first {
		t.Fatalf("published %v", got)
	}
	s.now = s.now.Add(signsFor - publishedFor + time.Minute)
	if kid() != first || len(published()) != 2 {
		t.Errorf("published %v: the next key should be there, and not sign yet", published())
	}
	s.now = s.now.Add(publishedFor)
	second := kid()
	if second == first || len(published()) != 2 {
		t.Error("the next key does not sign, or the one before is not published")
	}
	s.now = s.now.Add(goodAfter)
	if got := published(); len(got) != 1 || got[0] != second {
		t.Errorf("published %v", got)
	}
	s.now = s.now.Add(signsFor) // a long silence
	if third := kid(); third == first {
		t.Error("an old key signs")
	}
	for _, k := range s.index.Directory().Keys() {
		if k.ID == first {
			t.Error("the first key is kept for ever")
		}
	}
}

func TestDiscovery(t *testing.T) {
	s := newStage(t, nil)
	for _, tenant := range []string{access.TenantID, "weir", "common", "organizations"} {
		m := body(s.ask("/"+tenant+"/v2.0/.well-known/openid-configuration", nil))
		if m["issuer"] != "http://issuer.example/"+access.TenantID+"/v2.0" || m["token_endpoint"] != "http://issuer.example"+tokenPath {
			t.Errorf("%s: %v", tenant, m)
		}
	}
	fixed := newStage(t, func(o *Options) { o.URL = "https://login.example/" })
	if m := body(fixed.ask("/common/discovery/instance?authorization_endpoint=x", nil)); m["tenant_discovery_endpoint"] != "https://login.example/"+access.TenantID+"/v2.0/.well-known/openid-configuration" {
		t.Errorf("%v", m)
	}
	for _, path := range []string{"/", "/orders/messages", "/subscriptions/x", "/common", "/commonx/oauth2/token", "/11111111-1111-4111-8111-111111111111/oauth2/token", "/msi/tokens"} {
		if Serves(path) {
			t.Errorf("%s is served", path)
		}
	}
	if w := s.ask("/weir/oauth2/nothing", nil); w.Code != 404 {
		t.Error(w.Code)
	}
}
