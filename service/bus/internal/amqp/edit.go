package amqp

import (
	"fmt"
	"slices"
	"time"

	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/filter"
	wire "weir/wire/amqp"
)

// symTimeSpan describes a length of time, a long of .NET ticks, in application
// properties.
const symTimeSpan wire.Symbol = "com.microsoft:timespan"

// edited rebuilds the bare message with what rules, dead-lettering and
// properties-to-modify changed. The body's bytes stay as they are.
func edited(s wire.Message, e *broker.Edit) (wire.Message, error) {
	var err error
	if len(e.System) > 0 {
		if s.Properties, err = editProperties(s.Properties, e.System); err != nil {
			return s, err
		}
	}
	if len(e.Application) > 0 || len(e.Removed) > 0 {
		var set wire.Pairs
		for _, p := range e.Application {
			set.Add(p.Name, wireValue(p.Value))
		}
		s.ApplicationProperties, err = wire.MergeSection(nil, wire.DescApplicationProperties, s.ApplicationProperties, &set, e.Removed...)
		if err != nil {
			return s, err
		}
	}
	s.Bare = slices.Concat(s.Properties, s.ApplicationProperties, s.Body)
	return s, nil
}

// editProperties sets the system properties that are fields of the properties
// section.
func editProperties(section []byte, set []broker.Property) ([]byte, error) {
	p, err := wire.DecodeProperties(section)
	if err != nil {
		return nil, err
	}
	for _, s := range set {
		text, some := s.Value.(string)
		optional := wire.Optional[string]{Value: text, Set: some}
		switch s.Name {
		case filter.SysMessageID:
			p.MessageID = s.Value
		case filter.SysCorrelationID:
			p.CorrelationID = s.Value
		case filter.SysContentType:
			p.ContentType = wire.Optional[wire.Symbol]{Value: wire.Symbol(text), Set: some}
		case filter.SysTo:
			p.To = optional
		case filter.SysLabel:
			p.Subject = optional
		case filter.SysReplyTo:
			p.ReplyTo = optional
		case filter.SysSessionID:
			p.GroupID = optional
		case filter.SysReplyToSessionID:
			p.ReplyToGroupID = optional
		}
	}
	return p.Append(nil), nil
}

// editAnnotations adds the system properties that are message annotations.
func editAnnotations(p *wire.Pairs, e *broker.Edit) {
	for _, s := range e.System {
		switch s.Name {
		case filter.SysPartitionKey:
			p.Add(wire.Symbol(annPartitionKey), wireValue(s.Value))
		case filter.SysViaPartitionKey:
			p.Add(wire.Symbol(annViaPartitionKey), wireValue(s.Value))
		case filter.SysScheduledEnqueueTime:
			p.Add(wire.Symbol(annScheduledEnqueue), wireValue(s.Value))
		}
	}
}

// wireValue turns a value of the broker or the filter language into one the
// codec takes. What has no AMQP type is sent as text.
func wireValue(v any) any {
	switch x := v.(type) {
	case nil, bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float32, float64,
		string, []byte, wire.Symbol, wire.Char, wire.Timestamp, wire.UUID, wire.Decimal32, wire.Decimal64, wire.Decimal128,
		wire.List, wire.Map, wire.Array, *wire.Described:
		return v
	case time.Time:
		return wire.TimestampOf(x)
	case time.Duration:
		return &wire.Described{Descriptor: symTimeSpan, Value: int64(x / 100)}
	case filter.TimeSpan:
		return &wire.Described{Descriptor: symTimeSpan, Value: int64(x)}
	case filter.GUID:
		return wire.UUID(x)
	case int:
		return int64(x)
	}
	return fmt.Sprint(v)
}
