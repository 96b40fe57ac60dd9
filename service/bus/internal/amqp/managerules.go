package amqp

import (
	"math"
	"time"

	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

// Descriptors of rules, as replies carry them. Go does not list rules this way; JS
// and .NET read every one of these.
const (
	codeRule              uint64 = 0x13700000004
	codeEmptyAction       uint64 = 0x13700000005
	codeSQLAction         uint64 = 0x13700000006
	codeSQLFilter         uint64 = 0x1370000006
	codeTrueFilter        uint64 = 0x1370000007
	codeFalseFilter       uint64 = 0x1370000008
	codeCorrelationFilter uint64 = 0x1370000009
)

// addRule declares a rule of a subscription.
func addRule(x *exchange) (wire.Map, error) {
	name, err := x.args.needText("rule-name")
	if err != nil {
		return nil, err
	}
	description, ok, err := x.args.table("rule-description")
	if err == nil && !ok {
		err = wrongType("rule-description", "a map")
	}
	if err != nil {
		return nil, err
	}
	rule, err := ruleFrom(name, description)
	if err != nil {
		return nil, err
	}
	if err := x.subscription(); err != nil {
		return nil, err
	}
	return done(), x.c.ns.PutRule(x.ctx, x.path, rule)
}

// ruleFrom reads a rule description. Without a filter the rule takes everything.
func ruleFrom(name string, d args) (broker.Rule, error) {
	r := broker.Rule{Name: name, Created: wall.Now().UTC().Truncate(time.Millisecond)}
	sql, isSQL, err := d.table("sql-filter")
	if err != nil {
		return r, err
	}
	correlation, isCorrelation, err := d.table("correlation-filter")
	if err != nil {
		return r, err
	}
	switch {
	case isSQL && isCorrelation:
		return r, fault.New(fault.Invalid, "A rule has one filter.")
	case isSQL:
		r.Filter.Kind = broker.SQLFilter
		if r.Filter.Expression, err = sql.needText("expression"); err != nil {
			return r, err
		}
	case isCorrelation:
		r.Filter.Kind = broker.CorrelationFilter
		if r.Filter.Correlation, err = correlationFrom(correlation); err != nil {
			return r, err
		}
	}
	action, _, err := d.table("sql-rule-action")
	if err == nil {
		r.Action, _, err = action.text("expression")
	}
	return r, err
}

func correlationFrom(d args) (*broker.Correlation, error) {
	c := &broker.Correlation{}
	for _, f := range correlationFields(c) {
		text, _, err := d.text(f.name)
		if err != nil {
			return nil, err
		}
		*f.value = text
	}
	properties, _, err := d.table("properties")
	if err != nil {
		return nil, err
	}
	c.Properties = modifications(properties.m)
	return c, nil
}

// correlationField is one text of a correlation filter, by its name in requests.
type correlationField struct {
	name  string
	value *string
}

// correlationFields are in the order of the list in replies.
func correlationFields(c *broker.Correlation) []correlationField {
	return []correlationField{
		{"correlation-id", &c.CorrelationID}, {"message-id", &c.MessageID}, {"to", &c.To}, {"reply-to", &c.ReplyTo},
		{"label", &c.Label}, {"session-id", &c.SessionID}, {"reply-to-session-id", &c.ReplyToSessionID},
		{"content-type", &c.ContentType},
	}
}

// removeRule removes a rule of a subscription.
func removeRule(x *exchange) (wire.Map, error) {
	name, err := x.args.needText("rule-name")
	if err != nil {
		return nil, err
	}
	if err := x.subscription(); err != nil {
		return nil, err
	}
	return done(), x.c.ns.DeleteRule(x.ctx, x.path, name)
}

// subscription checks that the node is one.
func (x *exchange) subscription() error {
	_, err := x.rules()
	return err
}

// rules returns the rules of the subscription.
func (x *exchange) rules() ([]broker.Rule, error) {
	var d broker.Definition
	err := x.call(func(t *namespace.Turn) error {
		var ok bool
		if d, ok = t.Broker.Definition(x.path); !ok {
			return entityNotFound(x.path)
		}
		if d.Kind != broker.Subscription {
			return fault.New(fault.Conflict, "'%s' is no subscription: it has no rules.", x.path)
		}
		return nil
	})
	return d.Rules, err
}

// enumerateRules lists the rules of a subscription.
func enumerateRules(x *exchange) (wire.Map, error) {
	skip, err := x.args.count("skip", 0, 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	top, err := x.args.count("top", math.MaxInt32, 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	rules, err := x.rules()
	if err != nil {
		return nil, err
	}
	rules = rules[min(skip, len(rules)):]
	rules = rules[:min(top, len(rules))]
	if len(rules) == 0 {
		return nil, nil
	}
	list := make(wire.List, len(rules))
	for i := range rules {
		list[i] = wire.Map{{Key: "rule-description", Value: describeRule(&rules[i])}}
	}
	return wire.Map{{Key: "rules", Value: list}}, nil
}

func describeRule(r *broker.Rule) *wire.Described {
	action := &wire.Described{Descriptor: codeEmptyAction, Value: wire.List{}}
	if r.Action != "" {
		action = &wire.Described{Descriptor: codeSQLAction, Value: wire.List{r.Action, int32(20)}}
	}
	return &wire.Described{Descriptor: codeRule, Value: wire.List{
		describeFilter(&r.Filter), action, r.Name, wire.TimestampOf(r.Created),
	}}
}

// describeFilter writes a filter; the number behind an expression is the version
// of the language.
func describeFilter(f *broker.Filter) *wire.Described {
	switch f.Kind {
	case broker.FalseFilter:
		return &wire.Described{Descriptor: codeFalseFilter, Value: wire.List{}}
	case broker.SQLFilter:
		return &wire.Described{Descriptor: codeSQLFilter, Value: wire.List{f.Expression, int32(20)}}
	case broker.CorrelationFilter:
		return &wire.Described{Descriptor: codeCorrelationFilter, Value: describeCorrelation(f.Correlation)}
	}
	return &wire.Described{Descriptor: codeTrueFilter, Value: wire.List{}}
}

func describeCorrelation(c *broker.Correlation) wire.List {
	var list wire.List
	for _, f := range correlationFields(c) {
		if *f.value == "" {
			list = append(list, nil)
		} else {
			list = append(list, *f.value)
		}
	}
	properties := wire.Map{}
	for _, p := range c.Properties {
		properties = append(properties, wire.Entry{Key: p.Name, Value: wireValue(p.Value)})
	}
	return append(list, properties)
}
