package server

import (
	"strings"
	"testing"

	"weir/wire/amqp"
)

func id(n uint32) amqp.Optional[uint32] { return amqp.Some(n) }

func TestIncoming(t *testing.T) {
	var got []*Delivery
	svc := logged()
	svc.deliver = func(l *Link, d *Delivery) { got = append(got, d) }
	svc.detached = func(*Link, *amqp.Error) { svc.say("that is all") }
	p := opened(t, Config{}, svc)
	p.sender(0, "l")
	txn := amqp.TransactionalState{TxnID: []byte("t")}
	p.transfer(amqp.Transfer{DeliveryID: id(0), DeliveryTag: []byte{1}, MessageFormat: id(7), State: txn}, "whole")
	p.transfer(amqp.Transfer{DeliveryID: id(1), DeliveryTag: []byte{2}, More: true}, "pa")
	p.transfer(amqp.Transfer{More: true}, "")
	p.transfer(amqp.Transfer{DeliveryID: id(1), Settled: amqp.Some(true)}, "rts")
	p.transfer(amqp.Transfer{DeliveryID: id(2), DeliveryTag: []byte{3}, More: true}, "never")
	p.transfer(amqp.Transfer{Aborted: true}, "")
	p.transfer(amqp.Transfer{DeliveryID: id(3), DeliveryTag: []byte{4}}, "")
	svc.heard(t, "attach receiver l", `deliver l "whole"`, `deliver l "parts"`, `deliver l ""`)
	p.send(0, &amqp.Detach{Closed: true})
	svc.heard(t, "detached l", "that is all")
	for _, d := range got {
		d.Link = nil
	}
	equal(t, got[0], &Delivery{Tag: []byte{1}, Format: 7, Payload: []byte("whole"), State: txn, id: 0, first: true})
	equal(t, got[1], &Delivery{Tag: []byte{2}, Payload: []byte("parts"), Settled: true, id: 1, first: true})
	equal(t, got[2].Tag, []byte{4})
}

// TestSettleRanges settles in and out of order and looks at what is written.
func TestSettleRanges(t *testing.T) {
	var got []*Delivery
	svc := logged()
	svc.deliver = func(l *Link, d *Delivery) {
		if got = append(got, d); len(got) < 7 {
			return
		}
		d.Link.Conn().Hold()
		for _, i := range []int{0, 1, 2, 4, 3} {
			got[i].Settle(amqp.Accepted{})
		}
		got[5].Settle(amqp.Rejected{Error: amqp.Errorf("x", "y")})
		got[6].Settle(amqp.Rejected{})
		got[6].Settle(amqp.Accepted{}) // too late
		d.Link.Conn().Release()
	}
	svc.attach = func(l *Link) { l.Accept(AttachReply{Credit: 1000}) }
	p := opened(t, Config{}, svc)
	p.sender(0, "l")
	var b []byte
	for i := range uint32(7) {
		b = append(b, transferFrame(amqp.Transfer{DeliveryID: id(i), DeliveryTag: []byte{byte(i)}}, "m")...)
	}
	p.raw(b)
	for _, want := range []amqp.Disposition{
		{Role: amqp.RoleReceiver, First: 0, Last: id(2), Settled: true, State: amqp.Accepted{}},
		{Role: amqp.RoleReceiver, First: 4, Settled: true, State: amqp.Accepted{}},
		{Role: amqp.RoleReceiver, First: 3, Settled: true, State: amqp.Accepted{}},
		{Role: amqp.RoleReceiver, First: 5, Settled: true, State: amqp.Rejected{Error: amqp.Errorf("x", "y")}},
		{Role: amqp.RoleReceiver, First: 6, Settled: true, State: amqp.Rejected{}},
	} {
		equal(t, expect[*amqp.Disposition](p), &want)
	}
}

func TestIncomingSecondMode(t *testing.T) {
	p := opened(t, Config{}, &script{})
	p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleSender, ReceiverSettleMode: amqp.Some(amqp.ReceiverSecond), InitialDeliveryCount: id(0), Target: &amqp.Target{}})
	expect[*amqp.Attach](p)
	expect[*amqp.Flow](p)
	p.transfer(amqp.Transfer{DeliveryID: id(0), DeliveryTag: []byte{1}}, "m")
	equal(t, expect[*amqp.Disposition](p), &amqp.Disposition{Role: amqp.RoleReceiver, State: amqp.Accepted{}})
	p.send(0, &amqp.Disposition{Role: amqp.RoleSender, Settled: true})
	p.transfer(amqp.Transfer{DeliveryID: id(1), DeliveryTag: []byte{2}, ReceiverSettleMode: amqp.Some(amqp.ReceiverFirst)}, "m")
	equal(t, expect[*amqp.Disposition](p), &amqp.Disposition{Role: amqp.RoleReceiver, First: 1, Settled: true, State: amqp.Accepted{}})
}

func TestTopUp(t *testing.T) {
	var link *Link
	var got []*Delivery
	delivered := make(chan *Delivery)
	svc := logged()
	svc.attach = func(l *Link) {
		link = l
		l.Accept(AttachReply{Credit: 4})
	}
	svc.deliver = func(l *Link, d *Delivery) { delivered <- d }
	p := opened(t, Config{}, svc)
	p.sender(0, "l")
	svc.heard(t, "attach receiver l")
	for i := range uint32(4) {
		p.transfer(amqp.Transfer{DeliveryID: id(i), DeliveryTag: []byte{1}, Settled: amqp.Some(i == 3)}, "m")
		got = append(got, <-delivered)
	}
	check := func(count, credit uint32) {
		t.Helper()
		f := expect[*amqp.Flow](p)
		equal(t, []any{f.DeliveryCount, f.LinkCredit}, []any{id(count), id(credit)})
	}
	got[0].Settle(amqp.Accepted{}) // unsettled messages use up credit: this makes room for one
	expect[*amqp.Disposition](p)
	check(4, 1)
	got[3].Settle(nil) // settled by the peer: room, but no disposition
	check(4, 2)
	link.Pause()
	got[1].Settle(amqp.Accepted{})
	got[2].Settle(amqp.Accepted{})
	expect[*amqp.Disposition](p)
	link.Resume()
	check(4, 4)
	// The peer uses up credit without sending, and asks how it stands.
	p.send(0, &amqp.Flow{IncomingWindow: 1, Handle: id(0), DeliveryCount: id(6), Echo: true})
	check(6, 4)
	check(6, 4)
}

func TestMessageTooLarge(t *testing.T) {
	svc := logged()
	svc.attach = func(l *Link) { l.Accept(AttachReply{Credit: 4, MaxMessageSize: 10}) }
	p := opened(t, Config{}, svc)
	p.sender(0, "l")
	p.transfer(amqp.Transfer{DeliveryID: id(0), DeliveryTag: []byte{1}, More: true}, "123456")
	p.transfer(amqp.Transfer{More: true}, "7890x")
	p.transfer(amqp.Transfer{}, "rest")
	// The outcome says it, and the link goes on: its credit is whole again.
	equal(t, expect[*amqp.Disposition](p).State.(amqp.Rejected).Error.Condition, amqp.ErrMessageSizeExceeded)
	equal(t, expect[*amqp.Flow](p).LinkCredit, id(4))
	p.transfer(amqp.Transfer{DeliveryID: id(1), DeliveryTag: []byte{2}}, "small")
	expect[*amqp.Disposition](p)
	expect[*amqp.Flow](p)
	svc.heard(t, "attach receiver l", `deliver l "small"`)
	// A peer that settled the message itself would hear nothing: its link ends.
	p.transfer(amqp.Transfer{DeliveryID: id(2), DeliveryTag: []byte{3}, Settled: amqp.Some(true)}, "12345678901")
	equal(t, expect[*amqp.Detach](p).Error.Condition, amqp.ErrMessageSizeExceeded)
	svc.heard(t, "detached l amqp:link:message-size-exceeded")
}

func TestOutgoing(t *testing.T) {
	long := strings.Repeat("0123456789", 120)
	svc := logged()
	svc.credit = func(l *Link, f Flow) {
		if f.Credit != 3 {
			return
		}
		for i, m := range []Outgoing{
			{Tag: []byte{1}, Format: 5, Payload: [][]byte{[]byte("a"), nil, []byte("b")}, User: "first"},
			{Tag: []byte{2}, Payload: [][]byte{[]byte(long[:700]), []byte(long[700:])}, User: "second"},
			{Tag: []byte{3}, Settled: true, State: amqp.TransactionalState{TxnID: []byte{9}}},
		} {
			if err := l.Send(m); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}
		if err := l.Send(Outgoing{}); err != ErrNoCredit {
			t.Errorf("without credit: %v", err)
		}
	}
	p := opened(t, Config{}, svc)
	p.receiver(0, "l", 3)
	first, payload := p.expectTransfer()
	equal(t, first, amqp.Transfer{DeliveryID: id(0), DeliveryTag: []byte{1}, MessageFormat: id(5), Settled: amqp.Some(false)})
	equal(t, payload, "ab")
	second, payload := p.expectTransfer()
	equal(t, second, amqp.Transfer{DeliveryID: id(1), DeliveryTag: []byte{2}, MessageFormat: id(0), Settled: amqp.Some(false), More: true})
	for second.More {
		var part string
		second, part = p.expectTransfer()
		payload += part
	}
	equal(t, payload, long)
	third, _ := p.expectTransfer()
	equal(t, third, amqp.Transfer{DeliveryID: id(2), DeliveryTag: []byte{3}, MessageFormat: id(0), Settled: amqp.Some(true), State: amqp.TransactionalState{TxnID: []byte{9}}})
	svc.heard(t, "attach sender l", "credit l 3 drain false")

	p.send(0, &amqp.Disposition{Role: amqp.RoleReceiver, First: 0, Last: id(4_000_000), Settled: true, State: amqp.Accepted{}})
	svc.heard(t, "disposition l [{0 first} {1 second}] amqp.Accepted settled true")
	p.send(0, &amqp.Disposition{Role: amqp.RoleReceiver, First: 0, Settled: true, State: amqp.Accepted{}}) // known no more
	p.give(0, 3, 1)
	svc.heard(t, "credit l 1 drain false")
}

// TestOutgoingSecondMode has the server's answer settle, over two links.
func TestOutgoingSecondMode(t *testing.T) {
	svc := logged()
	svc.credit = func(l *Link, f Flow) {
		for f.Credit > 0 {
			if err := l.Send(Outgoing{Tag: []byte{1}, User: f.Credit}); err != nil {
				t.Error(err)
			}
			f.Credit--
		}
	}
	svc.disposition = func(l *Link, u Update) {
		if !u.Settled {
			for _, d := range u.Deliveries {
				l.Settle(d, u.State)
				l.Settle(d, u.State) // known no more
			}
		}
	}
	p := opened(t, Config{}, svc)
	p.receiver(0, "a", 2)
	p.expectTransfer()
	p.expectTransfer()
	p.receiver(1, "b", 1)
	p.expectTransfer()
	svc.heard(t, "attach sender a", "credit a 2 drain false", "attach sender b", "credit b 1 drain false")
	rejected := amqp.Rejected{Error: &amqp.Error{Condition: "com.microsoft:dead-letter"}}
	p.send(0, &amqp.Disposition{Role: amqp.RoleReceiver, First: 0, Last: id(2), State: amqp.Released{}})
	equal(t, expect[*amqp.Disposition](p), &amqp.Disposition{Role: amqp.RoleSender, First: 0, Last: id(2), Settled: true, State: amqp.Released{}})
	svc.heard(t, "disposition a [{0 2} {1 1}] amqp.Released settled false", "disposition b [{2 1}] amqp.Released settled false")
	p.give(1, 1, 1)
	p.expectTransfer()
	p.send(0, &amqp.Disposition{Role: amqp.RoleReceiver, First: 3, State: rejected})
	equal(t, expect[*amqp.Disposition](p), &amqp.Disposition{Role: amqp.RoleSender, First: 3, Settled: true, State: rejected})
}

func TestSenderSettledMode(t *testing.T) {
	p := opened(t, Config{}, &script{credit: func(l *Link, f Flow) { l.Send(Outgoing{Tag: []byte{1}}) }})
	p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleReceiver, SenderSettleMode: amqp.Some(amqp.SenderSettled), MaxMessageSize: 5})
	expect[*amqp.Attach](p)
	p.give(0, 0, 1)
	if tr, _ := p.expectTransfer(); !tr.Settled.Value {
		t.Errorf("transfer %+v", tr)
	}
}

func TestPeerMaxMessageSize(t *testing.T) {
	errs := make(chan error, 1)
	p := opened(t, Config{}, &script{credit: func(l *Link, f Flow) { errs <- l.Send(Outgoing{Payload: [][]byte{make([]byte, 6)}}) }})
	p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleReceiver, MaxMessageSize: 5})
	expect[*amqp.Attach](p)
	p.give(0, 0, 1)
	equal(t, <-errs, ErrTooLarge)
}
