package nodetls

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

func config(t *testing.T, secret, host string) *tls.Config {
	t.Helper()
	c, err := Config(secret, []string{host, "10.0.0.7"}, now)
	if err != nil {
		t.Fatal(err)
	}
	c.Time = func() time.Time { return now }
	return c
}

// shake connects two nodes and returns what each side says of it.
func shake(t *testing.T, dialler, listener *tls.Config, host string) (near, far error) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	result := make(chan error, 1)
	go func() {
		conn, err := socket.Accept()
		if err != nil {
			result <- err
			return
		}
		defer conn.Close()
		result <- tls.Server(conn, listener).Handshake()
	}()
	conn, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	dialler = dialler.Clone()
	dialler.ServerName = host
	near = tls.Client(conn, dialler).Handshake()
	if near != nil {
		conn.Close()
	}
	return near, <-result
}

func TestNodesWithOneSecretTrustEachOther(t *testing.T) {
	const secret = "sixteen or more characters"
	one, two := config(t, secret, "one.example"), config(t, secret, "two.example")
	for _, host := range []string{"two.example", "10.0.0.7"} {
		if near, far := shake(t, one, two, host); near != nil || far != nil {
			t.Errorf("%s: %v, %v", host, near, far)
		}
	}
	if near, _ := shake(t, one, two, "one.example"); near == nil {
		t.Error("a node answered in another's name")
	}
	stranger := config(t, "another secret, long enough", "two.example")
	if near, _ := shake(t, one, stranger, "two.example"); near == nil {
		t.Error("a stranger's certificate was believed")
	}
	if _, far := shake(t, stranger, two, "two.example"); far == nil {
		t.Error("a stranger was let in")
	}
	nobody := &tls.Config{InsecureSkipVerify: true}
	if _, far := shake(t, nobody, two, "two.example"); far == nil {
		t.Error("a client without a certificate was let in")
	}
}

func TestShortSecretIsRefused(t *testing.T) {
	if _, err := Config("fifteen letters", nil, now); err == nil || !strings.Contains(err.Error(), "at least 16") {
		t.Error(err)
	}
}
