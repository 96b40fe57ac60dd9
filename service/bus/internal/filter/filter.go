// Package filter is the SQL-like language of subscription rules: filters that
// choose messages, actions that change the copies they choose, and the
// correlation filters that do the same without a language.
//
// It promises:
//
//  1. It is pure. The same filter over the same properties gives the same
//     answer on every replica; randomness (newid) and properties are arguments.
//  2. The whole documented grammar is accepted, and what is refused is refused
//     with the position and what was expected there.
//  3. Logic has three values. A user property that is not there, and a null, make
//     a comparison unknown; NOT unknown is unknown; only True selects a message.
//  4. A system property that does not exist is an evaluation error, never unknown.
//  5. A parsed filter is immutable: any number of goroutines may evaluate it.
//  6. String of a parsed filter or action parses to the same tree.
//
// Where the documentation says "C# semantics whenever possible", this is what is
// done: numbers are promoted as C# promotes them; string comparison is ordinal and
// case-sensitive; values of different families (a string and a number) are never
// equal, and ordering, adding or matching them is an evaluation error; integer
// arithmetic is checked, so overflow and division by zero are errors too.
//
// It refuses to look at a message's body, and knows no clock and no broker.
package filter

import (
	"fmt"
	"unicode/utf16"
)

// Limits of the language, as the service's quota page states them.
const (
	expressionCharsMax = 1024 // UTF-16 code units in a filter or an action
	statementsMax      = 32   // SET and REMOVE statements in one action
)

// Tristate is a truth value that may be unknown. The order False < Unknown < True
// is what makes AND the smaller and OR the larger of two.
type Tristate int8

// The three truth values.
const (
	False Tristate = iota
	Unknown
	True
)

// String names the truth value.
func (t Tristate) String() string {
	switch t {
	case False:
		return "false"
	case Unknown:
		return "unknown"
	case True:
		return "true"
	}
	return fmt.Sprintf("Tristate(%d)", int8(t))
}

// And is true when both are, false when either is.
func (t Tristate) And(u Tristate) Tristate { return min(t, u) }

// Or is true when either is, false when both are.
func (t Tristate) Or(u Tristate) Tristate { return max(t, u) }

// Not swaps true and false.
func (t Tristate) Not() Tristate { return True - t }

func truthOf(b bool) Tristate {
	if b {
		return True
	}
	return False
}

// Properties is what a filter may see of a message.
//
// Values are nil, bool, the Go integers of a fixed size, float32, float64,
// Decimal, string, []byte, time.Time, time.Duration, TimeSpan or GUID. Anything
// else exists and is not null, and every operator on it is an error.
type Properties interface {
	// System returns a system property by its canonical name (see the Sys
	// constants). A property that is not set is (nil, true); ok is false only
	// when messages have no such property.
	System(name string) (value any, ok bool)
	// User returns an application property. Names are case-insensitive; where
	// two differ only in case, the exact one is the better answer.
	User(name string) (value any, ok bool)
}

// IDSource makes the values of newid(). Properties that also implement it may
// be used with filters that call newid; for others that call is an error.
type IDSource interface {
	NewID() GUID
}

// A Matcher answers whether a message is chosen: *Filter, *Correlation or Always.
type Matcher interface {
	// Match is True for a chosen message. An error is an evaluation error:
	// the message could not be judged.
	Match(Properties) (Tristate, error)
	// String is the expression, in the language where it is one.
	String() string
}

// A Filter is a parsed SQL filter. Make one with ParseFilter.
type Filter struct {
	tree  node
	match truth
}

var _ Matcher = (*Filter)(nil)

// ParseFilter parses and compiles an SQL filter. params gives the values of the
// @parameters, with or without the leading @. The error is a *SyntaxError.
func ParseFilter(sql string, params map[string]any) (*Filter, error) {
	p, err := newParser(sql, params)
	if err != nil {
		return nil, err
	}
	tree, err := p.filter()
	if err != nil {
		return nil, err
	}
	return &Filter{tree: tree, match: compileTruth(tree)}, nil
}

// Match evaluates the filter over one message.
func (f *Filter) Match(p Properties) (Tristate, error) {
	t, err := f.match(p)
	if err != nil {
		return Unknown, err
	}
	return t, nil
}

// String returns the filter in canonical form. Parameters keep their names.
func (f *Filter) String() string { return f.tree.String() }

// Always is the true filter and the false filter.
type Always bool

var _ Matcher = Always(true)

// Match gives the same answer for every message.
func (a Always) Match(Properties) (Tristate, error) { return truthOf(bool(a)), nil }

// String is the expression the service reports for the filter.
func (a Always) String() string {
	if a {
		return "1=1"
	}
	return "1=0"
}

// SyntaxError is a refusal to parse: where, and why.
type SyntaxError struct {
	Position int    // of the character, counted from 1
	Reason   string // what was expected and what was found
}

// Error says where and why.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("position %d: %s", e.Position, e.Reason)
}

// EvaluationError is a message that could not be judged or changed.
type EvaluationError struct {
	Reason string
}

// Error says why.
func (e *EvaluationError) Error() string { return e.Reason }

func evaluationError(format string, args ...any) error {
	return &EvaluationError{Reason: fmt.Sprintf(format, args...)}
}

// checkLength counts as the service does, in UTF-16 code units.
func checkLength(sql string) error {
	units, position := 0, 0
	for _, r := range sql {
		position++
		units += max(utf16.RuneLen(r), 1)
		if units > expressionCharsMax {
			return &SyntaxError{position, fmt.Sprintf("the expression is longer than %d characters", expressionCharsMax)}
		}
	}
	return nil
}
