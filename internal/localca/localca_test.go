package localca

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time the test moves by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// serve connects to a listener that answers one handshake.
func serve(t *testing.T, a *Authority) net.Conn {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer socket.Close()
		if conn, err := socket.Accept(); err == nil {
			defer conn.Close()
			tls.Server(conn, a.TLSConfig()).Handshake()
		}
	}()
	conn, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// shake runs a handshake with a client that trusts the CA of dir and returns the
// certificate it saw.
func shake(t *testing.T, a *Authority, dir, server string, now time.Time) (*x509.Certificate, error) {
	t.Helper()
	pem, err := os.ReadFile(CAFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in ca.crt")
	}
	client := tls.Client(serve(t, a), &tls.Config{RootCAs: pool, ServerName: server, Time: func() time.Time { return now }})
	if err := client.Handshake(); err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0], nil
}

func TestFirstStartMakesACertificateClientsCanTrust(t *testing.T) {
	dir, c := filepath.Join(t.TempDir(), "tls"), newClock()
	a, err := Open(Options{Dir: dir, Hosts: []string{"Bus.Example.com:5671", "10.1.2.3"}, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"localhost", "127.0.0.1", "127.0.0.2", "::1", "bus.example.com", "10.1.2.3"} {
		leaf, err := shake(t, a, dir, server, c.now)
		if err != nil {
			t.Errorf("%s: %v", server, err)
			continue
		}
		if life := leaf.NotAfter.Sub(c.now); life != leafLife {
			t.Errorf("%s lives %v", server, life)
		}
	}
	if _, err := shake(t, a, dir, "elsewhere", c.now); err == nil {
		t.Error("a name nobody gave is accepted")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 3 {
		t.Errorf("files: %v", files)
	}
	for _, file := range files {
		if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", file, info.Mode())
		}
	}
}

func TestCertificateOutlivesARestartAndIsRenewedNearItsEnd(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	serial := func(a *Authority) string {
		leaf, err := shake(t, a, dir, "localhost", c.now)
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.String()
	}
	open := func() *Authority {
		a, err := Open(Options{Dir: dir, Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := serial(open())
	c.now = c.now.Add(leafLife - renewBefore)
	running := open()
	if serial(running) != first {
		t.Error("renewed with 30 days left")
	}
	c.now = c.now.Add(time.Second)
	second := serial(running)
	if second == first {
		t.Error("not renewed with fewer than 30 days left")
	}
	if serial(open()) != second {
		t.Error("the renewed certificate was not kept")
	}
	c.now = c.now.AddDate(10, 0, 0)
	if _, err := Open(Options{Dir: dir, Now: c.Now}); err == nil || !strings.Contains(err.Error(), "move the file away") {
		t.Errorf("an ended CA: %v", err)
	}
}

func TestAddedNamesAreInTheNextHandshake(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	a, err := Open(Options{Dir: dir, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := shake(t, a, dir, "localhost", c.now)
	if err := a.AddHosts("orders.servicebus.windows.net"); err != nil {
		t.Fatal(err)
	}
	if _, err := shake(t, a, dir, "orders.servicebus.windows.net", c.now); err != nil {
		t.Fatal(err)
	}
	if err := a.AddHosts("LOCALHOST", "orders.servicebus.windows.net"); err != nil {
		t.Fatal(err)
	}
	after, _ := shake(t, a, dir, "localhost", c.now)
	if before.Equal(after) {
		t.Error("the certificate was not made anew")
	}
	many := make([]string, hostsMax)
	for i := range many {
		many[i] = strings.Repeat("x", i/26+1) + string(rune('a'+i%26)) + ".example"
	}
	if err := a.AddHosts(many...); err == nil {
		t.Error("no bound on names")
	}
}

func TestTwoStartsAtOnceShareOneAuthority(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	var all [8][]byte
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() { all[i], _ = CA(dir, c.now) })
	}
	wait.Wait()
	for _, one := range all {
		if len(one) == 0 || !bytes.Equal(one, all[0]) || bytes.Contains(one, []byte("PRIVATE")) {
			t.Fatalf("%s", one)
		}
	}
}

// give writes a certificate signed by a CA in dir to cert.pem and key.pem.
func give(t *testing.T, dir, host string, c *clock) (cert, key string) {
	t.Helper()
	signer, err := authority(dir, c.now)
	if err != nil {
		t.Fatal(err)
	}
	both, err := signer.issue([]string{host}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for _, file := range []string{cert, key} {
		if err := os.WriteFile(file, both, 0o600); err != nil {
			t.Fatal(err)
		}
		// The clock of a file system may be coarse: say that this is a new version.
		c.now = c.now.Add(time.Minute)
		if err := os.Chtimes(file, c.now, c.now); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestGivenCertificatesAreReloadedWhenTheyChange(t *testing.T) {
	dir, c, log := t.TempDir(), newClock(), &bytes.Buffer{}
	cert, key := give(t, dir, "one.example", c)
	a, err := Open(Options{CertFile: cert, KeyFile: key, Now: c.Now, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shake(t, a, dir, "one.example", c.now); err != nil {
		t.Fatal(err)
	}
	give(t, dir, "two.example", c)
	if _, err := shake(t, a, dir, "two.example", c.now); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := shake(t, a, dir, "two.example", c.now); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "last good one"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log)
	}
	if err := a.AddHosts("three.example"); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	if _, err := Open(Options{Dir: dir, CertFile: "x"}); err == nil {
		t.Error("a certificate without its key")
	}
	if _, err := Open(Options{CertFile: filepath.Join(dir, "no"), KeyFile: filepath.Join(dir, "no")}); err == nil {
		t.Error("files that are not there")
	}
	for _, bad := range []string{"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "rubbish"} {
		if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := CA(dir, c.now); err == nil || !strings.Contains(err.Error(), "move the file away") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTLS11IsRefused(t *testing.T) {
	a, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	old := tls.Client(serve(t, a), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err := old.Handshake(); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}
