package server

import (
	"testing"

	"weir/wire/amqp"
)

func TestAttachEchoesModes(t *testing.T) {
	p := opened(t, Config{}, &script{attach: func(l *Link) {
		l.Accept(AttachReply{MaxMessageSize: 77, Properties: amqp.Map{{Key: amqp.Symbol("k"), Value: int64(1)}}})
	}})
	for i, tt := range []struct {
		snd amqp.Optional[amqp.SenderSettleMode]
		rcv amqp.Optional[amqp.ReceiverSettleMode]
	}{
		{},
		{amqp.Some(amqp.SenderUnsettled), amqp.Some(amqp.ReceiverSecond)},
		{amqp.Some(amqp.SenderSettled), amqp.Some(amqp.ReceiverFirst)},
		{amqp.Some(amqp.SenderMixed), amqp.Optional[amqp.ReceiverSettleMode]{}},
	} {
		source := &amqp.Source{Address: "q", Filter: amqp.Map{{Key: amqp.Symbol("f"), Value: &amqp.Described{Descriptor: uint64(1), Value: "x"}}}}
		name := string(rune('a' + i))
		p.send(0, &amqp.Attach{Name: name, Handle: uint32(i), Role: amqp.RoleReceiver, SenderSettleMode: tt.snd, ReceiverSettleMode: tt.rcv,
			Source: source, Target: &amqp.Target{Address: "t"}})
		equal(t, expect[*amqp.Attach](p), &amqp.Attach{Name: name, Handle: uint32(i), Role: amqp.RoleSender,
			SenderSettleMode: tt.snd, ReceiverSettleMode: tt.rcv, Source: source, Target: &amqp.Target{Address: "t"},
			InitialDeliveryCount: amqp.Some(uint32(0)), MaxMessageSize: 77, Properties: amqp.Map{{Key: amqp.Symbol("k"), Value: int64(1)}}})
	}
}

func TestAttachForReceiving(t *testing.T) {
	svc := &script{attach: func(l *Link) {
		equal(t, l.Coordinator, &amqp.Coordinator{Capabilities: []amqp.Symbol{"amqp:local-transactions"}})
		l.Accept(AttachReply{Credit: 5})
	}}
	p := opened(t, Config{MaxMessageSize: 1000}, svc)
	attach := &amqp.Attach{Name: "txn", Role: amqp.RoleSender, Source: &amqp.Source{},
		Coordinator: &amqp.Coordinator{Capabilities: []amqp.Symbol{"amqp:local-transactions"}}, InitialDeliveryCount: amqp.Some(uint32(9))}
	p.send(0, attach)
	reply := expect[*amqp.Attach](p)
	equal(t, reply, &amqp.Attach{Name: "txn", Role: amqp.RoleReceiver, Source: &amqp.Source{}, Coordinator: attach.Coordinator, MaxMessageSize: 1000})
	flow := expect[*amqp.Flow](p)
	equal(t, []any{flow.Handle, flow.DeliveryCount, flow.LinkCredit}, []any{amqp.Some(uint32(0)), amqp.Some(uint32(9)), amqp.Some(uint32(5))})
}

func TestRefuse(t *testing.T) {
	svc := logged()
	svc.attach = func(l *Link) { l.Refuse(amqp.Errorf(amqp.ErrNotFound, "no %s", l.Name)) }
	p := opened(t, Config{}, svc)
	for range 2 { // the handle and the name are free again
		p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleReceiver, Source: &amqp.Source{Address: "q"}, Target: &amqp.Target{}})
		reply := expect[*amqp.Attach](p)
		if reply.Source != nil || reply.Target != nil || reply.Name != "l" {
			t.Errorf("attach %+v", reply)
		}
		equal(t, expect[*amqp.Detach](p), &amqp.Detach{Closed: true, Error: &amqp.Error{Condition: amqp.ErrNotFound, Description: "no l"}})
		p.send(0, &amqp.Detach{Closed: true})
		svc.heard(t, "attach sender l")
	}
	p.send(0, &amqp.Close{})
	expect[*amqp.Close](p)
	svc.heard(t, "closed <nil>")
}

// TestDetachWhilePending is a peer that changes its mind before the answer.
func TestDetachWhilePending(t *testing.T) {
	svc := logged()
	var link *Link
	svc.attach = func(l *Link) { link = l }
	p := opened(t, Config{}, svc)
	p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleReceiver, Source: &amqp.Source{}}, &amqp.Detach{Closed: true})
	if reply := expect[*amqp.Attach](p); reply.Source != nil {
		t.Errorf("attach %+v", reply)
	}
	expect[*amqp.Detach](p)
	svc.heard(t, "attach sender l", "detached l")
	link.Accept(AttachReply{})
	link.Refuse(nil)
	link.Detach(nil)
	if err := link.Send(Outgoing{}); err != ErrLinkGone {
		t.Errorf("send: %v", err)
	}
	if err := link.WaitRoom(); err != ErrLinkGone {
		t.Errorf("room: %v", err)
	}
	p.send(0, &amqp.End{})
	expect[*amqp.End](p) // nothing came in between
}

func TestDetachEchoesClosed(t *testing.T) {
	svc := logged()
	p := opened(t, Config{}, svc)
	for _, closed := range []bool{false, true} {
		p.sender(3, "l")
		p.send(0, &amqp.Detach{Handle: 3, Closed: closed, Error: &amqp.Error{Condition: "x"}})
		equal(t, expect[*amqp.Detach](p), &amqp.Detach{Handle: 3, Closed: closed})
		svc.heard(t, "attach receiver l", "detached l x")
	}
}

func TestDetachByUs(t *testing.T) {
	svc := logged()
	var link *Link
	svc.attach = func(l *Link) {
		link = l
		l.Accept(AttachReply{Credit: 1})
	}
	p := opened(t, Config{}, svc)
	p.sender(0, "l")
	link.Detach(amqp.Errorf(amqp.ErrDetachForced, "bye"))
	equal(t, expect[*amqp.Detach](p).Error.Condition, amqp.ErrDetachForced)
	// A transfer that crosses the detach is dropped.
	p.transfer(amqp.Transfer{DeliveryID: amqp.Some(uint32(0)), DeliveryTag: []byte{1}}, "late")
	p.send(0, &amqp.Detach{Closed: true})
	svc.heard(t, "attach receiver l", "detached l")
	p.sender(0, "l")
}

func TestStolen(t *testing.T) {
	svc := logged()
	p := opened(t, Config{}, svc)
	p.sender(0, "l")
	p.receiver(1, "l", 1) // the other direction is another link
	p.begin(1, 10)
	p.send(1, &amqp.Attach{Name: "l", Handle: 7, Role: amqp.RoleSender, InitialDeliveryCount: amqp.Some(uint32(0))})
	detach := expect[*amqp.Detach](p)
	equal(t, []any{detach.Handle, detach.Error.Condition}, []any{uint32(0), amqp.ErrStolen})
	expect[*amqp.Attach](p)
	svc.heard(t, "attach receiver l", "attach sender l", "credit l 1 drain false", "detached l amqp:link:stolen", "attach receiver l")
	p.send(0, &amqp.Detach{Handle: 0, Closed: true})
	p.send(0, &amqp.Detach{Handle: 1, Closed: true})
	expect[*amqp.Flow](p) // of the new link
	equal(t, expect[*amqp.Detach](p).Handle, uint32(1))
	svc.heard(t, "detached l")
}

func TestResume(t *testing.T) {
	svc := logged()
	p := opened(t, Config{}, svc)
	p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleSender, Source: &amqp.Source{}, Target: &amqp.Target{}, InitialDeliveryCount: amqp.Some(uint32(0)),
		Unsettled: amqp.Map{{Key: []byte{1}, Value: nil}}})
	if a := expect[*amqp.Attach](p); a.Unsettled == nil || len(a.Unsettled) != 0 {
		t.Errorf("unsettled %+v", a.Unsettled)
	}
	expect[*amqp.Flow](p)
	p.transfer(amqp.Transfer{DeliveryID: amqp.Some(uint32(0)), DeliveryTag: []byte{1}, Resume: true}, "m")
	equal(t, expect[*amqp.Detach](p).Error.Condition, amqp.ErrNotImplemented)
	svc.heard(t, "attach receiver l", "detached l amqp:not-implemented")
}

func TestSessionEndedByUs(t *testing.T) {
	svc := logged()
	var link *Link
	svc.attach = func(l *Link) {
		link = l
		l.Accept(AttachReply{})
	}
	p := opened(t, Config{}, svc)
	p.receiver(0, "l", 1)
	svc.heard(t, "attach sender l", "credit l 1 drain false")
	link.Session().End(amqp.Errorf(amqp.ErrInternal, "enough"))
	equal(t, expect[*amqp.End](p).Error.Condition, amqp.ErrInternal)
	if err := link.Send(Outgoing{}); err != ErrLinkGone {
		t.Errorf("send: %v", err)
	}
	p.send(0, &amqp.Flow{Handle: amqp.Some(uint32(9))}, &amqp.Attach{Name: "late", Role: amqp.RoleReceiver}, &amqp.Detach{Handle: 8}, &amqp.End{})
	svc.heard(t, "detached l")
	p.begin(0, 1)
}

func TestCloseByUs(t *testing.T) {
	svc := logged()
	var link *Link
	svc.attach = func(l *Link) {
		link = l
		l.Accept(AttachReply{})
	}
	p := opened(t, Config{}, svc)
	p.receiver(0, "l", 1)
	svc.heard(t, "attach sender l", "credit l 1 drain false")
	link.Conn().Close(amqp.Errorf(amqp.ErrConnectionForced, "bye"))
	if err := link.Send(Outgoing{}); err != ErrLinkGone {
		t.Errorf("send: %v", err)
	}
	p.send(0, &amqp.Flow{Handle: amqp.Some(uint32(0)), Echo: true}) // crosses the close
	p.expectClose(amqp.ErrConnectionForced)
	svc.heard(t, "detached l", "closed amqp:connection:forced: bye")
	<-link.Conn().Done()
	if err := <-p.served; err == nil {
		t.Error("no error")
	}
}
