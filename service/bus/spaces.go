package bus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/service/bus/internal/namespace"
)

// typeNamespace is the resource type of a namespace.
const typeNamespace = "Microsoft.ServiceBus/namespaces"

// retryPause is how long the bus waits after the registry could not be read.
const retryPause = time.Second

// space is one namespace on this node: its unit and what runs it.
type space struct {
	id     resource.ID
	ns     *namespace.Namespace
	unit   *replica.Unit
	rules  atomic.Pointer[keys]
	cancel context.CancelFunc
	wait   func()
}

// UnitName is the name of the unit that keeps a resource, which must be a namespace.
func UnitName(id resource.ID) (string, bool) {
	if !strings.EqualFold(id.Type(), typeNamespace) {
		return "", false
	}
	return unitName(id.Name()), true
}

// unitName is the name of a namespace's unit.
func unitName(ns string) string { return "servicebus-" + strings.ToLower(ns) }

// follow keeps the namespaces of the registry running.
func (s *Service) follow(ctx context.Context) {
	for ctx.Err() == nil {
		revision, err := s.align(ctx)
		if err == nil {
			err = s.awaitChange(ctx, revision)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("the namespaces can not be read", "error", fault.Detail(err))
			pause(ctx, retryPause)
		}
	}
}

// awaitChange returns when a namespace was put. One that was deleted is closed.
func (s *Service) awaitChange(ctx context.Context, since uint64) error {
	w := s.o.Registry.Watch(since)
	for {
		changes, err := w.Next(ctx)
		if errors.Is(err, resource.ErrListAgain) {
			return nil
		}
		if err != nil {
			return err
		}
		put := false
		for _, c := range changes {
			if c.Deleted {
				s.closeIn(ctx, c.ID)
			}
			put = put || strings.EqualFold(c.ID.Type(), typeNamespace)
		}
		if put {
			return nil
		}
	}
}

// closeIn closes the namespaces that were deleted with a resource: itself, or the
// scope it lay in.
func (s *Service) closeIn(ctx context.Context, deleted resource.ID) {
	for key, sp := range s.active() {
		if deleted.Contains(sp.id) {
			s.close(ctx, key, sp)
		}
	}
}

// align starts the namespaces that are declared and do not run. One that runs and is
// not listed goes on: only a deletion that was seen closes it, for a registry that is
// being read again may be incomplete for a moment.
func (s *Service) align(ctx context.Context) (revision uint64, err error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	docs, revision, err := s.o.Registry.ListUnder(ctx, resource.ID{}, typeNamespace)
	if err != nil {
		return 0, err
	}
	declared := map[string]resource.ID{}
	for _, d := range docs {
		key := strings.ToLower(d.Name())
		if first, twice := declared[key]; twice {
			s.log.Error("two namespaces have one name: the second is not served", "first", first, "second", d.ID)
			continue
		}
		declared[key] = d.ID
		if !s.runs(key, d.ID) {
			err = errors.Join(err, s.open(ctx, key, d.ID))
		}
	}
	s.mu.Lock()
	s.listed, s.err = true, err
	s.mu.Unlock()
	return revision, err
}

func (s *Service) runs(key string, id resource.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.spaces[key]
	return sp != nil && sp.id.Equal(id)
}

func (s *Service) active() map[string]*space {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]*space, len(s.spaces))
	for key, sp := range s.spaces {
		all[key] = sp
	}
	return all
}

// Reopen opens the unit of a namespace again, as Options.Open now opens it, and
// returns when the old one has ended. Connections end as when ownership moves. Until
// it returns without an error the namespace is not served; it can be called again.
func (s *Service) Reopen(ctx context.Context, unit string) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	for key, sp := range s.active() {
		if unitName(sp.ns.Name()) != unit {
			continue
		}
		if err := sp.stop(ctx); err != nil {
			return fault.Wrap(fault.Unavailable, err, "The namespace %s did not end in order; it is not opened again.", sp.ns.Name())
		}
		return s.open(ctx, key, sp.id) // takes the place of the old one, which is known until then
	}
	return fault.New(fault.NotFound, "No namespace is kept by the unit %s.", unit)
}

// open starts one namespace.
func (s *Service) open(ctx context.Context, key string, id resource.ID) error {
	sp := &space{id: id}
	sp.ns = namespace.New(namespace.Options{
		Name:           id.Name(),
		Catalog:        newCatalog(s, sp),
		Logger:         s.log,
		ConnectionsMax: s.o.ConnectionsMax,
	})
	unit, err := s.o.Open(ctx, replica.Options{
		Unit:    unitName(id.Name()),
		Node:    s.o.Node,
		Address: s.o.Address,
		Machine: sp.ns.Machine(),
		OnGain:  sp.ns.Gained,
		OnWake:  sp.ns.Woken,
		Logger:  s.log,
	})
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "The namespace %s can not be opened.", id.Name())
	}
	sp.unit = unit
	life, cancel := context.WithCancel(context.Background())
	sp.cancel = cancel
	waitReconcile := sp.ns.Start(life, unit)
	var following sync.WaitGroup
	following.Go(func() { s.followRules(life, sp) })
	sp.wait = func() { waitReconcile(); following.Wait() }
	unit.Start()
	s.mu.Lock()
	s.spaces[key] = sp
	s.mu.Unlock()
	s.log.Info("namespace opened", "namespace", id.Name())
	return nil
}

// close empties and stops a namespace that was deleted. Its journal stays, so that
// a namespace of that name goes on from there.
func (s *Service) close(ctx context.Context, key string, sp *space) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	delete(s.spaces, key)
	s.mu.Unlock()
	if err := sp.ns.Clear(ctx); err != nil && !fault.Is(err, fault.NotOwner) {
		s.log.Error("a deleted namespace could not be emptied", "namespace", sp.ns.Name(), "error", fault.Detail(err))
	}
	if err := sp.stop(ctx); err != nil {
		s.log.Error("a namespace did not stop in order", "namespace", sp.ns.Name(), "error", fault.Detail(err))
	}
}

func (sp *space) stop(ctx context.Context) error {
	sp.cancel()
	err := sp.unit.Stop(ctx)
	sp.wait()
	return err
}

// status tells what the unit does on this node.
func (sp *space) status(node string) UnitStatus {
	_, epoch := sp.unit.Status()
	owner := sp.unit.Ownership()
	u := UnitStatus{
		Unit: unitName(sp.ns.Name()), Namespace: sp.ns.Name(), Role: sp.unit.RoleName(),
		Node: owner.Node, Address: owner.Address, Epoch: epoch, Position: uint64(sp.unit.Position()), Ready: true,
	}
	err := sp.unit.Ready()
	if err == nil && !owner.Self {
		switch mode := sp.unit.Standing().Mode; {
		case mode == replica.Halted:
			err = fault.New(fault.Unavailable, "it is halted: which location has it is not settled.")
		case mode == replica.Primary && (owner.Node == "" || owner.Node == node):
			err = fault.New(fault.Unavailable, "nobody owns it yet.")
		}
	}
	if err != nil {
		u.Ready, u.Reason = false, fault.Sentence(err)
	}
	return u
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
