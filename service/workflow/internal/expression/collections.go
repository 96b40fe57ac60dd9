package expression

import (
	"slices"
	"strings"
)

func contains(f *frame, args []any) (any, error) {
	switch c := args[0].(type) {
	case string:
		if args[1] == nil {
			return nil, f.expects(args, 1, "a string")
		}
		return strings.Contains(c, Text(args[1])), nil
	case []any:
		if err := f.step(len(c)); err != nil {
			return nil, err
		}
		for _, x := range c {
			if Equal(x, args[1]) {
				return true, nil
			}
		}
		return false, nil
	case *Object:
		_, ok := c.Get(Text(args[1]))
		return ok, nil
	}
	return nil, fail("The template language function 'contains' expects its first argument 'collection' to be a dictionary (object), an array or a string. The provided value is of type '%s'. %s", kindOf(args[0]), f.function.usage())
}

func empty(f *frame, args []any) (any, error) {
	switch c := args[0].(type) {
	case nil:
		return true, nil
	case string:
		return c == "", nil
	case []any:
		return len(c) == 0, nil
	case *Object:
		return len(c.Members) == 0, nil
	}
	return nil, f.expects(args, 0, "an object, an array or a string")
}

func length(f *frame, args []any) (any, error) {
	switch c := args[0].(type) {
	case string:
		return int64(units(c)), nil
	case []any:
		return int64(len(c)), nil
	}
	return nil, f.expects(args, 0, "an array or a string")
}

// part takes items from start to before end of an array or text.
func (f *frame) part(args []any, pick func(n int) (start, end int)) (any, error) {
	switch c := args[0].(type) {
	case string:
		start, end := pick(units(c))
		return cut(c, start, end), nil
	case []any:
		start, end := pick(len(c))
		return c[start:end:end], nil
	}
	switch f.name() {
	case "first", "last": // in these words
		return nil, fail("The template language function '%s' expects its parameter be an array or a string. The provided value is of type '%s'. %s", f.name(), kindOf(args[0]), f.function.usage())
	case "skip", "take":
		return nil, fail("The template language function '%s' expects its first parameter 'collection' to be an array or a string. The provided value is of type '%s'. %s", f.name(), kindOf(args[0]), f.function.usage())
	}
	return nil, f.expects(args, 0, "an array or a string")
}

func first(f *frame, args []any) (any, error) {
	return one(f.part(args, func(n int) (int, int) { return 0, min(n, 1) }))
}

func last(f *frame, args []any) (any, error) {
	return one(f.part(args, func(n int) (int, int) { return max(n-1, 0), n }))
}

// one gives the only item of a part; of nothing null.
func one(part any, err error) (any, error) {
	if list, ok := part.([]any); ok {
		if len(list) == 0 {
			return nil, err
		}
		return list[0], err
	}
	if part == "" {
		return nil, err
	}
	return part, err
}

func (f *frame) count(args []any) (int64, error) {
	n, err := f.integer(args, 1)
	if err == nil && n < 0 {
		err = f.outOfRange("'count' must be a positive integer. The provided value is '%d'.", n)
	}
	return n, err
}

func skip(f *frame, args []any) (any, error) {
	count, err := f.count(args)
	if err != nil {
		return nil, err
	}
	return f.part(args, func(n int) (int, int) { return int(min(count, int64(n))), n })
}

func take(f *frame, args []any) (any, error) {
	count, err := f.count(args)
	if err != nil {
		return nil, err
	}
	return f.part(args, func(n int) (int, int) { return 0, int(min(count, int64(n))) })
}

func chunk(f *frame, args []any) (any, error) {
	size, err := f.integer(args, 1)
	if err != nil {
		return nil, err
	}
	if size < 1 {
		return nil, fail("The template language function 'chunk' expects chunk size to be a positive integer. The provided value is less than 1. %s", f.function.usage())
	}
	n := 0
	if _, err := f.part(args, func(count int) (int, int) { n = count; return 0, 0 }); err != nil {
		return nil, err
	}
	size = min(size, int64(max(n, 1)))
	pieces := []any{}
	if err := f.madeItems(n/int(size) + 1); err != nil {
		return nil, err
	}
	// Text beyond ASCII is taken apart once.
	text, _ := args[0].(string)
	wide := text != "" && !ascii(text)
	runes := []uint16(nil)
	if wide {
		runes = encode16(text)
	}
	for at := 0; at < n; at += int(size) {
		end := min(at+int(size), n)
		if wide {
			pieces = append(pieces, decode16(runes[at:end]))
			continue
		}
		p, _ := f.part(args, func(int) (int, int) { return at, end })
		pieces = append(pieces, p)
	}
	return pieces, nil
}

func join(f *frame, args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, f.expects(args, 0, "an array")
	}
	delimiter, err := f.str(args, 1)
	if err != nil {
		return nil, err
	}
	if err := f.step(len(list)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, x := range list {
		if i > 0 {
			b.WriteString(delimiter)
		}
		b.WriteString(Text(x))
	}
	return b.String(), f.made(b.Len())
}

func reverse(f *frame, args []any) (any, error) {
	list, err := f.list(args, 0)
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	slices.Reverse(list)
	return list, f.madeItems(len(list))
}

func sort(f *frame, args []any) (any, error) {
	list, err := f.list(args, 0)
	if err != nil {
		return nil, err
	}
	by, err := f.optional(args, 1)
	if err != nil {
		return nil, err
	}
	if err := f.madeItems(2 * len(list)); err != nil {
		return nil, err
	}
	key := func(v any) any {
		if o, ok := v.(*Object); ok && by != "" {
			v, _ = o.Get(by)
		}
		return v
	}
	var failed error
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b any) int {
		x, y := key(a), key(b)
		switch {
		case x == nil || y == nil:
			return boolInt(x != nil) - boolInt(y != nil)
		}
		n, ok := order(x, y)
		if !ok && failed == nil {
			failed = f.invalid("Values of type '%s' and '%s' cannot be sorted.", kindOf(x), kindOf(y))
		}
		return n
	})
	if failed != nil {
		return nil, failed
	}
	return list, nil
}

// set tells which values were seen, by value.
type set struct {
	simple map[any]bool
	others []any
}

// add notes a value; false when it was there.
func (s *set) add(v any) bool {
	if s.has(v) {
		return false
	}
	if k, ok := simpleKey(v); ok {
		if s.simple == nil {
			s.simple = map[any]bool{}
		}
		s.simple[k] = true
		return true
	}
	s.others = append(s.others, v)
	return true
}

func (s *set) has(v any) bool {
	if k, ok := simpleKey(v); ok {
		return s.simple[k]
	}
	return slices.ContainsFunc(s.others, func(x any) bool { return Equal(x, v) })
}

// simpleKey gives values that are equal the same key.
func simpleKey(v any) (any, bool) {
	switch v := v.(type) {
	case nil, string:
		return v, true
	case int64:
		return v, true
	case float64:
		if v == float64(int64(v)) {
			return int64(v), true
		}
		return v, true
	case bool:
		return v, true
	}
	return nil, false
}

// alike demands arrays only or objects only.
func (f *frame) alike(args []any) (objects bool, err error) {
	kinds := []string{}
	total := 0
	for _, a := range args {
		if k := kindOf(a); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
		switch a := a.(type) {
		case []any:
			total += len(a)
		case *Object:
			total += len(a.Members)
		}
	}
	if len(kinds) > 1 {
		return false, fail("Template language function '%s' expects parameters of same type, but found '%s' distinct types. %s", f.name(), strings.Join(kinds, ","), f.function.usage())
	}
	if kinds[0] != "Array" && kinds[0] != "Object" {
		return false, f.expects(args, 0, "an array or an object")
	}
	return kinds[0] == "Object", f.madeItems(total)
}

func union(f *frame, args []any) (any, error) {
	objects, err := f.alike(args)
	if err != nil {
		return nil, err
	}
	if objects {
		return merged(args), nil
	}
	var seen set
	list := []any{}
	for _, a := range args {
		for _, x := range a.([]any) {
			if err := f.step(len(seen.others)); err != nil {
				return nil, err
			}
			if seen.add(x) {
				list = append(list, x)
			}
		}
	}
	return list, nil
}

// merged gives the members of all objects, the later value winning.
func merged(objects []any) *Object {
	o := &Object{}
	var seen map[string]int
	for _, a := range objects {
		for _, m := range a.(*Object).Members {
			seen = o.put(m.Name, m.Value, seen)
		}
	}
	return o
}

func intersection(f *frame, args []any) (any, error) {
	objects, err := f.alike(args)
	if err != nil {
		return nil, err
	}
	if objects {
		return commonMembers(args), nil
	}
	sets := make([]set, len(args)-1)
	for i := range sets {
		for _, x := range args[i+1].([]any) {
			if err := f.step(len(sets[i].others)); err != nil {
				return nil, err
			}
			sets[i].add(x)
		}
	}
	var given set
	list := []any{}
	for _, x := range args[0].([]any) {
		if slices.IndexFunc(sets, func(s set) bool { return !s.has(x) }) < 0 && given.add(x) {
			list = append(list, x)
		}
	}
	return list, nil
}

func commonMembers(objects []any) *Object {
	o := &Object{}
	var others []func(string) (any, bool)
	for _, other := range objects[1:] {
		others = append(others, other.(*Object).finder())
	}
	for _, m := range objects[0].(*Object).Members {
		if !slices.ContainsFunc(others, func(find func(string) (any, bool)) bool {
			v, ok := find(m.Name)
			return !ok || !Equal(v, m.Value)
		}) {
			o.Members = append(o.Members, m)
		}
	}
	return o
}

func mergeObjects(f *frame, args []any) (any, error) {
	for i := range args {
		if _, err := f.object(args, i); err != nil {
			return nil, err
		}
	}
	return merged(args), nil
}

func addProperty(f *frame, args []any) (any, error) {
	o, name, err := f.property(args)
	if err != nil {
		return nil, err
	}
	if _, there := o.Get(name); there {
		return nil, fail("The template language function 'addProperty' expects the property to not exist in the object. Unable to add property '%s' to '%s' as it already exists. %s", name, upTo(string(AppendJSON(nil, o))), f.function.usage())
	}
	return o.With(name, args[2]), f.madeItems(len(o.Members))
}

func setProperty(f *frame, args []any) (any, error) {
	o, name, err := f.property(args)
	if err != nil {
		return nil, err
	}
	return o.With(o.spelled(name), args[2]), f.madeItems(len(o.Members))
}

func removeProperty(f *frame, args []any) (any, error) {
	o, name, err := f.property(args)
	if err != nil {
		return nil, err
	}
	name = o.spelled(name)
	members := slices.DeleteFunc(slices.Clone(o.Members), func(m Member) bool { return m.Name == name })
	return &Object{members}, f.madeItems(len(o.Members))
}

func (f *frame) property(args []any) (*Object, string, error) {
	o, err := f.object(args, 0)
	if err != nil {
		return nil, "", err
	}
	name, err := f.str(args, 1)
	return o, name, err
}

// spelled gives the name as the object has it.
func (o *Object) spelled(name string) string {
	if _, ok := o.Exact(name); ok {
		return name
	}
	for _, m := range o.Members {
		if strings.EqualFold(m.Name, name) {
			return m.Name
		}
	}
	return name
}
