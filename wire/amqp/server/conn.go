package server

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"weir/wire/amqp"
)

// Conn is one connection. Its reader goroutine (the one in Serve) owns what only
// input changes; everything that answers can reach is guarded by mu.
type Conn struct {
	net      net.Conn
	cfg      Config
	service  Service
	handler  Handler // set before the first frame after open
	log      *slog.Logger
	info     PeerInfo
	identity any
	peer     amqp.Open
	done     chan struct{}

	// Reader only.
	in       input
	sessions []*Session // by channel
	links    map[linkKey]*Link
	groups   []group // of the disposition in hand

	started time.Time    // lastRead and lastWrite count from here
	read    atomic.Int64 // nanoseconds, end of the last read
	written atomic.Int64 // nanoseconds, end of the last write
	beat    *time.Timer  // keepalive

	mu      sync.Mutex
	out     output
	closing bool        // our close is sent: no more output
	limit   *time.Timer // ends the wait for the peer's close
	failure error       // why the connection broke, if it did
}

// linkKey identifies a link on a connection: the peer is the same for all.
type linkKey struct {
	name string
	role amqp.Role
}

func newConn(conn net.Conn, cfg Config, svc Service, info PeerInfo) *Conn {
	cfg = cfg.withDefaults()
	c := &Conn{
		net: conn, cfg: cfg, service: svc, info: info,
		log:     cfg.Logger.With("remote", info.Remote),
		done:    make(chan struct{}),
		in:      input{conn: conn},
		links:   make(map[linkKey]*Link),
		started: time.Now(),
	}
	c.out.wake.L, c.out.room.L = &c.mu, &c.mu
	return c
}

// Info returns what is known of the peer from outside.
func (c *Conn) Info() PeerInfo { return c.info }

// Identity returns what Service.Authenticate returned.
func (c *Conn) Identity() any { return c.identity }

// ContainerID returns the peer's name for itself.
func (c *Conn) ContainerID() string { return c.peer.ContainerID }

// Hostname returns the host the peer means to speak to.
func (c *Conn) Hostname() string { return c.peer.Hostname }

// Properties returns the properties of the peer's open.
func (c *Conn) Properties() amqp.Map { return c.peer.Properties }

// Done is closed after Handler.Closed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close sends close, with an error unless err is nil, and gives the peer
// CloseTimeout to answer. It does not wait; nothing can be sent after it.
func (c *Conn) Close(err *amqp.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close(err)
}

// close is Close under mu.
func (c *Conn) close(err *amqp.Error) {
	if c.closing {
		return
	}
	if err != nil {
		c.log.Debug("closing connection", "error", err)
		if c.failure == nil {
			c.failure = err
		}
	}
	c.frame(0, &amqp.Close{Error: err})
	c.closing = true
	c.wakeAll()
	c.limit = time.AfterFunc(c.cfg.CloseTimeout, func() { c.net.Close() })
}

// cut ends the connection without a word, under mu.
func (c *Conn) cut(err error) {
	if c.failure == nil {
		c.failure = err
	}
	c.closing = true
	c.wakeAll()
	go c.net.Close() // closing TLS writes, and may wait for it
}

// Hold keeps output back until Release, so that answers given one after the other
// leave together. Output of more than 64 KiB goes out in between, and all of it
// while somebody waits for room. Holds nest and should be short.
func (c *Conn) Hold() {
	c.mu.Lock()
	c.out.holds++
	c.mu.Unlock()
}

// Release ends a Hold.
func (c *Conn) Release() {
	c.mu.Lock()
	c.out.holds--
	c.wakeWriter()
	c.mu.Unlock()
}

// frame appends a frame of the connection's own output, under mu. Dispositions
// that wait go first, so that none comes after the end of its link.
func (c *Conn) frame(channel uint16, p amqp.Performative) {
	if c.closing {
		return
	}
	c.flushAcks()
	c.out.frame(channel, p)
	c.wakeWriter()
}
