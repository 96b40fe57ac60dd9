package run

import (
	"fmt"
	"strings"

	"weir/service/workflow/internal/expression"
)

// variableValue gives the value of a variable; false, it is not initialised.
func (m *machine) variableValue(v int32) (any, bool) {
	if int(v) >= len(m.s.vars) || !m.s.vars[v].set {
		return nil, false
	}
	for len(m.s.known) < len(m.s.vars) {
		m.s.known, m.s.live = append(m.s.known, false), append(m.s.live, nil)
	}
	if !m.s.known[v] {
		var x any
		for _, p := range m.s.vars[v].parts {
			x = applied(x, p.op, m.assigned(m.load(p.ref), m.p.variables[v].name), m.p.variables[v].kind)
		}
		if m.err != nil {
			return nil, false
		}
		m.s.live[v], m.s.known[v] = x, true
	}
	return m.s.live[v], true
}

// assigned is what the inputs of an action, or its outputs, say of a variable.
func (m *machine) assigned(inputs any, name string) any {
	o, ok := inputs.(*expression.Object)
	if !ok {
		return nil
	}
	if list, ok := o.Exact("variables"); ok {
		list, _ := list.([]any)
		for _, x := range list {
			if one, ok := x.(*expression.Object); ok {
				if n, _ := one.Get("name"); strings.EqualFold(expression.Text(n), name) {
					v, _ := one.Get("value")
					return v
				}
			}
		}
		return nil
	}
	if body, ok := o.Exact("body"); ok { // the outputs of one that counts
		o, _ = body.(*expression.Object)
		if o == nil {
			return nil
		}
	}
	v, _ := o.Get("value")
	return v
}

// applied is a variable's value after an operation.
func applied(old any, op Op, v any, kind string) any {
	switch op {
	case OpAdd:
		switch a := old.(type) {
		case int64:
			switch b := v.(type) {
			case int64:
				return a + b
			case float64:
				return float64(a) + b
			}
		case float64:
			switch b := v.(type) {
			case int64:
				return a + float64(b)
			case float64:
				return a + b
			}
		}
		return old
	case OpAppend:
		if list, ok := old.([]any); ok {
			return append(list, v)
		}
		if old == nil && kind == "array" {
			return []any{v}
		}
		return expression.Text(old) + expression.Text(v)
	}
	return v
}

// kinds are the types of variables, and what each is called.
var kinds = map[string]string{"string": "String", "integer": "Integer", "float": "Float", "boolean": "Boolean", "array": "Array", "object": "Object"}

// fits makes a value one of a variable's type.
func (m *machine) fits(n *node, v int32, x any) (any, failure) {
	d := m.p.variables[v]
	ok := false
	switch y := x.(type) {
	case nil:
		ok = true
	case string:
		ok = d.kind == "string"
	case int64:
		if ok = d.kind == "integer" || d.kind == "float"; d.kind == "float" {
			x = float64(y)
		}
	case float64:
		ok = d.kind == "float"
		if n, isWhole := whole(y); d.kind == "integer" && isWhole {
			x, ok = n, true
		}
	case bool:
		ok = d.kind == "boolean"
	case []any:
		ok = d.kind == "array"
	case *expression.Object:
		ok = d.kind == "object"
	}
	if ok {
		return x, failure{}
	}
	return nil, failure{"BadRequest", fmt.Sprintf("The variable '%s' of type '%s' cannot be initialized or updated with value of type '%s'. The variable '%s' only supports values of types '%s'.", d.name, kinds[d.kind], typeName(x), d.name, kinds[d.kind])}
}

// empty is the value of a variable that is declared without one.
func empty(kind string) any {
	switch kind {
	case "array":
		return []any{}
	case "object":
		return &expression.Object{}
	case "string":
		return ""
	case "integer":
		return int64(0)
	case "float":
		return 0.0
	case "boolean":
		return false
	}
	return nil
}

// variable carries out an action on variables. What it does is one fact: nobody sees
// half of it, and two that append at the same time both count.
func (m *machine) variable(i *instance, n *node) {
	in, why := m.eval(i, n, n.inputs)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	o, _ := in.(*expression.Object)
	if o == nil {
		m.fails(i, value(in), failure{codeBadInput, fmt.Sprintf("The inputs of the action '%s' are no object.", n.Action.Name)})
		return
	}
	if n.Is("InitializeVariable") {
		m.initialize(i, n, o)
		return
	}
	name, _ := o.Get("name")
	v, ok := m.p.byVariable[strings.ToLower(expression.Text(name))]
	var old any
	if ok {
		old, ok = m.variableValue(v)
	}
	if m.err != nil {
		return
	}
	if !ok {
		m.fails(i, value(o), failure{"BadRequest", fmt.Sprintf("The variable '%s' must be initialized before it can be used inside action '%s'.", expression.Text(name), n.Action.Name)})
		return
	}
	f := &Fact{Status: Succeeded, Code: codeNone, Variable: v, Op: OpSet, Count: 1}
	x, has := o.Get("value")
	written := x
	switch {
	case n.Is("SetVariable"):
		x, why = m.fits(n, v, x)
	case n.Is("IncrementVariable", "DecrementVariable"):
		if f.Op = OpAdd; !has || x == nil {
			x = int64(1)
		}
		written = x
		if n.Is("DecrementVariable") {
			x = negative(x)
		}
		if y := applied(old, OpAdd, x, ""); y == nil || !numeric(old) || !numeric(x) {
			why = failure{"BadRequest", fmt.Sprintf("The variable '%s' is of type '%s' and its value is of type '%s'; the action '%s' adds a number of type '%s'. Both must be numbers.", m.p.variables[v].name, kinds[m.p.variables[v].kind], typeName(old), n.Action.Name, typeName(x))}
		} else {
			_, why = m.fits(n, v, y)
		}
	case n.Is("AppendToArrayVariable"):
		if _, isList := old.([]any); !isList && (old != nil || m.p.variables[v].kind != "array") {
			why = failure{"BadRequest", fmt.Sprintf("The variable '%s' is of type '%s', and '%s' appends to arrays only.", m.p.variables[v].name, kinds[m.p.variables[v].kind], n.Action.Name)}
		}
		f.Op = OpAppend
	default:
		if _, isText := old.(string); !isText && old != nil {
			why = failure{"BadRequest", fmt.Sprintf("The variable '%s' is of type '%s', and '%s' appends to strings only.", m.p.variables[v].name, kinds[m.p.variables[v].kind], n.Action.Name)}
		}
		x, f.Op = expression.Text(x), OpAppend
	}
	if why.given() {
		m.fails(i, value(o), why)
		return
	}
	f.Inputs = value(o.With("value", x))
	after := applied(old, f.Op, x, m.p.variables[v].kind)
	size := m.grown(v, old, x, after, f.Op)
	if most := m.e.Limits.VariableBytesMax; size > most {
		m.fails(i, Payload{}, failure{codeVariableTooLarge, fmt.Sprintf("The variable '%s' has size of more than '%d' bytes. This exceeded the maximum size '%d' configured.", m.p.variables[v].name, size, most)})
		return
	}
	if f.Op == OpAdd { // what it came to is what it gives, and all there is of the variable
		f.Op, f.Flag, f.Inputs = OpSet, true, value(o.With("value", written))
		f.Outputs = value(expression.NewObject("body", expression.NewObject("name", m.p.variables[v].name, "value", after)))
	}
	if f.Op != OpSet && len(m.s.vars[v].parts) >= partsMax {
		// Written whole, so that a variable is never more than so many parts.
		f.Op, f.Flag, f.Outputs = OpSet, true, value(expression.NewObject("name", m.p.variables[v].name, "value", after))
	}
	if m.acted(i, f); f.Status != Succeeded {
		return
	}
	if int(v) < len(m.s.known) {
		m.s.live[v], m.s.known[v] = after, true
	}
	m.s.sizes[v] = size
}

func numeric(v any) bool {
	switch v.(type) {
	case int64, float64:
		return true
	}
	return false
}

func negative(v any) any {
	switch v := v.(type) {
	case int64:
		return -v
	case float64:
		return -v
	}
	return v
}

// initialize declares variables: the one that its inputs name, or a list of them.
func (m *machine) initialize(i *instance, n *node, o *expression.Object) {
	list, isList := o.Exact("variables")
	all, _ := list.([]any)
	if !isList {
		all = []any{o}
	}
	first, fixed := int32(-1), make([]any, 0, len(all))
	for _, x := range all {
		one, _ := x.(*expression.Object)
		if one == nil {
			one = &expression.Object{}
		}
		name, _ := one.Get("name")
		v, ok := m.p.byVariable[strings.ToLower(expression.Text(name))]
		if first < 0 {
			first = v
		}
		if !ok || v != first+int32(len(fixed)) {
			m.fails(i, value(o), failure{"BadRequest", fmt.Sprintf("The action '%s' initializes the variable '%s', which is not declared there by that name.", n.Action.Name, expression.Text(name))})
			return
		}
		y, has := one.Get("value")
		if !has {
			y = empty(m.p.variables[v].kind)
		}
		y, why := m.fits(n, v, y)
		if why.given() {
			m.fails(i, value(o), why)
			return
		}
		fixed = append(fixed, one.With("value", y))
	}
	if len(fixed) == 0 {
		m.acted(i, &Fact{Status: Succeeded, Code: codeNone, Inputs: value(o)})
		return
	}
	m.acted(i, &Fact{Status: Succeeded, Code: codeNone, Inputs: value(expression.NewObject("variables", fixed)), Variable: first, Count: int32(len(fixed)), Op: OpSet})
}
