package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"weir/face/api"
	"weir/face/arm"
	"weir/internal/hop"
	"weir/internal/wall"
	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
	"weir/kernel/identity/oidc"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
	"weir/operate/issuer"
)

// who is how the platform knows callers: the directory that follows the registry, what
// judges tokens, and what gives them.
type who struct {
	*access.Index
	*oidc.Verifier
	platforms *oidc.Verifier // whose tokens take the place of a secret
	issuer    *issuer.Issuer
	byHere    bool // programs on this machine have the default identity
}

// Values of Options.DefaultIdentity.
const (
	identityLoopback = "loopback"
	identityOff      = "off"
)

// managementAudiences are what tokens for the management doors are made for.
var managementAudiences = []string{"https://management.azure.com", "https://management.core.windows.net"}

// openIdentity lets tokens be judged and given.
func (p *Platform) openIdentity(ctx context.Context) error {
	here := p.o.DefaultIdentity == identityLoopback && len(p.doors.foreign()) == 0
	w := &who{byHere: here}
	w.Index = access.NewIndex(p.registry, access.Options{Default: here, Scope: DefaultScope, Logger: p.log.With("part", "identity"), Changed: func(d *access.Directory) {
		if w.Verifier != nil {
			w.Trust(d.Issuers)
			w.platforms.Trust(d.Platforms)
		}
	}})
	keep := oidc.FetchOptions{Shelf: shelf(filepath.Join(p.o.Data, "issuers"))}
	w.platforms, w.Verifier = oidc.New(nil, keep), oidc.New(w.Index, keep)
	if err := w.Start(ctx); err != nil {
		return fmt.Errorf("read roles and identities: %w", err)
	}
	w.issuer = issuer.New(issuer.Options{
		Federated: func(ctx context.Context, token string, audiences []string) (identity.Principal, error) {
			return w.platforms.Verify(ctx, token, audiences, identity.Peer{}, wall.Now())
		},
		Directory: w.Directory, Store: keysHere{p.registry, p.continuity.Elsewhere}, Scope: DefaultScope, Settled: p.settledIdentity, URL: p.o.IssuerURL,
		Loopback: fromLoopback, Managed: here, Refused: p.refusedToken, Now: wall.Now, Logger: p.log.With("part", "issuer"),
	})
	p.who.Store(w)
	p.undo.push("identity", func(context.Context) error {
		w.Verifier.Stop()
		w.platforms.Stop()
		w.Index.Stop()
		return nil
	})
	return nil
}

// shelf keeps key sets of identity providers as files of a directory, for their owner
// alone.
type shelf string

// Load reads one.
func (s shelf) Load(name string) ([]byte, error) { return os.ReadFile(filepath.Join(string(s), name)) }

// Save writes one whole, or not.
func (s shelf) Save(name string, data []byte) error {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(s), name+".*") // readable by its owner alone
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(string(s), name))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// keysHere keeps signing keys, unless another location decides about them: its keys are
// copied here, and good here.
type keysHere struct {
	*location
	elsewhere func(resource.ID) error
}

// Put keeps a key.
func (k keysHere) Put(ctx context.Context, d resource.Document, c resource.Condition) (resource.Result, error) {
	if err := k.elsewhere(d.ID); err != nil {
		return resource.Result{}, err
	}
	return k.location.Put(ctx, d, c)
}

// Delete removes one.
func (k keysHere) Delete(ctx context.Context, id resource.ID, c resource.Condition) error {
	if err := k.elsewhere(id); err != nil {
		return err
	}
	return k.location.Delete(ctx, id, c)
}

// refusedToken notes who was given no token.
func (p *Platform) refusedToken(r *http.Request, who, why string) {
	err := p.audit.Load().Note(r.Context(), audit.Entry{
		Caller: who, Action: "Weir.Identity/tokens/issue/action", Scope: DefaultScope.String(), Door: "issuer", Peer: api.PeerOf(r).String(), Outcome: audit.Refused, Code: "Unauthorized", Reason: why,
	})
	if err != nil { // of a refusal it returns at once
		p.log.Warn("an entry of the audit log was lost", "error", fault.Detail(err))
	}
}

// settledIdentity returns when roles and identities are as new as the registry is here.
func (p *Platform) settledIdentity(ctx context.Context) error {
	revision, err := p.registry.revision(ctx)
	if err != nil {
		return err
	}
	return p.who.Load().Settled(ctx, revision)
}

// applied returns when what was declared around a resource is in force: for the
// services, and for who may do what.
func (p *Platform) applied(ctx context.Context, id resource.ID) error {
	if err := p.settledIdentity(ctx); err != nil {
		return err
	}
	if err := p.bus.Applied(ctx, id); err != nil {
		return err
	}
	return p.workflows.Applied(ctx, id)
}

// fromLoopback says whether a request came from this machine itself.
func fromLoopback(r *http.Request) bool {
	return !fromNode(r) && r.Context().Value(peerKey{}) == nil && !external(r.Context()) && hop.Loopback(remote(r.RemoteAddr))
}

// remote is an address as text.
type remote string

func (remote) Network() string  { return "tcp" }
func (r remote) String() string { return string(r) }

// caller says who makes a management request: the administrator, by the token of last
// resort, or the subject of an identity provider's token.
func (p *Platform) caller(r *http.Request) (identity.Principal, error) {
	header := r.Header.Get("Authorization")
	scheme, token, ok := strings.Cut(strings.TrimSpace(header), " ")
	if token = strings.TrimSpace(token); !ok || !strings.EqualFold(scheme, "Bearer") {
		return identity.Principal{}, fault.New(fault.Unauthorized, "This door needs a token: send \"Authorization: Bearer TOKEN\", with a token of an identity provider for %s, or the administration token from the file admin-token of the server's data directory.", managementAudiences[0])
	}
	if sameSecret(token, p.token) {
		return identity.Principal{Kind: identity.Administrator, Name: "administrator"}, nil
	}
	if !jwt.Looks(token) {
		return identity.Principal{}, fault.New(fault.Unauthorized, "This is neither the administration token of this server, which is in the file admin-token of its data directory, nor a token of an identity provider (JWT).")
	}
	return p.who.Load().Verify(r.Context(), token, managementAudiences, identity.Peer{Loopback: fromLoopback(r)}, wall.Now())
}

// sameSecret compares in a time that tells nothing. An empty secret equals nothing.
func sameSecret(given, secret string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && secret != ""
}

// authorize says whether a caller may do something at a scope.
func (p *Platform) authorize(who identity.Principal, action, scope string) error {
	return p.who.Load().Authorize(who, action, scope)
}

// beside are the roles and assignments that the registry does not keep, or not alone.
func (p *Platform) beside() map[string]arm.Beside {
	x := p.who.Load().Index
	return map[string]arm.Beside{access.TypeRole: access.Roles{Index: x}, access.TypeAssignment: access.Assignments{Index: x}}
}

// issue answers at the paths of an identity provider; false: it is none of them.
func (p *Platform) issue(w http.ResponseWriter, r *http.Request) bool {
	who := p.who.Load()
	if who == nil || !issuer.Serves(r.URL.Path) {
		return false
	}
	who.issuer.ServeHTTP(w, r)
	return true
}

// withoutKeys tells a person how programs get in without a key.
func (p *Platform) withoutKeys(addrs map[string]string) string {
	if !p.who.Load().byHere {
		return ""
	}
	return "\nor with no key at all: DefaultAzureCredential of any SDK finds these\n  export IDENTITY_ENDPOINT=" + adminURL(addrs) + issuer.PathAppService + " IDENTITY_HEADER=weir\n"
}
