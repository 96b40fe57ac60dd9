// Package access keeps who there is and who may do what as resources: role definitions
// and assignments, managed identities, and what the local issuer knows of users, groups,
// applications, its own keys and the providers it trusts. An Index follows them.
//
// It promises:
//
//  1. Types are Azure's where Azure has them (Microsoft.Authorization,
//     Microsoft.ManagedIdentity); the rest is Weir.Identity.
//  2. Passwords and secrets of applications are kept as salted hashes, and shown by
//     nothing. Keys are of kind Secret.
//  3. Object ids of managed identities are drawn at random: nobody chooses to be
//     somebody.
//  4. The Index answers from memory, and is as new as the registry once Settled returns.
//  5. Conditions on assignments, which are not evaluated, are refused rather than passed over.
//
// It refuses to judge tokens (identity/oidc) and to make them (operate/issuer).
package access

import (
	"strings"

	"weir/kernel/identity/oidc"
	"weir/kernel/resource"
)

// The resource types.
const (
	TypeRole       = "Microsoft.Authorization/roleDefinitions"
	TypeAssignment = "Microsoft.Authorization/roleAssignments"
	TypeManaged    = "Microsoft.ManagedIdentity/userAssignedIdentities"
	TypeFederated  = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
	TypeUser       = "Weir.Identity/users"
	TypeGroup      = "Weir.Identity/groups"
	TypeApp        = "Weir.Identity/applications"
	TypeAppSecret  = "Weir.Identity/applications/secrets"
	TypeAppKey     = "Weir.Identity/applications/keys"
	TypeAppFederal = "Weir.Identity/applications/federatedIdentityCredentials"
	TypeIssuer     = "Weir.Identity/issuers"
	TypeSigningKey = "Weir.Identity/signingKeys"
)

// TenantID is the directory of every location: it stands where an Entra tenant's id
// would.
const TenantID = "57656972-0000-4000-8000-000000000001"

// Types declares the resource types.
func Types() []*resource.Type {
	return []*resource.Type{
		roleType(), assignmentType(), managedType(), federatedType(TypeFederated, "a managed identity"),
		userType(), groupType(), appType(), appSecretType(), appKeyType(), federatedType(TypeAppFederal, "an application"), issuerType(), signingKeyType(),
	}
}

const guidPattern = `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`

const guidHint = "it is a GUID, such as 8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

// Limits of one place.
const (
	rolesMax       = 5000
	assignmentsMax = 4000
	identitiesMax  = 2000
)

func guidNamed(t resource.Type) *resource.Type {
	t.NamePattern, t.NameHint, t.NameRange = guidPattern, guidHint, resource.Range{Min: 36, Max: 36}
	return &t
}

func named(t resource.Type) *resource.Type {
	t.APIVersions = []string{"2026-11-01"}
	t.NamePattern, t.NameRange = `[A-Za-z0-9](?:[A-Za-z0-9._@-]*[A-Za-z0-9])?`, resource.Range{Min: 1, Max: 113}
	t.NameHint = "letters, digits and . _ @ -, a letter or digit first and last"
	t.SiblingsMax = identitiesMax
	return &t
}

func text(name, description string) resource.Field {
	return resource.Field{Name: name, Kind: resource.String, Range: &resource.Range{Min: 0, Max: 1024}, Description: description}
}

func texts(name, description string, most int64) resource.Field {
	return resource.Field{Name: name, Kind: resource.List, Range: &resource.Range{Min: 0, Max: most}, Element: &resource.Field{Name: name, Kind: resource.String, Range: &resource.Range{Min: 1, Max: 1024}}, Description: description}
}

func guidField(name, description string) resource.Field {
	return resource.Field{Name: name, Kind: resource.String, Pattern: guidPattern, Hint: guidHint, Description: description}
}

// drawn gives a property a random GUID for the life of a resource, whatever is asked.
func drawn(d, old *resource.Document, name string, c resource.PrepareContext) error {
	if old != nil && old.String(name) != "" {
		d.Properties[name] = old.String(name)
		return nil
	}
	id, err := newGUID(c.Random)
	d.Properties[name] = id
	return err
}

// chosen is drawn, but for one that its author chose.
func chosen(d, old *resource.Document, name string, c resource.PrepareContext) error {
	if given, ok := d.Properties[name].(string); ok && given != "" {
		d.Properties[name] = strings.ToLower(given)
		return nil
	}
	return drawn(d, old, name, c)
}

func problem(p resource.Problems, d resource.Document, path, sentence string) resource.Problems {
	return append(p, resource.Problem{Path: path, Line: d.Line(path), Sentence: sentence})
}

// list reads a property that is a list of texts.
func list(d resource.Document, name string) []string { return textsOf(d.Properties[name]) }

func textsOf(v any) []string {
	items, _ := v.([]any)
	var all []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func issuerType() *resource.Type {
	return named(resource.Type{
		Name: TypeIssuer, Description: "An identity provider whose tokens are accepted: a Microsoft Entra tenant, or any other that speaks OpenID Connect.",
		Fields: []resource.Field{
			{Name: "issuer", Kind: resource.String, Required: true, Range: &resource.Range{Min: 8, Max: 512}, Description: "As its tokens name it (iss): https://login.microsoftonline.com/{tenant}/v2.0 for Entra, whose version 1 tokens are then accepted too."},
			text("jwksUri", "Where its keys are. Not given: what its discovery document says."),
			texts("audiences", "Audiences its tokens may be made for, beside those Azure's clients ask for at each door.", 20),
			{Name: "objectIds", Kind: resource.Enum, Values: []string{"claim", "derived"}, Description: "claim: oid and groups are taken as they are. derived: both are made from issuer and subject, so that a provider cannot name somebody of another one. Not given: claim for Entra, derived for others."},
			{Name: "enabled", Kind: resource.Bool, Default: true, Description: "Whether its tokens are accepted."},
		},
		Check: checkAddresses("issuer", "jwksUri"),
	})
}

// FederatedAudience is what workloads ask tokens of their own platform for, to show here.
const FederatedAudience = "api://AzureADTokenExchange"

func federatedType(name, of string) *resource.Type {
	t := named(resource.Type{
		Name: name, Description: "Lets a workload of another platform, such as Kubernetes, be " + of + ": the platform's token takes the place of a secret.",
		Fields: []resource.Field{
			{Name: "issuer", Kind: resource.String, Required: true, Range: &resource.Range{Min: 8, Max: 600}, Description: "The platform's issuer, as its tokens name it (iss); its keys are found by discovery."},
			{Name: "subject", Kind: resource.String, Required: true, Range: &resource.Range{Min: 1, Max: 600}, Description: "Whom its tokens are about (sub): system:serviceaccount:NAMESPACE:NAME in Kubernetes."},
			{Name: "audiences", Kind: resource.List, Range: &resource.Range{Min: 1, Max: 10}, Element: &resource.Field{Name: "audience", Kind: resource.String, Range: &resource.Range{Min: 1, Max: 600}}, Default: []any{FederatedAudience}, Description: "What its tokens are made for (aud)."},
		},
		Check: checkAddresses("issuer"),
	})
	t.APIVersions, t.SiblingsMax = []string{"2024-11-30", "2023-01-31", "2022-01-31-preview"}, 20
	return t
}

// checkAddresses holds properties against what keys may be fetched from.
func checkAddresses(names ...string) func(resource.Document, resource.View) resource.Problems {
	return func(d resource.Document, _ resource.View) (p resource.Problems) {
		for _, name := range names {
			if at := d.String(name); at != "" {
				if err := oidc.CheckURL(at); err != nil {
					p = problem(p, d, "properties."+name, "The address "+err.Error()+".")
				}
			}
		}
		return p
	}
}

func signingKeyType() *resource.Type {
	return named(resource.Type{
		Name: TypeSigningKey, Description: "A key the local issuer signs tokens with. It makes them itself, and changes them by and by.",
		Fields: []resource.Field{
			{Name: "privateKey", Kind: resource.Secret, Required: true, Immutable: true, Range: &resource.Range{Min: 100, Max: 8192}, Description: "PKCS #8, as PEM."},
			{Name: "signsFrom", Kind: resource.Time, Required: true, Description: "Since when new tokens are signed with it."},
			{Name: "goodUntil", Kind: resource.Time, Required: true, Description: "Until when tokens under it are believed."},
		},
	})
}
