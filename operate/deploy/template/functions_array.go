package template

import (
	"errors"
	"fmt"
	"slices"
)

// itemsMax bounds an array that a function makes.
const itemsMax = 100_000

var errTooLong = fmt.Errorf("the array would have more than %d elements", itemsMax)

func arrayFunctions() []*function {
	in := func(f *function) *function { f.group = "array"; f.structural = true; return f }
	return []*function{
		in(&function{name: "array", least: 1, most: 1, usage: "array(value)", summary: "The value as an array of one; an array as it is.", run: func(_ *env, args []any) (any, error) {
			if list, ok := args[0].([]any); ok {
				return list, nil
			}
			return []any{args[0]}, nil
		}}),
		in(&function{name: "createArray", carries: true, most: -1, usage: "createArray(value, ...)", summary: "An array of the arguments.", run: func(_ *env, args []any) (any, error) {
			return slices.Clone(args), nil
		}}),
		in(&function{name: "first", least: 1, most: 1, usage: "first(array or string)", summary: "The first element or character.", run: edge(func(int) int { return 0 })}),
		in(&function{name: "last", least: 1, most: 1, usage: "last(array or string)", summary: "The last element or character.", run: edge(func(n int) int { return n - 1 })}),
		in(&function{name: "length", least: 1, most: 1, usage: "length(array, string or object)", summary: "How many elements, characters or properties there are.", run: length}),
		in(&function{name: "empty", least: 1, most: 1, usage: "empty(array, string or object)", summary: "Whether there is nothing in it.", run: func(e *env, args []any) (any, error) {
			if args[0] == nil {
				return true, nil
			}
			n, err := length(e, args)
			return n == int64(0), err
		}}),
		in(&function{name: "range", least: 2, most: 2, usage: "range(start, count)", summary: "Integers in order.", run: ofInts(func(start, count int64) (any, error) {
			if count < 0 || count > itemsMax {
				return nil, fmt.Errorf("the count must be 0 to %d, and is %d", itemsMax, count)
			}
			list := make([]any, count)
			for i := range list {
				list[i] = start + int64(i)
			}
			return list, nil
		})}),
		in(&function{name: "skip", least: 2, most: 2, usage: "skip(array or string, count)", summary: "All behind the first so many.", run: part(func(n, count int) (int, int) { return count, n })}),
		in(&function{name: "take", least: 2, most: 2, usage: "take(array or string, count)", summary: "The first so many.", run: part(func(_, count int) (int, int) { return 0, count })}),
		in(&function{name: "flatten", least: 1, most: 1, usage: "flatten(array of arrays)", summary: "The elements of the arrays in one.", run: func(_ *env, args []any) (any, error) {
			list, err := asList(args, 0)
			if err != nil {
				return nil, err
			}
			flat := []any{}
			for i := range list {
				inner, err := asList(list, i)
				if err != nil {
					return nil, err
				}
				flat = append(flat, inner...)
			}
			return flat, nil
		}}),
		in(&function{name: "concat", least: 0, most: -1, usage: "concat(string or array, ...)", summary: "Strings, or arrays, one behind the other.", run: concat}),
		in(&function{name: "union", least: 1, most: -1, usage: "union(array or object, ...)", summary: "All elements once, or all properties, later ones over earlier; objects in objects likewise.", run: union}),
		{name: "intersection", group: "array", least: 1, most: -1, usage: "intersection(array or object, ...)", summary: "The elements, or properties with their values, that are in all.", run: intersection},
		{name: "contains", group: "array", least: 2, most: 2, usage: "contains(array, object or string, value)", summary: "Whether an array has an element, an object a property (in any case), a string another.", run: contains},
		{name: "indexOf", group: "array", least: 2, most: 2, usage: "indexOf(string or array, value)", summary: "The first position, from 0, or -1; of strings in any case.", run: func(_ *env, args []any) (any, error) { return position(args, false) }},
		{name: "lastIndexOf", group: "array", least: 2, most: 2, usage: "lastIndexOf(string or array, value)", summary: "The last position, from 0, or -1; of strings in any case.", run: func(_ *env, args []any) (any, error) { return position(args, true) }},
		{name: "min", group: "array", least: 1, most: -1, usage: "min(array of integers) or min(integer, ...)", summary: "The smallest.", run: extreme(func(a, b int64) bool { return a < b })},
		{name: "max", group: "array", least: 1, most: -1, usage: "max(array of integers) or max(integer, ...)", summary: "The largest.", run: extreme(func(a, b int64) bool { return a > b })},
		in(&function{name: "indexFromEnd", least: 2, most: 2, usage: "indexFromEnd(array, index)", summary: "An element counted from the end; 1 is the last.", run: func(_ *env, args []any) (any, error) { return fromEnd(args) }}),
		in(&function{name: "tryIndexFromEnd", least: 2, most: 2, usage: "tryIndexFromEnd(array, index)", summary: "An element counted from the end, or null.", run: func(_ *env, args []any) (any, error) {
			v, err := fromEnd(args)
			if err != nil {
				return nil, nil
			}
			return v, nil
		}}),
	}
}

func fromEnd(args []any) (any, error) {
	list, err := asList(args, 0)
	if err != nil {
		return nil, err
	}
	i, err := asInt(args, 1)
	if err != nil {
		return nil, err
	}
	if i < 1 || i > int64(len(list)) {
		return nil, fmt.Errorf("there is no element %d from the end (there are %d)", i, len(list))
	}
	return list[int64(len(list))-i], nil
}

func edge(which func(n int) int) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		switch v := args[0].(type) {
		case []any:
			if len(v) == 0 {
				return nil, nil
			}
			return v[which(len(v))], nil
		case string:
			runes := []rune(v)
			if len(runes) == 0 {
				return "", nil
			}
			return string(runes[which(len(runes))]), nil
		}
		return nil, wrong(args, 0, "an array or a string")
	}
}

func length(_ *env, args []any) (any, error) {
	switch v := args[0].(type) {
	case []any:
		return int64(len(v)), nil
	case string:
		return int64(len([]rune(v))), nil
	case *Object:
		return int64(v.Len()), nil
	}
	return nil, wrong(args, 0, "an array, a string or an object")
}

func part(bounds func(n, count int) (from, to int)) func(*env, []any) (any, error) {
	cut := func(n int, count int64) (int, int) {
		from, to := bounds(n, int(min(max(count, 0), int64(n))))
		return from, to
	}
	return func(_ *env, args []any) (any, error) {
		count, err := asInt(args, 1)
		if err != nil {
			return nil, err
		}
		switch v := args[0].(type) {
		case []any:
			from, to := cut(len(v), count)
			return slices.Clone(v[from:to]), nil
		case string:
			runes := []rune(v)
			from, to := cut(len(runes), count)
			return string(runes[from:to]), nil
		}
		return nil, wrong(args, 0, "an array or a string")
	}
}

func concat(_ *env, args []any) (any, error) {
	if len(args) == 0 {
		return "", nil
	}
	if _, ok := args[0].([]any); ok {
		list := []any{}
		for i := range args {
			more, err := asList(args, i)
			if err != nil {
				return nil, err
			}
			if list = append(list, more...); len(list) > itemsMax {
				return nil, errTooLong
			}
		}
		return list, nil
	}
	joined := ""
	for i, a := range args {
		switch a.(type) {
		case []any, *Object, *Lambda, nil:
			return nil, wrong(args, i, "a string, as the first one is")
		}
		if joined += text(a); len(joined) > textBytesMax {
			return nil, errTextTooLong
		}
	}
	return joined, nil
}

func union(_ *env, args []any) (any, error) {
	if _, ok := args[0].([]any); ok {
		list := []any{}
		for i := range args {
			more, err := asList(args, i)
			if err != nil {
				return nil, err
			}
			for _, item := range more {
				if !slices.ContainsFunc(list, func(have any) bool { return equal(have, item) }) {
					list = append(list, item)
				}
			}
		}
		return list, nil
	}
	whole := &Object{}
	for i := range args {
		o, err := asObject(args, i)
		if err != nil {
			return nil, err
		}
		whole = merged(whole, o)
	}
	return whole, nil
}

// merged lays one object over another, objects in them likewise.
func merged(under, over *Object) *Object {
	whole := &Object{}
	for name, v := range under.All {
		whole.Set(name, v)
	}
	for name, v := range over.All {
		have, _ := whole.Get(name)
		a, isObject := have.(*Object)
		if b, both := v.(*Object); isObject && both {
			v = merged(a, b)
		}
		whole.Set(name, v)
	}
	return whole
}

func intersection(_ *env, args []any) (any, error) {
	if first, ok := args[0].([]any); ok {
		common := []any{}
		for _, item := range first {
			inAll := !slices.ContainsFunc(common, func(have any) bool { return equal(have, item) })
			for i := range args {
				list, err := asList(args, i)
				if err != nil {
					return nil, err
				}
				inAll = inAll && slices.ContainsFunc(list, func(other any) bool { return equal(other, item) })
			}
			if inAll {
				common = append(common, item)
			}
		}
		return common, nil
	}
	first, err := asObject(args, 0)
	if err != nil {
		return nil, err
	}
	common := &Object{}
	for name, v := range first.All {
		inAll := true
		for i := range args {
			o, err := asObject(args, i)
			if err != nil {
				return nil, err
			}
			other, ok := o.Get(name)
			inAll = inAll && ok && equal(v, other)
		}
		if inAll {
			common.Set(name, v)
		}
	}
	return common, nil
}

func extreme(better func(a, b int64) bool) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		if list, ok := args[0].([]any); ok && len(args) == 1 {
			args = list
		}
		if len(args) == 0 {
			return nil, errors.New("the array is empty")
		}
		best, err := asInt(args, 0)
		for i := range args {
			n, err2 := asInt(args, i)
			if err2 != nil {
				err = err2
			} else if better(n, best) {
				best = n
			}
		}
		return best, err
	}
}
