package amqp

import (
	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

// Names of the $cbs protocol.
const (
	opPutToken           = "put-token"
	cbsAudience          = "name"
	cbsType              = "type"
	cbsStatusCode        = "status-code"
	cbsStatusDescription = "status-description"
	cbsErrorCondition    = "error-condition"
	statusAccepted       = int32(202)
)

// attachCBS accepts one pair of links for tokens. Go opens a pair for every token
// and closes it after; a second one while the first is open is refused with
// not-allowed, on which Go connects anew.
func (c *conn) attachCBS(e *end, peerSends bool) error {
	half := 1
	if peerSends {
		half = 0
	}
	c.mu.Lock()
	taken := c.cbs[half]
	c.cbs[half] = true
	c.mu.Unlock()
	if taken {
		return fault.New(fault.Conflict, "A link to connection's $cbs node has already been opened.")
	}
	if peerSends {
		c.acceptRequests(e)
	} else {
		c.acceptReplies(e)
	}
	return nil
}

// putToken judges a token and answers. A token for an entity that does not exist
// is refused as such: Go tells its users of a missing entity by this reply alone.
func (c *conn) putToken(e *end, q *request, err error) {
	if err == nil {
		err = c.grant(q)
	}
	path := entityPath(q.text(cbsAudience))
	if err != nil || path == "" {
		c.answerToken(e, q, err)
		return
	}
	c.attempt(func(t *namespace.Turn) error {
		if _, ok := t.Broker.Definition(path); !ok {
			return entityNotFound(path)
		}
		return nil
	}, func(err error) { c.answerToken(e, q, err) })
}

// entityPath is the entity an audience names, empty for the namespace.
func entityPath(audience string) string {
	a, err := parseAddress(audience)
	if err != nil {
		return ""
	}
	return a.entity
}

func (c *conn) answerToken(e *end, q *request, err error) {
	status, description := statusAccepted, "Accepted"
	props := wire.Map{}
	if err != nil {
		status, description = answerTo(err).status, fault.Sentence(err)
		props = append(props, wire.Entry{Key: cbsErrorCondition, Value: wireError(err).Condition})
		c.s.refused(Refusal{Namespace: c.ns.Name(), Path: resourcePath(q.text(cbsAudience)), Peer: c.remote, Err: err})
		c.log.Info("token refused", "audience", q.text(cbsAudience), "reason", fault.Detail(err))
	}
	props = append(props, wire.Entry{Key: cbsStatusCode, Value: status}, wire.Entry{Key: cbsStatusDescription, Value: description})
	c.reply(e, q, props, nil)
}

// grant checks a put-token request and keeps what it allows.
func (c *conn) grant(q *request) error {
	if q.operation != opPutToken {
		return fault.New(fault.Unsupported, "The operation '%s' is not known at $cbs: it takes %s.", q.operation, opPutToken)
	}
	token, ok := q.body.(string)
	if !ok {
		return fault.New(fault.Invalid, "A token is a string.")
	}
	audience := q.text(cbsAudience)
	p, err := c.s.o.Credentials.Token(c.ns.Name(), q.text(cbsType), audience, token, c.peer)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claims.put(resourcePath(audience), p, wall.Now())
}
