package bus

import (
	"context"
	"strings"
	"time"

	"weir/kernel/resource"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
)

// Counts are the properties of an entity that are counted, not declared, by their
// names in ARM. They are nil for other resources, and where this node does not know.
func (s *Service) Counts(d resource.Document) map[string]any {
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

// Applied returns when what is declared in a namespace is in force, as far as this
// node decides for it: whoever answers a change of an entity waits for it, so that
// the answer comes behind the detaching of its links.
func (s *Service) Applied(ctx context.Context, id resource.ID) error {
	sp := s.spaceOf(id)
	if sp == nil || !sp.ns.Ownership().Self {
		return nil
	}
	return sp.ns.Reconcile(ctx)
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
			all["subscriptionCount"] = subscriptions(b, path)
		}
	})
	return all
}

// moment writes a time as ARM does; none is the year 1.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z07:00") }

func subscriptions(b *broker.Broker, topic string) (n int64) {
	for _, d := range b.Definitions() {
		if d.Kind == broker.Subscription && strings.EqualFold(topicOf(d.Name), topic) {
			n++
		}
	}
	return n
}
