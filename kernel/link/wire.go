package link

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"

	"weir/internal/wall"
	"weir/kernel/link/core"
)

const (
	// compressBytesMin is the shortest body worth trying to compress.
	compressBytesMin = 512
	readBytes        = 64 << 10
	byeTimeout       = 100 * time.Millisecond
)

// wire is a connection that carries frames: one goroutine reads, any may write.
type wire struct {
	conn  net.Conn
	in    *bufio.Reader
	began time.Time
	heard atomic.Int64 // since began, when bytes last came

	turn   chan struct{} // who writes has put something in
	body   []byte        // memory of the frame that is being written
	packed []byte
}

func newWire(conn net.Conn) *wire {
	w := &wire{conn: conn, began: wall.Now(), turn: make(chan struct{}, 1)}
	w.in = bufio.NewReaderSize(w.ear(), readBytes)
	return w
}

type ear struct{ w *wire }

// ear reads the connection and notes when something came.
func (w *wire) ear() io.Reader { return ear{w} }

// Read is that of the connection.
func (e ear) Read(b []byte) (int, error) {
	n, err := e.w.conn.Read(b)
	if n > 0 {
		e.w.heard.Store(int64(time.Since(e.w.began)))
	}
	return n, err
}

// lastHeard is when bytes last came.
func (w *wire) lastHeard() time.Time { return w.began.Add(time.Duration(w.heard.Load())) }

// read returns the next frame. The body is the caller's.
func (w *wire) read() (core.Kind, []byte, error) {
	var head [core.HeadBytes]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return 0, nil, err
	}
	h, err := core.ParseHead(&head)
	if err != nil {
		return 0, nil, err
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(w.in, body); err != nil {
		return 0, nil, err
	}
	if err := h.Verify(&head, body); err != nil {
		return 0, nil, err
	}
	if h.Flags&core.Compressed != 0 {
		body, err = unpack(body)
	}
	return h.Kind, body, err
}

// unpack decompresses a body, which may not be longer than a frame.
func unpack(body []byte) ([]byte, error) {
	n, err := s2.DecodedLen(body)
	if err != nil || n > core.FrameBytesMax {
		return nil, fmt.Errorf("%w: a compressed frame of %d bytes, at most %d", ErrProtocol, n, core.FrameBytesMax)
	}
	plain, err := s2.Decode(make([]byte, n), body)
	if err != nil {
		return nil, fmt.Errorf("%w: a compressed frame: %w", ErrProtocol, err)
	}
	return plain, nil
}

// write sends a frame whose body is what add adds, compressed when that makes it
// smaller, and returns how many bytes that took.
func (w *wire) write(k core.Kind, add func([]byte) []byte) (int, error) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	return w.writeLocked(k, add)
}

func (w *wire) writeLocked(k core.Kind, add func([]byte) []byte) (int, error) {
	var head [core.HeadBytes]byte
	w.body = add(append(w.body[:0], head[:]...))
	frame, flags := w.body, byte(0)
	if bulk := k == core.KindData || k == core.KindChunk; bulk && len(frame) > compressBytesMin {
		if packed := w.pack(frame[core.HeadBytes:]); len(packed) < len(frame)-len(frame)/16 {
			frame, flags = packed, core.Compressed
		}
	}
	core.Seal(frame, k, flags)
	return w.conn.Write(frame)
}

// pack returns a frame whose body is the compressed one.
func (w *wire) pack(body []byte) []byte {
	if most := core.HeadBytes + s2.MaxEncodedLen(len(body)); cap(w.packed) < most {
		w.packed = make([]byte, most)
	}
	room := w.packed[:cap(w.packed)]
	return room[:core.HeadBytes+len(s2.Encode(room[core.HeadBytes:], body))]
}

// bye tells the peer why the connection ends, when that can be done at once.
func (w *wire) bye(reason string) {
	select {
	case w.turn <- struct{}{}:
	default:
		return // somebody is writing: the peer will see the end of it
	}
	defer func() { <-w.turn }()
	w.conn.SetWriteDeadline(wall.Now().Add(byeTimeout))
	w.writeLocked(core.KindBye, func(b []byte) []byte { return core.AppendBye(b, reason) })
}
