package access

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/kernel/identity/jwt"
	"weir/kernel/identity/oidc"
	"weir/kernel/identity/rights"
	"weir/kernel/resource"
)

// The default identity of a laptop: a managed identity that is there without being
// declared, where the node is told to have one. See Options.Default.
const (
	DefaultObjectID = "57656972-0000-4000-8000-0000000000d1"
	DefaultClientID = "57656972-0000-4000-8000-0000000000d2"
	DefaultName     = "default"
)

// Public clients that are known without being declared: Weir's own command line, and
// the tools people sign in with. They have no rights of their own.
const (
	CLIClientID        = "57656972-0000-4000-8000-0000000000c1"
	azureCLIClientID   = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
	powerShellClientID = "1950a258-227b-4e31-a9cf-717495945fc2"
)

// Directory is who there is and what they may do, at one moment. It does not change.
type Directory struct {
	Rights  *rights.Index
	Issuers []oidc.Issuer // that are trusted
	// Platforms are issuers whose tokens may take the place of a secret, and no more.
	Platforms []oidc.Issuer

	revision    uint64
	roles       []resource.Document
	assignments []resource.Document
	groups      map[string]string // object ids by lower-case name
	users       map[string]User   // by lower-case name
	apps        map[string]App    // by client id
	managed     map[string]Managed
	people      map[string]bool // enabled object ids
	known       map[string]bool // all object ids
	keys        []SigningKey
	places      []string // keys of the ids it was read from
}

// User is somebody who signs in.
type User struct {
	Name, Display, Object string
	Groups                []string
	Enabled               bool
	PasswordHash          string
}

// App is an application.
type App struct {
	Name, Display, Client, Object string
	Groups, Roles                 []string
	Enabled, Public               bool
	Redirects                     []string
	Secrets                       []Secret
	Keys                          []AppKey
	Federated                     []Federated
}

// Federated is whom another platform's tokens must be about, to be somebody here.
type Federated struct {
	Issuer, Subject string
	Audiences       []string
}

// Secret is the hash of one.
type Secret struct {
	Hash    string
	Expires time.Time // zero: never
}

// AppKey is a public key of an application.
type AppKey struct {
	Key     jwt.Key
	Expires time.Time // zero: never
}

// Managed is a managed identity.
type Managed struct {
	ID                   string // resource id
	Name, Client, Object string
	WorkloadKey          string
	Federated            []Federated
	Loopback             bool // the default one: good on this machine alone
}

// SigningKey is a key of the local issuer.
type SigningKey struct {
	ID        string
	Private   crypto.Signer
	SignsFrom time.Time
	GoodUntil time.Time
}

// User finds one by name.
func (d *Directory) User(name string) (User, bool) {
	u, ok := d.users[strings.ToLower(name)]
	return u, ok
}

// App finds one by its client id.
func (d *Directory) App(client string) (App, bool) {
	a, ok := d.apps[strings.ToLower(client)]
	return a, ok
}

// Managed finds an identity by its client id, object id or resource id.
func (d *Directory) Managed(by string) (Managed, bool) {
	m, ok := d.managed[strings.ToLower(by)]
	return m, ok
}

// Keys are the keys of the local issuer.
func (d *Directory) Keys() []SigningKey { return d.keys }

// Signer is the key to sign with at a time: the newest whose time has come.
func (d *Directory) Signer(now time.Time) (SigningKey, bool) {
	var best SigningKey
	for _, k := range d.keys {
		if !k.SignsFrom.After(now) && k.GoodUntil.After(now) && (best.Private == nil || k.SignsFrom.After(best.SignsFrom)) {
			best = k
		}
	}
	return best, best.Private != nil
}

// builder reads documents into a directory.
type builder struct {
	d           *Directory
	custom      []rights.Role
	assignments []rights.Assignment
	docs        map[string]map[string]resource.Document // by type, by key of the id
}

// newDirectory reads all documents of the types here.
func newDirectory(docs []resource.Document, o Options) *Directory {
	b := builder{docs: map[string]map[string]resource.Document{}, d: &Directory{
		groups: map[string]string{}, users: map[string]User{}, apps: map[string]App{}, managed: map[string]Managed{}, people: map[string]bool{}, known: map[string]bool{},
	}}
	for _, doc := range docs {
		b.d.places = append(b.d.places, doc.ID.Key())
		typ := strings.ToLower(doc.Type())
		if b.docs[typ] == nil {
			b.docs[typ] = map[string]resource.Document{}
		}
		b.docs[typ][doc.ID.Key()] = doc
	}
	b.each(TypeGroup, func(doc resource.Document) {
		b.d.groups[strings.ToLower(doc.Name())] = strings.ToLower(doc.String("objectId"))
		b.d.known[strings.ToLower(doc.String("objectId"))] = true
	})
	b.each(TypeUser, b.user)
	b.each(TypeApp, b.app)
	b.each(TypeManaged, b.identity)
	b.each(TypeIssuer, b.issuer)
	b.each(TypeSigningKey, b.signingKey)
	b.each(TypeRole, func(doc resource.Document) {
		b.d.roles = append(b.d.roles, doc)
		b.custom = append(b.custom, customRole(doc))
	})
	b.each(TypeAssignment, func(doc resource.Document) {
		b.d.assignments = append(b.d.assignments, doc)
		b.assignments = append(b.assignments, rights.Assignment{Principal: doc.String("principalId"), Role: b.roleOf(doc), Scope: doc.ID.Base().String()})
	})
	for _, public := range []struct{ id, name string }{{CLIClientID, "Weir's command line"}, {azureCLIClientID, "Azure CLI"}, {powerShellClientID, "Azure PowerShell"}} {
		if _, declared := b.d.apps[public.id]; !declared {
			b.d.apps[public.id] = App{Name: public.name, Display: public.name, Client: public.id, Enabled: true, Public: true, Redirects: []string{"http://localhost", "http://127.0.0.1"}}
		}
	}
	if o.Default {
		b.byDefault(o.Scope)
	}
	b.d.Rights = rights.NewIndex(b.custom, b.assignments)
	return b.d
}

// roleOf is the ID of an assignment's role; empty when there is none that may be
// assigned there.
func (b *builder) roleOf(doc resource.Document) string {
	id, err := resource.ParseID(doc.String("roleDefinitionId"))
	if err != nil {
		return ""
	}
	if r, ok := rights.BuiltinRole(id.Name()); ok {
		return r.ID
	}
	for _, place := range rolePlaces(id, doc.ID.Base()) {
		if role, ok := b.docs[strings.ToLower(TypeRole)][place.Key()]; ok && assignable(customRole(role), doc.ID.Base()) {
			return customRole(role).ID
		}
	}
	return ""
}

// byDefault adds the default identity and what it may do.
func (b *builder) byDefault(scope resource.ID) {
	m := Managed{Name: DefaultName, Client: DefaultClientID, Object: DefaultObjectID, Loopback: true}
	b.d.managed[m.Client], b.d.managed[m.Object] = m, m
	b.d.people[m.Object], b.d.known[m.Object] = true, true
	for _, role := range []string{rights.ServiceBusDataOwner, rights.Contributor} {
		b.assignments = append(b.assignments, rights.Assignment{Principal: m.Object, Role: role, Scope: scope.String()})
	}
}

// each calls fn with the documents of a type in the order of their ids.
func (b *builder) each(typ string, fn func(resource.Document)) {
	all := b.docs[strings.ToLower(typ)]
	var keys []string
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		fn(all[key])
	}
}

// groupIDs turns names of groups into their object ids; what is no name is an id.
func (b *builder) groupIDs(names []string) (ids []string) {
	for _, name := range names {
		name = strings.ToLower(name)
		if id, ok := b.d.groups[name]; ok {
			name = id
		}
		ids = append(ids, name)
	}
	return ids
}

func (b *builder) user(doc resource.Document) {
	u := User{Name: doc.Name(), Display: doc.String("displayName"), Object: strings.ToLower(doc.String("objectId")), Groups: b.groupIDs(list(doc, "groups")), Enabled: doc.Bool("enabled"), PasswordHash: doc.String("passwordHash")}
	key := strings.ToLower(u.Name)
	if _, twice := b.d.users[key]; twice {
		return // of another resource group: the first by id is the one
	}
	b.d.users[key] = u
	b.d.known[u.Object], b.d.people[u.Object] = true, u.Enabled
}

func (b *builder) app(doc resource.Document) {
	a := App{
		Name: doc.Name(), Display: doc.String("displayName"), Client: strings.ToLower(doc.String("clientId")), Object: strings.ToLower(doc.String("objectId")),
		Groups: b.groupIDs(list(doc, "groups")), Roles: list(doc, "roles"), Enabled: doc.Bool("enabled"), Public: doc.Bool("publicClient"), Redirects: list(doc, "redirectUris"),
	}
	b.each(TypeAppSecret, func(s resource.Document) {
		if s.ID.Parent().Equal(doc.ID) {
			a.Secrets = append(a.Secrets, Secret{s.String("secretHash"), timeOf(s, "expires")})
		}
	})
	b.each(TypeAppKey, func(k resource.Document) {
		if key, err := jwt.ParsePublic([]byte(k.String("publicKey"))); err == nil && k.ID.Parent().Equal(doc.ID) {
			a.Keys = append(a.Keys, AppKey{key, timeOf(k, "expires")})
		}
	})
	a.Federated = b.federated(TypeAppFederal, doc.ID)
	if _, twice := b.d.apps[a.Client]; twice {
		return
	}
	b.d.apps[a.Client] = a
	b.d.known[a.Object], b.d.people[a.Object] = true, a.Enabled
}

func (b *builder) identity(doc resource.Document) {
	m := Managed{ID: doc.ID.String(), Name: doc.Name(), Client: strings.ToLower(doc.String("clientId")), Object: strings.ToLower(doc.String("principalId")), WorkloadKey: doc.String("workloadKey"), Federated: b.federated(TypeFederated, doc.ID)}
	for _, by := range []string{m.Client, m.Object, doc.ID.Key()} {
		b.d.managed[by] = m
	}
	b.d.known[m.Object], b.d.people[m.Object] = true, true
}

// federated reads whom a resource trusts to be it.
func (b *builder) federated(typ string, of resource.ID) (all []Federated) {
	b.each(typ, func(doc resource.Document) {
		if !doc.ID.Parent().Equal(of) {
			return
		}
		f := Federated{Issuer: doc.String("issuer"), Subject: doc.String("subject"), Audiences: list(doc, "audiences")}
		all = append(all, f)
		if !slices.ContainsFunc(b.d.Platforms, func(i oidc.Issuer) bool { return i.URL == f.Issuer }) {
			b.d.Platforms = append(b.d.Platforms, oidc.Issuer{URL: f.Issuer})
		}
	})
	return all
}

func (b *builder) issuer(doc resource.Document) {
	if !doc.Bool("enabled") {
		return
	}
	i := oidc.Issuer{URL: doc.String("issuer"), KeysURL: doc.String("jwksUri"), Audiences: list(doc, "audiences")}
	u, err := url.Parse(i.URL)
	i.Directory = doc.String("objectIds") == "claim" || doc.String("objectIds") == "" && err == nil && oidc.EntraHost(u.Hostname())
	b.d.Issuers = append(b.d.Issuers, i)
}

func (b *builder) signingKey(doc resource.Document) {
	private, err := parsePrivate(doc.String("privateKey"))
	if err != nil {
		return // the issuer makes another one
	}
	b.d.keys = append(b.d.keys, SigningKey{ID: doc.Name(), Private: private, SignsFrom: timeOf(doc, "signsFrom"), GoodUntil: timeOf(doc, "goodUntil")})
}

func parsePrivate(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("there is no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	return signer, nil
}

func timeOf(d resource.Document, name string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, d.String(name)) // checked when it was put
	return t
}

// ByWorkloadKey finds the identity whose workload key is shown. All are compared, in a
// time that tells nothing.
func (d *Directory) ByWorkloadKey(key string) (Managed, bool) {
	given := sha256.Sum256([]byte(key))
	var found Managed
	ok := false
	for _, m := range d.managed {
		have := sha256.Sum256([]byte(m.WorkloadKey))
		if subtle.ConstantTimeCompare(have[:], given[:]) == 1 && m.WorkloadKey != "" {
			found, ok = m, true
		}
	}
	return found, ok
}
