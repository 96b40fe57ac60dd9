// Package app is the platform as a value: New checks what it was told, Start opens
// it, Stop ends it in order. It is the only package that knows all the others, and
// where they are wired: by hand, in a plain list.
//
// What it promises:
//  1. Nothing is process-wide: no flags, no signals, no default registries. Tests run
//     several platforms side by side on free ports.
//  2. Whatever Start opened before it failed is closed again.
//  3. Stop runs backwards what Start did: not ready, no new connections, services
//     drained, last snapshots, leases given back, journal closed. When its context
//     ends first, the rest ends as in a crash, which loses nothing acknowledged.
//  4. Health answers from before the journal opens until the doors close.
//  5. A first start is complete: a namespace, keys, a certificate, and words that
//     say what to do next.
//
// What it refuses: doors open to other machines while a namespace there has only
// keys the whole world knows.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"weir/internal/localca"
	"weir/internal/nodetls"
	"weir/internal/rendezvous"
	"weir/internal/sniff"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/operate/audit"
	"weir/operate/continuity"
	"weir/operate/telemetry"
	"weir/service/bus"
	"weir/service/workflow"
)

// DefaultScope is where resources are declared whose documents name no scope.
var DefaultScope = resource.MustID("/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/weir")

// Platform is one node.
type Platform struct {
	o       Options
	log     *slog.Logger
	started time.Time

	life context.Context // ends when Stop is through: nothing outlives it
	end  context.CancelFunc
	undo cleanups

	health  telemetry.Health
	metrics *telemetry.Metrics
	units   *telemetry.Units
	doors   *doors
	web     *web
	trust   *localca.Authority
	token   string
	secret  []byte // of the cluster; empty: connections are not passed on

	store      *journal.Store
	registry   *location
	audit      atomic.Pointer[audit.Log]
	auditUnit  *replica.Unit
	continuity *continuity.Controller
	paired     chan struct{} // closed when continuity may be asked
	members    members
	notes      *journal.Notes
	bus        *bus.Service
	workflows  *workflow.Service
	nesting    workflow.Nesting
	flows      *workflow.Door
	who        atomic.Pointer[who]
	ready      chan struct{} // closed when connections may be served
	stopping   atomic.Bool
}

// New checks the options and builds a platform that does nothing yet.
func New(o Options) (*Platform, error) {
	log := o.Logger
	if log == nil {
		var err error
		if log, err = telemetry.NewLogger(os.Stderr, o.LogFormat, o.LogLevel); err != nil {
			return nil, err
		}
	}
	secret, err := o.secret()
	if err != nil {
		return nil, err
	}
	if err := o.check(secret); err != nil {
		return nil, err
	}
	p := &Platform{o: o, log: log, secret: []byte(secret), ready: make(chan struct{}), paired: make(chan struct{})}
	p.life, p.end = context.WithCancel(context.Background())
	return p, nil
}

// secret is the cluster's, from where it was told to be.
func (o Options) secret() (string, error) {
	if o.SecretFile == "" {
		return o.ClusterSecret, nil
	}
	if o.ClusterSecret != "" {
		return "", errors.New("give --cluster-secret or --cluster-secret-file, not both")
	}
	data, err := os.ReadFile(o.SecretFile)
	if err != nil {
		return "", fmt.Errorf("read the cluster's secret: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// locationName is what a location may be called: pairings name it, and paths.
var locationName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?$`)

func (o Options) check(secret string) error {
	switch {
	case !locationName.MatchString(o.Location):
		return fmt.Errorf("--location %q: a location is named by 1 to 50 letters, digits and hyphens, a letter or digit first and last", o.Location)
	case o.Data == "":
		return errors.New("a node needs a directory: --data DIR")
	case o.Node == "":
		return errors.New("a node needs a name: --node NAME")
	case o.ClusterListen == "" && len(o.ClusterPeers) > 0:
		return errors.New("--cluster-peers is given without --cluster-listen, where this node speaks to them")
	case o.ClusterListen != "" && o.NATS != "":
		return errors.New("--cluster-listen makes an embedded cluster, --nats uses an external one: give one of them")
	case o.ClusterListen != "" && secret == "":
		return errors.New("nodes that speak to each other share a secret: --cluster-secret-file FILE")
	}
	return nil
}

// Start opens the platform and returns when it serves. When it fails, or ctx ends
// before, everything is closed again.
func (p *Platform) Start(ctx context.Context) error {
	p.started = time.Now()
	if err := p.open(ctx); err != nil {
		p.health.Stopping()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.o.Drain)
		defer cancel()
		return errors.Join(err, p.close(limit))
	}
	p.health.Running()
	return nil
}

// open is the story of a start, one step a line. Steps that need undoing push that
// themselves.
func (p *Platform) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		p.openData, p.openMetrics, p.openTrust, p.openDoors, p.openJournal,
		p.openRegistry, p.openAudit, p.openContinuity, p.declare, p.openIdentity, p.openBus, p.openWorkflows, p.startContinuity, p.settle, p.openBusiness, p.followNames, p.announce,
	} {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("the start was called off: %w", err)
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the platform in order; when ctx ends first, at once.
func (p *Platform) Stop(ctx context.Context) error {
	if !p.stopping.CompareAndSwap(false, true) {
		return nil
	}
	p.health.Stopping()
	return p.close(ctx)
}

func (p *Platform) close(ctx context.Context) error {
	err := p.undo.drain(ctx, p.log)
	p.end()
	return err
}

// Addrs are the addresses of the open doors by name: amqp, amqps, http, https, admin.
func (p *Platform) Addrs() map[string]string { return p.doors.addrs() }

// Token is the administration token.
func (p *Platform) Token() string { return p.token }

// Ready reports whether every part is ready, and what is said of each.
func (p *Platform) Ready() (bool, []telemetry.Part) { return p.health.Ready() }

func (p *Platform) openData(context.Context) error {
	if err := os.MkdirAll(p.o.Data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	token, err := rendezvous.Token(p.o.Data)
	p.token = token
	return err
}

func (p *Platform) openMetrics(context.Context) (err error) {
	if p.metrics, err = telemetry.NewMetrics(); err != nil {
		return err
	}
	p.undo.push("metrics", p.metrics.Close)
	p.units, err = telemetry.NewUnits(p.metrics.Provider())
	return err
}

func (p *Platform) openTrust(context.Context) (err error) {
	hosts := p.o.TLSNames
	for _, address := range []string{p.o.AMQP, p.o.AMQPS, p.o.HTTP, p.o.HTTPS, p.o.Admin, p.o.Advertise} {
		if host, _, err := net.SplitHostPort(address); err == nil && !wildcard(host) {
			hosts = append(hosts, host)
		}
	}
	p.trust, err = localca.Open(localca.Options{
		Dir: p.tlsDir(), Hosts: hosts, CertFile: p.o.TLSCert, KeyFile: p.o.TLSKey, Logger: p.log,
	})
	return err
}

func (p *Platform) tlsDir() string { return filepath.Join(p.o.Data, "tls") }

func wildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// openDoors binds the doors first of all, so that a taken port is said at once and
// health answers while the journal opens.
func (p *Platform) openDoors(context.Context) (err error) {
	p.doors, err = openDoors(p.o, sniff.Options{TLS: p.trust.TLSConfig(), Logger: p.log})
	if err != nil {
		return err
	}
	p.undo.push("doors", func(context.Context) error { return p.doors.close() })
	p.web = newWeb(p)
	p.undo.push("web", p.web.stop)
	p.doors.serve(takers{amqp: p.takeAMQP, hop: p.takeHop, http: p.web.serve}, p.log)
	go func() { _ = p.web.serve(p.web.nodes) }() // ends with web.stop
	return nil
}

func (p *Platform) openJournal(ctx context.Context) (err error) {
	o := journal.Options{
		Dir: filepath.Join(p.o.Data, "journal"), URL: p.o.NATS, Node: p.o.Node,
		CacheBytes: int(p.o.Cache), Logger: p.log.With("part", "journal"),
	}
	if p.o.Sync == syncMayLoseSecond {
		o.Sync = journal.SyncMayLoseLastSecond
	}
	if p.o.ClusterListen != "" {
		if o.Cluster, err = p.cluster(); err != nil {
			return err
		}
		p.log.Info("waiting for the other nodes", "peers", len(o.Cluster.Peers)-1)
	}
	if p.store, err = journal.Open(ctx, o); err != nil {
		return fmt.Errorf("open the journals in %s: %w", p.o.Data, err)
	}
	p.undo.push("journal", p.closeJournal)
	return nil
}

// journalGrace is what closing the journal may take even when time is up: it has
// files open.
const journalGrace = 10 * time.Second

func (p *Platform) closeJournal(ctx context.Context) error {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalGrace)
	defer cancel()
	return p.store.Close(limit)
}

// cluster joins this node with its peers, in TLS when one is on another machine.
func (p *Platform) cluster() (*journal.ClusterOptions, error) {
	c := &journal.ClusterOptions{Listen: p.o.ClusterListen, Secret: string(p.secret), Peers: map[string]string{p.o.Node: p.o.ClusterListen}}
	remote := false
	for name, address := range p.o.ClusterPeers {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("the peer %s has the address %q: write HOST:PORT (--cluster-peers)", name, address)
		}
		ip := net.ParseIP(host)
		remote = remote || host != "localhost" && (ip == nil || !ip.IsLoopback())
		c.Peers[name] = address
	}
	if !remote {
		return c, nil
	}
	own, _, _ := net.SplitHostPort(c.Peers[p.o.Node]) // checked above or by listening
	var err error
	c.TLS, err = nodetls.Config(c.Secret, []string{own}, time.Now())
	return c, err
}
