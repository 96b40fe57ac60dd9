package amqp

import (
	"context"
	"errors"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

// Names of the $management protocol. Unlike $cbs it writes them in camel case.
const (
	mgmtStatusCode        = "statusCode"
	mgmtStatusDescription = "statusDescription"
	mgmtErrorCondition    = "errorCondition"
	mgmtTrackingID        = "com.microsoft:tracking-id"
	mgmtAssociatedLink    = "associated-link-name"
)

// Status codes of success.
const (
	statusOK        = int32(200)
	statusNoContent = int32(204)
)

// How long a request may take when it does not say, and at most.
const (
	requestTimeout    = 60 * time.Second
	requestTimeoutMax = 10 * time.Minute
)

// operation is one thing $management can do. run works off the reader goroutine
// and may wait. A reply without anything in it is a nil map.
type operation struct {
	right identity.Claims // any of these
	run   func(*exchange) (wire.Map, error)
}

// operations are all there are, by the name in requests.
var operations = map[string]operation{
	"com.microsoft:peek-message":               {identity.Listen, peekMessages},
	"com.microsoft:renew-lock":                 {identity.Listen, renewLocks},
	"com.microsoft:renew-session-lock":         {identity.Listen, renewSessionLock},
	"com.microsoft:schedule-message":           {identity.Send, scheduleMessages},
	"com.microsoft:cancel-scheduled-message":   {identity.Send, cancelScheduled},
	"com.microsoft:receive-by-sequence-number": {identity.Listen, receiveBySequence},
	"com.microsoft:update-disposition":         {identity.Listen, updateDisposition},
	"com.microsoft:get-session-state":          {identity.Listen, getSessionState},
	"com.microsoft:set-session-state":          {identity.Listen, setSessionState},
	"com.microsoft:get-message-sessions":       {identity.Listen, getSessions},
	"com.microsoft:add-rule":                   {identity.Listen | identity.Manage, addRule},
	"com.microsoft:remove-rule":                {identity.Listen | identity.Manage, removeRule},
	"com.microsoft:enumerate-rules":            {identity.Listen | identity.Manage, enumerateRules},
	"com.microsoft:batch-delete-messages":      {identity.Listen, deleteMessages},
}

// exchange is one management request under way.
type exchange struct {
	c    *conn
	ctx  context.Context
	path string // what the node manages
	q    *request
	args args
	by   *receiver // the link on whose behalf it is made, or nil
}

// attachManagement accepts a link of requests to, or replies from, an entity.
func (c *conn) attachManagement(e *end, peerSends bool) error {
	if err := c.authorise(e, identity.Send|identity.Listen|identity.Manage, e.addr.path); err != nil {
		return err
	}
	e.meter = c.ns.Meter(e.addr.entity)
	c.attempt(func(t *namespace.Turn) error {
		if _, ok := t.Broker.Definition(e.addr.entity); !ok {
			return entityNotFound(e.addr.entity)
		}
		return nil
	}, func(err error) {
		switch {
		case err != nil:
			e.refuse(err)
		case peerSends:
			c.acceptRequests(e)
		default:
			c.acceptReplies(e)
		}
	})
	return nil
}

// manage starts work on a request, on the reader goroutine.
func (c *conn) manage(e *end, q *request, err error) {
	x := &exchange{c: c, path: e.addr.path, q: q}
	if err == nil {
		err = x.prepare()
	}
	if err == nil {
		err = c.admit()
	}
	if err != nil {
		c.answerManagement(e, q, nil, err)
		return
	}
	go func() {
		defer c.release()
		ctx, cancel := context.WithTimeout(c.ctx, q.timeout())
		defer cancel()
		x.ctx = ctx
		body, err := operations[q.operation].run(x)
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && fault.Is(err, fault.Internal) {
			err = fault.Wrap(fault.Timeout, err, "The operation did not complete within the allotted time.")
		}
		c.answerManagement(e, q, body, err)
	}()
}

// prepare checks what can be checked at once.
func (x *exchange) prepare() error {
	op, known := operations[x.q.operation]
	if !known {
		return fault.New(fault.Unsupported, "The operation '%s' is not known at $management.", x.q.operation)
	}
	body, ok := x.q.body.(wire.Map)
	if !ok {
		return fault.New(fault.Invalid, "The body of '%s' is a map.", x.q.operation)
	}
	x.args = args{body}
	if err := x.c.allowed(op.right, x.path); err != nil {
		return err
	}
	if name := x.q.text(mgmtAssociatedLink); name != "" {
		x.c.mu.Lock()
		e := x.c.named[name]
		x.c.mu.Unlock()
		if e != nil {
			e.used.Store(true)
			x.by = e.receiver
		}
	}
	return nil
}

// admit and release bound the requests under way.
func (c *conn) admit() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == requestsMax {
		return fault.New(fault.Busy, "%d requests are under way on this connection: wait for some to be answered.", requestsMax)
	}
	c.requests++
	return nil
}

func (c *conn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests--
}

// timeout is how long the client gives us. Go writes the property without the
// vendor's prefix for most operations; and zero when it has less than a second
// left, which is no reason to fail at once.
func (q *request) timeout() time.Duration {
	for _, name := range [...]string{"com.microsoft:server-timeout", "server-timeout"} {
		v, ok := q.props.Named(name)
		if !ok {
			continue
		}
		if ms, ok := number(v); ok && ms > 0 {
			return min(time.Duration(min(ms, requestTimeoutMax.Milliseconds()))*time.Millisecond, requestTimeoutMax)
		}
	}
	return requestTimeout
}

// answerManagement replies to a request.
func (c *conn) answerManagement(e *end, q *request, body wire.Map, err error) {
	count(e.meter, 1, err)
	status, description := statusOK, "OK"
	switch {
	case err != nil:
		status, description = answerTo(err).status, fault.Sentence(err)
		var e *wire.Error
		if errors.As(err, &e) {
			status, description = 400, e.Description
		}
	case body == nil:
		status, description = statusNoContent, "No Content"
	}
	props := wire.Map{{Key: mgmtStatusCode, Value: status}, {Key: mgmtStatusDescription, Value: description}}
	if err != nil {
		props = append(props, wire.Entry{Key: mgmtErrorCondition, Value: wireError(err).Condition})
	}
	if id := q.text(mgmtTrackingID); id != "" {
		props = append(props, wire.Entry{Key: mgmtTrackingID, Value: id})
	}
	if body == nil {
		c.reply(e, q, props, nil)
		return
	}
	c.reply(e, q, props, body)
}

// call runs one turn and waits until what it recorded is durable.
func (x *exchange) call(try func(*namespace.Turn) error) error {
	var failed error
	err := x.c.ns.Call(x.ctx, func(t *namespace.Turn) { failed = try(t) })
	if err != nil {
		return err
	}
	return failed
}

// session is the session a request is about: the one it names, else the one its
// link holds.
func (x *exchange) session() (*string, error) {
	id, named, err := x.args.text("session-id")
	if err != nil || named {
		return &id, err
	}
	if x.by != nil {
		if _, held, ok := x.by.holding(); ok {
			return &held, nil
		}
	}
	return nil, nil
}

// holder is the receiver that holds a session for this connection: the one the
// request names, else any of the same entity.
func (x *exchange) holder(session string) broker.ReceiverID {
	if x.by != nil {
		if id, held, ok := x.by.holding(); ok && held == session {
			return id
		}
	}
	x.c.mu.Lock()
	defer x.c.mu.Unlock()
	for id, r := range x.c.receivers {
		if _, held, ok := r.holding(); ok && held == session && equalFold(r.addr.path, x.path) {
			return id
		}
	}
	return 0
}

// done is the reply of an operation that has nothing to tell but that it succeeded.
func done() wire.Map { return wire.Map{} }
