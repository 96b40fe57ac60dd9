package amqp

import (
	"reflect"
	"testing"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

func TestRulings(t *testing.T) {
	txn := txnBytes(7)
	for _, c := range []struct {
		name    string
		state   wire.State
		settled bool
		want    broker.Settlement
		answer  wire.State
		none    bool
	}{
		{"complete", wire.Accepted{}, false, broker.Settlement{}, wire.Accepted{}, false},
		{"release", wire.Released{}, false, broker.Settlement{Disposition: broker.Release}, wire.Released{}, false},
		{"Go's abandon says that delivery did not fail, and counts", wire.Modified{}, false,
			broker.Settlement{Disposition: broker.Abandon}, wire.Modified{}, false},
		{"abandon with properties", wire.Modified{DeliveryFailed: true, Annotations: wire.Map{{Key: wire.Symbol("k"), Value: int32(1)}}}, false,
			broker.Settlement{Disposition: broker.Abandon, Modify: []broker.Property{{Name: "k", Value: int32(1)}}}, wire.Modified{}, false},
		{"undeliverable here is defer, not dead-letter", wire.Modified{UndeliverableHere: true}, false,
			broker.Settlement{Disposition: broker.Defer}, wire.Modified{UndeliverableHere: true}, false},
		{"dead-letter as Go and JS write it", wire.Rejected{Error: &wire.Error{Condition: "com.microsoft:dead-letter", Info: wire.Map{
			{Key: "DeadLetterReason", Value: "r"}, {Key: wire.Symbol("DeadLetterErrorDescription"), Value: "d"}, {Key: "x", Value: true}}}}, false,
			broker.Settlement{Disposition: broker.DeadLetter, Reason: "r", Description: "d", Modify: []broker.Property{{Name: "x", Value: true}}},
			wire.Rejected{}, false},
		{"rejected for another reason", wire.Rejected{Error: &wire.Error{Condition: "my:error", Description: "text"}}, false,
			broker.Settlement{Disposition: broker.DeadLetter, Reason: "my:error", Description: "text"}, wire.Rejected{}, false},
		{"rejected without a reason", wire.Rejected{}, false, broker.Settlement{Disposition: broker.DeadLetter}, wire.Rejected{}, false},
		{"in a transaction", wire.TransactionalState{TxnID: txn, Outcome: wire.Accepted{}}, false,
			broker.Settlement{Txn: 7}, wire.TransactionalState{TxnID: txn, Outcome: wire.Accepted{}}, false},
		{"forgotten", nil, true, broker.Settlement{Disposition: broker.Release}, nil, false},
		{"not an outcome yet", wire.Received{}, false, broker.Settlement{Disposition: broker.Release}, nil, true},
	} {
		r, err := rulingOf(c.state, c.settled)
		if err != nil || !reflect.DeepEqual(r.Settlement, c.want) || !reflect.DeepEqual(r.answer, c.answer) || r.none != c.none {
			t.Errorf("%s: got %+v, %v", c.name, r, err)
		}
	}
	if _, err := rulingOf(wire.TransactionalState{TxnID: []byte{1}, Outcome: wire.Accepted{}}, false); !fault.Is(err, fault.TransactionUnknown) {
		t.Errorf("a transaction id of another make: %v", err)
	}
	if r, err := rulingOf(wire.UnknownState{}, false); !fault.Is(err, fault.Unsupported) || r.answer == nil {
		t.Errorf("an unknown state is answered with a refusal: %+v, %v", r, err)
	}
}
