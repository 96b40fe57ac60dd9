package workflow

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/trigger"
)

// retryPause is how long the engine waits after the registry could not be read.
const retryPause = time.Second

// space is the workflows of one resource group or site on this node: their unit and what
// runs it.
type space struct {
	name string      // of the unit
	id   resource.ID // of the group or the site
	site bool
	host *host.Host
	unit *replica.Unit
	app  app
	// triggers fire the workflows while this node owns the unit.
	triggers *trigger.Manager

	log     *slog.Logger
	cancel  context.CancelFunc
	wait    func()
	compare comparer
}

// spaceID gives the id that a unit is named by: of the resource group or the site.
func spaceID(id resource.ID) (owner resource.ID, site, ok bool) {
	switch {
	case strings.EqualFold(id.Type(), typeWorkflow):
		return id.Scope(), false, id.ResourceGroup() != ""
	case strings.EqualFold(id.Type(), typeSite):
		return id, true, true
	case strings.EqualFold(id.Type(), typeSiteWorkflow), strings.EqualFold(id.Type(), typeSiteConfig):
		return id.Parent(), true, true
	case id.IsScope() && id.ResourceGroup() != "":
		return id, false, true
	}
	return id, false, false
}

// follow keeps the units of what is declared running.
func (s *Service) follow(ctx context.Context) {
	for ctx.Err() == nil {
		revision, err := s.align(ctx)
		if err == nil {
			err = s.awaitChange(ctx, revision)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("the workflows can not be read", "error", fault.Detail(err))
			pause(ctx, retryPause)
		}
	}
}

// awaitChange returns when a unit is to be opened. What has changed is told to the units
// it concerns.
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
		open := false
		for _, c := range changes {
			if c.Deleted {
				s.deletedIn(ctx, c.ID)
			}
			owner, _, ok := spaceID(c.ID)
			if !ok || c.ID.IsScope() {
				continue
			}
			name, _ := UnitName(owner)
			if sp := s.space(name); sp != nil && sp.id.Equal(owner) {
				if c.Deleted {
					sp.compare.gone(c.ID)
				}
				sp.compare.ask()
			} else {
				open = open || !c.Deleted
			}
		}
		if open {
			return nil
		}
	}
}

// deletedIn closes the units that were deleted with a resource: the group, or the site.
func (s *Service) deletedIn(ctx context.Context, deleted resource.ID) {
	for _, sp := range s.all() {
		if deleted.Contains(sp.id) {
			s.close(ctx, sp)
		}
	}
}

// align opens the units that are declared and do not run. One that runs and is not listed
// goes on: only a deletion that was seen closes it.
func (s *Service) align(ctx context.Context) (revision uint64, err error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	flows, revision, err := s.o.Registry.ListUnder(ctx, resource.ID{}, typeWorkflow)
	if err != nil {
		return 0, err
	}
	sites, _, err := s.o.Registry.ListUnder(ctx, resource.ID{}, typeSite)
	if err != nil {
		return 0, err
	}
	for _, d := range append(flows, sites...) {
		owner, site, ok := spaceID(d.ID)
		name, known := UnitName(owner)
		if !ok || !known {
			continue
		}
		if sp := s.space(name); sp == nil {
			err = errors.Join(err, s.open(ctx, name, owner, site))
		} else if !sp.id.Equal(owner) {
			s.log.Error("two sites have one name: the second is not served", "first", sp.id, "second", owner)
		} else {
			sp.compare.ask()
		}
	}
	s.mu.Lock()
	s.listed, s.err = true, err
	s.mu.Unlock()
	return revision, err
}

func (s *Service) space(unit string) *space {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spaces[unit]
}

// spaceOf finds the unit that a resource belongs to, nil when it does not run here.
func (s *Service) spaceOf(id resource.ID) *space {
	owner, _, ok := spaceID(id)
	if !ok {
		return nil
	}
	name, _ := UnitName(owner)
	if sp := s.space(name); sp != nil && sp.id.Equal(owner) {
		return sp
	}
	return nil
}

// Reopen opens a unit again, as Options.Open now opens it, and returns when the old one
// has ended. Until it returns without an error the unit is not served; it can be called
// again.
func (s *Service) Reopen(ctx context.Context, unit string) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	sp := s.space(unit)
	if sp == nil {
		return fault.New(fault.NotFound, "No workflows are kept by the unit %s.", unit)
	}
	if err := sp.stop(ctx); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The workflows of %s did not end in order; they are not opened again.", sp.id)
	}
	return s.open(ctx, unit, sp.id, sp.site) // takes the place of the old one, which is known until then
}

// open starts one unit.
func (s *Service) open(ctx context.Context, name string, id resource.ID, site bool) error {
	sp := &space{name: name, id: id, site: site, log: s.log}
	sp.compare.init()
	o := host.Options{
		Unit: name, Scope: id.String(), Location: s.o.Location, Connectors: s.set, Limits: s.o.Limits, Logger: s.log,
		CallbackURL: s.callbackURL(sp),
	}
	if site {
		o.Identity, o.Setting, o.Parameters = id.String(), sp.app.setting, sp.app.given
	}
	sp.host = host.New(o)
	sp.triggers = trigger.New(trigger.Options{
		Host: sp.host, Connectors: s.set, Location: s.o.Location, Callback: s.triggerURL(sp), Setting: o.Setting, Identity: o.Identity, Logger: s.log,
	})
	unit, err := s.o.Open(ctx, replica.Options{
		Unit: name, Node: s.o.Node, Address: s.o.Address,
		Machine: sp.host.Machine(), OnGain: sp.host.Gained, OnWake: sp.host.Woken, Logger: s.log,
	})
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "The workflows of %s can not be opened.", id)
	}
	sp.unit = unit
	life, cancel := context.WithCancel(context.Background())
	sp.cancel = cancel
	waitHost := sp.host.Start(life, unit)
	var following sync.WaitGroup
	following.Go(func() { s.keepEqual(life, sp) })
	waitTriggers := sp.triggers.Start(life)
	sp.wait = func() { waitTriggers(); waitHost(); following.Wait() }
	unit.Start()
	s.mu.Lock()
	s.spaces[name] = sp
	s.mu.Unlock()
	s.log.Info("workflows opened", "unit", name, "of", id)
	return nil
}

// close empties and stops a unit whose group or site was deleted. Its journal stays, so
// that one of that name goes on from there.
func (s *Service) close(ctx context.Context, sp *space) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	delete(s.spaces, sp.name)
	for key, id := range s.called {
		if sp.owns(id) {
			delete(s.called, key)
		}
	}
	s.mu.Unlock()
	for _, v := range sp.host.Workflows() {
		if err := sp.remove(ctx, v.Name); err != nil {
			if !fault.Is(err, fault.NotOwner) {
				s.log.Error("a deleted workflow could not be removed", "unit", sp.name, "workflow", v.Name, "error", fault.Detail(err))
			}
			break
		}
	}
	if err := sp.stop(ctx); err != nil {
		s.log.Error("workflows did not stop in order", "unit", sp.name, "error", fault.Detail(err))
	}
}

// remove removes a workflow, once its triggers have let go of what they hold outside.
func (sp *space) remove(ctx context.Context, name string) error {
	if _, owned := sp.host.Owned(); owned {
		if err := sp.triggers.Leave(ctx, name); err != nil {
			sp.log.Warn("the triggers of a workflow that is removed could not let go of all they hold", "unit", sp.name, "workflow", name, "error", fault.Detail(err))
		}
	}
	return sp.host.Remove(ctx, name)
}

// owns reports whether a workflow belongs to this unit.
func (sp *space) owns(id resource.ID) bool {
	owner, _, ok := spaceID(id)
	return ok && owner.Equal(sp.id)
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
		Unit: sp.name, ID: sp.id, Role: sp.unit.RoleName(),
		Node: owner.Node, Address: owner.Address, Epoch: epoch, Position: uint64(sp.unit.Position()), Ready: true,
	}
	for _, v := range sp.host.Workflows() {
		u.Workflows++
		u.Running += v.Running
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
