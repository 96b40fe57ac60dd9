package bus

import (
	"slices"
	"strings"
	"testing"

	"weir/kernel/identity"
	"weir/kernel/resource"
)

// allowing is a set of decisions: "data|action|scope" in lower case.
type allowing struct {
	Tokens
	all   []string
	asked []string
}

func (a *allowing) Allows(_ identity.Principal, action, scope string, data bool) bool {
	question := strings.ToLower(action + " " + scope)
	if data {
		question = "data " + question
	}
	a.asked = append(a.asked, question)
	return slices.Contains(a.all, question)
}

func TestGrants(t *testing.T) {
	id := resource.MustID("/subscriptions/s/resourceGroups/g/providers/Microsoft.ServiceBus/namespaces/ns")
	ns := id.Key()
	const sb = "microsoft.servicebus/namespaces/"
	for _, c := range []struct {
		allowed, path string
		need          identity.Claims
		want          bool
	}{
		{"data " + sb + "messages/send/action " + ns + "/queues/q", "q", identity.Send, true},
		{"data " + sb + "messages/send/action " + ns + "/topics/q", "q", identity.Send, true},
		{"data " + sb + "messages/send/action " + ns + "/queues/a~b", "a/b", identity.Send, true},
		{"data " + sb + "messages/send/action " + ns, "", identity.Send, true},
		{"data " + sb + "messages/receive/action " + ns + "/topics/a~t/subscriptions/s", "a/t/subscriptions/s", identity.Listen, true},
		{"data " + sb + "messages/receive/action " + ns + "/topics/t", "t/subscriptions/s", identity.Listen, false}, // Allows looks above by itself
		{"data " + sb + "messages/send/action " + ns + "/queues/q", "q", identity.Listen, false},
		{"data " + sb + "messages/send/action " + ns + "/queues/q", "q", identity.Send | identity.Listen, false},
		{"data " + sb + "messages/manage/action " + ns + "/queues/q", "q", identity.Manage, true},
		{sb + "queues/write " + ns + "/queues/q", "q", identity.Manage, true},
		{sb + "queues/read " + ns + "/queues/q", "q", identity.Manage, false},
		{sb + "queues/write " + ns + "/queues/q", "q", identity.Send, false},
	} {
		g := grants{tokens: &allowing{all: []string{c.allowed}}, ns: id}
		if g.Permits(c.path, c.need) != c.want {
			t.Errorf("%s: %s at %q is %t; asked %q", c.allowed, c.need, c.path, !c.want, g.tokens.(*allowing).asked)
		}
	}
	for _, c := range []struct{ path, verb, asks string }{
		{"q", "read", sb + "queues/read " + ns + "/queues/q"},
		{"q", "delete", sb + "topics/delete " + ns + "/topics/q"},
		{"$resources/queues", "read", sb + "queues/read " + ns},
		{"", "read", "microsoft.servicebus/namespaces/read " + ns},
		{"t/subscriptions", "read", sb + "topics/subscriptions/read " + ns + "/topics/t"},
		{"t/subscriptions/s", "write", sb + "topics/subscriptions/write " + ns + "/topics/t/subscriptions/s"},
		{"t/subscriptions/s/rules", "read", sb + "topics/subscriptions/rules/read " + ns + "/topics/t/subscriptions/s"},
		{"t/subscriptions/s/rules/r", "delete", sb + "topics/subscriptions/rules/delete " + ns + "/topics/t/subscriptions/s/rules/r"},
	} {
		a := &allowing{all: []string{c.asks}}
		if g := (grants{tokens: a, ns: id}); !g.Manages(c.path, c.verb) {
			t.Errorf("%s of %q asks %q", c.verb, c.path, a.asked)
		}
	}
}
