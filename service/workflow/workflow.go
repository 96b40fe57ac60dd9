// Package workflow is the workflow engine: it runs definitions that were written for
// Azure Logic Apps as they are.
//
// The nouns: a *definition* is what a user writes; a *workflow* is a definition that
// is deployed; a *run* is one time that it is carried out; an *action* is one step. The
// workflows of a resource group, or of a site, are one unit of continuity: a *space*.
//
// What it promises:
//
//  1. A definition is judged before it is stored, and all that is wrong with it is
//     said at once, with the JSON path, the line and the column.
//  2. What cannot run here is refused by name, never dropped.
//  3. A run that was started survives the process and the location: whoever owns its unit
//     goes on where its facts end. An action that was completed is not carried out again.
//  4. What is declared is made to be by the owner of the unit; a change is answered when
//     it is in force. Runs that are under way keep the version that they began with.
//  5. A unit that lives in another location is folded here and nothing else.
//
// It refuses to know other services: it meets them by resource id and by the
// interfaces it declares.
package workflow

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/host"
)

// Registry is what the engine needs of the registry of resources; *resource.Registry is
// one. Where the registry's owner is another node it should be a Fresher too.
type Registry interface {
	Get(ctx context.Context, id resource.ID) (resource.Document, error)
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

// Limits bound a unit; zero fields get the defaults.
type Limits = host.Limits

// Options are what the engine uses.
type Options struct {
	Registry Registry
	Store    *journal.Store
	// Open opens a unit. Left nil it is opened in Store.
	Open func(ctx context.Context, o replica.Options) (*replica.Unit, error)
	// Grouped reports whether a unit changes location with others; nil: none does. The
	// declarations of such a unit may come later than its runs: a workflow is removed there
	// only when its deletion was seen.
	Grouped func(unit string) bool
	// Endpoint is scheme, host and port by which callers reach a unit; nil: nobody is told.
	Endpoint func(unit string) string
	// Node is this node's name, Address where other nodes reach it, Location where it is.
	Node, Address, Location string
	// Connectors carry out what workflows want done outside. Two that handle the same are
	// an error.
	Connectors []connector.Connector
	// PassHTTP lets the node at address to answer a request about a unit it owns. Left nil,
	// clients are asked to try again.
	PassHTTP func(w http.ResponseWriter, r *http.Request, unit, to string)
	Limits   Limits
	Logger   *slog.Logger // nil: silence
}

// Service is the workflow engine of this node.
type Service struct {
	o       Options
	log     *slog.Logger
	set     *host.Set
	opening sync.Mutex // one space is opened or closed at a time

	mu     sync.Mutex
	spaces map[string]*space      // by the name of the unit
	called map[string]resource.ID // by the id in callback addresses
	tails  map[string]tailed      // that are being brought back, by the name of the unit
	listed bool                   // what is declared has been read once
	err    error                  // why it could not

	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New builds an engine that does nothing yet.
func New(o Options) (*Service, error) {
	set, err := host.NewSet(o.Connectors...)
	if err != nil {
		return nil, err
	}
	s := &Service{o: o, log: o.Logger, set: set, spaces: map[string]*space{}, called: map[string]resource.ID{}}
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
	return s, nil
}

// Start begins to run the workflows that are declared, now and later. The registry must
// be readable.
func (s *Service) Start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.running.Go(func() { s.follow(ctx) })
	return nil
}

// Stop gives every unit this node owns to another. What is under way is called off, and
// goes on there. When ctx ends before, the rest is left to the next owner.
func (s *Service) Stop(ctx context.Context) (failed error) {
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
	for err := range errs {
		if err != nil {
			failed = err
		}
	}
	for _, c := range s.o.Connectors {
		if c, ok := c.(interface{ Close() }); ok {
			c.Close()
		}
	}
	return failed
}

// UnitStatus is what one unit does on this node.
type UnitStatus struct {
	Unit string
	// ID is the resource group's or the site's.
	ID            resource.ID
	Role          string // "owner", "follower", "candidate", "standby", "halted" or "broken"
	Node, Address string // of the owner, as far as is known
	Epoch         uint64
	Position      uint64 // how far into its journal this node knows
	Ready         bool
	Reason        string // why it is not
	// Workflows is how many there are, Running how many of their runs go on.
	Workflows, Running int
}

// Units tells of every unit, by name.
func (s *Service) Units() []UnitStatus {
	var all []UnitStatus
	for _, sp := range s.all() {
		all = append(all, sp.status(s.o.Node))
	}
	return all
}

// Ready is nil when every unit is owned here or elsewhere, or stands by for another
// location, and this node folds its log.
func (s *Service) Ready() error {
	s.mu.Lock()
	listed, err := s.listed, s.err
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if !listed {
		return fault.New(fault.Unavailable, "The workflows are being read.")
	}
	for _, u := range s.Units() {
		if !u.Ready {
			return fault.New(fault.Unavailable, "The workflows of %s are not ready: %s", u.ID, u.Reason)
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
	slices.SortFunc(all, func(a, b *space) int { return strings.Compare(a.name, b.name) })
	return all
}
