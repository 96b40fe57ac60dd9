package bus

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/internal/iso8601"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
	"weir/service/bus/internal/broker"
)

const subscriptionsPart = "/Subscriptions/"

// entityPath is the path by which clients name the entity of an id: "orders/eu",
// "prices/Subscriptions/audit".
func entityPath(id resource.ID) string {
	names := id.Names()
	for i := range names {
		names[i] = strings.ReplaceAll(names[i], "~", "/")
	}
	switch {
	case len(names) < 2:
		return ""
	case strings.EqualFold(id.Type(), typeSubscription):
		return names[1] + subscriptionsPart + names[2]
	}
	return names[1]
}

// topicOf is the topic of a subscription's path; another path has none.
func topicOf(path string) string {
	topic, _, ok := cutSubscription(path)
	if !ok {
		return ""
	}
	return topic
}

func cutSubscription(path string) (topic, subscription string, ok bool) {
	i := strings.LastIndex(strings.ToLower(path), strings.ToLower(subscriptionsPart))
	if i < 0 {
		return "", "", false
	}
	return path[:i], path[i+len(subscriptionsPart):], true
}

// entityID is the id of the entity a path names. A queue and a topic look alike:
// exists says which one there is. The error is of kind NotFound when there is none.
func entityID(ns resource.ID, path string, exists func(resource.ID) bool) (resource.ID, error) {
	if topic, subscription, ok := cutSubscription(path); ok {
		parent, err := ns.Child("topics", idName(topic))
		if err != nil {
			return resource.ID{}, noEntity(path)
		}
		id, err := parent.Child("subscriptions", idName(subscription))
		if err != nil || !exists(id) {
			return resource.ID{}, noEntity(path)
		}
		return id, nil
	}
	for _, typ := range []string{"queues", "topics"} {
		if id, err := ns.Child(typ, idName(path)); err == nil && exists(id) {
			return id, nil
		}
	}
	return resource.ID{}, noEntity(path)
}

func idName(path string) string { return strings.ReplaceAll(path, "/", "~") }

func noEntity(path string) error {
	return fault.New(fault.NotFound, "The messaging entity '%s' could not be found.", path)
}

// forwardPath is the path a forwarding property names: clients write a path, or a
// URL of this namespace.
func forwardPath(value string) string {
	if _, rest, ok := strings.Cut(value, "://"); ok {
		_, value, _ = strings.Cut(rest, "/")
	}
	return strings.Trim(value, "/")
}

// definitions makes the entities of a namespace of all documents in it. An entity
// that cannot be read is left out and named in the error.
func definitions(docs []resource.Document) ([]broker.Definition, error) {
	all := pieces{}
	for _, d := range docs {
		all.put(d)
	}
	return all.definitions()
}

// piece is what one document says: an entity, or a rule of a subscription.
type piece struct {
	entity *broker.Definition
	rule   *broker.Rule
	of     string // key of the rule's subscription
	err    error  // why it cannot be read
}

// pieces are those of a namespace, by the keys of their documents.
type pieces map[string]piece

// put takes a document; one that says nothing about entities is passed over.
func (p pieces) put(d resource.Document) {
	key := d.ID.Key()
	if strings.EqualFold(d.Type(), typeRule) {
		one := piece{of: d.ID.Parent().Key()}
		r, err := ruleOf(d)
		if one.rule = &r; err != nil {
			one = piece{err: fmt.Errorf("rule %s: %w", d.ID, err)}
		}
		p[key] = one
		return
	}
	if kind, ok := kindOf(d); ok {
		one, err := definition(d, kind)
		if err != nil {
			p[key] = piece{err: fmt.Errorf("entity %s: %w", d.ID, err)}
			return
		}
		p[key] = piece{entity: &one}
	}
}

// definitions puts the pieces together, in the order of their keys.
func (p pieces) definitions() ([]broker.Definition, error) {
	keys := slices.Sorted(maps.Keys(p))
	rules := map[string][]broker.Rule{} // by key of the subscription
	var problems []error
	for _, key := range keys {
		switch one := p[key]; {
		case one.err != nil:
			problems = append(problems, one.err)
		case one.rule != nil:
			rules[one.of] = append(rules[one.of], *one.rule)
		}
	}
	var list []broker.Definition
	for _, key := range keys {
		if e := p[key].entity; e != nil {
			one := *e
			one.Rules = rules[key]
			list = append(list, one)
		}
	}
	slices.SortStableFunc(list, func(a, b broker.Definition) int { return cmp.Compare(a.Kind, b.Kind) })
	return list, errors.Join(problems...)
}

func kindOf(d resource.Document) (broker.Kind, bool) {
	switch {
	case strings.EqualFold(d.Type(), typeQueue):
		return broker.Queue, true
	case strings.EqualFold(d.Type(), typeTopic):
		return broker.Topic, true
	case strings.EqualFold(d.Type(), typeSubscription):
		return broker.Subscription, true
	}
	return 0, false
}

var statuses = map[string]broker.Status{
	"": broker.Active, "Active": broker.Active, "Disabled": broker.Disabled, "SendDisabled": broker.SendDisabled, "ReceiveDisabled": broker.ReceiveDisabled,
}

func definition(d resource.Document, kind broker.Kind) (broker.Definition, error) {
	r := durations{doc: d}
	one := broker.Definition{
		Name: entityPath(d.ID), Kind: kind, Status: statuses[d.String("status")],
		LockDuration:             r.read("lockDuration"),
		DefaultTTL:               r.read("defaultMessageTimeToLive"),
		AutoDeleteOnIdle:         r.read("autoDeleteOnIdle"),
		MaxDeliveryCount:         uint32(d.Int("maxDeliveryCount")),
		MaxSizeBytes:             d.Int("maxSizeInMegabytes") << 20,
		MaxMessageBytes:          d.Int("maxMessageSizeInKilobytes") << 10,
		Partitioned:              d.Bool("enablePartitioning"),
		RequiresSession:          d.Bool("requiresSession"),
		DeadLetterOnExpiration:   d.Bool("deadLetteringOnMessageExpiration"),
		DeadLetterOnFilterErrors: d.Bool("deadLetteringOnFilterEvaluationExceptions"),
		ForwardTo:                forwardPath(d.String("forwardTo")),
		ForwardDeadLettersTo:     forwardPath(d.String("forwardDeadLetteredMessagesTo")),
		UserMetadata:             d.String("userMetadata"),
		EnableBatchOperations:    d.Bool("enableBatchedOperations"),
	}
	if d.Bool("requiresDuplicateDetection") {
		one.DuplicateWindow = r.read("duplicateDetectionHistoryTimeWindow")
	}
	return one, r.err
}

// durations reads a document's durations; unlimited, and absent, are 0.
type durations struct {
	doc resource.Document
	err error
}

func (r *durations) read(property string) time.Duration {
	text := r.doc.String(property)
	if text == "" {
		return 0
	}
	d, err := iso8601.Parse(text)
	if err != nil {
		r.err = errors.Join(r.err, fmt.Errorf("%s: %w", property, err))
	}
	if d == iso8601.Unlimited {
		return 0
	}
	return d.Std()
}

// accessRules makes the shared access rules of a namespace of all documents in it.
func accessRules(docs []resource.Document) []identity.Rule {
	var rules []identity.Rule
	for _, d := range docs {
		if !strings.HasSuffix(strings.ToLower(d.Type()), strings.ToLower(authorization)) {
			continue
		}
		var names []string
		rights, _ := d.Properties["rights"].([]any)
		for _, right := range rights {
			name, _ := right.(string)
			names = append(names, name)
		}
		claims, err := identity.ParseClaims(names)
		if err != nil {
			continue // the schema lets none in
		}
		rules = append(rules, identity.Rule{
			Name: d.Name(), Primary: d.String("primaryKey"), Secondary: d.String("secondaryKey"), Claims: claims, Scope: entityPath(d.ID.Parent()),
		})
	}
	return rules
}
