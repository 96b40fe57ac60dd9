package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rules is a namespace with one rule of its own, one of a queue and one of a topic;
// the queue's has the name of the namespace's.
var rules = []Rule{
	{Name: "root", Primary: "root-1", Secondary: "root-2", Claims: Manage},
	{Name: "root", Primary: "orders-key", Claims: Listen, Scope: "My.Orders"},
	{Name: "shared", Primary: "shared-key", Claims: Send, Scope: "q1"},
	{Name: "shared", Primary: "shared-key", Claims: Send, Scope: "q2"},
	{Name: "topic", Primary: "topic-key", Claims: Send | Listen, Scope: "prices"},
	EmulatorRule(),
}

func verifier() *Verifier {
	return &Verifier{Rules: func(name string) []Rule {
		var found []Rule
		for _, r := range rules {
			if strings.EqualFold(r.Name, name) {
				found = append(found, r)
			}
		}
		return found
	}}
}

func TestVerify(t *testing.T) {
	later := now.Add(time.Hour)
	token := func(resource, name, key string) string { return SignToken(resource, name, key, later) }
	// As the JavaScript admin client writes it, and as its AMQP client does:
	// other orders, an escaped resource that keeps its capitals.
	capitals := "SharedAccessSignature sr=sb%3A%2F%2FHost%2FMy.Orders&skn=root&sig=" + escapedSignature("root-1", "sb%3A%2F%2FHost%2FMy.Orders", "1772370000") + "&se=1772370000"
	reordered := "SharedAccessSignature sig=" + escapedSignature("root-2", "https%3a%2f%2fhost%2f", "1772370000") + "&se=1772370000&skn=root&sr=https%3a%2f%2fhost%2f"
	for _, c := range []struct {
		name, token, audience string
		remote                bool
		want                  string // start of the refusal; empty for a principal
	}{
		{"namespace token for a queue", token("sb://host", "root", "root-1"), "amqps://other:5671/MY.orders", false, ""},
		{"host alone", token("127.0.0.2", "root", "root-1"), "amqp://127.0.0.2/q", false, ""},
		{"secondary key", token("sb://host/", "root", "root-2"), "sb://host/q", false, ""},
		{"management node", token("sb://host/q", "root", "root-1"), "sb://host/Q/$management", false, ""},
		{"dead-letter queue", token("sb://host/q", "root", "root-1"), "sb://host/q/$DeadLetterQueue", false, ""},
		{"management of a transfer dead-letter queue", token("sb://host/q", "root", "root-1"), "sb://host/q/$Transfer/$DeadLetterQueue/$management", false, ""},
		{"subscription by topic", token("sb://host/prices", "topic", "topic-key"), "sb://host/prices/Subscriptions/all", false, ""},
		{"entity rule", token("host.example/my.orders", "root", "orders-key"), "host.example/my.orders", false, ""},
		{"entity rule, namespace token", token("sb://host", "root", "orders-key"), "sb://host/my.orders", false, ""},
		{"case of the rule's name", token("sb://host/q", "ROOT", "root-1"), "sb://host/q", false, ""},
		{"capitals in the escaped resource", capitals, "sb://host/my.orders", false, ""},
		{"other order of fields", reordered, "https://host/q", false, ""},
		{"emulator key from here", token("sb://localhost", EmulatorKeyName, EmulatorKey), "amqp://localhost/q", false, ""},
		{"emulator key from elsewhere", token("sb://localhost", EmulatorKeyName, EmulatorKey), "amqp://localhost/q", true, "InvalidSignature: The well-known"},
		{"another entity", token("sb://host/q1", "root", "root-1"), "sb://host/q2", false, "InvalidAudience"},
		{"prefix of a name", token("sb://host/q", "root", "root-1"), "sb://host/q2", false, "InvalidAudience"},
		{"entity token for the namespace", token("sb://host/q", "root", "root-1"), "sb://host/", false, "InvalidAudience"},
		{"entity rule for another entity", token("sb://host", "root", "orders-key"), "sb://host/q", false, "InvalidAudience"},
		{"entity rule for a queue with a longer path", token("sb://host", "topic", "topic-key"), "sb://host/prices/old", false, "InvalidAudience"},
		{"rules of two queues with one key", token("sb://host", "shared", "shared-key"), "sb://host/q2", false, ""},
		{"unknown name", token("sb://host", "nobody", "root-1"), "sb://host/q", false, "InvalidSignature: The token has an invalid signature."},
		{"wrong key", token("sb://host", "root", "root-3"), "sb://host/q", false, "InvalidSignature: The token has an invalid signature."},
		{"empty key is no key", token("sb://host", "topic", ""), "sb://host/prices", false, "InvalidSignature"},
		{"resource re-encoded", strings.Replace(token("sb://host/q", "root", "root-1"), "%2f", "%2F", 1), "sb://host/q", false, "InvalidSignature"},
		{"expiry changed", strings.Replace(token("sb://host/q", "root", "root-1"), "se=17", "se=18", 1), "sb://host/q", false, "InvalidSignature"},
		{"expired", SignToken("sb://host", "root", "root-1", now.Add(-10*time.Minute)), "sb://host/q", false, "ExpiredToken: The token is expired. Expiration time: '2026-03-01 11:50:00Z'."},
		{"expired, within the skew", SignToken("sb://host", "root", "root-1", now.Add(-skewMax)), "sb://host/q", false, ""},
		{"expired, just beyond it", SignToken("sb://host", "root", "root-1", now.Add(-skewMax-time.Second)), "sb://host/q", false, "ExpiredToken"},
		{"nothing", "", "sb://host/q", false, "MalformedToken"},
		{"a bare JWT", "eyJhbGciOi.eyJ.sig", "sb://host/q", false, "MalformedToken"},
		{"a field twice", token("sb://host", "root", "root-1") + "&se=1", "sb://host/q", false, "MalformedToken"},
		{"no key name", "SharedAccessSignature sr=a&sig=YQ%3D%3D&se=1", "sb://host/q", false, "MalformedToken"},
		{"a date for an expiry", "SharedAccessSignature sr=a&sig=YQ%3D%3D&skn=root&se=09/16/2020", "sb://host/q", false, "MalformedToken"},
		{"signature is no base64", "SharedAccessSignature sr=a&sig=***&skn=root&se=1", "sb://host/q", false, "MalformedToken"},
		{"too long", "SharedAccessSignature sr=" + strings.Repeat("a", tokenBytesMax), "sb://host/q", false, "MalformedToken"},
	} {
		p, err := verifier().Verify(c.token, c.audience, Peer{Loopback: !c.remote}, now)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || !fault.Is(err, fault.Unauthorized)):
			t.Errorf("%s: %+v, %v (%v), want %s", c.name, p, err, fault.KindOf(err), c.want)
		}
	}
}

func escapedSignature(key, resource, expiry string) string {
	return url.QueryEscape(base64.StdEncoding.EncodeToString(sign(key, resource, expiry)))
}

func TestCheck(t *testing.T) {
	expires := now.Add(time.Minute)
	verify := func(resource, name, key string) Principal {
		p, err := verifier().Verify(SignToken(resource, name, key, expires), resource, Peer{}, now)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	root, one, entity, topic := verify("sb://h", "root", "root-1"), verify("sb://h/q", "root", "root-1"), verify("sb://h/my.orders", "root", "orders-key"), verify("sb://h/prices", "topic", "topic-key")
	for _, c := range []struct {
		name string
		p    Principal
		path string
		need Claims
		ok   bool
	}{
		{"manage implies send", root, "q", Send, true},
		{"manage implies listen", root, "q/$DeadLetterQueue", Listen, true},
		{"namespace", root, "", Manage, true},
		{"narrowed by its token", one, "q2", Send, false},
		{"its own queue", one, "Q/$management", Listen, true},
		{"not the namespace", one, "", Listen, false},
		{"claims of the rule", entity, "my.orders", Listen, true},
		{"no more than the rule's", entity, "my.orders", Send, false},
		{"not manage", topic, "prices", Manage, false},
		{"both at once", topic, "prices/subscriptions/a", Send | Listen, true},
	} {
		err := c.p.Check(c.path, c.need, now)
		if (err == nil) != c.ok || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if got, want := entity.Check("my.orders", Send, now).Error(), "Unauthorized access. 'Send' claim(s) are required to perform this operation."; got != want {
		t.Errorf("the refusal reads %q, want %q", got, want)
	}
	if err := root.Check("q", Send, expires.Add(skewMax+1)); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("after its time: %v", err)
	}
}

func TestVerifyKey(t *testing.T) {
	for _, c := range []struct {
		name, keyName, key string
		remote, ok         bool
	}{
		{"primary", "root", "root-1", true, true},
		{"secondary", "Root", "root-2", true, true},
		{"wrong", "root", "root-", true, false},
		{"empty", "topic", "", true, false},
		{"emulator here", EmulatorKeyName, EmulatorKey, false, true},
		{"emulator elsewhere", EmulatorKeyName, EmulatorKey, true, false},
	} {
		p, err := verifier().VerifyKey(c.keyName, c.key, Peer{Loopback: !c.remote})
		if (err == nil) != c.ok || c.ok && !p.Expires.IsZero() {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
	}
}

// A real rule that happens to share name and key with the emulator's is good from
// everywhere: its author chose so.
func TestEmulatorKeyAsRealKey(t *testing.T) {
	v := &Verifier{Rules: func(string) []Rule {
		return []Rule{EmulatorRule(), {Name: EmulatorKeyName, Primary: EmulatorKey, Claims: Send}}
	}}
	p, err := v.VerifyKey(EmulatorKeyName, EmulatorKey, Peer{})
	if err != nil || p.Claims != Send {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestPaths(t *testing.T) {
	for in, want := range map[string]string{
		"sb://h/Q": "q", "amqps://h:5671/a/b/": "a/b", "h.example:5671/q": "q", "localhost/q": "q", "localhost": "",
		"q": "q", "/q/": "q", "sb://h": "", "sb%3a%2f%2fh%2fmy%20q": "my q", "https://h/q?api-version=1": "q",
		"sb://h/t/Subscriptions/S/$Transfer/$DeadLetterQueue": "t/subscriptions/s", "sb://h/$management": "", "sb://h/%zz": "%zz",
	} {
		if got := AudiencePath(in); got != want {
			t.Errorf("AudiencePath(%q) is %q, want %q", in, got, want)
		}
	}
	if got := EntityPath("my.queue/sub"); got != "my.queue/sub" {
		t.Errorf("a path is no audience: %q", got)
	}
}

func TestClaims(t *testing.T) {
	c, err := ParseClaims([]string{"send", "Listen"})
	if err != nil || c != Send|Listen || c.String() != "Listen,Send" {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := ParseClaims([]string{"Write"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown right: %v", err)
	}
}

func TestConnectionString(t *testing.T) {
	const emulator = "Endpoint=sb://localhost:5672;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=a=b==;UseDevelopmentEmulator=true;"
	c, err := ParseConnectionString(emulator)
	if err != nil || !c.Emulator || c.Host() != "localhost:5672" || c.Key != "a=b==" || c.String() != emulator {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = ParseConnectionString("endpoint=sb://h/;SHAREDACCESSSIGNATURE=SharedAccessSignature sr=a&sig=b;EntityPath=q;Future=1")
	if err != nil || c.Signature != "SharedAccessSignature sr=a&sig=b" || c.EntityPath != "q" || c.Emulator {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "Endpoint", "Endpoint=h;SharedAccessKeyName=a;SharedAccessKey=b", "Endpoint=sb://h", "Endpoint=sb://h;SharedAccessKeyName=a"} {
		if c, err := ParseConnectionString(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %+v, %v", bad, c, err)
		}
	}
}

func TestNewKey(t *testing.T) {
	key, err := NewKey(bytes.NewReader(bytes.Repeat([]byte{0xFF}, 32)))
	if err != nil || key != strings.Repeat("/", 42)+"8=" {
		t.Errorf("%q, %v", key, err)
	}
	if _, err := NewKey(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a source that runs dry made a key")
	}
	a, _ := NewKey(nil)
	if b, _ := NewKey(nil); a == b || len(a) != 44 {
		t.Errorf("%q and %q", a, b)
	}
}

// FuzzParseToken: never a panic, never a token without all four fields, and what
// is malformed is Unauthorized.
func FuzzParseToken(f *testing.F) {
	f.Add(SignToken("sb://host/q", "root", "key", now))
	f.Add("SharedAccessSignature sig=a%3D&se=1&skn=n&sr=r")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Unauthorized {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if token.Resource == "" || token.Expiry == "" || token.KeyName == "" {
			t.Fatalf("%q parses as %+v", text, token)
		}
		if p, err := verifier().Verify(text, "sb://h/q", Peer{}, now); err == nil {
			t.Fatalf("%q was believed: %+v", text, p)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	v, token := verifier(), SignToken("sb://host/q", "root", "root-2", now.Add(time.Hour))
	for b.Loop() {
		if _, err := v.Verify(token, "amqp://host/q", Peer{}, now); err != nil {
			b.Fatal(err)
		}
	}
}
