package workflow

import (
	"context"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/internal/callback"
	"weir/service/workflow/internal/host"
)

// Applied returns when what is declared around a resource is in force, as far as this
// node decides for it: a change of a workflow is answered behind it.
func (s *Service) Applied(ctx context.Context, id resource.ID) error {
	if _, _, ok := spaceID(id); !ok {
		return nil
	}
	if err := s.awaitSettled(ctx, id); err != nil {
		return err
	}
	sp := s.spaceOf(id)
	if sp == nil || !sp.unit.Ownership().Self {
		return nil
	}
	sp.awaitOwned(ctx) // until then nothing can be put
	return sp.compare.await(ctx)
}

// settledEvery is how often it is looked whether a unit is served yet.
const settledEvery = 5 * time.Millisecond

func (s *Service) awaitSettled(ctx context.Context, id resource.ID) error {
	tick := time.NewTicker(settledEvery)
	defer tick.Stop()
	for !s.served(id) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "The workflow is not served yet.")
		}
	}
	return nil
}

// served says whether the unit of what is declared is served here, elsewhere or by
// another location, or closed when it was deleted.
func (s *Service) served(id resource.ID) bool {
	sp := s.spaceOf(id)
	_, err := s.o.Registry.Get(context.Background(), id)
	gone := fault.Is(err, fault.NotFound)
	switch {
	case id.IsScope():
		return sp == nil || !gone
	case sp == nil:
		return gone
	}
	return gone && !sp.id.Equal(id) || !gone && sp.status(s.o.Node).Ready
}

// Settled says whether what is declared of a workflow or a site, or that it is not declared
// any more, is in force. Nothing else is waited for here.
func (s *Service) Settled(id resource.ID) bool {
	if _, _, ok := spaceID(id); !ok {
		return true
	}
	if !s.served(id) {
		return false
	}
	sp := s.spaceOf(id)
	if sp == nil || !sp.keeps(id) || !sp.unit.Ownership().Self {
		return true
	}
	_, err := s.o.Registry.Get(context.Background(), id)
	_, there := sp.host.Workflow(id.Name())
	return there == (err == nil) || sp.compare.refuses(id) // one that cannot be run is not waited for
}

// callbackURL makes the addresses by which the actions of a unit are called back.
func (s *Service) callbackURL(sp *space) func(host.Callback) string {
	if s.o.Endpoint == nil {
		return nil
	}
	return func(c host.Callback) string {
		return s.caller(sp, c.Workflow, c.Secret, c.Keys).Action(c.Run, c.Action, callback.Place{Frame: c.At.Frame, Node: c.At.Node}).String()
	}
}

// triggerURL makes the addresses that the triggers of a unit are called at.
func (s *Service) triggerURL(sp *space) func(host.View, string) string {
	if s.o.Endpoint == nil {
		return nil
	}
	return func(v host.View, name string) string {
		secret, ok := sp.host.Secret()
		id, err := sp.workflowID(v.Name)
		if !ok || err != nil {
			return ""
		}
		return s.caller(sp, id.String(), secret, v.Keys).Trigger(name, "", callback.Primary, time.Time{}).String()
	}
}

// caller makes addresses of one workflow.
func (s *Service) caller(sp *space, id string, secret []byte, keys host.Keys) callback.Caller {
	c := callback.Caller{Signer: callback.Signer{Secret: secret, Primary: keys.Primary, Secondary: keys.Secondary, Workflow: callback.ID(id)}}
	if s.o.Endpoint != nil {
		c.Endpoint = s.o.Endpoint(sp.name)
	}
	if parsed, err := resource.ParseID(id); sp.site && err == nil {
		c.App, c.Name = sp.id.Name(), parsed.Name()
	}
	return c
}
