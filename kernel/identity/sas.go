package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/kernel/fault"
)

// skewMax is how far a client's clock may be behind ours before its fresh tokens
// look expired.
const skewMax = 10 * time.Second

// tokenBytesMax bounds what is parsed.
const tokenBytesMax = 8 << 10

const tokenPrefix = "SharedAccessSignature"

// Token is a shared access signature, taken apart and not yet believed.
type Token struct {
	Resource  string // sr as it was written: what is signed
	Expiry    string // se as it was written: what is signed
	Signature []byte // sig
	KeyName   string // skn
}

// ParseToken reads "SharedAccessSignature sr=..&sig=..&se=..&skn=..". Fields may
// come in any order, each once; fields of other names are passed over.
func ParseToken(text string) (Token, error) {
	var t Token
	head, fields, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok || !strings.EqualFold(head, tokenPrefix) {
		return t, malformed("it does not begin with " + tokenPrefix)
	}
	if len(text) > tokenBytesMax {
		return t, malformed("it is too long")
	}
	seen := map[string]string{}
	for field := range strings.SplitSeq(strings.TrimSpace(fields), "&") {
		name, value, ok := strings.Cut(field, "=")
		if name = strings.ToLower(name); !ok {
			return t, malformed("a field has no value")
		}
		if _, twice := seen[name]; twice {
			return t, malformed("a field comes twice")
		}
		seen[name] = value
	}
	for _, name := range []string{"sr", "sig", "se", "skn"} {
		if seen[name] == "" {
			return t, malformed("the field " + name + " is missing")
		}
	}
	t.Resource, t.Expiry = seen["sr"], seen["se"]
	var err error
	if t.KeyName, err = url.PathUnescape(seen["skn"]); err != nil {
		return t, malformed("skn is not percent-encoded")
	}
	signature, err := url.PathUnescape(seen["sig"])
	if err == nil {
		t.Signature, err = base64.StdEncoding.DecodeString(signature)
	}
	if err != nil {
		return t, malformed("sig is not base64")
	}
	if _, err := t.expires(); err != nil {
		return t, err
	}
	return t, nil
}

// expires reads the seconds since 1970.
func (t Token) expires() (time.Time, error) {
	seconds, err := strconv.ParseInt(t.Expiry, 10, 64)
	if err != nil || seconds < 0 || seconds > maxUnixSeconds {
		return time.Time{}, malformed("se is not a time in seconds")
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// maxUnixSeconds is the last second of the year 9999.
const maxUnixSeconds = 253402300799

// SignToken makes a token for a resource, as the client libraries do: the escaped
// resource in lower case, which is what the signature covers.
func SignToken(resource, keyName, key string, expires time.Time) string {
	escaped := strings.ToLower(url.QueryEscape(resource))
	expiry := strconv.FormatInt(expires.Unix(), 10)
	signature := base64.StdEncoding.EncodeToString(sign(key, escaped, expiry))
	return tokenPrefix + " sr=" + escaped + "&sig=" + url.QueryEscape(signature) + "&se=" + expiry + "&skn=" + url.PathEscape(keyName)
}

func sign(key, resource, expiry string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(resource + "\n" + expiry))
	return mac.Sum(nil)
}

// Peer is what is known of the other end of a connection.
type Peer struct {
	Loopback bool       // it is on this machine, and came through a door for this machine or network
	External bool       // it came through a door for other networks
	Addr     netip.Addr // zero when it is not known
}

// Verifier judges tokens and keys by the rules of one namespace.
type Verifier struct {
	// Rules gives every rule of that name, of the namespace and of its entities;
	// names match without regard to case. It may be called from any goroutine.
	Rules func(keyName string) []Rule
}

// Verify judges a token that was put for an audience, in any form AudiencePath
// takes. Refusals are of kind Unauthorized.
func (v *Verifier) Verify(token, audience string, peer Peer, now time.Time) (Principal, error) {
	t, err := ParseToken(token)
	if err != nil {
		return Principal{}, err
	}
	resource, path := AudiencePath(t.Resource), AudiencePath(audience)
	rule, err := v.signer(t, path, peer)
	if err != nil {
		return Principal{}, err
	}
	expires, err := t.expires()
	if err != nil {
		return Principal{}, err
	}
	if now.After(expires.Add(skewMax)) {
		return Principal{}, Expired(expires)
	}
	if !covers(resource, path) {
		return Principal{}, fault.New(fault.Unauthorized, "InvalidAudience: The authorization header contains a token with a wrong audience.")
	}
	p := rule.principal()
	if !ruleCovers(p.Scope, path) {
		return Principal{}, fault.New(fault.Unauthorized, "InvalidAudience: The rule %q of %q is not good for %q.", rule.Name, rule.Scope, path)
	}
	p.Resource, p.Expires = resource, expires
	return p, nil
}

// signer finds the rule whose key made the signature. All candidates are tried, so
// the time taken tells nothing about which one it was.
func (v *Verifier) signer(t Token, path string, peer Peer) (Rule, error) {
	var found *Rule
	for _, rule := range v.Rules(t.KeyName) {
		good := 0
		for _, key := range []string{rule.Primary, rule.Secondary} {
			if key != "" {
				good |= subtle.ConstantTimeCompare(sign(key, t.Resource, t.Expiry), t.Signature)
			}
		}
		if good == 1 {
			found = better(found, rule, path)
		}
	}
	return admit(found, peer)
}

// better chooses between rules that share a name and, by their author's will, a
// key: one that is good for the path, then one good from everywhere, then the
// namespace's.
func better(old *Rule, rule Rule, path string) *Rule {
	rank := func(r *Rule) (n int) {
		for _, good := range []bool{ruleCovers(EntityPath(r.Scope), path), !r.LoopbackOnly, r.Scope == ""} {
			if n <<= 1; good {
				n++
			}
		}
		return n
	}
	if old == nil || rank(&rule) > rank(old) {
		return &rule
	}
	return old
}

func admit(rule *Rule, peer Peer) (Rule, error) {
	if rule == nil {
		return Rule{}, fault.New(fault.Unauthorized, "InvalidSignature: The token has an invalid signature.")
	}
	if rule.LoopbackOnly && !peer.Loopback {
		return Rule{}, fault.New(fault.Unauthorized, "InvalidSignature: The well-known emulator key is accepted from the server's own machine only. Use a key of the namespace.")
	}
	return *rule, nil
}

func (r Rule) principal() Principal {
	return Principal{Kind: SharedAccess, Name: r.Name, Claims: r.Claims, Scope: EntityPath(r.Scope)}
}

// VerifyKey judges a key name and key given in the clear (SASL PLAIN) for what
// they grant in the whole namespace or their entity.
func (v *Verifier) VerifyKey(keyName, key string, peer Peer) (Principal, error) {
	var found *Rule
	for _, rule := range v.Rules(keyName) {
		if sameKey(rule.Primary, key)|sameKey(rule.Secondary, key) == 1 {
			found = better(found, rule, "")
		}
	}
	rule, err := admit(found, peer)
	if err != nil {
		return Principal{}, err
	}
	return rule.principal(), nil
}

// sameKey compares digests, so that not even the length shows. No key is no match.
func sameKey(have, given string) int {
	if have == "" {
		return 0
	}
	a, b := sha256.Sum256([]byte(have)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(a[:], b[:])
}

func malformed(why string) error {
	return fault.New(fault.Unauthorized, "MalformedToken: The token is not a shared access signature: %s.", why)
}

// Expired is the refusal of a token whose time is over, in the words clients look for.
func Expired(at time.Time) error {
	return fault.New(fault.Unauthorized, "ExpiredToken: The token is expired. Expiration time: '%s'.", at.UTC().Format("2006-01-02 15:04:05Z"))
}
