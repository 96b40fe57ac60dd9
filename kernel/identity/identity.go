// Package identity says who speaks and what they may do: shared access rules and
// the tokens signed with their keys, connection strings, and claims.
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
)

// Principal is a peer that proved who it is.
type Principal struct {
	Kind     Kind
	Name     string // of the rule
	Claims   Claims
	Scope    string    // canonical path the rule is good for; empty: the namespace
	Resource string    // canonical path the token names: it is good under that alone; empty: no narrower
	Expires  time.Time // zero for a key, which does not expire
}

// Check says whether the principal may do what needs those claims at an entity's
// path, or at a sub-queue or management node of it; "" is the namespace. A refusal is of kind Forbidden, or Unauthorized after the token's time.
func (p Principal) Check(path string, need Claims, now time.Time) error {
	if !p.Expires.IsZero() && now.After(p.Expires.Add(skewMax)) {
		return expired(p.Expires)
	}
	entity := EntityPath(path)
	if !p.Claims.Has(need) || !ruleCovers(p.Scope, entity) || !covers(p.Resource, entity) {
		return MissingClaims(need)
	}
	return nil
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
