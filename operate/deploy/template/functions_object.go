package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

func objectFunctions() []*function {
	in := func(f *function) *function { f.group = "object"; f.structural = true; return f }
	return []*function{
		in(&function{name: "createObject", carries: true, most: -1, usage: "createObject(name, value, ...)", summary: "An object of names and values in turn.", run: createObject}),
		in(&function{name: "items", least: 1, most: 1, usage: "items(object)", summary: "The properties as an array of objects with key and value, by key.", run: func(_ *env, args []any) (any, error) {
			o, err := asObject(args, 0)
			if err != nil {
				return nil, err
			}
			list := []any{}
			for _, name := range slices.Sorted(slices.Values(o.names)) {
				v, _ := o.Get(name)
				list = append(list, NewObject("key", name, "value", v))
			}
			return list, nil
		}}),
		in(&function{name: "objectKeys", least: 1, most: 1, usage: "objectKeys(object)", summary: "The names of the properties, in order.", run: func(_ *env, args []any) (any, error) {
			o, err := asObject(args, 0)
			if err != nil {
				return nil, err
			}
			list := []any{}
			for _, name := range slices.Sorted(slices.Values(o.names)) {
				list = append(list, name)
			}
			return list, nil
		}}),
		in(&function{name: "shallowMerge", least: 1, most: 1, usage: "shallowMerge(array of objects)", summary: "The properties of all objects, later ones over earlier.", run: func(_ *env, args []any) (any, error) {
			list, err := asList(args, 0)
			if err != nil {
				return nil, err
			}
			whole := &Object{}
			for i := range list {
				o, err := asObject(list, i)
				if err != nil {
					return nil, err
				}
				for name, v := range o.All {
					whole.Set(name, v)
				}
			}
			return whole, nil
		}}),
		in(&function{name: "tryGet", least: 2, most: -1, usage: "tryGet(object or array, name or index, ...)", summary: "A property or element, however deep, or null.", run: func(_ *env, args []any) (any, error) {
			v := args[0]
			for _, key := range args[1:] {
				if _, unknown := v.(*Unknown); unknown {
					return v, nil
				}
				if list, ok := v.([]any); ok { // an index from the end, as some compilers write it
					if i, ok := key.(int64); ok && i < 0 {
						key = int64(len(list)) + i
					}
				}
				next, err := element(v, key)
				if err != nil {
					return nil, nil
				}
				v = next
			}
			return v, nil
		}}),
		{name: "json", group: "object", least: 1, most: 1, usage: "json(string)", summary: "The value that is written in JSON.", run: ofText(fromJSON)},
		{name: "null", group: "object", usage: "null()", summary: "Null.", run: func(*env, []any) (any, error) { return nil, nil }},
	}
}

func createObject(_ *env, args []any) (any, error) {
	if len(args)%2 != 0 {
		return nil, fmt.Errorf("it takes names and values in turn, and %s has no value", describe(args[len(args)-1]))
	}
	o := &Object{}
	for i := 0; i < len(args); i += 2 {
		if u, unknown := args[i].(*Unknown); unknown {
			return u, nil
		}
		name, err := asText(args, i)
		if err != nil {
			return nil, err
		}
		if _, twice := o.Get(name); twice {
			return nil, fmt.Errorf("the name '%s' comes twice", name)
		}
		o.Set(name, args[i+1])
	}
	return o, nil
}

func lambdaFunctions() []*function {
	in := func(f *function) *function { f.group = "lambda"; f.structural = true; return f }
	return []*function{
		in(&function{name: "filter", least: 2, most: 2, usage: "filter(array, lambda)", summary: "The elements for which the lambda is true.", run: func(_ *env, args []any) (any, error) {
			kept := []any{}
			err := each(args, func(item, v any) error {
				keep, ok := v.(bool)
				if !ok {
					return fmt.Errorf("the lambda must give a boolean, and gave %s", describe(v))
				}
				if keep {
					kept = append(kept, item)
				}
				return nil
			})
			return kept, err
		}}),
		in(&function{name: "map", least: 2, most: 2, usage: "map(array, lambda)", summary: "What the lambda makes of each element.", run: func(_ *env, args []any) (any, error) {
			made := []any{}
			err := each(args, func(_, v any) error {
				made = append(made, v)
				return nil
			})
			return made, err
		}}),
		in(&function{name: "mapValues", least: 2, most: 2, usage: "mapValues(object, lambda)", summary: "The object with what the lambda makes of each value.", run: mapValues}),
		in(&function{name: "reduce", least: 3, most: 3, usage: "reduce(array, initial, lambda)", summary: "What the lambda makes of the value so far and each element in turn.", run: func(_ *env, args []any) (any, error) {
			list, err := asList(args, 0)
			if err != nil {
				return nil, err
			}
			l, err := asLambda(args, 2)
			if err != nil {
				return nil, err
			}
			sum := args[1]
			for i, item := range list {
				if sum, err = l.apply(sum, item, int64(i)); err != nil {
					return nil, err
				}
			}
			return sum, nil
		}}),
		in(&function{name: "sort", least: 2, most: 2, usage: "sort(array, lambda)", summary: "The elements in the order in which the lambda says of two that the first comes before.", run: sortBy}),
		in(&function{name: "toObject", least: 2, most: 3, usage: "toObject(array, keyLambda, valueLambda)", summary: "An object of the elements by what the first lambda makes of them.", run: toObject}),
		in(&function{name: "groupBy", least: 2, most: 2, usage: "groupBy(array, keyLambda)", summary: "An object of arrays of the elements for which the lambda makes the same.", run: groupBy}),
		{name: "lambda", group: "lambda", least: 1, most: -1, usage: "lambda('name', ..., expression)", summary: "A function of an element, for the others.", special: func(e *env, n call) (any, error) {
			l := &Lambda{body: n.args[len(n.args)-1], env: e}
			for _, a := range n.args[:len(n.args)-1] {
				c, ok := a.(constant)
				name, isText := c.value.(string)
				if !ok || !isText {
					return nil, errors.New("lambda: the names of its variables must be strings")
				}
				l.params = append(l.params, name)
			}
			return l, nil
		}},
		{name: "lambdaVariables", group: "lambda", least: 1, most: 1, usage: "lambdaVariables('name')", summary: "A variable of the lambda around.", run: func(e *env, args []any) (any, error) {
			name, err := asText(args, 0)
			if err != nil {
				return nil, err
			}
			v, ok := e.lambda[strings.ToLower(name)]
			if !ok {
				return nil, fmt.Errorf("no lambda around this has a variable '%s'", name)
			}
			return v, nil
		}},
	}
}

// each applies a lambda of an element, and its position, to an array.
func each(args []any, take func(item, v any) error) error {
	list, err := asList(args, 0)
	if err != nil {
		return err
	}
	l, err := asLambda(args, 1)
	if err != nil {
		return err
	}
	for i, item := range list {
		v, err := l.apply(item, int64(i))
		if err != nil {
			return err
		}
		if err := take(item, v); err != nil {
			return err
		}
	}
	return nil
}

func mapValues(_ *env, args []any) (any, error) {
	o, err := asObject(args, 0)
	if err != nil {
		return nil, err
	}
	l, err := asLambda(args, 1)
	if err != nil {
		return nil, err
	}
	made := &Object{}
	for name, item := range o.All {
		v, err := l.apply(item)
		if err != nil {
			return nil, err
		}
		made.Set(name, v)
	}
	return made, nil
}

func sortBy(_ *env, args []any) (any, error) {
	list, err := asList(args, 0)
	if err != nil {
		return nil, err
	}
	l, err := asLambda(args, 1)
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	before := func(a, b any) bool {
		v, failed := l.apply(a, b)
		first, ok := v.(bool)
		if failed == nil && !ok {
			failed = fmt.Errorf("the lambda must give a boolean, and gave %s", describe(v))
		}
		if failed != nil {
			err = failed
		}
		return first
	}
	slices.SortStableFunc(list, func(a, b any) int {
		switch {
		case before(b, a) && !before(a, b):
			return 1
		case before(a, b) && !before(b, a):
			return -1
		}
		return 0
	})
	return list, err
}

func toObject(_ *env, args []any) (any, error) {
	var values *Lambda
	if len(args) == 3 {
		l, err := asLambda(args, 2)
		if err != nil {
			return nil, err
		}
		values = l
	}
	o := &Object{}
	err := each(args, func(item, key any) error {
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("the key must be a string, and is %s", describe(key))
		}
		if values != nil {
			v, err := values.apply(item)
			if err != nil {
				return err
			}
			item = v
		}
		o.Set(name, item)
		return nil
	})
	return o, err
}

func groupBy(_ *env, args []any) (any, error) {
	o := &Object{}
	err := each(args, func(item, key any) error {
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("the key must be a string, and is %s", describe(key))
		}
		have, _ := o.Get(name)
		list, _ := have.([]any)
		o.Set(name, append(list, item))
		return nil
	})
	return o, err
}
