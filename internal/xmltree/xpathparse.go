package xmltree

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type queryToken struct {
	kind byte // n name, s string, d number, o operator or punctuation, 0 end
	text string
	at   int
}

type queryParser struct {
	source string
	root   *Node // for the prefixes it declares
	tokens []queryToken
	next   int
	depth  int
}

func (p *queryParser) parse() (query, error) {
	if err := p.scan(); err != nil {
		return nil, err
	}
	q, err := p.or()
	if err == nil && p.token().kind != 0 {
		err = p.unexpected()
	}
	return q, err
}

func (p *queryParser) scan() error {
	s := p.source
	for i := 0; i < len(s); {
		c := s[i]
		start := i
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
			continue
		case c == '"' || c == '\'':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				return errors.New("a string in the query is not closed")
			}
			p.tokens = append(p.tokens, queryToken{'s', s[i+1 : i+1+end], start})
			i += end + 2
			continue
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
				i++
			}
			p.tokens = append(p.tokens, queryToken{'d', s[start:i], start})
			continue
		}
		if op := operatorAt(s[i:]); op != "" {
			p.tokens = append(p.tokens, queryToken{'o', op, start})
			i += len(op)
			continue
		}
		for i < len(s) {
			r, n := utf8.DecodeRuneInString(s[i:])
			if !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.", r) && i > start || r == '_') {
				break
			}
			i += n
		}
		if i == start {
			return fmt.Errorf("'%s' has an invalid token at position %d", s, start)
		}
		p.tokens = append(p.tokens, queryToken{'n', s[start:i], start})
	}
	p.tokens = append(p.tokens, queryToken{0, "", len(s)})
	return nil
}

func operatorAt(s string) string {
	for _, op := range []string{"//", "::", "..", "!=", "<=", ">=", "/", "|", "+", "-", "=", "<", ">", "*", "(", ")", "[", "]", "@", ",", ".", ":", "$"} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func (p *queryParser) token() queryToken { return p.tokens[p.next] }

func (p *queryParser) ahead(n int) queryToken {
	return p.tokens[min(p.next+n, len(p.tokens)-1)]
}

func (p *queryParser) is(text string) bool {
	t := p.token()
	return t.kind == 'o' && t.text == text
}

func (p *queryParser) accept(text string) bool {
	if p.is(text) {
		p.next++
		return true
	}
	return false
}

func (p *queryParser) need(text string) error {
	if !p.accept(text) {
		return p.unexpected()
	}
	return nil
}

func (p *queryParser) unexpected() error {
	t := p.token()
	if t.kind == 0 {
		return fmt.Errorf("'%s' ends too early", p.source)
	}
	return fmt.Errorf("'%s' has an invalid token: '%s' at position %d", p.source, t.text, t.at)
}

// binary reads a chain of operators of one rank.
func (p *queryParser) binary(operand func() (query, error), operators map[string]func(a, b query) query) (query, error) {
	left, err := operand()
	for err == nil {
		t := p.token()
		combine, ok := operators[t.text]
		if !ok || t.kind != 'o' && t.kind != 'n' {
			return left, nil
		}
		p.next++
		var right query
		if right, err = operand(); err == nil {
			left = combine(left, right)
		}
	}
	return nil, err
}

func (p *queryParser) or() (query, error) {
	if p.depth++; p.depth > nestingMax {
		return nil, fmt.Errorf("the query is nested deeper than %d", nestingMax)
	}
	defer func() { p.depth-- }()
	return p.binary(p.and, map[string]func(a, b query) query{"or": func(a, b query) query { return shortcut(a, b, true) }})
}

func (p *queryParser) and() (query, error) {
	return p.binary(p.equality, map[string]func(a, b query) query{"and": func(a, b query) query { return shortcut(a, b, false) }})
}

func shortcut(a, b query, decides bool) query {
	return func(e *queryRun, at position) (any, error) {
		v, err := a(e, at)
		if err != nil || toBool(v) == decides {
			return decides, err
		}
		v, err = b(e, at)
		return toBool(v), err
	}
}

func comparing(op string) func(a, b query) query {
	return func(a, b query) query {
		return func(e *queryRun, at position) (any, error) {
			x, err := a(e, at)
			if err != nil {
				return nil, err
			}
			y, err := b(e, at)
			if err != nil {
				return nil, err
			}
			return e.compare(op, x, y)
		}
	}
}

func (p *queryParser) equality() (query, error) {
	return p.binary(p.relation, map[string]func(a, b query) query{"=": comparing("="), "!=": comparing("!=")})
}

func (p *queryParser) relation() (query, error) {
	return p.binary(p.sum, map[string]func(a, b query) query{"<": comparing("<"), "<=": comparing("<="), ">": comparing(">"), ">=": comparing(">=")})
}

func computing(f func(a, b float64) float64) func(a, b query) query {
	return func(a, b query) query {
		return func(e *queryRun, at position) (any, error) {
			x, err := a(e, at)
			if err != nil {
				return nil, err
			}
			y, err := b(e, at)
			return f(toNumber(x), toNumber(y)), err
		}
	}
}

func (p *queryParser) sum() (query, error) {
	return p.binary(p.product, map[string]func(a, b query) query{
		"+": computing(func(a, b float64) float64 { return a + b }),
		"-": computing(func(a, b float64) float64 { return a - b }),
	})
}

func (p *queryParser) product() (query, error) {
	return p.binary(p.negative, map[string]func(a, b query) query{
		"*":   computing(func(a, b float64) float64 { return a * b }),
		"div": computing(func(a, b float64) float64 { return a / b }),
		"mod": computing(math.Mod),
	})
}

func (p *queryParser) negative() (query, error) {
	negate := false
	for p.accept("-") {
		negate = !negate
	}
	q, err := p.union()
	if err != nil || !negate {
		return q, err
	}
	return func(e *queryRun, at position) (any, error) {
		v, err := q(e, at)
		return -toNumber(v), err
	}, nil
}

func (p *queryParser) union() (query, error) {
	return p.binary(p.path, map[string]func(a, b query) query{"|": func(a, b query) query {
		return func(e *queryRun, at position) (any, error) {
			x, err := nodesOf(a, e, at)
			if err != nil {
				return nil, err
			}
			y, err := nodesOf(b, e, at)
			return inOrder(append(append([]*Node(nil), x...), y...)), err
		}
	}})
}

func nodesOf(q query, e *queryRun, at position) ([]*Node, error) {
	v, err := q(e, at)
	if err != nil {
		return nil, err
	}
	nodes, ok := v.([]*Node)
	if !ok {
		return nil, errors.New("the expression must evaluate to a node-set")
	}
	return nodes, nil
}

// path reads a location path, or a value with predicates and steps behind it.
func (p *queryParser) path() (query, error) {
	t := p.token()
	if t.kind == 's' || t.kind == 'd' || p.is("(") || p.is("$") || t.kind == 'n' && p.ahead(1).text == "(" && p.ahead(1).kind == 'o' && !nodeTests[t.text] {
		return p.filter()
	}
	var start query = func(_ *queryRun, at position) (any, error) { return []*Node{at.node}, nil }
	if p.is("/") || p.is("//") {
		start = func(_ *queryRun, at position) (any, error) { return []*Node{at.node.top()}, nil }
		if p.accept("/") {
			if n := p.token(); n.kind != 'n' && !p.is("@") && !p.is("*") && !p.is(".") && !p.is("..") {
				return start, nil
			}
			return p.steps(start, false)
		}
	}
	return p.steps(start, p.is("//"))
}

// steps reads steps between slashes; slash says that the next token is one.
func (p *queryParser) steps(start query, slash bool) (query, error) {
	var list []*stepQuery
	for {
		if slash {
			if p.accept("//") {
				list = append(list, &stepQuery{walk: axes["descendant-or-self"], test: anyNode, any: true})
			} else if !p.accept("/") {
				break
			}
		}
		s, err := p.step()
		if err != nil {
			return nil, err
		}
		list = append(list, s)
		slash = true
		if !p.is("/") && !p.is("//") {
			break
		}
	}
	list = merge(list)
	return func(e *queryRun, at position) (any, error) {
		nodes, err := nodesOf(start, e, at)
		for _, s := range list {
			if err != nil {
				return nil, err
			}
			nodes, err = s.along(e, nodes)
		}
		return nodes, err
	}, nil
}

// merge makes //name one walk where no predicate counts places.
func merge(list []*stepQuery) []*stepQuery {
	var out []*stepQuery
	for i := 0; i < len(list); i++ {
		s := list[i]
		if i+1 < len(list) && s.any && list[i+1].child && list[i+1].predicates == nil {
			i++
			s = &stepQuery{walk: axes["descendant"], test: list[i].test}
		}
		out = append(out, s)
	}
	return out
}

func anyNode(*Node) bool { return true }

var nodeTests = map[string]bool{"node": true, "text": true, "comment": true, "processing-instruction": true}

func (p *queryParser) step() (*stepQuery, error) {
	switch {
	case p.accept("."):
		return &stepQuery{walk: axes["self"], test: anyNode}, nil
	case p.accept(".."):
		return &stepQuery{walk: axes["parent"], test: anyNode}, nil
	}
	name := "child"
	if p.accept("@") {
		name = "attribute"
	} else if t := p.token(); t.kind == 'n' && p.ahead(1).text == "::" {
		name = t.text
		p.next += 2
	}
	s := &stepQuery{walk: axes[name], child: name == "child"}
	if s.walk == nil {
		return nil, fmt.Errorf("'%s' is no axis", name)
	}
	var err error
	if s.test, err = p.test(principal(name)); err != nil {
		return nil, err
	}
	s.predicates, err = p.predicates()
	return s, err
}

// principal is the kind of node that a name on an axis means.
func principal(axis string) Kind {
	switch axis {
	case "attribute":
		return Attribute
	case "namespace":
		return Declaration
	}
	return Element
}

func (p *queryParser) test(kind Kind) (func(*Node) bool, error) {
	if p.accept("*") {
		return func(n *Node) bool { return n.Kind == kind }, nil
	}
	t := p.token()
	if t.kind != 'n' {
		return nil, p.unexpected()
	}
	p.next++
	if nodeTests[t.text] && p.accept("(") {
		target := ""
		if t.text == "processing-instruction" && p.token().kind == 's' {
			target = p.token().text
			p.next++
		}
		return kindTest(t.text, target), p.need(")")
	}
	if !p.accept(":") {
		return func(n *Node) bool { return n.Kind == kind && n.Local == t.text && n.Space == "" }, nil
	}
	space, ok := p.root.resolveInRoot(t.text)
	if !ok {
		return nil, fmt.Errorf("the prefix '%s' is not declared by the root element; use local-name() and namespace-uri()", t.text)
	}
	if p.accept("*") {
		return func(n *Node) bool { return n.Kind == kind && n.Space == space }, nil
	}
	local := p.token()
	if local.kind != 'n' {
		return nil, p.unexpected()
	}
	p.next++
	return func(n *Node) bool { return n.Kind == kind && n.Local == local.text && n.Space == space }, nil
}

func (n *Node) resolveInRoot(prefix string) (string, bool) {
	root := n.Root()
	if root == nil {
		return "", false
	}
	return root.Resolve(prefix)
}

func kindTest(name, target string) func(*Node) bool {
	switch name {
	case "text":
		return func(n *Node) bool { return n.Kind == Text || n.Kind == CData }
	case "comment":
		return func(n *Node) bool { return n.Kind == Comment }
	case "processing-instruction":
		return func(n *Node) bool { return n.Kind == Instruction && (target == "" || n.Local == target) }
	}
	return anyNode
}

func (p *queryParser) predicates() ([]query, error) {
	var list []query
	for p.accept("[") {
		q, err := p.or()
		if err != nil {
			return nil, err
		}
		list = append(list, q)
		if err := p.need("]"); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// filter reads a value, with predicates and a path behind it.
func (p *queryParser) filter() (query, error) {
	q, err := p.primary()
	if err != nil {
		return nil, err
	}
	predicates, err := p.predicates()
	if err != nil {
		return nil, err
	}
	if predicates != nil {
		value := q
		q = func(e *queryRun, at position) (any, error) {
			nodes, err := nodesOf(value, e, at)
			for _, predicate := range predicates {
				if err != nil {
					return nil, err
				}
				nodes, err = filtered(e, inOrder(nodes), predicate)
			}
			return nodes, err
		}
	}
	if p.is("/") || p.is("//") {
		return p.steps(q, true)
	}
	return q, nil
}

func (p *queryParser) primary() (query, error) {
	t := p.token()
	p.next++
	switch {
	case t.kind == 's':
		return func(*queryRun, position) (any, error) { return t.text, nil }, nil
	case t.kind == 'd':
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, fmt.Errorf("'%s' is no number", t.text)
		}
		return func(*queryRun, position) (any, error) { return f, nil }, nil
	case t.kind == 'o' && t.text == "(":
		q, err := p.or()
		if err != nil {
			return nil, err
		}
		return q, p.need(")")
	case t.kind == 'o' && t.text == "$":
		return nil, errors.New("the query names a variable; none are given")
	}
	return p.call(t.text)
}

func (p *queryParser) call(name string) (query, error) {
	f, ok := queryFunctions[name]
	if !ok {
		return nil, fmt.Errorf("'%s' is no function of XPath 1.0", name)
	}
	var args []query
	if err := p.need("("); err != nil {
		return nil, err
	}
	for !p.is(")") {
		q, err := p.or()
		if err != nil {
			return nil, err
		}
		args = append(args, q)
		if !p.accept(",") {
			break
		}
	}
	if err := p.need(")"); err != nil {
		return nil, err
	}
	if len(args) < f.least || len(args) > f.most {
		return nil, fmt.Errorf("the function '%s' has an invalid number of arguments", name)
	}
	return func(e *queryRun, at position) (any, error) {
		values := make([]any, len(args))
		for i, a := range args {
			v, err := a(e, at)
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
		if err := e.step(1); err != nil {
			return nil, err
		}
		return f.run(at, values)
	}, nil
}
