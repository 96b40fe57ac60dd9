package server

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// listenInside listens in a network; what it accepts is sent back.
func listenInside(t *testing.T, n *Net) {
	t.Helper()
	listening := make(chan error)
	var l net.Listener
	go func() {
		runtime.LockOSThread()
		err := n.enter()
		if err == nil {
			l, err = net.Listen("tcp", ":7")
		}
		listening <- err
	}()
	if err := <-listening; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

// What passes between networks is late by the delay of its way, and ends where the way
// is cut; whoever is inside goes on reaching what is inside.
func TestRouter(t *testing.T) {
	if err := Networks(); err != nil {
		t.Skip(err)
	}
	r, err := NewRouter("here", "there")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.close() })
	here, there := r.Net("here"), r.Net("there")
	listenInside(t, there)
	const late = 30 * time.Millisecond
	r.Delay("here", "there", late)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := here.dial(ctx, "tcp", net.JoinHostPort(there.Addr(), "7"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	echo := func() (time.Duration, error) {
		began := time.Now()
		if _, err := conn.Write([]byte{1}); err != nil {
			return 0, err
		}
		_, err := io.ReadFull(conn, make([]byte, 1))
		return time.Since(began), err
	}
	if took, err := echo(); err != nil || took < late {
		t.Errorf("there and back took %v, %v; one way is late by %v", took, err, late)
	}
	for _, way := range [][2]string{{"here", "there"}, {"there", "here"}} {
		r.Mute(way[0], way[1], true)
		conn.SetReadDeadline(time.Now().Add(5 * late))
		if _, err := echo(); err == nil {
			t.Errorf("an answer came though nothing passes from %s to %s", way[0], way[1])
		}
		r.Mend()
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Errorf("what was sent meanwhile does not come when the way is whole: %v", err)
		}
		conn.SetReadDeadline(time.Time{})
	}
	r.Mute("here", "there", true)
	if c, err := there.dial(ctx, "tcp", "127.0.0.1:7"); err != nil {
		t.Errorf("from inside: %v", err)
	} else {
		c.Close()
	}
}

// A disk of its own can be filled and emptied.
func TestDisk(t *testing.T) {
	if err := Disks(); err != nil {
		t.Skip(err)
	}
	d, err := newDisk(t.TempDir(), 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.remove() })
	write := func() error { return os.WriteFile(d.dir+"/file", make([]byte, 64<<10), 0o600) }
	if err := d.Fill(0); err != nil {
		t.Fatal(err)
	}
	if err := write(); !isFull(err) {
		t.Errorf("writing to a full disk: %v", err)
	}
	if err := d.Empty(); err != nil {
		t.Fatal(err)
	}
	if err := d.Fill(1 << 20); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("writing to what was left: %v", err)
	}
	if free, err := freeOn(d.dir); err != nil || free > 1<<20 {
		t.Errorf("%d bytes are free, %v", free, err)
	}
}

func isFull(err error) bool {
	p, ok := err.(*os.PathError)
	return ok && p.Err == syscall.ENOSPC
}
