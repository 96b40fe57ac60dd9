package amqp

import (
	"testing"

	"weir/kernel/fault"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct {
		text, path, entity, top string
		node                    node
	}{
		{"orders", "orders", "orders", "orders", nodeEntity},
		{"/orders", "orders", "orders", "orders", nodeEntity},
		{"a/b/c", "a/b/c", "a/b/c", "a/b/c", nodeEntity},
		{"amqps://host:5671/Orders", "Orders", "Orders", "Orders", nodeEntity},
		{"/my%20queue", "my queue", "my queue", "my queue", nodeEntity},
		{"bad%zzescape", "bad%zzescape", "bad%zzescape", "bad%zzescape", nodeEntity},
		{"orders/$management", "orders", "orders", "orders", nodeManagement},
		{"orders/$Management", "orders", "orders", "orders", nodeManagement},
		{"orders/$DeadLetterQueue", "orders/$DeadLetterQueue", "orders", "orders", nodeEntity},
		{"orders/$deadletterqueue/$management", "orders/$deadletterqueue", "orders", "orders", nodeManagement},
		{"orders/$Transfer/$DeadLetterQueue", "orders/$Transfer/$DeadLetterQueue", "orders", "orders", nodeEntity},
		{"prices/Subscriptions/all", "prices/Subscriptions/all", "prices/Subscriptions/all", "prices", nodeEntity},
		{"prices/subscriptions/all/$DeadLetterQueue", "prices/subscriptions/all/$DeadLetterQueue", "prices/subscriptions/all", "prices", nodeEntity},
		{"$cbs", "", "", "", nodeCBS},
		{"$CBS", "", "", "", nodeCBS},
	} {
		a, err := parseAddress(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if a.path != c.path || a.entity != c.entity || a.node != c.node || topOf(a.path) != c.top {
			t.Errorf("%q: got %+v top %q", c.text, a, topOf(a.path))
		}
	}
	for _, text := range []string{"", "/", "/$management", "sb://host", "$deadletterqueue", "/$DeadLetterQueue"} {
		if a, err := parseAddress(text); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: got %+v, %v", text, a, err)
		}
	}
}
