package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"weir/face/api"
	"weir/internal/hop"
	"weir/internal/sniff"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
	"weir/operate/audit"
	"weir/service/bus"
	"weir/wire/amqp/server"
)

// openBus starts the Service Bus.
func (p *Platform) openBus(ctx context.Context) error {
	o := bus.Options{
		Registry: p.registry, Store: p.store, Open: p.openUnit,
		Node: p.o.Node, Address: p.address(), Default: p.o.Namespace,
		Tokens: p.who.Load(),
		Meter:  p.metrics.Provider().Meter("weir/service/bus"), Logger: p.log,
	}
	o.Forward, o.PassHTTP, o.Grouped, o.Elsewhere = p.forward, p.passHTTP, p.continuity.Grouped, p.continuity.Elsewhere
	o.PutAll = p.registry.PutAllOfService
	o.Endpoint, o.Audit = p.endpoint, p.audit.Load()
	p.bus = bus.New(o)
	if err := p.bus.Start(ctx); err != nil {
		return err
	}
	p.undo.push("bus", p.bus.Stop)
	return nil
}

// settleWait is how long a start waits for namespaces to be served; one that
// cannot be must not keep the others from it.
const (
	settleWait  = 30 * time.Second
	settleEvery = 10 * time.Millisecond
)

// settle waits until every namespace is served somewhere.
func (p *Platform) settle(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		err := p.servicesReady()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-limit.Done():
			p.log.Warn("not everything is ready yet", "reason", fault.Sentence(err))
			return ctx.Err()
		}
	}
}

// openBusiness lets the doors do business: the whole API, and AMQP.
func (p *Platform) openBusiness(ctx context.Context) error {
	if err := p.refuseWellKnownKeys(ctx); err != nil {
		return err
	}
	p.health.Add(p.parts)
	o := p.surface()
	o.Registry, o.Scope, o.Importers, o.Counts = p.registry.Registry, DefaultScope, bus.Importers(DefaultScope), p.said
	o.Location, o.Settled, o.Host = p.o.Location, p.settledServices, p.hostOf
	o.Applied, o.Continuity, o.Elsewhere = p.applied, p.continuity.Handler, p.continuity.Elsewhere
	o.Audit, o.AuditLog = p.audit.Load(), p.audit.Load().Handler
	o.Bus, o.Mine = p.serveBus, bus.Mine
	o.TenantID, o.Caller, o.Authorize, o.Beside = access.TenantID, p.caller, p.authorize, p.beside()
	o.Status, o.Owner, o.FromNode, o.ServeAMQP = p.status, p.registry.Owner, fromNode, p.serveAMQP
	p.mountWorkflows(&o)
	o.Deployments = p.openDeployments(o)
	p.web.answer(api.New(p.life, o))
	close(p.ready)
	p.undo.push("accepting", func(ctx context.Context) error {
		p.bus.Leaving()
		return errors.Join(p.doors.close(), p.web.stop(ctx))
	})
	return nil
}

// surface is the part of the HTTP door that needs no registry.
func (p *Platform) surface() api.Options {
	return api.Options{
		Token: p.token, Version: p.o.Version, WebOrigins: p.o.WebOrigins, Pprof: p.o.Pprof, Logger: p.log,
		Live: p.health.Live, Ready: p.health.ReadyPage, Health: p.health.EmulatorPage, Metrics: p.metrics.Handler(p.log),
	}
}

func fromNode(r *http.Request) bool { return r.Context().Value(nodeKey{}) != nil }

// takeAMQP serves a connection of a door that speaks AMQP.
func (p *Platform) takeAMQP(conn *sniff.Conn) {
	if !p.awaitReady() {
		conn.Close()
		return
	}
	p.serveAMQP(connContext(p.life, conn), conn, conn.TLS())
}

// serveAMQP serves a connection until it ends.
func (p *Platform) serveAMQP(ctx context.Context, conn net.Conn, state *tls.ConnectionState) {
	info := server.PeerInfo{Remote: conn.RemoteAddr(), TLS: state, External: external(ctx)}
	info.Loopback = hop.Loopback(conn.RemoteAddr()) && !info.External // a proxy here may speak for the world
	if err := p.bus.ServeAMQP(ctx, conn, info); err != nil {
		p.log.Debug("a connection broke", "peer", info.Remote.String(), "error", err)
	}
}

// readyWait is how long a connection waits for the start to finish.
const readyWait = 20 * time.Second

// awaitReady holds a connection until it can be served.
func (p *Platform) awaitReady() bool {
	select {
	case <-p.ready:
		return true
	default:
	}
	timer := time.NewTimer(readyWait)
	defer timer.Stop()
	select {
	case <-p.ready:
		return true
	case <-timer.C:
	case <-p.life.Done():
	}
	return false
}

// refuseWellKnownKeys keeps a node from being open to other machines while a
// namespace has no key but the one everybody knows.
func (p *Platform) refuseWellKnownKeys(ctx context.Context) error {
	open := p.doors.foreign()
	if len(open) == 0 {
		return nil
	}
	docs, _, err := p.registry.ListUnder(ctx, resource.ID{}, "")
	if err != nil {
		return err
	}
	if bare := withoutKey(docs); bare != "" {
		return fmt.Errorf("other machines can reach this node (%s), and the namespace %s has no authorization rule with a key of its own: declare one, or listen on localhost", strings.Join(open, ", "), bare)
	}
	return nil
}

// withoutKey names a namespace that has no real key, empty when all have.
func withoutKey(docs []resource.Document) string {
	keyed := map[string]bool{}
	for _, d := range docs {
		if key := d.String("primaryKey"); key != "" && key != identity.EmulatorKey {
			keyed[d.ID.Parent().Key()] = true
		}
	}
	for _, d := range docs {
		if strings.EqualFold(d.Type(), typeNamespace) && !keyed[d.ID.Key()] {
			return d.Name()
		}
	}
	return ""
}

// followNames keeps the names of all namespaces in the certificate.
func (p *Platform) followNames(ctx context.Context) error {
	revision, err := p.nameHosts(ctx)
	if err != nil {
		return err
	}
	follow, stop := context.WithCancel(p.life)
	var wait sync.WaitGroup
	wait.Go(func() {
		watcher := p.registry.Watch(revision)
		for follow.Err() == nil {
			_, err := watcher.Next(follow)
			if err != nil && !errors.Is(err, resource.ErrListAgain) {
				return
			}
			if revision, err = p.nameHosts(follow); err == nil {
				watcher = p.registry.Watch(revision)
			}
		}
	})
	p.undo.push("names", func(context.Context) error { stop(); wait.Wait(); return nil })
	return nil
}

// namespaceDomains are what a namespace's host name may end with: clients that
// keep Azure's names are led here by DNS or a hosts file.
var namespaceDomains = []string{".localhost", ".servicebus.windows.net"}

func (p *Platform) nameHosts(ctx context.Context) (uint64, error) {
	docs, revision, err := p.registry.ListUnder(ctx, resource.ID{}, typeNamespace)
	if err != nil {
		return 0, err
	}
	var hosts []string
	for _, d := range docs {
		for _, domain := range namespaceDomains {
			hosts = append(hosts, d.Name()+domain)
		}
	}
	if err := p.trust.AddHosts(hosts...); err != nil {
		p.log.Warn("the certificate lacks the names of some namespaces", "error", err)
	}
	return revision, nil
}

// openUnit opens a unit the way this node was told to keep units.
func (p *Platform) openUnit(ctx context.Context, o replica.Options) (*replica.Unit, error) {
	o.LeaseTimeout = p.o.LeaseTimeout
	o.SnapshotEveryBytes = int(p.o.SnapshotEvery)
	o.Observer = p.units.Observe(o.Unit)
	if o.Unit != registryUnit && o.Unit != audit.Unit { // which belong to the location itself
		return p.openMember(ctx, o)
	}
	return replica.Open(ctx, p.store, o)
}
