package sniff

import (
	"crypto/tls"
	"net"
	"sync"
)

// Conn is a connection that was looked at. It reads as if it had not been.
type Conn struct {
	net.Conn
	head []byte // read already, still to be given out
	tls  *tls.ConnectionState

	external bool
}

// External reports whether the connection came through a door for other networks.
func (c *Conn) External() bool { return c.external }

// Read gives out the looked-at bytes first.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	c.head = c.head[n:]
	return n, nil
}

// TLS returns the state of the TLS session, nil for a plain connection.
func (c *Conn) TLS() *tls.ConnectionState { return c.tls }

// CloseWrite says that nothing more will be written; the other direction stays open.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// endpoint is one net.Listener behind a door.
type endpoint struct {
	door   *Door
	prefix string
	conns  chan *Conn
	closed chan struct{}
	once   sync.Once
}

// Accept returns the next connection, net.ErrClosed after Close of the listener
// or the door.
func (e *endpoint) Accept() (net.Conn, error) {
	select {
	case conn := <-e.conns:
		return conn, nil
	case <-e.closed:
	case <-e.door.closed:
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: e.Addr(), Err: net.ErrClosed}
}

// Close ends this listener only; its connections are closed on arrival.
func (e *endpoint) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

// Addr is the address of the door.
func (e *endpoint) Addr() net.Addr { return e.door.Addr() }

// deliver hands a connection to whoever accepts; false when nobody will.
func (e *endpoint) deliver(conn *Conn) bool {
	select {
	case e.conns <- conn:
		return true
	case <-e.closed:
	case <-e.door.closed:
	}
	return false
}
