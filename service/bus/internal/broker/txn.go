package broker

import (
	"weir/kernel/fault"
)

// transactions are the open ones: the owner's. What they hold is recorded when
// they are discharged, in one turn.
type transactions struct {
	open map[TxnID]*transaction
	last TxnID
	line []*transaction // those with a deadline, in its order; ended ones too
}

type transaction struct {
	id         TxnID
	deadline   int64 // ms; 0 before the first operation
	operations []operation
	messages   int
	bytes      int64
	ended      bool
}

// operation is one thing to be done when a transaction is committed.
type operation struct {
	kind      operationKind
	path, via string
	msgs      []Message
	settle    Settlement
}

type operationKind uint8

const (
	opSend operationKind = iota
	opSendVia
	opSettle
)

var errTxnUnknown = fault.New(fault.TransactionUnknown, "The transaction does not exist, has ended, or ran into its time limit.")

// Declare opens a transaction. Its time limit starts with its first operation.
func (b *Broker) Declare(t Turn) (TxnID, error) {
	b.begin(t)
	defer b.finish(t)
	if len(b.txns.open) >= transactionsMax {
		return 0, fault.New(fault.Busy, "There are %d open transactions, which is all there may be.", transactionsMax)
	}
	if b.txns.open == nil {
		b.txns.open = map[TxnID]*transaction{}
	}
	b.txns.last++
	x := &transaction{id: b.txns.last}
	b.txns.open[x.id] = x
	return x.id, nil
}

// join returns an open transaction for one more operation.
func (b *Broker) join(id TxnID) (*transaction, error) {
	x := b.txns.open[id]
	if x == nil || x.deadline != 0 && x.deadline <= b.now {
		return nil, errTxnUnknown
	}
	if len(x.operations) >= txnOperationsMax {
		return nil, fault.New(fault.QuotaExceeded, "A transaction has at most %d operations.", txnOperationsMax)
	}
	return x, nil
}

func (b *Broker) hold1(x *transaction, o operation) {
	if x.deadline == 0 {
		x.deadline = b.now + txnLifetime.Milliseconds()
		b.txns.line = append(b.txns.line, x)
	}
	x.operations = append(x.operations, o)
}

// holdSend keeps messages that were let pass until the transaction is discharged.
func (b *Broker) holdSend(id TxnID, o operation) error {
	x, err := b.join(id)
	if err != nil {
		return err
	}
	bytes := x.bytes
	for i := range o.msgs {
		bytes += int64(len(o.msgs[i].Encoded))
	}
	switch {
	case x.messages+len(o.msgs) > txnMessagesMax:
		return fault.New(fault.QuotaExceeded, "Cannot send more than %d messages in a single transaction.", txnMessagesMax)
	case bytes > txnBytesMax && x.messages > 0:
		return fault.New(fault.QuotaExceeded, "Cannot send more than %d bytes in a single transaction.", txnBytesMax)
	}
	x.messages += len(o.msgs)
	x.bytes = bytes
	b.hold1(x, o)
	return nil
}

// holdSettle keeps a settlement that was let pass. The lock cannot be used
// otherwise while the transaction is open; its time goes on.
func (b *Broker) holdSettle(s Settlement, n uint32, l *lock) error {
	x, err := b.join(s.Txn)
	if err != nil {
		return err
	}
	if l.txn != 0 {
		return enlisted
	}
	l.txn = x.id
	b.hold1(x, operation{kind: opSettle, settle: s})
	return nil
}

// Discharge ends a transaction. Committed, all it holds is done in this turn, after
// everything was looked at once more: if anything cannot be done any more nothing
// is, and the refusal is of kind TransactionRolledBack. With fail, or after that,
// locks are as they were before the transaction.
func (b *Broker) Discharge(t Turn, id TxnID, fail bool) error {
	b.begin(t)
	defer b.finish(t)
	x := b.txns.open[id]
	if x == nil || x.deadline != 0 && x.deadline <= b.now {
		return errTxnUnknown
	}
	b.end(x)
	if fail {
		return nil
	}
	if err := b.mayCommit(x); err != nil {
		return fault.Wrap(fault.TransactionRolledBack, err, "The transaction was rolled back: %s", fault.Sentence(err))
	}
	for i := range x.operations {
		b.perform(t, &x.operations[i])
	}
	return nil
}

// end forgets a transaction and frees the locks it had taken.
func (b *Broker) end(x *transaction) {
	x.ended = true
	delete(b.txns.open, x.id)
	for i := range x.operations {
		if o := &x.operations[i]; o.kind == opSettle {
			if n := b.findLock(o.settle.Lock); n != 0 {
				b.locks.at(n).txn = 0
			}
		}
	}
}

// mayCommit looks at every operation again, and at the sum of what is sent.
func (b *Broker) mayCommit(x *transaction) error {
	more := map[*entity]int64{}
	for i := range x.operations {
		o := &x.operations[i]
		if o.kind == opSettle {
			s := o.settle
			if _, _, _, err := b.maySettle(&s); err != nil {
				return err
			}
			continue
		}
		err := b.mayRepeat(o)
		if err != nil {
			return err
		}
		e := b.landing(o)
		for k := range o.msgs {
			more[e] += int64(len(o.msgs[k].Encoded))
		}
		if !e.room(more[e]) {
			return full(e)
		}
	}
	return nil
}

func (b *Broker) mayRepeat(o *operation) error {
	if o.kind == opSendVia {
		return b.maySendVia(o.via, o.path, o.msgs)
	}
	e, err := b.findEntity(o.path)
	if err != nil {
		return err
	}
	return b.maySend(e, o.msgs)
}

// landing is the entity that stores what an operation sends.
func (b *Broker) landing(o *operation) *entity {
	e, _ := b.findEntity(o.path)
	if o.kind == opSendVia && !e.takesSends() {
		e, _ = b.findEntity(o.via)
	}
	return e
}

// perform does what mayCommit has let pass.
func (b *Broker) perform(t Turn, o *operation) {
	switch o.kind {
	case opSend:
		e, _ := b.findEntity(o.path)
		b.use(e)
		b.send(t, e, o.msgs, nil)
	case opSendVia:
		b.sendVia(t, o.via, o.path, o.msgs)
	case opSettle:
		l := b.locks.at(b.findLock(o.settle.Lock))
		b.settle(t, b.places[l.place], l.seq, &o.settle)
	}
}

// wake is when the first transaction runs into its time limit, 0 for never.
func (x *transactions) wake() int64 {
	for len(x.line) > 0 && x.line[0].ended {
		x.line[0] = nil
		x.line = x.line[1:]
	}
	if len(x.line) == 0 {
		x.line = nil
		return 0
	}
	return x.line[0].deadline
}

// endTransactions rolls back those whose time is over.
func (b *Broker) endTransactions() {
	for at := b.txns.wake(); at != 0 && at <= b.now; at = b.txns.wake() {
		b.end(b.txns.line[0])
	}
}
