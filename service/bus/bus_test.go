package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	sb "github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/journal/journaltest"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/wire/amqp/server"
)

// house is a bus with its registry, on journals in memory, without an app.
type house struct {
	t        testing.TB
	registry *resource.Registry
	bus      *Service
	addr     string
	journals map[string]*journaltest.Memory
	leases   *journaltest.MemoryLeases
}

// local is a registry that is owned here.
type local struct{ *resource.Registry }

func (local) Fresh(context.Context) error { return nil }

const scope = "/subscriptions/s/resourceGroups/g"

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, journals: map[string]*journaltest.Memory{}, leases: journaltest.NewMemoryLeases()}
	types, err := resource.NewTypes(append(Types(), resource.LockType())...)
	h.must(err)
	h.registry = resource.NewRegistry(types, nil)
	unit, err := h.open(t.Context(), replica.Options{Unit: "registry", Node: "n1", Machine: h.registry})
	h.must(err)
	h.registry.Bind(resource.On(unit))
	unit.Start()
	t.Cleanup(unit.Abort)
	_, err = unit.WaitOwner(h.within())
	h.must(err)
	h.bus = New(Options{Registry: local{h.registry}, Open: h.open, Node: "n1", Address: "here", Logger: h.log()})
	h.must(h.bus.Start(t.Context()))
	t.Cleanup(func() { _ = h.bus.Stop(context.Background()) })
	h.listen()
	return h
}

func (h *house) open(_ context.Context, o replica.Options) (*replica.Unit, error) {
	if h.journals[o.Unit] == nil {
		h.journals[o.Unit] = journaltest.NewMemory()
	}
	o.Log, o.Snapshots, o.Leases, o.Logger = h.journals[o.Unit].Node(), &journaltest.MemorySnapshots{}, h.leases, h.log()
	return replica.New(o), nil
}

func (h *house) log() *slog.Logger { return slog.New(slog.NewTextHandler(h.t.Output(), nil)) }

func (h *house) listen() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	h.must(err)
	h.addr = ln.Addr().String()
	bus := h.bus
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = bus.ServeAMQP(ctx, c, server.PeerInfo{Remote: c.RemoteAddr(), Loopback: true})
			})
		}
	})
	h.t.Cleanup(func() { ln.Close(); cancel(); serving.Wait() })
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	h.t.Cleanup(cancel)
	return ctx
}

// put declares a resource by type and names.
func (h *house) put(typ, names string, properties map[string]any) resource.ID {
	h.t.Helper()
	id, err := resource.MustID(scope).Resource(typ, names)
	h.must(err)
	_, err = h.registry.Put(h.within(), resource.Document{ID: id, Properties: properties}, resource.Condition{})
	h.must(err)
	return id
}

func (h *house) client(host string) *sb.Client {
	h.t.Helper()
	c, err := sb.NewClientFromConnectionString(
		"Endpoint=sb://"+host+";SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;",
		&sb.ClientOptions{CustomEndpoint: h.addr, RetryOptions: sb.RetryOptions{MaxRetries: 1, RetryDelay: time.Millisecond}})
	h.must(err)
	h.t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func (h *house) send(c *sb.Client, path, body string) error {
	s, err := c.NewSender(path, nil)
	h.must(err)
	return s.SendMessage(h.within(), &sb.Message{Body: []byte(body)}, nil)
}

func (h *house) take(c *sb.Client, path string) string {
	h.t.Helper()
	r, err := c.NewReceiverForQueue(path, &sb.ReceiverOptions{ReceiveMode: sb.ReceiveModeReceiveAndDelete})
	h.must(err)
	got, err := r.ReceiveMessages(h.within(), 1, nil)
	h.must(err)
	return string(got[0].Body)
}

// await waits for something another goroutine brings about.
func (h *house) await(what string, done func() bool) {
	h.t.Helper()
	for ctx := h.within(); !done(); runtime.Gosched() {
		if ctx.Err() != nil {
			h.t.Fatalf("%s did not come about", what)
		}
	}
}

func TestDeclaredAndUsed(t *testing.T) {
	h := newHouse(t)
	h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	if u := h.bus.Units()[0]; u.Role != "owner" || !u.Ready || u.Namespace != "plenty" {
		t.Errorf("got %+v", u)
	}
	// A queue can be used as soon as it is declared.
	c := h.client("plenty.servicebus.windows.net")
	for i := range 5 {
		name := fmt.Sprint("orders", i)
		id := h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/"+name, nil)
		h.must(h.send(c, name, name))
		n := h.bus.Counts(resource.Document{ID: id})
		if n["messageCount"] != int64(1) || n["countDetails"].(map[string]any)["activeMessageCount"] != int64(1) {
			t.Errorf("counts %v", n)
		}
		if got := h.take(c, name); got != name {
			t.Errorf("got %q", got)
		}
	}
	if h.bus.Counts(resource.Document{ID: resource.MustID(scope)}) != nil {
		t.Error("a resource group has no messages")
	}
}

// The host name chooses the namespace; one that names none means the default.
func TestNamespacesByHostName(t *testing.T) {
	h := newHouse(t)
	for _, ns := range []string{"alpha1", "beta22"} {
		h.put("Microsoft.ServiceBus/namespaces", ns, nil)
		h.put("Microsoft.ServiceBus/namespaces/queues", ns+"/q", nil)
	}
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 2 })
	h.must(h.send(h.client("beta22.localhost"), "q", "for beta"))
	h.must(h.send(h.client("127.0.0.1"), "q", "for the default"))
	if got := h.take(h.client("BETA22.servicebus.windows.net"), "q"); got != "for beta" {
		t.Errorf("beta has %q", got)
	}
	if got := h.take(h.client("alpha1.servicebus.windows.net"), "q"); got != "for the default" {
		t.Errorf("alpha has %q", got)
	}
}

// Deleting a queue loses its messages, and one declared anew under its name is
// empty; deleting the namespace sends clients away.
func TestDeleted(t *testing.T) {
	h := newHouse(t)
	ns := h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	q := h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/q", nil)
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	c := h.client("plenty.x")
	h.must(h.send(c, "q", "old"))
	h.must(h.registry.Delete(h.within(), q, resource.Condition{}))
	h.must(h.bus.Applied(h.within(), q))
	if h.bus.Counts(resource.Document{ID: q}) != nil {
		t.Error("a deletion that was applied is not in force")
	}
	if err := h.send(c, "q", "nowhere"); err == nil || !strings.Contains(err.Error(), "could not be found") {
		t.Errorf("got %v", err)
	}
	h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/q", nil)
	h.must(h.send(c, "q", "new"))
	if got := h.take(c, "q"); got != "new" {
		t.Errorf("got %q", got)
	}
	h.must(h.registry.Delete(h.within(), ns, resource.Condition{}))
	h.await("the end of the namespace", func() bool { return len(h.bus.Units()) == 0 })
	if err := h.send(c, "q", "nowhere"); err == nil {
		t.Error("a deleted namespace took a message")
	}
}

// Messages survive a stop and a start, and keys that were declared open the door.
func TestRestart(t *testing.T) {
	h := newHouse(t)
	h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/q", nil)
	h.put("Microsoft.ServiceBus/namespaces/authorizationRules", "plenty/sender", map[string]any{
		"rights": []any{"Send"}, "primaryKey": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="})
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	h.must(h.send(h.client("plenty.x"), "q", "kept"))
	h.must(h.bus.Stop(h.within()))

	h.bus = New(Options{Registry: local{h.registry}, Open: h.open, Node: "n1", Address: "here", Logger: h.log()})
	h.must(h.bus.Start(t.Context()))
	t.Cleanup(func() { _ = h.bus.Stop(context.Background()) })
	h.listen()
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	if got := h.take(h.client("plenty.x"), "q"); got != "kept" {
		t.Errorf("got %q", got)
	}
	c, err := sb.NewClientFromConnectionString("Endpoint=sb://plenty.x;SharedAccessKeyName=sender;SharedAccessKey=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=;UseDevelopmentEmulator=true;",
		&sb.ClientOptions{CustomEndpoint: h.addr})
	h.must(err)
	t.Cleanup(func() { c.Close(context.Background()) })
	h.must(h.send(c, "q", "by key"))
	r, err := c.NewReceiverForQueue("q", nil)
	h.must(err)
	var e *sb.Error
	if _, err := r.ReceiveMessages(h.within(), 1, nil); !errors.As(err, &e) || e.Code != sb.CodeUnauthorizedAccess {
		t.Errorf("a key that may send received: %v", err)
	}
}

// An entity nobody uses for its idle time removes its own declaration.
func TestAutoDelete(t *testing.T) {
	h := newHouse(t)
	h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	q := h.put("Microsoft.ServiceBus/namespaces/queues", "plenty/q", nil)
	sp := h.bus.all()[0]
	h.await("definition", func() bool { return h.bus.Counts(resource.Document{ID: q}) != nil })
	h.must(newCatalog(h.bus, sp).Delete(h.within(), "Q"))
	if _, err := h.registry.Get(h.within(), q); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	h.await("removal", func() bool { return h.bus.Counts(resource.Document{ID: q}) == nil })
}

// A token that came from a token endpoint is called a jwt, whatever it is.
func TestTokensAreJudgedByTheirOwnWords(t *testing.T) {
	h := newHouse(t)
	h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	good := identity.SignToken("sb://plenty/q", identity.EmulatorKeyName, identity.EmulatorKey, time.Now().Add(time.Hour))
	for _, kind := range []string{"servicebus.windows.net:sastoken", "jwt", ""} {
		h.await("rules", func() bool { return h.bus.all()[0].rules.Load() != nil })
		if _, err := (credentials{h.bus}).Token("plenty", kind, "sb://plenty/q", good, identity.Peer{Loopback: true}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, token := range []string{"", "eyJhbGciOi.eyJ.sig", good[:30]} {
		if _, err := (credentials{h.bus}).Token("plenty", "jwt", "sb://plenty/q", token, identity.Peer{Loopback: true}); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%q: %v", token, err)
		}
	}
	if _, err := (credentials{h.bus}).Token("plenty", "jwt", "sb://plenty/q", good, identity.Peer{}); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("the well-known key from elsewhere: %v", err)
	}
}
