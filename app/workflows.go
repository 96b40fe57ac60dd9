package app

import (
	"context"
	"slices"

	"weir/kernel/resource"
	"weir/service/workflow"
	"weir/service/workflow/connector"
	apis "weir/service/workflow/connector/api"
	webcalls "weir/service/workflow/connector/http"
	"weir/service/workflow/connector/script"
)

// openWorkflows starts the workflow engine.
func (p *Platform) openWorkflows(ctx context.Context) (err error) {
	o := workflow.Options{
		Registry: p.registry, Store: p.store, Open: p.openUnit, Grouped: p.continuity.Grouped,
		Node: p.o.Node, Address: p.address(), Location: p.o.Location,
		Connectors: p.connectors(), Endpoint: p.workflowEndpoint, PassHTTP: p.passHTTP, Logger: p.log,
	}
	if p.workflows, err = workflow.New(o); err != nil {
		return err
	}
	if err := p.workflows.Start(ctx); err != nil {
		return err
	}
	p.undo.push("workflows", p.workflows.Stop)
	return nil
}

// connectors are what workflows can do outside. One more is one more line.
func (p *Platform) connectors() []connector.Connector {
	calls := webcalls.New(webcalls.Options{})
	connections := workflow.NewConnections(p.registry)
	return []connector.Connector{
		calls,
		script.New(script.Options{Worker: scriptWorkerCommand()}),
		apis.New(apis.Options{Connections: connections, HTTP: calls}),
	}
}

// workflowEndpoint is where the workflows of a unit are called: what its group names leads
// to whichever location has it.
func (p *Platform) workflowEndpoint(unit string) string {
	if endpoint := p.continuity.Endpoint(unit); endpoint != "" {
		return endpoint
	}
	return adminURL(p.Addrs())
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
