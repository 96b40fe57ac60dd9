package issuer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"weir/internal/secrethash"
	"weir/kernel/identity/jwt"
	"weir/kernel/identity/oidc"
	"weir/kernel/resource/access"
)

// oauthError is a refusal as OAuth 2 writes it, with Entra's number, which people
// search for.
type oauthError struct {
	name     string
	code     int
	sentence string
}

func fail(w http.ResponseWriter, status int, e oauthError) {
	writeJSON(w, status, map[string]any{
		"error": e.name, "error_description": "AADSTS" + itoa(e.code) + ": " + e.sentence, "error_codes": []int{e.code},
		"timestamp": time.Now().UTC().Format("2006-01-02 15:04:05Z"), "trace_id": "", "correlation_id": "",
	})
}

// Refusals that more than one place gives.
var (
	badClient = oauthError{"invalid_client", 7000215, "Invalid client secret provided, or no application has this client id, or it is disabled."}
	badUser   = oauthError{"invalid_grant", 50126, "Invalid username or password."}
	badGrant  = oauthError{"invalid_grant", 70008, "The code or refresh token is not good (any more): sign in again."}
	badScope  = oauthError{"invalid_scope", 70011, "The scope is not valid: it names one resource, such as https://servicebus.azure.net/.default."}
	tooOften  = oauthError{"temporarily_unavailable", 50196, "Too many attempts failed: wait a minute."}
)

// token is the token endpoint.
func (s *Issuer) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		fail(w, http.StatusMethodNotAllowed, oauthError{"invalid_request", 900561, "The token endpoint takes POST."})
		return
	}
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, oauthError{"invalid_request", 900144, "The request's form cannot be read."})
		return
	}
	form := r.PostForm
	if id, secret, ok := r.BasicAuth(); ok {
		id, _ = url.QueryUnescape(id) // RFC 6749, 2.3.1; what cannot be unescaped matches nothing
		secret, _ = url.QueryUnescape(secret)
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	switch form.Get("grant_type") {
	case "client_credentials":
		s.clientCredentials(w, r, form)
	case "authorization_code":
		s.redeemCode(w, r, form)
	case "refresh_token":
		s.refresh(w, r, form)
	case "urn:ietf:params:oauth:grant-type:device_code", "device_code":
		s.redeemDevice(w, r, form)
	case "":
		fail(w, http.StatusBadRequest, oauthError{"invalid_request", 900144, "The request must contain grant_type."})
	default:
		fail(w, http.StatusBadRequest, oauthError{"unsupported_grant_type", 70003, "The grant type is not offered: client_credentials, authorization_code, device_code and refresh_token are."})
	}
}

// clientCredentials gives an application a token for itself.
func (s *Issuer) clientCredentials(w http.ResponseWriter, r *http.Request, form url.Values) {
	m, ofPlatform := s.workloadOf(form)
	var a access.App
	var ok bool
	if !ofPlatform {
		a, ok = s.client(w, r, form, true)
	} else if ok = s.federated(r, m.Federated, form); !ok {
		s.disproved(w, r, m.Client)
	}
	if !ok {
		return
	}
	want, ok := readScope(form.Get("scope"), form.Get("resource"))
	if !ok || want.Audience == "" {
		fail(w, http.StatusBadRequest, badScope)
		return
	}
	claims := ofApp(a, want.Audience)
	if ofPlatform {
		claims = ofManaged(m, want.Audience)
	}
	token, err := s.sign(r, claims, accessFor)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	if form.Get("resource") != "" { // version 1's answer has a time besides, as text
		writeJSON(w, http.StatusOK, s.versionOne(token, want.Audience, accessFor))
		return
	}
	writeJSON(w, http.StatusOK, answer{Type: "Bearer", ExpiresIn: int(accessFor.Seconds()), ExtExpires: int(accessFor.Seconds()), Access: token})
}

// client finds the application of a request and has it prove itself. An application that
// is public need not, where the grant proves who is there.
func (s *Issuer) client(w http.ResponseWriter, r *http.Request, form url.Values, must bool) (access.App, bool) {
	id := form.Get("client_id")
	assertion := form.Get("client_assertion")
	if id == "" && assertion != "" {
		if t, err := jwt.Parse(assertion); err == nil {
			id = t.Claims.Subject
		}
	}
	if s.failures.full(clientPlace(id, r), s.o.Now()) {
		w.Header().Set("Retry-After", "60")
		fail(w, http.StatusTooManyRequests, tooOften)
		return access.App{}, false
	}
	a, known := s.o.Directory().App(id)
	good := false
	switch secret := form.Get("client_secret"); {
	case assertion != "":
		good = (s.asserted(r, a, form) || s.federated(r, a.Federated, form)) && known
	case secret != "":
		good = s.secret(r, a, secret) && known
	case !must && known && a.Public:
		good = true
	}
	if good && a.Enabled {
		return a, true
	}
	s.disproved(w, r, id)
	return access.App{}, false
}

// clientPlace is what failures of an application are counted by.
func clientPlace(id string, r *http.Request) string { return "client " + id + " " + peer(r) }

// disproved refuses who did not prove to be an application.
func (s *Issuer) disproved(w http.ResponseWriter, r *http.Request, id string) {
	s.failures.add(clientPlace(id, r), s.o.Now())
	s.refused(r, id, "the application did not prove itself")
	fail(w, http.StatusUnauthorized, badClient)
}

// workloadOf is the managed identity that a workload of another platform asks to be.
func (s *Issuer) workloadOf(form url.Values) (access.Managed, bool) {
	m, ok := s.o.Directory().Managed(form.Get("client_id"))
	return m, ok && form.Get("client_assertion") != "" && len(m.Federated) > 0
}

// federated says whether the request's assertion is a token of a platform, about whom it
// is trusted to be.
func (s *Issuer) federated(r *http.Request, trusted []access.Federated, form url.Values) bool {
	if s.o.Federated == nil || form.Get("client_assertion_type") != assertionType {
		return false
	}
	for _, f := range trusted {
		p, err := s.o.Federated(r.Context(), form.Get("client_assertion"), f.Audiences)
		if err == nil && p.Subject.Issuer == f.Issuer && p.Subject.Object == oidc.ObjectID(f.Issuer, f.Subject) {
			return true
		}
	}
	return false
}

// assertionType is how a request says that its assertion is a token.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func (s *Issuer) refused(r *http.Request, who, why string) {
	s.log.Info("no token was given", "to", shown(who), "reason", why, "peer", peer(r))
	if s.o.Refused != nil {
		s.o.Refused(r, shown(who), why)
	}
}

// nobody is compared with when there is nothing else, so that it takes as long.
const nobody = "pbkdf2-sha256$210000$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// matches compares with a hash, when it is this request's turn. What was right lately is
// remembered, by a digest of both.
func (s *Issuer) matches(r *http.Request, hash, secret string) bool {
	if hash == "" {
		hash = nobody
	}
	digest := sha256.Sum256([]byte(hash + "\x00" + secret))
	if s.proven.has(digest, s.o.Now()) {
		return true
	}
	select {
	case s.hashing <- struct{}{}:
	case <-r.Context().Done():
		return false
	}
	defer func() { <-s.hashing }()
	if !secrethash.Matches(hash, secret) {
		return false
	}
	s.proven.add(digest, s.o.Now())
	return true
}

// secret says whether one of the application's secrets was shown.
func (s *Issuer) secret(r *http.Request, a access.App, secret string) bool {
	tried := false
	for _, one := range a.Secrets {
		if !one.Expires.IsZero() && one.Expires.Before(s.o.Now()) {
			continue
		}
		if tried = true; s.matches(r, one.Hash, secret) {
			return true
		}
	}
	if !tried {
		s.matches(r, "", secret)
	}
	return false
}

// assertionFor is the longest an assertion may be good.
const assertionFor = time.Hour

// asserted says whether the application signed the request's assertion with a key of
// its own (RFC 7523), for this endpoint and for the first time.
func (s *Issuer) asserted(r *http.Request, a access.App, form url.Values) bool {
	if form.Get("client_assertion_type") != assertionType {
		return false
	}
	t, err := jwt.Parse(form.Get("client_assertion"))
	if err != nil {
		return false
	}
	now, c := s.o.Now(), &t.Claims
	signed := false
	for _, k := range a.Keys {
		signed = signed || (k.Expires.IsZero() || k.Expires.After(now)) && t.Verify(k.Key) == nil
	}
	const skew = 5 * time.Minute
	good := signed && strings.EqualFold(c.Subject, a.Client) && strings.EqualFold(c.Issuer, a.Client) &&
		now.Before(c.Expires.Add(skew)) && c.Expires.Before(now.Add(assertionFor)) && !c.NotBefore.After(now.Add(skew)) && s.here(r, c)
	return good && c.ID != "" && s.used.first(a.Client+" "+c.ID, c.Expires.Add(skew), now)
}

// here says whether an assertion was made for this endpoint.
func (s *Issuer) here(r *http.Request, c *jwt.Claims) bool {
	for _, audience := range c.Audience {
		u, err := url.Parse(audience)
		if err != nil {
			continue
		}
		own, err := url.Parse(s.base(r))
		if _, _, ours := split(u.Path); err == nil && ours && strings.EqualFold(u.Host, own.Host) {
			return true
		}
	}
	return false
}

// redeemCode gives tokens for a code that the login page gave.
func (s *Issuer) redeemCode(w http.ResponseWriter, r *http.Request, form url.Values) {
	a, ok := s.client(w, r, form, false)
	if !ok {
		return
	}
	c, ok := s.ownToken(form.Get("code"), useCode, a)
	now := s.o.Now()
	if !ok || c.Redirect != form.Get("redirect_uri") || !verifier(c.Challenge, form.Get("code_verifier")) || !s.used.first(c.ID, c.Expires.Time, now) {
		s.refused(r, a.Client, "the code is not good")
		fail(w, http.StatusBadRequest, badGrant)
		return
	}
	s.grantPerson(w, r, a, c, c.Scopes, c.Nonce)
}

// verifier compares a code's challenge (RFC 7636, S256). Without one there is nothing to
// compare: only applications with a secret get codes like that.
func verifier(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// refresh gives new tokens for a refresh token.
func (s *Issuer) refresh(w http.ResponseWriter, r *http.Request, form url.Values) {
	a, ok := s.client(w, r, form, false)
	if !ok {
		return
	}
	c, ok := s.ownToken(form.Get("refresh_token"), useRefresh, a)
	if !ok {
		s.refused(r, a.Client, "the refresh token is not good")
		fail(w, http.StatusBadRequest, badGrant)
		return
	}
	scope := form.Get("scope")
	if res := form.Get("resource"); res != "" {
		scope += " " + strings.TrimSuffix(res, "/") + "/.default"
	}
	s.grantPerson(w, r, a, c, scope+" offline_access", "")
}

// grantPerson answers with the tokens of the person a code or refresh token is of.
func (s *Issuer) grantPerson(w http.ResponseWriter, r *http.Request, a access.App, c *jwt.Claims, scope, nonce string) {
	u, ok := s.o.Directory().User(c.Preferred)
	if !ok || !u.Enabled || u.Object != c.Object || stamp(u) != c.Stamp {
		s.refused(r, c.Preferred, "the user is gone or disabled, or the password has changed")
		fail(w, http.StatusBadRequest, badGrant)
		return
	}
	want, ok := readScope(scope, "")
	if !ok {
		fail(w, http.StatusBadRequest, badScope)
		return
	}
	out, err := s.forPerson(r, u, a, want, nonce)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// ownToken reads a code or refresh token of ours that was given to an application.
func (s *Issuer) ownToken(text, use string, a access.App) (*jwt.Claims, bool) {
	t, err := jwt.Parse(text)
	if err != nil {
		return nil, false
	}
	for _, k := range s.o.Directory().Keys() {
		if k.ID == t.Header.KeyID && t.Verify(jwt.Key{Public: k.Private.Public()}) == nil {
			c := &t.Claims
			return c, c.Use == use && c.For([]string{a.Client}) && s.o.Now().Before(c.Expires.Time)
		}
	}
	return nil, false
}

// stamp changes with the password.
func stamp(u access.User) string {
	sum := sha256.Sum256([]byte(u.Object + "\x00" + u.PasswordHash))
	return hex.EncodeToString(sum[:8])
}

// peer is the address a request came from, without its port.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
