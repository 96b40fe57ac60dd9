package run

import (
	"fmt"
	"slices"
	"strings"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
)

// Plan is a definition, compiled: names are numbers, texts are programs. It is not
// changed once it is made and may be used by any number of runs at once.
type Plan struct {
	Definition *definition.Definition
	nodes      []node
	graphs     []graph
	byName     map[string]int32
	variables  []declared
	byVariable map[string]int32
	outputs    []output
	static     map[string]*definition.StaticResult
	// Answers says that there is a Response, so that the caller waits for it; AnswersLater,
	// that there is one which the caller asks for later.
	Answers, AnswersLater bool
}

type graph struct {
	first, size int32
	owner       int32 // the action that holds it, -1 for the workflow's own
	leaves      []int32
}

type after struct {
	node     int32
	statuses definition.Statuses
}

type node struct {
	*definition.Action
	index, graph int32
	after        []after
	next         []int32
	inner        []int32 // graphs: of an If two, of a Switch the cases and the default
	inputs       program // inputs, or what a Foreach, If, Until or Switch asks
	each         program // what is asked of every item
	columns      []column
	cases        []program
	timeout      program
	count        program
	retry        program
	leave        program // the unsubscribe of a webhook that speaks of the answer to its subscribe
	conditions   bool
	outside      bool
	hideInputs   bool
	hideOutputs  bool
	idempotent   bool
}

type column struct{ header, value program }

type declared struct {
	name, kind string
	hide       bool
}

type output struct {
	name, kind string
	value      program
}

// program is a template or why there is none.
type program struct {
	*expression.Template
	broken string
	at     document.Position
	text   string
	given  bool
}

// ValueOf gives a value of a document as expressions know it.
func ValueOf(v *document.Value) any { return valueOf(v) }

func valueOf(v *document.Value) any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case document.Bool:
		return v.Bool
	case document.Number:
		n, err := expression.ParseJSON(v.Text)
		if err != nil {
			return nil
		}
		return n
	case document.String:
		return v.Text
	case document.Array:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			list[i] = valueOf(item)
		}
		return list
	case document.Object:
		o := &expression.Object{Members: make([]expression.Member, 0, len(v.Members))}
		for _, m := range v.Members {
			o.Members = append(o.Members, expression.Member{Name: m.Name, Value: valueOf(m.Value)})
		}
		return o
	}
	return nil
}

func compile(v *document.Value, parse func(any) (*expression.Template, []expression.Place), without ...string) program {
	if v == nil {
		return program{}
	}
	p := program{at: v.At, given: true}
	p.text, _ = v.Str()
	from := valueOf(v)
	if o, ok := from.(*expression.Object); ok && len(without) > 0 {
		kept := &expression.Object{}
		for _, m := range o.Members {
			if !slices.ContainsFunc(without, func(name string) bool { return strings.EqualFold(name, m.Name) }) {
				kept.Members = append(kept.Members, m)
			}
		}
		from = kept
	}
	t, problems := parse(from)
	if p.Template = t; t == nil {
		p.broken = "The template cannot be parsed."
		if len(problems) > 0 {
			p.broken = problems[0].Message
		}
	}
	return p
}

// Compile makes a plan of a definition that was read without errors.
func Compile(d *definition.Definition) *Plan {
	p := &Plan{Definition: d, byName: map[string]int32{}, byVariable: map[string]int32{}, static: map[string]*definition.StaticResult{}}
	for _, s := range d.StaticResults {
		p.static[strings.ToLower(s.Name)] = s
	}
	if d.Actions == nil {
		d.Actions = &definition.Graph{}
	}
	p.graph(d.Actions, -1)
	for _, o := range d.Outputs {
		p.outputs = append(p.outputs, output{o.Name, o.Type, compile(o.Value, expression.Parse)})
	}
	p.secrets()
	return p
}

func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }

// graph numbers the actions of a graph one after another, then what they hold.
func (p *Plan) graph(g *definition.Graph, owner int32) int32 {
	index := int32(len(p.graphs))
	first := int32(len(p.nodes))
	p.graphs = append(p.graphs, graph{first: first, owner: owner})
	if g == nil {
		return index
	}
	p.graphs[index].size = int32(len(g.Actions))
	for i, a := range g.Actions {
		n := first + int32(i)
		p.nodes = append(p.nodes, node{Action: a, index: n, graph: index})
		p.byName[fold(a.Name)] = n
	}
	for i := range g.Actions {
		p.order(first + int32(i))
	}
	for i := range g.Actions {
		n := first + int32(i)
		if len(p.nodes[n].next) == 0 {
			p.graphs[index].leaves = append(p.graphs[index].leaves, n)
		}
	}
	for i := range g.Actions {
		p.fill(first + int32(i))
	}
	return index
}

// order links an action to those it runs after, which stand in the same graph.
func (p *Plan) order(n int32) {
	a := p.nodes[n].Action
	for _, before := range a.RunAfter {
		b, ok := p.byName[fold(before.Name)]
		if !ok || p.nodes[b].graph != p.nodes[n].graph {
			continue
		}
		p.nodes[n].after = append(p.nodes[n].after, after{b, before.Statuses})
		p.nodes[b].next = append(p.nodes[b].next, n)
	}
}

// fill compiles what an action asks and does.
func (p *Plan) fill(index int32) {
	n := p.nodes[index]
	a := n.Action
	n.hideInputs, n.hideOutputs = a.Runtime.SecureInputs, a.Runtime.SecureOutputs
	n.idempotent = true
	if metadata := a.Value.Get("metadata").Get("weir.idempotent"); metadata.Is(document.Bool) {
		n.idempotent = metadata.Bool
	}
	n.timeout, n.count = compile(a.Limit.Timeout, expression.Parse), compile(a.Limit.Count, expression.Parse)
	inner := func(graphs ...*definition.Graph) {
		for _, g := range graphs {
			n.inner = append(n.inner, p.graph(g, index))
		}
	}
	switch a.Type {
	case "Scope":
		inner(a.Actions)
	case "Foreach":
		n.inputs = compile(a.Foreach, expression.Parse)
		inner(a.Actions)
	case "Until":
		n.inputs = compile(a.Expression, expression.ParseCondition)
		inner(a.Actions)
	case "If":
		n.inputs = compile(a.Expression, expression.ParseCondition)
		inner(a.Actions, a.Else)
	case "Switch":
		n.inputs = compile(a.Expression, expression.Parse)
		for _, c := range a.Cases {
			n.cases = append(n.cases, compile(c.Value, expression.Parse))
			inner(c.Actions)
		}
		inner(a.Default)
	case "Query":
		n.inputs = compile(a.Inputs, expression.Parse, "where")
		where, _ := a.Inputs.Fold("where")
		n.each = compile(where, expression.ParseCondition)
	case "Select":
		n.inputs = compile(a.Inputs, expression.Parse, "select")
		each, _ := a.Inputs.Fold("select")
		n.each = compile(each, expression.Parse)
	case "Table":
		n.inputs = compile(a.Inputs, expression.Parse, "columns")
		columns, _ := a.Inputs.Fold("columns")
		if columns.Is(document.Array) {
			for _, c := range columns.Items {
				header, _ := c.Fold("header")
				value, _ := c.Fold("value")
				n.columns = append(n.columns, column{compile(header, expression.Parse), compile(value, expression.Parse)})
			}
		}
	case "InitializeVariable":
		n.inputs = compile(a.Inputs, expression.Parse)
		p.declare(a)
	case "ParseJson":
		n.inputs = compile(a.Inputs, expression.Parse, "schema")
	default:
		without := []string{"retryPolicy"}
		if leave, _ := a.Inputs.Fold("unsubscribe"); a.Type == "HttpWebhook" && leave != nil && strings.Contains(strings.ToLower(string(leave.Raw)), "action(") {
			without, n.leave = append(without, "unsubscribe"), compile(leave, expression.Parse)
		}
		n.inputs = compile(a.Inputs, expression.Parse, without...)
		if a.Type == "Response" {
			p.AnswersLater = p.AnswersLater || a.Options.Has("Asynchronous")
			p.Answers = !p.AnswersLater
		}
		policy := a.Inputs.Get("retryPolicy")
		if n.hooks() && !policy.Given() {
			policy = a.Inputs.Get("subscribe").Get("retryPolicy")
		}
		if policy.Given() {
			n.retry = compile(policy, expression.Parse)
		}
		t := definition.ActionType(a.Type)
		n.outside = t != nil && t.Support == definition.Runs && t.Group != "control" && t.Group != "variables" && t.Group != "data" && a.Type != "Response"
	}
	p.nodes[index] = n
}

// declare gives numbers to the variables that an action initialises.
func (p *Plan) declare(a *definition.Action) {
	one := func(v *document.Value) {
		name, _ := v.Get("name").Str()
		kind, _ := v.Get("type").Str()
		if _, twice := p.byVariable[strings.ToLower(name)]; !twice && name != "" {
			p.byVariable[strings.ToLower(name)] = int32(len(p.variables))
			p.variables = append(p.variables, declared{name: name, kind: strings.ToLower(kind)})
		}
	}
	if list := a.Inputs.Get("variables"); list.Is(document.Array) {
		for _, v := range list.Items {
			one(v)
		}
		return
	}
	one(a.Inputs)
}

// Size is how many actions a run of the plan begins with.
func (p *Plan) Size() int32 { return p.graphs[0].size }

// Name gives the name of the action of a number.
func (p *Plan) Name(node uint32) string {
	if int(node) >= len(p.nodes) {
		return fmt.Sprintf("action %d", node)
	}
	return p.nodes[node].Action.Name
}

// Action gives the action of a number as it was written.
func (p *Plan) Action(node uint32) *definition.Action {
	if int(node) >= len(p.nodes) {
		return nil
	}
	return p.nodes[node].Action
}
