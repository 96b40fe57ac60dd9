package rest

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/journal/journaltest"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/service/bus/internal/answer"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
)

// rig is the runtime API of one namespace on a journal in memory, on a port of its own.
type rig struct {
	t        testing.TB
	shelf    *shelf
	ns       *namespace.Namespace
	unit     *replica.Unit
	url      string
	service  *Service
	spelling map[string]string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, shelf: &shelf{defs: map[string]broker.Definition{}}}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	r.ns = namespace.New(namespace.Options{Name: "test", Catalog: r.shelf, Logger: log})
	r.unit = replica.New(replica.Options{
		Unit: "test", Node: "n1", Address: "nowhere", Machine: r.ns.Machine(), OnGain: r.ns.Gained, OnWake: r.ns.Woken,
		Log: journaltest.NewMemory().Node(), Snapshots: &journaltest.MemorySnapshots{}, Leases: journaltest.NewMemoryLeases(), Logger: log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	wait := r.ns.Start(ctx, r.unit)
	r.unit.Start()
	r.service = New(Options{Token: tokens, Logger: log})
	id := resource.MustID("/subscriptions/s/resourceGroups/g/providers/Microsoft.ServiceBus/namespaces/test")
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.service.Serve(w, q, r.ns, id, answer.Caller{Peer: identity.Peer{Loopback: true}, Spelling: r.spelling})
	}))
	r.url = door.URL
	t.Cleanup(func() {
		door.CloseClientConnections()
		door.Close()
		cancel()
		r.unit.Abort()
		wait()
	})
	if _, err := r.unit.WaitOwner(within(t)); err != nil {
		t.Fatal(err)
	}
	return r
}

// tokens knows the emulator's rule and two that may do less.
func tokens(_, _, audience, token string, peer identity.Peer) (identity.Principal, error) {
	rules := []identity.Rule{
		identity.EmulatorRule(),
		{Name: "SendOnly", Primary: "k", Claims: identity.Send},
		{Name: "ListenOnly", Primary: "k", Claims: identity.Listen},
		{Name: "OfQueue", Primary: "k", Claims: identity.Send | identity.Listen, Scope: "orders"},
	}
	v := identity.Verifier{Rules: func(name string) []identity.Rule {
		return slices.DeleteFunc(slices.Clone(rules), func(r identity.Rule) bool { return !strings.EqualFold(r.Name, name) })
	}}
	return v.Verify(token, audience, peer, time.Now())
}

// within bounds what a test waits for: it is a net, not a measure.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (r *rig) declare(ds ...broker.Definition) {
	r.t.Helper()
	r.shelf.put(ds...)
	if err := r.ns.Reconcile(within(r.t)); err != nil {
		r.t.Fatal(err)
	}
}

// queue declares a queue with sensible numbers.
func (r *rig) queue(name string, change ...func(*broker.Definition)) {
	r.t.Helper()
	d := broker.Definition{Name: name, Kind: broker.Queue, LockDuration: time.Minute, MaxDeliveryCount: 10, MaxSizeBytes: 1 << 30, MaxMessageBytes: 256 << 10}
	for _, c := range change {
		c(&d)
	}
	r.declare(d)
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask makes a request as the emulator's rule, or as another when header names a token.
func (r *rig) ask(method, path, body string, header map[string]string) reply {
	r.t.Helper()
	q, err := http.NewRequestWithContext(within(r.t), method, r.url+"/"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Authorization", sign("", identity.EmulatorKeyName, identity.EmulatorKey))
	for name, value := range header {
		if value == "" {
			q.Header.Del(name)
		} else {
			q.Header[name] = []string{value}
		}
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{a.StatusCode, a.Header, string(data)}
}

func sign(path, name, key string) string {
	return identity.SignToken("http://127.0.0.1/"+path, name, key, time.Now().Add(time.Hour))
}

// is checks a status.
func (r *rig) is(got reply, status int) reply {
	r.t.Helper()
	if got.status != status {
		r.t.Fatalf("status %d, want %d: %s", got.status, status, got.body)
	}
	return got
}

// shelf is a catalog in memory that tells nobody of changes.
type shelf struct {
	mu   sync.Mutex
	defs map[string]broker.Definition
}

func (s *shelf) put(ds ...broker.Definition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range ds {
		s.defs[strings.ToLower(d.Name)] = d
	}
}

func (s *shelf) Entities(context.Context) ([]broker.Definition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.defs)), nil
}

func (s *shelf) Gone(context.Context, string) (bool, error) { return true, nil }

func (s *shelf) Watch(ctx context.Context, _ func()) error { <-ctx.Done(); return ctx.Err() }

func (s *shelf) Delete(context.Context, string) error { return nil }

func (s *shelf) PutRule(context.Context, string, broker.Rule) error {
	return fault.New(fault.Unsupported, "no rules here")
}

func (s *shelf) DeleteRule(context.Context, string, string) error {
	return fault.New(fault.Unsupported, "no rules here")
}
