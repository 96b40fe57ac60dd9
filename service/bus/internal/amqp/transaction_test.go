package amqp

import (
	"testing"

	wire "weir/wire/amqp"
)

func TestTransactions(t *testing.T) {
	r := newRig(t, Limits{})
	from, to := r.queue(), r.queue()
	p := r.peer(t)
	k, err := p.sends("coordinator", nil, &wire.Coordinator{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	control := func(body interface{ Append([]byte) []byte }) wire.State {
		value := append([]byte{wire.CodeDescribed, wire.CodeSmallUlong, byte(wire.DescValue)}, body.Append(nil)...)
		p.transfer(k, value, nil)
		p.flush()
		return expect[*wire.Disposition](p).State
	}
	tx, _ := p.sends("tx", &wire.Target{Address: from}, nil, nil)
	out, _ := p.sends("out", &wire.Target{Address: to}, nil, nil)
	p.transfer(tx, text("in"), nil)
	p.flush()
	expect[*wire.Disposition](p)
	rx, _, _ := p.receives("rx", from, nil)
	if _, _, err := p.receives("second", to, nil); err == nil || err.Condition != wire.ErrNotAllowed {
		t.Errorf("the first receiver pins the session: got %v", err)
	}
	p.credit(rx, 0, 1, false)
	p.flush()
	delivery := expect[*wire.Transfer](p)

	for _, fail := range []bool{true, false} {
		declared, ok := control(&wire.Declare{}).(wire.Declared)
		if !ok {
			t.Fatal("declare was not answered")
		}
		inTxn := wire.TransactionalState{TxnID: declared.TxnID, Outcome: wire.Accepted{}}
		p.transfer(out, text("out"), wire.TransactionalState{TxnID: declared.TxnID})
		p.flush()
		if s, ok := expect[*wire.Disposition](p).State.(wire.TransactionalState); !ok || s.Outcome != (wire.Accepted{}) {
			t.Errorf("a send in a transaction is answered with %+v", s)
		}
		if !fail {
			p.put(0, &wire.Disposition{Role: wire.RoleReceiver, First: delivery.DeliveryID.Value, State: inTxn})
			p.flush()
			if s, ok := expect[*wire.Disposition](p).State.(wire.TransactionalState); !ok || s.Outcome != (wire.Accepted{}) {
				t.Errorf("a settlement in a transaction is answered with %+v", s)
			}
		}
		if s := control(&wire.Discharge{TxnID: declared.TxnID, Fail: fail}); s != (wire.Accepted{}) {
			t.Errorf("discharge: %+v", s)
		}
		if s, ok := control(&wire.Discharge{TxnID: declared.TxnID}).(wire.Rejected); !ok || s.Error.Condition != wire.ErrTransactionUnknown {
			t.Errorf("a second discharge: %+v", s)
		}
	}
	s := r.sdk(t)
	s.none(from)
	if got := bodies(s.take(s.receiver(to, nil), 1)); got[0] != "out" {
		t.Errorf("got %v", got)
	}
	p.transfer(out, text("lost"), wire.TransactionalState{TxnID: []byte("nonsense")})
	p.flush()
	if s, ok := expect[*wire.Disposition](p).State.(wire.Rejected); !ok || s.Error.Condition != wire.ErrTransactionUnknown {
		t.Errorf("an unknown transaction: %+v", s)
	}
}

// What a coordinator's link leaves open when it goes is rolled back.
func TestTransactionEndsWithItsLink(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	p := r.peer(t)
	k, _ := p.sends("coordinator", nil, &wire.Coordinator{}, nil)
	tx, _ := p.sends("tx", &wire.Target{Address: q}, nil, nil)
	value := append([]byte{wire.CodeDescribed, wire.CodeSmallUlong, byte(wire.DescValue)}, (&wire.Declare{}).Append(nil)...)
	p.transfer(k, value, nil)
	p.flush()
	id := expect[*wire.Disposition](p).State.(wire.Declared).TxnID
	p.transfer(tx, text("never"), wire.TransactionalState{TxnID: id})
	p.flush()
	expect[*wire.Disposition](p)
	p.put(0, &wire.Detach{Handle: k, Closed: true})
	p.flush()
	expect[*wire.Detach](p)
	p.transfer(tx, text("late"), wire.TransactionalState{TxnID: id})
	p.flush()
	if s, ok := expect[*wire.Disposition](p).State.(wire.Rejected); !ok || s.Error.Condition != wire.ErrTransactionUnknown {
		t.Errorf("got %+v", s)
	}
	r.sdk(t).none(q)
}

// Sending via an entity needs the claim on both, and ends at the other.
func TestSendVia(t *testing.T) {
	r := newRig(t, Limits{})
	via, to := r.queue(), r.queue()
	p := r.peer(t)
	tx, err := p.sends("tx", &wire.Target{Address: via}, nil, wire.Map{{Key: wire.Symbol("com.microsoft:transfer-destination-address"), Value: to}})
	if err != nil {
		t.Fatal(err)
	}
	p.transfer(tx, text("x"), nil)
	p.flush()
	expect[*wire.Disposition](p)
	s := r.sdk(t)
	if got := bodies(s.take(s.receiver(to, nil), 1)); got[0] != "x" {
		t.Errorf("got %v", got)
	}
	s.none(via)
}
