package template

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"weir/internal/jsonc"
)

// walked evaluates everything in a JSON value. What is wrong is reported where it
// stands; in its place is an Unknown, and failed says that there was something.
func (e *env) walked(v *jsonc.Value) (value any, failed bool) {
	w := walker{env: e}
	value = w.value(v, e.path)
	return value, w.failed
}

type walker struct {
	*env
	failed bool
}

func (w *walker) report(v *jsonc.Value, path string, err error) *Unknown {
	w.failed = true
	if !errors.Is(err, errReported) {
		w.env.report(v, path, err)
	}
	return &Unknown{Text: "(wrong)", failed: true}
}

func (e *env) report(v *jsonc.Value, path string, err error) {
	if errors.Is(err, errReported) {
		return
	}
	e.world.problems.add(Problem{Resource: e.subject, Path: path, Line: e.world.t.line(v), Sentence: sentence(err.Error())})
}

func (w *walker) value(v *jsonc.Value, path string) any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case jsonc.Text:
		value, err := w.evaluateText(v.Scalar.(string))
		if err != nil {
			return w.report(v, path, err)
		}
		return value
	case jsonc.List:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			list[i] = w.value(item, path+"["+strconv.Itoa(i)+"]")
		}
		return list
	case jsonc.Object:
		return w.object(v, path)
	}
	return v.Scalar
}

func (w *walker) object(v *jsonc.Value, path string) any {
	o := &Object{}
	for _, f := range v.Fields {
		at := path + "." + f.Name
		if strings.EqualFold(f.Name, "copy") && isCopyList(f.Value) {
			for i, loop := range f.Value.Items {
				inner := *w.env
				inner.path = fmt.Sprintf("%s[%d]", at, i)
				list, failed := inner.loopValue(loop)
				w.failed = w.failed || failed
				o.Set(loop.Get("name").Str(), list)
			}
			continue
		}
		name := f.Name
		if isExpression(name) {
			key, err := w.evaluateText(name)
			if u, unknown := key.(*Unknown); unknown && err == nil {
				return u // nor is the object known
			}
			s, ok := key.(string)
			if err == nil && !ok {
				err = fmt.Errorf("the name of a property must be a string, and is %s", describe(key))
			}
			if err != nil {
				w.report(f.Value, at, err)
				continue
			}
			name = s
		}
		o.Set(name, w.value(f.Value, at))
	}
	return o
}

// loopValue makes the array of a loop of properties or variables.
func (e *env) loopValue(loop *jsonc.Value) (any, bool) {
	name := loop.Get("name").Str()
	if loop.Get("input") == nil {
		e.report(loop, e.path, errors.New("a copy loop needs an input: what each turn gives"))
		return &Unknown{Text: "(wrong)", failed: true}, true
	}
	count, err := e.count(loop.Get("count"))
	if err != nil {
		e.report(loop.Get("count"), e.path+".count", err)
		return &Unknown{Text: "(wrong)", failed: true}, true
	}
	list, anyFailed := make([]any, 0, count), false
	for i := range count {
		turn := *e
		turn.frames = append(e.frames[:len(e.frames):len(e.frames)], frame{loop: name, index: i})
		turn.path = e.path + ".input"
		v, failed := turn.walked(loop.Get("input"))
		list, anyFailed = append(list, v), anyFailed || failed
	}
	return list, anyFailed
}

// count is how many turns a loop has.
func (e *env) count(v *jsonc.Value) (int64, error) {
	if v == nil {
		return 0, errors.New("a copy loop needs a count")
	}
	n, err := e.in(inIdentity).literalOrExpression(v)
	if err != nil {
		return 0, err
	}
	count, ok := n.(int64)
	if e.excused(n) {
		return 0, errReported
	}
	if !ok {
		return 0, fmt.Errorf("the count of a copy loop must be an integer, and is %s", describe(n))
	}
	if count < 0 || count > turnsMax {
		return 0, fmt.Errorf("the count of a copy loop must be 0 to %d, and is %d", turnsMax, count)
	}
	return count, nil
}

// excused says that a value is missing for a reason that has been reported, or that is
// none: in a nested template what was given may be known only later, and it is expanded
// again then.
func (e *env) excused(v any) bool {
	u, unknown := v.(*Unknown)
	return unknown && (u.failed || e.world.open)
}

// literalOrExpression evaluates a value that may hold expressions, up to the first one
// that is wrong.
func (e *env) literalOrExpression(v *jsonc.Value) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch v.Kind {
	case jsonc.Text:
		return e.evaluateText(v.Scalar.(string))
	case jsonc.List:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			one, err := e.literalOrExpression(item)
			if err != nil {
				return nil, err
			}
			list[i] = one
		}
		return list, nil
	case jsonc.Object:
		o := &Object{}
		for _, f := range v.Fields {
			one, err := e.literalOrExpression(f.Value)
			if err != nil {
				return nil, err
			}
			o.Set(f.Name, one)
		}
		return o, nil
	}
	return v.Scalar, nil
}

// str evaluates what must be a string.
func (e *env) str(v *jsonc.Value, what string) (string, error) {
	value, err := e.literalOrExpression(v)
	if err != nil {
		return "", err
	}
	s, ok := value.(string)
	if e.excused(value) {
		return "", errReported
	}
	if !ok {
		return "", fmt.Errorf("%s must be a string that is known before anything is deployed, and is %s", what, describe(value))
	}
	return s, nil
}
