package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	client "github.com/Azure/go-amqp"
	"github.com/coder/websocket"

	"weir/wire/amqp"
)

// echoOnce sends a message and receives it again.
func echoOnce(t *testing.T, ctx context.Context, conn *client.Conn, size int) {
	t.Helper()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	sender, err := session.NewSender(ctx, "q", nil)
	if err == nil {
		err = sender.Send(ctx, client.NewMessage(make([]byte, size)), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := session.NewReceiver(ctx, "q", nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := receiver.Receive(ctx, nil)
	if err == nil {
		err = receiver.AcceptMessage(ctx, m)
	}
	if err != nil || len(m.GetData()) != size {
		t.Fatalf("received %v", err)
	}
}

// known is a shelf that keeps what it learns of its peers.
type known struct {
	*shelf
	info chan PeerInfo
}

func (k known) Open(c *Conn) (Handler, error) {
	k.info <- c.Info()
	return k.shelf, nil
}

// certificate borrows the one of httptest, which is good for example.com.
func certificate(t *testing.T) (server, peer *tls.Config) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

func TestTLS(t *testing.T) {
	theirs, ours := certificate(t)
	svc := known{newShelf(), make(chan PeerInfo, 1)}
	near, far := tcpPair(t)
	served := make(chan error, 1)
	go func() { served <- Serve(context.Background(), tls.Server(far, theirs), Config{}, svc) }()
	ctx := context.Background()
	conn, err := client.NewConn(ctx, tls.Client(near, ours), &client.ConnOptions{SASLType: client.SASLTypeAnonymous()})
	if err != nil {
		t.Fatal(err)
	}
	echoOnce(t, ctx, conn, 300_000)
	if info := <-svc.info; info.TLS == nil || info.TLS.ServerName != "example.com" || !info.Loopback {
		t.Errorf("info %+v", info)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	// What is not TLS does not get in.
	near, far = tcpPair(t)
	near.Write([]byte(strings.Repeat("AMQP", 10)))
	if err := Serve(ctx, tls.Server(far, theirs), Config{}, svc); err == nil {
		t.Error("plain bytes were served as TLS")
	}
}

func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return near, far
}

// TestWebSocket runs over AMQPWSB10, whose connections know no deadlines that they
// survive.
func TestWebSocket(t *testing.T) {
	svc := known{newShelf(), make(chan PeerInfo, 1)}
	served := make(chan error, 1)
	info := PeerInfo{Remote: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}}
	http := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"AMQPWSB10"}})
		if err != nil {
			t.Error(err)
			return
		}
		conn := websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
		ws.SetReadLimit(-1)
		served <- ServeFrom(context.Background(), conn, info, Config{}, svc)
	}))
	defer http.Close()
	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, http.URL, &websocket.DialOptions{Subprotocols: []string{"AMQPWSB10"}})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	conn, err := client.NewConn(ctx, websocket.NetConn(ctx, ws, websocket.MessageBinary), nil)
	if err != nil {
		t.Fatal(err)
	}
	echoOnce(t, ctx, conn, 500_000)
	equal(t, <-svc.info, info)
	if err := conn.Close(); err != nil {
		t.Log(err) // the other end may have been first
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestHoldAndWait: who waits for room does not wait for what it holds back itself.
func TestHoldAndWait(t *testing.T) {
	failed := make(chan error, 1)
	svc := &script{credit: func(l *Link, f Flow) {
		if f.Credit < 3 {
			return
		}
		go func() {
			l.Conn().Hold()
			defer l.Conn().Release()
			err := l.Send(Outgoing{Tag: []byte{1}, Payload: [][]byte{make([]byte, 5000)}, Settled: true})
			if err == nil {
				err = l.WaitRoom() // the peer's window has to open first
			}
			if err == nil {
				err = l.Send(Outgoing{Tag: []byte{2}, Settled: true})
			}
			failed <- err
		}()
	}}
	p := newPeer(t, Config{OutputBytesMax: 1000}, svc)
	p.header(Header())
	p.send(0, &amqp.Open{ContainerID: "peer", MaxFrameSize: 512})
	expect[*amqp.Open](p)
	p.begin(0, 1)
	p.send(0, &amqp.Attach{Name: "l", Role: amqp.RoleReceiver}, &amqp.Flow{IncomingWindow: 1, Handle: id(0), LinkCredit: id(3)})
	expect[*amqp.Attach](p)
	p.expectTransfer()
	p.send(0, &amqp.Flow{NextIncomingID: id(1), IncomingWindow: 100})
	for more := true; more; {
		var tr amqp.Transfer
		tr, _ = p.expectTransfer()
		more = tr.More
	}
	p.expectTransfer()
	if err := <-failed; err != nil {
		t.Error(err)
	}
}
