package access

import (
	"fmt"
	"io"
	"strings"

	"weir/internal/secrethash"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
	"weir/kernel/identity/oidc"
	"weir/kernel/resource"
)

// Lengths of what people choose.
const (
	passwordCharsMin = 10
	secretCharsMin   = 16
	secretCharsMax   = 256
	groupsMax        = 200
)

func newGUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fault.Wrap(fault.Internal, err, "No random id could be made.")
	}
	return oidc.GUID(b, 4), nil
}

func managedType() *resource.Type {
	return &resource.Type{
		Name: TypeManaged, APIVersions: []string{"2024-11-30", "2023-01-31", "2022-01-31-preview", "2018-11-30"}, Located: true, SiblingsMax: identitiesMax,
		Description: "A managed identity: what a workload is, without a secret of its own.",
		NamePattern: `[A-Za-z0-9][A-Za-z0-9_-]*`, NameHint: "letters, digits, - and _, a letter or digit first", NameRange: resource.Range{Min: 3, Max: 128},
		Fields: []resource.Field{
			guidField("tenantId", "The directory it belongs to; given by the server."),
			guidField("principalId", "Its object id, to assign roles to; drawn by the server."),
			guidField("clientId", "What workloads name it by; drawn by the server."),
			{Name: "isolationScope", Kind: resource.Enum, Values: []string{"None", "Regional"}, Description: "Kept, without effect: an identity belongs to its location."},
			{Name: "workloadKey", Kind: resource.Secret, Range: &resource.Range{Min: secretCharsMin, Max: secretCharsMax}, Description: "What a workload on another machine shows as IDENTITY_HEADER; listWorkloadKey tells it."},
		},
		Prepare: func(d, old *resource.Document, c resource.PrepareContext) error {
			for _, name := range []string{"principalId", "clientId"} {
				if err := drawn(d, old, name, c); err != nil {
					return err
				}
			}
			d.Properties["tenantId"] = TenantID
			return keyOf(d, old, c)
		},
		Actions: []resource.Action{
			{Name: "listWorkloadKey", Description: "Shows the key that proves a workload is this identity, from whatever machine it asks.", Run: func(_ resource.ActionContext, d resource.Document, _ map[string]any) (map[string]any, error) {
				return map[string]any{"workloadKey": d.String("workloadKey")}, nil
			}},
			{Name: "regenerateWorkloadKey", Description: "Makes a new one; the old one is good no more.", Run: func(c resource.ActionContext, d resource.Document, _ map[string]any) (map[string]any, error) {
				key, err := identity.NewKey(c.Random)
				if err != nil {
					return nil, err
				}
				d = d.Clone()
				d.Properties["workloadKey"], d.Properties[keyBefore] = key, d.Properties["workloadKey"]
				return map[string]any{"workloadKey": key}, c.Replace(d)
			}},
		},
	}
}

// keyBefore is the property by which an action shows that it knows the key it replaces.
const keyBefore = "workloadKeyBefore"

// keyOf keeps the workload key, or makes one. Nobody chooses it: who may declare an
// identity may not therefore be it. Who knows the key may change it.
func keyOf(d, old *resource.Document, c resource.PrepareContext) (err error) {
	before, _ := d.Properties[keyBefore].(string)
	delete(d.Properties, keyBefore)
	if old != nil && old.String("workloadKey") != "" {
		if before != old.String("workloadKey") {
			d.Properties["workloadKey"] = old.String("workloadKey")
		}
		return nil
	}
	d.Properties["workloadKey"], err = identity.NewKey(c.Random)
	return err
}

func userType() *resource.Type {
	return named(resource.Type{
		Name: TypeUser, Description: "Somebody who signs in at the local issuer with a name and a password.",
		Fields: []resource.Field{
			text("displayName", "The name for people."),
			guidField("objectId", "What roles are assigned to; drawn when it is not given."),
			texts("groups", "Names of Weir.Identity/groups, or object ids of groups.", groupsMax),
			{Name: "enabled", Kind: resource.Bool, Default: true, Description: "Whether they may sign in."},
			{Name: "password", Kind: resource.Secret, Description: "Only when it is put: a hash of it is kept. Left out, the one before stays."},
			{Name: "passwordHash", Kind: resource.Secret, Description: "That hash."},
		},
		Prepare: func(d, old *resource.Document, c resource.PrepareContext) error {
			if err := chosen(d, old, "objectId", c); err != nil {
				return err
			}
			return hashed(d, old, "password", "passwordHash", passwordCharsMin, c)
		},
		Check: uniqueID(TypeUser, "objectId"),
	})
}

// hashed puts a hash in the place of what was given, or keeps the one there is. A hash
// that is given, as when a document is put back that was exported, is kept too.
func hashed(d, old *resource.Document, given, hash string, least int, c resource.PrepareContext) error {
	plain, ok := d.Properties[given].(string)
	delete(d.Properties, given)
	switch {
	case ok && plain != "":
		if len(plain) < least || len(plain) > secretCharsMax {
			return fault.New(fault.Invalid, "The %s has %d to %d characters.", given, least, secretCharsMax)
		}
		if old != nil && secrethash.Matches(old.String(hash), plain) {
			d.Properties[hash] = old.String(hash)
			return nil
		}
		h, err := secrethash.New(plain, c.Random)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "The %s could not be hashed.", given)
		}
		d.Properties[hash] = h
	case d.String(hash) != "":
		if !secrethash.Sound(d.String(hash)) {
			return fault.New(fault.Invalid, "%s is no hash that this server makes: give %s in the clear, and a hash of it is kept.", hash, given)
		}
	case old != nil && old.String(hash) != "":
		d.Properties[hash] = old.String(hash)
	}
	return nil
}

// uniqueID holds that no other resource beside this one has its id.
func uniqueID(typ, name string) func(resource.Document, resource.View) resource.Problems {
	return func(d resource.Document, v resource.View) (p resource.Problems) {
		for _, other := range v.Children(d.ID.Parent(), typ) {
			if !other.ID.Equal(d.ID) && strings.EqualFold(other.String(name), d.String(name)) {
				p = append(p, resource.Problem{Path: "properties." + name, Kind: fault.Conflict, Sentence: fmt.Sprintf("%s has this %s already.", other.Name(), name)})
			}
		}
		return p
	}
}

func groupType() *resource.Type {
	return named(resource.Type{
		Name: TypeGroup, Description: "A group that users and applications name as theirs; roles may be assigned to it.",
		Fields: []resource.Field{
			text("displayName", "The name for people."),
			guidField("objectId", "What roles are assigned to; drawn when it is not given."),
		},
		Prepare: func(d, old *resource.Document, c resource.PrepareContext) error { return chosen(d, old, "objectId", c) },
		Check:   uniqueID(TypeGroup, "objectId"),
	})
}

func appType() *resource.Type {
	return named(resource.Type{
		Name: TypeApp, Description: "An application that gets tokens for itself by a secret or a key, or for people who sign in.",
		Fields: []resource.Field{
			text("displayName", "The name for people."),
			guidField("clientId", "What it calls itself; drawn when it is not given."),
			guidField("objectId", "What roles are assigned to; drawn when it is not given."),
			texts("groups", "Names of Weir.Identity/groups, or object ids of groups.", groupsMax),
			texts("roles", "Application roles, put into its tokens as they are.", groupsMax),
			{Name: "enabled", Kind: resource.Bool, Default: true, Description: "Whether it gets tokens."},
			{Name: "publicClient", Kind: resource.Bool, Default: false, Description: "It runs where a secret cannot be kept: people may sign in with it without one."},
			texts("redirectUris", "Where people are led back after they signed in. http://localhost is good with any port.", 50),
		},
		Prepare: func(d, old *resource.Document, c resource.PrepareContext) error {
			if err := chosen(d, old, "clientId", c); err != nil {
				return err
			}
			return chosen(d, old, "objectId", c)
		},
		Check: func(d resource.Document, v resource.View) resource.Problems {
			return append(uniqueID(TypeApp, "objectId")(d, v), uniqueID(TypeApp, "clientId")(d, v)...)
		},
		Actions: []resource.Action{{Name: "addSecret", Description: "Makes a random secret and shows it this once: {\"name\": \"…\", \"expires\": \"2027-01-31T00:00:00Z\"}, both optional.", Run: addSecret}},
	})
}

func addSecret(c resource.ActionContext, d resource.Document, body map[string]any) (map[string]any, error) {
	secret, err := identity.NewKey(c.Random)
	if err != nil {
		return nil, err
	}
	name, _ := body["name"].(string)
	if name == "" {
		if name, err = newGUID(c.Random); err != nil {
			return nil, err
		}
	}
	id, err := d.ID.Child(TypeAppSecret, name)
	if err != nil {
		return nil, fault.New(fault.Invalid, "The name of the secret: %v.", err)
	}
	p := map[string]any{"secret": secret}
	if expires, ok := body["expires"].(string); ok {
		p["expires"] = expires
	}
	if err := c.Replace(resource.Document{ID: id, Properties: p}); err != nil {
		return nil, err
	}
	return map[string]any{"id": id.String(), "clientId": d.String("clientId"), "secret": secret}, nil
}

func appSecretType() *resource.Type {
	t := named(resource.Type{
		Name: TypeAppSecret, Description: "A secret of an application. addSecret of the application makes a random one.",
		Fields: []resource.Field{
			{Name: "secret", Kind: resource.Secret, Description: "Only when it is put: a hash of it is kept."},
			{Name: "secretHash", Kind: resource.Secret, Description: "That hash."},
			{Name: "expires", Kind: resource.Time, Description: "Until when it is good. Not given: until it is deleted."},
		},
		Prepare: func(d, old *resource.Document, c resource.PrepareContext) error {
			return hashed(d, old, "secret", "secretHash", secretCharsMin, c)
		},
	})
	t.SiblingsMax = 10
	return t
}

func appKeyType() *resource.Type {
	t := named(resource.Type{
		Name: TypeAppKey, Description: "A public key of an application, which signs its requests with the private one (private_key_jwt).",
		Fields: []resource.Field{
			{Name: "publicKey", Kind: resource.String, Required: true, Range: &resource.Range{Min: 50, Max: 16384}, Description: "A certificate or public key, as PEM."},
			{Name: "expires", Kind: resource.Time, Description: "Until when it is good. Not given: until it is deleted."},
		},
		Check: func(d resource.Document, _ resource.View) (p resource.Problems) {
			if _, err := jwt.ParsePublic([]byte(d.String("publicKey"))); err != nil {
				p = problem(p, d, "properties.publicKey", "It cannot be used: "+err.Error()+".")
			}
			return p
		},
	})
	t.SiblingsMax = 10
	return t
}
