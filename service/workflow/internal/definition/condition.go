package definition

import (
	"weir/service/workflow/internal/document"
)

// comparisons are the leaves of a condition's tree, each with how many values it
// compares.
var comparisons = map[string]int{
	"equals": 2, "greater": 2, "greaterorequals": 2, "less": 2, "lessorequals": 2,
	"contains": 2, "startswith": 2, "endswith": 2, "empty": 1,
}

// tree checks a condition that is written as an object: each has one member, which is
// and, or, not or a comparison.
func (r *reader) tree(v *document.Value, p document.Path) {
	if !v.Is(document.Object) {
		return
	}
	if len(v.Members) != 1 {
		r.error(p, v, "condition", "a condition has one member, which is and, or, not or a comparison such as equals; this has %d", len(v.Members))
	}
	for _, m := range v.Members {
		at := p.Of(m.Name)
		switch name := fold(m.Name); {
		case r.later(m.Value):
		case name == "and" || name == "or":
			if !m.Value.Is(document.Array) {
				r.error(at, m.Value, "condition", "%s takes an array of conditions, not %s", m.Name, shown(m.Value))
				continue
			}
			for i, item := range m.Value.Items {
				r.branch(item, at.At(i))
			}
		case name == "not":
			r.branch(m.Value, at)
		case comparisons[name] == 0:
			r.error(at, m.Value, "condition", "there is no condition %q; it may be and, or, not, equals, greater, greaterOrEquals, less, lessOrEquals, contains, startsWith or endsWith", m.Name)
		case !m.Value.Is(document.Array) && comparisons[name] == 2:
			r.error(at, m.Value, "condition", "%s takes an array of two values, not %s", m.Name, shown(m.Value))
		case m.Value.Is(document.Array) && len(m.Value.Items) != comparisons[name]:
			r.error(at, m.Value, "condition", "%s takes %d values, not %d", m.Name, comparisons[name], len(m.Value.Items))
		}
	}
}

// branch is a condition inside another one: an object, or an expression.
func (r *reader) branch(v *document.Value, p document.Path) {
	switch {
	case v.Is(document.Object):
		r.tree(v, p)
	case !r.later(v) && !v.Is(document.Bool) && !v.Is(document.String):
		r.error(p, v, "condition", "a condition must be an object or an expression, not %s", shown(v))
	}
}
