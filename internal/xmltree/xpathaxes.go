package xmltree

import "sort"

// An axis lists the nodes that lie in one direction of a node, nearest first.
type axis func(n *Node, visit func(*Node))

var axes = map[string]axis{
	"self":               func(n *Node, visit func(*Node)) { visit(n) },
	"child":              func(n *Node, visit func(*Node)) { eachChild(n, visit) },
	"descendant":         descend,
	"descendant-or-self": func(n *Node, visit func(*Node)) { visit(n); descend(n, visit) },
	"parent": func(n *Node, visit func(*Node)) {
		if n.Parent != nil {
			visit(n.Parent)
		}
	},
	"ancestor":         ascend,
	"ancestor-or-self": func(n *Node, visit func(*Node)) { visit(n); ascend(n, visit) },
	"attribute": func(n *Node, visit func(*Node)) {
		for _, a := range n.Attributes {
			if a.Kind == Attribute {
				visit(a)
			}
		}
	},
	"namespace": func(n *Node, visit func(*Node)) {
		seen := map[string]bool{}
		for ; n != nil; n = n.Parent {
			for _, a := range n.Attributes {
				if a.Kind == Declaration && !seen[a.Name()] {
					seen[a.Name()] = true
					visit(a)
				}
			}
		}
	},
	"following-sibling": func(n *Node, visit func(*Node)) { siblings(n, 1, visit) },
	"preceding-sibling": func(n *Node, visit func(*Node)) { siblings(n, -1, visit) },
	"following": func(n *Node, visit func(*Node)) {
		for ; n != nil; n = n.Parent {
			siblings(n, 1, func(s *Node) { visit(s); descend(s, visit) })
		}
	},
	"preceding": func(n *Node, visit func(*Node)) {
		for ; n != nil; n = n.Parent {
			siblings(n, -1, func(s *Node) { backwards(s, visit) })
		}
	},
}

// hidden are nodes that XPath does not see.
func hidden(n *Node) bool {
	return n.Kind == Doctype || n.Kind == Instruction && n.Local == "xml"
}

func eachChild(n *Node, visit func(*Node)) {
	for _, c := range n.Children {
		if !hidden(c) {
			visit(c)
		}
	}
}

func descend(n *Node, visit func(*Node)) {
	eachChild(n, func(c *Node) { visit(c); descend(c, visit) })
}

func ascend(n *Node, visit func(*Node)) {
	for n = n.Parent; n != nil; n = n.Parent {
		visit(n)
	}
}

// backwards visits a node and all in it, last first.
func backwards(n *Node, visit func(*Node)) {
	for i := len(n.Children) - 1; i >= 0; i-- {
		if !hidden(n.Children[i]) {
			backwards(n.Children[i], visit)
		}
	}
	visit(n)
}

func siblings(n *Node, step int, visit func(*Node)) {
	if n.Parent == nil || n.Kind == Attribute || n.Kind == Declaration {
		return
	}
	all := n.Parent.Children
	at := sort.Search(len(all), func(i int) bool { return all[i].order >= n.order })
	for i := at + step; i >= 0 && i < len(all); i += step {
		if !hidden(all[i]) {
			visit(all[i])
		}
	}
}

// stepQuery is one step of a path: an axis, a test and predicates.
type stepQuery struct {
	walk       axis
	test       func(*Node) bool
	predicates []query
	child, any bool // child: the axis is child; any: descendant-or-self::node()
}

// from gives what the step finds from one node, in the order of the axis.
func (s *stepQuery) from(e *queryRun, n *Node) ([]*Node, error) {
	var found []*Node
	visited := 0
	s.walk(n, func(x *Node) {
		// Past the budget the rest of the axis is only counted.
		if visited++; visited <= *e.steps && s.test(x) {
			found = append(found, x)
		}
	})
	if err := e.step(visited + 1); err != nil {
		return nil, err
	}
	var err error
	for _, p := range s.predicates {
		if found, err = filtered(e, found, p); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// filtered keeps the nodes of which a predicate is true, or whose place it names.
func filtered(e *queryRun, nodes []*Node, predicate query) ([]*Node, error) {
	var kept []*Node
	for i, n := range nodes {
		if err := e.step(1); err != nil {
			return nil, err
		}
		v, err := predicate(e, position{n, i + 1, len(nodes)})
		if err != nil {
			return nil, err
		}
		if at, ok := v.(float64); ok {
			if at == float64(i+1) {
				kept = append(kept, n)
			}
		} else if toBool(v) {
			kept = append(kept, n)
		}
	}
	return kept, nil
}

// along follows a step from each of the nodes.
func (s *stepQuery) along(e *queryRun, nodes []*Node) ([]*Node, error) {
	if len(nodes) == 1 {
		found, err := s.from(e, nodes[0])
		return inOrder(found), err
	}
	var all []*Node
	for _, n := range nodes {
		found, err := s.from(e, n)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return inOrder(all), nil
}
