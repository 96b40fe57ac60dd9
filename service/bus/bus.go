// Package bus is the Service Bus: queues, topics and subscriptions that the
// clients of Azure Service Bus use unchanged.
//
// The nouns: a *namespace* holds *entities* (queues, topics, subscriptions) and is
// one unit of continuity: one journal, one owner at a time. Entities are declared
// as resources; a *broker* keeps their messages; *front ends* speak the protocols.
//
// What it promises:
//
//  1. A message is accepted only when it is on durable storage, and a settlement
//     holds only when it is. What was acknowledged survives SIGKILL.
//  2. A message that was completed is never delivered again; one that was not is,
//     in its place, when its lock runs out or its owner dies.
//  3. Messages of a session come in order, to one receiver at a time.
//  4. A transaction over any entities of a namespace happens whole or not at all.
//  5. Message bodies and properties come out byte for byte as they went in.
//  6. Any node takes any connection. The one that does not own the namespace passes
//     it on, to another location when that has the namespace; when ownership moves,
//     connections end in a way that makes clients come back.
//  7. Nobody does anything without a claim for it. The emulator's well-known key
//     is good for connections from this machine alone.
//  8. Every limit is one of Azure's, or is named and documented here.
//  9. A namespace that lives in another location is folded here and nothing else:
//     no entity is defined or removed, nothing is decided.
//
// It refuses to know where a connection came from: whoever listens hands it over.
package bus

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/service/bus/internal/amqp"
	"weir/service/bus/internal/atom"
	"weir/service/bus/internal/namespace"
	"weir/service/bus/internal/rest"
	"weir/wire/amqp/server"
)

// Registry is what the bus needs of the registry of resources; *resource.Registry
// is one. Where the registry's owner is another node, Put and Delete reach it, and
// it should be a Fresher too.
type Registry interface {
	Get(ctx context.Context, id resource.ID) (resource.Document, error)
	List(ctx context.Context, parent resource.ID, typ string) ([]resource.Document, uint64, error)
	Window(ctx context.Context, parent resource.ID, typ string, skip, top int) (docs []resource.Document, more bool, err error)
	ListUnder(ctx context.Context, ancestor resource.ID, typ string) ([]resource.Document, uint64, error)
	Newer(ctx context.Context, ancestor resource.ID, since uint64) (docs []resource.Document, keys map[string]struct{}, revision uint64, err error)
	Watch(since uint64) *resource.Watcher
	Put(ctx context.Context, d resource.Document, c resource.Condition) (resource.Result, error)
	Delete(ctx context.Context, id resource.ID, c resource.Condition) error
}

// Fresher is a registry that may follow another node's.
type Fresher interface {
	// Fresh returns when what is read here is at least as new as what the registry's
	// owner had when Fresh was called.
	Fresh(ctx context.Context) error
}

// Options are what the bus uses.
type Options struct {
	Registry Registry
	Store    *journal.Store
	// Open opens the unit of a namespace. Left nil it is opened in Store.
	Open func(ctx context.Context, o replica.Options) (*replica.Unit, error)
	// Grouped reports whether a unit changes location with others; nil: none does. The
	// declarations of such a namespace may come later than its messages: an entity is
	// removed there only when its deletion was seen.
	Grouped func(unit string) bool
	// Endpoint is the URL by which clients reach a namespace, as its properties say it;
	// nil: they say none.
	Endpoint func(namespace string) string
	// Node is this node's name, Address where other nodes reach it.
	Node, Address string
	// Default is the namespace of connections whose host names none: an address, or
	// localhost. Left empty it is the first there is.
	Default string
	// Forward passes a connection on to the node at address to: it owns conn from
	// then on. info and identity belong to ServeForwarded there. Left nil, clients
	// that come to the wrong node are sent away.
	Forward func(conn net.Conn, prefix []byte, info server.PeerInfo, identity []byte, to string)
	// Tokens judges tokens of identity providers; nil: none is accepted.
	Tokens Tokens
	// PassHTTP lets the node at address to answer a request about a namespace it owns. Left
	// nil, clients are asked to try again.
	PassHTTP func(w http.ResponseWriter, r *http.Request, unit, to string)
	// PutAll puts several documents in the registry, all of them or none. Left nil it is
	// the registry's own, or they are put one by one where it has none.
	PutAll func(ctx context.Context, docs []resource.Document) error
	// Elsewhere refuses a change of a resource that another location decides about; nil:
	// none does.
	Elsewhere func(id resource.ID) error
	// Audit notes management operations and refusals; nil: nobody keeps them.
	Audit audit.Log
	// AMQP tunes the protocol engine; zero values take its defaults.
	AMQP server.Config
	// Limits are times after which silent peers are let go; zero values take Azure's.
	Limits amqp.Limits
	// ConnectionsMax bounds the connections of one namespace; 0 is Azure's number.
	ConnectionsMax int
	Meter          metric.Meter // nil: no metrics
	Logger         *slog.Logger // nil: silence
}

// Service is the Service Bus of this node.
type Service struct {
	o    Options
	log  *slog.Logger
	amqp *amqp.Service
	atom *atom.Service
	rest *rest.Service

	opening   sync.Mutex // one namespace is opened or closed at a time
	salvaging salvaging

	mu     sync.Mutex
	spaces map[string]*space // by lower-case name
	listed bool              // the namespaces have been read once
	err    error             // why they could not

	cancel  context.CancelFunc
	running sync.WaitGroup
	metrics metric.Registration
}

// New builds a bus that does nothing yet.
func New(o Options) *Service {
	s := &Service{o: o, log: o.Logger, spaces: map[string]*space{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.o.Grouped == nil {
		s.o.Grouped = func(string) bool { return false }
	}
	if s.o.Open == nil {
		s.o.Open = func(ctx context.Context, r replica.Options) (*replica.Unit, error) {
			return replica.Open(ctx, o.Store, r)
		}
	}
	s.amqp = amqp.New(amqp.Options{
		Namespace:   s.namespaceOf,
		Credentials: credentials{s},
		Forward:     o.Forward,
		Refused:     s.noteRefusal,
		Logger:      s.log,
		Config:      o.AMQP,
		Limits:      o.Limits,
	})
	s.atom, s.rest = s.newAtom(), s.newREST()
	return s
}

// Start begins to serve the namespaces that are declared, now and later. The
// registry must be readable.
func (s *Service) Start(context.Context) (err error) {
	if s.o.Meter != nil {
		if s.metrics, err = namespace.Observe(s.o.Meter, s.namespaces); err != nil {
			return fault.Wrap(fault.Internal, err, "The metrics of the Service Bus can not be registered.")
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.running.Go(func() { s.follow(ctx) })
	return nil
}

// goodbyeMax is how long Stop waits for clients that do not answer a close.
const goodbyeMax = 3 * time.Second

// Stop sends clients away, finishes what was accepted, and gives every namespace
// this node owns to another. When ctx ends before, the rest is left to the next
// owner.
func (s *Service) Stop(ctx context.Context) error {
	goodbye, cancel := context.WithTimeout(ctx, goodbyeMax)
	s.amqp.Stop(goodbye)
	cancel()
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	s.running.Wait()
	s.mu.Lock()
	spaces := s.spaces
	s.spaces = map[string]*space{}
	s.mu.Unlock()
	var stopping sync.WaitGroup
	errs := make(chan error, len(spaces))
	for _, sp := range spaces {
		stopping.Go(func() { errs <- sp.stop(ctx) })
	}
	stopping.Wait()
	close(errs)
	if s.metrics != nil {
		s.metrics.Unregister()
	}
	var failed error
	for err := range errs {
		if err != nil {
			failed = err
		}
	}
	return failed
}

// ServeAMQP speaks AMQP on a connection until it ends, and closes it. info is what
// is known of the peer: TLS when it came encrypted, Loopback when it came from this
// machine.
func (s *Service) ServeAMQP(ctx context.Context, conn net.Conn, info server.PeerInfo) error {
	return s.amqp.Serve(ctx, conn, info)
}

// ServeForwarded is ServeAMQP for a connection that another node's Forward passed
// on. It is not passed on again.
func (s *Service) ServeForwarded(ctx context.Context, conn net.Conn, info server.PeerInfo, identity []byte) error {
	return s.amqp.ServeForwarded(ctx, conn, info, identity)
}

// ServeAgain is ServeForwarded for a connection that may be passed on once more:
// an owner that is just changing then costs the client nothing. Who calls it counts.
func (s *Service) ServeAgain(ctx context.Context, conn net.Conn, info server.PeerInfo, identity []byte) error {
	return s.amqp.ServeAgain(ctx, conn, info, identity)
}

// UnitStatus is what one namespace's unit does on this node.
type UnitStatus struct {
	Unit, Namespace string
	Role            string // "owner", "follower", "candidate", "standby", "halted" or "broken"
	Node, Address   string // of the owner, as far as is known
	Epoch           uint64
	Position        uint64 // how far into its journal this node knows
	Ready           bool
	Reason          string // why it is not
}

// Units tells of every namespace, by name.
func (s *Service) Units() []UnitStatus {
	var all []UnitStatus
	for _, sp := range s.all() {
		all = append(all, sp.status(s.o.Node))
	}
	return all
}

// Ready is nil when every namespace is owned here or elsewhere, or stands by for
// another location, and this node folds its log.
func (s *Service) Ready() error {
	s.mu.Lock()
	listed, err := s.listed, s.err
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if !listed {
		return fault.New(fault.Unavailable, "The namespaces are being read.")
	}
	for _, u := range s.Units() {
		if !u.Ready {
			return fault.New(fault.Unavailable, "The namespace %s is not ready: %s", u.Namespace, u.Reason)
		}
	}
	return nil
}

// all returns the spaces by name.
func (s *Service) all() []*space {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*space, 0, len(s.spaces))
	for _, sp := range s.spaces {
		all = append(all, sp)
	}
	slices.SortFunc(all, func(a, b *space) int { return strings.Compare(a.ns.Name(), b.ns.Name()) })
	return all
}

func (s *Service) namespaces() []*namespace.Namespace {
	var all []*namespace.Namespace
	for _, sp := range s.all() {
		all = append(all, sp.ns)
	}
	return all
}

// namespaceOf finds the namespace a host name means: the one its first label
// names, else the default one. While the registry is being read, and where the
// default one is not known, the answer is one that clients try again on: they
// take a missing namespace for final.
func (s *Service) namespaceOf(host string) (*namespace.Namespace, error) {
	sp, err := s.spaceAt(host)
	if err != nil {
		return nil, err
	}
	return sp.ns, nil
}

// spaceAt is namespaceOf, and what runs it.
func (s *Service) spaceAt(host string) (*space, error) {
	label := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		label = h
	}
	label, _, _ = strings.Cut(label, ".")
	s.mu.Lock()
	listed := s.listed
	sp := s.spaces[strings.ToLower(label)]
	if sp == nil {
		sp = s.spaces[strings.ToLower(s.o.Default)]
	}
	s.mu.Unlock()
	if sp == nil && s.o.Default == "" {
		if all := s.all(); len(all) > 0 {
			sp = all[0]
		}
	}
	if sp == nil && (!listed || s.o.Default != "") {
		return nil, fault.New(fault.Unavailable, "The namespaces are being read: the one for the host '%s' is not known yet.", host)
	}
	if sp == nil {
		return nil, fault.New(fault.NotFound, "No namespace is declared for the host '%s'.", host)
	}
	return sp, nil
}
