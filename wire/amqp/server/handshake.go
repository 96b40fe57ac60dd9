package server

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"weir/wire/amqp"
)

const (
	// protocolHeadBytes is the size of a protocol header.
	protocolHeadBytes = 8
	// saslFrameBytesMax bounds SASL frames. The specification wants at least 512.
	saslFrameBytesMax = 8 << 10
	// openFrameBytesMax bounds the peer's open. Before open a frame may have 512
	// bytes, but peers with long properties do not care.
	openFrameBytesMax = 8 << 10
	// lingerBytesMax is how much input of a refused peer is read and dropped.
	lingerBytesMax = 64 << 10
)

// authenticate exchanges protocol headers and, if the peer starts with it, SASL.
func (c *Conn) authenticate() error {
	id, err := c.readHeader(amqp.ProtocolSASL, amqp.ProtocolAMQP)
	if err != nil {
		return err
	}
	if id == amqp.ProtocolAMQP {
		if c.identity, err = c.service.Authenticate(c.info, "", nil); err != nil {
			_ = c.send(amqp.ProtocolHeader(amqp.ProtocolSASL))
			return fmt.Errorf("peer skips SASL: %w", err)
		}
		return c.send(amqp.ProtocolHeader(amqp.ProtocolAMQP))
	}
	if err := c.sasl(); err != nil {
		return fmt.Errorf("SASL: %w", err)
	}
	return c.expectAMQP()
}

// expectAMQP exchanges AMQP protocol headers.
func (c *Conn) expectAMQP() error {
	if _, err := c.readHeader(amqp.ProtocolAMQP); err != nil {
		return err
	}
	return c.send(amqp.ProtocolHeader(amqp.ProtocolAMQP))
}

// readHeader reads a protocol header and returns its id, one of accepted. Any
// other is answered with the header of the first one, as part 2 (2.2) wants.
func (c *Conn) readHeader(accepted ...byte) (byte, error) {
	head, err := c.next(protocolHeadBytes)
	if err != nil {
		return 0, fmt.Errorf("protocol header: %w", err)
	}
	for _, id := range accepted {
		if bytes.Equal(head, amqp.ProtocolHeader(id)) {
			return id, nil
		}
	}
	_ = c.send(amqp.ProtocolHeader(accepted[0]))
	return 0, fmt.Errorf("peer speaks %q", head)
}

// sasl offers the mechanisms, lets the service judge the peer's init and sends
// the outcome.
func (c *Conn) sasl() error {
	offer := &amqp.SASLMechanisms{Mechanisms: c.cfg.Mechanisms}
	hello := amqp.ProtocolHeader(amqp.ProtocolSASL)
	if err := c.send(amqp.AppendFrame(hello, amqp.FrameSASL, 0, offer)); err != nil {
		return err
	}
	f, err := c.nextFrame(amqp.FrameSASL, saslFrameBytesMax)
	if err != nil {
		return err
	}
	var init amqp.SASLInit
	if _, err := init.Decode(bytes.Clone(f.Body)); err != nil {
		return err
	}
	code, err := amqp.SASLOK, error(nil)
	if !slices.Contains(c.cfg.Mechanisms, init.Mechanism) {
		err = fmt.Errorf("mechanism %q is not offered", init.Mechanism)
	} else {
		c.identity, err = c.service.Authenticate(c.info, string(init.Mechanism), init.InitialResponse)
	}
	if err != nil {
		code = amqp.SASLAuth
	}
	outcome := amqp.AppendFrame(nil, amqp.FrameSASL, 0, &amqp.SASLOutcome{Code: code})
	if sendErr := c.send(outcome); err == nil {
		err = sendErr
	}
	return err
}

// readOpen reads the peer's open and returns all bytes received from it on.
func (c *Conn) readOpen() (prefix []byte, err error) {
	f, err := c.nextFrame(amqp.FrameAMQP, openFrameBytesMax)
	if err == nil {
		_, err = c.peer.Decode(bytes.Clone(f.Body))
	}
	if err == nil && c.peer.MaxFrameSize < amqp.FrameSizeMin {
		err = amqp.Errorf(amqp.ErrInvalidField, "max-frame-size %d is below %d", c.peer.MaxFrameSize, amqp.FrameSizeMin)
	}
	if err != nil {
		c.refuseOpen(err)
		return nil, fmt.Errorf("open: %w", err)
	}
	start := c.in.r - int(f.size)
	return bytes.Clone(c.in.slab[start:c.in.w]), nil
}

// refuseOpen answers what is no open with open and close.
func (c *Conn) refuseOpen(err error) {
	e, ok := err.(*amqp.Error)
	if !ok {
		return // the socket's error
	}
	b := amqp.AppendFrame(nil, amqp.FrameAMQP, 0, c.ourOpen())
	_ = c.send(amqp.AppendFrame(b, amqp.FrameAMQP, 0, &amqp.Close{Error: e}))
}

// linger reads what a refused peer has still to say, for a while, so that closing
// the socket does not destroy the answer on its way.
func (c *Conn) linger() {
	if c.net.SetReadDeadline(time.Now().Add(c.cfg.CloseTimeout)) != nil {
		return
	}
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.CopyN(io.Discard, c.net, lingerBytesMax)
}

// send writes during the handshake, when there is no writer.
func (c *Conn) send(b []byte) error {
	if err := c.net.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout)); err != nil {
		return err
	}
	_, err := c.net.Write(b)
	return err
}

// next takes n bytes from the input. They are good until the next read.
func (c *Conn) next(n int) ([]byte, error) {
	for len(c.in.unread()) < n {
		if err := c.in.fill(n); err != nil {
			return nil, err
		}
	}
	b := c.in.unread()[:n]
	c.in.r += n
	return b, nil
}

// sizedFrame is a frame and its size on the wire.
type sizedFrame struct {
	amqp.Frame
	size int
}

// nextFrame takes a frame of this type from the input, passing over heartbeats.
func (c *Conn) nextFrame(t amqp.FrameType, limit uint32) (sizedFrame, error) {
	for {
		f, size, need, err := amqp.ReadFrame(c.in.unread(), limit)
		switch {
		case err != nil:
			return sizedFrame{}, err
		case size == 0:
			if err := c.in.fill(need); err != nil {
				return sizedFrame{}, eof(err)
			}
			continue
		case f.Type != t:
			return sizedFrame{}, amqp.Errorf(amqp.ErrConnectionFraming, "frame type 0x%02x where 0x%02x is expected", byte(f.Type), byte(t))
		}
		c.in.r += size
		if len(f.Body) > 0 {
			return sizedFrame{f, size}, nil
		}
	}
}

func eof(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
