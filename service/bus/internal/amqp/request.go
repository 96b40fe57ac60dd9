package amqp

import (
	"errors"
	"sync"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// requester is a link on which the peer sends requests to a node.
type requester struct{ *end }

// replier is a link on which the peer receives replies. Requests name it by its
// target address, as Go and .NET do, or by its name, as JS does.
type replier struct {
	*end
	mu      sync.Mutex
	waiting [][]byte // replies for which there was no credit
	tags    uint32
}

const (
	// requestCredit is how many requests may be on their way on one link.
	requestCredit = 100
	// repliesMax is how many replies may wait for credit.
	repliesMax = 1000
	// requestsMax is how many management requests of one connection are worked on.
	requestsMax = 200
)

// request is one request, taken apart.
type request struct {
	id        any // message-id, becomes the reply's correlation-id
	replyTo   string
	operation string
	props     wire.Map
	body      any
	txn       broker.TxnID
}

// parseRequest reads a request. What can be read of a bad one is returned with
// the error, so that it can be answered.
func parseRequest(payload []byte, state wire.State) (q request, err error) {
	m, err := wire.ScanMessage(payload)
	if err != nil {
		return q, err
	}
	p, err := wire.DecodeProperties(m.Properties)
	if err != nil {
		return q, err
	}
	q.id, q.replyTo = p.MessageID, p.ReplyTo.Value
	if q.props, err = wire.DecodeSectionMap(m.ApplicationProperties); err != nil {
		return q, err
	}
	operation, _ := q.props.Named("operation")
	q.operation, _ = operation.(string)
	if q.txn, err = transactionOf(state); err != nil {
		return q, err
	}
	if m.BodyKind != wire.DescValue {
		return q, fault.New(fault.Invalid, "A request's body is one amqp-value.")
	}
	q.body, err = wire.DecodeValueBody(m.Body)
	return q, err
}

// text returns a request property that is a string.
func (q *request) text(name string) string {
	v, _ := q.props.Named(name)
	s, _ := v.(string)
	return s
}

// acceptRequests answers the attach of a link of requests.
func (c *conn) acceptRequests(e *end) {
	e.requester = &requester{e}
	c.keep(e)
	e.link.Accept(server.AttachReply{Credit: requestCredit, MaxMessageSize: requestBytesMax})
}

// requestBytesMax bounds a request: a schedule request holds whole messages.
const requestBytesMax = 128 << 20

// acceptReplies answers the attach of a link of replies.
func (c *conn) acceptReplies(e *end) {
	e.replier = &replier{end: e}
	c.keep(e)
	c.mu.Lock()
	c.replies[e.link.Name] = e.replier
	if e.link.Target != nil && e.link.Target.Address != "" {
		c.replies[e.link.Target.Address] = e.replier
	}
	c.mu.Unlock()
	e.link.Accept(server.AttachReply{})
}

// take works on a request, on the reader goroutine.
func (r *requester) take(d *server.Delivery) {
	q, err := parseRequest(d.Payload, d.State)
	if r.addr.node == nodeCBS {
		r.c.putToken(r.end, &q, err)
	} else {
		r.c.manage(r.end, &q, err)
	}
	d.Settle(wire.Accepted{})
}

// replierFor finds the link a reply goes to.
func (c *conn) replierFor(e *end, replyTo string) *replier {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.replies[replyTo]; r != nil {
		return r
	}
	if replyTo != "" {
		return nil
	}
	for other := range c.links { // a client that names none gets it on the pair's other half
		if other.replier != nil && other.addr.node == e.addr.node && equalFold(other.addr.path, e.addr.path) {
			return other.replier
		}
	}
	return nil
}

// reply answers a request. props already hold the status.
func (c *conn) reply(e *end, q *request, props wire.Map, body any) {
	r := c.replierFor(e, q.replyTo)
	if r == nil {
		c.log.Debug("a reply finds no link", "node", e.addr.path, "reply-to", q.replyTo)
		return
	}
	p := wire.Properties{CorrelationID: q.id}
	b := p.Append(nil)
	b = wire.AppendSectionMap(b, wire.DescApplicationProperties, props)
	r.send(wire.AppendValueBody(b, body))
}

// send sends a reply, or keeps it until there is credit.
func (r *replier) send(reply []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 && !errors.Is(r.trySend(reply), server.ErrNoCredit) {
		return
	}
	if len(r.waiting) == repliesMax {
		r.link.Detach(wire.Errorf(wire.ErrResourceLimitExceeded, "%d replies wait for credit.", repliesMax))
		return
	}
	r.waiting = append(r.waiting, reply)
}

func (r *replier) trySend(reply []byte) error {
	r.tags++
	tag := [4]byte{byte(r.tags >> 24), byte(r.tags >> 16), byte(r.tags >> 8), byte(r.tags)}
	return r.link.Send(server.Outgoing{
		Tag: tag[:], Payload: [][]byte{reply}, Settled: r.link.SenderSettleMode != wire.SenderUnsettled,
	})
}

// flow sends what waited for credit.
func (r *replier) flow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting) > 0 && !errors.Is(r.trySend(r.waiting[0]), server.ErrNoCredit) {
		r.waiting[0] = nil
		r.waiting = r.waiting[1:]
	}
	if r.link.Flow().Drain {
		r.link.Drained()
	}
}

func (r *replier) detached() {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	for name, other := range r.c.replies {
		if other == r {
			delete(r.c.replies, name)
		}
	}
	if r.addr.node == nodeCBS {
		r.c.cbs[1] = false
	}
}

func (r *requester) detached() {
	if r.addr.node == nodeCBS {
		r.c.mu.Lock()
		r.c.cbs[0] = false
		r.c.mu.Unlock()
	}
}
