package template

import (
	"errors"
	"fmt"
	"strings"
)

// place is where in a template an expression stands: not every function may be used
// everywhere.
type place uint8

const (
	inParameter place = iota // the default value of a parameter
	inVariable
	inIdentity // what decides which resources there are: names, conditions, counts, scopes
	inProperty // of a resource
	inOutput
	inFunction // of the template's own
)

func (p place) String() string {
	return [...]string{
		"the default value of a parameter", "a variable", "a name, condition, count or scope",
		"a resource's properties", "an output", "a function of the template",
	}[p]
}

// frame is one turn of a copy loop.
type frame struct {
	loop     string
	index    int64
	resource bool // a loop of resources; else one of properties, variables or outputs
}

// env is what an expression is evaluated in.
type env struct {
	world   *world // parameters, variables and functions
	stage   *stage // the resources of the template, and where they go
	place   place
	frames  []frame
	lambda  map[string]any // variables of the lambdas around
	user    map[string]any // parameters of the function of the template around; nil: none
	depth   int
	refs    *[]Ref // what the expression refers to is noted here; nil: nobody asks
	path    string // of what is evaluated, for problems
	subject string // the resource it is about
}

// callsMax bounds how deep functions of a template may call each other.
const callsMax = 64

// evaluateText gives the value of a string of a template.
func (e *env) evaluateText(s string) (any, error) {
	if !isExpression(s) {
		return unescaped(s), nil
	}
	n, err := e.world.parsed(s)
	if err != nil {
		return nil, err
	}
	return e.eval(n)
}

func (e *env) eval(n node) (any, error) {
	if *e.world.o.steps++; *e.world.o.steps > stepsMax {
		return nil, fmt.Errorf("the template takes more than %d steps to evaluate: it loops over too much", stepsMax)
	}
	switch n := n.(type) {
	case constant:
		return n.value, nil
	case access:
		return e.access(n)
	case call:
		return e.call(n)
	}
	return nil, fmt.Errorf("this is no expression")
}

func (e *env) access(n access) (any, error) {
	of, err := e.eval(n.of)
	if err != nil {
		return nil, err
	}
	key, err := e.eval(n.key)
	if err != nil {
		return nil, err
	}
	for _, v := range []any{of, key} {
		if u, ok := v.(*Unknown); ok {
			return &Unknown{Text: "[" + n.source() + "]", failed: u.failed}, nil
		}
	}
	v, err := element(of, key)
	if err != nil {
		if n.safe {
			return nil, nil
		}
		return nil, fmt.Errorf("%s in %s", err, n.of.source())
	}
	return v, nil
}

// element finds a property or an item.
func element(of, key any) (any, error) {
	switch of := of.(type) {
	case *Object:
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("a property is named by a string, not by %s,", typeName(key))
		}
		v, ok := of.Get(name)
		if !ok {
			return nil, fmt.Errorf("there is no property '%s' (there are: %s)", name, namesOf(of))
		}
		return v, nil
	case []any:
		i, ok := key.(int64)
		if !ok {
			return nil, fmt.Errorf("an element of an array is named by a whole number, not by %s,", describe(key))
		}
		if i < 0 || i >= int64(len(of)) {
			return nil, fmt.Errorf("there is no element %d (there are %d, from 0)", i, len(of))
		}
		return of[i], nil
	}
	return nil, fmt.Errorf("%s has nothing named %s", typeName(of), describe(key))
}

// describe shows a short value, and else its type.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		if len(v) <= 60 {
			return "'" + v + "'"
		}
	case int64, bool, float64:
		return JSON(v)
	}
	return typeName(v)
}

func namesOf(o *Object) string {
	if o.Len() == 0 {
		return "none"
	}
	names := o.names
	if len(names) > 12 {
		return strings.Join(names[:12], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

func (e *env) call(n call) (any, error) {
	if n.namespace != "" {
		return e.userCall(n)
	}
	f, ok := e.world.functions[strings.ToLower(n.name)]
	if !ok {
		if len(n.name) >= 4 && strings.EqualFold(n.name[:4], "list") {
			f = e.world.functions["list*"]
		} else {
			return nil, fmt.Errorf("there is no function %s%s", n.name, e.world.suggest(n.name))
		}
	}
	if len(n.args) < f.least || f.most >= 0 && len(n.args) > f.most {
		return nil, fmt.Errorf("%s takes %s, and has %d here: %s", f.name, counts(f.least, f.most), len(n.args), f.usage)
	}
	if f.special != nil {
		return f.special(e, n)
	}
	args := make([]any, len(n.args))
	for i, a := range n.args {
		v, err := e.eval(a)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	if u := f.unknown(args); u != nil {
		return &Unknown{Text: "[" + n.source() + "]", failed: u.failed}, nil
	}
	v, err := f.run(e, args)
	if err != nil {
		if errors.Is(err, errReported) || f.group == "deployment" || f.name == "reference" { // they say it themselves
			return nil, err
		}
		return nil, fmt.Errorf("in %s: %w", f.name, err)
	}
	return v, nil
}

// unknown finds an argument without which the function has no value.
func (f *function) unknown(args []any) *Unknown {
	for _, a := range args {
		if f.structural {
			if u, ok := a.(*Unknown); ok && !f.carries {
				return u
			}
		} else if u := hasUnknown(a); u != nil {
			return u
		}
	}
	return nil
}

func counts(least, most int) string {
	switch {
	case least == most && least == 1:
		return "1 argument"
	case least == most:
		return fmt.Sprintf("%d arguments", least)
	case most < 0:
		return fmt.Sprintf("%d arguments or more", least)
	}
	return fmt.Sprintf("%d to %d arguments", least, most)
}

// suggest names functions that are spelled alike.
func (w *world) suggest(name string) string {
	name = strings.ToLower(name)
	best, found := 3, ""
	for _, key := range sortedKeys(w.functions) {
		if d := distance(name, key); d < best {
			best, found = d, w.functions[key].name
		}
	}
	if found == "" {
		return ""
	}
	return "; did you mean " + found + "?"
}

// distance is how many letters must change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			keep := before
			if a[i] != b[j] {
				keep++
			}
			before = row[j+1]
			row[j+1] = min(keep, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// userCall calls a function that the template declares.
func (e *env) userCall(n call) (any, error) {
	f := e.world.users[strings.ToLower(n.namespace+"."+n.name)]
	if f == nil {
		return nil, fmt.Errorf("the template declares no function %s.%s", n.namespace, n.name)
	}
	if e.depth >= callsMax {
		return nil, fmt.Errorf("functions of the template call each other more than %d deep", callsMax)
	}
	if len(n.args) != len(f.params) {
		return nil, fmt.Errorf("%s.%s takes %s, and has %d here", n.namespace, n.name, counts(len(f.params), len(f.params)), len(n.args))
	}
	inner := &env{world: e.world, stage: e.stage, place: inFunction, user: map[string]any{}, depth: e.depth + 1}
	for i, a := range n.args {
		v, err := e.eval(a)
		if err != nil {
			return nil, err
		}
		p := f.params[i]
		if _, unknown := v.(*Unknown); !unknown {
			if problems := e.world.check(p.schema, v, ""); len(problems) > 0 {
				return nil, fmt.Errorf("%s.%s: the argument %s: %s", n.namespace, n.name, p.name, strings.Join(problems, "; "))
			}
		}
		inner.user[strings.ToLower(p.name)] = v
	}
	v, err := inner.literalOrExpression(f.output)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", n.namespace, n.name, err)
	}
	return v, nil
}

// with gives the environment another lambda's variables.
func (e *env) with(params []string, args []any) *env {
	inner := *e
	inner.lambda = make(map[string]any, len(e.lambda)+len(params))
	for k, v := range e.lambda {
		inner.lambda[k] = v
	}
	for i, p := range params {
		inner.lambda[strings.ToLower(p)] = args[i]
	}
	return &inner
}

// apply calls a lambda with as many arguments as it takes.
func (l *Lambda) apply(args ...any) (any, error) {
	if len(l.params) > len(args) {
		return nil, fmt.Errorf("its lambda takes %d arguments and is given %d", len(l.params), len(args))
	}
	return l.env.with(l.params, args[:len(l.params)]).eval(l.body)
}

// in gives the environment another place.
func (e *env) in(p place) *env {
	inner := *e
	inner.place = p
	return &inner
}
