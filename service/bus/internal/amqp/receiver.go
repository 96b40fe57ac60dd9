package amqp

import (
	"sync"

	"weir/kernel/identity"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// receiver is a link on which the peer receives messages from an entity or one of
// its sub-queues.
//
// Credit is counted twice. The link counts deliveries as the peer does; the broker
// counts those it has decided. The broker is never given more than aheadMax beyond
// what was sent, so that a peer that asks for millions does not fill our memory,
// and one that goes away while messages are received and deleted loses few.
type receiver struct {
	*end
	mode broker.Mode
	wish sessionWish

	id broker.ReceiverID // set once, in a turn

	mu      sync.Mutex
	open    bool // the broker knows it
	gone    bool // the link is
	session string
	inOne   bool      // it holds a session
	limit   uint32    // deliveries the peer has allowed, ever
	drain   bool      // and asked to end, not passed on yet
	sent    uint32    // deliveries sent, ever, in the link's count
	given   uint32    // the limit the broker was given, in its own count
	shift   uint32    // the link's count minus the broker's
	drains  []uint32  // limits, in the broker's count, that it was asked to drain to
	refs    []lockRef // memory for the next deliveries
	tags    uint64    // deliveries without a lock, for their tags
}

// aheadMax is how many deliveries the broker may decide ahead of the socket.
const aheadMax = 512

// lockRef is what the engine keeps for us with an unsettled delivery.
type lockRef struct{ lock broker.LockToken }

func (c *conn) attachReceiver(e *end) (err error) {
	r := &receiver{end: e}
	e.receiver = r
	if err := c.authorise(e, identity.Listen, e.addr.path); err != nil {
		return err
	}
	if r.wish, err = wishOf(e.link, c.s.o.Limits.NextSession); err != nil {
		return err
	}
	if err := c.pinReceiver(e); err != nil {
		return err
	}
	if e.link.SenderSettleMode == wire.SenderSettled {
		r.mode = broker.ReceiveAndDelete
	}
	e.meter = c.ns.Meter(e.addr.entity)
	c.keep(e)
	var opened namespace.Opened
	c.attempt(func(t *namespace.Turn) (err error) {
		opened, err = r.begin(t)
		return err
	}, func(err error) {
		switch {
		case err != nil:
			r.refuse(err)
		case !opened.Waiting:
			r.accept(opened)
		}
	})
	return nil
}

// begin opens the receiver, in a turn, and gives it the credit that came meanwhile.
func (r *receiver) begin(t *namespace.Turn) (namespace.Opened, error) {
	spec := broker.ReceiverSpec{Path: r.addr.path, Mode: r.mode, Choice: r.wish.choice, Session: r.wish.session}
	if spec.Choice == broker.NextAvailable {
		spec.WaitUntil = t.Now().Add(r.wish.patience())
	}
	o, err := t.OpenReceiver(r.c.sink, spec)
	if err != nil {
		return o, err
	}
	r.id = o.ID
	r.c.mu.Lock()
	r.c.receivers[o.ID] = r
	r.c.mu.Unlock()
	r.mu.Lock()
	gone := r.gone
	r.mu.Unlock()
	if gone { // while it waited for the entity to be defined
		t.CloseReceiver(o.ID)
		t.Reveal(func() { r.c.note(forgotten, o.ID) })
		return o, nil
	}
	if !o.Waiting {
		r.started(o.Session)
		r.credit(t)
	}
	return o, nil
}

// started notes that the broker may give messages from now on.
func (r *receiver) started(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open, r.session, r.inOne = true, session, r.wish.choice != broker.NoSession
}

// accept answers the attach: the peer's own source, with the session in force.
func (r *receiver) accept(o namespace.Opened) {
	source := *r.link.Source
	source.Filter = nil
	reply := server.AttachReply{Source: &source}
	if r.wish.choice != broker.NoSession {
		source.Filter = r.wish.filter(o.Session)
		reply.Properties = wire.Map{{Key: symbolOfLockedUntilUTC, Value: ticksOf(o.LockedUntil)}}
	}
	r.link.Accept(reply)
}

// flow takes the peer's word on credit, on the reader goroutine.
func (r *receiver) flow() {
	r.mu.Lock()
	if r.allowed().Drain {
		r.drain = true
	}
	r.mu.Unlock()
	r.c.work.add(verbCredit).receiver = r
}

// allowed brings limit up to date. r.mu is held, and was for every Send: so the
// link's credit is what is left beyond sent.
func (r *receiver) allowed() server.Flow {
	f := r.link.Flow()
	r.limit = r.sent + f.Credit
	return f
}

// credit passes it on to the broker, in a turn; a receiver that is given up is
// closed.
func (r *receiver) credit(t *namespace.Turn) {
	r.mu.Lock()
	if !r.open || r.gone {
		gone := r.gone
		r.mu.Unlock()
		if gone {
			t.CloseReceiver(r.id)
		}
		return
	}
	allow := r.limit
	if ahead := r.sent + aheadMax; int32(allow-ahead) > 0 {
		allow = ahead
	}
	limit, drain := allow-r.shift, r.drain
	if limit == r.given && !drain {
		r.mu.Unlock()
		return
	}
	r.given, r.drain = limit, false
	if drain {
		r.drains = append(r.drains, limit)
	}
	r.mu.Unlock()
	t.Broker.Credit(t, r.id, limit, drain)
}

// detached ends the receiver, on the reader goroutine.
func (r *receiver) detached() {
	r.mu.Lock()
	r.gone = true
	r.mu.Unlock()
	r.c.work.call(func(t *namespace.Turn) error {
		t.CloseReceiver(r.id)
		return nil
	}, func(error) { r.c.note(forgotten, r.id) })
}

// holding returns the session the receiver holds.
func (r *receiver) holding() (id broker.ReceiverID, session string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.id, r.session, r.open && r.inOne && !r.gone
}

// ref returns memory that names a lock for as long as its delivery is unsettled.
func (r *receiver) ref(lock broker.LockToken) *lockRef {
	if len(r.refs) == 0 {
		r.refs = make([]lockRef, 64)
	}
	ref := &r.refs[0]
	r.refs = r.refs[1:]
	ref.lock = lock
	return ref
}
