package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	client "github.com/Azure/go-amqp"

	"weir/wire/amqp"
)

// shelf is a service that keeps what it is sent, by address, and gives it out
// again in order. It stands in for a broker in the tests with a real client.
type shelf struct {
	mu       sync.Mutex
	messages map[string][][]byte
	outcomes []string
	reply    AttachReply
	links    chan *Link
}

func newShelf() *shelf {
	return &shelf{messages: map[string][][]byte{}, reply: AttachReply{Credit: 100, MaxMessageSize: 8 << 20}, links: make(chan *Link, 100)}
}

func (s *shelf) Authenticate(info PeerInfo, mechanism string, response []byte) (any, error) {
	if mechanism == "PLAIN" && string(response) != "\x00user\x00right" {
		return nil, errors.New("wrong password")
	}
	return mechanism, nil
}

func (s *shelf) Open(*Conn) (Handler, error) { return s, nil }

func (s *shelf) Attach(l *Link) {
	if l.Role == amqp.RoleReceiver && l.Target != nil && l.Target.Address == "refuse" || l.Source != nil && l.Source.Address == "refuse" {
		l.Refuse(amqp.Errorf("com.example:refused", "not here"))
		return
	}
	l.Accept(s.reply)
	s.links <- l
}

func (s *shelf) Deliver(l *Link, d *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages[l.Target.Address] = append(s.messages[l.Target.Address], d.Payload)
	if l.Target.Address == "reject" {
		d.Settle(amqp.Rejected{Error: amqp.Errorf("com.example:bad", "bad message")})
		return
	}
	d.Settle(amqp.Accepted{})
}

func (s *shelf) Credit(l *Link, f Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	address := l.Source.Address
	for i := range f.Credit {
		if len(s.messages[address]) == 0 {
			break
		}
		m := s.messages[address][0]
		if err := l.Send(Outgoing{Tag: []byte{byte(i), byte(i >> 8)}, Payload: [][]byte{m}, User: address}); err != nil {
			panic(err)
		}
		s.messages[address] = s.messages[address][1:]
	}
	if f.Drain {
		l.Drained()
	}
}

func (s *shelf) Disposition(l *Link, u Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range u.Deliveries {
		s.outcomes = append(s.outcomes, fmt.Sprintf("%s %T", d.User, u.State))
		if u.Settled {
			continue
		}
		if l.Source.Address == "lost" {
			l.Settle(d, amqp.Rejected{Error: amqp.Errorf("com.example:lock-lost", "too late")})
			continue
		}
		l.Settle(d, u.State)
	}
}

func (s *shelf) Detached(*Link, *amqp.Error) {}
func (s *shelf) Flush()                      {}
func (s *shelf) Closed(error)                {}

// listen serves svc on a port of its own until the test ends.
func listen(t testing.TB, cfg Config, svc Service) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { _ = Serve(ctx, conn, cfg, svc) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		served.Wait()
	})
	return "amqp://" + l.Addr().String()
}

func dial(t testing.TB, address string, opts *client.ConnOptions) (context.Context, *client.Conn, *client.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	conn, err := client.Dial(ctx, address, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, conn, session
}

func TestClientSendsAndReceives(t *testing.T) {
	for name, opts := range map[string]*client.ConnOptions{
		"anonymous": {SASLType: client.SASLTypeAnonymous()}, "plain": {SASLType: client.SASLTypePlain("user", "right")},
		"no SASL": {SASLType: nil}, "small frames": {MaxFrameSize: 512},
	} {
		t.Run(name, func(t *testing.T) {
			svc := newShelf()
			ctx, _, session := dial(t, listen(t, Config{MaxFrameSize: 1024}, svc), opts)
			sender, err := session.NewSender(ctx, "q", nil)
			if err != nil {
				t.Fatal(err)
			}
			var want [][]byte
			for i := range 250 {
				data := bytes.Repeat([]byte{byte(i)}, i*i%3000)
				want = append(want, data)
				m := client.NewMessage(data)
				m.ApplicationProperties = map[string]any{"n": int64(i)}
				if err := sender.Send(ctx, m, nil); err != nil {
					t.Fatal(err)
				}
			}
			receiver, err := session.NewReceiver(ctx, "q", &client.ReceiverOptions{Credit: 7})
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				m, err := receiver.Receive(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(m.GetData(), want[i]) || m.ApplicationProperties["n"] != int64(i) {
					t.Fatalf("message %d has %d bytes, %v", i, len(m.GetData()), m.ApplicationProperties)
				}
				if err := receiver.AcceptMessage(ctx, m); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(sender.Close(ctx), receiver.Close(ctx), session.Close(ctx)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClientPasswordWrong(t *testing.T) {
	_, err := client.Dial(context.Background(), listen(t, Config{}, newShelf()), &client.ConnOptions{SASLType: client.SASLTypePlain("user", "wrong")})
	if err == nil {
		t.Error("dialled")
	}
}

func TestClientBigMessage(t *testing.T) {
	svc := newShelf()
	ctx, _, session := dial(t, listen(t, Config{}, svc), nil)
	sender, err := session.NewSender(ctx, "q", nil)
	if err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	if err := sender.Send(ctx, client.NewMessage(big), nil); err != nil {
		t.Fatal(err)
	}
	receiver, err := session.NewReceiver(ctx, "q", nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := receiver.Receive(ctx, nil)
	if err != nil || !bytes.Equal(m.GetData(), big) {
		t.Fatalf("received %v", err)
	}
	if err := sender.Send(ctx, client.NewMessage(make([]byte, 9<<20)), nil); err == nil {
		t.Error("a message above max-message-size was sent")
	}
}

func TestClientModes(t *testing.T) {
	svc := newShelf()
	ctx, _, session := dial(t, listen(t, Config{}, svc), nil)
	snd := func(m client.SenderSettleMode) *client.SenderSettleMode { return &m }
	rcv := func(m client.ReceiverSettleMode) *client.ReceiverSettleMode { return &m }
	sender, err := session.NewSender(ctx, "q", &client.SenderOptions{SettlementMode: snd(client.SenderSettleModeSettled)})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := sender.Send(ctx, client.NewMessage([]byte("m")), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := sender.Close(ctx); err != nil { // everything has arrived when this is answered
		t.Fatal(err)
	}
	second, err := session.NewReceiver(ctx, "q", &client.ReceiverOptions{Credit: -1, SettlementMode: rcv(client.ReceiverSettleModeSecond),
		RequestedSenderSettleMode: snd(client.SenderSettleModeUnsettled)})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.IssueCredit(3); err != nil {
		t.Fatal(err)
	}
	settle := []func(*client.Message) error{
		func(m *client.Message) error { return second.AcceptMessage(ctx, m) },
		func(m *client.Message) error { return second.RejectMessage(ctx, m, nil) },
		func(m *client.Message) error {
			return second.ModifyMessage(ctx, m, &client.ModifyMessageOptions{UndeliverableHere: true})
		},
	}
	for _, f := range settle {
		m, err := second.Receive(ctx, nil)
		if err == nil {
			err = f(m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	settled, err := session.NewReceiver(ctx, "q", &client.ReceiverOptions{SettlementMode: rcv(client.ReceiverSettleModeFirst),
		RequestedSenderSettleMode: snd(client.SenderSettleModeSettled)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := settled.Receive(ctx, nil); err != nil {
		t.Fatal(err)
	}
	svc.mu.Lock()
	defer svc.mu.Unlock()
	equal(t, svc.outcomes, []string{"q amqp.Accepted", "q amqp.Rejected", "q amqp.Modified"})
}

func TestClientErrors(t *testing.T) {
	svc := newShelf()
	ctx, conn, session := dial(t, listen(t, Config{}, svc), nil)
	wants := func(err error, condition string) {
		t.Helper()
		var e *client.Error
		var linkErr *client.LinkError
		if errors.As(err, &linkErr) && linkErr.RemoteErr != nil {
			e = linkErr.RemoteErr
		}
		if e == nil && !errors.As(err, &e) || string(e.Condition) != condition {
			t.Errorf("got %v, want %s", err, condition)
		}
	}
	_, err := session.NewSender(ctx, "refuse", nil)
	wants(err, "com.example:refused")
	_, err = session.NewReceiver(ctx, "refuse", nil)
	wants(err, "com.example:refused")

	sender, err := session.NewSender(ctx, "reject", nil)
	if err != nil {
		t.Fatal(err)
	}
	wants(sender.Send(ctx, client.NewMessage([]byte("m")), nil), "com.example:bad")
	(<-svc.links).Detach(amqp.Errorf("com.example:gone", "bye"))
	for err == nil {
		err = sender.Send(ctx, client.NewMessage([]byte("m")), nil)
		var rejected *client.Error
		if errors.As(err, &rejected) && rejected.Condition == "com.example:bad" {
			err = nil // sent before the detach arrived
		}
	}
	wants(err, "com.example:gone")

	second := client.ReceiverSettleModeSecond
	svc.messages["lost"] = [][]byte{amqp.AppendData(nil, []byte("m"))}
	receiver, err := session.NewReceiver(ctx, "lost", &client.ReceiverOptions{SettlementMode: &second})
	if err != nil {
		t.Fatal(err)
	}
	m, err := receiver.Receive(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	wants(receiver.AcceptMessage(ctx, m), "com.example:lock-lost")

	link := <-svc.links
	link.Session().End(amqp.Errorf("com.example:ended", "bye"))
	_, err = receiver.Receive(ctx, nil)
	var sessionErr *client.SessionError
	if !errors.As(err, &sessionErr) || sessionErr.RemoteErr == nil || sessionErr.RemoteErr.Condition != "com.example:ended" {
		t.Errorf("after the session's end: %v", err)
	}
	link.Conn().Close(amqp.Errorf("com.example:closed", "bye"))
	<-conn.Done()
	var connErr *client.ConnError
	if err := conn.Err(); !errors.As(err, &connErr) || connErr.RemoteErr == nil || connErr.RemoteErr.Condition != "com.example:closed" {
		t.Errorf("after close: %v", conn.Err())
	}
}

func TestClientDrains(t *testing.T) {
	svc := newShelf()
	ctx, _, session := dial(t, listen(t, Config{}, svc), nil)
	receiver, err := session.NewReceiver(ctx, "q", &client.ReceiverOptions{Credit: -1})
	if err != nil {
		t.Fatal(err)
	}
	link := <-svc.links
	for _, text := range []string{"one", "two", "three"} {
		svc.mu.Lock()
		svc.messages["q"] = [][]byte{amqp.AppendData(nil, []byte(text))}
		svc.mu.Unlock()
		if err := receiver.IssueCredit(10); err != nil {
			t.Fatal(err)
		}
		if m, err := receiver.Receive(ctx, nil); err != nil || string(m.GetData()) != text {
			t.Fatalf("received %v, %v", m, err)
		}
		if err := receiver.DrainCredit(ctx, nil); err != nil {
			t.Fatal(err)
		}
		if f := link.Flow(); f.Credit != 0 || f.Drain {
			t.Errorf("after the drain: %+v", f)
		}
	}
}

func TestClientManyLinksAndSessions(t *testing.T) {
	svc := newShelf()
	ctx, conn, _ := dial(t, listen(t, Config{}, svc), nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			session, err := conn.NewSession(ctx, nil)
			if err != nil {
				t.Error(err)
				return
			}
			address := fmt.Sprintf("q%d", i)
			sender, err := session.NewSender(ctx, address, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for range 50 {
				if err := sender.Send(ctx, client.NewMessage([]byte(address)), nil); err != nil {
					t.Error(err)
					return
				}
			}
			receiver, err := session.NewReceiver(ctx, address, &client.ReceiverOptions{Credit: 9})
			if err != nil {
				t.Error(err)
				return
			}
			for range 50 {
				m, err := receiver.Receive(ctx, nil)
				if err == nil && string(m.GetData()) != address {
					err = errors.New("message of another queue")
				}
				if err == nil {
					err = receiver.AcceptMessage(ctx, m)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
			if err := session.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
