package standin

import (
	"slices"
	"strings"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
)

// passes is how often a definition is gone through: what is read late in it may be
// made early.
const passes = 3

// aliasesMost bounds what one variable may stand for.
const aliasesMost = 64

// reader goes through a definition and notes what it asks of values.
type reader struct {
	d          *definition.Definition
	trigger    *shape
	actions    map[string]*shape
	composed   map[string][]*shape // outputs of actions that need nothing outside
	variables  map[string][]*shape
	kinds      map[string]wish // of variables
	parameters map[string]*shape
	settings   map[string]*shape
	named      []string            // the parameters that are made up
	loops      map[string][]*shape // what a Foreach goes over
	item       [][]*shape          // what item() means
	otherwise  bool
}

func newReader(d *definition.Definition) *reader {
	r := &reader{d: d, trigger: &shape{}, actions: map[string]*shape{}, composed: map[string][]*shape{}, variables: map[string][]*shape{}, kinds: map[string]wish{}, parameters: map[string]*shape{}, settings: map[string]*shape{}, loops: map[string][]*shape{}}
	for _, p := range d.Parameters {
		if p.Name == "$connections" || p.Default == nil && !p.Value.Get("value").Given() {
			s := &shape{name: p.Name}
			s.wishes = map[string]wish{"string": text, "securestring": text, "int": number, "float": number, "bool": truth, "array": list, "object": object, "secureobject": object}[strings.ToLower(p.Type)]
			r.parameters[strings.ToLower(p.Name)] = s
			r.named = append(r.named, p.Name)
		}
	}
	return r
}

func (r *reader) pass() {
	if len(r.d.Triggers) > 0 {
		r.reads(r.d.Triggers[0])
	}
	r.graph(r.d.Actions)
	for _, o := range r.d.Outputs {
		r.value(o.Value)
	}
}

// reads notes what a trigger says of what starts it.
func (r *reader) reads(t *definition.Trigger) {
	if t.Is("Request", "Manual") {
		if s := t.Inputs.Get("schema"); s.Is(document.Object) {
			r.schema(memberOf([]*shape{r.trigger}, "body"), s, 0)
		}
	}
	for _, c := range t.Conditions {
		r.condition(c.Expression)
	}
	r.value(t.Correlation)
}

func (r *reader) graph(g *definition.Graph) {
	if g == nil {
		return
	}
	for _, a := range g.Actions {
		r.action(a)
	}
}

// outside are the actions whose outputs come from somewhere else.
func outside(a *definition.Action) bool {
	t := definition.ActionType(a.Type)
	return t != nil && t.Group != "control" && t.Group != "variables" && t.Group != "data" && a.Type != "Response"
}

func (r *reader) input(a *definition.Action, name string) *document.Value {
	v, _ := a.Inputs.Fold(name)
	return v
}

// body makes outputs of a body.
func body(all []*shape) []*shape {
	s := &shape{kept: true}
	s.put("body", all)
	return []*shape{s}
}

func listOf(item []*shape) []*shape {
	return []*shape{{kept: true, wishes: list, item: item}}
}

func (r *reader) action(a *definition.Action) {
	r.value(a.Limit.Count)
	r.value(a.Limit.Timeout)
	r.value(a.Tracked)
	key := fold(a.Name)
	switch a.Type {
	case "Foreach":
		all := r.value(a.Foreach)
		r.loops[key] = itemsOf(all)
		r.within(r.loops[key], func() { r.graph(a.Actions) })
		return
	case "If", "Until":
		r.condition(a.Expression)
	case "Switch":
		on := r.value(a.Expression)
		for _, c := range a.Cases {
			r.compared(on, r.value(c.Value))
		}
	case "Compose":
		r.composed[key] = r.value(a.Inputs)
	case "ParseJson":
		content := r.value(r.input(a, "content"))
		if s := r.input(a, "schema"); s.Is(document.Object) {
			r.schema(content, s, 0)
		}
		r.composed[key] = body(parsed(content))
	case "Query":
		from := r.value(r.input(a, "from"))
		items := itemsOf(from)
		r.within(items, func() { r.condition(r.input(a, "where")) })
		r.composed[key] = body(from)
	case "Select":
		var one []*shape
		r.within(itemsOf(r.value(r.input(a, "from"))), func() { one = r.value(r.input(a, "select")) })
		r.composed[key] = body(listOf(one))
	case "Table":
		r.within(itemsOf(r.value(r.input(a, "from"))), func() { r.value(r.input(a, "columns")) })
		r.composed[key] = body([]*shape{{kept: true, wishes: text}})
	case "Join":
		itemsOf(r.value(r.input(a, "from")))
		want(r.value(r.input(a, "joinWith")), text)
		r.composed[key] = body([]*shape{{kept: true, wishes: text}})
	case "Expression":
		r.reckoned(a)
		r.composed[key] = body([]*shape{{kept: true, wishes: date}})
	case "Wait":
		r.value(a.Inputs)
		want(r.value(a.Inputs.Get("interval").Get("count")), number)
		want(r.value(a.Inputs.Get("until").Get("timestamp")), date)
	case "Terminate", "Response":
		r.value(a.Inputs)
		for _, s := range want(r.value(r.input(a, "statusCode")), number) {
			s.words = appendOnce(s.words, int64(200))
		}
	case "InitializeVariable":
		r.declares(a)
	case "SetVariable", "IncrementVariable", "DecrementVariable", "AppendToStringVariable", "AppendToArrayVariable":
		r.sets(a)
	default:
		r.value(a.Inputs)
	}
	if outside(a) && r.actions[key] == nil {
		r.actions[key] = &shape{}
	}
	for _, g := range a.Graphs() {
		r.graph(g)
	}
}

func appendOnce(all []any, v any) []any {
	if slices.ContainsFunc(all, func(x any) bool { return expression.Equal(x, v) }) {
		return all
	}
	return append(all, v)
}

// within judges what item() means inside.
func (r *reader) within(items []*shape, f func()) {
	r.item = append(r.item, items)
	f()
	r.item = r.item[:len(r.item)-1]
}

// reckoned notes what an action that is a function asks for.
func (r *reader) reckoned(a *definition.Action) {
	for _, m := range a.Inputs.Members {
		all := r.value(m.Value)
		switch strings.ToLower(m.Name) {
		case "basetime":
			want(all, date)
		case "interval", "number":
			want(all, number)
		}
	}
}

// kinds are what the types of variables want.
var kinds = map[string]wish{"array": list, "integer": number, "float": number, "boolean": truth, "object": object, "string": text}

func (r *reader) declares(a *definition.Action) {
	one := func(v *document.Value) {
		name, _ := v.Get("name").Str()
		kind, _ := v.Get("type").Str()
		given := r.value(v.Get("value"))
		key := strings.ToLower(name)
		r.kinds[key] = kinds[strings.ToLower(kind)]
		want(given, r.kinds[key])
		if len(r.variables[key]) == 0 && len(given) == 0 {
			given = []*shape{{kept: true, wishes: kinds[strings.ToLower(kind)]}}
		}
		r.alias(key, given)
	}
	if all := a.Inputs.Get("variables"); all.Is(document.Array) {
		for _, v := range all.Items {
			one(v)
		}
		return
	}
	one(a.Inputs)
}

func (r *reader) alias(key string, all []*shape) {
	for _, s := range all {
		if len(r.variables[key]) < aliasesMost && !slices.Contains(r.variables[key], s) && !(s.given && s.value == nil) {
			r.variables[key] = append(r.variables[key], s)
		}
	}
}

func (r *reader) sets(a *definition.Action) {
	name, _ := a.Inputs.Get("name").Str()
	key := strings.ToLower(name)
	given := r.value(a.Inputs.Get("value"))
	switch a.Type {
	case "SetVariable":
		want(given, r.kinds[key])
		r.alias(key, given)
	case "AppendToArrayVariable":
		// What is appended makes a list of it: one shape for each action.
		at := "append " + fold(a.Name)
		all := r.composed[at]
		if all == nil {
			all = listOf(nil)
			r.composed[at] = all
		}
		all[0].item = given
		r.alias(key, all)
	case "IncrementVariable", "DecrementVariable":
		want(given, number)
	case "AppendToStringVariable":
		want(given, 0)
	}
}

// value gives the shapes of a value of the definition and notes what it reads.
func (r *reader) value(v *document.Value) []*shape {
	switch {
	case v == nil:
		return nil
	case v.Is(document.String):
		return r.text(v.Text)
	case v.Is(document.Array):
		var item []*shape
		for _, one := range v.Items {
			item = append(item, r.value(one)...)
		}
		return listOf(item)
	case v.Is(document.Object):
		s := &shape{kept: true}
		for _, m := range v.Members {
			s.put(m.Name, r.value(m.Value))
		}
		return []*shape{s}
	}
	return []*shape{fixed(plain(v))}
}

func plain(v *document.Value) any {
	x, _ := expression.ParseJSON(string(v.Raw))
	return x
}

// text gives the shapes of a text with expressions in it.
func (r *reader) text(s string) []*shape {
	all, whole := expression.Outlines(s)
	if len(all) == 0 {
		return []*shape{fixed(s)}
	}
	var out []*shape
	for _, o := range all {
		out = r.eval(o)
	}
	if whole {
		return out
	}
	if len(all) == 1 && strings.HasPrefix(s, "@{") && strings.HasSuffix(s, "}") {
		return []*shape{{kept: true, wishes: text, of: out}}
	}
	return []*shape{{kept: true, wishes: text}}
}

// condition notes what a condition asks: a text, or operators as objects.
func (r *reader) condition(v *document.Value) {
	switch {
	case v == nil:
	case v.Is(document.String):
		r.text(v.Text)
	case v.Is(document.Array):
		for _, one := range v.Items {
			r.condition(one)
		}
	case v.Is(document.Object):
		for _, m := range v.Members {
			f := strings.ToLower(m.Name)
			if f == "and" || f == "or" || f == "not" || !m.Value.Is(document.Array) {
				r.condition(m.Value)
				continue
			}
			var args [][]*shape
			for _, one := range m.Value.Items {
				args = append(args, r.value(one))
			}
			r.call(f, args)
		}
	}
}
