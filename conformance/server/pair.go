package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/internal/groups"
)

// Location is one of two locations: one node, or three.
type Location struct {
	Name  string
	Nodes []*Server
	// Link is the way the other location takes to here, to be cut and slowed.
	Link *Wire
}

// Pair is two locations, a witness, and one address in front of all nodes.
type Pair struct {
	West, East *Location
	Witness    *Witness
	Front      *Balancer
	options    PairOptions
}

// PairOptions say what a pair is.
type PairOptions struct {
	Options              // of every node; Deploy is what the primary location is given
	Nodes     int        // of each location: 1 or 3
	Mode      string     // async or sync
	Automatic bool       // the secondary takes over by itself
	Group     Properties // further properties of the group
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
	var err error
	if p.Witness, err = newWitness(o.Binary, filepath.Join(o.Dir, "witness"), o.Host); err != nil {
		return nil, err
	}
	if p.West, err = p.location("west", o.Deploy); err != nil {
		return nil, err
	}
	if p.East, err = p.location("east", ""); err != nil {
		return nil, err
	}
	p.Front, err = newBalancer(append(append([]*Server{}, p.West.Nodes...), p.East.Nodes...))
	return p, err
}

// location prepares the nodes of one location and the wire that leads to them.
func (p *Pair) location(name, deploy string) (*Location, error) {
	o := p.options.Options
	o.Dir, o.Deploy = filepath.Join(o.Dir, name), deploy
	o.Args = append(append([]string{}, o.Args...), "--location", name)
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
	var err error
	l.Link, err = newWire(l.Nodes)
	return l, err
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

// Stop stops everything.
func (p *Pair) Stop() error {
	p.Front.close()
	var stopping sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, l := range []*Location{p.West, p.East} {
		l.Link.close()
		for _, s := range l.Nodes {
			stopping.Go(func() {
				err := s.Stop()
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		}
	}
	stopping.Wait()
	return errors.Join(append(errs, p.Witness.Stop())...)
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
	group := map[string]any{
		"pairing": other.Name, "primary": "west", "mode": p.options.Mode, "automatic": p.options.Automatic,
		"units":     []string{Scope + "/providers/" + busType + "/" + Namespace},
		"witnesses": []string{"http://" + p.Witness.Addr()}, "witnessSecret": pairSecret,
	}
	for name, value := range p.options.Group {
		group[name] = value
	}
	text, err := json.Marshal([]Resource{
		{Type: "Weir.Continuity/pairings", Name: other.Name, Properties: map[string]any{
			"peer": other.Name, "endpoints": []string{other.Link.Addr()}, "secret": pairSecret,
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

// Witness is one witness process.
type Witness struct {
	binary, dir, addr string
	process           *process
}

func newWitness(binary, dir, host string) (*Witness, error) {
	ports, err := freePorts(host, 1)
	if err != nil {
		return nil, err
	}
	return &Witness{binary: binary, dir: dir, addr: net.JoinHostPort(host, fmt.Sprint(ports[0]))}, os.MkdirAll(dir, 0o755)
}

// Addr is where it listens.
func (w *Witness) Addr() string { return w.addr }

// Start starts the process; it answers a moment later.
func (w *Witness) Start() (err error) {
	secret := filepath.Join(w.dir, "secret")
	if err := os.WriteFile(secret, []byte(pairSecret), 0o600); err != nil {
		return err
	}
	args := []string{"witness", "--listen", w.addr, "--data", filepath.Join(w.dir, "data"), "--secret-file", secret}
	w.process, err = launch(w.binary, args, os.Environ(), filepath.Join(w.dir, "witness.log"))
	return err
}

// Kill ends it as a crash would.
func (w *Witness) Kill() error {
	if err := w.process.kill(); err != nil {
		return err
	}
	<-w.process.done
	return nil
}

// Stop ends it.
func (w *Witness) Stop() error {
	if w.process == nil || !w.process.running() {
		return nil
	}
	return w.Kill()
}
