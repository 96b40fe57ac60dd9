package server

import (
	"bytes"

	"weir/wire/amqp"
)

// dispatch handles all whole frames that were read. It returns how many bytes the
// next one needs, and whether the peer closed the connection.
func (c *Conn) dispatch() (need int, closed bool) {
	if c.isClosing() {
		return c.dispatchClosing()
	}
	c.Hold()
	defer c.Release()
	for {
		f, size, need, err := amqp.ReadFrame(c.in.unread(), c.cfg.MaxFrameSize)
		if err == nil && size == 0 {
			c.handler.Flush()
			return need, false
		}
		if err == nil {
			c.in.r += size
			closed, err = c.frameIn(f)
		}
		if err != nil {
			c.Close(asError(err))
		}
		if closed || err != nil {
			c.handler.Flush()
			return amqp.FrameHead, closed
		}
	}
}

// dispatchClosing looks for the peer's close and nothing else. Input that makes
// no sense is dropped.
func (c *Conn) dispatchClosing() (need int, closed bool) {
	for {
		f, size, need, err := amqp.ReadFrame(c.in.unread(), c.cfg.MaxFrameSize)
		if err != nil {
			c.in.r = c.in.w
			return amqp.FrameHead, false
		}
		if size == 0 {
			return need, false
		}
		c.in.r += size
		if code, _, err := amqp.Descriptor(f.Body); err == nil && code == amqp.DescClose {
			return 0, true
		}
	}
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// frameIn handles one frame. Its errors end the connection.
func (c *Conn) frameIn(f amqp.Frame) (closed bool, err error) {
	if f.Type != amqp.FrameAMQP {
		return false, amqp.Errorf(amqp.ErrConnectionFraming, "SASL frame on an open connection")
	}
	if len(f.Body) == 0 {
		return false, nil
	}
	code, _, err := amqp.Descriptor(f.Body)
	if err != nil {
		return false, err
	}
	switch code {
	case amqp.DescOpen:
		return false, amqp.Errorf(amqp.ErrIllegalState, "the connection is open already")
	case amqp.DescClose:
		return c.closeIn(f.Body)
	case amqp.DescBegin:
		return false, c.beginIn(f.Channel, f.Body)
	case amqp.DescAttach, amqp.DescFlow, amqp.DescTransfer, amqp.DescDisposition, amqp.DescDetach, amqp.DescEnd:
		if int(f.Channel) >= len(c.sessions) || c.sessions[f.Channel] == nil {
			return false, amqp.Errorf(amqp.ErrNotAllowed, "channel %d has no session", f.Channel)
		}
		return false, c.sessionIn(c.sessions[f.Channel], code, f.Body)
	}
	return false, amqp.Errorf(amqp.ErrNotImplemented, "no performative has descriptor 0x%x", code)
}

// sessionIn handles a frame of a session.
func (c *Conn) sessionIn(s *Session, code uint64, body []byte) error {
	switch code {
	case amqp.DescTransfer:
		var t amqp.Transfer
		payload, err := t.Decode(body)
		if err != nil {
			return err
		}
		c.in.pinned = true
		s.transferIn(&t, payload)
	case amqp.DescDisposition:
		var d amqp.Disposition
		if _, err := d.Decode(body); err != nil {
			return err
		}
		c.in.pinned = c.in.pinned || !plain(d.State)
		s.dispositionIn(&d)
	case amqp.DescFlow:
		var f amqp.Flow
		if _, err := f.Decode(body); err != nil {
			return err
		}
		c.in.pinned = c.in.pinned || f.Properties != nil
		s.flowIn(&f)
	default:
		return c.rareIn(s, code, bytes.Clone(body))
	}
	return nil
}

// rareIn handles frames that are kept; body is a copy.
func (c *Conn) rareIn(s *Session, code uint64, body []byte) error {
	switch code {
	case amqp.DescAttach:
		var a amqp.Attach
		if _, err := a.Decode(body); err != nil {
			return err
		}
		return s.attachIn(&a)
	case amqp.DescDetach:
		var d amqp.Detach
		if _, err := d.Decode(body); err != nil {
			return err
		}
		s.detachIn(&d)
	case amqp.DescEnd:
		var e amqp.End
		if _, err := e.Decode(body); err != nil {
			return err
		}
		c.endIn(s, e.Error)
	}
	return nil
}

// closeIn answers the peer's close.
func (c *Conn) closeIn(body []byte) (closed bool, err error) {
	var peer amqp.Close
	if _, err := peer.Decode(bytes.Clone(body)); err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if peer.Error != nil && c.failure == nil {
		c.failure = peer.Error
	}
	c.close(nil)
	return true, nil
}

// plain says whether a state refers to no input.
func plain(s amqp.State) bool {
	switch s.(type) {
	case nil, amqp.Accepted, amqp.Released:
		return true
	}
	return false
}
