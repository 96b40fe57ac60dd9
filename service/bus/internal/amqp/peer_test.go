package amqp

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"weir/kernel/identity"
	wire "weir/wire/amqp"
)

// peer is a client that writes the frames a test tells it to, for what no client
// library can be made to do. It has one session, on channel 0.
type peer struct {
	t       *testing.T
	conn    net.Conn
	in      []byte
	out     []byte // gathered by put, sent by flush
	handles uint32
	ids     uint32
}

// frame is one frame that came, with its payload.
type frame struct {
	p       wire.Performative
	payload []byte
}

func (r *rig) peer(t *testing.T) *peer {
	t.Helper()
	p := r.dumb(t)
	p.put(0, &wire.Open{ContainerID: "peer", Hostname: "test", ChannelMax: 10})
	p.put(0, &wire.Begin{IncomingWindow: 5000, OutgoingWindow: 5000, HandleMax: 100})
	p.flush()
	expect[*wire.Open](p)
	expect[*wire.Begin](p)
	return p
}

// dumb is a peer that went through SASL PLAIN and has said nothing yet.
func (r *rig) dumb(t *testing.T) *peer {
	t.Helper()
	p := r.anonymous(t, "PLAIN", "\x00"+identity.EmulatorKeyName+"\x00"+identity.EmulatorKey)
	return p
}

func (r *rig) anonymous(t *testing.T, mechanism wire.Symbol, response string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	p := &peer{t: t, conn: c}
	p.out = append(p.out, wire.ProtocolHeader(wire.ProtocolSASL)...)
	p.out = wire.AppendFrame(p.out, wire.FrameSASL, 0, &wire.SASLInit{Mechanism: mechanism, InitialResponse: []byte(response)})
	p.flush()
	p.header(wire.ProtocolSASL)
	expect[*wire.SASLMechanisms](p)
	if outcome := expect[*wire.SASLOutcome](p); outcome.Code != wire.SASLOK {
		t.Fatalf("SASL outcome %d", outcome.Code)
	}
	p.out = append(p.out, wire.ProtocolHeader(wire.ProtocolAMQP)...)
	p.flush()
	p.header(wire.ProtocolAMQP)
	return p
}

func (p *peer) header(protocol byte) {
	p.t.Helper()
	for len(p.in) < 8 {
		p.read()
	}
	if !bytes.Equal(p.in[:8], wire.ProtocolHeader(protocol)) {
		p.t.Fatalf("got header % x", p.in[:8])
	}
	p.in = p.in[8:]
}

func (p *peer) read() {
	p.t.Helper()
	chunk := make([]byte, 64<<10)
	n, err := p.conn.Read(chunk)
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	p.in = append(p.in, chunk[:n]...)
}

// put gathers a frame; what is gathered arrives in one read.
func (p *peer) put(channel uint16, f wire.Performative, payload ...byte) {
	start := len(p.out)
	p.out = wire.OpenFrame(p.out, wire.FrameAMQP, channel)
	p.out = append(f.Append(p.out), payload...)
	wire.CloseFrame(p.out, start)
}

func (p *peer) flush() {
	p.t.Helper()
	if _, err := p.conn.Write(p.out); err != nil {
		p.t.Fatal(err)
	}
	p.out = p.out[:0]
}

// next returns the next frame that is not a heartbeat.
func (p *peer) next() frame {
	p.t.Helper()
	for {
		f, size, _, err := wire.ReadFrame(p.in, 1<<20)
		if err != nil {
			p.t.Fatal(err)
		}
		if size == 0 {
			p.read()
			continue
		}
		p.in = p.in[size:]
		if len(f.Body) == 0 {
			continue
		}
		body := bytes.Clone(f.Body)
		perf, payload, err := wire.DecodePerformative(body)
		if err != nil {
			p.t.Fatal(err)
		}
		return frame{perf, payload}
	}
}

// expect returns the next frame, which is to be of this kind; flows of a session
// or for more credit are passed over unless they are what is expected.
func expect[T wire.Performative](p *peer) T {
	p.t.Helper()
	v, _ := expectPayload[T](p)
	return v
}

func expectPayload[T wire.Performative](p *peer) (T, []byte) {
	p.t.Helper()
	for {
		f := p.next()
		if v, ok := f.p.(T); ok {
			return v, f.payload
		}
		if _, flow := f.p.(*wire.Flow); !flow {
			p.t.Fatalf("got %#v", f.p)
		}
	}
}

// closed reads until the server closes the connection and returns why.
func (p *peer) closed() *wire.Error {
	p.t.Helper()
	for {
		f := p.next()
		if c, ok := f.p.(*wire.Close); ok {
			return c.Error
		}
	}
}

// accepted reads until n deliveries we sent have been accepted.
func (p *peer) accepted(n uint32) {
	p.t.Helper()
	for n > 0 {
		d := expect[*wire.Disposition](p)
		if d.State != (wire.Accepted{}) {
			p.t.Fatalf("got %+v", d)
		}
		n -= d.Last.Or(d.First) - d.First + 1
	}
}

// sends attaches a link to send on and waits for credit.
func (p *peer) sends(name string, target *wire.Target, coordinator *wire.Coordinator, props wire.Map) (handle uint32, err *wire.Error) {
	p.t.Helper()
	handle = p.handles
	p.handles++
	p.put(0, &wire.Attach{
		Name: name, Handle: handle, Role: wire.RoleSender, Source: &wire.Source{}, Target: target, Coordinator: coordinator,
		Properties: props, InitialDeliveryCount: wire.Some(uint32(0)),
	})
	p.flush()
	a := expect[*wire.Attach](p)
	if a.Target == nil && a.Coordinator == nil {
		return handle, p.refused(handle)
	}
	expect[*wire.Flow](p)
	return handle, nil
}

// receives attaches a link to receive on, in second mode.
func (p *peer) receives(name, address string, filter wire.Map) (uint32, *wire.Attach, *wire.Error) {
	p.t.Helper()
	handle := p.handles
	p.handles++
	p.put(0, &wire.Attach{
		Name: name, Handle: handle, Role: wire.RoleReceiver, Source: &wire.Source{Address: address, Filter: filter}, Target: &wire.Target{},
		SenderSettleMode: wire.Some(wire.SenderUnsettled), ReceiverSettleMode: wire.Some(wire.ReceiverSecond),
	})
	p.flush()
	a := expect[*wire.Attach](p)
	if a.Source == nil {
		return handle, a, p.refused(handle)
	}
	return handle, a, nil
}

func (p *peer) refused(handle uint32) *wire.Error {
	p.t.Helper()
	d := expect[*wire.Detach](p)
	p.put(0, &wire.Detach{Handle: handle, Closed: true})
	return d.Error
}

// transfer gathers a message on a link.
func (p *peer) transfer(handle uint32, payload []byte, state wire.State) uint32 {
	id := p.ids
	p.ids++
	p.put(0, &wire.Transfer{
		Handle: handle, DeliveryID: wire.Some(id), DeliveryTag: []byte{byte(id)}, MessageFormat: wire.Some(uint32(0)), State: state,
	}, payload...)
	return id
}

func (p *peer) credit(handle, count, credit uint32, drain bool) {
	p.put(0, &wire.Flow{
		NextIncomingID: wire.Some(uint32(0)), IncomingWindow: 5000, OutgoingWindow: 5000,
		Handle: wire.Some(handle), DeliveryCount: wire.Some(count), LinkCredit: wire.Some(credit), Drain: drain,
	})
}

func (p *peer) gone() bool {
	_, err := io.Copy(io.Discard, p.conn)
	return err == nil
}

func text(body string) []byte {
	return message{properties: &wire.Properties{MessageID: body}, data: body}.encode()
}
