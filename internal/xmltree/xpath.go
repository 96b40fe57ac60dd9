package xmltree

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// ErrSteps is the error of a query that takes more steps than it was given.
var ErrSteps = errors.New("the query takes more steps than allowed")

// queryMax bounds a query, in bytes; nestingMax what lies in each other in it.
const (
	queryMax   = 8192
	nestingMax = 100
)

// Query answers an XPath 1.0 query with the document as its context: a float64, a
// string, a bool, or the nodes in the order of the document. Prefixes in the query
// are those that the root element declares. steps is counted down.
func (n *Node) Query(query string, steps *int) (result any, err error) {
	if len(query) > queryMax {
		return nil, fmt.Errorf("the query is longer than %d bytes", queryMax)
	}
	p := &queryParser{source: query, root: n.top()}
	expr, err := p.parse()
	if err != nil {
		return nil, err
	}
	e := &queryRun{steps: steps}
	v, err := expr(e, position{node: n, at: 1, size: 1})
	if err != nil {
		return nil, err
	}
	if nodes, ok := v.([]*Node); ok {
		return inOrder(nodes), nil
	}
	return v, nil
}

func (n *Node) top() *Node {
	for n.Parent != nil {
		n = n.Parent
	}
	return n
}

// position is where an expression is evaluated.
type position struct {
	node     *Node
	at, size int // in the list that a predicate goes over, from 1
}

type queryRun struct{ steps *int }

func (e *queryRun) step(n int) error {
	if *e.steps -= n; *e.steps < 0 {
		return ErrSteps
	}
	return nil
}

// query is a compiled expression. Its value is a []*Node, string, float64 or bool.
type query func(e *queryRun, p position) (any, error)

// inOrder sorts nodes as the document has them and drops those that come twice.
func inOrder(nodes []*Node) []*Node {
	if sort.SliceIsSorted(nodes, func(i, j int) bool { return nodes[i].order < nodes[j].order }) {
		return slices.Compact(nodes)
	}
	nodes = slices.Clone(nodes)
	sort.SliceStable(nodes, func(i, j int) bool { return nodes[i].order < nodes[j].order })
	return slices.Compact(nodes)
}

// The conversions of XPath.

func toText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 0):
			return map[bool]string{true: "Infinity", false: "-Infinity"}[v > 0]
		case v == 0:
			return "0"
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []*Node:
		if len(v) > 0 {
			return inOrder(v)[0].Content()
		}
	}
	return ""
}

func toNumber(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	}
	s := strings.Trim(toText(v), " \t\r\n")
	if s == "" || strings.Trim(s, "-0123456789.") != "" || strings.LastIndexByte(s, '-') > 0 {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.NaN()
	}
	return f
}

func toBool(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0 && !math.IsNaN(v)
	case string:
		return v != ""
	case []*Node:
		return len(v) > 0
	}
	return false
}

// compare is = != < <= > >=. A set of nodes meets it when one of its nodes does.
func (e *queryRun) compare(op string, a, b any) (bool, error) {
	x, xs := a.([]*Node)
	y, ys := b.([]*Node)
	_, xb := a.(bool)
	_, yb := b.(bool)
	switch {
	case xs && yb || xb && ys:
		return compareValues(op, toBool(a), toBool(b)), nil
	case xs && ys:
		if err := e.step(len(x) * len(y) / 8); err != nil {
			return false, err
		}
		for _, n := range x {
			for _, m := range y {
				if compareValues(op, n.Content(), m.Content()) {
					return true, nil
				}
			}
		}
		return false, nil
	case xs:
		for _, n := range x {
			if compareValues(op, n.Content(), b) {
				return true, e.step(len(x))
			}
		}
		return false, e.step(len(x))
	case ys:
		for _, n := range y {
			if compareValues(op, a, n.Content()) {
				return true, e.step(len(y))
			}
		}
		return false, e.step(len(y))
	}
	return compareValues(op, a, b), nil
}

func compareValues(op string, a, b any) bool {
	if op == "=" || op == "!=" {
		_, ab := a.(bool)
		_, bb := b.(bool)
		_, an := a.(float64)
		_, bn := b.(float64)
		same := false
		switch {
		case ab || bb:
			same = toBool(a) == toBool(b)
		case an || bn:
			same = toNumber(a) == toNumber(b)
		default:
			same = toText(a) == toText(b)
		}
		return same == (op == "=")
	}
	x, y := toNumber(a), toNumber(b)
	switch op {
	case "<":
		return x < y
	case "<=":
		return x <= y
	case ">":
		return x > y
	}
	return x >= y
}
