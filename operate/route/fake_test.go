package route

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	token = "the token of a location"
	// limit bounds everything a test waits for.
	limit = 20 * time.Second
)

// fake is a location: what it says of its groups, and a door that answers each line
// with its name and the line.
type fake struct {
	name  string
	admin *httptest.Server
	door  net.Listener

	mu     sync.Mutex
	groups map[string]fakeGroup
	deaf   bool // answers 503
	rounds int
	conns  map[net.Conn]struct{}

	taken, answered, ended atomic.Int64 // connections at the door
}

type fakeGroup struct {
	term     uint64
	standing string
	holder   string
	units    []map[string]string
}

func newFake(t *testing.T, name string) *fake {
	t.Helper()
	f := &fake{name: name, groups: map[string]fakeGroup{}, conns: map[net.Conn]struct{}{}}
	f.admin = httptest.NewServer(http.HandlerFunc(f.answer))
	t.Cleanup(f.admin.Close)
	var err error
	if f.door, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := f.door.Accept()
			if err != nil {
				return
			}
			f.taken.Add(1)
			f.mu.Lock()
			f.conns[conn] = struct{}{}
			f.mu.Unlock()
			wait.Go(func() { f.echo(conn) })
		}
	})
	t.Cleanup(func() {
		f.door.Close()
		f.mu.Lock()
		for conn := range f.conns {
			conn.Close()
		}
		f.mu.Unlock()
		wait.Wait()
	})
	return f
}

// echo answers lines, and with "bye" when the client has said all.
func (f *fake) echo(conn net.Conn) {
	defer f.ended.Add(1)
	defer conn.Close()
	in := bufio.NewReader(conn)
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			fmt.Fprintf(conn, "bye from %s\n", f.name)
			return
		}
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(conn, "%s %s", f.name, line); err != nil {
			return
		}
		if first {
			f.answered.Add(1)
		}
	}
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rounds++
	switch {
	case f.deaf:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case r.Header.Get("Authorization") != "Bearer "+token:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case r.URL.Path != "/continuity/groups":
		w.WriteHeader(http.StatusNotFound)
		return
	}
	value := []map[string]any{}
	for name, g := range f.groups {
		value = append(value, map[string]any{"name": name, "term": g.term, "standing": g.standing, "holder": g.holder, "units": g.units})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"location": f.name, "node": "n1", "value": value})
}

// says sets what the location says of the group orders.
func (f *fake) says(term uint64, standing string) {
	g := fakeGroup{term: term, standing: standing, units: []map[string]string{{"unit": "servicebus-shop"}}}
	if standing != "secondary" {
		g.holder = f.name
	}
	f.set("orders", g)
}

func (f *fake) set(group string, g fakeGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[group] = g
}

func (f *fake) silence(deaf bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf = deaf
}

func (f *fake) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rounds
}

func (f *fake) location() Location {
	return Location{Name: f.name, Admin: []string{f.admin.URL}, Doors: []string{f.door.Addr().String()}, Token: token}
}

// pair is two locations of which west is primary in term 1.
func pair(t *testing.T) (west, east *fake) {
	west, east = newFake(t, "west"), newFake(t, "east")
	west.says(1, "primary")
	east.says(1, "secondary")
	return west, east
}

// start runs a router between fakes.
func start(t *testing.T, o Options, fakes ...*fake) *Router {
	t.Helper()
	for _, f := range fakes {
		o.Locations = append(o.Locations, f.location())
	}
	if o.Listen == nil && o.Alias.Zone == "" {
		o.Listen = []string{"127.0.0.1:0"}
	}
	o.Every = 5 * time.Millisecond
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Error("stop:", err)
		}
	})
	return r
}

// awaitActive waits until the router holds a location for the primary; "" for none.
func awaitActive(t *testing.T, r *Router, want string) {
	t.Helper()
	deadline := time.After(limit)
	for {
		active, _, changed := r.Active()
		if active == want && r.look().complete {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("the router holds %q for the primary, not %q", active, want)
		}
	}
}

// eventually asks a question that no channel answers.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(limit), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: ", what)
		}
	}
}

// client is one connection through a router.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(r *Router) (*client, error) {
	conn, err := net.DialTimeout("tcp", r.Addrs()[0], limit)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(limit))
	return &client{conn, bufio.NewReader(conn)}, nil
}

func mustDial(t *testing.T, r *Router) *client {
	t.Helper()
	c, err := dial(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a line and gives what came back.
func (c *client) ask(line string) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return c.in.ReadString('\n')
}

func (c *client) wants(t *testing.T, location string) {
	t.Helper()
	if got, err := c.ask("hello"); err != nil || got != location+" hello\n" {
		t.Fatalf("answered %q, %v; want %s", got, err, location)
	}
}

// isEnded fails unless the connection is closed from the other side.
func (c *client) isEnded(t *testing.T) {
	t.Helper()
	if got, err := c.in.ReadString('\n'); err == nil || isTimeout(err) {
		t.Fatalf("the connection lives: %q, %v", got, err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}
