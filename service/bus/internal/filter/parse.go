package filter

import (
	"fmt"
	"math"
	"strings"
)

// parser is a recursive descent over the tokens of one expression. Each method
// reads one form and leaves the parser behind it.
type parser struct {
	tokens []token
	at     int
	params map[string]any
}

func newParser(sql string, params map[string]any) (*parser, error) {
	if err := checkLength(sql); err != nil {
		return nil, err
	}
	tokens, err := scan(sql)
	if err != nil {
		return nil, err
	}
	return &parser{tokens: tokens, params: params}, nil
}

// filter reads a whole condition.
func (p *parser) filter() (node, error) {
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if end := p.current(); end.kind != tokenEnd {
		return nil, expected(end, "an operator or the end")
	}
	return n, p.mustBeCondition(n, p.tokens[0])
}

func (p *parser) current() token { return p.tokens[p.at] }

func (p *parser) advance() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

// accept takes the keyword or symbol if it is next.
func (p *parser) accept(kind tokenKind, text string) bool {
	if t := p.current(); t.kind == kind && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *parser) keyword(word string) bool { return p.accept(tokenKeyword, word) }
func (p *parser) symbol(text string) bool  { return p.accept(tokenSymbol, text) }

func (p *parser) need(symbol string) error {
	if p.symbol(symbol) {
		return nil
	}
	return expected(p.current(), "'"+symbol+"'")
}

func expected(found token, what string) error {
	return &SyntaxError{found.position, fmt.Sprintf("expected %s, found %s", what, found)}
}

// isCondition tells conditions from values. A property, a parameter or a
// parenthesised value may stand for a condition when it is a boolean.
func isCondition(n node) bool {
	switch n.(type) {
	case *logical, *negation, *comparison, *nullTest, *membership, *pattern, *existence:
		return true
	}
	return false
}

// mustBeCondition refuses what can never be true or false.
func (p *parser) mustBeCondition(n node, start token) error {
	switch n := n.(type) {
	case *arithmetic, *sign, *newID:
		return &SyntaxError{start.position, "expected a condition, found only a value: compare it with something"}
	case *literal:
		if n.value.kind != boolean && n.value.kind != null {
			return &SyntaxError{start.position, "expected a condition, found only a value: compare it with something"}
		}
	}
	return nil
}

// mustBeValue refuses a condition as an operand.
func mustBeValue(n node, start token) error {
	if isCondition(n) {
		return &SyntaxError{start.position, "expected a value, found a condition"}
	}
	return nil
}

func (p *parser) or() (node, error) { return p.logical("OR", p.and) }

func (p *parser) and() (node, error) { return p.logical("AND", p.not) }

func (p *parser) logical(word string, operand func() (node, error)) (node, error) {
	start := p.current()
	left, err := operand()
	for err == nil && p.keyword(word) {
		if err = p.mustBeCondition(left, start); err != nil {
			break
		}
		var right node
		rightStart := p.current()
		if right, err = operand(); err == nil {
			err = p.mustBeCondition(right, rightStart)
		}
		left = &logical{word == "OR", left, right}
	}
	return left, err
}

func (p *parser) not() (node, error) {
	if !p.keyword("NOT") {
		return p.comparison()
	}
	start := p.current()
	operand, err := p.not()
	if err != nil {
		return nil, err
	}
	return &negation{operand}, p.mustBeCondition(operand, start)
}

var comparisonOperators = map[string]operator{
	"=": opEqual, "<>": opNotEqual, "!=": opNotEqual, "<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual,
}

// comparison reads a value and, if one follows, the test applied to it.
func (p *parser) comparison() (node, error) {
	start := p.current()
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	t := p.current()
	op, isComparison := comparisonOperators[t.text]
	isComparison = isComparison && t.kind == tokenSymbol
	isTest := t.kind == tokenKeyword && (t.text == "IS" || t.text == "NOT" || t.text == "IN" || t.text == "LIKE")
	if !isComparison && !isTest {
		return left, nil
	}
	if err := mustBeValue(left, start); err != nil {
		return nil, err
	}
	if !isComparison {
		return p.test(left)
	}
	p.advance()
	right, err := p.value()
	if err != nil {
		return nil, err
	}
	return &comparison{op, left, right}, nil
}

// test reads IS [NOT] NULL, [NOT] IN and [NOT] LIKE after their left operand.
func (p *parser) test(left node) (node, error) {
	if p.keyword("IS") {
		not := p.keyword("NOT")
		if !p.keyword("NULL") {
			return nil, expected(p.current(), "NULL")
		}
		return &nullTest{left, not}, nil
	}
	not := p.keyword("NOT")
	switch {
	case p.keyword("IN"):
		list, err := p.list()
		return &membership{left, list, not}, err
	case p.keyword("LIKE"):
		return p.like(left, not)
	}
	return nil, expected(p.current(), "IN or LIKE after NOT")
}

func (p *parser) list() ([]node, error) {
	if err := p.need("("); err != nil {
		return nil, err
	}
	var list []node
	for {
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, item)
		if p.symbol(")") {
			return list, nil
		}
		if !p.symbol(",") {
			return nil, expected(p.current(), "',' or ')'")
		}
	}
}

// like checks a constant pattern at once, so that a rule with a bad one is refused
// rather than failing for every message.
func (p *parser) like(left node, not bool) (node, error) {
	start := p.current()
	n := &pattern{operand: left, not: not}
	var err error
	if n.like, err = p.value(); err != nil {
		return nil, err
	}
	if p.keyword("ESCAPE") {
		if n.escape, err = p.value(); err != nil {
			return nil, err
		}
	}
	if _, _, err = n.constant(); err != nil {
		return nil, &SyntaxError{start.position, err.Error()}
	}
	return n, nil
}

// value reads an operand that cannot be a condition.
func (p *parser) value() (node, error) {
	start := p.current()
	n, err := p.sum()
	if err != nil {
		return nil, err
	}
	return n, mustBeValue(n, start)
}

func (p *parser) sum() (node, error) {
	return p.arithmetic(map[string]operator{"+": opAdd, "-": opSubtract}, p.product)
}

func (p *parser) product() (node, error) {
	return p.arithmetic(map[string]operator{"*": opMultiply, "/": opDivide, "%": opModulo}, p.signed)
}

func (p *parser) arithmetic(operators map[string]operator, operand func() (node, error)) (node, error) {
	start := p.current()
	left, err := operand()
	for err == nil {
		t := p.current()
		op, ok := operators[t.text]
		if !ok || t.kind != tokenSymbol {
			break
		}
		p.advance()
		if err = mustBeValue(left, start); err != nil {
			break
		}
		var right node
		rightStart := p.current()
		if right, err = operand(); err == nil {
			err = mustBeValue(right, rightStart)
		}
		left = &arithmetic{op, left, right}
	}
	return left, err
}

// signed reads unary signs. A minus directly before an integer makes a negative
// literal, which is the only way to write the smallest long.
func (p *parser) signed() (node, error) {
	minus := p.symbol("-")
	if !minus && !p.symbol("+") {
		return p.primary()
	}
	start := p.current()
	if minus && start.kind == tokenInteger {
		p.advance()
		return &literal{value{kind: i64, bits: -start.integer}}, nil
	}
	operand, err := p.signed()
	if err != nil {
		return nil, err
	}
	return &sign{minus, operand}, mustBeValue(operand, start)
}

func (p *parser) primary() (node, error) {
	switch t := p.advance(); t.kind {
	case tokenString:
		return &literal{textValue(t.text)}, nil
	case tokenFloat:
		return &literal{floatValue(f64, t.float)}, nil
	case tokenInteger:
		if t.integer > math.MaxInt64 {
			return nil, &SyntaxError{t.position, fmt.Sprintf("the integer %s does not fit 64 bits", t.text)}
		}
		return &literal{value{kind: i64, bits: t.integer}}, nil
	case tokenParameter:
		return p.parameter(t)
	case tokenKeyword:
		return p.keywordValue(t)
	case tokenName, tokenQuotedName:
		return p.propertyOrFunction(t)
	case tokenSymbol:
		if t.text == "(" {
			n, err := p.or()
			if err != nil {
				return nil, err
			}
			return n, p.need(")")
		}
		return nil, expected(t, "a value or a condition")
	default:
		return nil, expected(t, "a value or a condition")
	}
}

func (p *parser) keywordValue(t token) (node, error) {
	switch t.text {
	case "TRUE", "FALSE":
		return &literal{boolValue(t.text == "TRUE")}, nil
	case "NULL":
		return &literal{value{kind: null}}, nil
	case "EXISTS":
		return p.exists()
	}
	return nil, &SyntaxError{t.position, fmt.Sprintf("expected a value or a condition, found the keyword %s; a property of that name is written [%s]", t.text, t.text)}
}

func (p *parser) exists() (node, error) {
	if err := p.need("("); err != nil {
		return nil, err
	}
	t := p.advance()
	if t.kind != tokenName && t.kind != tokenQuotedName {
		return nil, expected(t, "a property")
	}
	n, err := p.propertyOrFunction(t)
	if err != nil {
		return nil, err
	}
	if _, isID := n.(*newID); isID {
		return nil, expected(t, "a property")
	}
	return &existence{n}, p.need(")")
}

// parameter takes the value now: a filter does not change when its parameters'
// map does.
func (p *parser) parameter(t token) (node, error) {
	for _, name := range []string{"@" + t.text, t.text} {
		if v, ok := p.params[name]; ok {
			return &parameter{t.text, valueOf(v)}, nil
		}
	}
	found := ""
	for name := range p.params { // the smallest match, so that map order does not matter
		if strings.EqualFold(strings.TrimPrefix(name, "@"), t.text) && (found == "" || name < found) {
			found = name
		}
	}
	if found == "" {
		return nil, &SyntaxError{t.position, fmt.Sprintf("the parameter @%s has no value", t.text)}
	}
	return &parameter{t.text, valueOf(p.params[found])}, nil
}

func (p *parser) propertyOrFunction(t token) (node, error) {
	if t.kind == tokenName && p.symbol("(") {
		return p.function(t)
	}
	if !p.symbol(".") {
		return &property{name: t.text}, nil
	}
	name := p.advance()
	if name.kind != tokenName && name.kind != tokenQuotedName {
		return nil, expected(name, "a property name")
	}
	switch strings.ToLower(t.text) {
	case "sys":
		return &property{system: true, name: canonicalSystem(name.text)}, nil
	case "user":
		return &property{name: name.text}, nil
	}
	return nil, &SyntaxError{t.position, fmt.Sprintf("expected the scope sys or user, found %s; a name with a dot in it is written [%s.%s]", t, t.text, name.text)}
}

func (p *parser) function(t token) (node, error) {
	switch strings.ToLower(t.text) {
	case "newid":
		return &newID{}, p.need(")")
	case "property", "p":
		name, err := p.value()
		if err != nil {
			return nil, err
		}
		return &lookup{name}, p.need(")")
	}
	return nil, &SyntaxError{t.position, fmt.Sprintf("expected the function newid, property or p, found '%s'", t.text)}
}
