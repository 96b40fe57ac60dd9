package server

import (
	"strings"
	"testing"

	"weir/wire/amqp"
)

func TestDrain(t *testing.T) {
	svc := logged()
	svc.credit = func(l *Link, f Flow) {
		if f.Drain {
			l.Send(Outgoing{Tag: []byte{1}, Settled: true})
			l.Drained()
			l.Drained() // answers nothing
		}
	}
	p := opened(t, Config{}, svc)
	p.receiver(0, "l", 5)
	p.send(0, &amqp.Flow{IncomingWindow: 10, Handle: id(0), DeliveryCount: id(0), LinkCredit: id(5), Drain: true, Echo: true})
	p.expectTransfer()
	f := expect[*amqp.Flow](p)
	equal(t, []any{f.DeliveryCount, f.LinkCredit, f.Drain}, []any{id(5), id(0), true})
	svc.heard(t, "attach sender l", "credit l 5 drain false", "credit l 5 drain true")
	// A drain without credit is answered too.
	p.send(0, &amqp.Flow{IncomingWindow: 10, Handle: id(0), DeliveryCount: id(5), LinkCredit: id(0), Drain: true})
	f = expect[*amqp.Flow](p)
	equal(t, []any{f.DeliveryCount, f.LinkCredit, f.Drain}, []any{id(5), id(0), true})
}

// TestDrainBehindWindow: what was sent before the drain leaves before its answer.
func TestDrainBehindWindow(t *testing.T) {
	svc := &script{credit: func(l *Link, f Flow) {
		if f.Drain {
			l.Drained()
			return
		}
		for range f.Credit - 1 {
			l.Send(Outgoing{Tag: []byte{1}, Settled: true, Payload: [][]byte{[]byte("m")}})
		}
	}}
	p := newPeer(t, Config{}, svc)
	p.header(Header())
	p.send(0, &amqp.Open{ContainerID: "peer", MaxFrameSize: 512, ChannelMax: 10})
	expect[*amqp.Open](p)
	p.begin(0, 1)
	p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleReceiver, Source: &amqp.Source{}})
	expect[*amqp.Attach](p)
	p.send(0, &amqp.Flow{NextIncomingID: id(0), IncomingWindow: 1, Handle: id(0), DeliveryCount: id(0), LinkCredit: id(4)})
	p.expectTransfer()
	p.send(0, &amqp.Flow{NextIncomingID: id(1), IncomingWindow: 0, Handle: id(0), DeliveryCount: id(1), LinkCredit: id(3), Drain: true})
	p.send(0, &amqp.Flow{NextIncomingID: id(1), IncomingWindow: 5, Echo: true})
	p.expectTransfer()
	p.expectTransfer()
	if f := expect[*amqp.Flow](p); !f.Drain || f.DeliveryCount != id(4) {
		t.Errorf("drain answered with %+v", f)
	}
	if f := expect[*amqp.Flow](p); f.Handle.Set || f.NextOutgoingID != 3 {
		t.Errorf("echo %+v", f)
	}
}

func TestEchoAndProperties(t *testing.T) {
	var got Flow
	svc := logged()
	svc.credit = func(l *Link, f Flow) { got = f }
	p := opened(t, Config{}, svc)
	p.receiver(0, "l", 5)
	p.send(0, &amqp.Flow{IncomingWindow: 10, Handle: id(0), DeliveryCount: id(0), LinkCredit: id(7), Echo: true, Properties: amqp.Map{{Key: amqp.Symbol("k"), Value: []byte("v")}}})
	f := expect[*amqp.Flow](p)
	equal(t, []any{f.Handle, f.DeliveryCount, f.LinkCredit, f.Drain}, []any{id(0), id(0), id(7), false})
	svc.heard(t, "attach sender l", "credit l 5 drain false", "credit l 7 drain false")
	p.send(0, &amqp.Flow{IncomingWindow: 10, Echo: true})
	expect[*amqp.Flow](p)
	equal(t, got, Flow{Credit: 7, Properties: amqp.Map{{Key: amqp.Symbol("k"), Value: []byte("v")}}})
}

// TestPeerWindow sends more than the peer's session window takes.
func TestPeerWindow(t *testing.T) {
	var link *Link
	long := strings.Repeat("x", 2000)
	svc := logged()
	svc.credit = func(l *Link, f Flow) {
		if link == nil {
			link = l
			for _, m := range []string{"one", long, "three"} {
				if err := l.Send(Outgoing{Tag: []byte{1}, Payload: [][]byte{[]byte(m)}, User: m[:3]}); err != nil {
					t.Error(err)
				}
			}
		}
	}
	p := newPeer(t, Config{}, svc)
	p.header(Header())
	p.send(0, &amqp.Open{ContainerID: "peer", MaxFrameSize: 512, ChannelMax: 10})
	expect[*amqp.Open](p)
	p.begin(0, 3)
	p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleReceiver, Source: &amqp.Source{}})
	expect[*amqp.Attach](p)
	p.send(0, &amqp.Flow{NextIncomingID: id(0), IncomingWindow: 3, Handle: id(0), DeliveryCount: id(0), LinkCredit: id(5)})
	_, one := p.expectTransfer()
	equal(t, one, "one")
	_, a := p.expectTransfer()
	_, b := p.expectTransfer()
	p.send(0, &amqp.Flow{NextIncomingID: id(3), IncomingWindow: 0, Echo: true})
	expect[*amqp.Flow](p) // and no transfer before it
	p.send(0, &amqp.Flow{NextIncomingID: id(3), IncomingWindow: 100})
	got := a + b
	for more := true; more; {
		tr, part := p.expectTransfer()
		got, more = got+part, tr.More
	}
	equal(t, got, long)
	tr, three := p.expectTransfer()
	equal(t, []any{tr.DeliveryID, three}, []any{id(2), "three"})
	svc.heard(t, "attach sender l", "credit l 5 drain false")
	link.Conn().mu.Lock()
	defer link.Conn().mu.Unlock()
	equal(t, []int{link.session.queued, link.Conn().out.queued}, []int{0, 0})
}

// TestDetachWithQueue drops what waits for the window when the peer detaches.
func TestDetachWithQueue(t *testing.T) {
	svc := &script{credit: func(l *Link, f Flow) { l.Send(Outgoing{Tag: []byte{1}, Payload: [][]byte{[]byte(l.Name)}}) }}
	p := newPeer(t, Config{}, svc)
	p.header(Header())
	p.send(0, &amqp.Open{ContainerID: "peer", MaxFrameSize: 512, ChannelMax: 10})
	expect[*amqp.Open](p)
	p.begin(0, 0)
	for h, name := range []string{"a", "b"} {
		p.send(0, &amqp.Attach{Name: name, Handle: uint32(h), Role: amqp.RoleReceiver, Source: &amqp.Source{}})
		expect[*amqp.Attach](p)
		p.send(0, &amqp.Flow{Handle: id(uint32(h)), DeliveryCount: id(0), LinkCredit: id(1)})
	}
	p.send(0, &amqp.Detach{Handle: 0, Closed: true})
	expect[*amqp.Detach](p)
	p.send(0, &amqp.Flow{IncomingWindow: 9})
	tr, payload := p.expectTransfer()
	equal(t, []any{tr.Handle, tr.DeliveryID, payload}, []any{uint32(1), id(0), "b"})
}

// TestOwnWindow renews the window before the peer runs out of it.
func TestOwnWindow(t *testing.T) {
	p := opened(t, Config{IncomingWindow: 4}, &script{attach: func(l *Link) { l.Accept(AttachReply{Credit: 100}) }})
	p.sender(0, "l")
	for i := range uint32(2) {
		p.transfer(amqp.Transfer{DeliveryID: id(i), DeliveryTag: []byte{1}, Settled: amqp.Some(true)}, "m")
	}
	f := expect[*amqp.Flow](p)
	equal(t, []any{f.Handle.Set, f.NextIncomingID, f.IncomingWindow}, []any{false, id(2), uint32(4)})
}

func TestLeft(t *testing.T) {
	for _, tt := range []struct{ allowance, used, want uint32 }{
		{5, 0, 5}, {5, 2, 3}, {5, 5, 0}, {5, 6, 0}, {5, ^uint32(0), 5}, {^uint32(0), 3, ^uint32(0) - 3},
	} {
		if got := left(tt.allowance, tt.used); got != tt.want {
			t.Errorf("left(%d, %d) = %d, want %d", tt.allowance, tt.used, got, tt.want)
		}
	}
}
