package link_test

import (
	"context"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/link"
)

// TestADeadPeerIsNoticed: a connection over which nothing comes any more, and that
// nobody closes, is given up by both sides within little more than a second.
func TestADeadPeerIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := newShelf(), newShelf()
		var way *road
		var dark *hole
		way, r := newPair(t, from, nil, watched(link.Async, ""), link.ReceiverOptions{
			Dial: func(ctx context.Context) (net.Conn, error) {
				conn, err := way.dial(ctx)
				if err == nil {
					dark = &hole{Conn: conn, swallow: make(chan struct{})}
					conn = dark
				}
				return conn, err
			}})
		stop := copying(t, r, to)
		to.await(t, from.append(1, []byte("a")))
		time.Sleep(10 * time.Second) // beats keep it alive; this is the bubble's time
		if !way.sender.Lag().Connected || !r.State().Connected {
			t.Fatal("a connection that beats is not alive")
		}
		way.cuts.Store(true)
		close(dark.swallow)
		began := time.Now()
		for r.State().Connected || way.sender.Lag().Connected {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took < 500*time.Millisecond || took > 1400*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		stop()
	})
}

// hole is a connection that swallows everything from some time on.
type hole struct {
	net.Conn
	swallow chan struct{}
}

func (h *hole) gone() bool {
	select {
	case <-h.swallow:
		return true
	default:
		return false
	}
}

// Read gives nothing any more once the hole is open.
func (h *hole) Read(b []byte) (int, error) {
	for {
		n, err := h.Conn.Read(b)
		if err != nil || !h.gone() {
			return n, err
		}
	}
}

// Write takes everything.
func (h *hole) Write(b []byte) (int, error) {
	if h.gone() {
		return len(b), nil
	}
	return h.Conn.Write(b)
}

// TestCoveredWakesWhenItDegrades: who waits in sync mode goes on three seconds
// after the other location went away, and waits again when it is back.
func TestCoveredWakesWhenItDegrades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := newShelf(), newShelf()
		way, r := newPair(t, from, nil, watched(link.Sync, link.Degrade), link.ReceiverOptions{})
		way.sender.Opened(1, 0)
		stop := copying(t, r, to)
		put := func() {
			last := from.append(1, []byte("a"))
			way.sender.Appended(last, 1, 1)
			began := time.Now()
			for wait := way.sender.Covered(last); wait != nil; wait = way.sender.Covered(last) {
				<-wait
			}
			t.Logf("position %d covered after %s", last, time.Since(began))
		}
		put()
		if way.sender.Lag().Degraded {
			t.Fatal("degraded although the other location is there")
		}
		way.cuts.Store(true)
		way.cut()
		began := time.Now()
		put()
		if took := time.Since(began); took < 2500*time.Millisecond || took > 3500*time.Millisecond {
			t.Errorf("it went on after %s", took)
		}
		if !way.sender.Lag().Degraded {
			t.Error("it does not say that it is degraded")
		}
		way.cuts.Store(false)
		for way.sender.Lag().Degraded {
			time.Sleep(10 * time.Millisecond)
		}
		equal(t, from, to)
		put()
		equal(t, from, to)
		stop()
		way.ends.Wait()
	})
}

// TestASlowLinkIsNotADeadOne: a frame that takes many seconds is life, not silence.
func TestASlowLinkIsNotADeadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := newShelf(), newShelf()
		var way *road
		way, r := newPair(t, from, nil, watched(link.Async, ""), link.ReceiverOptions{
			Dial: func(context.Context) (net.Conn, error) {
				here, there := net.Pipe()
				way.dials.Add(1)
				way.serve(slow{there})
				return here, nil
			}})
		noise := make([]byte, 2<<20)
		rand.NewChaCha8([32]byte{1}).Read(noise)
		last := from.append(1, noise)
		began := time.Now()
		stop := copying(t, r, to)
		to.await(t, last)
		if took := time.Since(began); took < 5*time.Second || way.dials.Load() != 1 {
			t.Errorf("it took %s and %d connections", took, way.dials.Load())
		}
		equal(t, from, to)
		stop()
		way.cut()
		way.ends.Wait()
	})
}

// slow is a connection that sends 16 KiB in 100 ms.
type slow struct{ net.Conn }

// Write is that of the connection, slowly.
func (s slow) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		time.Sleep(100 * time.Millisecond)
		var m int
		m, err = s.Conn.Write(b[n:min(n+16<<10, len(b))])
		n += m
	}
	return n, err
}
