package expression

import "strings"

// Trace tells what one expression gave, and those in it.
type Trace struct {
	Text  string
	Path  string // where in the template; of those in another empty
	Value any    // as it was: not a copy
	Error *Error // instead of the value
	Parts []*Trace
}

// TracesMax is how many expressions one evaluation tells of at most; further ones
// are computed and not told.
const TracesMax = 1000

// tracer gathers traces.
type tracer struct {
	roots []*Trace
	open  *Trace
	at    *trail
	count int
}

// EvalTraced is Eval that tells of every expression on the way. It takes longer.
func (t *Template) EvalTraced(c Context, b Budget) (any, []*Trace, error) {
	told := &tracer{}
	v, err := t.eval(c, b, told)
	return v, told.roots, err
}

// tell notes an expression under the one that is open; nil when there are enough.
func (t *tracer) tell(text string, value any) *Trace {
	if t.count++; t.count > TracesMax {
		return nil
	}
	n := &Trace{Text: text, Value: value}
	if t.open != nil {
		t.open.Parts = append(t.open.Parts, n)
		return n
	}
	n.Path = strings.TrimPrefix(t.at.String(), ".")
	t.roots = append(t.roots, n)
	return n
}

// follow computes an expression and notes what it gave.
func (t *tracer) follow(f *frame, text string, run code) (any, error) {
	n, before := t.tell(text, nil), t.open
	if n == nil {
		return run(f)
	}
	t.open = n
	v, err := run(f)
	t.open = before
	n.Value = v
	n.Error, _ = err.(*Error)
	return v, err
}
