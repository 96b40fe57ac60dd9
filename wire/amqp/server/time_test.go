package server

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/wire/amqp"
)

// TestHeartbeats: empty frames go out at half of what the peer tolerates, and only
// in silence.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{IdleTimeout: -1}, &script{})
		p.header(Header())
		p.send(0, &amqp.Open{ContainerID: "peer", IdleTimeout: 1000})
		expect[*amqp.Open](p)
		start := time.Now()
		beat := func(at time.Duration) {
			t.Helper()
			if b := p.read(8); b[3] != 8 || time.Since(start) != at {
				t.Fatalf("%x after %v, want a heartbeat after %v", b, time.Since(start), at)
			}
		}
		beat(500 * time.Millisecond)
		beat(1000 * time.Millisecond)
		time.Sleep(300 * time.Millisecond)
		p.begin(0, 1)
		beat(1800 * time.Millisecond)
		p.conn.Close()
		<-p.served
	})
}

// TestSilentPeer: a peer that is silent for IdleTimeout is told so and closed; its
// heartbeats keep it.
func TestSilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{IdleTimeout: 10 * time.Second}, &script{})
		p.header(Header())
		p.send(0, &amqp.Open{ContainerID: "peer"})
		equal(t, expect[*amqp.Open](p).IdleTimeout, uint32(5000))
		start := time.Now()
		time.Sleep(9 * time.Second)
		p.raw([]byte{0, 0, 0, 8, 2, 0, 0, 0})
		c := expect[*amqp.Close](p)
		equal(t, []any{c.Error.Condition, time.Since(start)}, []any{amqp.ErrResourceLimitExceeded, 19 * time.Second})
		if !strings.Contains(c.Error.Description, "local-idle-timeout expired") {
			t.Error(c.Error)
		}
		// It does not answer the close either.
		p.expectEOF()
		equal(t, time.Since(start), 21*time.Second)
		if err := <-p.served; err == nil {
			t.Error("no error")
		}
	})
}

func TestSlowHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPeer(t, Config{}, &script{})
		p.header(Header())
		if err := <-p.served; err == nil || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// flood is a script that sends a thousand messages from a goroutine of its own
// that waits for room, and reports how far it came.
func flood(sent *int, failed chan error) *script {
	message := [][]byte{make([]byte, 10_000)}
	return &script{credit: func(l *Link, f Flow) {
		go func() {
			for range 1000 {
				if err := l.WaitRoom(); err != nil {
					failed <- err
					return
				}
				if err := l.Send(Outgoing{Tag: []byte{1}, Payload: message, Settled: true}); err != nil {
					failed <- err
					return
				}
				*sent++
			}
			failed <- nil
		}()
	}}
}

// TestPeerThatDoesNotRead: output stops at its bound and the peer is cut off.
func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent int
		failed := make(chan error, 1)
		p := opened(t, Config{OutputBytesMax: 100_000, WriteTimeout: time.Minute, IdleTimeout: -1}, flood(&sent, failed))
		p.receiver(0, "l", 1000)
		synctest.Wait()
		if sent < 10 || sent > 12 {
			t.Errorf("%d messages sent to nobody", sent)
		}
		if err := <-failed; err != ErrLinkGone {
			t.Errorf("sender: %v", err)
		}
		if err := <-p.served; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("served: %v", err)
		}
	})
}

// TestSlowReader gets everything, however slowly it reads.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent int
		failed := make(chan error, 1)
		p := opened(t, Config{OutputBytesMax: 100_000}, flood(&sent, failed))
		p.receiver(0, "l", 1000)
		p.send(0, &amqp.Flow{NextIncomingID: id(0), IncomingWindow: 1 << 20})
		for n, done := 0, 0; done < 1000; n++ {
			if tr, _ := p.expectTransfer(); !tr.More {
				done++
			}
			if n%100 == 0 {
				time.Sleep(time.Second)
			}
		}
		if err := <-failed; err != nil || sent != 1000 {
			t.Errorf("sender: %d, %v", sent, err)
		}
	})
}

// TestReaderWaitsForOutput: a peer that asks and does not read the answers is not
// read from.
func TestReaderWaitsForOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := opened(t, Config{OutputBytesMax: 1000, WriteTimeout: time.Minute}, &script{})
		var written int
		ask := amqp.AppendFrame(nil, amqp.FrameAMQP, 0, &amqp.Flow{Echo: true})
		for {
			n, err := p.conn.Write(ask)
			if written += n; err != nil {
				break
			}
		}
		if written > 100_000 { // what is read at a time, and what the bound lets wait
			t.Errorf("%d bytes were read without an answer", written)
		}
		if err := <-p.served; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("served: %v", err)
		}
	})
}

// TestSendWithoutBound: a handler that never waits for room loses the connection
// before the server loses its memory.
func TestSendWithoutBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		svc := &script{credit: func(l *Link, f Flow) {
			message := [][]byte{make([]byte, 1<<20)}
			for l.Send(Outgoing{Tag: []byte{1}, Payload: message, Settled: true}) == nil {
				sent++
			}
		}}
		p := opened(t, Config{OutputBytesMax: 1000}, svc)
		p.receiver(0, "l", 1000)
		var e *amqp.Error
		if err := <-p.served; !errors.As(err, &e) || e.Condition != amqp.ErrResourceLimitExceeded || sent > 70 {
			t.Errorf("%d sent, served: %v", sent, err)
		}
	})
}
