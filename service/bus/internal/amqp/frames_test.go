package amqp

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/kernel/identity"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

func TestLinksThatAreRefused(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	off := r.queue(func(d *broker.Definition) { d.Status = broker.SendDisabled })
	topic := r.entity(broker.Topic, unique("t"))
	sub := r.entity(broker.Subscription, topic+"/Subscriptions/s")
	p := r.peer(t)
	for _, c := range []struct {
		name      string
		target    *wire.Target
		condition wire.Symbol
	}{
		{"no address", &wire.Target{}, wire.ErrNotImplemented},
		{"dynamic", &wire.Target{Dynamic: true}, wire.ErrNotImplemented},
		{"missing", &wire.Target{Address: "missing"}, wire.ErrNotFound},
		{"subscription", &wire.Target{Address: sub}, wire.ErrNotAllowed},
		{"dead-letter queue", &wire.Target{Address: q + "/$DeadLetterQueue"}, wire.ErrNotAllowed},
		{"send disabled", &wire.Target{Address: off}, condEntityDisabled},
	} {
		if _, err := p.sends(c.name, c.target, nil, nil); err == nil || err.Condition != c.condition {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if _, _, err := p.receives("topic", topic, nil); err == nil {
		t.Error("a topic is not received from")
	}
	if _, err := p.sends("works", &wire.Target{Address: "/" + strings.ToUpper(q)}, nil, nil); err != nil {
		t.Errorf("another case, with a slash: %v", err)
	}
}

// A queue may be declared and used in one breath: the attach waits for it.
func TestAttachWaitsForTheDefinition(t *testing.T) {
	r := newRig(t, Limits{})
	p := r.peer(t)
	for i := range 20 {
		name := fmt.Sprint("fresh", i)
		r.catalog.put(broker.Definition{Name: name, Kind: broker.Queue, LockDuration: time.Minute, MaxDeliveryCount: 1, MaxSizeBytes: 1 << 20, MaxMessageBytes: 1000})
		if _, err := p.sends(name, &wire.Target{Address: name}, nil, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// Frames as rhea writes them for @azure/service-bus: sender attach, transfer, and
// a session receiver with a plain filter.
func TestAttachReplies(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue(func(d *broker.Definition) { d.RequiresSession = true })
	p := r.peer(t)
	tx, err := p.sends("tx", &wire.Target{Address: q}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.transfer(tx, message{properties: &wire.Properties{GroupID: wire.Some("s")}, data: "x"}.encode(), nil)
	p.flush()
	if d := expect[*wire.Disposition](p); !d.Settled || d.State != (wire.Accepted{}) {
		t.Errorf("got %+v", d)
	}
	for _, c := range []struct{ asked, answered any }{
		{"s", "s"},
		{&wire.Described{Descriptor: uint64(filterSessionCode), Value: nil}, &wire.Described{Descriptor: uint64(filterSessionCode), Value: "s"}},
	} {
		rx, a, err := p.receives("rx", q, wire.Map{{Key: wire.Symbol(filterSession), Value: c.asked}})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := a.Source.Filter.Named(filterSession)
		if d, ok := got.(*wire.Described); ok {
			if want := c.answered.(*wire.Described); d.Descriptor != want.Descriptor || d.Value != want.Value {
				t.Errorf("described filter %+v", d)
			}
		} else if got != c.answered {
			t.Errorf("plain filter %v", got)
		}
		ticks, _ := a.Properties.Named("com.microsoft:locked-until-utc")
		if n, ok := ticks.(int64); !ok || n <= ticksAtUnixEpoch {
			t.Errorf("locked until %T %v", ticks, ticks)
		}
		if a.SenderSettleMode != wire.Some(wire.SenderUnsettled) || a.ReceiverSettleMode != wire.Some(wire.ReceiverSecond) {
			t.Errorf("modes %v %v", a.SenderSettleMode, a.ReceiverSettleMode)
		}
		p.put(0, &wire.Detach{Handle: rx, Closed: true})
		p.flush()
		expect[*wire.Detach](p)
	}
}

// Every disposition in second mode is answered, with the outcome or with why not.
func TestDispositionsAreAnswered(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	p := r.peer(t)
	tx, _ := p.sends("tx", &wire.Target{Address: q}, nil, nil)
	for i := range 4 {
		p.transfer(tx, text(fmt.Sprint(i)), nil)
	}
	p.flush()
	p.accepted(4)
	rx, _, _ := p.receives("rx", q, nil)
	p.credit(rx, 0, 4, false)
	p.flush()
	var tags [][]byte
	for len(tags) < 4 {
		if m, ok := p.next().p.(*wire.Transfer); ok {
			if len(m.DeliveryTag) != 16 {
				t.Errorf("tag % x", m.DeliveryTag)
			}
			tags = append(tags, m.DeliveryTag)
		}
	}
	for i, c := range []struct{ state, answer wire.State }{
		{wire.Accepted{}, wire.Accepted{}},
		{wire.Modified{UndeliverableHere: true}, wire.Modified{UndeliverableHere: true}},
		{wire.Rejected{Error: &wire.Error{Condition: condDeadLetter}}, wire.Rejected{}},
		{wire.UnknownState{Value: &wire.Described{Descriptor: uint64(0x99), Value: wire.List{}}}, nil},
	} {
		p.put(0, &wire.Disposition{Role: wire.RoleReceiver, First: uint32(i), State: c.state})
		p.flush()
		d := expect[*wire.Disposition](p)
		rejected, _ := d.State.(wire.Rejected)
		if good := c.answer == nil && rejected.Error != nil || reflect.DeepEqual(d.State, c.answer); !good || !d.Settled || d.First != uint32(i) {
			t.Errorf("%#v: got %+v", c.state, d)
		}
	}
}

// A drain is answered at once, with what there is and the rest of the credit used
// up; also when the peer had asked for more than the broker decides ahead.
func TestDrain(t *testing.T) {
	r := newRig(t, Limits{})
	for _, c := range []struct{ messages, credit uint32 }{{0, 5}, {3, 5}, {5, 5}, {aheadMax + 3, 5000}, {2 * aheadMax, 5000}, {aheadMax, aheadMax}} {
		q := r.queue()
		p := r.peer(t)
		tx, _ := p.sends("tx", &wire.Target{Address: q}, nil, nil)
		for i := range c.messages {
			p.transfer(tx, text(fmt.Sprint(i)), nil)
			p.flush()
			expect[*wire.Disposition](p)
		}
		rx, _, _ := p.receives("rx", q, nil)
		count := uint32(0)
		for range 2 { // the second drain finds nothing
			p.credit(rx, count, c.credit, true)
			p.flush()
			got := uint32(0)
			for done := false; !done; {
				switch f := p.next().p.(type) {
				case *wire.Transfer:
					got++
				case *wire.Flow:
					done = f.Drain && f.Handle == wire.Some(rx)
					if done && (f.DeliveryCount.Value != count+c.credit || f.LinkCredit.Value != 0) {
						t.Errorf("%+v: flow %+v", c, f)
					}
				}
			}
			if want := min(c.messages, c.credit); count == 0 && got != want || count > 0 && got != 0 {
				t.Errorf("%+v: %d messages", c, got)
			}
			count += c.credit
		}
		// Credit after a drain works as before.
		p.transfer(tx, text("more"), nil)
		p.credit(rx, count, 1, false)
		p.flush()
		for {
			if m, ok := p.next().p.(*wire.Transfer); ok {
				if m.Handle != rx {
					t.Errorf("%+v", m)
				}
				break
			}
		}
	}
}

// A peer that asks for millions gets them piece by piece, and all of them.
func TestCreditIsGivenInPieces(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	p := r.peer(t)
	tx, _ := p.sends("tx", &wire.Target{Address: q}, nil, nil)
	rx, _, _ := p.receives("rx", q, nil)
	p.credit(rx, 0, 1<<30, false)
	p.flush()
	const n = 3 * aheadMax
	for got, sent := 0, 0; got < n; {
		for sent < n && sent < got+100 {
			p.transfer(tx, text(fmt.Sprint(sent)), nil)
			sent++
		}
		p.flush()
		if m, ok := p.next().p.(*wire.Transfer); ok {
			if m.DeliveryID.Value != uint32(got) {
				t.Fatalf("delivery %d where %d was expected", m.DeliveryID.Value, got)
			}
			got++
		}
	}
}

// Messages decided for a link that goes in the same breath are given back, and did
// not count as delivered.
func TestUnsentMessagesAreGivenBack(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	p := r.peer(t)
	tx, _ := p.sends("tx", &wire.Target{Address: q}, nil, nil)
	p.transfer(tx, text("x"), nil)
	p.flush()
	expect[*wire.Disposition](p)
	for range 20 {
		rx, _, _ := p.receives("rx", q, nil)
		p.credit(rx, 0, 10, false)
		p.put(0, &wire.Detach{Handle: rx, Closed: true})
		p.flush()
		for {
			if _, ok := p.next().p.(*wire.Detach); ok {
				break
			}
		}
	}
	rx, _, _ := p.receives("rx", q, nil)
	p.credit(rx, 0, 1, false)
	p.flush()
	_, payload := expectPayload[*wire.Transfer](p)
	m, _ := wire.ScanMessage(payload)
	if h, err := wire.DecodeHeader(m.Header); err != nil || h.DeliveryCount != 0 {
		t.Errorf("header %+v, %v", h, err)
	}
}

// One pair of token links at a time: a second is refused in a way that makes Go
// connect anew; and the reply goes by link name when there is no address.
func TestTokenLinks(t *testing.T) {
	r := newRig(t, Limits{})
	p := r.anonymous(t, "MSSBCBS", "")
	p.put(0, &wire.Open{ContainerID: "js", Hostname: "test"})
	p.put(0, &wire.Begin{IncomingWindow: 100, OutgoingWindow: 100, HandleMax: 100})
	p.flush()
	expect[*wire.Open](p)
	expect[*wire.Begin](p)
	tx, err := p.sends("cbs-tx", &wire.Target{Address: "$cbs"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	rx, _, _ := p.receives("cbs-reply", "$cbs", nil)
	p.credit(rx, 0, 10, false)
	p.flush()
	if _, err := p.sends("again", &wire.Target{Address: "$cbs"}, nil, nil); err == nil || err.Condition != wire.ErrNotAllowed {
		t.Errorf("a second pair: %v", err)
	}
	q := r.queue()
	if _, err := p.sends("early", &wire.Target{Address: q}, nil, nil); err == nil || err.Condition != wire.ErrUnauthorizedAccess {
		t.Errorf("without a token: %v", err)
	}
	good := identity.SignToken("sb://test/"+q, identity.EmulatorKeyName, identity.EmulatorKey, time.Now().Add(time.Hour))
	for _, c := range []struct {
		operation, audience string
		token               any
		status              int32
		condition           any
	}{
		{"put-token", "sb://test/" + q, good, 202, nil},
		{"put-token", "sb://test/", identity.SignToken("sb://test", identity.EmulatorKeyName, identity.EmulatorKey, time.Now().Add(time.Hour)), 202, nil},
		{"put-token", "sb://test/missing/$management", identity.SignToken("sb://test", identity.EmulatorKeyName, identity.EmulatorKey, time.Now().Add(time.Hour)), 404, wire.ErrNotFound},
		{"put-token", "sb://test/" + q, "SharedAccessSignature nonsense", 401, wire.ErrUnauthorizedAccess},
		{"put-token", "sb://test/" + q, int32(1), 400, condArgumentError},
		{"drop-token", "sb://test/" + q, good, 501, wire.ErrNotImplemented},
	} {
		b := (&wire.Properties{MessageID: "id", ReplyTo: wire.Some("cbs-reply")}).Append(nil)
		b = wire.AppendSectionMap(b, wire.DescApplicationProperties, table("operation", c.operation, "type", "servicebus.windows.net:sastoken", "name", c.audience))
		p.transfer(tx, wire.AppendValueBody(b, c.token), nil)
		p.flush()
		var reply []byte
		for settled := false; reply == nil || !settled; {
			switch f := p.next(); f.p.(type) {
			case *wire.Transfer:
				reply = f.payload
			case *wire.Disposition:
				settled = true
			}
		}
		m, _ := wire.ScanMessage(reply)
		props, _ := wire.DecodeSectionMap(m.ApplicationProperties)
		status, _ := props.Get("status-code")
		condition, _ := props.Get("error-condition")
		if status != c.status || condition != c.condition {
			t.Errorf("%s %v: got %v", c.operation, c.token, props)
		}
		if p2, _ := wire.DecodeProperties(m.Properties); p2.CorrelationID != "id" {
			t.Errorf("correlation %v", p2.CorrelationID)
		}
	}
	p.flush()
	if _, err := p.sends("now", &wire.Target{Address: q}, nil, nil); err != nil {
		t.Errorf("with a token: %v", err)
	}
}
