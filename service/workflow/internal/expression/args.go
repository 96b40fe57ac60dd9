package expression

import (
	"fmt"
	"strings"
)

var ordinals = [...]string{"first", "second", "third", "fourth", "fifth"}

// expects is the complaint about the kind of a parameter, in the engine's words.
func (f *frame) expects(args []any, i int, what string) error {
	which := "its parameter"
	if f.function.Max != 1 {
		which = "its " + ordinals[min(i, len(ordinals)-1)] + " parameter"
	}
	return fail("The template language function '%s' expects %s to be %s. The provided value is of type '%s'. %s", f.name(), which, what, kindOf(args[i]), f.function.usage())
}

// invalid is the complaint about the value of a parameter.
func (f *frame) invalid(format string, args ...any) error {
	return fail("The template language function '%s' was invoked with a parameter that is not valid. %s", f.name(), fmt.Sprintf(format, args...))
}

// outOfRange is the complaint about numbers that do not go together.
func (f *frame) outOfRange(format string, args ...any) error {
	return fail("The template language function '%s' parameters are out of range: %s %s", f.name(), fmt.Sprintf(format, args...), f.function.usage())
}

func (f *frame) str(args []any, i int) (string, error) {
	if s, ok := args[i].(string); ok {
		return s, nil
	}
	if f.function.Max == 1 {
		return "", f.expects(args, i, "a string")
	}
	return "", f.expects(args, i, "of type string")
}

func (f *frame) integer(args []any, i int) (int64, error) {
	switch v := args[i].(type) {
	case int64:
		return v, nil
	case float64:
		if v == float64(int64(v)) {
			return int64(v), nil
		}
	}
	return 0, f.expects(args, i, "an integer")
}

func (f *frame) list(args []any, i int) ([]any, error) {
	if l, ok := args[i].([]any); ok {
		return l, nil
	}
	return nil, f.expects(args, i, "of type array")
}

func (f *frame) object(args []any, i int) (*Object, error) {
	if o, ok := args[i].(*Object); ok {
		return o, nil
	}
	return nil, f.expects(args, i, "an object")
}

// optional gives a text that may be missing or null.
func (f *frame) optional(args []any, i int) (string, error) {
	if i >= len(args) || args[i] == nil {
		return "", nil
	}
	return f.str(args, i)
}

// strs gives all parameters as strings.
func (f *frame) strs(args []any) ([]string, error) {
	list := make([]string, len(args))
	for i := range args {
		s, err := f.str(args, i)
		if err != nil {
			return nil, err
		}
		list[i] = s
	}
	return list, nil
}

// upTo bounds a text that a message quotes.
func upTo(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
