package hop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

var secret = []byte("between ourselves")

// far makes a connection look as if it came from another machine.
type far struct{ net.Conn }

func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7} }

// pair connects two ends over loopback TCP.
func pair(t testing.TB) (near, away net.Conn) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	near, err = net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	away, err = socket.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); away.Close() })
	return near, away
}

type heard struct {
	name  string
	about []byte
	err   error
}

// always is for receivers that share one secret with everybody.
func always(secret []byte) func(string) []byte { return func(string) []byte { return secret } }

// receive runs Receive on the far end, inside TLS when config is given.
func receive(away net.Conn, config *tls.Config, secret []byte) <-chan heard {
	result := make(chan heard, 1)
	go func() {
		var state *tls.ConnectionState
		conn := away
		if config != nil {
			secured := tls.Server(away, config)
			if err := secured.Handshake(); err != nil {
				away.Close()
				result <- heard{err: err}
				return
			}
			got := secured.ConnectionState()
			conn, state = secured, &got
		}
		name, about, err := Receive(conn, state, always(secret))
		if err != nil {
			away.Close()
		}
		result <- heard{name, about, err}
		if err == nil {
			io.Copy(conn, conn)
			conn.Close()
		}
	}()
	return result
}

func config(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, from, from, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestIntroductionArrivesAndBytesFollow(t *testing.T) {
	cases := []struct {
		name   string
		remote bool
	}{{"on one machine", false}, {"between machines", true}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			near, away := pair(t)
			var tlsConfig *tls.Config
			if c.remote {
				near, away, tlsConfig = far{near}, far{away}, config(t)
			}
			result := receive(away, tlsConfig, secret)
			conn, err := introduce(t.Context(), near, "", secret, []byte(`{"unit":"orders"}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := <-result; got.err != nil || string(got.about) != `{"unit":"orders"}` {
				t.Fatalf("%s %v", got.about, got.err)
			}
			go io.WriteString(conn, "ping")
			answer := make([]byte, 4)
			if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "ping" {
				t.Fatalf("%q %v", answer, err)
			}
		})
	}
}

func TestWrongSecretIsRefusedByBothSides(t *testing.T) {
	near, away := pair(t)
	result := receive(away, nil, []byte("another"))
	if _, err := introduce(t.Context(), near, "", secret, []byte("x")); err == nil {
		t.Error("the dialler believed it")
	}
	if got := <-result; !errors.Is(got.err, ErrSecret) {
		t.Error(got.err)
	}

	// A receiver that answers without knowing the secret learns nothing of the client.
	near, away = pair(t)
	go func() {
		io.ReadFull(away, make([]byte, len(Prefix)+1))
		away.Write(make([]byte, nonceBytes))
		io.ReadFull(away, make([]byte, nonceBytes+4+1+32))
		away.Write(append([]byte{'Y'}, make([]byte, 32)...))
	}()
	if _, err := introduce(t.Context(), near, "", secret, []byte("x")); !errors.Is(err, ErrSecret) {
		t.Error(err)
	}
}

// TestNobodyInTheMiddle puts a relay between two nodes that ends TLS on both
// sides: it sees the proofs, but they are bound to the wrong sessions.
func TestNobodyInTheMiddle(t *testing.T) {
	near, middleIn := pair(t)
	middleOut, away := pair(t)
	result := receive(far{away}, config(t), secret)
	relay := config(t)
	go func() {
		in, out := tls.Server(middleIn, relay), tls.Client(middleOut, &tls.Config{InsecureSkipVerify: true})
		Join(context.Background(), in, out)
	}()
	if _, err := introduce(t.Context(), far{near}, "", secret, []byte("x")); err == nil {
		t.Error("the dialler did not notice")
	}
	if got := <-result; !errors.Is(got.err, ErrSecret) {
		t.Errorf("the receiver did not notice: %v", got.err)
	}
}

// TestLocationsFindTheirSecretByName: the dialler's name chooses the secret, arrives
// with the introduction, and is covered by the proofs.
func TestLocationsFindTheirSecretByName(t *testing.T) {
	secrets := map[string]string{"": "of the cluster", "west": "of the pairing"}
	find := func(name string) []byte { return []byte(secrets[name]) }
	cases := []struct {
		says, secret string
		taken        bool
	}{
		{"", "of the cluster", true},
		{"west", "of the pairing", true},
		{"west", "of the cluster", false},
		{"", "of the pairing", false},
		{"north", "of the pairing", false},
		{"north", "", false},
	}
	for _, c := range cases {
		near, away := pair(t)
		result := make(chan heard, 1)
		go func() {
			name, about, err := Receive(away, nil, find)
			away.Close()
			result <- heard{name, about, err}
		}()
		_, err := introduce(t.Context(), near, c.says, []byte(c.secret), []byte("x"))
		got := <-result
		if (err == nil) != c.taken || (got.err == nil) != c.taken {
			t.Errorf("%+v: %v and %v", c, err, got.err)
		}
		if c.taken && (got.name != c.says || string(got.about) != "x") {
			t.Errorf("%+v: %+v", c, got)
		}
		if !c.taken && !errors.Is(got.err, ErrSecret) {
			t.Errorf("%+v: %v", c, got.err)
		}
	}
}

// TestNobodyIsMadeToTalkToItself: two locations share a secret both ways. Who plays a
// dialler's words back to the location that said them is not believed, for there that
// name has no secret.
func TestNobodyIsMadeToTalkToItself(t *testing.T) {
	west := func(name string) []byte { // what west shares, and with whom
		if name == "east" {
			return secret
		}
		return nil
	}
	for _, rename := range []bool{false, true} {
		near, middleIn := pair(t)
		middleOut, away := pair(t)
		result := make(chan heard, 1)
		go func() {
			name, about, err := Receive(away, nil, west)
			away.Close()
			result <- heard{name, about, err}
		}()
		go func() {
			if rename { // the one in the middle gives itself the other name
				io.ReadFull(middleIn, make([]byte, len(Prefix)+len(" west\n")))
				io.WriteString(middleOut, Prefix+" east\n")
			}
			Join(context.Background(), middleIn, middleOut)
		}()
		if _, err := introduce(t.Context(), near, "west", secret, []byte("x")); err == nil {
			t.Error("west believes that it speaks to east")
		}
		if got := <-result; !errors.Is(got.err, ErrSecret) {
			t.Errorf("west believes that east speaks: %v", got.err)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	for _, name := range []string{"two words", "a\nb", strings.Repeat("x", nameBytesMax+1)} {
		if _, err := Dial(t.Context(), "127.0.0.1:1", name, secret, nil); err == nil || !strings.Contains(err.Error(), "can not be the name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, line := range []string{Prefix + " \n", Prefix + "west\n", Prefix + " " + strings.Repeat("x", nameBytesMax+1), "WEIR-HUP/1\n"} {
		near, away := pair(t)
		io.WriteString(near, line)
		near.(*net.TCPConn).CloseWrite()
		if _, _, err := Receive(away, nil, always(secret)); err == nil || !strings.Contains(err.Error(), "no hop") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestRecordedHopCannotBePlayedAgain(t *testing.T) {
	near, away := pair(t)
	result := receive(away, nil, secret)
	var said bytes.Buffer
	if _, err := introduce(t.Context(), recorder{near, &said}, "", secret, []byte("x")); err != nil {
		t.Fatal(err)
	}
	<-result
	near, away = pair(t)
	result = receive(away, nil, secret)
	near.Write(said.Bytes())
	if got := <-result; !errors.Is(got.err, ErrSecret) {
		t.Error(got.err)
	}
}

type recorder struct {
	net.Conn
	said *bytes.Buffer
}

func (r recorder) Write(p []byte) (int, error) { r.said.Write(p); return r.Conn.Write(p) }

func TestWhatIsRefused(t *testing.T) {
	near, away := pair(t)
	if _, _, err := Receive(far{away}, nil, always(secret)); err == nil || !strings.Contains(err.Error(), "inside TLS") {
		t.Error(err)
	}
	if _, err := Dial(t.Context(), "127.0.0.1:1", "", nil, nil); err == nil {
		t.Error("an empty secret")
	}
	if _, err := Dial(t.Context(), "127.0.0.1:1", "", secret, make([]byte, aboutBytesMax+1)); err == nil {
		t.Error("a long introduction")
	}
	result := receive(away, nil, secret)
	go func() {
		io.WriteString(near, Prefix+"\n")
		io.ReadFull(near, make([]byte, nonceBytes))
		near.Write(append(make([]byte, nonceBytes), 0xff, 0xff, 0xff, 0xff))
	}()
	if got := <-result; got.err == nil || !strings.Contains(got.err.Error(), "longer than") {
		t.Error(got.err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(cancelled, "127.0.0.1:1", "", secret, nil); err == nil {
		t.Error("dialled for nobody")
	}
}

func TestJoinPassesHalfCloseOn(t *testing.T) {
	client, left := pair(t)
	right, server := pair(t)
	joined := make(chan struct{})
	go func() { Join(context.Background(), left, right); close(joined) }()
	go func() {
		got, _ := io.ReadAll(server) // ends when the client has said all
		server.Write(bytes.ToUpper(got))
		server.Close()
	}()
	io.WriteString(client, "all of it")
	client.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(client); err != nil || string(got) != "ALL OF IT" {
		t.Errorf("%q %v", got, err)
	}
	<-joined
}

func TestJoinEndsWithItsContext(t *testing.T) {
	client, left := pair(t)
	right, server := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	joined := make(chan struct{})
	go func() { Join(ctx, left, right); close(joined) }()
	cancel()
	<-joined
	for _, conn := range []net.Conn{client, server} {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("still open")
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte(Prefix+"\n"), []byte("about"))
	f.Add([]byte(Prefix+" west\n"), []byte("about"))
	f.Add([]byte(Prefix+"x"), []byte(""))
	f.Fuzz(func(t *testing.T, greeting, rest []byte) {
		near, away := net.Pipe()
		go io.Copy(io.Discard, near)
		go func() {
			near.Write(greeting)
			near.Write(rest)
			near.Close()
		}()
		if _, _, err := Receive(loop{away}, nil, always(secret)); err == nil {
			t.Fatal("believed without a proof")
		}
		away.Close()
	})
}

// loop makes a pipe look as if it came from this machine.
type loop struct{ net.Conn }

func (loop) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7} }
