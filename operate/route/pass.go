package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"weir/internal/hop"
)

const (
	dialTimeout   = 3 * time.Second
	retryPause    = 100 * time.Millisecond // after no door of the primary took a connection
	complainEvery = 10 * time.Second
	acceptPause   = 50 * time.Millisecond // after an accept that may work later
)

// passage is a connection that was passed on.
type passage struct {
	location string
	term     uint64
	end      context.CancelFunc
}

// accept takes clients at one door.
func (r *Router) accept(door net.Listener) {
	for {
		client, err := door.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			r.log.Warn("a connection could not be accepted", "listen", door.Addr().String(), "error", err, "retry_in", acceptPause)
			if !pause(r.ctx, acceptPause, nil) {
				return
			}
			continue
		}
		// Above a bound this door waits with the one client it has in its hands; those
		// behind stay in the kernel's queue.
		if !take(r.ctx, r.slots) || !take(r.ctx, r.waiting) {
			client.Close()
			return
		}
		r.wait.Go(func() {
			defer func() { <-r.slots }()
			r.serve(client)
		})
	}
}

// take waits for room in a bound.
func take(ctx context.Context, room chan struct{}) bool {
	select {
	case room <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// pause reports false when ctx ended; wake ends it early.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// serve passes one client on, until either side or the term ends.
func (r *Router) serve(client net.Conn) {
	defer client.Close()
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	server, err := r.reach(ctx, cancel, client)
	<-r.waiting
	if err != nil {
		r.complain(client, err)
		return
	}
	hop.Join(ctx, client, server.Conn)
	r.mu.Lock()
	delete(r.open, server.passage)
	r.mu.Unlock()
}

// reached is a connection to a door of the primary.
type reached struct {
	net.Conn
	*passage
}

// reach connects to the primary, waiting for one as long as Patience allows. end is
// what ends the connection when the term is over.
func (r *Router) reach(ctx context.Context, end context.CancelFunc, client net.Conn) (reached, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Patience)
	defer cancel()
	for {
		to, term, changed, err := r.target()
		if err == nil {
			var conn net.Conn
			if conn, err = r.dial(ctx, to, changed); err == nil {
				if hop.Loopback(conn.RemoteAddr()) && !hop.Loopback(client.RemoteAddr()) {
					conn.Close()
					return reached{}, fmt.Errorf("the door %s of %s takes who comes over loopback for one of its own machine: name it by another address of the machine", conn.RemoteAddr(), to.Name)
				}
				p := &passage{to.Name, term, end}
				if r.begin(p) {
					return reached{conn, p}, nil
				}
				conn.Close()
				continue // it moved in between
			}
		}
		if to == nil { // only another picture helps
			select {
			case <-changed:
				continue
			case <-ctx.Done():
			}
		} else if pause(ctx, retryPause, changed) {
			continue
		}
		return reached{}, fmt.Errorf("no primary within %s: %w", r.o.Patience, err)
	}
}

var errNobody = errors.New("no location says that it is primary")

// target is where clients go now.
func (r *Router) target() (*place, uint64, <-chan struct{}, error) {
	active, term, changed := r.Active()
	for _, p := range r.places {
		if p.Name == active {
			return p, term, changed, nil
		}
	}
	if _, err := r.look().pick(r.o.Group); err != nil {
		return nil, 0, changed, err
	}
	return nil, 0, changed, errNobody
}

// dial tries the doors of a location, each time beginning with another one. It gives
// up when the picture changes.
func (r *Router) dial(ctx context.Context, to *place, changed <-chan struct{}) (conn net.Conn, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	dialer := net.Dialer{Timeout: dialTimeout}
	first := r.turn.Add(1)
	for i := range to.Doors {
		door := to.Doors[(first+uint64(i))%uint64(len(to.Doors))]
		if conn, err = dialer.DialContext(ctx, "tcp", door); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// begin notes a passage unless its term is over already.
func (r *Router) begin(p *passage) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	g, err := r.picture.pick(r.o.Group)
	if err != nil || g.active != p.location {
		return false
	}
	r.open[p] = struct{}{}
	return true
}

// part ends the passages whose location has lost the group: another term has begun. A
// location that only halts is left to finish. The caller holds mu.
func (r *Router) part() {
	g, err := r.picture.pick(r.o.Group)
	if err != nil {
		return
	}
	ended := 0
	for p := range r.open {
		if g.top > p.term && g.active != p.location {
			p.end()
			ended++
		}
	}
	if ended > 0 {
		r.log.Info("connections to a former primary are closed", "connections", ended, "primary", g.active, "term", g.top)
	}
}

// complain writes why a client was not passed on, now and then.
func (r *Router) complain(client net.Conn, err error) {
	if r.ctx.Err() != nil {
		return
	}
	now := time.Now().UnixNano()
	if last := r.warned.Load(); now-last < int64(complainEvery) || !r.warned.CompareAndSwap(last, now) {
		r.log.Debug("a client could not be passed on", "client", client.RemoteAddr().String(), "error", err)
		return
	}
	r.log.Warn("a client could not be passed on; others for this reason are not written for a while", "client", client.RemoteAddr().String(), "error", err)
}
