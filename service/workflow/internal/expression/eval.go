package expression

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what is asked of a Context.
type Kind int

// What may be asked.
const (
	TheTrigger        Kind = iota // the trigger object: name, inputs, outputs, status ...
	TheTriggerOutputs             // its outputs alone
	TheAction                     // the action object of a name; of none: the current one
	TheOutputs                    // the outputs of the action of a name
	TheVariable
	TheParameter
	TheSetting
	TheAgentParameter
	TheItem           // the item of the innermost action that goes over some
	TheLoopItem       // the item of the Foreach of a name
	TheIterationIndex // of the Until of a name
	TheResult         // of the scope of a name
	TheWorkflow
	TheCallbackURL
)

// ErrNotFound is a Context's answer when there is no such thing.
var ErrNotFound = errors.New("not found")

// Context is what an expression can know beside itself.
type Context interface {
	// Value gives a thing. The error is ErrNotFound, or says why it can not be had.
	Value(kind Kind, name string) (any, error)
	// Now is the current time; the same through one evaluation, if runs are to be
	// explained later.
	Now() time.Time
	// Random gives 64 random bits.
	Random() uint64
}

// Budget bounds one evaluation. Zero fields get the defaults.
type Budget struct {
	Steps int // calls, and items that functions go over
	Depth int // calls in each other
	Bytes int // of texts and arrays that are made
}

// DefaultBudget is what zero fields of a Budget mean.
var DefaultBudget = Budget{Steps: 10_000_000, Depth: depthMax, Bytes: 256 << 20}

// Error is a failed evaluation, in the engine's words.
type Error struct {
	Code       string // InvalidTemplate
	Message    string
	Expression string // the expression that failed, without its @
	Column     int    // where it stands in its text, in characters from 1
	Path       string // where the text stands in the template: inputs.body['a'][0]
	cause      error
}

// CodeInvalidTemplate is the code of every Error.
const CodeInvalidTemplate = "InvalidTemplate"

func (e *Error) Error() string { return e.Message }

// Unwrap gives what a Context said.
func (e *Error) Unwrap() error { return e.cause }

// In is the message as the engine reports it of an action's inputs at a place of
// the definition.
func (e *Error) In(action string, line, column int) string {
	return fmt.Sprintf("Unable to process template language expressions in action '%s' inputs at line '%d' and column '%d': '%s'.", action, line, column, e.Message)
}

// frame is one evaluation.
type frame struct {
	context  Context
	steps    int
	bytes    int
	stack    []any     // parameters of the calls that are open
	function *Function // that is running, for messages
	trace    *tracer   // when what is computed is to be told
	first    [8]any    // of the stack: nearly all expressions need no more
}

// step counts n steps.
func (f *frame) step(n int) error {
	if f.steps -= n; f.steps < 0 {
		return fail("The evaluation takes more steps than allowed. Split the expression, or work on fewer items.")
	}
	return nil
}

// made counts n bytes of a value that is made.
func (f *frame) made(n int) error {
	if f.bytes -= n; f.bytes < 0 {
		return fail("The result of the template language function '%s' is larger than allowed.", f.name())
	}
	return nil
}

func (f *frame) name() string {
	if f.function == nil {
		return "concat"
	}
	return f.function.Name
}

func fail(format string, args ...any) error {
	return &Error{Code: CodeInvalidTemplate, Message: fmt.Sprintf(format, args...)}
}

type (
	implementation func(f *frame, args []any) (any, error)
	lazy           func(args []code) code
	code           func(f *frame) (any, error)
)

// compile makes a program of an expression.
func compile(n node) code {
	switch n := n.(type) {
	case *literal:
		v, text := n.value, n.text
		return func(f *frame) (any, error) {
			if f.trace != nil {
				f.trace.tell(text, v)
			}
			return v, nil
		}
	case *call:
		run, text := compileCall(n), n.text
		for i := range n.selections {
			run, text = compileSelection(run, &n.selections[i]), n.selections[i].text
		}
		return func(f *frame) (any, error) {
			if f.trace != nil {
				return f.trace.follow(f, text, run)
			}
			return run(f)
		}
	}
	panic("expression: unknown node")
}

func compileCall(c *call) code {
	fn := c.function
	if c.problem != "" {
		return func(*frame) (any, error) { return nil, fail("%s", c.problem) }
	}
	args := make([]code, len(c.arguments))
	for i, a := range c.arguments {
		args[i] = compile(a)
	}
	return called(fn, args)
}

// called runs a function on what its parameters give.
func called(fn *Function, args []code) code {
	if fn.lazy != nil {
		run := fn.lazy(args)
		return func(f *frame) (any, error) {
			if err := f.step(1); err != nil {
				return nil, err
			}
			return run(f)
		}
	}
	return func(f *frame) (any, error) {
		if err := f.step(1); err != nil {
			return nil, err
		}
		base := len(f.stack)
		for _, a := range args {
			v, err := a(f)
			if err != nil {
				return nil, err
			}
			f.stack = append(f.stack, v)
		}
		f.function = fn
		v, err := fn.run(f, f.stack[base:])
		clear(f.stack[base:])
		f.stack = f.stack[:base]
		return v, err
	}
}

func compileSelection(from code, s *selection) code {
	if l, ok := s.key.(*literal); ok {
		key := l.value
		return func(f *frame) (any, error) {
			v, err := from(f)
			if err != nil {
				return nil, err
			}
			return pick(v, key, s)
		}
	}
	key := compile(s.key)
	return func(f *frame) (any, error) {
		v, err := from(f)
		if err != nil {
			return nil, err
		}
		if v == nil && s.safe {
			return nil, nil
		}
		k, err := key(f)
		if err != nil {
			return nil, err
		}
		return pick(v, k, s)
	}
}

// pick selects from a value by a name or an index.
func pick(v, key any, s *selection) (any, error) {
	if v == nil && s.safe {
		return nil, nil
	}
	switch k := key.(type) {
	case string:
		return pickProperty(v, k, s)
	case int64:
		return pickItem(v, k, s)
	case float64:
		if k == float64(int64(k)) {
			return pickItem(v, int64(k), s)
		}
	}
	return nil, cannot(s, "the value provided for the array index or property name is of type '%s'. The value must be of type 'String' or 'Integer'", kindOf(key))
}

func cannot(s *selection, format string, args ...any) error {
	return fail("The template language expression '%s' cannot be evaluated because %s. Please see https://aka.ms/logicexpressions for usage details.", s.text, fmt.Sprintf(format, args...))
}

func pickProperty(v any, name string, s *selection) (any, error) {
	switch v := v.(type) {
	case *Object:
		if x, ok := v.Get(name); ok {
			return x, nil
		}
		if strings.Contains(name, "/") {
			if x, ok := pickPath(v, name, s.safe); ok {
				return x, nil
			}
		}
		if s.safe {
			return nil, nil
		}
		return nil, cannot(s, "property '%s' doesn't exist, available properties are '%s'", name, available(v))
	case []any:
		return nil, cannot(s, "property '%s' cannot be selected. Array elements can only be selected using an integer index", name)
	case nil:
		return nil, cannot(s, "property '%s' cannot be selected", name)
	}
	return nil, cannot(s, "property '%s' cannot be selected. Property selection is not supported on values of type '%s'", name, kindOf(v))
}

// available lists the properties of an object, as many as a message should hold.
func available(o *Object) string {
	const most = 100
	names := (&Object{o.Members[:min(len(o.Members), most)]}).Names()
	if more := len(o.Members) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// pickPath follows a name like body/value, by which designers write selections of
// selections.
func pickPath(v any, path string, safe bool) (any, bool) {
	for name := range strings.SplitSeq(path, "/") {
		o, ok := v.(*Object)
		if !ok {
			return nil, v == nil && safe
		}
		if v, ok = o.Get(name); !ok {
			return nil, false
		}
	}
	return v, true
}

func pickItem(v any, i int64, s *selection) (any, error) {
	switch v := v.(type) {
	case []any:
		switch {
		case i >= 0 && i < int64(len(v)):
			return v[i], nil
		case s.safe:
			return nil, nil
		case len(v) == 0:
			return nil, cannot(s, "array index '%d' cannot be selected from empty array", i)
		}
		return nil, cannot(s, "array index '%d' is outside bounds (0, %d) of array", i, len(v)-1)
	case nil:
		return nil, cannot(s, "array index '%d' cannot be selected", i)
	}
	return nil, cannot(s, "array index '%d' cannot be selected. Array element selection is not supported on values of type '%s'", i, kindOf(v))
}
