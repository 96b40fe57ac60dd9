package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"weir/kernel/identity"
	"weir/kernel/resource"
)

// signIn tries to sign in at a door with a key.
func signIn(t *testing.T, address, name, key string) error {
	t.Helper()
	conn, err := amqp.Dial(t.Context(), "amqps://"+address, &amqp.ConnOptions{
		TLSConfig: &tls.Config{InsecureSkipVerify: true}, SASLType: amqp.SASLTypePlain(name, key), HostName: "localhost",
	})
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// A door for other networks is for keys that only their owners know, whoever the peer
// seems to be, and for namespaces that are not kept inside.
func TestDoorForOtherNetworks(t *testing.T) {
	o := options(t, &record{})
	o.ExternalAMQPS = "localhost:0"
	p := start(t, o)
	outside, inside := p.Addrs()["external-amqps"], p.Addrs()["amqp"]
	ns, err := DefaultScope.Resource(typeNamespace, p.o.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	rule, err := ns.Child("authorizationRules", "RootManageSharedAccessKey")
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.registry.Get(t.Context(), rule)
	if err != nil {
		t.Fatal(err)
	}
	own := d.String("primaryKey")
	change := func(patch string) {
		if _, err := p.registry.Patch(t.Context(), ns, []byte(patch), resource.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what, address, key string, ok bool) {
		t.Helper()
		got := func() error { return signIn(t, address, d.Name(), key) }
		until(t, func() string { return fmt.Sprintf("%s: %v", what, got()) }, func() bool { return (got() == nil) == ok })
	}
	expect("its own key from outside", outside, own, true)
	expect("the well-known key from outside", outside, identity.EmulatorKey, false)
	expect("the well-known key from inside", inside, identity.EmulatorKey, true)
	change(`{"properties":{"publicNetworkAccess":"Disabled"}}`)
	expect("its own key from outside, kept inside", outside, own, false)
	expect("its own key from inside, kept inside", inside, own, true)
	if _, err := amqp.Dial(context.Background(), "amqp://"+outside, nil); err == nil || strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("in the clear from outside: %v", err)
	}
}

// Rules of addresses hold at every door, from the next token on.
func TestNetworkRules(t *testing.T) {
	p := start(t, options(t, &record{}))
	ns, err := DefaultScope.Resource(typeNamespace, p.o.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := ns.Child("networkRuleSets", "default")
	if err != nil {
		t.Fatal(err)
	}
	declare := func(properties map[string]any) {
		t.Helper()
		if _, err := p.registry.Put(t.Context(), resource.Document{ID: rules, Properties: properties}, resource.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	queue := "http://" + p.Addrs()["http"] + "/$namespaceinfo?api-version=2021-05"
	expect := func(what string, amqpToo, httpToo bool) {
		t.Helper()
		var overAMQP error
		var status int
		got := func() bool {
			overAMQP, status = signIn(t, p.Addrs()["amqp"], identity.EmulatorKeyName, identity.EmulatorKey), p.signedStatus(t, queue)
			return (overAMQP == nil) == amqpToo && (status == http.StatusOK) == httpToo
		}
		until(t, func() string { return fmt.Sprintf("%s: AMQP %v, HTTP %d", what, overAMQP, status) }, got)
	}
	expect("no rules", true, true)
	declare(map[string]any{"defaultAction": "Deny"})
	expect("everybody is kept out", false, false)
	declare(map[string]any{"defaultAction": "Deny", "ipRules": []any{map[string]any{"ipMask": "127.0.0.0/8"}}})
	expect("this machine is let in", true, true)
	declare(map[string]any{"ipRules": []any{map[string]any{"ipMask": "127.0.0.1", "action": "Deny"}}})
	expect("this machine alone is kept out", false, false)
}

// signedStatus is what a door answers to a request with the well-known key.
func (p *Platform) signedStatus(t *testing.T, address string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", identity.SignToken(address, identity.EmulatorKeyName, identity.EmulatorKey, time.Now().Add(time.Hour)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}
