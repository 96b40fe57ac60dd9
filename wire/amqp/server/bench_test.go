package server

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/wire/amqp"
)

// payload is a message of 1 KiB.
var payload = func() []byte {
	p := amqp.Properties{MessageID: "0123456789abcdef0123456789abcdef"}
	return amqp.AppendData(p.Append(nil), make([]byte, 1024))
}()

// memory is a connection whose peer is a byte slice: it reads the greeting once
// and then the block, count times, and drops what is written. It shows what the
// engine costs without the kernel.
type memory struct {
	net.Conn
	greeting, block []byte
	count           int
	rest            []byte
	written         int
}

func (m *memory) Read(b []byte) (int, error) {
	if len(m.rest) == 0 {
		switch {
		case m.greeting != nil:
			m.rest, m.greeting = m.greeting, nil
		case m.count > 0:
			m.rest = m.block
			m.count--
		default:
			return 0, io.EOF
		}
	}
	n := copy(b, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

func (m *memory) Write(b []byte) (int, error) {
	m.written += len(b)
	return len(b), nil
}

func (m *memory) Close() error                     { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// greeting is what a peer says before it transfers or receives.
func greeting(role amqp.Role) []byte {
	b := Header()
	for _, p := range []amqp.Performative{
		&amqp.Open{ContainerID: "peer"}, &amqp.Begin{IncomingWindow: 1 << 30, OutgoingWindow: 1 << 30},
		&amqp.Attach{Name: "l", Role: role, Source: &amqp.Source{Address: "q"}, Target: &amqp.Target{Address: "q"}, InitialDeliveryCount: amqp.Some(uint32(0))},
	} {
		b = amqp.AppendFrame(b, amqp.FrameAMQP, 0, p)
	}
	return b
}

// transfers are n transfer frames from delivery id first on.
func transfers(first, n int) (b []byte) {
	for i := range n {
		t := amqp.Transfer{DeliveryID: amqp.Some(uint32(first + i)), DeliveryTag: []byte{1, 2, 3, 4}, MessageFormat: amqp.Some(uint32(0))}
		b = append(b, transferFrame(t, string(payload))...)
	}
	return b
}

const blockMessages = 100

// BenchmarkReceive is the engine alone: decode a transfer, deliver it, scan the
// message, settle it.
func BenchmarkReceive(b *testing.B) {
	svc := &settler{}
	conn := &memory{greeting: greeting(amqp.RoleSender), block: transfers(0, blockMessages), count: b.N/blockMessages + 1}
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	b.ResetTimer()
	before := cpu()
	_ = Serve(context.Background(), conn, Config{}, svc)
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	b.StopTimer()
	if svc.count < b.N {
		b.Fatal(svc.count)
	}
}

// settler accepts every message.
type settler struct {
	script
	count int
	all   int // close done at this count
	done  chan struct{}
}

func (s *settler) Open(*Conn) (Handler, error) { return s, nil }
func (s *settler) Attach(l *Link)              { l.Accept(AttachReply{Credit: 1 << 30}) }
func (s *settler) Deliver(l *Link, d *Delivery) {
	if _, err := amqp.ScanMessage(d.Payload); err != nil {
		panic(err)
	}
	d.Settle(amqp.Accepted{})
	if s.count++; s.count == s.all {
		close(s.done)
	}
}

// BenchmarkSend is the engine alone: send a message, take the disposition that
// settles a hundred of them.
func BenchmarkSend(b *testing.B) {
	g := greeting(amqp.RoleReceiver)
	conn := &memory{greeting: g, count: b.N/blockMessages + 1}
	conn.block = amqp.AppendFrame(nil, amqp.FrameAMQP, 0, &amqp.Flow{IncomingWindow: 1 << 30, Handle: amqp.Some(uint32(0)),
		DeliveryCount: amqp.Some(uint32(0)), LinkCredit: amqp.Some(uint32(1 << 30))})
	conn.block = amqp.AppendFrame(conn.block, amqp.FrameAMQP, 0, &amqp.Disposition{Role: amqp.RoleReceiver, Last: amqp.Some(uint32(1 << 30)), Settled: true, State: amqp.Accepted{}})
	header := (&amqp.Header{DeliveryCount: 1}).Append(nil)
	svc := &script{credit: func(l *Link, f Flow) {
		for range blockMessages {
			if err := l.Send(Outgoing{Tag: header, Payload: [][]byte{header, payload}, User: l}); err != nil {
				panic(err)
			}
		}
	}}
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	b.ResetTimer()
	before := cpu()
	_ = Serve(context.Background(), conn, Config{}, svc)
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// cpu returns the processor time of the process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReceiveTCP is the same over loopback: the peer writes blocks and drops
// the dispositions. cpu-ns/op holds both ends and the kernel.
func BenchmarkReceiveTCP(b *testing.B) {
	svc := &settler{all: b.N, done: make(chan struct{})}
	receiveTCP(b, svc, svc.done)
}

// receiveTCP writes b.N messages to svc and waits until it has them.
func receiveTCP(b *testing.B, svc Service, done chan struct{}) {
	b.Helper()
	conn := tcpPeer(b, svc)
	if _, err := conn.Write(greeting(amqp.RoleSender)); err != nil {
		b.Fatal(err)
	}
	go io.Copy(io.Discard, conn)
	block := transfers(1000, blockMessages) // all of one size
	size := len(block) / blockMessages
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	b.ResetTimer()
	before := cpu()
	for left := b.N; left > 0; left -= blockMessages {
		if _, err := conn.Write(block[:size*min(left, blockMessages)]); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// committer settles what a chunk of input brought from another goroutine, as a
// front end does when a batch is durable.
type committer struct {
	settler
	gathered []*Delivery
	batches  chan []*Delivery
}

func (s *committer) Open(*Conn) (Handler, error) { return s, nil }

func (s *committer) Deliver(l *Link, d *Delivery) { s.gathered = append(s.gathered, d) }

func (s *committer) Flush() {
	if len(s.gathered) > 0 {
		s.batches <- s.gathered
		s.gathered = make([]*Delivery, 0, len(s.gathered))
	}
}

func (s *committer) commit() {
	for batch := range s.batches {
		c := batch[0].Link.Conn()
		c.Hold()
		for _, d := range batch {
			s.settler.Deliver(d.Link, d)
		}
		c.Release()
	}
}

// BenchmarkCommitTCP is BenchmarkReceiveTCP with the settling done elsewhere.
func BenchmarkCommitTCP(b *testing.B) {
	svc := &committer{settler: settler{all: b.N, done: make(chan struct{})}, batches: make(chan []*Delivery, 100)}
	go svc.commit()
	defer close(svc.batches)
	receiveTCP(b, svc, svc.done)
}

// BenchmarkSendTCP sends from a goroutine that waits for room; the peer drops what
// it gets, settled.
func BenchmarkSendTCP(b *testing.B) {
	var once sync.Once
	svc := &script{credit: func(l *Link, f Flow) {
		once.Do(func() {
			go func() {
				for range b.N {
					if l.WaitRoom() != nil || l.Send(Outgoing{Tag: payload[:4], Payload: [][]byte{payload}, Settled: true}) != nil {
						return
					}
				}
				l.Conn().Close(nil)
			}()
		})
	}}
	conn := tcpPeer(b, svc)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	b.ResetTimer()
	before := cpu()
	g := amqp.AppendFrame(greeting(amqp.RoleReceiver), amqp.FrameAMQP, 0, &amqp.Flow{IncomingWindow: 1 << 30, Handle: amqp.Some(uint32(0)),
		DeliveryCount: amqp.Some(uint32(0)), LinkCredit: amqp.Some(uint32(1 << 30))})
	if _, err := conn.Write(g); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 256<<10)
	for total := 0; total < b.N*len(payload); {
		n, err := conn.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		total += n
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func tcpPeer(b *testing.B, svc Service) net.Conn {
	b.Helper()
	address := listen(b, Config{}, svc)
	conn, err := net.Dial("tcp", address[len("amqp://"):])
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return conn
}
