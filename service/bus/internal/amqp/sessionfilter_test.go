package amqp

import (
	"reflect"
	"testing"
	"time"

	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

func TestSessionFilterMirrorsTheClient(t *testing.T) {
	described := func(v any) any { return &wire.Described{Descriptor: uint64(0x137000000C), Value: v} }
	for _, c := range []struct {
		name   string
		value  any
		choice broker.SessionChoice
		id     string
		reply  any
	}{
		{"Go, named", described("s"), broker.NamedSession, "s", described("got")},
		{"Go, next", described(nil), broker.NextAvailable, "", described("got")},
		{"JS, named", "s", broker.NamedSession, "s", "got"},
		{"JS, next", nil, broker.NextAvailable, "", "got"},
		{"the session without a name", "", broker.NamedSession, "", "got"},
	} {
		l := &server.Link{Source: &wire.Source{Filter: wire.Map{{Key: wire.Symbol("com.microsoft:session-filter"), Value: c.value}}}}
		w, err := wishOf(l, time.Minute)
		if err != nil || w.choice != c.choice || w.session != c.id {
			t.Errorf("%s: got %+v, %v", c.name, w, err)
		}
		reply, _ := w.filter("got").Get(wire.Symbol("com.microsoft:session-filter"))
		if !reflect.DeepEqual(reply, c.reply) {
			t.Errorf("%s: reply %#v", c.name, reply)
		}
	}
	if w, err := wishOf(&server.Link{Source: &wire.Source{}}, 0); err != nil || w.choice != broker.NoSession {
		t.Errorf("no filter: %+v, %v", w, err)
	}
	l := &server.Link{Source: &wire.Source{Filter: wire.Map{{Key: wire.Symbol("com.microsoft:session-filter"), Value: int32(1)}}}}
	if _, err := wishOf(l, 0); err == nil {
		t.Error("a number is no session")
	}
}

func TestNextSessionWait(t *testing.T) {
	for _, c := range []struct {
		timeout any // Go and .NET a uint, JS whatever its numbers become
		want    time.Duration
	}{
		{uint32(1500), 1500 * time.Millisecond}, {int32(1500), 1500 * time.Millisecond}, {float64(1500), 1500 * time.Millisecond},
		{int64(0), 0}, {uint64(1 << 63), nextSessionMax},
	} {
		l := &server.Link{
			Source:     &wire.Source{Filter: wire.Map{{Key: wire.Symbol("com.microsoft:session-filter"), Value: nil}}},
			Properties: wire.Map{{Key: wire.Symbol("com.microsoft:timeout"), Value: c.timeout}},
		}
		if w, err := wishOf(l, time.Minute); err != nil || w.wait != c.want {
			t.Errorf("%v: got %v, %v", c.timeout, w.wait, err)
		}
	}
}
