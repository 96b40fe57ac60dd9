package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"weir/internal/groups"
)

// Location is one of two locations: one node, or three.
type Location struct {
	Name  string
	Nodes []*Server
	// Link is the way the other location takes to here; nil where Pair has a Router.
	Link *Wire
}

// Pair is two locations, a witness, and one address in front of all nodes.
type Pair struct {
	West, East *Location
	Witness    *Witness
	Front      *Balancer
	// Router is the network between the locations and the witness; nil: they share the
	// machine's, and only what passes between the locations can be cut.
	Router  *Router
	options PairOptions
	kept    bool
}

// PairOptions say what a pair is.
type PairOptions struct {
	Options              // of every node; Deploy is what the primary location is given
	Nodes     int        // of each location: 1 or 3
	Mode      string     // async or sync
	Automatic bool       // the secondary takes over by itself
	Group     Properties // further properties of the group
	// Namespaces gives each location and the witness a network of its own.
	Namespaces bool
	// Units are what the group holds; empty: Namespace.
	Units []string
}

// GroupName is the continuity group that holds Namespace.
const GroupName = "all"

const pairSecret = "conformance-pairing-secret"

// NewPair prepares the processes; nothing runs yet but wires and the front.
func NewPair(o PairOptions) (*Pair, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	p := &Pair{options: o}
	if err := p.prepare(); err != nil {
		_ = p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Pair) prepare() (err error) {
	o := p.options
	if o.Namespaces {
		if p.Router, err = NewRouter("west", "east", "witness"); err != nil {
			return err
		}
	}
	if p.Witness, err = newWitness(o.Options, p.inside("witness")); err != nil {
		return err
	}
	if p.West, err = p.location("west", o.Deploy); err != nil {
		return err
	}
	if p.East, err = p.location("east", ""); err != nil {
		return err
	}
	p.Front, err = newBalancer(append(append([]*Server{}, p.West.Nodes...), p.East.Nodes...))
	return err
}

func (p *Pair) inside(name string) *Net {
	if p.Router == nil {
		return nil
	}
	return p.Router.Net(name)
}

// location prepares the nodes of one location and the wire that leads to them.
func (p *Pair) location(name, deploy string) (*Location, error) {
	o := p.options.Options
	o.Dir, o.Deploy = filepath.Join(o.Dir, name), deploy
	o.Args = append(append([]string{}, o.Args...), "--location", name)
	o.Inside = p.inside(name)
	l := &Location{Name: name}
	if p.options.Nodes > 1 {
		c, err := NewCluster(o, p.options.Nodes)
		if err != nil {
			return nil, err
		}
		c.Front.close()
		l.Nodes = c.Nodes
	} else {
		s, err := New(o)
		if err != nil {
			return nil, err
		}
		l.Nodes = []*Server{s}
	}
	if p.Router != nil {
		return l, nil
	}
	var err error
	l.Link, err = newWire(l.Nodes)
	return l, err
}

// reached is where the other location dials.
func (l *Location) reached() (all []string) {
	if l.Link != nil {
		return []string{l.Link.Addr()}
	}
	for _, s := range l.Nodes {
		all = append(all, net.JoinHostPort(s.options.Inside.Addr(), fmt.Sprint(s.ports.AMQP)))
	}
	return all
}

// Listen listens on the same port of this machine and of each location's network, on the
// loopback interface: what serves there is reached under one address by all.
func (p *Pair) Listen() (addr string, all []net.Listener, err error) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	all, addr = append(all, first), first.Addr().String()
	if p.Router != nil {
		for _, l := range p.locations() {
			inside, err := p.inside(l.Name).listen(addr)
			if err != nil {
				for _, l := range all {
					l.Close()
				}
				return "", nil, err
			}
			all = append(all, inside)
		}
	}
	return addr, all, nil
}

// Part lets nothing pass between the locations, until Join.
func (p *Pair) Part() {
	if p.Router != nil {
		p.Router.Mute("west", "east", true)
		p.Router.Mute("east", "west", true)
		return
	}
	p.West.Link.Cut()
	p.East.Link.Cut()
}

// Join ends everything that was done to the lines but their delay.
func (p *Pair) Join() {
	if p.Router != nil {
		p.Router.Mend()
		return
	}
	p.West.Link.Mend()
	p.East.Link.Mend()
}

// Delay makes everything between the locations arrive so much later, each way.
func (p *Pair) Delay(d time.Duration) {
	if p.Router != nil {
		p.Router.Delay("west", "east", d)
		p.Router.Delay("east", "west", d)
		return
	}
	p.West.Link.Delay(d)
	p.East.Link.Delay(d)
}

// Start starts everything, declares the pairing and the group in both locations,
// and waits until the secondary follows.
func (p *Pair) Start(ctx context.Context) error {
	if err := p.Witness.Start(); err != nil {
		return err
	}
	for _, l := range []*Location{p.West, p.East} {
		for _, s := range l.Nodes {
			if err := s.Launch(); err != nil {
				return err
			}
		}
	}
	for _, l := range []*Location{p.West, p.East} {
		for _, s := range l.Nodes {
			if err := s.WaitReady(ctx); err != nil {
				return err
			}
		}
	}
	for _, l := range []*Location{p.West, p.East} {
		if err := p.declare(ctx, l); err != nil {
			return err
		}
	}
	return p.Settled(ctx)
}

// Stop stops everything. Disks of their own are gone then; see Keep.
func (p *Pair) Stop() error {
	if p.Front != nil {
		p.Front.close()
	}
	var stopping sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	for _, l := range p.locations() {
		if l.Link != nil {
			l.Link.close()
		}
		for _, s := range l.Nodes {
			stopping.Go(func() { fail(s.Stop()) })
		}
	}
	stopping.Wait()
	if p.Witness != nil {
		fail(p.Witness.Stop())
	}
	for _, d := range p.disks() {
		if p.kept {
			fail(d.keep())
		}
		fail(d.remove())
	}
	if p.Router != nil {
		fail(p.Router.close())
	}
	return errors.Join(errs...)
}

// Keep has Stop copy what is on disks of their own to where it stays.
func (p *Pair) Keep() { p.kept = true }

func (p *Pair) locations() (all []*Location) {
	for _, l := range []*Location{p.West, p.East} {
		if l != nil {
			all = append(all, l)
		}
	}
	return all
}

func (p *Pair) disks() (all []*Disk) {
	for _, l := range p.locations() {
		for _, s := range l.Nodes {
			all = append(all, s.disk)
		}
	}
	if p.Witness != nil {
		all = append(all, p.Witness.disk)
	}
	return all
}

// RoundTrip asks a door of the east from the west, a few times over one connection, and
// does so from beside it: the difference is what the lines cost, the emulation's own
// slowness included. It returns the median.
func (p *Pair) RoundTrip(ctx context.Context) (time.Duration, error) {
	far, err := medianAsk(ctx, p.West.Nodes[0].options.Inside, p.East.reached()[0])
	if err != nil {
		return 0, err
	}
	node := p.East.Nodes[0]
	near, err := medianAsk(ctx, node.options.Inside, node.Addr())
	return max(far-near, 0), err
}

// medianAsk asks an address for its health over one connection.
func medianAsk(ctx context.Context, from *Net, addr string) (time.Duration, error) {
	const asks = 21
	client := &http.Client{Transport: &http.Transport{DialContext: from.dial, MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	var all []time.Duration
	for range asks {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/healthz/live", nil)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// Emulator is the emulator's connection string for the address in front.
func (p *Pair) Emulator() string { return EmulatorAt(p.Front.Addr(), RootKeyName, emulatorKey) }

// Other is the other location.
func (p *Pair) Other(l *Location) *Location {
	if l == p.West {
		return p.East
	}
	return p.West
}

// declare gives a location the pairing and the group.
func (p *Pair) declare(ctx context.Context, l *Location) error {
	other := p.Other(l)
	units := p.options.Units
	if len(units) == 0 {
		units = []string{NamespaceID}
	}
	group := map[string]any{
		"pairing": other.Name, "primary": "west", "mode": p.options.Mode, "automatic": p.options.Automatic,
		"units":     units,
		"witnesses": []string{"http://" + p.Witness.Addr()}, "witnessSecret": pairSecret,
	}
	for name, value := range p.options.Group {
		group[name] = value
	}
	text, err := json.Marshal([]Resource{
		{Type: "Weir.Continuity/pairings", Name: other.Name, Properties: map[string]any{
			"peer": other.Name, "endpoints": other.reached(), "secret": pairSecret,
		}},
		{Type: "Weir.Continuity/groups", Name: GroupName, Properties: group},
	})
	if err != nil {
		return err
	}
	code, body, err := l.Nodes[0].Ask(ctx, http.MethodPost, "/deploy", text)
	if err == nil && code >= 300 {
		err = fmt.Errorf("declare the group in %s: %d %s", l.Name, code, body)
	}
	return err
}

const groupPath = groups.Path + "/" + GroupName

// Group asks a location for the group.
func (l *Location) Group(ctx context.Context) (groups.Status, error) {
	var g groups.Status
	return g, l.ask(ctx, http.MethodGet, groupPath, nil, &g)
}

// Switch moves the group to a location in order.
func (l *Location) Switch(ctx context.Context, to string) (groups.Change, error) {
	var c groups.Change
	return c, l.ask(ctx, http.MethodPost, groupPath+"/switch", map[string]any{"to": to}, &c)
}

// Promote makes a location the primary without the other one.
func (l *Location) Promote(ctx context.Context, force bool) (groups.Change, error) {
	var c groups.Change
	return c, l.ask(ctx, http.MethodPost, groupPath+"/promote", map[string]any{"force": force}, &c)
}

// Salvage decides about what a location that lost the group has alone.
func (l *Location) Salvage(ctx context.Context, choice string) (groups.Salvaged, error) {
	var s groups.Salvaged
	return s, l.ask(ctx, http.MethodPost, groupPath+"/salvage", map[string]any{"choice": choice}, &s)
}

// Isolate keeps a location's part of the group away from the other one and the voters.
func (l *Location) Isolate(ctx context.Context, d time.Duration) error {
	return l.ask(ctx, http.MethodPost, groupPath+"/isolate", map[string]any{"seconds": d.Seconds()}, nil)
}

// ask asks the first node that answers.
func (l *Location) ask(ctx context.Context, method, path string, body, answer any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	last := fmt.Errorf("no node of %s runs", l.Name)
	for _, s := range l.Nodes {
		if !s.Running() {
			continue
		}
		code, said, err := s.Ask(ctx, method, path, text)
		switch {
		case err != nil:
			last = err
		case code >= 300:
			return fmt.Errorf("%s %s at %s: %d %s", method, path, l.Name, code, said)
		case answer == nil:
			return nil
		default:
			return json.Unmarshal(said, answer)
		}
	}
	return last
}

// settleWithin bounds the wait for a pair to be at rest.
const settleWithin = 2 * time.Minute

// Settled waits until one location is primary, the other follows it, and neither
// is in the middle of something.
func (p *Pair) Settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		west, errWest := p.West.Group(ctx)
		east, errEast := p.East.Group(ctx)
		if errWest == nil && errEast == nil && settled(west, east) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the pair did not settle: west %+v (%v), east %+v (%v)", west, errWest, east, errEast)
		case <-time.After(readyEvery):
		}
	}
}

// AtRest reports whether the pair is settled now.
func (p *Pair) AtRest(ctx context.Context) bool {
	west, errWest := p.West.Group(ctx)
	east, errEast := p.East.Group(ctx)
	return errWest == nil && errEast == nil && settled(west, east)
}

// lagAtRest is how many messages a secondary may be behind that has caught up.
const lagAtRest = 500

func settled(west, east groups.Status) bool {
	if west.Standing == "secondary" {
		west, east = east, west
	}
	if west.Standing != "primary" || east.Standing != "secondary" || west.Term != east.Term || west.Phase != "" || east.Phase != "" {
		return false
	}
	for _, u := range west.Units {
		if !u.Connected || u.Degraded || u.LagMessages > lagAtRest {
			return false
		}
	}
	return len(west.Units) > 0
}

// Primary is the location that says of itself that it is the primary.
func (p *Pair) Primary(ctx context.Context) (*Location, error) {
	for {
		for _, l := range []*Location{p.West, p.East} {
			if g, err := l.Group(ctx); err == nil && g.Standing == "primary" {
				return l, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no location is primary: %w", ctx.Err())
		case <-time.After(readyEvery):
		}
	}
}
