// Package sniff lets one port speak several protocols. A Door reads the first
// bytes of each connection: a TLS handshake is answered and what is inside is
// looked at again; then the connection goes to the listener whose prefix it
// begins with, or to the listener for the rest.
//
// What it promises:
//  1. The receiver of a connection reads every byte the client sent (after TLS),
//     the looked-at ones included.
//  2. A connection has Options.Timeout to finish its handshake and say what it
//     speaks, and no deadline is left on it when it is handed out.
//  3. At most Options.SniffingMax connections are being looked at; further ones
//     wait in the kernel's queue.
//  4. Close ends every goroutine of the door and closes every connection that was
//     not handed out yet. Connections handed out belong to their receiver.
//
// What it refuses: TLS inside TLS, and protocols in which the server speaks first.
package sniff

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// Options set the bounds of a Door. Zero values take the defaults named here.
type Options struct {
	TLS         *tls.Config   // nil: connections that begin a TLS handshake are closed
	Timeout     time.Duration // from accept to hand-over; 10 s
	SniffingMax int           // connections looked at at once; 1,024
	Logger      *slog.Logger  // discarded
	External    bool          // a door for other networks: its connections say so, and TLS is all it speaks
}

const (
	timeoutDefault     = 10 * time.Second
	sniffingMaxDefault = 1024

	tlsHandshake = 0x16 // the content type every TLS connection begins with
	headBytesMax = 16   // the longest prefix a listener may ask for
)

// Door is one listening socket and the listeners behind it. Make the listeners
// with Match and Rest, then run Serve.
type Door struct {
	socket  net.Listener
	options Options
	matches []*endpoint
	rest    *endpoint

	slots   chan struct{}
	closed  chan struct{}
	once    sync.Once
	workers sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{} // being looked at
}

// New makes a door of a listening socket, which it owns from now on.
func New(socket net.Listener, o Options) *Door {
	if o.Timeout == 0 {
		o.Timeout = timeoutDefault
	}
	if o.SniffingMax == 0 {
		o.SniffingMax = sniffingMaxDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Door{
		socket: socket, options: o,
		slots: make(chan struct{}, o.SniffingMax), closed: make(chan struct{}),
		open: map[net.Conn]struct{}{},
	}
}

// Match returns the listener for connections that begin with prefix. Its Accept
// returns *Conn values. Call it before Serve.
func (d *Door) Match(prefix string) net.Listener {
	if len(prefix) > headBytesMax || prefix == "" {
		panic("sniff: a prefix has 1 to 16 bytes")
	}
	e := d.endpoint(prefix)
	d.matches = append(d.matches, e)
	return e
}

// Rest returns the listener for connections that match no prefix. Call it before
// Serve; without it such connections are closed.
func (d *Door) Rest() net.Listener {
	d.rest = d.endpoint("")
	return d.rest
}

func (d *Door) endpoint(prefix string) *endpoint {
	return &endpoint{door: d, prefix: prefix, conns: make(chan *Conn), closed: make(chan struct{})}
}

// Addr is where the door listens.
func (d *Door) Addr() net.Addr { return d.socket.Addr() }

// Serve accepts until Close; it then returns nil. Any other end is an error of
// the socket.
func (d *Door) Serve() error {
	var pause time.Duration
	for {
		select {
		case d.slots <- struct{}{}:
		case <-d.closed:
			return nil
		}
		conn, err := d.socket.Accept()
		if err != nil {
			<-d.slots
			if pause = nextPause(pause, err); pause == 0 || !d.wait(pause) {
				return d.ended(err)
			}
			d.options.Logger.Warn("a connection could not be accepted", "door", d.Addr().String(), "error", err, "retry_in", pause)
			continue
		}
		pause = 0
		if !d.begin(conn) {
			conn.Close()
			return nil
		}
		go d.look(conn)
	}
}

// nextPause says how long to wait after a failed accept: zero when it is final.
func nextPause(last time.Duration, err error) time.Duration {
	var temporary interface{ Temporary() bool }
	if !errors.As(err, &temporary) || !temporary.Temporary() {
		return 0
	}
	return min(max(2*last, 5*time.Millisecond), time.Second)
}

func (d *Door) wait(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.closed:
		return false
	}
}

func (d *Door) ended(err error) error {
	select {
	case <-d.closed:
		return nil
	default:
		return err
	}
}

// Close stops accepting, closes what is still being looked at, ends the
// listeners and waits for the door's goroutines.
func (d *Door) Close() error {
	var err error
	d.once.Do(func() {
		d.mu.Lock()
		close(d.closed)
		for conn := range d.open {
			conn.Close()
		}
		d.mu.Unlock()
		err = d.socket.Close()
	})
	d.workers.Wait()
	return err
}

// begin notes a connection that is being looked at; false when the door closed.
func (d *Door) begin(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.closed:
		return false
	default:
	}
	d.open[conn] = struct{}{}
	d.workers.Add(1)
	return true
}

func (d *Door) end(conn net.Conn) {
	d.mu.Lock()
	delete(d.open, conn)
	d.mu.Unlock()
	<-d.slots
	d.workers.Done()
}

// look finds out what one connection speaks and hands it out.
func (d *Door) look(raw net.Conn) {
	defer d.end(raw)
	raw.SetDeadline(time.Now().Add(d.options.Timeout))
	conn, err := d.classify(raw)
	if err != nil {
		d.options.Logger.Debug("a connection was closed before it said what it speaks", "peer", raw.RemoteAddr().String(), "error", err)
		raw.Close()
		return
	}
	raw.SetDeadline(time.Time{})
	if e := d.pick(conn.head); e == nil || !e.deliver(conn) {
		conn.Close()
	}
}

var (
	errTLSRefused   = errors.New("TLS is not spoken here")
	errPlainRefused = errors.New("nothing but TLS is spoken here")
)

// classify reads the head of the connection, through TLS if it begins with that.
func (d *Door) classify(raw net.Conn) (*Conn, error) {
	conn := &Conn{Conn: raw}
	if err := d.readHead(conn); err != nil {
		return nil, err
	}
	conn.external = d.options.External
	if conn.head[0] != tlsHandshake {
		if d.options.External {
			return nil, errPlainRefused
		}
		return conn, nil
	}
	if d.options.TLS == nil {
		return nil, errTLSRefused
	}
	secured := tls.Server(conn, d.options.TLS)
	if err := secured.Handshake(); err != nil {
		return nil, err
	}
	state := secured.ConnectionState()
	inner := &Conn{Conn: secured, tls: &state, external: conn.external}
	return inner, d.readHead(inner)
}

// readHead reads until the bytes match a prefix or can no longer match any.
func (d *Door) readHead(conn *Conn) error {
	head := make([]byte, 0, headBytesMax)
	for {
		n, err := conn.Conn.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		conn.head = head
		if len(head) > 0 && d.decided(string(head)) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// decided reports whether more bytes could change who gets the connection.
func (d *Door) decided(head string) bool {
	for _, e := range d.matches {
		if len(head) < len(e.prefix) && strings.HasPrefix(e.prefix, head) {
			return false
		}
	}
	return true
}

func (d *Door) pick(head []byte) *endpoint {
	for _, e := range d.matches {
		if strings.HasPrefix(string(head), e.prefix) {
			return e
		}
	}
	return d.rest
}
