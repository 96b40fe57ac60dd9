package amqp

import (
	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// Application properties that tell why a message was dead-lettered; also the
// names under which clients send them in the info of a rejection.
const (
	propDeadLetterReason      = "DeadLetterReason"
	propDeadLetterDescription = "DeadLetterErrorDescription"
)

// settle adds the peer's word on deliveries to the work.
func (r *receiver) settle(w *work, u server.Update) {
	word, err := rulingOf(u.State, u.Settled)
	if word.none {
		return
	}
	word.Path = r.addr.path
	if u.Settled {
		word.answer = nil
	}
	st := w.add(verbSettle)
	st.receiver, st.first = r, len(w.settlements)
	for _, sent := range u.Deliveries {
		one := settlement{Settlement: word.Settlement, sent: sent, answer: word.answer, err: err}
		if ref, ok := sent.User.(*lockRef); ok {
			one.Lock = ref.lock
		}
		w.settlements = append(w.settlements, one)
	}
	st.last = len(w.settlements)
}

// ruling is what a delivery state means: what the broker is told, and the state
// that confirms it.
type ruling struct {
	broker.Settlement
	answer wire.State
	none   bool // not an outcome yet
}

// rulingOf reads a delivery state. Clients of Azure agree on these meanings:
//
//	accepted                            complete
//	released                            given back
//	modified                            abandoned, whatever delivery-failed says
//	modified, undeliverable here        deferred
//	rejected                            dead-lettered
//	settled without an outcome          given back
func rulingOf(state wire.State, settled bool) (r ruling, err error) {
	switch st := state.(type) {
	case wire.Accepted:
		r.answer = wire.Accepted{}
	case wire.Released:
		r.Disposition, r.answer = broker.Release, wire.Released{}
	case wire.Modified:
		r.Disposition, r.Modify = broker.Abandon, modifications(st.Annotations)
		if st.UndeliverableHere {
			r.Disposition = broker.Defer
		}
		r.answer = wire.Modified{UndeliverableHere: st.UndeliverableHere}
	case wire.Rejected:
		r.Settlement, r.answer = deadLettered(st.Error), wire.Rejected{}
	case wire.TransactionalState:
		if r, err = rulingOf(st.Outcome, settled); err != nil || r.none {
			return r, err
		}
		r.Txn, err = txnOf(st.TxnID)
		r.answer = wire.TransactionalState{TxnID: st.TxnID, Outcome: r.answer}
	case nil, wire.Received:
		r.Disposition, r.none = broker.Release, !settled
	default:
		r.answer = wire.Accepted{} // there is an answer, and the error takes its place
		err = fault.New(fault.Unsupported, "This outcome is not known.")
	}
	return r, err
}

// deadLettered reads why a message is rejected. The info of the condition that
// clients of Azure send holds the reason and what else to set; another condition
// is itself the reason.
func deadLettered(e *wire.Error) broker.Settlement {
	s := broker.Settlement{Disposition: broker.DeadLetter}
	if e == nil {
		return s
	}
	if e.Condition != condDeadLetter {
		s.Reason, s.Description = string(e.Condition), e.Description
	}
	for _, entry := range e.Info {
		name, ok := keyText(entry.Key)
		if !ok {
			continue
		}
		text, _ := entry.Value.(string)
		switch name {
		case propDeadLetterReason:
			s.Reason = text
		case propDeadLetterDescription:
			s.Description = text
		default:
			s.Modify = append(s.Modify, broker.Property{Name: name, Value: entry.Value})
		}
	}
	return s
}

// modifications are application properties to set: clients send them as message
// annotations of modified, keyed by symbols.
func modifications(m wire.Map) []broker.Property {
	var set []broker.Property
	for _, entry := range m {
		if name, ok := keyText(entry.Key); ok {
			set = append(set, broker.Property{Name: name, Value: entry.Value})
		}
	}
	return set
}

func keyText(key any) (string, bool) {
	switch k := key.(type) {
	case string:
		return k, true
	case wire.Symbol:
		return string(k), true
	}
	return "", false
}

// answer confirms settlements, or says why they do not hold.
func (r *receiver) answer(settled []settlement) {
	for i := range settled {
		one := &settled[i]
		count(r.meter, 1, one.err)
		if one.err == nil {
			switch one.Disposition {
			case broker.Complete:
				r.meter.Completed.Add(1)
			case broker.Abandon:
				r.meter.Abandoned.Add(1)
			}
		}
		if one.answer == nil {
			continue
		}
		if one.err != nil {
			one.answer = wire.Rejected{Error: wireError(one.err)}
		}
		r.link.Settle(one.sent, one.answer)
	}
}
