package bus

import (
	"context"
	"sync/atomic"
	"testing"

	sb "github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/resource"
)

// stand gives the namespace's unit a standing and waits until it is in force.
func (h *house) stand(s replica.Standing) {
	h.t.Helper()
	unit := h.bus.all()[0].unit
	unit.Stand(s)
	select {
	case <-unit.Settled():
	case <-h.within().Done():
		h.t.Fatalf("the unit does not become %s", s.Mode)
	}
}

// TestStandsBy: a namespace that another location has is folded, counted, and left as
// it is; its clients are let go, and served when it comes back.
func TestStandsBy(t *testing.T) {
	h := newHouse(t)
	h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	q := h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/q", nil)
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	c := h.client("plenty.x")
	h.must(h.send(c, "q", "kept"))
	connections := h.bus.amqp.Connections()
	if connections == 0 {
		t.Fatal("nobody is connected")
	}

	h.stand(replica.Standing{Mode: replica.Halted})
	h.await("the end of the connections", func() bool { return h.bus.amqp.Connections() == 0 })
	if u := h.bus.Units()[0]; u.Role != "halted" || u.Ready || u.Node != "" || h.bus.Ready() == nil {
		t.Errorf("halted, it says %+v", u)
	}
	h.stand(replica.Standing{Mode: replica.Secondary})
	if u := h.bus.Units()[0]; u.Role != "standby" || !u.Ready || h.bus.Ready() != nil {
		t.Errorf("standing by, it says %+v (%v)", u, h.bus.Ready())
	}
	h.stand(replica.Standing{Mode: replica.Secondary, Elsewhere: "far.example:5672"})
	if u := h.bus.Units()[0]; u.Node != replica.ElsewhereNode || u.Address != "far.example:5672" || !u.Ready {
		t.Errorf("standing by, it says %+v", u)
	}
	if n := h.bus.Counts(resource.Document{ID: q}); n["messageCount"] != int64(1) {
		t.Errorf("standing by, it counts %v", n)
	}
	late := h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/late", nil)
	h.must(h.registry.Delete(h.within(), q, resource.Condition{}))
	h.must(h.bus.all()[0].ns.Reconcile(h.within()))
	if h.bus.Counts(resource.Document{ID: late}) != nil || h.bus.Counts(resource.Document{ID: q}) == nil {
		t.Error("entities were changed in a namespace that stands by")
	}

	h.stand(replica.Standing{Mode: replica.Primary, Floor: 2 << 32})
	h.await("what was declared meanwhile", func() bool {
		return h.bus.Counts(resource.Document{ID: late}) != nil && h.bus.Counts(resource.Document{ID: q}) == nil
	})
	if u := h.bus.Units()[0]; u.Role != "owner" || u.Epoch < 2<<32 {
		t.Errorf("primary again, it says %+v", u)
	}
	h.must(h.send(c, "late", "goes on")) // the client that was let go came back
}

// TestReopen: a namespace is opened again on what Open then gives it; clients notice
// that they have to connect anew, and no more.
func TestReopen(t *testing.T) {
	h := newHouse(t)
	h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/q", nil)
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	c := h.client("plenty.x")
	h.must(h.send(c, "q", "kept"))
	before := h.bus.all()[0].unit
	for range 2 {
		h.must(h.bus.Reopen(h.within(), "servicebus-plenty"))
	}
	if after := h.bus.all(); len(after) != 1 || after[0].unit == before {
		t.Error("the same unit goes on")
	}
	if got := h.take(c, "q"); got != "kept" {
		t.Errorf("got %q", got)
	}
	if err := h.bus.Reopen(h.within(), "servicebus-other"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a unit nobody has was opened again: %v", err)
	}
}

// TestGroupedNamespaceKeepsWhatNobodyDeleted: in a group declarations may come later
// than messages, so that only a deletion that was seen removes an entity.
func TestGroupedNamespaceKeepsWhatNobodyDeleted(t *testing.T) {
	h := newHouse(t)
	h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	q := h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/q", nil)
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	h.must(h.send(h.client("plenty.x"), "q", "kept"))
	h.must(h.bus.Stop(h.within()))
	h.must(h.registry.Delete(h.within(), q, resource.Condition{})) // nobody sees that

	var grouped atomic.Bool
	grouped.Store(true)
	h.bus = New(Options{Registry: local{h.registry}, Open: h.open, Node: "n1", Address: "here", Logger: h.log(),
		Grouped: func(unit string) bool { return unit == "servicebus-plenty" && grouped.Load() }})
	h.must(h.bus.Start(t.Context()))
	t.Cleanup(func() { _ = h.bus.Stop(context.Background()) })
	h.listen()
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	ns := h.bus.all()[0].ns
	h.must(ns.Reconcile(h.within()))
	if n := h.bus.Counts(resource.Document{ID: q}); n["messageCount"] != int64(1) {
		t.Fatalf("a queue that is not declared yet has %v", n)
	}
	h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/q", nil)
	h.must(ns.Reconcile(h.within()))
	c := h.client("plenty.x")
	r, err := c.NewReceiverForQueue("q", nil)
	h.must(err)
	var got []*sb.ReceivedMessage
	got, err = r.ReceiveMessages(h.within(), 1, nil)
	h.must(err)
	if string(got[0].Body) != "kept" {
		t.Errorf("got %q", got[0].Body)
	}
	h.must(h.registry.Delete(h.within(), q, resource.Condition{}))
	h.await("a deletion that was seen", func() bool { return h.bus.Counts(resource.Document{ID: q}) == nil })
}

func TestUnitName(t *testing.T) {
	ns := resource.MustID(scope + "/providers/Microsoft.ServiceBus/namespaces/Plenty")
	if name, ok := UnitName(ns); name != "servicebus-plenty" || !ok {
		t.Error(name, ok)
	}
	if name, ok := UnitName(resource.MustID(ns.String() + "/queues/q")); ok {
		t.Errorf("a queue has the unit %s", name)
	}
}
