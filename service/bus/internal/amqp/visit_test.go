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
