package server

import (
	"time"

	"weir/wire/amqp"
)

// heartbeatMin bounds how often a peer can make us send empty frames.
const heartbeatMin = 100 * time.Millisecond

// startKeepalive starts the timer that watches over both idle time-outs.
func (c *Conn) startKeepalive() {
	now := int64(time.Since(c.started))
	c.read.Store(now)
	c.written.Store(now)
	if next := c.nextBeat(now); next > 0 {
		c.mu.Lock()
		c.beat = time.AfterFunc(next, c.keepalive)
		c.mu.Unlock()
	}
}

func (c *Conn) stopKeepalive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.beat != nil {
		c.beat.Stop()
	}
}

// heartbeat is how long we may stay silent: half of what the peer tolerates, or 0
// for ever.
func (c *Conn) heartbeat() time.Duration {
	if c.peer.IdleTimeout == 0 {
		return 0
	}
	return max(time.Duration(c.peer.IdleTimeout)*time.Millisecond/2, heartbeatMin)
}

// nextBeat returns how long nothing has to be done, or 0 when nothing ever has.
func (c *Conn) nextBeat(now int64) time.Duration {
	var next time.Duration
	if limit := c.cfg.IdleTimeout; limit > 0 {
		next = limit - time.Duration(now-c.read.Load())
	}
	if beat := c.heartbeat(); beat > 0 {
		left := beat - time.Duration(now-c.written.Load())
		if left <= 0 {
			left = beat // a frame is on its way
		}
		if next == 0 || left < next {
			next = left
		}
	}
	return next
}

// keepalive closes the connection of a silent peer and breaks our own silence.
func (c *Conn) keepalive() {
	now := int64(time.Since(c.started))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return
	}
	if limit := c.cfg.IdleTimeout; limit > 0 && time.Duration(now-c.read.Load()) >= limit {
		c.close(amqp.Errorf(amqp.ErrResourceLimitExceeded, "local-idle-timeout expired"))
		return
	}
	if beat := c.heartbeat(); beat > 0 && time.Duration(now-c.written.Load()) >= beat && c.out.backlog() == 0 {
		c.out.heartbeat()
		c.wakeWriter()
	}
	c.beat.Reset(max(c.nextBeat(now), time.Millisecond))
}
