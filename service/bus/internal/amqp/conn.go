package amqp

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// conn is one connection to one namespace.
type conn struct {
	s       *Service
	wire    *server.Conn
	ns      *namespace.Namespace
	sink    *namespace.Sink
	peer    identity.Peer
	remote  net.Addr
	log     *slog.Logger
	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc
	started time.Time

	work *work // gathered since the last Flush; the reader goroutine's
	out  outbox
	send delivering // the outbox goroutine's

	mu        sync.Mutex
	claims    claims
	links     map[*end]struct{}
	receivers map[broker.ReceiverID]*receiver
	replies   map[string]*replier // by the address or the link name replies go to
	named     map[string]*end     // by link name, for requests on a link's behalf
	cbs       [2]bool             // whether the halves of the $cbs pair are attached
	bare      time.Time           // since when the connection has no entity link
	requests  int                 // management requests under way
	pins      map[*server.Session]*pin
	ended     bool
	ticker    *time.Timer
}

var _ server.Handler = (*conn)(nil)
var _ namespace.Listener = (*conn)(nil)

// newConn joins a connection to its namespace and starts its outbox and clock.
func newConn(v *visit, w *server.Conn, ns *namespace.Namespace, proven []identity.Principal) (*conn, error) {
	s, now := v.s, wall.Now()
	c := &conn{
		s: s, wire: w, ns: ns, peer: v.peer(), remote: v.info.Remote, started: now, bare: now,
		log:       s.log.With("namespace", ns.Name(), "peer", w.ContainerID()),
		links:     map[*end]struct{}{},
		receivers: map[broker.ReceiverID]*receiver{},
		replies:   map[string]*replier{},
		named:     map[string]*end{},
		pins:      map[*server.Session]*pin{},
	}
	for _, p := range proven {
		if err := c.claims.put("", p, now); err != nil {
			return nil, err
		}
	}
	var err error
	if c.sink, err = ns.Connect(c); err != nil {
		return nil, err
	}
	if err := s.join(c); err != nil {
		c.sink.Close()
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.work = newWork(c)
	c.out.init()
	c.ticker = time.AfterFunc(tickEvery, c.tick)
	go c.empty(ns.Lost())
	return c, nil
}

// Flush implements server.Handler: what one read brought is decided in one turn.
func (c *conn) Flush() {
	if c.work.empty() {
		return
	}
	w := c.work
	c.work = newWork(c)
	if err := c.ns.Do(w.decide); err != nil {
		c.moved(err)
	}
}

// moved ends the connection because its namespace is not decided here (any more).
// The client comes back and is passed on to the owner.
func (c *conn) moved(err error) {
	if fault.Is(err, fault.NotOwner) {
		c.wire.Close(wire.Errorf(wire.ErrConnectionForced, "The namespace is now served by another node. Please reconnect."))
		return
	}
	c.log.Error("the namespace takes no work", "error", fault.Detail(err))
	c.wire.Close(refusal(err))
}

// leave ends the connection once what it has under way is answered.
func (c *conn) leave(why *wire.Error) {
	if c.ns.Do(func(t *namespace.Turn) { t.Reveal(func() { c.wire.Close(why) }) }) != nil {
		c.wire.Close(why)
	}
}

// do queues one turn from outside the reader goroutine.
func (c *conn) do(turn func(*namespace.Turn)) {
	if err := c.ns.Do(turn); err != nil {
		c.moved(err)
	}
}

// Closed implements server.Handler.
func (c *conn) Closed(err error) {
	c.work.call(func(*namespace.Turn) error { return nil }, func(error) { c.note(finished, 0) })
	if c.ns.Do(c.work.decide) != nil {
		c.note(finished, 0)
	}
	c.mu.Lock()
	c.ended = true
	c.ticker.Stop()
	c.mu.Unlock()
	c.cancel()
	c.sink.Close()
	c.s.leave(c)
	if err != nil {
		c.log.Debug("connection ended", "error", err)
	}
}

// Changed implements namespace.Listener: the links of a changed entity are
// detached, so that clients attach again and see it as it is now. Receivers hear
// of it by an event of their own.
func (c *conn) Changed(path string, removed error) {
	why := wire.Errorf(wire.ErrDetachForced, "The link is force detached. The messaging entity '%s' was updated.", path)
	if removed != nil {
		why = wireError(removed)
	}
	for _, e := range c.ends(func(e *end) bool { return e.receiver == nil && equalFold(e.addr.entity, path) }) {
		if e.sender != nil {
			e.sender.leave(why)
			continue
		}
		e.link.Detach(why)
	}
}

// ends returns the links that match, to be acted on without the lock.
func (c *conn) ends(match func(*end) bool) []*end {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*end
	for e := range c.links {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// attempt puts a call that needs an entity into the gathered work. When the
// entity is not there it is tried once more after a comparison with the catalog,
// for it may just have been declared.
func (c *conn) attempt(try func(*namespace.Turn) error, done func(error)) {
	c.work.call(try, func(err error) {
		if !fault.Is(err, fault.NotFound) {
			done(err)
			return
		}
		go func() {
			ctx, cancel := context.WithTimeout(c.ctx, definitionWait)
			defer cancel()
			if c.ns.Reconcile(ctx) != nil {
				done(err)
				return
			}
			c.do(func(t *namespace.Turn) {
				again := try(t)
				t.Reveal(func() { done(again) })
			})
		}()
	})
}

// definitionWait is how long an attach waits for an entity to be defined.
const definitionWait = 10 * time.Second
