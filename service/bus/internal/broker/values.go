package broker

import (
	"time"

	"weir/service/bus/internal/filter"
	"weir/wire/amqp"
)

// timeSpanDescriptor marks a length of time in ticks of 100 ns, as the service's
// own clients encode one.
const timeSpanDescriptor amqp.Symbol = "com.microsoft:timespan"

// wireValue turns a property's value into the Go type that package amqp has for
// it. ok is false for what no property may hold.
func wireValue(v any) (any, bool) {
	switch x := v.(type) {
	case nil, bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float32, float64, string, []byte,
		amqp.Symbol, amqp.Char, amqp.Timestamp, amqp.UUID, amqp.Decimal32, amqp.Decimal64, amqp.Decimal128:
		return v, true
	case int:
		return int64(x), true
	case time.Time:
		return amqp.TimestampOf(x), true
	case time.Duration:
		return span(int64(x / 100)), true
	case filter.TimeSpan:
		return span(int64(x)), true
	case filter.GUID:
		return amqp.UUID(x), true
	case *amqp.Described:
		_, scalar := wireValue(x.Value)
		return v, scalar
	}
	return nil, false
}

func span(ticks int64) any { return &amqp.Described{Descriptor: timeSpanDescriptor, Value: ticks} }

// filterValue turns a property's value into what the rule language knows. What it
// does not know stays as it is: it exists, and that is all.
func filterValue(v any) any {
	switch x := v.(type) {
	case amqp.Symbol:
		return string(x)
	case amqp.Char:
		return string(rune(x))
	case amqp.Timestamp:
		return x.Time()
	case amqp.UUID:
		return filter.GUID(x)
	case int:
		return int64(x)
	case *amqp.Described:
		if ticks, ok := x.Value.(int64); ok && x.Descriptor == any(timeSpanDescriptor) {
			return filter.TimeSpan(ticks)
		}
	}
	return v
}

// parameters gives a filter or an action the values of its parameters.
func parameters(in []Property) map[string]any {
	if len(in) == 0 {
		return nil
	}
	m := make(map[string]any, len(in))
	for _, p := range in {
		m[p.Name] = filterValue(p.Value)
	}
	return m
}
