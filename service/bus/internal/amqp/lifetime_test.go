package amqp

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// only returns the rig's one connection, when the ones before have gone.
func (r *rig) only() *conn {
	for ; ; runtime.Gosched() {
		r.front.mu.Lock()
		var found *conn
		for c := range r.front.conns {
			found = c
		}
		n := len(r.front.conns)
		r.front.mu.Unlock()
		if n == 1 {
			return found
		}
	}
}

func TestSilentPeersAreLetGo(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	t.Run("no token", func(t *testing.T) {
		p := r.anonymous(t, "ANONYMOUS", "")
		p.put(0, &wire.Open{ContainerID: "x", Hostname: "test"})
		p.flush()
		expect[*wire.Open](p)
		r.only().check(time.Now().Add(firstTokenMax))
		if err := p.closed(); err == nil || err.Condition != wire.ErrConnectionForced {
			t.Errorf("got %v", err) // unauthorized-access would keep the Go SDK from ever connecting again
		}
	})
	t.Run("no link", func(t *testing.T) {
		p := r.peer(t)
		c := r.only()
		c.check(time.Now().Add(firstTokenMax))
		c.check(time.Now().Add(firstLinkMax))
		if err := p.closed(); err == nil || err.Condition != wire.ErrConnectionForced {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the namespace takes no work", func(t *testing.T) {
		p := r.peer(t)
		r.only().moved(fault.New(fault.Busy, "The other location is away."))
		if err := p.closed(); err == nil || err.Condition != wire.ErrConnectionForced {
			t.Errorf("got %v", err) // server-busy has the Go SDK read a connection that is gone, in a busy loop
		}
	})
	t.Run("last link gone", func(t *testing.T) {
		p := r.peer(t)
		tx, _ := p.sends("tx", &wire.Target{Address: q}, nil, nil)
		c := r.only()
		c.check(time.Now().Add(time.Hour)) // a link keeps it
		p.put(0, &wire.Detach{Handle: tx, Closed: true})
		p.flush()
		expect[*wire.Detach](p)
		for idle := false; !idle; runtime.Gosched() {
			c.mu.Lock()
			idle = len(c.links) == 0
			c.mu.Unlock()
		}
		c.check(time.Now().Add(2 * firstLinkMax))
		c.check(time.Now().Add(noLinkMax + time.Second))
		if err := p.closed(); err == nil || err.Condition != wire.ErrConnectionForced {
			t.Errorf("got %v", err)
		}
	})
	t.Run("idle link", func(t *testing.T) {
		p := r.peer(t)
		if _, err := p.sends("tx", &wire.Target{Address: q}, nil, nil); err != nil {
			t.Fatal(err)
		}
		c := r.only()
		for range linkIdleMax/tickEvery + 2 {
			c.check(time.Now())
		}
		d := expect[*wire.Detach](p)
		if d.Error == nil || d.Error.Condition != wire.ErrDetachForced || !strings.Contains(d.Error.Description, "IdleTimerExpired: Idle timeout: 00:10:00") {
			t.Errorf("got %v", d.Error)
		}
	})
	t.Run("token ran out", func(t *testing.T) {
		p := r.peer(t)
		if _, err := p.sends("tx", &wire.Target{Address: q}, nil, nil); err != nil {
			t.Fatal(err)
		}
		c := r.only()
		c.mu.Lock()
		_ = c.claims.put("", identity.Principal{Claims: identity.Send, Expires: time.Now().Add(time.Minute)}, time.Now())
		c.mu.Unlock()
		c.check(time.Now())
		c.check(time.Now().Add(time.Hour))
		if d := expect[*wire.Detach](p); d.Error == nil || d.Error.Condition != wire.ErrUnauthorizedAccess {
			t.Errorf("got %v", d.Error)
		}
	})
}

// An entity that is removed ends its links with not-found; one that changed with
// detach-forced.
func TestLinksEndWithTheirEntity(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	p := r.peer(t)
	attach := func() {
		t.Helper()
		if _, err := p.sends(unique("tx"), &wire.Target{Address: q}, nil, nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.receives(unique("rx"), q, nil); err != nil {
			t.Fatal(err)
		}
	}
	detached := func(want wire.Symbol) {
		t.Helper()
		for range 2 {
			d := expect[*wire.Detach](p)
			if d.Error == nil || d.Error.Condition != want {
				t.Errorf("got %v, want %s", d.Error, want)
			}
			p.put(0, &wire.Detach{Handle: d.Handle, Closed: true})
		}
		p.flush()
	}
	attach()
	r.entity(broker.Queue, q, func(d *broker.Definition) { d.MaxDeliveryCount = 3 })
	detached(wire.ErrDetachForced)
	attach()
	_ = r.catalog.Delete(t.Context(), q)
	if err := r.ns.Reconcile(within(t)); err != nil {
		t.Fatal(err)
	}
	detached(wire.ErrNotFound)
}

func TestStopSendsClientsAway(t *testing.T) {
	r := newRig(t, Limits{})
	p := r.peer(t)
	stopped := make(chan struct{})
	go func() { r.front.Stop(within(t)); close(stopped) }()
	if err := p.closed(); err == nil || err.Condition != wire.ErrConnectionForced {
		t.Errorf("got %v", err)
	}
	p.conn.Close()
	<-stopped
	late := r.dumb(t)
	late.put(0, &wire.Open{ContainerID: "late"})
	late.flush()
	if err := late.closed(); err == nil || err.Condition != wire.ErrConnectionForced {
		t.Errorf("got %v", err)
	}
}

// When the ownership ends, connections end in a way that makes clients come back.
func TestLostOwnershipEndsConnections(t *testing.T) {
	r := newRig(t, Limits{})
	p := r.peer(t)
	if err := r.unit.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := p.closed(); err == nil || err.Condition != wire.ErrConnectionForced {
		t.Errorf("got %v", err)
	}
}

// A connection to a node that does not own the namespace is passed on to the one
// that does, with who its client is.
func TestConnectionsArePassedOn(t *testing.T) {
	owner := newRig(t, Limits{})
	q := owner.queue()
	other := owner.second(func(conn net.Conn, prefix []byte, info server.PeerInfo, identity []byte, to string) {
		if to != "nowhere" {
			t.Errorf("passed on to %q", to)
		}
		near, far := net.Pipe()
		go func() { _ = owner.front.ServeForwarded(t.Context(), far, info, identity) }()
		go func() {
			_, _ = near.Write(append(server.Header(), prefix...))
			_, _ = io.Copy(near, conn)
			near.Close()
		}()
		_, _ = io.ReadFull(near, make([]byte, 8))
		_, _ = io.Copy(conn, near)
		conn.Close()
	})
	s := other.sdk(t)
	s.send(q, "through")
	if got := bodies(s.take(s.receiver(q, nil), 1)); got[0] != "through" {
		t.Errorf("got %v", got)
	}
	p := other.peer(t) // SASL PLAIN, whose login travels along
	if _, err := p.sends("tx", &wire.Target{Address: q}, nil, nil); err != nil {
		t.Errorf("got %v", err)
	}
}
