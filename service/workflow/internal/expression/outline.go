package expression

// Outline is the form of one expression, for who judges what it asks of values without
// computing it.
type Outline struct {
	// Function is how the table spells a known function, or as it is written; empty for a
	// literal, whose value Literal is.
	Function  string
	Literal   any
	Arguments []*Outline
	// Selected are the keys that are selected from what comes out, in order.
	Selected []*Outline
}

// Outlines tells the form of the expressions in a text; whole says that the text is one
// expression and nothing else. A text with problems of form has none.
func Outlines(s string) (all []*Outline, whole bool) {
	t, _ := parseText(s)
	if t == nil {
		return nil, false
	}
	for _, p := range t.parts {
		if p.tree != nil {
			all = append(all, outlineOf(p.tree))
		}
	}
	return all, t.whole && len(all) == 1
}

func outlineOf(n node) *Outline {
	switch n := n.(type) {
	case *literal:
		return &Outline{Literal: n.value}
	case *call:
		o := &Outline{Function: n.name}
		if n.function != nil {
			o.Function = n.function.Name
		}
		for _, a := range n.arguments {
			o.Arguments = append(o.Arguments, outlineOf(a))
		}
		for _, s := range n.selections {
			o.Selected = append(o.Selected, outlineOf(s.key))
		}
		return o
	}
	return &Outline{}
}
