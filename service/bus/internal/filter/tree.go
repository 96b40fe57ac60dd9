package filter

import (
	"strconv"
	"strings"
)

// A node is a condition (it is true, false or unknown) or a value. Trees are built
// by the parser, printed by String and turned into closures by compile.
type node interface {
	String() string
	binding() int // how tightly it holds its operands; see the bind constants
}

// How tightly forms bind, loosest first. An operand that binds more loosely than
// its place asks for is printed in parentheses.
const (
	bindOr = iota + 1
	bindAnd
	bindNot
	bindComparison
	bindSum
	bindProduct
	bindSign
	bindPrimary
)

type (
	logical struct { // AND, OR
		or          bool
		left, right node
	}
	negation struct { // NOT
		operand node
	}
	comparison struct {
		op          operator
		left, right node
	}
	nullTest struct { // IS [NOT] NULL
		operand node
		not     bool
	}
	membership struct { // [NOT] IN
		operand node
		list    []node
		not     bool
	}
	pattern struct { // [NOT] LIKE
		operand, like, escape node // escape may be nil
		not                   bool
	}
	existence struct { // EXISTS
		property node // *property or *lookup
	}
	arithmetic struct {
		op          operator
		left, right node
	}
	sign struct { // unary + and -
		minus   bool
		operand node
	}
	literal struct {
		value value
	}
	parameter struct {
		name  string
		value value
	}
	property struct {
		system bool
		name   string // canonical, for a system property
	}
	lookup struct { // property(name), p(name)
		name node
	}
	newID struct{}
)

type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opAdd
	opSubtract
	opMultiply
	opDivide
	opModulo
)

var operatorText = [...]string{"=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"}

func (o operator) String() string { return operatorText[o] }

func (n *logical) binding() int {
	if n.or {
		return bindOr
	}
	return bindAnd
}
func (n *negation) binding() int   { return bindNot }
func (n *comparison) binding() int { return bindComparison }
func (n *nullTest) binding() int   { return bindComparison }
func (n *membership) binding() int { return bindComparison }
func (n *pattern) binding() int    { return bindComparison }
func (n *existence) binding() int  { return bindPrimary }
func (n *arithmetic) binding() int {
	if n.op == opAdd || n.op == opSubtract {
		return bindSum
	}
	return bindProduct
}
func (n *sign) binding() int      { return bindSign }
func (n *literal) binding() int   { return bindPrimary }
func (n *parameter) binding() int { return bindPrimary }
func (n *property) binding() int  { return bindPrimary }
func (n *lookup) binding() int    { return bindPrimary }
func (n *newID) binding() int     { return bindPrimary }

// inPlace prints n, in parentheses when it would come apart at that place.
func inPlace(n node, binding int) string {
	if n.binding() < binding {
		return "(" + n.String() + ")"
	}
	return n.String()
}

func (n *logical) String() string {
	word := " AND "
	if n.or {
		word = " OR "
	}
	return inPlace(n.left, n.binding()) + word + inPlace(n.right, n.binding()+1)
}

func (n *negation) String() string { return "NOT " + inPlace(n.operand, bindNot) }

func (n *comparison) String() string {
	return inPlace(n.left, bindSum) + " " + n.op.String() + " " + inPlace(n.right, bindSum)
}

func (n *nullTest) String() string {
	return inPlace(n.operand, bindSum) + " IS " + notWord(n.not) + "NULL"
}

func (n *membership) String() string {
	items := make([]string, len(n.list))
	for i, item := range n.list {
		items[i] = inPlace(item, bindSum)
	}
	return inPlace(n.operand, bindSum) + " " + notWord(n.not) + "IN (" + strings.Join(items, ", ") + ")"
}

func (n *pattern) String() string {
	s := inPlace(n.operand, bindSum) + " " + notWord(n.not) + "LIKE " + inPlace(n.like, bindSum)
	if n.escape != nil {
		s += " ESCAPE " + inPlace(n.escape, bindSum)
	}
	return s
}

func (n *existence) String() string { return "EXISTS (" + n.property.String() + ")" }

func (n *arithmetic) String() string {
	return inPlace(n.left, n.binding()) + " " + n.op.String() + " " + inPlace(n.right, n.binding()+1)
}

func (n *sign) String() string {
	mark := "+"
	if n.minus {
		mark = "-"
		// "-5" would read as a literal: keep the sign apart from it.
		if l, ok := n.operand.(*literal); ok && l.value.kind == i64 {
			return "-(" + l.String() + ")"
		}
	}
	return mark + inPlace(n.operand, bindSign)
}

func (n *literal) String() string {
	switch v := n.value; v.kind {
	case null:
		return "NULL"
	case boolean:
		if v.bits != 0 {
			return "TRUE"
		}
		return "FALSE"
	case text:
		return quoteString(v.text)
	case f64:
		return floatLiteral(v.float())
	default:
		return strconv.FormatInt(int64(v.bits), 10)
	}
}

func (n *parameter) String() string { return "@" + n.name }

func (n *property) String() string {
	if n.system {
		return "sys." + nameText(n.name)
	}
	return nameText(n.name)
}

func (n *lookup) String() string { return "property(" + inPlace(n.name, bindSum) + ")" }
func (n *newID) String() string  { return "newid()" }

func notWord(not bool) string {
	if not {
		return "NOT "
	}
	return ""
}

func quoteString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func quoteName(s string) string   { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }

// nameText writes a name plainly where that reads back as the same name.
func nameText(name string) string {
	tokens, err := scan(name)
	if err == nil && len(tokens) == 2 && tokens[0].kind == tokenName && tokens[0].text == name {
		return name
	}
	return quoteName(name)
}

// floatLiteral keeps a mark of being no integer.
func floatLiteral(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
