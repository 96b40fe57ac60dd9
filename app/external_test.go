package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

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
