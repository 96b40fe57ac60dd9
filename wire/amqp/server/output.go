package server

import (
	"fmt"
	"sync"
	"time"

	"weir/wire/amqp"
)

const (
	// chunkBytes is the size of the pieces that output is collected in and written
	// with one call each, under a deadline each.
	chunkBytes = 64 << 10
	// holdBytesMax is how much output a Hold keeps back.
	holdBytesMax = chunkBytes
	// frameRoom is the room for a frame without payload that is seldom larger.
	frameRoom = 512
)

// chunks are pieces of output between two uses.
var chunks = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// output is what waits to be written. It is guarded by Conn.mu. Frames are
// appended to buf, after reserve.
type output struct {
	full    [][]byte   // chunks without room for more
	size    int        // their bytes
	buf     []byte     // the chunk in use, or nil
	dirty   []*Session // sessions with dispositions not encoded yet
	writing int        // bytes the writer has taken and not written
	queued  int        // bytes that wait for session windows
	holds   int
	idle    bool      // the writer waits
	ended   bool      // the writer finishes what is here and stops
	wake    sync.Cond // the writer waits here
	waiters int       // waiting for room
	room    sync.Cond // they wait here
}

// reserve makes room for a frame of n bytes. A frame that turns out larger is
// merely slower.
func (o *output) reserve(n int) {
	if cap(o.buf)-len(o.buf) >= n {
		return
	}
	if len(o.buf) > 0 {
		o.full = append(o.full, o.buf)
		o.size += len(o.buf)
	}
	if n > chunkBytes {
		o.buf = make([]byte, 0, n)
		return
	}
	o.buf = chunks.Get().(*[chunkBytes]byte)[:0]
}

// recycle gives a chunk back.
func recycle(b []byte) {
	if cap(b) == chunkBytes {
		chunks.Put((*[chunkBytes]byte)(b[:chunkBytes]))
	}
}

// pending is the output that the writer has not taken.
func (o *output) pending() int { return o.size + len(o.buf) }

// backlog is the output in memory that waits for the socket.
func (o *output) backlog() int { return o.pending() + o.writing }

// frame appends a frame.
func (o *output) frame(channel uint16, p amqp.Performative) {
	o.reserve(frameRoom)
	o.buf = amqp.AppendFrame(o.buf, amqp.FrameAMQP, channel, p)
}

// heartbeat appends an empty frame.
func (o *output) heartbeat() {
	o.reserve(frameRoom)
	start := len(o.buf)
	o.buf = amqp.OpenFrame(o.buf, amqp.FrameAMQP, 0)
	amqp.CloseFrame(o.buf[start:], 0)
}

// ready says whether the writer has something to do.
func (o *output) ready() bool {
	if o.ended {
		return true
	}
	if o.pending() == 0 && len(o.dirty) == 0 {
		return false
	}
	return o.holds == 0 || o.waiters > 0 || o.pending() >= holdBytesMax
}

// take gives all output to the writer. into is memory to use again.
func (o *output) take(into [][]byte) [][]byte {
	taken := append(o.full, o.buf)
	o.writing = o.pending()
	o.full, o.size, o.buf = into[:0], 0, nil
	return taken
}

// wakeWriter wakes the writer if it has something to do, under mu.
func (c *Conn) wakeWriter() {
	if c.out.idle && c.out.ready() {
		c.out.idle = false
		c.out.wake.Signal()
	}
}

// wakeAll wakes the writer and everybody who waits for room, under mu.
func (c *Conn) wakeAll() {
	c.wakeWriter()
	c.out.room.Broadcast()
}

// roomFreed wakes those who wait for room, under mu.
func (c *Conn) roomFreed() {
	if c.out.waiters > 0 {
		c.out.room.Broadcast()
	}
}

// waitRoom waits under mu until full is false. Who waits does not hold output back.
func (c *Conn) waitRoom(full func() bool) {
	if !full() {
		return
	}
	c.out.waiters++
	c.wakeWriter()
	for full() {
		c.out.room.Wait()
	}
	c.out.waiters--
}

// write is the writer goroutine: it takes all output there is and writes it, until
// output ends or the socket breaks.
func (c *Conn) write() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken [][]byte
	for {
		for !c.out.ready() {
			c.out.idle = true
			c.out.wake.Wait()
		}
		c.flushAcks()
		if c.out.pending() == 0 {
			return // ended
		}
		taken = c.out.take(taken)
		c.mu.Unlock()
		err := c.writeAll(taken)
		c.mu.Lock()
		c.out.writing = 0
		c.roomFreed()
		if err != nil {
			c.cut(fmt.Errorf("write: %w", err))
			return
		}
	}
}

// writeAll writes chunks, each under a deadline of its own, and recycles them.
func (c *Conn) writeAll(taken [][]byte) error {
	for i, b := range taken {
		if len(b) == 0 {
			continue
		}
		if err := c.net.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout)); err != nil {
			return err
		}
		if _, err := c.net.Write(b); err != nil {
			return err
		}
		c.written.Store(int64(time.Since(c.started)))
		recycle(b)
		taken[i] = nil
	}
	return nil
}
