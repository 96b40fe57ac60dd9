package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"weir/wire/amqp"
)

func TestProtocolHeaders(t *testing.T) {
	sasl, plain := amqp.ProtocolHeader(amqp.ProtocolSASL), Header()
	for name, tt := range map[string]struct{ send, want []byte }{
		"TLS inside AMQP": {amqp.ProtocolHeader(amqp.ProtocolTLS), sasl},
		"version 0.9.1":   {[]byte("AMQP\x00\x00\x09\x01"), sasl},
		"version 1.1":     {[]byte("AMQP\x03\x01\x01\x00"), sasl},
		"not AMQP":        {[]byte("GET / HT"), sasl},
	} {
		p := newPeer(t, Config{}, &script{})
		p.raw(tt.send)
		if got := p.read(8); !bytes.Equal(got, tt.want) {
			t.Errorf("%s: answered with %q", name, got)
		}
		p.conn.Close()
		if err := <-p.served; err == nil {
			t.Errorf("%s: served", name)
		}
	}
	p := newPeerOf(t, func(ctx context.Context, c net.Conn) error {
		return ServeOpened(ctx, c, Config{}, &script{}, Peer{})
	})
	p.raw(sasl)
	if got := p.read(8); !bytes.Equal(got, plain) {
		t.Errorf("SASL after SASL answered with %q", got)
	}
}

func TestSASL(t *testing.T) {
	var response string
	svc := &script{authenticate: func(info PeerInfo, mechanism string, r []byte) (any, error) {
		response = mechanism + " " + string(r)
		if strings.Contains(response, "wrong") || mechanism == "" {
			return nil, errors.New("no")
		}
		return "me", nil
	}, open: func(c *Conn) error {
		equal(t, []any{c.Identity(), c.Hostname(), c.ContainerID(), c.Properties()}, []any{"me", "h", "peer", amqp.Map{{Key: "a", Value: "b"}}})
		return nil
	}}
	for _, tt := range []struct {
		init amqp.SASLInit
		want string
		code amqp.SASLCode
	}{
		{amqp.SASLInit{Mechanism: "PLAIN", InitialResponse: []byte("\x00u\x00p")}, "PLAIN \x00u\x00p", amqp.SASLOK},
		{amqp.SASLInit{Mechanism: "MSSBCBS"}, "MSSBCBS ", amqp.SASLOK},
		{amqp.SASLInit{Mechanism: "EXTERNAL", InitialResponse: []byte{}}, "EXTERNAL ", amqp.SASLOK},
		{amqp.SASLInit{Mechanism: "PLAIN", InitialResponse: []byte("\x00u\x00wrong")}, "PLAIN \x00u\x00wrong", amqp.SASLAuth},
		{amqp.SASLInit{Mechanism: "SCRAM"}, "", amqp.SASLAuth},
	} {
		response = ""
		p := newPeer(t, Config{}, svc)
		p.header(amqp.ProtocolHeader(amqp.ProtocolSASL))
		m := expect[*amqp.SASLMechanisms](p)
		equal(t, m.Mechanisms, []amqp.Symbol{"MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"})
		p.sasl(&tt.init)
		equal(t, expect[*amqp.SASLOutcome](p).Code, tt.code)
		equal(t, response, tt.want)
		if tt.code != amqp.SASLOK {
			p.conn.Close()
			if err := <-p.served; err == nil {
				t.Error("served without authentication")
			}
			continue
		}
		p.header(Header())
		p.send(0, &amqp.Open{ContainerID: "peer", Hostname: "h", Properties: amqp.Map{{Key: "a", Value: "b"}}})
		expect[*amqp.Open](p)
		p.send(0, &amqp.Close{})
		expect[*amqp.Close](p)
		p.expectEOF()
		if err := <-p.served; err != nil {
			t.Errorf("%s: %v", tt.init.Mechanism, err)
		}
	}
	p := newPeer(t, Config{}, svc)
	p.raw(Header())
	if got := p.read(8); got[4] != amqp.ProtocolSASL {
		t.Errorf("a peer that skips SASL got %q", got)
	}
}

// TestPipelined is a peer that sends everything at once, as Proton does.
func TestPipelined(t *testing.T) {
	svc := logged()
	svc.credit = func(l *Link, f Flow) {
		if err := l.Send(Outgoing{Tag: []byte{1}, Payload: [][]byte{[]byte("m")}, Settled: true}); err != nil {
			t.Error(err)
		}
	}
	p := newPeer(t, Config{ContainerID: "us", Properties: amqp.Map{{Key: "p", Value: "v"}}}, svc)
	b := Header()
	for _, perf := range []amqp.Performative{
		&amqp.Open{ContainerID: "peer", ChannelMax: 1}, &amqp.Begin{IncomingWindow: 1, OutgoingWindow: 1, HandleMax: 1},
		&amqp.Attach{Name: "l", Role: amqp.RoleReceiver, Source: &amqp.Source{Address: "q"}},
		&amqp.Flow{IncomingWindow: 1, OutgoingWindow: 1, Handle: amqp.Some(uint32(0)), LinkCredit: amqp.Some(uint32(1))},
		&amqp.Close{},
	} {
		b = amqp.AppendFrame(b, amqp.FrameAMQP, 0, perf)
	}
	go p.conn.Write(b)
	p.read(8)
	open := expect[*amqp.Open](p)
	equal(t, open, &amqp.Open{ContainerID: "us", MaxFrameSize: 65536, ChannelMax: 4999, IdleTimeout: 120000, Properties: amqp.Map{{Key: "p", Value: "v"}}})
	expect[*amqp.Begin](p)
	expect[*amqp.Attach](p)
	if _, payload := p.expectTransfer(); payload != "m" {
		t.Errorf("payload %q", payload)
	}
	expect[*amqp.Close](p)
	svc.heard(t, "attach sender l", "credit l 1 drain false", "detached l", "closed <nil>")
}

func TestOpenRefused(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want amqp.Symbol
	}{{amqp.Errorf(amqp.ErrNotFound, "no such host"), amqp.ErrNotFound}, {errors.New("secret"), amqp.ErrInternal}} {
		p := newPeer(t, Config{}, &script{open: func(*Conn) error { return tt.err }})
		p.header(Header())
		p.send(0, &amqp.Open{ContainerID: "peer"})
		expect[*amqp.Open](p)
		p.expectClose(tt.want)
		if err := <-p.served; err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("served: %v", err)
		}
	}
}

func TestNoOpen(t *testing.T) {
	for _, tt := range []struct {
		frame []byte
		want  amqp.Symbol
	}{
		{amqp.AppendFrame(nil, amqp.FrameAMQP, 0, &amqp.Begin{}), amqp.ErrDecode},
		{amqp.AppendFrame(nil, amqp.FrameSASL, 0, &amqp.SASLOutcome{}), amqp.ErrConnectionFraming},
		{amqp.AppendFrame(nil, amqp.FrameAMQP, 0, &amqp.Open{MaxFrameSize: 100}), amqp.ErrInvalidField},
		{[]byte("\xff\xff\xff\xff\x02\x00\x00\x00"), amqp.ErrConnectionFraming},
	} {
		p := newPeer(t, Config{}, &script{})
		p.header(Header())
		p.raw(tt.frame)
		expect[*amqp.Open](p)
		p.expectClose(tt.want)
		if err := <-p.served; err == nil {
			t.Error("served")
		}
	}
}

// TestHandover hands a connection to a second server, the way one node passes it
// on to another, and the peer notices nothing.
func TestHandover(t *testing.T) {
	var got any
	owner := &script{open: func(c *Conn) error {
		got = c.Identity()
		return nil
	}}
	svc := &script{open: func(c *Conn) error {
		return &Handover{Take: func(conn net.Conn, prefix []byte) {
			near, far := net.Pipe()
			go ServeOpened(context.Background(), far, Config{ContainerID: "owner"}, owner, Peer{Info: c.Info(), Identity: c.Identity()})
			if _, err := near.Write(Header()); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(near, make([]byte, len(Header()))); err != nil {
				t.Error(err)
			}
			go func() {
				near.Write(prefix)
				io.Copy(near, conn)
				near.Close()
			}()
			io.Copy(conn, near)
			conn.Close()
		}}
	}}
	p := newPeer(t, Config{}, svc)
	p.header(Header())
	// The begin is read together with the open and has to arrive all the same.
	p.send(0, &amqp.Open{ContainerID: "peer"}, &amqp.Begin{IncomingWindow: 1, OutgoingWindow: 1})
	equal(t, expect[*amqp.Open](p).ContainerID, "owner")
	expect[*amqp.Begin](p)
	p.send(0, &amqp.Close{})
	expect[*amqp.Close](p)
	p.expectEOF()
	if err := <-p.served; err != nil {
		t.Error(err)
	}
	equal(t, got, "somebody")
}
