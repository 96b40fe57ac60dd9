package app

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"

	"weir/face/answer"
	"weir/face/api"
	"weir/face/arm"
	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow"
	"weir/service/workflow/connector"
	webcalls "weir/service/workflow/connector/http"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/connector/script"
)

// openWorkflows starts the workflow engine.
func (p *Platform) openWorkflows(ctx context.Context) (err error) {
	calls, err := p.calling()
	if err != nil {
		return err
	}
	o := workflow.Options{
		Registry: p.registry, Store: p.store, Open: p.openUnit, Grouped: p.continuity.Grouped,
		Node: p.o.Node, Address: p.address(), Location: p.o.Location,
		Connectors: p.connectors(calls), Endpoint: p.workflowEndpoint, PassHTTP: p.passWorkflows, Logger: p.log,
		Limits: workflow.Limits{Retention: p.o.RunRetention},
	}
	if p.workflows, err = workflow.New(o); err != nil {
		return err
	}
	p.nesting.Bind(p.workflows)
	if err := p.workflows.Start(ctx); err != nil {
		return err
	}
	p.undo.push("workflows", p.workflows.Stop)
	return nil
}

// connectors are what workflows can do outside. One more is one more line.
func (p *Platform) connectors(o webcalls.Options) []connector.Connector {
	connections := workflow.NewConnections(p.registry)
	o.Connections, o.Base = connections, connections.Base
	calls := webcalls.New(o)
	return append(p.connected(connections, calls),
		calls,
		nested.New(nested.Options{Calls: &p.nesting}),
		script.New(script.Options{Worker: p.o.ScriptWorker}),
	)
}

// workflowEndpoint is where the workflows of a unit are called: what its group names leads
// to whichever location has it.
func (p *Platform) workflowEndpoint(unit string) string {
	if endpoint := p.continuity.Endpoint(unit); endpoint != "" {
		return endpoint
	}
	return adminURL(p.Addrs())
}

// mountWorkflows lets the HTTP doors serve workflows.
func (p *Platform) mountWorkflows(o *api.Options) {
	p.flows = p.workflows.Door(workflow.Doors{
		Peer: peerAt, Secure: secure,
		Endpoint: func(called, unit string) string { return cmp.Or(p.continuity.Endpoint(unit), called) },
		Refuse:   func(w http.ResponseWriter, r *http.Request, err error) { answer.Refuse(w, r, p.log, "", err) },
	})
	o.Under = map[string]arm.Under{}
	for _, typ := range p.flows.Under() {
		o.Under[typ] = arm.Under{Operation: p.flows.Operation, Serve: p.flows.Manage}
	}
	o.Mounts = append(o.Mounts, api.Mount{Takes: p.flows.Takes, Serve: p.flows})
	o.Alias = p.flows.Alias
}

// peerAt is the address a request came from, to whichever node it came.
func peerAt(r *http.Request) netip.Addr {
	if about, ok := r.Context().Value(busKey{}).(introduction); ok {
		at, _ := netip.ParseAddrPort(about.Peer)
		return at.Addr().Unmap()
	}
	at, _ := netip.ParseAddrPort(api.PeerOf(r).String())
	return at.Addr().Unmap()
}

// secure reports whether a request's caller came in TLS.
func secure(r *http.Request) bool {
	about, passed := r.Context().Value(busKey{}).(introduction)
	return r.TLS != nil || passed && about.TLS
}

// passWorkflows lets the node at an address answer a request about workflows that it
// owns.
func (p *Platform) passWorkflows(w http.ResponseWriter, r *http.Request, unit, to string) {
	about, passed := r.Context().Value(busKey{}).(introduction)
	if passed && about.Hops >= hopsMost || r.Context().Value(stayKey{}) != nil && fromNode(r) {
		w.Header().Set("Retry-After", "1")
		answer.Refuse(w, r, p.log, "", fault.New(fault.Unavailable, "The workflow is changing hands. Please try again."))
		return
	}
	_, elsewhere := p.continuity.At(to)
	if p.flows.TakesPassed(r) || elsewhere && !fromNode(r) {
		p.passHTTP(w, r, unit, to) // with the client's own credentials
		return
	}
	// A node of this location has judged who asks, and says so to the next one.
	if elsewhere {
		answer.Refuse(w, r, p.log, "", fault.New(fault.Unavailable, "Another location decides about the workflow now. Please ask there, or try again."))
		return
	}
	proxy := httputil.ReverseProxy{
		Transport: hopTransport(to, p.secret),
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host = "http", r.Host
			pr.Out.Host = r.Host
			pr.Out.Header.Set(stayHeader, p.o.Node)
			api.Vouch(pr)
		},
		ModifyResponse: func(given *http.Response) error {
			given.Header.Del("x-ms-request-id") // ours is on it
			given.Header.Del("X-Content-Type-Options")
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			answer.Refuse(w, r, p.log, "", fault.Wrap(fault.Unavailable, err, "The node that has the workflow could not be reached. Please try again."))
		},
	}
	proxy.ServeHTTP(w, r)
}

// stayHeader is set on a request that a node passes on to the one that has the workflow:
// that one answers it, whoever has the registry.
const stayHeader = "Weir-Stay"

// staying marks a request that another node says must be answered here.
func staying(r *http.Request) *http.Request {
	said := r.Header.Get(stayHeader) != ""
	r.Header.Del(stayHeader)
	if said && fromNode(r) {
		return r.WithContext(context.WithValue(r.Context(), stayKey{}, true))
	}
	return r
}

// workflowsAway asks the client of a workflow to try again.
func (p *Platform) workflowsAway(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		p.log.Info("a request could not be passed on", "path", r.URL.Path, "error", err)
	}
	w.Header().Set("Retry-After", "1")
	answer.Refuse(w, r, p.log, "", fault.New(fault.Unavailable, "The workflow is served by another node, which cannot be reached. Please try again."))
}

// serveWorkflowsFor answers a request that another node passed on.
func (p *Platform) serveWorkflowsFor(w http.ResponseWriter, r *http.Request) {
	if p.flows.TakesPassed(r) {
		p.flows.ServePassed(w, r)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), stayKey{}, true))
	(*p.web.handler.Load()).ServeHTTP(w, r) // which judges who asks
}

// stayKey marks requests that this node must answer itself.
type stayKey struct{}

// said gives the properties that services say of a resource, to be shown with it.
func (p *Platform) said(d resource.Document) map[string]any {
	if said := p.workflows.Said(d); said != nil {
		return said
	}
	return p.bus.Counts(d)
}

// unitsOfServices are the units of all services.
func (p *Platform) unitsOfServices() (all []serviceUnit) {
	for _, u := range p.bus.Units() {
		all = append(all, serviceUnit{u.Unit, u.Role, u.Node, u.Address, u.Epoch, u.Position, u.Ready, u.Reason})
	}
	for _, u := range p.workflows.Units() {
		all = append(all, serviceUnit{u.Unit, u.Role, u.Node, u.Address, u.Epoch, u.Position, u.Ready, u.Reason})
	}
	return all
}

// serviceUnit is what a unit of any service does on this node.
type serviceUnit struct {
	Unit, Role, Node, Address string
	Epoch, Position           uint64
	Ready                     bool
	Reason                    string
}

// servicesReady is nil when every unit of every service is served somewhere.
func (p *Platform) servicesReady() error {
	if err := p.bus.Ready(); err != nil {
		return err
	}
	return p.workflows.Ready()
}

// settledServices says whether what is declared of a resource is in force.
func (p *Platform) settledServices(id resource.ID) bool {
	return p.bus.Settled(id) && p.workflows.Settled(id)
}

// stuckAt reports whether a unit that was owned at an address has no newer owner.
func (p *Platform) stuckAt(address string, before map[string]uint64) bool {
	return slices.ContainsFunc(p.unitsOfServices(), func(u serviceUnit) bool { return u.Address == address && u.Epoch <= before[u.Unit] })
}
