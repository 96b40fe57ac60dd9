package amqp

import (
	"math"
	"time"

	"weir/kernel/journal/record"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

// sessionsMax is how many sessions one page lists.
const sessionsMax = 1000

// renewSessionLock gives a session's lock its full time again.
func renewSessionLock(x *exchange) (wire.Map, error) {
	session, err := x.args.needText("session-id")
	if err != nil {
		return nil, err
	}
	by := x.holder(session)
	var until time.Time
	err = x.call(func(t *namespace.Turn) (err error) {
		until, err = t.Broker.RenewSession(t, x.path, session, by)
		return err
	})
	if err != nil {
		return nil, err
	}
	return wire.Map{{Key: "expiration", Value: wire.TimestampOf(until)}}, nil
}

// getSessionState tells a session's state; null when it has none.
func getSessionState(x *exchange) (wire.Map, error) {
	session, err := x.args.needText("session-id")
	if err != nil {
		return nil, err
	}
	var at record.Ref
	var has bool
	err = x.call(func(t *namespace.Turn) (err error) {
		at, has, err = t.Broker.SessionState(x.path, session)
		return err
	})
	var value any
	if err == nil && has {
		value, err = x.c.ns.Read(x.ctx, at)
	}
	if err != nil {
		return nil, err
	}
	return wire.Map{{Key: "session-state", Value: value}}, nil
}

// setSessionState sets or, with null, clears a session's state. Go writes null as
// a binary without bytes.
func setSessionState(x *exchange) (wire.Map, error) {
	session, err := x.args.needText("session-id")
	if err != nil {
		return nil, err
	}
	var state []byte
	if v, ok := x.args.value("session-state"); ok {
		if state, ok = v.([]byte); !ok {
			return nil, wrongType("session-state", "a binary or null")
		}
	}
	if len(state) == 0 {
		state = nil
	}
	by := x.holder(session)
	return done(), x.call(func(t *namespace.Turn) error {
		return t.Broker.SetSessionState(t, x.path, session, state, by)
	})
}

// getSessions lists sessions: those whose state changed since a time or, without
// one, those with messages or state.
func getSessions(x *exchange) (wire.Map, error) {
	since, err := x.args.time("last-updated-time")
	if err != nil {
		return nil, err
	}
	skip, err := x.args.count("skip", 0, 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	top, err := x.args.count("top", sessionsMax, 0, sessionsMax)
	if err != nil {
		return nil, err
	}
	var found []string
	err = x.call(func(t *namespace.Turn) (err error) {
		found, err = t.Broker.Sessions(x.path, since, skip, top)
		return err
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	ids := wire.Array{Code: wire.CodeStr32}
	for _, id := range found {
		ids.Items = append(ids.Items, id)
	}
	return wire.Map{
		{Key: "skip", Value: int32(skip + len(found))},
		{Key: "sessions-ids", Value: ids},
	}, nil
}
