package sniff

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// certificate makes a throw-away certificate for "localhost".
func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, from, from, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// pipes is a listener whose connections are made in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects to the listener; far is what the door got.
func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// echo answers every connection of a listener with its name and the bytes it
// read, up to a newline.
func echo(name string, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			var got []byte
			one := make([]byte, 1)
			for len(got) == 0 || got[len(got)-1] != '\n' {
				if _, err := conn.Read(one); err != nil {
					return
				}
				got = append(got, one[0])
			}
			kind := "plain"
			if conn.(*Conn).TLS() != nil {
				kind = "tls"
			}
			io.WriteString(conn, name+" "+kind+" "+string(got))
		}()
	}
}

func start(t testing.TB, socket net.Listener, o Options) *Door {
	d := New(socket, o)
	go echo("amqp", d.Match("AMQP"))
	go echo("hop", d.Match("WEIR-HOP/1"))
	go echo("rest", d.Rest())
	served := make(chan error, 1)
	go func() { served <- d.Serve() }()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestWhoGetsWhat(t *testing.T) {
	config := certificate(t)
	cases := []struct {
		name   string
		tls    bool
		writes []string // each its own write
		want   string   // "" : closed without an answer
	}{
		{"amqp", false, []string{"AMQP\x00\x01\x00\x00\n"}, "amqp plain AMQP\x00\x01\x00\x00\n"},
		{"amqp with sasl", false, []string{"AMQP\x03\x01\x00\x00\n"}, "amqp plain AMQP\x03\x01\x00\x00\n"},
		{"amqp byte by byte", false, strings.Split("AMQP\x00\n", ""), "amqp plain AMQP\x00\n"},
		{"http", false, []string{"GET / HTTP/1.1\n"}, "rest plain GET / HTTP/1.1\n"},
		{"nearly amqp", false, []string{"AM", "P\n"}, "rest plain AMP\n"},
		{"lower case", false, []string{"amqp\n"}, "rest plain amqp\n"},
		{"longer prefix", false, []string{"WEIR-HO", "P/1 hello\n"}, "hop plain WEIR-HOP/1 hello\n"},
		{"nearly hop", false, []string{"WEIR-HOP/2\n"}, "rest plain WEIR-HOP/2\n"},
		{"one byte and newline", false, []string{"\n"}, "rest plain \n"},
		{"tls amqp", true, []string{"AMQP\x00\n"}, "amqp tls AMQP\x00\n"},
		{"tls http", true, []string{"PUT /x\n"}, "rest tls PUT /x\n"},
		{"tls in tls goes to the rest", true, []string{"\x16\x03\x01\n"}, "rest tls \x16\x03\x01\n"},
		{"broken tls", false, []string{"\x16rubbish that is no handshake\n"}, ""},
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	start(t, socket, Options{TLS: config})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", socket.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if c.tls {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			}
			for _, w := range c.writes {
				if _, err := io.WriteString(conn, w); err != nil {
					t.Fatal(err)
				}
			}
			got, _ := io.ReadAll(conn)
			if c.want == "" && bytes.ContainsAny(got, "\n") || c.want != "" && string(got) != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTLSIsRefusedWithoutACertificate(t *testing.T) {
	in := newPipes()
	start(t, in, Options{})
	conn := in.dial()
	go conn.Write([]byte{tlsHandshake, 3, 1})
	if got, err := io.ReadAll(conn); err != nil || len(got) > 0 {
		t.Fatalf("%q %v", got, err)
	}
}

// A door for other networks speaks nothing in the clear, and its connections say where
// they came from.
func TestExternal(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := New(socket, Options{TLS: certificate(t), External: true})
	rest := d.Rest()
	go d.Serve()
	defer d.Close()
	plain, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := io.WriteString(plain, "GET / HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(plain); len(got) > 0 {
		t.Errorf("in the clear it answered %q", got)
	}
	go func() {
		if secured, err := tls.Dial("tcp", socket.Addr().String(), &tls.Config{InsecureSkipVerify: true}); err == nil {
			io.WriteString(secured, "GET / HTTP/1.1\r\n")
		}
	}()
	conn, err := rest.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if c := conn.(*Conn); !c.External() || c.TLS() == nil {
		t.Errorf("external: %v, TLS: %v", c.External(), c.TLS() != nil)
	}
}

func TestSilentConnectionIsClosedAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newPipes()
		start(t, in, Options{Timeout: 3 * time.Second})
		conn, begin := in.dial(), time.Now()
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited != 3*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestNoDeadlineIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newPipes()
		start(t, in, Options{Timeout: time.Second})
		conn := in.dial()
		io.WriteString(conn, "AMQP")
		time.Sleep(time.Hour) // fake clock: nobody waits
		go io.WriteString(conn, "\n")
		if got, err := io.ReadAll(conn); err != nil || string(got) != "amqp plain AMQP\n" {
			t.Fatalf("%q %v", got, err)
		}
	})
}

func TestSniffingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newPipes()
		start(t, in, Options{SniffingMax: 2, Timeout: time.Minute})
		in.dial()
		in.dial()
		third := make(chan net.Conn)
		go func() { third <- in.dial() }()
		synctest.Wait()
		select {
		case <-third:
			t.Error("a third connection was accepted while two were being looked at")
		default:
		}
		time.Sleep(time.Minute)
		conn := <-third
		go io.WriteString(conn, "AMQP\n")
		if got, err := io.ReadAll(conn); err != nil || string(got) != "amqp plain AMQP\n" {
			t.Fatalf("%q %v", got, err)
		}
	})
}

func TestCloseEndsWhatWasNotHandedOut(t *testing.T) {
	in := newPipes()
	d := New(in, Options{})
	ln := d.Rest() // nobody accepts
	served := make(chan error)
	go func() { served <- d.Serve() }()
	silent, waiting := in.dial(), in.dial()
	io.WriteString(waiting, "GET")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{silent, waiting} {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a connection outlived the door")
		}
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestServesHTTPOverTLS(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := New(socket, Options{TLS: certificate(t)})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
	go server.Serve(d.Rest())
	go d.Serve()
	defer d.Close()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for _, scheme := range []string{"http", "https"} {
		answer, err := client.Post(scheme+"://"+socket.Addr().String(), "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if string(got) != "hello" {
			t.Errorf("%s: %q", scheme, got)
		}
	}
}

// FuzzHead plays any bytes in any cut to a door: it must not panic, must hand
// out exactly the bytes that came, and must agree with a plain prefix test.
func FuzzHead(f *testing.F) {
	f.Add([]byte("AMQP\x00\x01\x00\x00"), uint8(1))
	f.Add([]byte("WEIR-HOP/1 x"), uint8(3))
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint8(2))
	f.Add([]byte{tlsHandshake, 3, 1, 0, 5, 1, 2, 3, 4, 5}, uint8(4))
	f.Add([]byte("A"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		d := New(newPipes(), Options{})
		amqp, hop := d.Match("AMQP").(*endpoint), d.Match("WEIR-HOP/1").(*endpoint)
		rest := d.Rest().(*endpoint)
		near, far := net.Pipe()
		go func() {
			for chunk := data; len(chunk) > 0; {
				n := min(len(chunk), int(cut)+1)
				near.Write(chunk[:n])
				chunk = chunk[n:]
			}
			near.Close()
		}()
		conn, err := d.classify(far)
		if err != nil {
			far.Close()
			return
		}
		want := rest
		switch {
		case bytes.HasPrefix(data, []byte("AMQP")):
			want = amqp
		case bytes.HasPrefix(data, []byte("WEIR-HOP/1")):
			want = hop
		}
		if got := d.pick(conn.head); got != want {
			t.Fatalf("%q went to %q", data, got.prefix)
		}
		if got, _ := io.ReadAll(conn); !bytes.Equal(got, data) {
			t.Fatalf("%q was read as %q", data, got)
		}
	})
}
