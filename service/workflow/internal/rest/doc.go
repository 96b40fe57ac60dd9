// Package rest is the HTTP front end of workflows: what management clients ask about
// runs, actions, triggers and versions, and the addresses by which workflows are called.
//
// The nouns: a *flow* is a workflow on this node, with the unit that runs it. A *view*
// is how it is looked at: as a resource (Microsoft.Logic/workflows), or through the
// management of a Standard project, which has shorter ids. A *link* is the signed address
// of a content.
//
// What it promises:
//
//  1. Shapes, names, codes and statuses are the cloud's, so that its clients run
//     unchanged. What the cloud has and this has not is refused by name.
//  2. Inputs and outputs leave only by links, which are signed and expire; what is secure
//     has no link.
//  3. Whoever calls a workflow shows a signature for just that, and comes from an address
//     that may; both are judged before anything of the request is read.
//  4. Lists come in pages of a bounded size, and a page's next link goes on after the last
//     one shown, whatever happened since. Bodies are bounded.
//
// It refuses to decide who may manage: the door above it has asked by Operation. It knows
// no registry; flows are found for it.
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"weir/kernel/resource"
	"weir/service/workflow/internal/callback"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/trigger"
)

// Runs is the unit that runs a flow; *host.Host is one.
type Runs interface {
	Workflow(name string) (host.View, bool)
	Versions(name string) ([]host.VersionInfo, error)
	Definition(ctx context.Context, workflow, version string) (host.Declared, error)
	Plan(ctx context.Context, workflow, version string) (*run.Plan, *expression.Object, error)
	Runs(workflow string, q host.RunQuery) ([]host.RunInfo, uint64, error)
	Run(ctx context.Context, workflow, name string) (host.RunInfo, error)
	Summaries(ctx context.Context, workflow, name string) ([]host.Summary, error)
	Repetitions(ctx context.Context, workflow, name, action string) ([]host.ActionInfo, error)
	Iterations(ctx context.Context, workflow, name, action string) (map[string][]host.ActionInfo, *run.Plan, error)
	Traces(ctx context.Context, workflow, name, action string, path []int32) ([]*expression.Trace, error)
	Content(ctx context.Context, handle string) ([]byte, error)
	Trigger(workflow, trigger string) (host.TriggerInfo, error)
	TriggerHistories(workflow, trigger string, most int) ([]host.TriggerHistory, error)
	Secret() ([]byte, bool)
	Cancel(ctx context.Context, workflow, name string) error
	Resubmit(ctx context.Context, workflow, name string, actions []string) (string, error)
	CalledBack(ctx context.Context, number uint64, at run.Place, a run.Answer) error
	Repeat(ctx context.Context, workflow, name string, at run.Place, a *run.Answer) error
	Actions(ctx context.Context, workflow, name string) ([]host.ActionInfo, error)
	RegenerateKey(ctx context.Context, workflow, key string) error
}

// Triggers fires the triggers of a flow's unit; *trigger.Manager is one.
type Triggers interface {
	// Request fires a Request trigger, Delivered any other that is called; both wait for the
	// answer. Their errors are a *trigger.Refusal or a fault.
	Request(ctx context.Context, workflow, name string, in trigger.Incoming) (host.Reply, error)
	Delivered(ctx context.Context, workflow, name string, in trigger.Incoming) (host.Reply, error)
	// Run fires a trigger since a person wants it to. Reset forgets what it remembers,
	// SetState takes over what another one does.
	Run(ctx context.Context, workflow, name string) (run string, err error)
	Reset(ctx context.Context, workflow, name string) error
	SetState(ctx context.Context, workflow, name, fromWorkflow, fromTrigger string) error
}

// Flow is one workflow on this node.
type Flow struct {
	// ID is its resource id, Name how its unit calls it.
	ID   resource.ID
	Name string
	// App is the name of its site; empty for a workflow of its own.
	App      string
	Runs     Runs
	Triggers Triggers
	// Allows says whether an address may do what accessControl speaks of; nil: it may.
	Allows func(part string, from netip.Addr) bool
	// Pass lets the owner of the unit answer a request that only it can, and says whether it
	// did; nil: this is the owner.
	Pass func(w http.ResponseWriter, r *http.Request) bool
}

// Options are what the front end stands on.
type Options struct {
	// At finds a flow by its resource id; ByID by how callback addresses name it; InApp by
	// the names of its site and its own, where an empty site means any that has it. List
	// gives those of a site. What is not there is a fault of the kind NotFound.
	At    func(ctx context.Context, id resource.ID) (*Flow, error)
	ByID  func(ctx context.Context, id string) (*Flow, error)
	InApp func(ctx context.Context, app, name string) (*Flow, error)
	List  func(ctx context.Context, site resource.ID) ([]*Flow, error)
	// Validate holds a workflow that somebody may declare against its type.
	Validate func(d resource.Document) error
	// Endpoint is where clients reach a flow, from the scheme, host and port by which this
	// node was reached; nil: there.
	Endpoint func(called string, flow *Flow) string
	// Peer is the address a request came from. nil: what the connection says.
	Peer func(*http.Request) netip.Addr
	// Secure says whether a request's caller came in TLS. nil: what the connection says.
	Secure func(*http.Request) bool
	// Refuse answers with an error.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
	// Location is the name of this location.
	Location string
	Logger   *slog.Logger
	Now      func() time.Time
}

// Door is the front end.
type Door struct {
	o   Options
	log *slog.Logger
}

// New builds the front end.
func New(o Options) *Door {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Peer == nil {
		o.Peer = func(r *http.Request) netip.Addr {
			from, _ := netip.ParseAddrPort(r.RemoteAddr)
			return from.Addr().Unmap()
		}
	}
	if o.Secure == nil {
		o.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}
	return &Door{o, o.Logger}
}

// Bounds of what is read and shown.
const (
	bodyBytesMax    = 100 << 20 // of a call of a trigger or an action
	requestBytesMax = 4 << 20   // of a management request
	pageRows        = 30
	pageRowsMax     = 250
	bulkRunsMax     = 250
	contentLife     = 4 * time.Hour
)

// caller makes the addresses of a flow as the caller of a request reaches it.
func (d *Door) caller(r *http.Request, f *Flow) callback.Caller {
	endpoint := "http://" + r.Host
	if d.o.Secure(r) {
		endpoint = "https://" + r.Host
	}
	if d.o.Endpoint != nil {
		endpoint = d.o.Endpoint(endpoint, f)
	}
	c := callback.Caller{Signer: f.signer(), Endpoint: endpoint, App: f.App}
	if f.App != "" {
		c.Name = f.Name
	}
	return c
}

// signer signs and checks for a flow.
func (f *Flow) signer() callback.Signer {
	secret, _ := f.Runs.Secret()
	v, _ := f.Runs.Workflow(f.Name)
	return callback.Signer{Secret: secret, Primary: v.Keys.Primary, Secondary: v.Keys.Secondary, Workflow: callback.ID(f.ID.String())}
}
