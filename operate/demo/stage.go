package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"weir/internal/groups"
	"weir/internal/rendezvous"
	"weir/operate/orders"
	"weir/operate/route"
)

const (
	secret    = "the locations of a demonstration"
	namespace = "sbemulatorns"
	scope     = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/weir"
	busType   = "Microsoft.ServiceBus/namespaces"
)

// process is a child.
type process struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
}

// launch starts this binary as another process.
func launch(log string, args ...string) (*process, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(binary, args...), log: f, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	go func() {
		_ = p.cmd.Wait() // it is killed: that is no news
		f.Close()
		close(p.done)
	}()
	return p, nil
}

// kill ends it as a crash would.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// location is one of the two.
type location struct {
	name, dir  string
	amqp, http string
	deploy     string
	process    *process
	admin      *groups.Location
}

const anyPort = "127.0.0.1:0"

// start starts its node, on the addresses it had.
func (l *location) start() (err error) {
	args := []string{"serve", "--location", l.name, "--data", filepath.Join(l.dir, "data"), "--amqp", l.amqp, "--http", l.http, "--amqps", "off", "--https", "off", "--admin", "off"}
	if l.deploy != "" {
		args = append(args, "--deploy", l.deploy)
	}
	_ = os.Remove(filepath.Join(l.dir, "data", "server.json")) // what an earlier process said
	l.process, err = launch(filepath.Join(l.dir, "node.log"), args...)
	return err
}

// ready waits until it serves, and learns where.
func (l *location) ready(ctx context.Context) error {
	data := filepath.Join(l.dir, "data")
	for {
		if found, err := rendezvous.Find(data); err == nil {
			l.amqp, l.http = found.Doors["amqp"], found.Doors["http"]
			token, err := rendezvous.ReadToken(data)
			if err != nil {
				return err
			}
			l.admin = &groups.Location{Name: l.name, Admin: []string{found.Admin}, Doors: []string{l.amqp}, Token: token}
			if _, err := l.admin.List(ctx); err == nil {
				return nil
			}
		}
		select {
		case <-l.process.done:
			return fmt.Errorf("%s has ended: see %s", l.name, filepath.Join(l.dir, "node.log"))
		default:
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return fmt.Errorf("%s did not become ready", l.name)
		}
	}
}

// raise starts the witness and both locations.
func (p *play) raise(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, name := range []string{"west", "east", "witness"} {
		if err := os.MkdirAll(filepath.Join(p.o.dir, name), 0o700); err != nil {
			return err
		}
	}
	estate := filepath.Join(p.o.dir, "west", "estate.json")
	if err := writeJSON(estate, declared()); err != nil {
		return err
	}
	p.west = &location{name: "west", dir: filepath.Join(p.o.dir, "west"), amqp: anyPort, http: anyPort, deploy: estate}
	p.east = &location{name: "east", dir: filepath.Join(p.o.dir, "east"), amqp: anyPort, http: anyPort}
	for _, l := range []*location{p.west, p.east} {
		if err := l.start(); err != nil {
			return err
		}
	}
	for _, l := range []*location{p.west, p.east} {
		if err := l.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// declared is the estate: a queue, a topic, its subscriptions.
func declared() []map[string]any {
	one := func(kind, name string) map[string]any {
		properties := map[string]any{}
		if kind != "/topics/subscriptions" {
			properties["requiresDuplicateDetection"] = true // a send without an answer is tried again
		}
		if kind != "/topics" {
			properties["lockDuration"] = "PT5S" // what a client let go of comes again soon
		}
		return map[string]any{"type": busType + kind, "name": namespace + "/" + name, "properties": properties}
	}
	all := []map[string]any{one("/queues", orders.Queue), one("/topics", orders.Topic)}
	for _, s := range orders.Subscribers {
		all = append(all, one("/topics/subscriptions", orders.Topic+"/"+s))
	}
	return all
}

// pair starts the witness, declares the group in both locations, and puts a router in
// front of them.
func (p *play) pair(ctx context.Context) error {
	if err := p.group(ctx, scope+"/providers/"+busType+"/"+namespace); err != nil {
		return err
	}
	p.happened("west is the primary of an order estate, east follows (%s)", p.o.mode)
	var err error
	o := route.Options{Listen: []string{anyPort}, Group: groupName}
	for _, l := range []*location{p.west, p.east} {
		o.Locations = append(o.Locations, route.Location{Name: l.name, Admin: l.admin.Admin, Doors: l.admin.Doors, Token: l.admin.Token})
	}
	if p.router, err = route.New(o); err != nil {
		return err
	}
	return p.router.Start()
}

// group starts the witness, declares a group of some units in both locations, and waits
// until east follows.
func (p *play) group(ctx context.Context, units ...string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	dir := filepath.Join(p.o.dir, "witness")
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
		return err
	}
	if p.witness, err = launch(filepath.Join(dir, "witness.log"), "witness", "--listen", address, "--data", filepath.Join(dir, "data"), "--secret-file", filepath.Join(dir, "secret")); err != nil {
		return err
	}
	p.happened("west, east and a witness run as processes of their own (%d, %d, %d)", p.west.process.cmd.Process.Pid, p.east.process.cmd.Process.Pid, p.witness.cmd.Process.Pid)
	for here, there := range map[*location]*location{p.west: p.east, p.east: p.west} {
		err := here.admin.Do(ctx, http.MethodPost, "/deploy", []map[string]any{
			{"type": "Weir.Continuity/pairings", "name": there.name, "properties": map[string]any{"peer": there.name, "endpoints": []string{there.amqp}, "secret": secret}},
			{"type": "Weir.Continuity/groups", "name": groupName, "properties": map[string]any{
				"pairing": there.name, "primary": "west", "mode": p.o.mode, "whenAway": "degrade", "lagSeconds": 10, "automatic": true,
				"units": units, "witnesses": []string{"http://" + address}, "witnessSecret": secret,
				"rtoSeconds": 60,
			}},
		}, nil)
		if err != nil {
			return fmt.Errorf("declare the group in %s: %w", here.name, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s, err := p.east.admin.Show(ctx, groupName)
		if err == nil && s.Standing == groups.Secondary && follows(s) {
			break
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return errors.New("east did not begin to follow west")
		}
	}
	return nil
}

// freeAddress is one that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func writeJSON(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600)
}

// waitAtMost is how long a look at a location may hold up the display.
const waitAtMost = 200 * time.Millisecond
