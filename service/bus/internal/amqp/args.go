package amqp

import (
	"math"
	"time"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

// args are the named values in a request's body. Clients differ in the width of
// their numbers and in whether they send arrays or lists, so all are taken.
type args struct{ m wire.Map }

// itemsMax bounds the elements of a list in a request.
const itemsMax = 10_000

func wrongType(name, want string) error {
	return fault.New(fault.Invalid, "'%s' is to be %s.", name, want)
}

// value returns a value that is there and not null.
func (a args) value(name string) (any, bool) {
	v, ok := a.m.Named(name)
	return v, ok && v != nil
}

func (a args) text(name string) (string, bool, error) {
	v, ok := a.value(name)
	if !ok {
		return "", false, nil
	}
	switch s := v.(type) {
	case string:
		return s, true, nil
	case wire.Symbol:
		return string(s), true, nil
	}
	return "", false, wrongType(name, "a string")
}

// needText is text for a value that must be there.
func (a args) needText(name string) (string, error) {
	s, ok, err := a.text(name)
	if err == nil && !ok {
		err = wrongType(name, "a string")
	}
	return s, err
}

// long returns an integer, fallback when there is none.
func (a args) long(name string, fallback int64) (int64, error) {
	v, ok := a.value(name)
	if !ok {
		return fallback, nil
	}
	n, ok := number(v)
	if !ok {
		return 0, wrongType(name, "a number")
	}
	return n, nil
}

// count returns a number of things: at least least, at most most.
func (a args) count(name string, fallback, least, most int64) (int, error) {
	n, err := a.long(name, fallback)
	if err == nil && n < least {
		err = fault.New(fault.Invalid, "'%s' is to be at least %d.", name, least)
	}
	return int(min(n, most)), err
}

// endOfTime is what .NET's largest time looks like on the wire.
const endOfTime = wire.Timestamp(253402300800000)

// time returns a timestamp, the zero time when there is none or when it is the
// end of time, which clients send for "any".
func (a args) time(name string) (time.Time, error) {
	v, ok := a.value(name)
	if !ok {
		return time.Time{}, nil
	}
	at, ok := v.(wire.Timestamp)
	if !ok {
		return time.Time{}, wrongType(name, "a timestamp")
	}
	if at >= endOfTime-1 {
		return time.Time{}, nil
	}
	return at.Time(), nil
}

// items returns the elements of an array or a list, at least one.
func (a args) items(name string) ([]any, error) {
	v, _ := a.value(name)
	var items []any
	switch all := v.(type) {
	case wire.Array:
		items = all.Items
	case wire.List:
		items = all
	}
	if len(items) == 0 || len(items) > itemsMax {
		return nil, fault.New(fault.Invalid, "'%s' is to be an array of 1 to %d elements.", name, itemsMax)
	}
	return items, nil
}

func (a args) longs(name string) ([]int64, error) {
	items, err := a.items(name)
	if err != nil {
		return nil, err
	}
	all := make([]int64, len(items))
	for i, v := range items {
		n, ok := number(v)
		if !ok || n == math.MaxInt64 {
			return nil, wrongType(name, "an array of longs")
		}
		all[i] = n
	}
	return all, nil
}

// tokens returns lock tokens, which are uuids in RFC 4122 order.
func (a args) tokens(name string) ([]broker.LockToken, error) {
	items, err := a.items(name)
	if err != nil {
		return nil, err
	}
	all := make([]broker.LockToken, len(items))
	for i, v := range items {
		u, ok := v.(wire.UUID)
		if !ok {
			return nil, wrongType(name, "an array of uuids")
		}
		all[i] = broker.LockToken(u)
	}
	return all, nil
}

// table returns a map.
func (a args) table(name string) (args, bool, error) {
	v, ok := a.value(name)
	if !ok {
		return args{}, false, nil
	}
	m, ok := v.(wire.Map)
	if !ok {
		return args{}, false, wrongType(name, "a map")
	}
	return args{m}, true, nil
}
