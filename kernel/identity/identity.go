// Package identity says who speaks and what they may do: shared access rules and
// the tokens signed with their keys, connection strings, claims, and the principals
// that tokens of identity providers prove.
//
// It promises:
//
//  1. A token is judged by the bytes it came with. The signature is computed over
//     the resource as written, never over a decoded and encoded again one, with
//     the characters of the key as they are (they are not base64-decoded).
//  2. Signatures and keys are compared in constant time, and an unknown key name
//     is refused with the same sentence as a wrong signature.
//  3. A principal never has more than its rule: claims and scope of the rule,
//     narrowed by the resource the token names.
//  4. Time, rules and randomness are arguments.
//  5. The well-known emulator key is good for peers on this machine alone.
//  6. What a token of an identity provider may do is asked anew each time: a role that
//     is taken away is gone for those who had it.
//
// It refuses to store rules or keys (the registry does), and to speak a protocol.
package identity

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"weir/kernel/fault"
)

// Claims is a set of rights.
type Claims uint8

// The rights of Service Bus and Event Hubs.
const (
	Send   Claims = 1 << iota // put messages in
	Listen                    // take messages out
	Manage                    // change entities; implies the other two
)

// claimNames in the order they are written.
var claimNames = []struct {
	claim Claims
	name  string
}{{Manage, "Manage"}, {Listen, "Listen"}, {Send, "Send"}}

// ParseClaims reads the names of rights, in any order and case.
func ParseClaims(names []string) (Claims, error) {
	var c Claims
next:
	for _, name := range names {
		for _, known := range claimNames {
			if strings.EqualFold(name, known.name) {
				c |= known.claim
				continue next
			}
		}
		return 0, fault.New(fault.Invalid, "%q is not a right: expected Send, Listen or Manage.", name)
	}
	return c, nil
}

// Has says whether all of need is granted.
func (c Claims) Has(need Claims) bool {
	return c&Manage != 0 || c&need == need
}

// Names lists the rights, Manage first.
func (c Claims) Names() []string {
	names := []string{}
	for _, known := range claimNames {
		if c&known.claim != 0 {
			names = append(names, known.name)
		}
	}
	return names
}

// String joins the names with commas.
func (c Claims) String() string { return strings.Join(c.Names(), ",") }

// A Rule is a shared access authorization rule: a name, two keys that are both
// good, and what they grant where.
type Rule struct {
	Name      string
	Primary   string
	Secondary string // may be empty
	Claims    Claims
	Scope     string // path of the entity the rule belongs to; empty for the namespace
	// LoopbackOnly refuses the keys to peers on other machines.
	LoopbackOnly bool
}

// The key the emulator's documentation prints, and the name it goes by.
const (
	EmulatorKeyName = "RootManageSharedAccessKey"
	EmulatorKey     = "SAS_KEY_VALUE"
)

// EmulatorRule grants everything in a namespace to whoever knows the well-known
// key, which is everybody: so only on this machine.
func EmulatorRule() Rule {
	return Rule{Name: EmulatorKeyName, Primary: EmulatorKey, Claims: Send | Listen | Manage, LoopbackOnly: true}
}

// Kind says what a principal showed to be let in.
type Kind uint8

// The kinds of principals. Numbers are not stored; other issuers come behind.
const (
	SharedAccess  Kind = iota + 1 // a SAS token, or the key itself
	Administrator                 // who has the administration token: everything is allowed
	Bearer                        // a token of an identity provider: roles say what is allowed
)

// Principal is a peer that proved who it is.
type Principal struct {
	Kind     Kind
	Name     string // of the rule; of a token, the name for people
	Claims   Claims
	Scope    string    // canonical path the rule is good for; empty: the namespace
	Resource string    // canonical path the token names: it is good under that alone; empty: no narrower
	Expires  time.Time // zero for a key, which does not expire

	Subject *Subject // of a token
	// Grants says what a token allows where it was shown; nil: nothing.
	Grants Grants `json:"-"` // of this process
}

// Subject is whom a token of an identity provider is about.
type Subject struct {
	Object string   // object id: what roles are assigned to
	App    string   // client id of the application it was given to
	Groups []string // object ids of the groups the subject is in
	Roles  []string // application roles, as the issuer gives them
	Scopes []string // delegated scopes
	Person bool     // it speaks for a person
	Issuer string
	Tenant string
}

// Principals are the object ids that roles count for.
func (s *Subject) Principals() []string {
	if s == nil || s.Object == "" {
		return nil
	}
	return append([]string{s.Object}, s.Groups...)
}

// Grants decides about a token by the roles of its subject, as they are now.
type Grants interface {
	// Permits says whether an entity of the namespace may be used; "" is the
	// namespace. The path is canonical.
	Permits(entity string, need Claims) bool
	// Manages says whether a resource of the namespace may be read, written or deleted
	// (read, write, delete), by its canonical path: an entity, a rule, a list of them.
	Manages(path, verb string) bool
}

// Check says whether the principal may do what needs those claims at an entity's
// path, or at a sub-queue or management node of it; "" is the namespace. A refusal is of kind Forbidden, or Unauthorized after the token's time.
func (p Principal) Check(path string, need Claims, now time.Time) error {
	if !p.Expires.IsZero() && now.After(p.Expires.Add(skewMax)) {
		return Expired(p.Expires)
	}
	entity := EntityPath(path)
	switch p.Kind {
	case Administrator:
		return nil
	case Bearer:
		if p.Grants == nil || !p.Grants.Permits(entity, need) {
			return MissingClaims(need)
		}
		return nil
	}
	if !p.Claims.Has(need) || !ruleCovers(p.Scope, entity) || !covers(p.Resource, entity) {
		return MissingClaims(need)
	}
	return nil
}

// CheckManage says whether the principal may read, write or delete what a path names as
// a declaration: by the claim Manage, or by roles that grant just that.
func (p Principal) CheckManage(path, verb string, now time.Time) error {
	err := p.Check(path, Manage, now)
	if err != nil && fault.Is(err, fault.Forbidden) && p.Kind == Bearer && p.Grants != nil && p.Grants.Manages(EntityPath(path), verb) {
		return nil
	}
	return err
}

// ObjectID is the object id of a token's subject, empty for others.
func (p Principal) ObjectID() string {
	if p.Subject == nil {
		return ""
	}
	return p.Subject.Object
}

// String names the principal for logs and refusals.
func (p Principal) String() string {
	switch {
	case p.Kind == Administrator:
		return "administrator"
	case p.Name != "":
		return p.Name
	case p.Subject != nil && p.Subject.App != "":
		return p.Subject.App
	case p.Subject != nil:
		return p.Subject.Object
	}
	return ""
}

// MissingClaims is the refusal of an operation that needs more rights, in the
// words clients look for.
func MissingClaims(need Claims) error {
	return fault.New(fault.Forbidden, "Unauthorized access. '%s' claim(s) are required to perform this operation.", need)
}

// NewKey makes a random 256-bit key, as base64. Production passes crypto/rand.Reader;
// nil means that too.
func NewKey(random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var raw [32]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw[:]), nil
}
