package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"weir/internal/jsonc"
)

// world is what expressions of a template can name: its parameters, variables and
// functions. A nested template of scope "outer" shares the one around it.
type world struct {
	o         *Options
	t         *Template
	problems  *collector
	functions map[string]*function
	users     map[string]*userFunction
	types     *jsonc.Value // definitions
	params    map[string]*Parameter
	order     []*Parameter
	vars      map[string]*variable
	varOrder  []*variable
	trees     map[string]node
	open      bool // some of what was given is not known yet: nor is which resources there are
}

// Parameter is a parameter with its value.
type Parameter struct {
	Name   string
	Type   string
	Value  any
	Secure bool
	Line   int // of its declaration

	schema  *jsonc.Value
	state   state
	failure error
}

type variable struct {
	name    string
	decl    *jsonc.Value
	turn    *frame // of a variable that is made by a loop
	loop    *jsonc.Value
	value   any
	state   state
	failure error
}

// state guards against values that need each other.
type state uint8

const (
	untouched state = iota
	evaluating
	done
)

type userFunction struct {
	params []userParam
	output *jsonc.Value
}

type userParam struct {
	name   string
	schema *jsonc.Value
}

func (w *world) parsed(s string) (node, error) {
	if n, ok := w.trees[s]; ok {
		return n, nil
	}
	n, err := parseExpression(s)
	if err == nil {
		w.trees[s] = n
	}
	return n, err
}

func (w *world) problem(v *jsonc.Value, path, format string, args ...any) {
	w.problems.add(Problem{Path: path, Line: w.t.line(v), Sentence: sentence(fmt.Sprintf(format, args...))})
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// newWorld reads what a template declares and takes in what was given.
func newWorld(t *Template, given map[string]Given, o *Options, problems *collector) *world {
	w := &world{o: o, t: t, problems: problems, functions: allFunctions(), users: map[string]*userFunction{}, params: map[string]*Parameter{}, vars: map[string]*variable{}, trees: map[string]node{}}
	w.types = t.root.Get("definitions")
	w.declareFunctions(t.root.Get("functions"))
	w.declareParameters(t.root.Get("parameters"), given)
	w.declareVariables(t.root.Get("variables"))
	for _, p := range w.order {
		_, _ = w.parameter(p.Name) // what is wrong is reported there
	}
	for _, v := range w.varOrder {
		_, _ = w.variable(v.name)
	}
	return w
}

func (w *world) declareFunctions(list *jsonc.Value) {
	if list == nil {
		return
	}
	for i, space := range list.Items {
		namespace := space.Get("namespace").Str()
		path := fmt.Sprintf("functions[%d]", i)
		if namespace == "" {
			w.problem(space, path, "functions need a namespace")
			continue
		}
		members := space.Get("members")
		if members == nil {
			continue
		}
		for _, m := range members.Fields {
			f := &userFunction{output: m.Value.Get("output").Get("value")}
			if f.output == nil {
				w.problem(m.Value, path+"."+m.Name, "a function needs an output with a value")
			}
			if params := m.Value.Get("parameters"); params != nil {
				for _, p := range params.Items {
					f.params = append(f.params, userParam{p.Get("name").Str(), p})
				}
			}
			w.users[strings.ToLower(namespace+"."+m.Name)] = f
		}
	}
}

func (w *world) declareParameters(decls *jsonc.Value, given map[string]Given) {
	byName := map[string]Given{}
	for name, g := range given {
		byName[strings.ToLower(name)] = g
		w.open = w.open || hasUnknown(g.Value) != nil
	}
	if decls != nil && decls.Kind != jsonc.Object {
		w.problem(decls, "parameters", "parameters must be an object, and are %s", decls.Kind)
		decls = nil
	}
	if decls != nil {
		for _, f := range decls.Fields {
			w.declareParameter(f, byName)
		}
	}
	for _, name := range sortedKeys(given) {
		if w.params[strings.ToLower(name)] == nil {
			w.problems.add(Problem{Path: "parameters." + name, Sentence: fmt.Sprintf("The template has no parameter '%s'; it has %s.", name, w.parameterNames())})
		}
	}
}

func (w *world) parameterNames() string {
	if len(w.order) == 0 {
		return "none"
	}
	var names []string
	for _, p := range w.order {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

func (w *world) declareParameter(f jsonc.Field, given map[string]Given) {
	path := "parameters." + f.Name
	p := &Parameter{Name: f.Name, schema: f.Value, Line: w.t.lineNo(f.Line)}
	w.params[strings.ToLower(f.Name)] = p
	w.order = append(w.order, p)
	fail := func(format string, args ...any) {
		p.state, p.failure = done, errReported
		w.problem(f.Value, path, format, args...)
	}
	schema, err := w.resolve(f.Value)
	if err != nil {
		fail("%s", err)
		return
	}
	p.Type = schema.Get("type").Str()
	p.Secure = strings.HasPrefix(strings.ToLower(p.Type), "secure")
	if problem := w.sound(f.Value, 0); problem != "" {
		fail("%s", problem)
		return
	}
	g, ok := given[strings.ToLower(f.Name)]
	if ok && g.Value == nil && g.Refused == "" && f.Value.Get("defaultValue") != nil {
		ok = false // null asks for the default
	}
	switch {
	case ok && g.Refused != "":
		fail("%s", g.Refused)
	case ok:
		p.Value, p.state = g.Value, done
		if v, isNull := g.Value.(*Unknown); isNull && v != nil {
			return
		}
		for _, problem := range w.checked(p, g.Value) {
			fail("the value that was given: %s", problem)
		}
	case f.Value.Get("defaultValue") == nil && w.isNullable(f.Value):
		p.state = done
	case f.Value.Get("defaultValue") == nil:
		fail("the parameter '%s' was given no value and has no default: give one in the file of parameters or with -p %s=VALUE", f.Name, f.Name)
	}
}

// checked holds a value against a parameter's type; of a secret it is not said what it is.
func (w *world) checked(p *Parameter, v any) []string {
	problems := w.check(p.schema, v, "")
	if p.Secure && len(problems) > 0 {
		return []string{"it is not what the parameter's type allows (it is a secret, and not shown)"}
	}
	return problems
}

// parameter gives a parameter's value.
func (w *world) parameter(name string) (any, error) {
	p := w.params[strings.ToLower(name)]
	if p == nil {
		return nil, fmt.Errorf("the template has no parameter '%s'; it has %s", name, w.parameterNames())
	}
	switch p.state {
	case done:
		return p.Value, p.failure
	case evaluating:
		return nil, fmt.Errorf("the default value of the parameter '%s' needs itself", name)
	}
	p.state = evaluating
	decl := p.schema.Get("defaultValue")
	e := &env{world: w, place: inParameter, path: "parameters." + p.Name + ".defaultValue"}
	v, failed := e.walked(decl)
	p.state, p.Value = done, v
	if failed {
		p.failure = errReported
		return nil, p.failure
	}
	if Known(v) {
		for _, problem := range w.checked(p, v) {
			p.failure = errReported
			w.problem(decl, e.path, "%s", problem)
		}
	}
	return p.Value, p.failure
}

// errReported stands for what has been reported where it is wrong.
var errReported = errors.New("reported")

func (w *world) declareVariables(decls *jsonc.Value) {
	if decls == nil || decls.Kind != jsonc.Object {
		return
	}
	add := func(v *variable) {
		if w.vars[strings.ToLower(v.name)] == nil {
			w.varOrder = append(w.varOrder, v)
		}
		w.vars[strings.ToLower(v.name)] = v
	}
	for _, f := range decls.Fields {
		if strings.EqualFold(f.Name, "copy") && isCopyList(f.Value) {
			for _, loop := range f.Value.Items {
				add(&variable{name: loop.Get("name").Str(), loop: loop})
			}
			continue
		}
		add(&variable{name: f.Name, decl: f.Value})
	}
}

// variable gives a variable's value.
func (w *world) variable(name string) (any, error) {
	v := w.vars[strings.ToLower(name)]
	if v == nil {
		return nil, fmt.Errorf("the template has no variable '%s'%s", name, w.near(name))
	}
	switch v.state {
	case done:
		return v.value, v.failure
	case evaluating:
		return nil, fmt.Errorf("the variable '%s' needs itself", name)
	}
	v.state = evaluating
	e := &env{world: w, place: inVariable, path: "variables." + v.name}
	var failed bool
	if v.loop != nil {
		v.value, failed = e.loopValue(v.loop)
	} else {
		v.value, failed = e.walked(v.decl)
	}
	v.state = done
	if failed {
		v.value, v.failure = nil, errReported
	}
	return v.value, v.failure
}

// near names a variable that is spelled alike.
func (w *world) near(name string) string {
	best, found := 3, ""
	for _, v := range w.varOrder {
		if d := distance(strings.ToLower(name), strings.ToLower(v.name)); d < best {
			best, found = d, v.name
		}
	}
	if found == "" {
		return ""
	}
	return "; did you mean '" + found + "'?"
}

// isCopyList tells loops of properties or variables from a property that is called copy.
func isCopyList(v *jsonc.Value) bool {
	return v.Kind == jsonc.List && len(v.Items) > 0 && !slices.ContainsFunc(v.Items, func(item *jsonc.Value) bool {
		return item.Kind != jsonc.Object || item.Get("name").Str() == "" || item.Get("count") == nil || item.Get("input") == nil
	})
}
