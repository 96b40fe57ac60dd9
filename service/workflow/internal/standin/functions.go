package standin

import (
	"slices"
	"strings"

	"weir/service/workflow/internal/expression"
)

// computedParts is how many parts a text has one of which is found by a computation.
const computedParts = 10

// eval gives the shapes of an expression and notes what it reads.
func (r *reader) eval(o *expression.Outline) []*shape {
	var out []*shape
	if o.Function == "" {
		out = []*shape{fixed(o.Literal)}
	} else {
		args := make([][]*shape, len(o.Arguments))
		for i, a := range o.Arguments {
			args[i] = r.eval(a)
		}
		out = r.call(strings.ToLower(o.Function), args)
	}
	for _, key := range o.Selected {
		r.selected(&out, key)
	}
	return out
}

func (r *reader) selected(at *[]*shape, key *expression.Outline) {
	if key.Function != "" {
		want(r.eval(key), 0)
		// Which one is computed: an item, or a member that cannot be known.
		*at = each(*at, func(s *shape) []*shape {
			if len(s.parts) > 0 {
				s.count = max(s.count, computedParts)
				return s.part
			}
			if s.wishes&list != 0 || s.item != nil {
				return s.items()
			}
			return nil
		})
		return
	}
	switch k := key.Literal.(type) {
	case string:
		*at = memberOf(*at, k)
	case int64:
		*at = each(*at, func(s *shape) []*shape {
			if !s.given {
				s.count = max(s.count, int(min(k, itemsMost))+1)
				if s.part != nil || len(s.parts) > 0 {
					return s.part
				}
			}
			return itemsOf([]*shape{s})
		})
	}
}

// word gives the text of an argument that is one.
func word(all []*shape) (string, bool) {
	for _, s := range all {
		if w, ok := s.value.(string); ok && s.given {
			return w, true
		}
	}
	return "", false
}

func made(w wish) []*shape { return []*shape{{kept: true, wishes: w}} }

// dates are the functions whose first argument is a time, and what they give.
var dates = map[string]wish{"adddays": date, "addhours": date, "addminutes": date, "addseconds": date, "addtotime": date, "subtractfromtime": date,
	"converttimezone": date, "convertfromutc": date, "converttoutc": date, "formatdatetime": date, "parsedatetime": date, "startofday": date, "startofhour": date, "startofmonth": date,
	"dayofmonth": number, "dayofweek": number, "dayofyear": number, "ticks": number, "datedifference": text}

// texts are the functions that take a text first and give one.
var texts = map[string]wish{"tolower": text, "toupper": text, "trim": text, "replace": text, "substring": text, "slice": text, "uricomponent": text, "encodeuricomponent": text,
	"uricomponenttostring": text, "decodeuricomponent": text, "base64": text, "datauri": text, "indexof": number, "lastindexof": number, "nthindexof": number, "startswith": truth, "endswith": truth, "isint": truth, "isfloat": truth}

func (r *reader) call(f string, args [][]*shape) []*shape {
	arg := func(i int) []*shape {
		if i < len(args) {
			return args[i]
		}
		return nil
	}
	if w, ok := dates[f]; ok {
		want(arg(0), date)
		switch f {
		case "datedifference":
			want(arg(1), date)
		case "converttimezone", "convertfromutc", "converttoutc":
			named(arg(1), "UTC")
			if f == "converttimezone" {
				named(arg(2), "UTC")
			}
		case "adddays", "addhours", "addminutes", "addseconds", "addtotime", "subtractfromtime":
			want(arg(1), number)
		}
		return made(w)
	}
	if w, ok := texts[f]; ok {
		return r.texted(f, w, args)
	}
	if out, ok := r.known(f, args); ok {
		return out
	}
	switch f {
	case "equals":
		r.compared(arg(0), arg(1))
		return made(truth)
	case "greater", "greaterorequals", "less", "lessorequals":
		r.ordered(f, arg(0), arg(1))
		return made(truth)
	case "not", "and", "or":
		for _, a := range args {
			for _, s := range a {
				if !s.given && !s.kept {
					s.wishes |= truth
				}
			}
		}
		return made(truth)
	case "contains":
		for _, s := range arg(0) {
			if w, ok := word(arg(1)); ok && !s.given && !s.kept && !slices.Contains(s.holds, w) {
				s.holds = append(s.holds, w)
			}
		}
		return made(truth)
	case "if":
		for _, s := range arg(0) {
			if !s.given && !s.kept {
				s.wishes |= truth
			}
		}
		return slices.Concat(arg(1), arg(2))
	case "coalesce":
		return slices.Concat(args...)
	case "length", "empty":
		return made(map[string]wish{"length": number, "empty": truth}[f])
	case "first", "last":
		return each(arg(0), func(s *shape) []*shape {
			if len(s.parts) > 0 || s.part != nil {
				return s.part
			}
			return itemsOf([]*shape{s})
		})
	case "join":
		want(arg(0), list)
		return made(text)
	case "take", "skip", "reverse", "sort":
		want(arg(1), 0)
		return want(arg(0), list)
	case "union", "intersection":
		return slices.Concat(args...)
	case "createarray", "array":
		return listOf(slices.Concat(args...))
	case "json":
		return parsed(arg(0))
	case "string":
		return []*shape{{kept: true, wishes: text, of: arg(0)}}
	case "split":
		return splits(arg(0), arg(1))
	case "chunk":
		return listOf(arg(0))
	case "concat":
		return made(text)
	case "int", "float", "decimal":
		want(arg(0), number)
		return made(number)
	case "bool":
		return made(truth)
	case "add", "sub", "mul", "div", "mod":
		for _, a := range args {
			want(a, number)
		}
		return made(number)
	case "min", "max":
		for _, a := range args {
			if len(args) == 1 {
				want(itemsOf(a), number)
			} else {
				want(a, number)
			}
		}
		return made(number)
	case "range", "rand":
		for _, a := range args {
			want(a, number)
		}
		if f == "range" {
			return listOf(made(number))
		}
		return made(number)
	case "formatnumber":
		want(arg(0), number)
		return made(text)
	case "addproperty", "setproperty", "removeproperty", "mergeobjects":
		for _, s := range arg(0) {
			if !s.given {
				s.wishes |= object
			}
		}
		return r.changed(f, args)
	case "base64tostring", "decodebase64", "base64tobinary":
		want(arg(0), base64)
		return each(arg(0), func(s *shape) []*shape {
			if s.decoded == nil && !s.given && !s.kept {
				s.decoded = []*shape{{name: s.name, wishes: text}}
			}
			return s.decoded
		})
	case "datauritostring", "decodedatauri", "datauritobinary":
		for _, s := range arg(0) {
			if !s.given {
				s.words = appendOnce(s.words, "data:text/plain;base64,bWFkZSB1cA==")
			}
		}
		return made(text)
	case "xml":
		return each(arg(0), func(s *shape) []*shape {
			if s.given || s.kept || len(s.names) > 0 {
				return nil
			}
			s.wishes |= xml
			if s.tree == nil {
				s.tree = []*shape{{name: s.name}}
			}
			return []*shape{{kept: true, of: s.tree}}
		})
	case "urihost", "uripath", "uripathandquery", "uriport", "uriquery", "urischeme":
		want(arg(0), uri)
		return made(text)
	}
	return made(0)
}

// known gives what the run knows.
func (r *reader) known(f string, args [][]*shape) ([]*shape, bool) {
	name := ""
	if len(args) > 0 {
		name, _ = word(args[0])
	}
	trigger := []*shape{r.trigger}
	switch f {
	case "triggerbody":
		return memberOf(trigger, "body"), true
	case "triggeroutputs":
		return trigger, true
	case "trigger":
		s := &shape{kept: true}
		s.put("outputs", trigger)
		return []*shape{s}, true
	case "triggerformdatavalue":
		at := memberOf(memberOf(trigger, "body"), "$formdata")
		for _, s := range itemsOf(at) {
			s.words = nil
			s.put("key", []*shape{fixed(name)})
			s.put("value", []*shape{fixed("made up")})
		}
		return made(text), true
	case "body":
		return memberOf(r.outputs(name), "body"), true
	case "outputs", "actionoutputs":
		return r.outputs(name), true
	case "actionbody":
		return memberOf(r.outputs(name), "body"), true
	case "actions", "action":
		s := &shape{kept: true}
		s.put("outputs", r.outputs(name))
		return []*shape{s}, true
	case "variables":
		return r.variables[strings.ToLower(name)], true
	case "parameters":
		return r.parameter(name), true
	case "items":
		return r.loops[fold(name)], true
	case "item":
		if n := len(r.item); n > 0 {
			return r.item[n-1], true
		}
		return nil, true
	case "result":
		return made(list), true
	case "appsetting":
		key := strings.ToLower(name)
		if r.settings[key] == nil {
			r.settings[key] = &shape{name: name, wishes: text}
		}
		return []*shape{r.settings[key]}, true
	case "workflow", "iterationindexes", "listcallbackurl", "utcnow", "guid", "getpasttime", "getfuturetime":
		return made(0), true
	}
	return nil, false
}

// parameter gives a parameter: one that has no value, or that the project around the
// definition gives, is made up; and so are the connections.
func (r *reader) parameter(name string) []*shape {
	key := strings.ToLower(name)
	if s := r.parameters[key]; s != nil {
		return []*shape{s}
	}
	p := r.d.Parameter(name)
	if p != nil && p.Default != nil {
		return r.value(p.Default)
	}
	if p != nil || name == "" {
		return made(0)
	}
	r.parameters[key] = &shape{name: name}
	r.named = append(r.named, name)
	return []*shape{r.parameters[key]}
}

func (r *reader) outputs(name string) []*shape {
	if all, ok := r.composed[fold(name)]; ok {
		return all
	}
	a := r.d.Action(name)
	if a == nil || !outside(a) {
		return nil
	}
	key := fold(a.Name)
	if r.actions[key] == nil {
		r.actions[key] = &shape{}
	}
	return []*shape{r.actions[key]}
}

// texted notes what the functions on texts ask.
func (r *reader) texted(f string, w wish, args [][]*shape) []*shape {
	for _, s := range under(args[0]) {
		if s.given || s.kept {
			continue
		}
		s.wishes |= text
		switch other, ok := "", false; {
		case len(args) < 2:
		case f == "startswith":
			if other, ok = word(args[1]); ok && !slices.Contains(s.begins, other) {
				s.begins = append(s.begins, other)
			}
		case f == "endswith":
			if other, ok = word(args[1]); ok && !slices.Contains(s.ends, other) {
				s.ends = append(s.ends, other)
			}
		case f == "indexof", f == "lastindexof":
			if other, ok = word(args[1]); ok && !slices.Contains(s.holds, other) {
				s.holds = append(s.holds, other)
			}
		case f == "substring", f == "slice":
			n := 0
			for _, a := range args[1:] {
				for _, x := range a {
					if k, ok := x.value.(int64); ok && k > 0 && k < 4096 {
						n += int(k)
					}
				}
			}
			s.chars = max(s.chars, n)
		}
	}
	for _, a := range args[1:] {
		if f == "substring" || f == "slice" {
			want(a, number)
		}
	}
	if f == "tolower" || f == "toupper" || f == "trim" {
		return args[0]
	}
	return made(w)
}

// parsed gives what a text holds that is read as JSON.
func parsed(all []*shape) []*shape {
	return each(all, func(s *shape) []*shape {
		if s.of != nil {
			for _, o := range s.of {
				if !o.given && !o.kept && o.wishes&(json|list|number|truth|date) == 0 {
					o.wishes |= object // its text is to be JSON
				}
			}
			return s.of
		}
		if s.given {
			if t, ok := s.value.(string); ok {
				if v, err := expression.ParseJSON(t); err == nil {
					return []*shape{fixed(v)}
				}
			}
			return []*shape{s}
		}
		if !s.kept && s.wishes&(list|object) == 0 {
			s.wishes |= json
		}
		return []*shape{s}
	})
}

// splits gives the parts of a text that is split.
func splits(all, by []*shape) []*shape {
	separator, ok := word(by)
	return each(under(all), func(s *shape) []*shape {
		if s.given || s.kept || !ok || separator == "" {
			return []*shape{{kept: true, wishes: list, item: made(text)}}
		}
		s.wishes |= text
		if s.parts == nil {
			s.parts = map[string]int{}
		}
		s.parts[separator] = max(s.parts[separator], s.count)
		if s.part == nil {
			s.part = []*shape{{wishes: text}}
		}
		// The list shares what is known of the text, so that an index asks for as many parts.
		return []*shape{s}
	})
}

// compared notes that values are asked to be the same.
func (r *reader) compared(a, b []*shape) {
	if r.otherwise {
		return
	}
	a, b = under(a), under(b)
	one := func(all, others []*shape) {
		for _, s := range all {
			for _, o := range others {
				switch {
				case s.given || s.kept:
				case o.given && o.value != nil:
					s.words = appendOnce(s.words, o.value)
				case !o.given && !o.kept && s.like == nil && !o.likes(s) && s != o:
					s.like = o
				}
			}
		}
	}
	one(a, b)
	one(b, a)
}

// named notes that values are asked to be a word that is known.
func named(all []*shape, word string) {
	for _, s := range under(all) {
		if !s.given && !s.kept {
			s.words = appendOnce(s.words, word)
		}
	}
}

// likes reports whether a shape is already asked to be the same as another.
func (s *shape) likes(other *shape) bool {
	for hops := 0; s != nil && hops < depthMost; hops++ {
		if s == other {
			return true
		}
		s = s.like
	}
	return false
}

// ordered notes that a value is asked to be more or less than another.
func (r *reader) ordered(f string, a, b []*shape) {
	step := int64(1)
	if strings.HasPrefix(f, "less") != r.otherwise {
		step = -1
	}
	one := func(all, others []*shape, step int64) {
		for _, s := range all {
			for _, o := range others {
				switch v := o.value.(type) {
				case int64:
					if !s.given && !s.kept && s.wishes&date == 0 {
						s.wishes |= number
						s.words = appendOnce(s.words, v+step)
					}
				case float64:
					if !s.given && !s.kept && s.wishes&date == 0 {
						s.wishes |= number
						s.words = appendOnce(s.words, v+float64(step))
					}
				}
				if !o.given && o.wishes&date != 0 && !s.given {
					s.wishes |= date
				}
				if !o.given && o.wishes&number != 0 && !s.given && s.wishes&date == 0 {
					s.wishes |= number
				}
			}
		}
	}
	one(a, b, step)
	one(b, a, -step)
}

// changed is an object with a member changed.
func (r *reader) changed(f string, args [][]*shape) []*shape {
	if f == "mergeobjects" {
		return slices.Concat(args...)
	}
	if len(args) < 3 || f == "removeproperty" {
		return args[0]
	}
	s := &shape{kept: true}
	if name, ok := word(args[1]); ok {
		s.put(name, args[2])
	}
	return append([]*shape{s}, args[0]...)
}
