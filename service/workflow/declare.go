package workflow

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/internal/callback"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
)

// comparer makes comparisons of what is declared with what is there, one after the other,
// and tells who waits for them.
type comparer struct {
	asked chan struct{}

	mu    sync.Mutex
	begun uint64 // comparisons that have begun
	ended uint64 // the newest one that has ended
	turn  chan struct{}
	// By the key of the resource: seen to be deleted, and not put since; declared, but such
	// that it cannot be run.
	deleted, refused map[string]bool
}

func (c *comparer) init() {
	c.asked, c.turn, c.deleted, c.refused = make(chan struct{}, 1), make(chan struct{}), map[string]bool{}, map[string]bool{}
}

// ask wants a comparison that begins after now. Asking twice is asking once.
func (c *comparer) ask() {
	select {
	case c.asked <- struct{}{}:
	default:
	}
}

func (c *comparer) gone(id resource.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted[id.Key()] = true
}

func (c *comparer) wasDeleted(id resource.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deleted[id.Key()]
}

// refuse notes whether a workflow that is declared cannot be run.
func (c *comparer) refuse(id resource.ID, refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.refused, id.Key()); refused {
		c.refused[id.Key()] = true
	}
}

func (c *comparer) refuses(id resource.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused[id.Key()]
}

func (c *comparer) begin() (number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun++
	return c.begun
}

func (c *comparer) end(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = number
	close(c.turn)
	c.turn = make(chan struct{})
}

// await waits for a comparison that begins now or later.
func (c *comparer) await(ctx context.Context) error {
	c.mu.Lock()
	want := c.begun + 1
	c.mu.Unlock()
	c.ask()
	for {
		c.mu.Lock()
		ended, turn := c.ended, c.turn
		c.mu.Unlock()
		if ended >= want {
			return nil
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "The workflows are still being deployed.")
		}
	}
}

// keepEqual makes the workflows of a unit those that are declared, until ctx ends: after
// every change of what is declared, and when this node becomes the owner.
func (s *Service) keepEqual(ctx context.Context, sp *space) {
	again := time.AfterFunc(time.Hour, sp.compare.ask)
	defer again.Stop()
	again.Stop()
	sp.compare.ask()
	var reigns context.Context
	var since uint64
	for {
		changed := sp.host.Changed()
		if now, owned := sp.host.Owned(); owned && now != reigns {
			reigns, since = now, 0 // a new owner looks at everything
			sp.compare.ask()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
			continue
		case <-sp.compare.asked:
		}
		number := sp.compare.begin()
		at, err := s.makeEqual(ctx, sp, since)
		sp.compare.end(number)
		switch {
		case err == nil:
			since = at
		case ctx.Err() == nil && !fault.Is(err, fault.NotOwner):
			s.log.Error("workflows do not match their declarations yet", "unit", sp.name, "error", fault.Detail(err))
			again.Reset(retryPause)
		}
	}
}

// makeEqual is one comparison: of what has changed since a revision.
func (s *Service) makeEqual(ctx context.Context, sp *space, since uint64) (revision uint64, err error) {
	if sp.site {
		since = 0 // settings and the site's state concern all of its workflows
	}
	docs, keys, revision, err := s.o.Registry.Newer(ctx, sp.id, since)
	if err != nil {
		return 0, err
	}
	stopped := false
	if sp.site {
		if stopped, err = s.readApp(ctx, sp); err != nil {
			return 0, err
		}
	}
	_, owned := sp.host.Owned()
	var failed error
	for _, d := range docs {
		if !sp.keeps(d.ID) {
			continue
		}
		s.mu.Lock()
		s.called[callback.ID(d.ID.String())] = d.ID
		s.mu.Unlock()
		sp.compare.mu.Lock()
		delete(sp.compare.deleted, d.ID.Key())
		sp.compare.mu.Unlock()
		if !owned {
			continue
		}
		w, err := declaredAs(d, stopped)
		if err == nil {
			err = sp.host.Put(ctx, w)
		}
		sp.compare.refuse(d.ID, fault.Is(err, fault.Invalid))
		if fault.Is(err, fault.Invalid) {
			// What was stored by an earlier version, or came from another location: the rest
			// must not wait for it.
			s.log.Error("a workflow that is declared cannot be run", "workflow", d.ID, "error", fault.Detail(err))
			err = nil
		}
		failed = errors.Join(failed, err)
	}
	if !owned {
		return revision, nil
	}
	return revision, errors.Join(failed, s.removeOthers(ctx, sp, keys))
}

// keeps reports whether a resource is a workflow of this unit.
func (sp *space) keeps(id resource.ID) bool {
	return (strings.EqualFold(id.Type(), typeWorkflow) || strings.EqualFold(id.Type(), typeSiteWorkflow)) && sp.owns(id)
}

// workflowID is the id of a workflow of this unit.
func (sp *space) workflowID(name string) (resource.ID, error) {
	if sp.site {
		return sp.id.Child("workflows", name)
	}
	return sp.id.Resource(typeWorkflow, name)
}

// declaredAs is a workflow as a document declares it.
func declaredAs(d resource.Document, stopped bool) (host.Declared, error) {
	w := host.Declared{
		Name: d.Name(), ID: d.ID.String(), Definition: []byte(d.Raw("definition")),
		Disabled: strings.EqualFold(d.String("state"), "Disabled"), Location: d.Location, Tags: d.Tags,
	}
	if strings.EqualFold(d.Type(), typeSiteWorkflow) {
		w.Kind = d.String("kind")
		if w.Kind == "" {
			w.Kind = "Stateful"
		}
		w.Disabled = stopped || strings.EqualFold(d.String("flowState"), "Disabled")
		return w, nil
	}
	var err error
	w.Parameters, err = ParametersOf(d)
	return w, err
}

// freshWait is how long a workflow must be missing where the registry can not say that
// it is up to date.
const freshWait = 10 * time.Second

// removeOthers removes workflows that are declared no more. With them go their runs: it
// must be certain.
func (s *Service) removeOthers(ctx context.Context, sp *space, keys map[string]struct{}) (failed error) {
	for _, v := range sp.host.Workflows() {
		id, err := sp.workflowID(v.Name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if _, there := keys[id.Key()]; there {
			continue
		}
		if !sp.compare.wasDeleted(id) {
			if s.o.Grouped(sp.name) {
				continue // its declaration may come later than its runs
			}
			if gone, err := s.surelyGone(ctx, id); err != nil || !gone {
				failed = errors.Join(failed, err)
				continue
			}
		}
		failed = errors.Join(failed, sp.remove(ctx, v.Name))
	}
	return failed
}

// surelyGone asks whether a workflow is declared no more where that is decided.
func (s *Service) surelyGone(ctx context.Context, id resource.ID) (bool, error) {
	if r, ok := s.o.Registry.(Fresher); ok {
		ctx, cancel := context.WithTimeout(ctx, freshWait)
		defer cancel()
		if err := r.Fresh(ctx); err != nil {
			return false, err
		}
	}
	_, err := s.o.Registry.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	return false, err
}

// app is what a site says in this location: its settings, and the values of parameters.
type app struct {
	mu         sync.Mutex
	settings   map[string]string
	parameters *expression.Object
}

// setting gives an app setting.
func (a *app) setting(_, name string) (any, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v, ok := a.settings[name]; ok {
		return v, true
	}
	for k, v := range a.settings {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return nil, false
}

// given gives the values of parameters.
func (a *app) given(string) *expression.Object {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.parameters
}

// readApp reads what the site says, and whether it is stopped.
func (s *Service) readApp(ctx context.Context, sp *space) (stopped bool, err error) {
	d, err := s.o.Registry.Get(ctx, sp.id)
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	said, err := AppOf(ctx, s.o.Registry, sp.id)
	if err != nil {
		return false, err
	}
	var parameters *expression.Object
	if said.Parameters != "" {
		if parameters, err = parameterValues(string(said.Parameters), said.Settings); err != nil {
			s.log.Error("the parameters of a site cannot be read", "site", sp.id, "error", fault.Detail(err))
		}
	}
	sp.app.mu.Lock()
	sp.app.settings, sp.app.parameters = said.Settings, parameters
	sp.app.mu.Unlock()
	return strings.EqualFold(d.String("state"), "Stopped"), nil
}

// parameterValues reads parameters.json: {name: {type, value}}, where values may ask for
// settings.
func parameterValues(text string, settings map[string]string) (*expression.Object, error) {
	whole, err := expression.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	values := &expression.Object{}
	all, _ := whole.(*expression.Object)
	if all == nil {
		return nil, fault.New(fault.Invalid, "parameters.json holds no object.")
	}
	for _, m := range all.Members {
		o, _ := m.Value.(*expression.Object)
		if o == nil {
			continue
		}
		v, _ := o.Get("value")
		if t, problems := expression.Parse(v); len(problems) == 0 && t != nil {
			if known, err := t.Eval(settingsOnly(settings), expression.Budget{}); err == nil {
				v = known
			}
		}
		values = values.With(m.Name, v)
	}
	return values, nil
}

// settingsOnly is what expressions outside of a run may ask for.
type settingsOnly map[string]string

// Value gives a setting.
func (s settingsOnly) Value(kind expression.Kind, name string) (any, error) {
	if kind == expression.TheSetting {
		for k, v := range s {
			if strings.EqualFold(k, name) {
				return v, nil
			}
		}
	}
	return nil, expression.ErrNotFound
}

// Now is no time: what is deployed must not depend on it.
func (settingsOnly) Now() time.Time { return time.Time{} }

// Random is nothing, for the same reason.
func (settingsOnly) Random() uint64 { return 0 }
