package amqp

import (
	"time"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// The filter by which a receiver asks for a session. Go describes its value with
// the code, JS and .NET give it plain; the reply must have the client's own form,
// for each fails on the other's.
const (
	filterSession                 = "com.microsoft:session-filter"
	filterSessionCode      uint64 = 0x137000000C
	propTimeout                   = "com.microsoft:timeout"
	propLockedUntil               = "com.microsoft:locked-until-utc"
	nextSessionMax                = 24 * time.Hour
	symbolOfSessionFilter         = wire.Symbol(filterSession)
	symbolOfLockedUntilUTC        = wire.Symbol(propLockedUntil)
)

// sessionWish is what a receiver asks of sessions, and in which form.
type sessionWish struct {
	choice     broker.SessionChoice
	session    string
	descriptor any // of a described filter value, else nil
	wait       time.Duration
}

// wishOf reads the session filter of a link. A null value means any session; an
// empty string is a session's id.
func wishOf(l *server.Link, wait time.Duration) (sessionWish, error) {
	w := sessionWish{wait: wait}
	if l.Source == nil {
		return w, nil
	}
	value, ok := l.Source.Filter.Named(filterSession)
	if !ok {
		return w, nil
	}
	if d, described := value.(*wire.Described); described {
		w.descriptor, value = d.Descriptor, d.Value
	}
	switch id := value.(type) {
	case nil:
		w.choice = broker.NextAvailable
	case string:
		w.choice, w.session = broker.NamedSession, id
	default:
		return w, fault.New(fault.Invalid, "The session filter is a string, or null for any session.")
	}
	if asked, ok := l.Properties.Named(propTimeout); ok {
		ms, ok := number(asked)
		if !ok || ms < 0 {
			return w, fault.New(fault.Invalid, "The timeout of a link is a number of milliseconds.")
		}
		w.wait = min(time.Duration(min(ms, nextSessionMax.Milliseconds()))*time.Millisecond, nextSessionMax)
	}
	return w, nil
}

// patience is how long the server waits: a little less than the client, so that
// its answer comes before the client gives up.
func (w sessionWish) patience() time.Duration { return w.wait - min(w.wait/25, 250*time.Millisecond) }

// filter returns the filter in force, naming the session that was given.
func (w sessionWish) filter(session string) wire.Map {
	var value any = session
	if w.descriptor != nil {
		value = &wire.Described{Descriptor: w.descriptor, Value: session}
	}
	return wire.Map{{Key: symbolOfSessionFilter, Value: value}}
}

// number returns an integer of any width or a whole float, as JS writes numbers.
func number(v any) (int64, bool) {
	switch n := v.(type) {
	case uint8:
		return int64(n), true
	case uint16:
		return int64(n), true
	case uint32:
		return int64(n), true
	case uint64:
		return int64(min(n, 1<<63-1)), true
	case int8:
		return int64(n), true
	case int16:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case float32:
		return whole(float64(n))
	case float64:
		return whole(n)
	}
	return 0, false
}

// whole cuts a float to an integer that fits.
func whole(f float64) (int64, bool) {
	const limit = 1 << 62
	if f != f || f > limit || f < -limit {
		return 0, false
	}
	return int64(f), true
}
