package host

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// deployed is a version of a workflow, ready to be run.
type deployed struct {
	Declared
	flow       uint64
	plan       *run.Plan
	parameters *expression.Object
	about      *expression.Object // workflow(), without the run
}

// head is what stands before a definition in its block.
type head struct {
	ID         string            `json:"id,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Parameters json.RawMessage   `json:"parameters,omitempty"`
}

// encode writes what is declared as one block: the length of the head, the head, the
// definition as it was written.
func (d *Declared) encode() ([]byte, error) {
	h := head{ID: d.ID, Kind: d.Kind, Location: d.Location, Tags: d.Tags}
	if len(d.Parameters) > 0 {
		v, err := expression.ParseJSON(string(d.Parameters))
		if err != nil {
			return nil, fault.New(fault.Invalid, "The parameters of '%s' are no JSON.", d.Name)
		}
		h.Parameters = expression.AppendJSON(nil, v)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "What is declared of '%s' cannot be written.", d.Name)
	}
	b := binary.AppendUvarint(nil, uint64(len(text)))
	return append(append(b, text...), d.Definition...), nil
}

func decodeDeclared(data []byte) (d Declared, err error) {
	n, w := binary.Uvarint(data)
	if w <= 0 || n > uint64(len(data)-w) {
		return d, fault.New(fault.Damaged, "A definition of a workflow is cut off.")
	}
	var h head
	if err := json.Unmarshal(data[w:w+int(n)], &h); err != nil {
		return d, fault.Wrap(fault.Damaged, err, "What stands before a definition of a workflow cannot be read.")
	}
	return Declared{ID: h.ID, Kind: h.Kind, Location: h.Location, Tags: h.Tags, Parameters: h.Parameters, Definition: data[w+int(n):]}, nil
}

// compile reads and compiles what is declared. Its problems are said in the words of the
// first one.
func compile(d Declared) (*deployed, error) {
	v, err := document.Parse(d.Definition)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The definition of '%s' is no JSON: %s", d.Name, err)
	}
	host := definition.Consumption
	if d.Kind != "" {
		host = definition.Standard
	}
	if inner := v.Get("definition"); inner != nil && v.Get("actions") == nil && v.Get("triggers") == nil {
		v = inner
	}
	def, problems := definition.Read(definition.Wrapped{Name: d.Name, Host: host, Kind: d.Kind, Value: v, Path: document.Root}, definition.Settings{Final: true})
	for _, p := range problems {
		if p.Severity == definition.Error {
			return nil, fault.New(fault.Invalid, "The definition of '%s' cannot be run: %s (%s, line %d)", d.Name, p.Message, p.Path, p.At.Line)
		}
	}
	x := &deployed{Declared: d, plan: run.Compile(def), parameters: parametersOf(d.Parameters)}
	tags := &expression.Object{}
	for _, name := range slices.Sorted(maps.Keys(d.Tags)) {
		tags = tags.With(name, d.Tags[name])
	}
	kind := "Microsoft.Logic/workflows"
	if d.Kind != "" {
		kind = "Microsoft.Web/sites/workflows"
	}
	x.about = expression.NewObject("id", d.ID, "name", d.Name, "type", kind, "location", d.Location, "tags", tags)
	return x, nil
}

// parametersOf gives the values of parameters that come as {name: {value}} or {name: value}.
func parametersOf(text []byte) *expression.Object {
	if len(text) == 0 {
		return nil
	}
	v, err := expression.ParseJSON(string(text))
	o, ok := v.(*expression.Object)
	if err != nil || !ok {
		return nil
	}
	values := &expression.Object{}
	for _, m := range o.Members {
		v := m.Value
		if in, ok := v.(*expression.Object); ok {
			if given, ok := in.Exact("value"); ok {
				v = given
			}
		}
		values.Members = append(values.Members, expression.Member{Name: m.Name, Value: v})
	}
	return values
}

// parametersOf gives the values of parameters: the site's over those that are declared.
func (h *Host) parametersOf(x *deployed) *expression.Object {
	if h.o.Parameters == nil {
		return x.parameters
	}
	site := h.o.Parameters(x.Name)
	switch {
	case site == nil:
		return x.parameters
	case x.parameters == nil:
		return site
	}
	all := x.parameters
	for _, m := range site.Members {
		all = all.With(m.Name, m.Value)
	}
	return all
}

// of gives workflow() for a run.
func (x *deployed) of(name string) *expression.Object {
	kind, _ := x.about.Get("type")
	return x.about.With("run", expression.NewObject("id", x.ID+"/runs/"+name, "name", name, "type", expression.Text(kind)+"/runs"))
}

// planKey names a version: versions of one name are the same.
type planKey struct {
	flow    uint64
	version string
}

// plansKept bounds the plans that are kept compiled.
const plansKept = 1000

// plans are the versions that have been read.
type plans struct {
	mu sync.Mutex
	by map[planKey]*deployed
}

func (p *plans) get(k planKey) *deployed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by[k]
}

func (p *plans) put(k planKey, d *deployed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil || len(p.by) >= plansKept {
		p.by = map[planKey]*deployed{} // those in use come back at once
	}
	p.by[k] = d
}

func (p *plans) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by = nil
}

// versionOf finds a version of a workflow; empty is the current one. In a View or a turn.
func versionOf(w *ledger.Workflow, id string) *ledger.Version {
	if id == "" {
		return w.Current()
	}
	for n := len(w.Versions) - 1; n >= 0; n-- {
		if w.Versions[n].ID == id {
			return w.Versions[n]
		}
	}
	return nil
}

// version gives a version of a workflow, compiled; empty is the current one.
func (h *Host) version(ctx context.Context, workflow, id string) (*deployed, error) {
	for {
		var k planKey
		var v *ledger.Version
		var name string
		var at record.Ref
		moved := false
		h.unit.View(func() {
			if w := h.ledger.Find(workflow); w != nil {
				name = w.Name
				if v = versionOf(w, id); v != nil {
					k, at = planKey{w.Number, v.ID}, v.Definition()
				}
			}
		})
		switch {
		case name == "":
			return nil, fault.New(fault.NotFound, "There is no workflow '%s'.", workflow)
		case v == nil:
			return nil, fault.New(fault.NotFound, "The version '%s' of the workflow '%s' is not kept any more.", id, name)
		}
		if d := h.plans.get(k); d != nil {
			return d, nil
		}
		data, err := h.read(ctx, at)
		if err != nil {
			// It may have been carried to another place in between.
			h.unit.View(func() { moved = v.Definition() != at })
			if moved && ctx.Err() == nil {
				continue
			}
			return nil, err
		}
		d, err := decodeDeclared(data)
		if err != nil {
			return nil, err
		}
		d.Name, d.Version = name, k.version
		x, err := compile(d)
		if err != nil {
			return nil, err
		}
		x.flow = k.flow
		h.plans.put(k, x)
		return x, nil
	}
}

// concurrency is how many runs the triggers of a definition allow at once, and how many may
// wait; 0: any number.
func (x *deployed) concurrency() (runs, waiting int) {
	runs, waiting = x.Runs, x.WaitingRuns
	for _, t := range x.plan.Definition.Triggers {
		if runs == 0 && t.Runtime.Runs > 0 {
			runs = t.Runtime.Runs
		}
		if waiting == 0 && t.Runtime.WaitingRuns > 0 {
			waiting = t.Runtime.WaitingRuns
		}
	}
	return runs, waiting
}
