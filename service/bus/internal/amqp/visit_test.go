package amqp

import (
	"sync/atomic"
	"testing"

	"weir/kernel/fault"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

// TestRefusedConnections: a connection is never refused with a condition that the
// SDKs take for final, or hold on to, when connecting anew would help.
func TestRefusedConnections(t *testing.T) {
	for kind, want := range map[fault.Kind]wire.Symbol{
		fault.Unavailable: wire.ErrConnectionForced, fault.Busy: wire.ErrConnectionForced, fault.NotOwner: wire.ErrConnectionForced,
		fault.Timeout: wire.ErrConnectionForced, fault.Internal: wire.ErrConnectionForced,
		fault.NotFound: wire.ErrNotFound, fault.Unauthorized: wire.ErrUnauthorizedAccess,
	} {
		if got := refusal(fault.New(kind, "No.")).Condition; got != want {
			t.Errorf("%s is refused with %s, want %s", kind, got, want)
		}
	}
}

// TestOpenWaitsForTheNamespace: while the namespaces are being read, a connection
// waits; its client notices nothing.
func TestOpenWaitsForTheNamespace(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	var asked atomic.Int32
	r.front.o.Namespace = func(string) (*namespace.Namespace, error) {
		if asked.Add(1) < 3 {
			return nil, fault.New(fault.Unavailable, "The namespaces are being read.")
		}
		return r.ns, nil
	}
	s := r.sdk(t)
	s.send(q, "patience")
	if got := bodies(s.take(s.receiver(q, nil), 1)); got[0] != "patience" || asked.Load() < 3 {
		t.Errorf("got %v after %d looks", got, asked.Load())
	}
}

// TestPassedOnForANamespace: what the first node found goes before the host name, which
// may mean another namespace where the connection has come to.
func TestPassedOnForANamespace(t *testing.T) {
	r := newRig(t, Limits{})
	var asked []string
	other := namespace.New(namespace.Options{Name: "default", Catalog: r.catalog, Logger: testLog(t)})
	r.front.o.Namespace = func(host string) (*namespace.Namespace, error) {
		asked = append(asked, host)
		if len(asked) < 3 {
			return other, nil // for a host that is not known here yet
		}
		return r.ns, nil
	}
	v := &visit{s: r.front}
	ns, err := v.namespaceOf(nil, login{Namespace: "TEST"})
	if err != nil || ns != r.ns {
		t.Errorf("found %v, %v", ns, err)
	}
	for _, host := range asked {
		if host != "TEST" {
			t.Errorf("looked for %q", host)
		}
	}
}
