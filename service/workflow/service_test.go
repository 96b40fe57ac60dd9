package workflow

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/journaltest"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/service/workflow/connector"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// house is an engine with its registry, on journals in memory, without an app.
type house struct {
	t        testing.TB
	registry *resource.Registry
	*Service
	nesting  Nesting
	journals map[string]*journaltest.Memory
	leases   *journaltest.MemoryLeases
}

// here is a registry that is owned here.
type here struct{ *resource.Registry }

func (here) Fresh(context.Context) error { return nil }

// echo is a connector that answers with what it was given.
type echo struct{}

func (echo) Handles() []string                 { return []string{"Http", "HttpWebhook"} }
func (echo) Operations() []connector.Operation { return nil }
func (echo) Do(_ context.Context, c *connector.Call) connector.Answer {
	return connector.Answer{Status: 200, Body: c.Inputs}
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, journals: map[string]*journaltest.Memory{}, leases: journaltest.NewMemoryLeases()}
	types, err := resource.NewTypes(append(append(Types(), resource.ScopeTypes()...), resource.LockType())...)
	h.must(err)
	h.registry = resource.NewRegistry(types, nil)
	unit, err := h.openUnit(t.Context(), replica.Options{Unit: "registry", Node: "n1", Machine: h.registry})
	h.must(err)
	h.registry.Bind(resource.On(unit))
	unit.Start()
	t.Cleanup(unit.Abort)
	_, err = unit.WaitOwner(h.within())
	h.must(err)
	h.start()
	return h
}

func (h *house) start() {
	h.t.Helper()
	var err error
	h.Service, err = New(Options{
		Registry: here{h.registry}, Open: h.openUnit, Node: "n1", Address: "here", Location: "north", Connectors: []connector.Connector{echo{}, nested.New(nested.Options{Calls: &h.nesting})}, Logger: h.logger(),
		Endpoint: func(string) string { return "https://there.example" },
	})
	h.must(err)
	h.nesting.Bind(h.Service)
	h.must(h.Service.Start(h.t.Context()))
	engine := h.Service
	h.t.Cleanup(func() { _ = engine.Stop(context.Background()) })
}

func (h *house) openUnit(_ context.Context, o replica.Options) (*replica.Unit, error) {
	if h.journals[o.Unit] == nil {
		h.journals[o.Unit] = journaltest.NewMemory()
	}
	o.Log, o.Snapshots, o.Leases, o.Logger = h.journals[o.Unit].Node(), &journaltest.MemorySnapshots{}, h.leases, h.logger()
	return replica.New(o), nil
}

func (h *house) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(h.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(fault.Detail(err))
	}
}

func (h *house) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	h.t.Cleanup(cancel)
	return ctx
}

// declare puts a document and waits until it is in force.
func (h *house) declare(id string, properties map[string]any) resource.ID {
	h.t.Helper()
	d := resource.Document{ID: resource.MustID(id), Location: "westeurope", Properties: properties}
	if strings.EqualFold(d.ID.Type(), typeSite) {
		d.Kind = "functionapp,workflowapp"
	}
	_, err := h.registry.Put(h.within(), d, resource.Condition{})
	h.must(err)
	h.must(h.Applied(h.within(), d.ID))
	if !h.Settled(d.ID) {
		h.t.Errorf("%s is not settled", d.ID)
	}
	return d.ID
}

// fire runs a workflow and gives what it answers.
func (h *house) fire(id resource.ID, body any) host.Reply {
	h.t.Helper()
	sp := h.spaceOf(id)
	if sp == nil {
		h.t.Fatalf("%s is not served", id)
	}
	caller := make(chan host.Reply, 1)
	_, err := sp.host.Fire(h.within(), host.Firing{Workflow: id.Name(), Trigger: "in", Outputs: []*expression.Object{expression.NewObject("body", body)}, Caller: caller})
	h.must(err)
	select {
	case r := <-caller:
		return r
	case <-h.within().Done():
		h.t.Fatal("no answer")
	}
	return host.Reply{}
}

// answering is a definition that answers with a value.
func answering(value string) any {
	raw, err := resource.RawOf(mustPlain(fmt.Sprintf(`{%s, "parameters": {"p": {"type": "String", "defaultValue": "d"}}, "triggers": {"in": {"type": "Request", "kind": "Http", "inputs": {}}},
	  "actions": {"R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "body": %q}}}}`, schema, value)))
	if err != nil {
		panic(err)
	}
	return raw
}

func mustPlain(text string) any {
	v := resource.Raw(text)
	return v.Any()
}

func TestWhatIsDeclaredIsInForce(t *testing.T) {
	h := newHouse(t)
	id := h.declare(flowID, map[string]any{"definition": answering("one")})
	if r := h.fire(id, nil); r.Body != "one" {
		t.Errorf("the answer is %+v", r)
	}
	h.declare(flowID, map[string]any{"definition": answering("@parameters('p')"), "parameters": mustRaw(`{"p": {"value": "given"}}`)})
	if r := h.fire(id, nil); r.Body != "given" {
		t.Errorf("the answer is %+v", r)
	}
	h.declare(flowID, map[string]any{"definition": answering("two"), "state": "Disabled"})
	if _, err := h.spaceOf(id).host.Fire(h.within(), host.Firing{Workflow: "orders", Trigger: "in", Outputs: []*expression.Object{{}}}); !fault.Is(err, fault.Disabled) {
		t.Errorf("a disabled workflow was fired: %v", err)
	}
	versions, err := h.spaceOf(id).host.Versions("orders")
	if err != nil || len(versions) != 3 {
		t.Errorf("%d versions, %v", len(versions), err)
	}
	h.must(h.registry.Delete(h.within(), id, resource.Condition{}))
	h.must(h.Applied(h.within(), id))
	if _, there := h.spaceOf(id).host.Workflow("orders"); there {
		t.Error("a deleted workflow is there")
	}
}

func mustRaw(text string) resource.Raw {
	raw, err := resource.RawOf(mustPlain(text))
	if err != nil {
		panic(err)
	}
	return raw
}

func TestASiteIsAUnit(t *testing.T) {
	h := newHouse(t)
	site := h.declare(group+"/providers/Microsoft.Web/sites/shop", map[string]any{
		"appSettings": map[string]any{"greeting": "hello"}, "parameters": mustRaw(`{"p": {"type": "String", "value": "@appsetting('greeting')"}}`),
	})
	id := h.declare(site.String()+"/workflows/orders", map[string]any{"definition": answering("@{parameters('p')} @{appsetting('greeting')} @{workflow()?['name']}")})
	if r := h.fire(id, nil); r.Body != "hello hello orders" {
		t.Errorf("the answer is %+v", r)
	}
	if all := h.Units(); len(all) != 1 || all[0].Unit != "workflowapp-shop" || !all[0].Ready || all[0].Workflows != 1 {
		t.Errorf("the units are %+v", all)
	}
	h.must(h.Ready())
	h.declare(site.String(), map[string]any{"state": "Stopped"})
	if v, _ := h.spaceOf(id).host.Workflow("orders"); !v.Disabled {
		t.Error("a stopped site's workflow is enabled")
	}
}

func TestRunsOutliveTheEngine(t *testing.T) {
	h := newHouse(t)
	definition := mustRaw(fmt.Sprintf(`{%s, "triggers": {"in": {"type": "Request", "kind": "Http", "inputs": {}}},
	  "actions": {"W": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "@listCallbackUrl()"}}}}}`, schema))
	id := h.declare(flowID, map[string]any{"definition": definition})
	names, err := h.spaceOf(id).host.Fire(h.within(), host.Firing{Workflow: "orders", Trigger: "in", Outputs: []*expression.Object{{}}})
	h.must(err)
	h.must(h.Service.Stop(h.within()))
	h.start()
	h.must(h.awaitSettled(h.within(), id))
	i, err := h.spaceOf(id).host.Run(h.within(), "orders", names[0])
	if err != nil || i.Status != run.Running {
		t.Errorf("the run is %+v, %v", i, err)
	}
	if o := h.spaceOf(id).host.Owner(); o.Location != "north" {
		t.Errorf("the owner is %+v", o)
	}
}
