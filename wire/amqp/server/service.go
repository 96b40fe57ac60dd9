package server

import (
	"errors"
	"net"

	"weir/wire/amqp"
)

// Service decides who may connect and who handles a connection. Both methods are
// called on the connection's own goroutine.
type Service interface {
	// Authenticate judges a SASL init by its mechanism and initial response; the
	// mechanism is "" when the peer skipped SASL. Any error refuses the peer.
	Authenticate(info PeerInfo, mechanism string, response []byte) (identity any, err error)

	// Open is called after the peer's open, before ours, and may block. An error
	// is answered with open and close: an *amqp.Error as it is, any other as
	// amqp:internal-error without its text. A *Handover gives the connection away.
	Open(c *Conn) (Handler, error)
}

// Handler is told what the peer of one connection does, on the connection's
// goroutine and in the order of the wire. It should not block: nothing is read
// meanwhile.
type Handler interface {
	// Attach tells of a new link, to be answered, now or later and from any
	// goroutine, with Link.Accept or Link.Refuse.
	Attach(l *Link)

	// Deliver hands over a complete message on a link where the peer sends, to be
	// answered with Delivery.Settle, also when it came settled: settling makes
	// room for the next one.
	Deliver(l *Link, d *Delivery)

	// Credit tells the flow of a link where we send. It may come before the link
	// is accepted. When f.Drain is set, Link.Drained must follow what can be sent.
	Credit(l *Link, f Flow)

	// Disposition tells the peer's word on deliveries we sent. When it has not
	// settled them, Link.Settle must answer each.
	Disposition(l *Link, u Update)

	// Detached tells that a link is over, by the peer's doing or ours, or with its
	// session or connection. err is the peer's reason, if any.
	Detached(l *Link, err *amqp.Error)

	// Flush follows the calls for one chunk of input.
	Flush()

	// Closed is the last call. err is nil when the connection was closed in order.
	Closed(err error)
}

// Flow is what the peer last said of a link where we send.
type Flow struct {
	Credit     uint32   // messages that may be sent now
	Drain      bool     // the peer waits for Link.Drained
	Properties amqp.Map // aliases input that is never written again
}

// Sent is a delivery that we sent and the peer has not settled.
type Sent struct {
	ID   uint32 // delivery id in its session
	User any    // of Outgoing
}

// Update is the peer's word on deliveries that we sent on one link.
type Update struct {
	Deliveries []Sent // in order of id; may be kept
	State      amqp.State
	Settled    bool // by the peer: there is nothing to answer
}

// Handover is the error of Service.Open that gives a connection away.
type Handover struct {
	// Take gets the raw connection, without deadlines, and the bytes received from
	// the peer's open frame on. Protocol headers (and SASL) have been exchanged,
	// nothing was sent after them, and the engine touches the connection no more.
	// Serve returns when Take returns.
	Take func(conn net.Conn, prefix []byte)
}

// Error says that the connection was given away.
func (h *Handover) Error() string { return "connection handed over" }

// Header returns the AMQP protocol header. A node that passes on a connection it
// took over writes it to the next node's ServeOpened before the prefix, and drops
// as many bytes of the answer, before it copies both ways.
func Header() []byte { return amqp.ProtocolHeader(amqp.ProtocolAMQP) }

// What Link.Send and Link.WaitRoom refuse with.
var (
	ErrLinkGone = errors.New("link is not attached")
	ErrNoCredit = errors.New("link has no credit")
	ErrTooLarge = errors.New("message is larger than the peer takes")
)
