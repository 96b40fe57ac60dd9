package app

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"weir/internal/hop"
	"weir/internal/sniff"
	"weir/wire/amqp/server"
)

// TestRepeatedConnectionStartsOver plays a connection from its open frame on: the
// service reads what the client had sent, the client sees no second header.
func TestRepeatedConnectionStartsOver(t *testing.T) {
	client, door := net.Pipe()
	defer client.Close()
	header := string(server.Header())
	for range 2 { // it can be started over again, and counts no further hop for it
		again := repeat(door, []byte("open"))
		got := make([]byte, len(header)+4)
		if _, err := io.ReadFull(again, got); err != nil || string(got) != header+"open" {
			t.Fatalf("%q %v", got, err)
		}
		if n, err := again.Write([]byte(header[:3])); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		go again.Write([]byte(header[3:] + "our open"))
		seen := make([]byte, 8)
		if _, err := io.ReadFull(client, seen); err != nil || string(seen) != "our open" {
			t.Errorf("%q %v", seen, err)
		}
		go client.Write([]byte("begin"))
		if _, err := io.ReadFull(again, got[:5]); err != nil || string(got[:5]) != "begin" {
			t.Errorf("%q %v", got[:5], err)
		}
		door = again
	}
	if inner := door.(*repeated); inner.Conn == nil || hopsOf(inner) != 0 {
		t.Error("it wraps itself")
	}
	if again := repeat(door, nil); !again.until.Equal(door.(*repeated).until) {
		t.Error("starting over gives more time")
	}
}

func TestHopsAreCounted(t *testing.T) {
	_, door := net.Pipe()
	far := &passed{door, 2}
	if hopsOf(door) != 0 || hopsOf(far) != 2 || hopsOf(repeat(far, nil)) != 2 {
		t.Error(hopsOf(door), hopsOf(far), hopsOf(repeat(far, nil)))
	}
}

func TestAddressForOtherNodes(t *testing.T) {
	cases := []struct{ advertise, amqp, cluster, want string }{
		{"bus.example:5672", "127.0.0.1:0", "", "bus.example:5672"},
		{"", "127.0.0.1:0", "", "127.0.0.1:"},
		{"", "0.0.0.0:0", "127.0.0.9:26101", "127.0.0.9:"},
	}
	for _, c := range cases {
		var log record
		o := options(t, &log)
		o.AMQP, o.HTTP, o.Advertise, o.ClusterListen = c.amqp, doorOff, c.advertise, c.cluster
		opened, err := openDoors(o, sniff.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p := &Platform{o: o, doors: opened}
		if got := p.address(); len(got) < len(c.want) || got[:len(c.want)] != c.want {
			t.Errorf("%+v: %s", c, got)
		}
		if err := opened.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUnreachableOwnerIsWaitedForNoLongerThanAllowed has nothing owned anywhere:
// then nothing is stuck. The wait itself is bounded by the connection's deadline.
func TestUnreachableOwnerIsWaitedForNoLongerThanAllowed(t *testing.T) {
	var log record
	p := start(t, options(t, &log))
	if !p.awaitTakeover("192.0.2.1:1", time.Now().Add(time.Hour)) {
		t.Error("stuck on an address that owns nothing")
	}
	if p.awaitTakeover(p.address(), time.Now()) {
		t.Error("an owner that stays was taken for a new one")
	}
}

// TestOthersCallDuringTheStart: another location keeps calling while this node starts.
// Until the pairings are known it is refused like a stranger.
func TestOthersCallDuringTheStart(t *testing.T) {
	var log record
	p, err := New(options(t, &log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	for _, step := range []func(context.Context) error{p.openData, p.openMetrics, p.openTrust, p.openDoors} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hop.Dial(t.Context(), p.Addrs()["amqp"], "east", []byte(pairingSecret), []byte(`{"kind":"http"}`)); err == nil {
		t.Error("taken before the pairings are known")
	}
}
