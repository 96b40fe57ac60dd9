package amqp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/journal/journaltest"
	"weir/kernel/replica"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	"weir/wire/amqp/server"
)

// rig is a server without an app: one namespace on a journal in memory, served on
// a port of its own.
type rig struct {
	t       testing.TB
	catalog *shelf
	ns      *namespace.Namespace
	front   *Service
	unit    *replica.Unit
	log     *journaltest.Memory
	leases  *journaltest.MemoryLeases
	addr    string
}

// newRig starts a server. Entities come from declare.
func newRig(t testing.TB, limits Limits) *rig {
	t.Helper()
	r := &rig{t: t, catalog: newShelf(), log: journaltest.NewMemory(), leases: journaltest.NewMemoryLeases()}
	r.start("n1", limits, nil)
	if _, err := r.unit.WaitOwner(within(t)); err != nil {
		t.Fatal(err)
	}
	return r
}

// second starts another node of the same namespace, which follows.
func (r *rig) second(forward func(net.Conn, []byte, server.PeerInfo, []byte, string)) *rig {
	r.t.Helper()
	s := &rig{t: r.t, catalog: r.catalog, log: r.log, leases: r.leases}
	s.start("n2", Limits{}, forward)
	return s
}

func (r *rig) start(node string, limits Limits, forward func(net.Conn, []byte, server.PeerInfo, []byte, string)) {
	t := r.t
	t.Helper()
	r.ns = namespace.New(namespace.Options{Name: "test", Catalog: r.catalog, Logger: testLog(t)})
	r.unit = replica.New(replica.Options{
		Unit: "test", Node: node, Address: "nowhere",
		Machine: r.ns.Machine(), OnGain: r.ns.Gained, OnWake: r.ns.Woken,
		Log: r.log.Node(), Snapshots: &journaltest.MemorySnapshots{}, Leases: r.leases,
		Logger: testLog(t),
	})
	ctx, cancel := context.WithCancel(context.Background())
	wait := r.ns.Start(ctx, r.unit)
	r.unit.Start()
	r.front = New(Options{
		Namespace:   func(string) (*namespace.Namespace, error) { return r.ns, nil },
		Credentials: keyring{},
		Logger:      testLog(t),
		Limits:      limits,
		Forward:     forward,
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = r.front.Serve(ctx, c, server.PeerInfo{Remote: c.RemoteAddr(), Loopback: true})
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		go r.front.Stop(context.Background())
		cancel()
		serving.Wait()
		r.unit.Abort()
		wait()
	})
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// within bounds what a test waits for: it is a net, not a measure.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// declare declares entities and waits until they are defined.
func (r *rig) declare(ds ...broker.Definition) {
	r.t.Helper()
	r.catalog.put(ds...)
	if err := r.ns.Reconcile(within(r.t)); err != nil {
		r.t.Fatal(err)
	}
}

// queue declares a queue with sensible numbers and returns its name.
func (r *rig) queue(change ...func(*broker.Definition)) string {
	r.t.Helper()
	return r.entity(broker.Queue, unique("q"), change...)
}

func (r *rig) entity(kind broker.Kind, name string, change ...func(*broker.Definition)) string {
	r.t.Helper()
	d := broker.Definition{
		Name: name, Kind: kind, LockDuration: time.Minute, MaxDeliveryCount: 10,
		MaxSizeBytes: 1 << 30, MaxMessageBytes: 256 << 10,
	}
	if kind == broker.Subscription {
		d.Rules = []broker.Rule{{Name: "$Default", Created: time.Unix(1, 0).UTC()}}
	}
	for _, c := range change {
		c(&d)
	}
	r.declare(d)
	return name
}

func unique(prefix string) string {
	var b [4]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}

// connectionString is the emulator's own, with our port.
func (r *rig) connectionString() string {
	return r.connectionStringFor(identity.EmulatorKeyName, identity.EmulatorKey)
}

func (r *rig) connectionStringFor(name, key string) string {
	return fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=%s;SharedAccessKey=%s;UseDevelopmentEmulator=true;", r.addr, name, key)
}

// keyring knows the emulator's rule and three that may do less.
type keyring struct{}

func (keyring) verifier() *identity.Verifier {
	rules := []identity.Rule{
		identity.EmulatorRule(),
		{Name: "SendOnly", Primary: "k", Claims: identity.Send},
		{Name: "ListenOnly", Primary: "k", Claims: identity.Listen},
	}
	return &identity.Verifier{Rules: func(name string) []identity.Rule {
		return slices.DeleteFunc(slices.Clone(rules), func(r identity.Rule) bool { return !strings.EqualFold(r.Name, name) })
	}}
}

func (k keyring) Token(_, _, audience, token string, peer identity.Peer) (identity.Principal, error) {
	return k.verifier().Verify(token, audience, peer, time.Now())
}

func (k keyring) Key(_, name, key string, peer identity.Peer) (identity.Principal, error) {
	return k.verifier().VerifyKey(name, key, peer)
}

// shelf is a catalog in memory.
type shelf struct {
	mu      sync.Mutex
	defs    map[string]broker.Definition
	changed chan struct{}
}

var _ namespace.Catalog = (*shelf)(nil)

func newShelf() *shelf {
	return &shelf{defs: map[string]broker.Definition{}, changed: make(chan struct{})}
}

func (s *shelf) change(fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := fn()
	close(s.changed)
	s.changed = make(chan struct{})
	return err
}

func (s *shelf) put(ds ...broker.Definition) {
	_ = s.change(func() error {
		for _, d := range ds {
			s.defs[strings.ToLower(d.Name)] = d
		}
		return nil
	})
}

func (s *shelf) Entities(context.Context) ([]broker.Definition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.defs)), nil
}

func (s *shelf) Gone(context.Context, string) (bool, error) { return true, nil }

func (s *shelf) Watch(ctx context.Context, changed func()) error {
	for {
		s.mu.Lock()
		next := s.changed
		s.mu.Unlock()
		changed()
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *shelf) Delete(_ context.Context, path string) error {
	return s.change(func() error { delete(s.defs, strings.ToLower(path)); return nil })
}

func (s *shelf) PutRule(_ context.Context, subscription string, rule broker.Rule) error {
	return s.change(func() error {
		d := s.defs[strings.ToLower(subscription)]
		for _, r := range d.Rules {
			if strings.EqualFold(r.Name, rule.Name) {
				return fault.New(fault.AlreadyExists, "The rule %s exists.", rule.Name)
			}
		}
		d.Rules = append(slices.Clone(d.Rules), rule)
		s.defs[strings.ToLower(subscription)] = d
		return nil
	})
}

func (s *shelf) DeleteRule(_ context.Context, subscription, rule string) error {
	return s.change(func() error {
		d := s.defs[strings.ToLower(subscription)]
		kept := slices.DeleteFunc(slices.Clone(d.Rules), func(r broker.Rule) bool { return strings.EqualFold(r.Name, rule) })
		if len(kept) == len(d.Rules) {
			return fault.New(fault.NotFound, "The rule %s does not exist.", rule)
		}
		d.Rules = kept
		s.defs[strings.ToLower(subscription)] = d
		return nil
	})
}
