package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"reflect"
	"testing"

	"weir/wire/amqp"
)

// script is a Service and a Handler made of functions. What is not set accepts
// everything, and every call is told to log.
type script struct {
	authenticate func(PeerInfo, string, []byte) (any, error)
	open         func(*Conn) error
	attach       func(*Link)
	deliver      func(*Link, *Delivery)
	credit       func(*Link, Flow)
	disposition  func(*Link, Update)
	detached     func(*Link, *amqp.Error)
	closed       func(error)
	flushes      int

	log chan string // buffered; nil says nothing
}

func (s *script) say(format string, args ...any) {
	if s.log != nil {
		s.log <- fmt.Sprintf(format, args...)
	}
}

func (s *script) Authenticate(info PeerInfo, mechanism string, response []byte) (any, error) {
	if s.authenticate != nil {
		return s.authenticate(info, mechanism, response)
	}
	return "somebody", nil
}

func (s *script) Open(c *Conn) (Handler, error) {
	if s.open != nil {
		if err := s.open(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *script) Attach(l *Link) {
	s.say("attach %s %s", l.Role, l.Name)
	if s.attach != nil {
		s.attach(l)
		return
	}
	l.Accept(AttachReply{Credit: 10})
}

func (s *script) Deliver(l *Link, d *Delivery) {
	s.say("deliver %s %q", l.Name, d.Payload)
	if s.deliver != nil {
		s.deliver(l, d)
		return
	}
	d.Settle(amqp.Accepted{})
}

func (s *script) Credit(l *Link, f Flow) {
	s.say("credit %s %d drain %v", l.Name, f.Credit, f.Drain)
	if s.credit != nil {
		s.credit(l, f)
	}
}

func (s *script) Disposition(l *Link, u Update) {
	s.say("disposition %s %v %T settled %v", l.Name, u.Deliveries, u.State, u.Settled)
	if s.disposition != nil {
		s.disposition(l, u)
	}
}

func (s *script) Detached(l *Link, err *amqp.Error) {
	if err != nil {
		s.say("detached %s %s", l.Name, err.Condition)
	} else {
		s.say("detached %s", l.Name)
	}
	if s.detached != nil {
		s.detached(l, err)
	}
}

func (s *script) Flush() { s.flushes++ }

func (s *script) Closed(err error) {
	s.say("closed %v", err)
	if s.closed != nil {
		s.closed(err)
	}
}

// peer is a client that is written frame by frame.
type peer struct {
	t      *testing.T
	conn   net.Conn
	served chan error // what Serve returned
	in     []byte
}

// newPeer connects a peer to a server over a pipe.
func newPeer(t *testing.T, cfg Config, svc Service) *peer {
	return newPeerOf(t, func(ctx context.Context, conn net.Conn) error { return Serve(ctx, conn, cfg, svc) })
}

func newPeerWith(t *testing.T, ctx context.Context, cfg Config, svc Service) *peer {
	return newPeerOf(t, func(_ context.Context, conn net.Conn) error { return Serve(ctx, conn, cfg, svc) })
}

func newPeerOf(t *testing.T, serve func(context.Context, net.Conn) error) *peer {
	t.Helper()
	client, conn := net.Pipe()
	p := &peer{t: t, conn: client, served: make(chan error, 1)}
	go func() { p.served <- serve(context.Background(), conn) }()
	t.Cleanup(func() { client.Close() })
	return p
}

// opened is a peer that has done everything up to a session on channel 0.
func opened(t *testing.T, cfg Config, svc Service) *peer {
	t.Helper()
	p := newPeer(t, cfg, svc)
	p.header(Header())
	p.send(0, &amqp.Open{ContainerID: "peer", MaxFrameSize: 512, ChannelMax: 10})
	expect[*amqp.Open](p)
	p.begin(0, 100)
	return p
}

// header exchanges protocol headers.
func (p *peer) header(h []byte) {
	p.t.Helper()
	p.raw(h)
	if got := p.read(8); !bytes.Equal(got, h) {
		p.t.Fatalf("header %q answered with %q", h, got)
	}
}

func (p *peer) begin(channel uint16, window uint32) {
	p.t.Helper()
	p.send(channel, &amqp.Begin{IncomingWindow: window, OutgoingWindow: 100, HandleMax: 100})
	if b := expect[*amqp.Begin](p); b.RemoteChannel != amqp.Some(channel) {
		p.t.Fatalf("begin %+v", b)
	}
}

// raw writes bytes.
func (p *peer) raw(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

func (p *peer) send(channel uint16, ps ...amqp.Performative) {
	p.t.Helper()
	var b []byte
	for _, perf := range ps {
		b = amqp.AppendFrame(b, amqp.FrameAMQP, channel, perf)
	}
	p.raw(b)
}

func (p *peer) sasl(perf amqp.Performative) {
	p.t.Helper()
	p.raw(amqp.AppendFrame(nil, amqp.FrameSASL, 0, perf))
}

// transfer writes a transfer with a payload.
func (p *peer) transfer(t amqp.Transfer, payload string) {
	p.t.Helper()
	p.raw(transferFrame(t, payload))
}

func transferFrame(t amqp.Transfer, payload string) []byte {
	b := append(t.Append(amqp.OpenFrame(nil, amqp.FrameAMQP, 0)), payload...)
	amqp.CloseFrame(b, 0)
	return b
}

func (p *peer) read(n int) []byte {
	p.t.Helper()
	for len(p.in) < n {
		p.more()
	}
	b := p.in[:n]
	p.in = p.in[n:]
	return b
}

func (p *peer) more() {
	p.t.Helper()
	b := make([]byte, 64<<10)
	n, err := p.conn.Read(b)
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	p.in = append(p.in, b[:n]...)
}

// next reads a frame that is no heartbeat.
func (p *peer) next() (amqp.Performative, []byte) {
	p.t.Helper()
	for {
		f, size, _, err := amqp.ReadFrame(p.in, 1<<20)
		if err != nil {
			p.t.Fatal(err)
		}
		if size == 0 {
			p.more()
			continue
		}
		p.in = p.in[size:]
		if len(f.Body) == 0 {
			continue
		}
		perf, payload, err := amqp.DecodePerformative(f.Body)
		if err != nil {
			p.t.Fatal(err)
		}
		return perf, payload
	}
}

// expect reads a frame with this performative.
func expect[T amqp.Performative](p *peer) T {
	p.t.Helper()
	got, _ := p.next()
	want, ok := got.(T)
	if !ok {
		p.t.Fatalf("got %T %+v", got, got)
	}
	return want
}

// expectTransfer reads a transfer frame and its payload.
func (p *peer) expectTransfer() (amqp.Transfer, string) {
	p.t.Helper()
	got, payload := p.next()
	t, ok := got.(*amqp.Transfer)
	if !ok {
		p.t.Fatalf("got %T %+v", got, got)
	}
	return *t, string(payload)
}

// expectClose reads the server's close, checks its condition and answers.
func (p *peer) expectClose(condition amqp.Symbol) {
	p.t.Helper()
	for {
		got, _ := p.next()
		c, ok := got.(*amqp.Close)
		if !ok {
			p.t.Logf("before close: %T", got)
			continue
		}
		if c.Error == nil || c.Error.Condition != condition {
			p.t.Fatalf("closed with %v, want %s", c.Error, condition)
		}
		_, _ = p.conn.Write(amqp.AppendFrame(nil, amqp.FrameAMQP, 0, &amqp.Close{}))
		p.conn.Close()
		return
	}
}

// expectEOF checks that the server has nothing more to say.
func (p *peer) expectEOF() {
	p.t.Helper()
	b, err := io.ReadAll(p.conn)
	if err != nil || len(b)+len(p.in) != 0 {
		p.t.Fatalf("%d bytes more, %v", len(b)+len(p.in), err)
	}
}

// heard checks what the handler was told.
func (s *script) heard(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-s.log; got != w {
			t.Fatalf("handler heard %q, want %q", got, w)
		}
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func logged() *script { return &script{log: make(chan string, 1000)} }

// sender attaches a link where the peer sends, and takes the credit.
func (p *peer) sender(handle uint32, name string) {
	p.t.Helper()
	p.send(0, &amqp.Attach{Name: name, Handle: handle, Role: amqp.RoleSender, Source: &amqp.Source{}, Target: &amqp.Target{Address: name},
		InitialDeliveryCount: amqp.Some(uint32(0))})
	expect[*amqp.Attach](p)
	expect[*amqp.Flow](p)
}

// receiver attaches a link where the peer receives, and gives credit.
func (p *peer) receiver(handle uint32, name string, credit uint32) {
	p.t.Helper()
	p.send(0, &amqp.Attach{Name: name, Handle: handle, Role: amqp.RoleReceiver, Source: &amqp.Source{Address: name}, Target: &amqp.Target{}})
	expect[*amqp.Attach](p)
	p.give(handle, 0, credit)
}

func (p *peer) give(handle, count, credit uint32) {
	p.t.Helper()
	p.send(0, &amqp.Flow{NextIncomingID: amqp.Some(uint32(0)), IncomingWindow: 100, OutgoingWindow: 100,
		Handle: amqp.Some(handle), DeliveryCount: amqp.Some(count), LinkCredit: amqp.Some(credit)})
}
