package amqp

import (
	"fmt"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
)

func TestClaims(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		held  identity.Principal
		anyOf identity.Claims
		path  string
		want  bool
	}{
		{identity.Principal{Claims: identity.Send}, identity.Send, "orders", true},
		{identity.Principal{Claims: identity.Send}, identity.Listen, "orders", false},
		{identity.Principal{Claims: identity.Send}, identity.Listen | identity.Send, "orders", true},
		{identity.Principal{Claims: identity.Manage}, identity.Listen, "orders", true},
		{identity.Principal{Claims: identity.Listen, Scope: "orders"}, identity.Listen, "Orders/$DeadLetterQueue", true},
		{identity.Principal{Claims: identity.Listen, Resource: "orders"}, identity.Listen, "other", false},
		{identity.Principal{Claims: identity.Listen, Expires: now.Add(time.Second)}, identity.Listen, "orders", true},
		{identity.Principal{Claims: identity.Listen, Expires: now.Add(-time.Hour)}, identity.Listen, "orders", false},
	} {
		var held claims
		if err := held.put("any", c.held, now); err != nil {
			t.Fatal(err)
		}
		if got := held.allow(c.anyOf, c.path, now); got != c.want {
			t.Errorf("%+v %v %s: got %v", c.held, c.anyOf, c.path, got)
		}
	}
}

func TestTokensAreBoundedAndRenewed(t *testing.T) {
	now := time.Unix(1000, 0)
	var held claims
	for i := range tokensMax {
		p := identity.Principal{Scope: "a", Claims: identity.Send, Expires: now.Add(time.Minute)}
		if err := held.put(fmt.Sprint(i), p, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := held.put("7", identity.Principal{Scope: "b", Claims: identity.Listen}, now); err != nil {
		t.Errorf("a renewal needs no room: %v", err)
	}
	if !held.allow(identity.Listen, "b", now) {
		t.Error("the renewed token is not in force")
	}
	if err := held.put("more", identity.Principal{}, now); !fault.Is(err, fault.QuotaExceeded) {
		t.Errorf("got %v", err)
	}
	if err := held.put("more", identity.Principal{}, now.Add(time.Hour)); err != nil {
		t.Errorf("tokens that ran out make room: %v", err)
	}
}

// The Go client's live tests look for these words.
func TestMissingClaimIsWorded(t *testing.T) {
	want := "Unauthorized access. 'Send' claim(s) are required to perform this operation. Resource: 'sb://ns/orders'."
	if got := missingClaim(identity.Send, "ns", "orders").Error(); got != want {
		t.Errorf("got %q", got)
	}
}
