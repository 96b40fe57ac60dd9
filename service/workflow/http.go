package workflow

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/internal/rest"
)

// Doors are what the front end of workflows needs of who serves HTTP.
type Doors struct {
	// Endpoint is where clients reach the workflows of a unit, from the scheme, host and
	// port by which this node was reached; nil: there.
	Endpoint func(called, unit string) string
	// Peer is the address a request came from, Secure whether that was in TLS. nil: what
	// the connection says.
	Peer   func(*http.Request) netip.Addr
	Secure func(*http.Request) bool
	// Refuse answers with an error.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

// Door is the front end of workflows: what lies below them in Resource Manager, and the
// addresses by which they are called.
type Door struct {
	*rest.Door
	s *Service
}

// Door makes the front end.
func (s *Service) Door(o Doors) *Door {
	from := rest.Options{
		At: s.flowAt, ByID: s.flowByID, InApp: s.flowInApp, List: s.flowsOf, Validate: ValidateWorkflow,
		Peer: o.Peer, Secure: o.Secure, Refuse: o.Refuse, Location: s.o.Location, Logger: s.log,
	}
	if o.Endpoint != nil {
		from.Endpoint = func(called string, f *rest.Flow) string {
			unit, _ := UnitName(f.ID)
			if f.App != "" {
				unit = siteUnits + strings.ToLower(f.App)
			}
			return o.Endpoint(called, unit)
		}
	}
	return &Door{rest.New(from), s}
}

// Operation is what Azure calls a request for what lies below a resource.
func (d *Door) Operation(method string, id resource.ID, below []string) string {
	return rest.Operation(method, id, below)
}

// Takes reports whether a request is for a workflow's own address.
func (d *Door) Takes(r *http.Request) bool { return rest.Takes(r) }

// Under names the types below which it serves.
func (d *Door) Under() []string {
	return []string{rest.TypeWorkflow, rest.TypeLocations, rest.TypeSite}
}

// Alias gives the path in Resource Manager that a request to a project's own management
// stands for; empty: none.
func (d *Door) Alias(r *http.Request) string {
	return rest.Alias(r.URL.Path, func() (resource.ID, bool) { return d.s.siteCalled(r.Host) })
}

// siteCalled finds the site that a host name means, or the only one.
func (s *Service) siteCalled(host string) (resource.ID, bool) {
	label, _, _ := strings.Cut(host, ".")
	var only resource.ID
	sites := 0
	for _, sp := range s.all() {
		if !sp.site {
			continue
		}
		if strings.EqualFold(sp.id.Name(), label) {
			return sp.id, true
		}
		only = sp.id
		sites++
	}
	return only, sites == 1
}

func noFlow(what string) error {
	return fault.New(fault.NotFound, "There is no workflow %s here.", what)
}

// flowAt finds a workflow by its resource id.
func (s *Service) flowAt(ctx context.Context, id resource.ID) (*rest.Flow, error) {
	sp := s.spaceOf(id)
	if sp == nil || !sp.keeps(id) {
		return nil, noFlow(id.String())
	}
	d, err := s.o.Registry.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.flow(sp, d), nil
}

// flowByID finds a workflow by how addresses name it.
func (s *Service) flowByID(ctx context.Context, called string) (*rest.Flow, error) {
	s.mu.Lock()
	id, ok := s.called[strings.ToLower(called)]
	s.mu.Unlock()
	if !ok {
		return nil, noFlow(called)
	}
	return s.flowAt(ctx, id)
}

// flowInApp finds a workflow by its name and that of its site.
func (s *Service) flowInApp(ctx context.Context, app, name string) (*rest.Flow, error) {
	for _, sp := range s.all() {
		if !sp.site || app != "" && !strings.EqualFold(sp.id.Name(), app) {
			continue
		}
		id, err := sp.workflowID(name)
		if err != nil {
			return nil, noFlow(name)
		}
		if f, err := s.flowAt(ctx, id); !fault.Is(err, fault.NotFound) {
			return f, err
		}
	}
	return nil, noFlow(name)
}

// flowsOf lists the workflows of a site.
func (s *Service) flowsOf(ctx context.Context, site resource.ID) ([]*rest.Flow, error) {
	sp := s.spaceOf(site)
	if sp == nil {
		return nil, fault.New(fault.NotFound, "There is no site %s here.", site)
	}
	docs, _, err := s.o.Registry.ListUnder(ctx, site, typeSiteWorkflow)
	if err != nil {
		return nil, err
	}
	var all []*rest.Flow
	for _, d := range docs {
		all = append(all, s.flow(sp, d))
	}
	return all, nil
}

// flow is a workflow as the front end sees it.
func (s *Service) flow(sp *space, d resource.Document) *rest.Flow {
	f := &rest.Flow{
		ID: d.ID, Name: d.Name(), Runs: sp.host, Triggers: sp.triggers,
		Allows: func(part string, from netip.Addr) bool { return Allows(d, part, from) },
	}
	if sp.site {
		f.App = sp.id.Name()
	}
	if _, owned := sp.host.Owned(); !owned {
		f.Pass = func(w http.ResponseWriter, r *http.Request) bool { return s.pass(sp, w, r) }
	}
	return f
}

// ownerWait is how long a request waits while a unit changes hands.
const ownerWait = 15 * time.Second

// pass lets the owner of a unit answer a request; false when that is this node.
func (s *Service) pass(sp *space, w http.ResponseWriter, r *http.Request) bool {
	ctx, cancel := context.WithTimeout(r.Context(), ownerWait)
	defer cancel()
	owner, err := sp.unit.WaitOwner(ctx)
	if err == nil && owner.Self {
		sp.awaitOwned(ctx)
		return false
	}
	if err != nil || s.o.PassHTTP == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, `{"error":{"code":"ServiceUnavailable","message":"The workflow is changing hands. Please try again."}}`, http.StatusServiceUnavailable)
		return true
	}
	s.o.PassHTTP(w, r, sp.name, owner.Address)
	return true
}

// awaitOwned waits until the host has taken up an ownership that the unit has.
func (sp *space) awaitOwned(ctx context.Context) {
	for {
		changed := sp.host.Changed()
		if _, owned := sp.host.Owned(); owned {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
