package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"strings"

	"weir/face/answer"
	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
)

// caller is who asks, from where and how.
type caller struct {
	Principal identity.Principal `json:"principal"`
	Peer      string             `json:"peer"`
	Secure    bool               `json:"secure"` // in TLS
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// administrator is whoever has the administration token.
func administrator() identity.Principal {
	return identity.Principal{Kind: identity.Administrator, Name: "administrator"}
}

// identified lets a management request pass when it is known who asks; what they may
// is asked behind it. Who is not let in is noted.
func (a *API) identified(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := a.caller(r)
		if err != nil {
			a.turnAway(w, r, c, err)
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	}
}

// admitted lets the administrator alone pass.
func (a *API) admitted(next http.HandlerFunc) http.HandlerFunc {
	return a.identified(func(w http.ResponseWriter, r *http.Request) {
		if c := callerOf(r.Context()); c.Principal.Kind != identity.Administrator {
			a.turnAway(w, r, c, fault.New(fault.Forbidden, "%s needs the administration token: it is in the file admin-token of the server's data directory.", r.URL.Path))
			return
		}
		next(w, r)
	})
}

// readsStatus is what looking at a node is called among actions; Reader has it.
const readsStatus = "Weir.Platform/status/read"

// allowed lets those pass who may do something at the scope everything is declared in
// that names none.
func (a *API) allowed(action string, next http.HandlerFunc) http.HandlerFunc {
	return a.identified(func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r.Context())
		if a.o.Authorize != nil {
			if err := a.o.Authorize(c.Principal, action, a.o.Scope.String()); err != nil {
				a.turnAway(w, r, c, err)
				return
			}
		}
		next(w, r)
	})
}

// turnAway refuses a request before anything of it was done.
func (a *API) turnAway(w http.ResponseWriter, r *http.Request, c caller, err error) {
	if kind := fault.KindOf(err); kind == fault.Unauthorized || kind == fault.Forbidden {
		_ = a.o.Audit.Note(r.Context(), audit.Entry{ // of a refusal it returns at once
			Caller: c.Principal.String(), Object: c.Principal.ObjectID(), Action: r.Method, Scope: r.URL.Path, Door: "arm", Peer: c.Peer,
			Outcome: audit.Refused, Code: answer.Code(err), Reason: fault.Sentence(err), Correlation: w.Header().Get("x-ms-request-id"),
		})
	}
	answer.Refuse(w, r, a.o.Logger, "", err)
}

// caller finds out who asks. What comes from another node of the location was judged
// there, and says who asked.
func (a *API) caller(r *http.Request) (caller, error) {
	c := caller{Peer: PeerOf(r).String(), Secure: r.TLS != nil}
	if a.own(r) {
		c.Principal = administrator()
		return c, nil
	}
	if a.fromNode(r) {
		err := read(r.Header.Get(callerHeader), &c)
		return c, err
	}
	if a.o.Caller != nil {
		var err error
		c.Principal, err = a.o.Caller(r)
		return c, err
	}
	if err := a.hasToken(r); err != nil {
		return c, err
	}
	c.Principal = administrator()
	return c, nil
}

// callerHeader says, on a request that a node passes on, who asked. From anybody else it
// is of no effect.
const callerHeader = "Weir-Caller"

// Vouch says to another node of the location who asked, in place of what the caller showed
// here: a node knows its own administration token only.
func Vouch(p *httputil.ProxyRequest) {
	p.Out.Header.Del("Authorization")
	p.Out.Header.Del(OwnHeader)
	vouch(p)
}

// vouch says to another node who asked.
func vouch(p *httputil.ProxyRequest) {
	text, _ := json.Marshal(callerOf(p.In.Context())) // without it the other node lets nobody in
	p.Out.Header.Set(callerHeader, base64.StdEncoding.EncodeToString(text))
}

func read(text string, c *caller) error {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, c)
	}
	if err != nil {
		return fault.Wrap(fault.Unauthorized, err, "The node that passed the request on did not say who asked.")
	}
	return nil
}

// hasToken looks for the administration token.
func (a *API) hasToken(r *http.Request) error {
	header := r.Header.Get("Authorization")
	if header == "" {
		return fault.New(fault.Unauthorized, "This door needs the administration token: send \"Authorization: Bearer TOKEN\". The token is in the file admin-token of the server's data directory, readable by its owner.")
	}
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return fault.New(fault.Unauthorized, "The Authorization header must be \"Bearer TOKEN\", with the administration token from the file admin-token of the server's data directory.")
	}
	if !sameSecret(strings.TrimSpace(token), a.o.Token) {
		return fault.New(fault.Unauthorized, "This is not the administration token of this server. It is in the file admin-token of the server's data directory.")
	}
	return nil
}

// sameSecret compares in a time that tells nothing, the length included. An empty
// secret equals nothing.
func sameSecret(given, secret string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && secret != ""
}
