// Package callback is the addresses by which workflows are called: their form, and the
// signatures that are the right to call them.
//
// The nouns: a *grant* is one thing that may be done to one workflow: fire a trigger,
// go on with an action that waits, read a content. An *address* is a grant as a URL. It
// is signed with one of the two *keys* of the workflow, which come of the unit's secret
// and of how often the key was regenerated.
//
// What it promises:
//
//  1. An address is the same wherever it is made and checked: it depends on the unit's
//     secret, the workflow's resource id and the grant alone, so that those handed out in
//     one location are good in the other.
//  2. Nothing of a grant can be changed in an address: path, expiry and place are signed.
//  3. Regenerating a key makes what it signed worthless, and nothing else.
//  4. Signatures are compared in constant time.
//
// It refuses to know clocks, keep secrets, and read requests.
package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/kernel/fault"
)

// ID is how addresses name a workflow: 32 hexadecimal digits of its resource id, in any
// case of letters the same.
func ID(resource string) string {
	sum := sha256.Sum256([]byte("weir workflow " + strings.ToLower(resource)))
	return hex.EncodeToString(sum[:16])
}

// Key is one of the two keys of a workflow.
type Key uint8

// Keys.
const (
	Primary Key = iota
	Secondary
)

// KeyNamed gives the key that a client names: Primary or Secondary, or not at all.
func KeyNamed(name string) (Key, bool) {
	switch strings.ToLower(name) {
	case "", "notspecified", "primary":
		return Primary, true
	case "secondary":
		return Secondary, true
	}
	return 0, false
}

// String is how clients name it.
func (k Key) String() string { return [...]string{"Primary", "Secondary"}[k] }

// Signer signs for one workflow.
type Signer struct {
	// Secret is the unit's.
	Secret []byte
	// Primary and Secondary count how often each key was regenerated.
	Primary, Secondary uint64
	// Workflow is its ID.
	Workflow string
}

// Version is the version of signatures.
const Version = "1.0"

// Grant is what may be done.
type Grant struct {
	// Path is the permission, below the workflow: see TriggerRun and the like.
	Path string
	// Place says where, when the path does not say enough: it is signed and opaque.
	Place string
	// Expires is when it ends; zero: never.
	Expires time.Time
}

// TriggerRun is the permission to fire a trigger.
func TriggerRun(trigger string) string { return "/triggers/" + trigger + "/run" }

// VersionRun is that to fire it as a version has it.
func VersionRun(version, trigger string) string {
	return "/versions/" + version + "/triggers/" + trigger + "/run"
}

// ActionRun is that to go on with an action that waits.
func ActionRun(run, action string) string { return "/runs/" + run + "/actions/" + action + "/run" }

// ContentRead is that to read a content of a run.
func ContentRead(run, content string) string {
	return "/runs/" + run + "/contents/" + content + "/read"
}

// AnswerRead is that to ask for the answer of a run that is given later.
func AnswerRead(run string) string { return "/runs/" + run + "/operations/answer/read" }

const expiryForm = "2006-01-02T15:04:05.0000000Z"

// Queries are the members of an address's query that are the signature: sp, sv and sig,
// with se and at where the grant has them.
func (s Signer) Queries(k Key, g Grant) url.Values {
	q := url.Values{"sp": {g.Path}, "sv": {Version}}
	if !g.Expires.IsZero() {
		q.Set("se", g.Expires.UTC().Format(expiryForm))
	}
	if g.Place != "" {
		q.Set("at", g.Place)
	}
	q.Set("sig", s.sign(k, s.generation(k), q))
	return q
}

func (s Signer) generation(k Key) uint64 {
	if k == Secondary {
		return s.Secondary
	}
	return s.Primary
}

func (s Signer) sign(k Key, generation uint64, q url.Values) string {
	key := hmac.New(sha256.New, s.Secret)
	key.Write([]byte("callback\n" + s.Workflow + "\n" + k.String() + "\n" + strconv.FormatUint(generation, 10)))
	mac := hmac.New(sha256.New, key.Sum(nil))
	for _, name := range [...]string{"sv", "sp", "se", "at"} {
		text := q.Get(name)
		mac.Write([]byte(strconv.Itoa(len(text)) + ":" + text))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// generationsMax is how far back Check looks to say that a key was regenerated.
const generationsMax = 8

// Check says whether a query grants what a path asks for, and gives the place that was
// signed with it. The refusal is a fault with the cloud's words.
func (s Signer) Check(q url.Values, path string, now time.Time) (place string, err error) {
	if !q.Has("sig") {
		return "", fault.New(fault.Unauthorized, "The request must be authenticated only by Shared Access scheme.")
	}
	if s.Workflow == "" || len(s.Secret) == 0 {
		return "", fault.New(fault.Unavailable, "The keys of the workflow are not known here yet.")
	}
	for _, name := range [...]string{"sv", "sp", "se", "at", "sig"} {
		if len(q[name]) > 1 {
			return "", fault.New(fault.Unauthorized, "The authentication credentials are not valid: %s is given %d times.", name, len(q[name]))
		}
	}
	if q.Get("sv") != Version {
		return "", fault.New(fault.Unauthorized, "The authentication credentials are not valid: the version of the signature is %s.", Version)
	}
	given := []byte(q.Get("sig"))
	good := hmac.Equal(given, []byte(s.sign(Primary, s.Primary, q))) // both are compared, whichever it is
	good = hmac.Equal(given, []byte(s.sign(Secondary, s.Secondary, q))) || good
	switch {
	case !good && s.former(given, q):
		return "", fault.New(fault.Unauthorized, "The authentication credentials are not valid: the key that signed this address was regenerated. Ask for the callback URL again.")
	case !good:
		return "", fault.New(fault.Unauthorized, "The authentication credentials are not valid.")
	case !strings.EqualFold(q.Get("sp"), path):
		return "", fault.New(fault.Unauthorized, "The authentication credentials are not valid: the signature is for '%s' and not for '%s'.", q.Get("sp"), path)
	}
	if se := q.Get("se"); se != "" {
		until, err := time.Parse(time.RFC3339Nano, se)
		if err != nil || !now.Before(until) {
			return "", fault.New(fault.Unauthorized, "The authentication credentials are not valid: the address was good until %s.", se)
		}
	}
	return q.Get("at"), nil
}

// former says whether a key signed it that was regenerated since.
func (s Signer) former(given []byte, q url.Values) bool {
	for _, k := range [...]Key{Primary, Secondary} {
		last := s.generation(k)
		for back := uint64(1); back <= min(last, generationsMax); back++ {
			if hmac.Equal(given, []byte(s.sign(k, last-back, q))) {
				return true
			}
		}
	}
	return false
}
