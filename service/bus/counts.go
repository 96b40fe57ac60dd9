package bus

import (
	"context"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
)

// Counts are the properties of an entity that are counted, not declared, by their
// names in ARM. They are nil for other resources, and where this node does not know.
func (s *Service) Counts(d resource.Document) map[string]any {
	if strings.EqualFold(d.Type(), typeNamespace) {
		return s.namespaceSays(d)
	}
	kind, ok := kindOf(d)
	if !ok {
		return nil
	}
	sp := s.spaceOf(d.ID)
	if sp == nil {
		return nil
	}
	return counts(sp.ns, kind, entityPath(d.ID))
}

// namespaceSays is what a namespace has to say of itself.
func (s *Service) namespaceSays(d resource.Document) map[string]any {
	said := map[string]any{"status": "Active", "metricId": d.ID.Subscription() + ":" + strings.ToLower(d.Name())}
	if !s.Settled(d.ID) {
		said["status"] = "Activating"
	}
	if s.o.Endpoint != nil {
		said["serviceBusEndpoint"] = s.o.Endpoint(d.Name())
	}
	return said
}

// Applied returns when what is declared in a namespace is in force, as far as this
// node decides for it: whoever answers a change of an entity waits for it, so that
// the answer comes behind the detaching of its links. A namespace is waited for until
// it is served, or closed when it was deleted.
func (s *Service) Applied(ctx context.Context, id resource.ID) error {
	if id.IsScope() || strings.EqualFold(id.Type(), typeNamespace) {
		if err := s.awaitSettled(ctx, id); err != nil {
			return err
		}
	}
	sp := s.spaceOf(id)
	if sp == nil || !sp.ns.Ownership().Self {
		return nil
	}
	return sp.ns.Reconcile(ctx)
}

// settledEvery is how often it is looked whether a namespace is served yet.
const settledEvery = 5 * time.Millisecond

func (s *Service) awaitSettled(ctx context.Context, id resource.ID) error {
	tick := time.NewTicker(settledEvery)
	defer tick.Stop()
	for !s.Settled(id) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "The namespace is not served yet.")
		}
	}
	return nil
}

// Settled says whether what is declared of a namespace, or that it is not declared any
// more, is in force: it is served here, elsewhere or by another location, or closed. Of
// a scope, whether the namespaces that were deleted with it are closed. Nothing else is
// waited for here.
func (s *Service) Settled(id resource.ID) bool {
	for _, sp := range s.all() {
		if !id.Contains(sp.id) {
			continue
		}
		_, err := s.o.Registry.Get(context.Background(), sp.id)
		if fault.Is(err, fault.NotFound) || sp.id.Equal(id) && !sp.status(s.o.Node).Ready {
			return false
		}
		if sp.id.Equal(id) {
			return true
		}
	}
	if !strings.EqualFold(id.Type(), typeNamespace) {
		return true
	}
	_, err := s.o.Registry.Get(context.Background(), id)
	return fault.Is(err, fault.NotFound)
}

// Serves says whether a namespace of that name runs here.
func (s *Service) Serves(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spaces[strings.ToLower(name)] != nil
}

// spaceOf finds the namespace a resource lies in, nil when it runs here not.
func (s *Service) spaceOf(id resource.ID) *space {
	names := id.Names()
	if len(names) == 0 {
		return nil
	}
	s.mu.Lock()
	sp := s.spaces[strings.ToLower(names[0])]
	s.mu.Unlock()
	if sp == nil || !sp.id.Contains(id) {
		return nil
	}
	return sp
}

func counts(ns *namespace.Namespace, kind broker.Kind, path string) (all map[string]any) {
	ns.View(func(b *broker.Broker) {
		c, err := b.Counts(path)
		if err != nil {
			return
		}
		all = map[string]any{
			"countDetails": map[string]any{
				"activeMessageCount":             c.Active,
				"deadLetterMessageCount":         c.DeadLetter,
				"scheduledMessageCount":          c.Scheduled,
				"transferMessageCount":           c.Transfer,
				"transferDeadLetterMessageCount": c.TransferDeadLetter,
			},
			"accessedAt": moment(c.Accessed), "createdAt": moment(c.Created), "updatedAt": moment(c.Updated),
		}
		if kind != broker.Topic {
			all["messageCount"] = c.Active + c.DeadLetter + c.Scheduled + c.Deferred + c.Transfer + c.TransferDeadLetter
		}
		if kind != broker.Subscription {
			all["sizeInBytes"] = c.SizeBytes
		}
		if kind == broker.Topic {
			all["subscriptionCount"] = c.Subscriptions
		}
	})
	return all
}

// moment writes a time as ARM does; none is the year 1.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z07:00") }
