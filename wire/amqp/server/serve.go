package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"weir/wire/amqp"
)

// Peer is who a connection belongs to that another node has let in.
type Peer struct {
	Info     PeerInfo
	Identity any
}

// Serve speaks AMQP on conn until it ends, and closes it. It takes SASL or plain
// AMQP, whichever the peer starts with. When ctx ends, the connection is closed
// with amqp:connection:forced. The error says why the connection broke; it is nil
// after an orderly close and after a Handover.
func Serve(ctx context.Context, conn net.Conn, cfg Config, svc Service) error {
	if t, ok := conn.(*tls.Conn); ok {
		if err := handshakeTLS(ctx, t, cfg.withDefaults().HandshakeTimeout); err != nil {
			conn.Close()
			return err
		}
	}
	return ServeFrom(ctx, conn, peerInfo(conn), cfg, svc)
}

// ServeFrom is Serve for a connection whose peer the caller knows more of than the
// connection tells. TLS, if any, is established.
func ServeFrom(ctx context.Context, conn net.Conn, info PeerInfo, cfg Config, svc Service) error {
	c := newConn(conn, cfg, svc, info)
	return c.serve(ctx, c.authenticate)
}

// ServeOpened is Serve for a connection that another node has authenticated and
// handed over: it starts at the AMQP protocol header, and Authenticate is not
// called.
func ServeOpened(ctx context.Context, conn net.Conn, cfg Config, svc Service, peer Peer) error {
	c := newConn(conn, cfg, svc, peer.Info)
	c.identity = peer.Identity
	return c.serve(ctx, c.expectAMQP)
}

func handshakeTLS(ctx context.Context, conn *tls.Conn, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return conn.HandshakeContext(ctx)
}

// serve runs a connection: a way in (protocol headers and SASL), open, frames, end.
func (c *Conn) serve(ctx context.Context, enter func() error) error {
	stop := context.AfterFunc(ctx, func() { c.net.Close() })
	limit := time.AfterFunc(c.cfg.HandshakeTimeout, func() { c.net.Close() })
	err := enter()
	var prefix []byte
	if err == nil {
		prefix, err = c.readOpen()
	}
	limit.Stop()
	if err != nil {
		c.linger()
		stop()
		c.net.Close()
		c.log.Debug("connection did not open", "error", err)
		return err
	}
	handler, err := c.service.Open(c)
	stop()
	var handover *Handover
	if errors.As(err, &handover) {
		_ = c.net.SetDeadline(time.Time{})
		handover.Take(c.net, prefix)
		return nil
	}
	return c.run(ctx, handler, err)
}

// run speaks on an open connection. refusal is why the service does not want it.
func (c *Conn) run(ctx context.Context, handler Handler, refusal error) error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	c.mu.Lock()
	c.frame(0, c.ourOpen())
	c.mu.Unlock()
	c.startKeepalive()
	defer c.stopKeepalive()
	if refusal != nil {
		c.Close(asError(refusal))
	}
	stop := context.AfterFunc(ctx, func() {
		c.Close(amqp.Errorf(amqp.ErrConnectionForced, "the server is going away"))
	})
	defer stop()
	c.handler = handler
	err := c.verdict(c.loop())
	c.finish(err)
	<-written
	c.limit.Stop()
	c.net.Close()
	close(c.done)
	return err
}

// ourOpen is the open we answer with.
func (c *Conn) ourOpen() *amqp.Open {
	open := &amqp.Open{
		ContainerID:  c.cfg.ContainerID,
		MaxFrameSize: c.cfg.MaxFrameSize,
		ChannelMax:   c.cfg.ChannelMax,
		Properties:   c.cfg.Properties,
	}
	if c.cfg.IdleTimeout > 0 {
		open.IdleTimeout = uint32(max(c.cfg.IdleTimeout/2, time.Millisecond) / time.Millisecond)
	}
	return open
}

// loop reads and dispatches until the peer closed or the socket broke.
func (c *Conn) loop() error {
	for {
		need, done := c.dispatch()
		if done {
			return nil
		}
		c.mu.Lock()
		c.waitRoom(func() bool { return c.out.backlog() > c.cfg.OutputBytesMax && !c.closing })
		c.mu.Unlock()
		if err := c.in.fill(need); err != nil {
			return err
		}
		c.read.Store(int64(time.Since(c.started)))
	}
}

// verdict says why the connection ended, given why the reader did. What was found
// first counts: a reader fails because the connection was closed.
func (c *Conn) verdict(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.failure != nil:
		return c.failure
	case c.closing || err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// finish ends output, which gets CloseTimeout to leave, then tells the handler that
// all links and the connection are over.
func (c *Conn) finish(err error) {
	c.mu.Lock()
	if c.closing = true; c.limit == nil {
		c.limit = time.AfterFunc(c.cfg.CloseTimeout, func() { c.net.Close() })
	}
	c.out.ended = true
	c.out.holds = 0
	c.wakeAll()
	for _, s := range c.sessions {
		if s != nil {
			s.drop()
		}
	}
	c.mu.Unlock()
	if c.handler == nil {
		return
	}
	for _, s := range c.sessions {
		if s != nil {
			s.tellDetached(nil)
		}
	}
	c.handler.Closed(err)
}

// asError returns the error to show for a refusal of the service.
func asError(err error) *amqp.Error {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e
	}
	return amqp.Errorf(amqp.ErrInternal, "the server could not open the connection")
}
