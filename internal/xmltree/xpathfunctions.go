package xmltree

import (
	"errors"
	"math"
	"strings"
	"unicode/utf8"
)

// queryFunction is a function of XPath 1.0.
type queryFunction struct {
	least, most int
	run         func(at position, args []any) (any, error)
}

// argumentsMax bounds the arguments of concat.
const argumentsMax = 1000

// orSelf gives the argument, or the context node when there is none.
func orSelf(at position, args []any) any {
	if len(args) > 0 {
		return args[0]
	}
	return []*Node{at.node}
}

var errNodeSet = errors.New("the function needs a node-set")

func ofNodes(f func(nodes []*Node) any) func(position, []any) (any, error) {
	return func(at position, args []any) (any, error) {
		nodes, ok := orSelf(at, args).([]*Node)
		if !ok {
			return nil, errNodeSet
		}
		return f(inOrder(nodes)), nil
	}
}

func ofText(f func(s string) any) func(position, []any) (any, error) {
	return func(at position, args []any) (any, error) { return f(toText(orSelf(at, args))), nil }
}

func ofTexts(f func(s, t string) any) func(position, []any) (any, error) {
	return func(_ position, args []any) (any, error) { return f(toText(args[0]), toText(args[1])), nil }
}

func ofNumber(f func(x float64) float64) func(position, []any) (any, error) {
	return func(_ position, args []any) (any, error) { return f(toNumber(args[0])), nil }
}

var queryFunctions = map[string]queryFunction{
	"last":          {0, 0, func(at position, _ []any) (any, error) { return float64(at.size), nil }},
	"position":      {0, 0, func(at position, _ []any) (any, error) { return float64(at.at), nil }},
	"count":         {1, 1, ofNodes(func(n []*Node) any { return float64(len(n)) })},
	"local-name":    {0, 1, ofNodes(func(n []*Node) any { return nameOf(n, func(x *Node) string { return x.Local }) })},
	"name":          {0, 1, ofNodes(func(n []*Node) any { return nameOf(n, (*Node).Name) })},
	"namespace-uri": {0, 1, ofNodes(func(n []*Node) any { return nameOf(n, func(x *Node) string { return x.Space }) })},
	"id":            {1, 1, func(position, []any) (any, error) { return []*Node(nil), nil }},
	"string":        {0, 1, ofText(func(s string) any { return s })},
	"concat": {2, argumentsMax, func(_ position, args []any) (any, error) {
		var b strings.Builder
		for _, a := range args {
			b.WriteString(toText(a))
		}
		return b.String(), nil
	}},
	"starts-with":      {2, 2, ofTexts(func(s, t string) any { return strings.HasPrefix(s, t) })},
	"contains":         {2, 2, ofTexts(func(s, t string) any { return strings.Contains(s, t) })},
	"substring-before": {2, 2, ofTexts(func(s, t string) any { before, _, found := strings.Cut(s, t); return onlyIf(found, before) })},
	"substring-after":  {2, 2, ofTexts(func(s, t string) any { _, after, found := strings.Cut(s, t); return onlyIf(found, after) })},
	"substring":        {2, 3, func(_ position, args []any) (any, error) { return substring(args), nil }},
	"string-length":    {0, 1, ofText(func(s string) any { return float64(utf8.RuneCountInString(s)) })},
	"normalize-space":  {0, 1, ofText(func(s string) any { return strings.Join(strings.Fields(s), " ") })},
	"translate":        {3, 3, func(_ position, args []any) (any, error) { return translate(args), nil }},
	"boolean":          {1, 1, func(_ position, args []any) (any, error) { return toBool(args[0]), nil }},
	"not":              {1, 1, func(_ position, args []any) (any, error) { return !toBool(args[0]), nil }},
	"true":             {0, 0, func(position, []any) (any, error) { return true, nil }},
	"false":            {0, 0, func(position, []any) (any, error) { return false, nil }},
	"lang":             {1, 1, lang},
	"number":           {0, 1, func(at position, args []any) (any, error) { return toNumber(orSelf(at, args)), nil }},
	"sum": {1, 1, ofNodes(func(nodes []*Node) any {
		total := 0.0
		for _, n := range nodes {
			total += toNumber(n.Content())
		}
		return total
	})},
	"floor":   {1, 1, ofNumber(math.Floor)},
	"ceiling": {1, 1, ofNumber(math.Ceil)},
	"round":   {1, 1, ofNumber(func(x float64) float64 { return math.Floor(x + 0.5) })},
}

func nameOf(nodes []*Node, name func(*Node) string) string {
	if len(nodes) == 0 {
		return ""
	}
	switch n := nodes[0]; n.Kind {
	case Element, Attribute, Instruction:
		return name(n)
	case Declaration:
		return onlyIf(n.Prefix != "", n.Local)
	}
	return ""
}

func onlyIf(is bool, s string) string {
	if is {
		return s
	}
	return ""
}

// substring counts characters from 1 and rounds.
func substring(args []any) string {
	from := math.Floor(toNumber(args[1]) + 0.5)
	to := math.Inf(1)
	if len(args) > 2 {
		to = from + math.Floor(toNumber(args[2])+0.5)
	}
	var b strings.Builder
	at := 0.0
	for _, r := range toText(args[0]) {
		if at++; at >= from && at < to {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func translate(args []any) string {
	from, to := []rune(toText(args[1])), []rune(toText(args[2]))
	table := make(map[rune]rune, len(from))
	for i, r := range from {
		if _, seen := table[r]; seen {
			continue
		}
		table[r] = -1
		if i < len(to) {
			table[r] = to[i]
		}
	}
	return strings.Map(func(r rune) rune {
		if x, ok := table[r]; ok {
			return x
		}
		return r
	}, toText(args[0]))
}

func lang(at position, args []any) (any, error) {
	want := strings.ToLower(toText(args[0]))
	for n := at.node; n != nil; n = n.Parent {
		for _, a := range n.Attributes {
			if a.Prefix == "xml" && a.Local == "lang" {
				have := strings.ToLower(a.Value)
				return have == want || strings.HasPrefix(have, want+"-"), nil
			}
		}
	}
	return false, nil
}
