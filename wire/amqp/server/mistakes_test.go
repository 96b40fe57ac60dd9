package server

import (
	"context"
	"encoding/binary"
	"testing"

	"weir/wire/amqp"
)

// TestConnectionMistakes: what concerns no session ends the connection, and
// nothing else.
func TestConnectionMistakes(t *testing.T) {
	frame := func(channel uint16, p amqp.Performative) []byte {
		return amqp.AppendFrame(nil, amqp.FrameAMQP, channel, p)
	}
	body := func(b string) []byte {
		f := append(amqp.OpenFrame(nil, amqp.FrameAMQP, 0), b...)
		amqp.CloseFrame(f, 0)
		return f
	}
	huge := binary.BigEndian.AppendUint32(nil, 70000)
	other := opened(t, Config{}, &script{})
	for name, tt := range map[string]struct {
		raw  []byte
		want amqp.Symbol
	}{
		"frame too large":        {append(huge, 2, 0, 0, 0), amqp.ErrConnectionFraming},
		"frame too small":        {[]byte{0, 0, 0, 4, 2, 0, 0, 0}, amqp.ErrConnectionFraming},
		"offset outside":         {[]byte{0, 0, 0, 8, 9, 0, 0, 0}, amqp.ErrConnectionFraming},
		"unknown frame type":     {[]byte{0, 0, 0, 8, 2, 7, 0, 0}, amqp.ErrConnectionFraming},
		"SASL frame":             {amqp.AppendFrame(nil, amqp.FrameSASL, 0, &amqp.SASLOutcome{}), amqp.ErrConnectionFraming},
		"body that is no value":  {body("\x13"), amqp.ErrDecode},
		"body cut short":         {body("\x00\x53\x14\xc0\x09\x02\x43"), amqp.ErrDecode},
		"field of a wrong type":  {body("\x00\x53\x14\xc0\x03\x01\xa1\x00"), amqp.ErrDecode},
		"mandatory field absent": {body("\x00\x53\x14\x45"), amqp.ErrInvalidField},
		"unknown performative":   {body("\x00\x53\x19\x45"), amqp.ErrNotImplemented},
		"SASL performative":      {body("\x00\x53\x40\x45"), amqp.ErrNotImplemented},
		"unknown symbol":         {body("\x00\xa3\x01x\x45"), amqp.ErrNotImplemented},
		"second open":            {frame(0, &amqp.Open{}), amqp.ErrIllegalState},
		"no session":             {frame(5, &amqp.Flow{}), amqp.ErrNotAllowed},
		"channel in use":         {frame(0, &amqp.Begin{}), amqp.ErrNotAllowed},
		"channel too high":       {frame(11, &amqp.Begin{}), amqp.ErrConnectionFraming},
		"begin as an answer":     {frame(1, &amqp.Begin{RemoteChannel: amqp.Some(uint16(1))}), amqp.ErrNotAllowed},
		"handle too high":        {frame(0, &amqp.Attach{Handle: 5000, Role: amqp.RoleReceiver}), amqp.ErrConnectionFraming},
		"attach malformed":       {body("\x00\x53\x12\x45"), amqp.ErrInvalidField},
	} {
		t.Run(name, func(t *testing.T) {
			svc := logged()
			p := opened(t, Config{}, svc)
			p.t = t
			p.sender(0, "l")
			p.raw(tt.raw)
			p.expectClose(tt.want)
			if err := <-p.served; err == nil {
				t.Error("no error")
			}
			svc.heard(t, "attach receiver l", "detached l")
		})
	}
	other.send(0, &amqp.End{})
	expect[*amqp.End](other)
}

// TestSessionMistakes: what concerns a session ends it, and no other.
func TestSessionMistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		send []amqp.Performative
		want amqp.Symbol
	}{
		"handle in use":     {[]amqp.Performative{&amqp.Attach{Name: "m", Role: amqp.RoleReceiver}}, amqp.ErrHandleInUse},
		"flow without link": {[]amqp.Performative{&amqp.Flow{Handle: id(8)}}, amqp.ErrUnattachedHandle},
		"transfer without":  {[]amqp.Performative{&amqp.Transfer{Handle: 8}}, amqp.ErrUnattachedHandle},
		"detach without":    {[]amqp.Performative{&amqp.Detach{Handle: 8}}, amqp.ErrUnattachedHandle},
		"range backwards":   {[]amqp.Performative{&amqp.Disposition{Role: amqp.RoleReceiver, First: 5, Last: id(3)}}, amqp.ErrInvalidField},
	} {
		t.Run(name, func(t *testing.T) {
			svc := logged()
			p := opened(t, Config{}, svc)
			p.t = t
			p.begin(1, 10)
			p.sender(0, "l")
			p.send(0, tt.send...)
			equal(t, expect[*amqp.End](p).Error.Condition, tt.want)
			svc.heard(t, "attach receiver l", "detached l "+string(tt.want))
			p.send(0, &amqp.Flow{Handle: id(8)}, &amqp.End{}) // crosses our end
			p.send(1, &amqp.Flow{Echo: true})
			expect[*amqp.Flow](p)
			p.begin(0, 1)
		})
	}
}

// TestLinkMistakes: what concerns a link detaches it, and no other.
func TestLinkMistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		handle uint32
		send   []amqp.Transfer
		want   amqp.Symbol
	}{
		"wrong direction":     {1, []amqp.Transfer{{DeliveryID: id(0)}}, amqp.ErrNotAllowed},
		"no delivery id":      {0, []amqp.Transfer{{}}, amqp.ErrInvalidField},
		"no credit":           {0, []amqp.Transfer{{DeliveryID: id(0)}, {DeliveryID: id(1)}}, amqp.ErrTransferLimitExceeded},
		"delivery in another": {0, []amqp.Transfer{{DeliveryID: id(0), More: true}, {DeliveryID: id(1)}}, amqp.ErrNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			svc := logged()
			svc.attach = func(l *Link) { l.Accept(AttachReply{Credit: 1}) }
			svc.deliver = func(*Link, *Delivery) {} // which gives no credit back
			p := opened(t, Config{}, svc)
			p.t = t
			p.sender(0, "l")
			p.receiver(1, "m", 0)
			svc.heard(t, "attach receiver l", "attach sender m", "credit m 0 drain false")
			for _, tr := range tt.send {
				tr.Handle = tt.handle
				p.transfer(tr, "m")
			}
			d := expect[*amqp.Detach](p)
			equal(t, []any{d.Handle, d.Error.Condition}, []any{tt.handle, tt.want})
			p.send(0, &amqp.Detach{Handle: tt.handle, Closed: true}, &amqp.Detach{Handle: 1 - tt.handle})
			equal(t, expect[*amqp.Detach](p), &amqp.Detach{Handle: 1 - tt.handle})
		})
	}
}

func TestPeerGoesAway(t *testing.T) {
	svc := logged()
	p := opened(t, Config{}, svc)
	p.sender(0, "l")
	p.conn.Close()
	svc.heard(t, "attach receiver l", "detached l", "closed unexpected EOF")
	if err := <-p.served; err == nil {
		t.Error("no error")
	}
}

func TestPeerClosesWithError(t *testing.T) {
	svc := logged()
	p := opened(t, Config{}, svc)
	p.send(0, &amqp.Close{Error: &amqp.Error{Condition: "x"}})
	expect[*amqp.Close](p)
	p.expectEOF()
	svc.heard(t, "closed x")
}

func TestServerGoesAway(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := newPeerWith(t, ctx, Config{}, &script{})
	p.header(Header())
	p.send(0, &amqp.Open{ContainerID: "peer"})
	expect[*amqp.Open](p)
	cancel()
	p.expectClose(amqp.ErrConnectionForced)
	<-p.served
}
