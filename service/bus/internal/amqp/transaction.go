package amqp

import (
	"encoding/binary"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// coordinator is a link on which the peer begins and ends transactions. The
// transactions of a link that goes are rolled back.
type coordinator struct {
	*end
	open map[broker.TxnID]struct{} // the turns' goroutine's
}

// coordinatorCredit is how many declares and discharges may be on their way.
const coordinatorCredit = 100

// Capabilities of the coordinator (part 4, 4.5.1).
const capLocalTransactions wire.Symbol = "amqp:local-transactions"

func (c *conn) attachCoordinator(e *end) error {
	if e.link.Role != wire.RoleReceiver {
		return fault.New(fault.Invalid, "The coordinator is a target: it sends nothing.")
	}
	e.coordinator = &coordinator{end: e, open: map[broker.TxnID]struct{}{}}
	c.keep(e)
	p := c.pinned(e)
	p.coordinated = p.coordinated || p.links == 1
	e.link.Accept(server.AttachReply{
		Coordinator: &wire.Coordinator{Capabilities: []wire.Symbol{capLocalTransactions}},
		Credit:      coordinatorCredit,
	})
	return nil
}

// take decides on a declare or a discharge.
func (k *coordinator) take(d *server.Delivery) {
	body, err := valueBody(d.Payload)
	if err != nil {
		d.Settle(wire.Rejected{Error: wireError(err)})
		return
	}
	var declare wire.Declare
	var discharge wire.Discharge
	if _, err := declare.Decode(body); err == nil {
		k.declare(d)
	} else if _, err := discharge.Decode(body); err == nil {
		k.discharge(d, discharge)
	} else {
		d.Settle(wire.Rejected{Error: wire.Errorf(wire.ErrInvalidField, "The coordinator takes declare and discharge.")})
	}
}

func (k *coordinator) declare(d *server.Delivery) {
	var id broker.TxnID
	k.c.work.call(func(t *namespace.Turn) (err error) {
		if id, err = t.Broker.Declare(t); err == nil {
			k.open[id] = struct{}{}
		}
		return err
	}, func(err error) {
		if err != nil {
			d.Settle(wire.Rejected{Error: wireError(err)})
			return
		}
		d.Settle(wire.Declared{TxnID: txnBytes(id)})
	})
}

func (k *coordinator) discharge(d *server.Delivery, asked wire.Discharge) {
	id, err := txnOf(asked.TxnID)
	if err != nil {
		d.Settle(wire.Rejected{Error: wireError(err)})
		return
	}
	k.c.work.call(func(t *namespace.Turn) error {
		delete(k.open, id)
		return t.Broker.Discharge(t, id, asked.Fail)
	}, func(err error) {
		if err != nil {
			d.Settle(wire.Rejected{Error: wireError(err)})
			return
		}
		d.Settle(wire.Accepted{})
	})
}

// detached rolls back what the link left open.
func (k *coordinator) detached() {
	k.c.work.call(func(t *namespace.Turn) error {
		for id := range k.open {
			t.Broker.Discharge(t, id, true)
		}
		clear(k.open)
		return nil
	}, func(error) {})
}

// Transaction ids are the broker's numbers, eight bytes on the wire.

func txnBytes(id broker.TxnID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func txnOf(b []byte) (broker.TxnID, error) {
	if len(b) != 8 {
		return 0, fault.New(fault.TransactionUnknown, "No transaction has the id %x.", b)
	}
	id := broker.TxnID(binary.BigEndian.Uint64(b))
	if id == 0 {
		return 0, fault.New(fault.TransactionUnknown, "No transaction has the id %x.", b)
	}
	return id, nil
}

// transactionOf reads from a transfer's state the transaction it belongs to.
func transactionOf(s wire.State) (broker.TxnID, error) {
	if ts, ok := s.(wire.TransactionalState); ok {
		return txnOf(ts.TxnID)
	}
	return 0, nil
}

// outcome is the state a delivery is settled with: of its transaction when it has one.
func outcome(success wire.State, txn broker.TxnID, err error) wire.State {
	switch {
	case err != nil:
		return wire.Rejected{Error: wireError(err)}
	case txn != 0:
		return wire.TransactionalState{TxnID: txnBytes(txn), Outcome: success}
	}
	return success
}

// pin is what a session's links have to do with transactions. A session that
// begins with a coordinator, as .NET's does for transactions over entities, may
// reach many entities, but its receivers only one: the first receiver decides which.
type pin struct {
	session     *server.Session
	links       int    // entity links and coordinators
	coordinated bool   // the first was a coordinator
	top         string // the receivers' top-level entity
}

// pinned counts a link into its session's pin and returns it.
func (c *conn) pinned(e *end) *pin {
	c.mu.Lock()
	defer c.mu.Unlock()
	session := e.link.Session()
	p := c.pins[session]
	if p == nil {
		p = &pin{session: session}
		c.pins[session] = p
	}
	p.links++
	e.pin = p
	return p
}

// unpin counts a link out. c.mu is held.
func (c *conn) unpin(e *end) {
	if e.pin == nil {
		return
	}
	if e.pin.links--; e.pin.links == 0 {
		delete(c.pins, e.pin.session)
	}
	e.pin = nil
}

// pinReceiver refuses a receiver on a second top-level entity in a session that
// is used for transactions.
func (c *conn) pinReceiver(e *end) error {
	p, top := c.pinned(e), topOf(e.addr.path)
	switch {
	case p.top == "":
		p.top = top
	case p.coordinated && !equalFold(p.top, top):
		return fault.New(fault.Conflict, "A session with transactions receives from one entity, here '%s': "+
			"receive from '%s' on another session.", p.top, top)
	}
	return nil
}

// valueBody returns the encoded value of a message whose body is one value.
func valueBody(payload []byte) ([]byte, error) {
	m, err := wire.ScanMessage(payload)
	if err != nil {
		return nil, err
	}
	if m.BodyKind != wire.DescValue {
		return nil, wire.Errorf(wire.ErrDecode, "the body is to be one amqp-value")
	}
	_, value, err := wire.Descriptor(m.Body)
	return value, err
}
