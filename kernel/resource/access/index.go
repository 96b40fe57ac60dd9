package access

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
	"weir/kernel/identity/rights"
	"weir/kernel/resource"
)

// Registry is what an Index follows; *resource.Registry is one.
type Registry interface {
	ListUnder(ctx context.Context, ancestor resource.ID, typ string) ([]resource.Document, uint64, error)
	Watch(since uint64) *resource.Watcher
}

// Options tell an Index what is there without being declared.
type Options struct {
	// Default lets there be a default managed identity, with the roles Azure Service Bus
	// Data Owner and Contributor at Scope.
	Default bool
	Scope   resource.ID
	// Changed is called after each change of the directory, one at a time; nil: nobody
	// needs to know.
	Changed func(*Directory)
	Logger  *slog.Logger
}

// Index keeps a Directory as new as the registry.
type Index struct {
	o        Options
	registry Registry
	log      *slog.Logger
	current  atomic.Pointer[Directory]

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when current moves

	end     context.CancelFunc
	running sync.WaitGroup
}

// NewIndex makes an index that knows nobody yet.
func NewIndex(r Registry, o Options) *Index {
	x := &Index{o: o, registry: r, log: o.Logger, changed: make(chan struct{})}
	if x.log == nil {
		x.log = slog.New(slog.DiscardHandler)
	}
	x.current.Store(newDirectory(nil, Options{}))
	return x
}

// Start reads the directory and follows the registry from then on.
func (x *Index) Start(ctx context.Context) error {
	if err := x.read(ctx); err != nil {
		return err
	}
	follow, end := context.WithCancel(context.Background())
	x.end = end
	x.running.Go(func() { x.follow(follow) })
	return nil
}

// Stop ends following.
func (x *Index) Stop() {
	if x.end != nil {
		x.end()
		x.running.Wait()
	}
}

// Directory is the one there is now.
func (x *Index) Directory() *Directory { return x.current.Load() }

// readAgain is how long to wait after the registry could not be read.
const readAgain = time.Second

func (x *Index) follow(ctx context.Context) {
	w := x.registry.Watch(x.Directory().revision)
	for ctx.Err() == nil {
		changes, err := w.Next(ctx)
		switch {
		case errors.Is(err, resource.ErrListAgain) || err == nil && x.concerns(changes):
			err = x.read(ctx)
			w = x.registry.Watch(x.Directory().revision)
		case err == nil:
			x.step(changes[len(changes)-1].Revision)
		}
		if err != nil && ctx.Err() == nil {
			x.log.Error("roles and identities cannot be read", "error", fault.Detail(err))
			timer := time.NewTimer(readAgain)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	}
}

// concerns says whether changes touch what the directory is read from. What is deleted
// takes with it what lies in it.
func (x *Index) concerns(changes []resource.Change) bool {
	places := x.Directory().places
	return slices.ContainsFunc(changes, func(c resource.Change) bool {
		if ours(c.ID) {
			return true
		}
		return c.Deleted && slices.ContainsFunc(places, func(place string) bool { return strings.HasPrefix(place, c.ID.Key()+"/") })
	})
}

// ours says whether a resource is of a type here.
func ours(id resource.ID) bool { return Concerns(id.Type()) }

// Concerns reports whether resources of a type say who may do what.
func Concerns(typ string) bool {
	typ = strings.ToLower(typ)
	return typ == strings.ToLower(TypeRole) || typ == strings.ToLower(TypeAssignment) || strings.HasPrefix(typ, strings.ToLower(TypeManaged)) || strings.HasPrefix(typ, "weir.identity/")
}

// read makes the directory anew.
func (x *Index) read(ctx context.Context) error {
	var all []resource.Document
	oldest := uint64(math.MaxUint64)
	for _, t := range Types() { // one by one: most of what is declared is entities
		docs, revision, err := x.registry.ListUnder(ctx, resource.Tenant, t.Name)
		if err != nil {
			return err
		}
		all, oldest = append(all, docs...), min(oldest, revision)
	}
	d := newDirectory(all, x.o)
	d.revision = oldest
	x.set(d)
	if x.o.Changed != nil {
		x.o.Changed(d)
	}
	return nil
}

// step notes changes that do not concern the directory.
func (x *Index) step(revision uint64) {
	d := *x.Directory()
	d.revision = revision
	x.set(&d)
}

func (x *Index) set(d *Directory) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.current.Store(d)
	close(x.changed)
	x.changed = make(chan struct{})
}

// Settled returns when the directory is as new as a revision of the registry.
func (x *Index) Settled(ctx context.Context, revision uint64) error {
	for {
		x.mu.Lock()
		changed := x.changed
		x.mu.Unlock()
		if x.Directory().revision >= revision {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "Roles and identities were not read in time.")
		}
	}
}

// Allows decides about an action of a principal at a scope.
func (x *Index) Allows(p identity.Principal, action, scope string, data bool) bool {
	switch p.Kind {
	case identity.Administrator:
		return true
	case identity.Bearer:
		return x.Directory().Rights.Allows(rights.Request{Principals: p.Subject.Principals(), Action: action, Data: data, Scope: scope})
	}
	return false
}

// Authorize refuses what Allows does not allow, in Azure's words.
func (x *Index) Authorize(p identity.Principal, action, scope string) error {
	if x.Allows(p, action, scope, false) || p.Kind == identity.Bearer && public(action, scope) {
		return nil
	}
	return fault.New(fault.Forbidden, "The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		p, p.ObjectID(), action, scope)
}

// public says whether an action only reads what everybody knows: a built-in role.
func public(action, scope string) bool {
	if !strings.EqualFold(action, TypeRole+"/read") {
		return false
	}
	_, builtin := rights.BuiltinRole(scope[strings.LastIndexByte(scope, '/')+1:])
	return builtin
}

// SigningKey implements oidc.Local.
func (x *Index) SigningKey(kid string, now time.Time) (jwt.Key, bool) {
	for _, k := range x.Directory().keys {
		if k.ID == kid && k.GoodUntil.After(now) {
			return jwt.Key{ID: kid, Public: k.Private.Public()}, true
		}
	}
	return jwt.Key{}, false
}

// Issued implements oidc.Local: the token is an access token of this directory, and
// who it is about is there and enabled.
func (x *Index) Issued(c *jwt.Claims) error {
	switch {
	case c.Use != "" || c.Tenant != TenantID || !strings.HasSuffix(c.Issuer, "/"+TenantID+"/v2.0"):
		return fault.New(fault.Unauthorized, "InvalidToken: This is no access token.")
	case !x.Directory().people[strings.ToLower(c.Object)]:
		return fault.New(fault.Unauthorized, "InvalidToken: Who the token was made for is not there any more, or is disabled.")
	}
	return nil
}

// Knows implements oidc.Local.
func (x *Index) Knows(object string) bool { return x.Directory().known[strings.ToLower(object)] }
