// Package deploy carries out templates: it reads them, holds everything they would put
// against what is there, puts it in order, and keeps what became of it.
//
// What it promises:
//  1. Nothing is changed before the whole template was checked: its expressions, its
//     resource types, and every resource whose values are known. Everything wrong is
//     told at once, with resource, property and line.
//  2. A resource is put after what it needs. What may go together goes together.
//  3. A deployment that fails on the way says of every resource whether it was put,
//     failed, or was not begun; nothing that was put is taken back.
//  4. What was deployed is kept, bounded: parameters and outputs that are secure are not.
//     A deployment that was running when its node ended is Failed, and says so.
//  5. Types that Weir does not have are refused by name, or left out loudly when asked;
//     what would need one that is left out is refused where it stands.
//
// What it refuses: to fetch linked templates, and to read key vaults.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// Asker is who asked for a deployment: each of its resources is authorised and noted
// under their name.
type Asker struct {
	Principal   identity.Principal
	Peer        string // the address they asked from
	Correlation string // of the request
}

// Options are what deployments stand on.
type Options struct {
	Registry *resource.Registry
	Location string // of this location: what a resource group without one is in
	Tenant   string // its id

	// Authorize says whether somebody may do something, in Azure's names. nil: they may.
	Authorize func(p identity.Principal, action, scope string) error
	// Decided refuses a change of what another location decides about. nil: none does.
	Decided func(ids ...resource.ID) error
	// Applied returns when what is declared around a resource is in force. nil: at once.
	Applied func(ctx context.Context, id resource.ID) error
	// Counts gives the properties a service says of a resource. nil: there are none.
	Counts func(resource.Document) map[string]any
	// Act runs an action of what lies below a resource and is none itself; taken is false
	// for any other. nil: there are none.
	Act func(ctx context.Context, id resource.ID, action string, body map[string]any) (answer map[string]any, taken bool, err error)
	// Audit takes what was changed and what was refused. nil: nobody reads it.
	Audit audit.Log

	Now     func() time.Time // nil: the clock
	NewGUID func() string    // nil: newGuid() is refused
	Logger  *slog.Logger
}

// Bounds.
const (
	runningMax     = 50  // deployments at once
	historyMax     = 200 // kept in one scope
	batchMax       = 500 // resources put as one
	answerWait     = 1500 * time.Millisecond
	appliedWait    = 5 * time.Second
	operationsMax  = 10_000 // told of one deployment
	templateKept   = 1 << 20
	deploymentType = "Microsoft.Resources/deployments"
)

// Deployments carries out and remembers.
type Deployments struct {
	o    Options
	life context.Context

	mu      sync.Mutex
	running map[string]*run // by key of the id
	ended   sync.WaitGroup
}

// New makes a Deployments whose work ends with life.
func New(life context.Context, o Options) *Deployments {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Audit == nil {
		o.Audit = audit.Nowhere
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Deployments{o: o, life: life, running: map[string]*run{}}
}

// Wait returns when no deployment runs any more; call it after life has ended.
func (d *Deployments) Wait() { d.ended.Wait() }

// Type declares the resource type under which deployments are kept.
func Type() *resource.Type {
	text := func(name, description string) resource.Field {
		return resource.Field{Name: name, Kind: resource.String, Description: description}
	}
	return &resource.Type{
		Name: deploymentType, Extension: true, AtTenant: true,
		APIVersions: []string{"2025-04-01", "2024-11-01", "2024-07-01", "2024-03-01", "2023-07-01", "2022-09-01", "2022-06-01", "2021-04-01", "2021-01-01", "2020-10-01", "2020-06-01", "2019-10-01", "2019-05-01", "2018-05-01", "2018-02-01", "2017-05-10", "2016-09-01", "2016-02-01", "2015-01-01"},
		Description: "A template that was deployed, and what became of it.",
		NamePattern: `[-\w._()]+`, NameHint: "letters, digits, '.', '-', '_' and parentheses", NameRange: resource.Range{Min: 1, Max: 64}, Located: true,
		Fields: []resource.Field{
			text("provisioningState", "Accepted, Running, Succeeded, Failed or Canceled."), text("timestamp", "When it last changed."),
			text("content", "All there is to say of it, as JSON."),
		},
	}
}

func (d *Deployments) id(scope resource.ID, name string) (resource.ID, error) {
	at := scope.String()
	if at == "/" {
		at = ""
	}
	id, err := resource.ParseID(at + "/providers/" + deploymentType + "/" + name)
	if err != nil {
		return id, fault.New(fault.Invalid, "A deployment cannot be called %q: %s.", name, err)
	}
	return id, nil
}

// may asks whether somebody may do something, and notes that they may not.
func (d *Deployments) may(ctx context.Context, who Asker, action, scope string) error {
	if d.o.Authorize == nil {
		return nil
	}
	err := d.o.Authorize(who.Principal, action, scope)
	if err != nil {
		d.note(ctx, who, action, scope, audit.Refused, err)
	}
	return err
}

func (d *Deployments) note(ctx context.Context, who Asker, action, scope string, outcome audit.Outcome, err error) {
	e := audit.Entry{Caller: who.Principal.Name, Object: who.Principal.ObjectID(), Action: action, Scope: scope, Door: "deploy", Peer: who.Peer, Outcome: outcome, Correlation: who.Correlation}
	if err != nil {
		e.Reason = fault.Sentence(err)
	}
	if failed := d.o.Audit.Note(ctx, e); failed != nil {
		d.o.Logger.Warn("an operation of a deployment could not be noted", "action", action, "scope", scope, "error", fault.Detail(failed))
	}
}

// invalid makes one fault of what is wrong with a template.
func invalid(problems template.Problems) error {
	if len(problems) == 0 {
		return nil
	}
	var all resource.Problems
	for _, p := range problems {
		all = append(all, resource.Problem{ID: p.Resource, Path: p.Path, Line: p.Line, Sentence: p.Sentence, Kind: fault.Invalid, Code: "InvalidTemplate"})
	}
	return all.Fault()
}

// problemsOf finds the single problems in an error.
func problemsOf(err error) resource.Problems {
	problems, _ := errors.AsType[resource.Problems](err)
	return problems
}

// scopeOf reads a scope's id.
func scopeOf(id resource.ID) template.Scope {
	parts := strings.Split(strings.Trim(id.String(), "/"), "/")
	if len(parts) == 4 && strings.EqualFold(parts[1], "Microsoft.Management") {
		return template.Scope{ManagementGroup: parts[3]}
	}
	return template.Scope{Subscription: id.Subscription(), ResourceGroup: id.ResourceGroup()}
}

func seconds(d time.Duration) string { return fmt.Sprintf("PT%.3fS", d.Seconds()) }
