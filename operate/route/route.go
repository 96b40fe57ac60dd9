// Package route brings clients to the location that is the primary of a continuity
// group: a router that passes TCP connections on, and a DNS server that is the
// authority for a zone of aliases. Both live from one picture of who is primary, which
// the router asks the locations for.
//
// Promises:
//
//  1. Bytes pass as they are. TLS is not ended and nothing is read, so certificates,
//     SASL and HTTP stay between client and location; half-closes are passed on.
//  2. Connections go to the location that says it is primary itself, in the highest
//     term that any location has heard of. While there is none (a switch is under way)
//     new connections wait, at most Patience, and are passed on then.
//  3. Connections to a location that is no longer primary are closed when another term
//     has begun, and not before: until then it finishes what it has accepted.
//  4. Connections, those that wait and requests to DNS are bounded in number; what is
//     above a bound stays in the kernel's queue and is not refused.
//  5. DNS answers for its zone alone, with a short time to live. While a switch is
//     under way it gives the address it gave before.
//
// Refuses: to decide who owns (it only passes on what locations say, and who is wrong
// about that reveals nothing), and to let another machine's client appear as one of a
// location's own machine: a location trusts those more.
package route

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Location is one of the places a group can be served from.
type Location struct {
	Name   string
	Admin  []string // URLs of its nodes' HTTP doors
	Doors  []string // HOST:PORT clients are passed to, any of them
	Public []string // hosts that DNS answers; none: those of Doors
	Token  string   // administration token
}

// Options say what a router does. Zero values take the defaults named here.
type Options struct {
	Listen    []string // HOST:PORT each
	Group     string   // may be empty when the locations have one group
	Locations []Location
	TLS       *tls.Config // trust in the locations' HTTPS doors

	Alias Alias

	Every          time.Duration // between two questions to a location; 500 ms
	Patience       time.Duration // how long a connection waits for a primary; 15 s
	WaitingMax     int           // connections that wait at once; 1,024
	ConnectionsMax int           // connections at once; 4,096, each at most 128 KiB of buffers

	Logger *slog.Logger // discarded
}

const (
	everyDefault          = 500 * time.Millisecond
	patienceDefault       = 15 * time.Second
	waitingMaxDefault     = 1024
	connectionsMaxDefault = 4096
)

// Router is one router.
type Router struct {
	o       Options
	log     *slog.Logger
	places  []*place
	doors   []net.Listener
	alias   *zone // nil: no DNS
	turn    atomic.Uint64
	wait    sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
	slots   chan struct{}
	waiting chan struct{}
	warned  atomic.Int64 // when a complaint was last written, UnixNano

	mu      sync.Mutex
	said    map[string]map[string]opinion // by location and group
	asked   map[string]bool               // locations that were asked and answered or failed
	picture picture
	changed chan struct{} // closed when the picture changes
	open    map[*passage]struct{}
}

// New checks the options; nothing is bound yet.
func New(o Options) (*Router, error) {
	if o.Every == 0 {
		o.Every = everyDefault
	}
	if o.Patience == 0 {
		o.Patience = patienceDefault
	}
	if o.WaitingMax == 0 {
		o.WaitingMax = waitingMaxDefault
	}
	if o.ConnectionsMax == 0 {
		o.ConnectionsMax = connectionsMaxDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Router{
		o: o, log: o.Logger, slots: make(chan struct{}, o.ConnectionsMax), waiting: make(chan struct{}, o.WaitingMax),
		said: map[string]map[string]opinion{}, asked: map[string]bool{}, changed: make(chan struct{}), open: map[*passage]struct{}{},
	}
	if err := check(o); err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLS, IdleConnTimeout: time.Minute,
		MaxConnsPerHost: 2, MaxResponseHeaderBytes: 64 << 10,
	}
	client := &http.Client{Timeout: askTimeout, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, l := range o.Locations {
		r.places = append(r.places, &place{Location: l, client: client})
	}
	if o.Alias.Zone == "" {
		return r, nil
	}
	var err error
	r.alias, err = newZone(o.Alias, o.Locations, r.look, r.log)
	return r, err
}

// Start binds the addresses and begins to ask; it does not wait for answers.
func (r *Router) Start() error {
	r.ctx, r.cancel = context.WithCancel(context.Background())
	for _, address := range r.o.Listen {
		door, err := net.Listen("tcp", address)
		if err == nil {
			r.doors = append(r.doors, door)
			err = r.guard(door.Addr())
		}
		if err != nil {
			return errors.Join(fmt.Errorf("listen for clients on %s: %w", address, err), r.Stop(context.Background()))
		}
	}
	if r.alias != nil {
		if err := r.alias.start(); err != nil {
			return errors.Join(fmt.Errorf("listen for DNS on %s: %w", r.o.Alias.Listen, err), r.Stop(context.Background()))
		}
	}
	for _, p := range r.places {
		r.wait.Go(func() { r.watch(p) })
	}
	for _, door := range r.doors {
		r.wait.Go(func() { r.accept(door) })
	}
	return nil
}

// Addrs are the addresses clients reach it at, in the order of Options.Listen.
func (r *Router) Addrs() []string {
	var all []string
	for _, door := range r.doors {
		all = append(all, door.Addr().String())
	}
	return all
}

// DNS is the address of the DNS server, the same for UDP and TCP; empty: there is none.
func (r *Router) DNS() string {
	if r.alias == nil {
		return ""
	}
	return r.alias.addr()
}

// Active tells the primary of the group and its term, and when to look again. An empty
// name: there is none at the moment.
func (r *Router) Active() (location string, term uint64, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g, err := r.picture.pick(r.o.Group)
	if err != nil {
		return "", 0, r.changed
	}
	return g.active, g.top, r.changed
}

// Stop ends listening, asking and every connection, and waits for all of it as long as
// ctx lasts.
func (r *Router) Stop(ctx context.Context) error {
	if r.cancel == nil {
		return nil // never started
	}
	r.cancel()
	for _, door := range r.doors {
		door.Close()
	}
	var err error
	if r.alias != nil {
		err = r.alias.stop(ctx)
	}
	done := make(chan struct{})
	go func() { r.wait.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	if len(r.places) > 0 {
		r.places[0].client.CloseIdleConnections() // they share it
	}
	return err
}

// look gives the present picture.
func (r *Router) look() picture {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.picture
}
