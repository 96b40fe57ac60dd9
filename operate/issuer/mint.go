package issuer

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"weir/kernel/identity/jwt"
	"weir/kernel/resource/access"
)

// Lifetimes.
const (
	accessFor  = time.Hour
	managedFor = 24 * time.Hour // as Azure's managed identities
	refreshFor = 30 * 24 * time.Hour
	codeFor    = 5 * time.Minute
)

// Uses of tokens that are no access tokens.
const (
	useCode    = "code"
	useRefresh = "refresh"
)

// sign completes claims and signs them.
func (s *Issuer) sign(r *http.Request, c jwt.Claims, life time.Duration) (string, error) {
	key, err := s.signer(r.Context())
	if err != nil {
		return "", err
	}
	now := s.o.Now().UTC()
	c.Issuer, c.Tenant, c.Version = s.issuerURL(r), access.TenantID, "2.0"
	c.IssuedAt, c.NotBefore, c.Expires = jwt.Date{Time: now}, jwt.Date{Time: now}, jwt.Date{Time: now.Add(life)}
	if c.Subject == "" {
		c.Subject = c.Object
	}
	if c.ID == "" {
		if c.ID, err = s.random(16); err != nil {
			return "", err
		}
	}
	return jwt.Sign(jwt.Header{KeyID: key.ID, Thumb: key.ID}, c, key.Private, s.o.Random)
}

func (s *Issuer) random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.o.Random, b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}

// ofApp are the claims of an application that speaks for itself.
func ofApp(a access.App, audience string) jwt.Claims {
	return jwt.Claims{Audience: jwt.Texts{audience}, Object: a.Object, AppID: a.Client, Authorized: a.Client, IDType: "app", Roles: a.Roles, Groups: a.Groups, AppIDAuth: "1"}
}

// ofManaged are those of a managed identity.
func ofManaged(m access.Managed, audience string) jwt.Claims {
	c := jwt.Claims{Audience: jwt.Texts{audience}, Object: m.Object, AppID: m.Client, Authorized: m.Client, IDType: "app", AppIDAuth: "2", ResourceID: m.ID}
	if m.Loopback {
		c.LoopbackFor = "loopback"
	}
	return c
}

// ofUser are those of a person who signed in with an application.
func ofUser(u access.User, a access.App, audience, scope string) jwt.Claims {
	name := u.Display
	if name == "" {
		name = u.Name
	}
	return jwt.Claims{Audience: jwt.Texts{audience}, Object: u.Object, AppID: a.Client, Authorized: a.Client, IDType: "user", Scopes: scope, Groups: u.Groups, Name: name, Preferred: u.Name, UPN: u.Name}
}

// Scopes of OpenID Connect, which name no resource.
var plainScopes = map[string]bool{"openid": true, "profile": true, "email": true, "offline_access": true}

// wanted is what a client asks a token for.
type wanted struct {
	Audience string // of the access token; empty: none was named
	Scope    string // of it: what is behind the audience
	OpenID   bool
	Offline  bool
}

// readScope takes scopes apart. All that name a resource must name the same one.
func readScope(scope, resource string) (wanted, bool) {
	w := wanted{Audience: resource}
	for _, one := range strings.Fields(scope) {
		if plainScopes[strings.ToLower(one)] {
			w.OpenID = w.OpenID || strings.EqualFold(one, "openid")
			w.Offline = w.Offline || strings.EqualFold(one, "offline_access")
			continue
		}
		at := strings.LastIndexByte(one, '/')
		if at <= 0 || w.Audience != "" && w.Audience != one[:at] {
			return w, false
		}
		w.Audience = one[:at]
		if name := one[at+1:]; name != ".default" {
			w.Scope = strings.TrimSpace(w.Scope + " " + name)
		}
	}
	if w.Scope == "" {
		w.Scope = "user_impersonation"
	}
	return w, w.Audience == "" || audiencePattern.MatchString(w.Audience)
}

// audiencePattern is what resources are called: a URI, or a client id.
var audiencePattern = regexp.MustCompile(`^(?:[a-z][a-z0-9+.-]*://[A-Za-z0-9._~:/@!$&'()*+,;=%-]{1,240}|[0-9a-fA-F-]{36})$`)

// answer is what the token endpoint gives.
type answer struct {
	Type       string `json:"token_type"`
	Scope      string `json:"scope,omitempty"`
	ExpiresIn  int    `json:"expires_in"`
	ExtExpires int    `json:"ext_expires_in"`
	Access     string `json:"access_token"`
	Refresh    string `json:"refresh_token,omitempty"`
	ID         string `json:"id_token,omitempty"`
	ClientInfo string `json:"client_info,omitempty"`
}

// forPerson makes the tokens of somebody who signed in.
func (s *Issuer) forPerson(r *http.Request, u access.User, a access.App, w wanted, nonce string) (answer, error) {
	audience := w.Audience
	if audience == "" {
		audience = a.Client
	}
	c := ofUser(u, a, audience, w.Scope)
	token, err := s.sign(r, c, accessFor)
	if err != nil {
		return answer{}, err
	}
	out := answer{Type: "Bearer", ExpiresIn: int(accessFor.Seconds()), ExtExpires: int(accessFor.Seconds()), Access: token, Scope: audience + "/" + w.Scope}
	if w.OpenID {
		c.Audience, c.Nonce, c.Scopes, c.Groups, c.Use = jwt.Texts{a.Client}, nonce, "", nil, "id"
		if out.ID, err = s.sign(r, c, accessFor); err != nil {
			return answer{}, err
		}
		out.Scope += " openid profile"
	}
	if w.Offline {
		if out.Refresh, err = s.sign(r, jwt.Claims{Use: useRefresh, Audience: jwt.Texts{a.Client}, Object: u.Object, Preferred: u.Name, Stamp: stamp(u)}, refreshFor); err != nil {
			return answer{}, err
		}
		out.Scope += " offline_access"
	}
	info, err := json.Marshal(map[string]string{"uid": u.Object, "utid": access.TenantID})
	out.ClientInfo = base64.RawURLEncoding.EncodeToString(info)
	return out, err
}
