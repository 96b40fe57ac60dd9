package server

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"weir/wire/amqp"
)

// obliging answers everything at once, so that input reaches every corner.
func obliging() *script {
	return &script{
		attach: func(l *Link) {
			if l.Name == "no" {
				l.Refuse(amqp.Errorf(amqp.ErrNotFound, "no"))
				return
			}
			l.Accept(AttachReply{Credit: 3, MaxMessageSize: 100})
		},
		credit: func(l *Link, f Flow) {
			for range min(f.Credit, 3) {
				_ = l.Send(Outgoing{Tag: []byte{1}, Payload: [][]byte{make([]byte, 700)}, User: l})
			}
			l.Drained()
		},
		disposition: func(l *Link, u Update) {
			for _, d := range u.Deliveries {
				l.Settle(d, u.State)
			}
		},
	}
}

// FuzzConn feeds an open connection anything. It has to end, by the input's end or
// with an error of the specification, every link that was attached has to be
// detached, and what we write has to be frames.
func FuzzConn(f *testing.F) {
	add := func(ps ...amqp.Performative) {
		var b []byte
		for _, p := range ps {
			b = amqp.AppendFrame(b, amqp.FrameAMQP, 0, p)
		}
		f.Add(b)
	}
	send := &amqp.Attach{Name: "s", Handle: 1, Role: amqp.RoleSender, InitialDeliveryCount: id(0)}
	receive := &amqp.Attach{Name: "r", Handle: 2, Role: amqp.RoleReceiver, Unsettled: amqp.Map{}}
	flow := &amqp.Flow{NextIncomingID: id(0), IncomingWindow: 2, Handle: id(2), LinkCredit: id(5), Drain: true, Echo: true}
	transfer := &amqp.Transfer{Handle: 1, DeliveryID: id(1), DeliveryTag: []byte{1}, More: true}
	add(send, transfer, &amqp.Transfer{Handle: 1}, &amqp.Transfer{Handle: 1, DeliveryID: id(2), Aborted: true}, &amqp.Detach{Handle: 1})
	add(receive, flow, &amqp.Flow{IncomingWindow: 9, NextIncomingID: id(2)}, &amqp.Disposition{Role: true, Last: id(3), State: amqp.Released{}})
	add(receive, receive, &amqp.End{}, &amqp.Begin{}, &amqp.Attach{Name: "no", Role: true}, &amqp.Close{})
	f.Fuzz(func(t *testing.T, b []byte) {
		svc := obliging()
		links := 0
		attach := svc.attach
		svc.attach = func(l *Link) {
			if l.Name != "no" {
				links++
			}
			attach(l)
		}
		svc.detached = func(*Link, *amqp.Error) { links-- }
		greeting := amqp.AppendFrame(Header(), amqp.FrameAMQP, 0, &amqp.Open{ContainerID: "peer", MaxFrameSize: 512})
		greeting = amqp.AppendFrame(greeting, amqp.FrameAMQP, 0, &amqp.Begin{IncomingWindow: 1, HandleMax: 10})
		conn := &tape{memory: memory{greeting: append(greeting, b...)}}
		err := Serve(context.Background(), conn, Config{MaxFrameSize: 4096}, svc)
		var e *amqp.Error
		if err != nil && !errors.As(err, &e) && err.Error() != "unexpected EOF" {
			t.Fatalf("ended with %v", err)
		}
		if links != 0 {
			t.Fatalf("%d links more attached than detached", links)
		}
		checkOutput(t, conn.out.Bytes())
	})
}

// tape is a memory that keeps what is written.
type tape struct {
	memory
	out bytes.Buffer
}

func (t *tape) Write(b []byte) (int, error) { return t.out.Write(b) }

func checkOutput(t *testing.T, b []byte) {
	t.Helper()
	b = b[len(Header()):]
	for len(b) > 0 {
		f, size, _, err := amqp.ReadFrame(b, 512)
		if err != nil || size == 0 {
			t.Fatalf("output %x: %v", b, err)
		}
		p, _, err := amqp.DecodePerformative(f.Body)
		if err != nil {
			t.Fatalf("output %x: %v", f.Body, err)
		}
		b = b[size:]
		if _, last := p.(*amqp.Close); last && len(b) > 0 {
			t.Fatalf("%d bytes after close", len(b))
		}
	}
}
