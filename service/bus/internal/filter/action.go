package filter

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// MutableProperties is what an action may change: the properties of the copy that
// its rule made. Values are those of Properties.
type MutableProperties interface {
	Properties
	// SetSystem assigns a system property that actions may assign: a string,
	// a bool (ForcePersistence), a time.Time (ScheduledEnqueueTimeUtc), a
	// TimeSpan (TimeToLive), or nil to clear it.
	SetSystem(name string, value any) error
	// SetUser assigns an application property, made if it is not there.
	SetUser(name string, value any)
	// RemoveUser removes an application property; one that is not there is no error.
	RemoveUser(name string)
}

// An Action is a parsed SQL rule action. Make one with ParseAction.
type Action struct {
	statements []statement
}

// statement is SET target = expression, or REMOVE target when there is none.
type statement struct {
	target     *property
	assign     kind // of a system target
	expression node
	evaluate   scalar
}

// ParseAction parses and compiles a rule action: SET and REMOVE statements, which
// semicolons may separate. The error is a *SyntaxError.
func ParseAction(sql string, params map[string]any) (*Action, error) {
	p, err := newParser(sql, params)
	if err != nil {
		return nil, err
	}
	a := &Action{}
	for p.current().kind != tokenEnd {
		start := p.current()
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		if len(a.statements) == statementsMax {
			return nil, &SyntaxError{start.position, fmt.Sprintf("an action has at most %d statements", statementsMax)}
		}
		a.statements = append(a.statements, s)
		if !p.symbol(";") {
			p.symbol(",")
		}
	}
	if len(a.statements) == 0 {
		return nil, expected(p.current(), "SET or REMOVE")
	}
	return a, nil
}

func (p *parser) statement() (statement, error) {
	verb := p.advance()
	isSet := verb.kind == tokenName && strings.EqualFold(verb.text, "SET")
	if !isSet && (verb.kind != tokenName || !strings.EqualFold(verb.text, "REMOVE")) {
		return statement{}, expected(verb, "SET or REMOVE")
	}
	s, err := p.target()
	if err != nil || !isSet {
		return s, err
	}
	if err := p.need("="); err != nil {
		return s, err
	}
	if s.expression, err = p.value(); err != nil {
		return s, err
	}
	s.evaluate = compileScalar(s.expression)
	return s, nil
}

func (p *parser) target() (statement, error) {
	t := p.advance()
	if t.kind != tokenName && t.kind != tokenQuotedName {
		return statement{}, expected(t, "a property")
	}
	n, err := p.propertyOrFunction(t)
	if err != nil {
		return statement{}, err
	}
	target, ok := n.(*property)
	if !ok {
		return statement{}, expected(t, "a property")
	}
	s := statement{target: target}
	if !target.system {
		return s, nil
	}
	known, ok := systemProperties[strings.ToLower(target.name)]
	if !ok {
		return s, &SyntaxError{t.position, fmt.Sprintf("messages have no system property sys.%s", target.name)}
	}
	if known.assign == unknown {
		return s, &SyntaxError{t.position, fmt.Sprintf("sys.%s is read-only", target.name)}
	}
	s.assign = known.assign
	return s, nil
}

// Run applies the statements in order, each seeing what those before it did. After
// an error the properties are half changed and the copy must be dropped.
func (a *Action) Run(p MutableProperties) error {
	for _, s := range a.statements {
		if err := s.run(p); err != nil {
			return err
		}
	}
	return nil
}

func (s statement) run(p MutableProperties) error {
	if s.evaluate == nil {
		if s.target.system {
			return p.SetSystem(s.target.name, nil)
		}
		p.RemoveUser(s.target.name)
		return nil
	}
	v, err := s.evaluate(p)
	if err != nil || v.kind == unknown { // nothing is known to assign
		return err
	}
	if s.target.system {
		converted, ok := convertSystem(v, s.assign)
		if !ok {
			return evaluationError("sys.%s cannot be set to %s", s.target.name, v.kind.family())
		}
		return p.SetSystem(s.target.name, converted.external())
	}
	if existing, ok := p.User(s.target.name); ok {
		v = convertUser(v, valueOf(existing).kind)
	}
	p.SetUser(s.target.name, v.external())
	return nil
}

// convertSystem makes a value of the kind a system property has.
func convertSystem(v value, to kind) (value, bool) {
	switch {
	case v.kind == to, v.kind == null:
		return v, true
	case to == text:
		s, err := v.display()
		return textValue(s), err == nil
	case to == instant && v.kind == text:
		t, err := time.Parse(time.RFC3339Nano, v.text)
		return valueOf(t), err == nil
	}
	return v, false
}

// convertUser keeps the type a number had before, where the new number fits it:
// SET quantity = quantity / 2 leaves an int an int, though 2 is a long.
func convertUser(v value, to kind) value {
	if v.kind == to || v.kind.family() != familyNumber || to.family() != familyNumber {
		return v
	}
	switch {
	case to == f64:
		return floatValue(f64, toFloat(v))
	case to == f32 && v.kind != dec:
		return floatValue(f32, float64(float32(toFloat(v))))
	case to == dec && !isFloat(v):
		return value{kind: dec, ref: decimalOf(v)}
	case to < f32 && v.kind < f32 && fits(v, to):
		return value{kind: to, bits: v.bits}
	}
	return v
}

// fits says whether an integer is in the range of another integer kind.
func fits(v value, to kind) bool {
	if v.kind == u64 && v.bits > math.MaxInt64 {
		return false
	}
	switch n := int64(v.bits); to {
	case i8:
		return n == int64(int8(n))
	case u8:
		return n == int64(uint8(n))
	case i16:
		return n == int64(int16(n))
	case u16:
		return n == int64(uint16(n))
	case i32:
		return n == int64(int32(n))
	case u32:
		return n == int64(uint32(n))
	case u64:
		return n >= 0
	}
	return true
}

// String returns the action in canonical form.
func (a *Action) String() string {
	parts := make([]string, len(a.statements))
	for i, s := range a.statements {
		parts[i] = "REMOVE " + s.target.String()
		if s.expression != nil {
			parts[i] = "SET " + s.target.String() + " = " + s.expression.String()
		}
	}
	return strings.Join(parts, "; ")
}
