package oidc

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
)

// principal makes a principal of claims that are believed.
func principal(c *jwt.Claims, directory bool) identity.Principal {
	s := &identity.Subject{
		App: c.App(), Roles: c.Roles, Scopes: c.ScopeList(), Issuer: c.Issuer, Tenant: c.Tenant,
		Person: c.IDType == "user" || c.IDType == "" && c.Scopes != "",
	}
	switch {
	case directory && c.Object != "":
		s.Object, s.Groups = strings.ToLower(c.Object), lower(c.Groups)
	case c.Subject != "":
		s.Object = ObjectID(c.Issuer, c.Subject)
		for _, g := range c.Groups {
			s.Groups = append(s.Groups, ObjectID(c.Issuer, "group "+g))
		}
	}
	return identity.Principal{Kind: identity.Bearer, Name: c.Display(), Expires: c.Expires.Time, Subject: s}
}

func lower(list []string) []string {
	var all []string
	for _, s := range list {
		all = append(all, strings.ToLower(s))
	}
	return all
}

// ObjectID is the object id of a subject of a provider that has none of its own: a
// GUID (version 8, RFC 9562) made from both names, so that it is the same everywhere.
func ObjectID(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return GUID([16]byte(sum[:16]), 8)
}

// GUID writes 16 bytes as a GUID of a version.
func GUID(b [16]byte, version byte) string {
	b[6], b[8] = b[6]&0x0f|version<<4, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
