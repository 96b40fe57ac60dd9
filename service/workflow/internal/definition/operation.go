package definition

import (
	"slices"
	"strings"
	"unicode/utf8"

	"weir/service/workflow/internal/document"
)

// Options is a set of operation options.
type Options []string

// Has reports whether an option is set.
func (o Options) Has(name string) bool { return slices.Contains(o, name) }

// options lists every operation option and where it may stand.
var options = map[string]struct{ trigger, action bool }{
	"DisableAsyncPattern":                  {action: true},
	"DisableAutomaticDecompression":        {action: true},
	"Asynchronous":                         {action: true},
	"Sequential":                           {action: true},
	"FailWhenLimitsReached":                {action: true},
	"SuppressWorkflowHeaders":              {action: true},
	"SingleInstance":                       {trigger: true},
	"SuppressWorkflowHeadersOnResponse":    {trigger: true},
	"EnableSchemaValidation":               {trigger: true},
	"IncludeAuthorizationHeadersInOutputs": {trigger: true, action: true},
	"OptimizedForHighThroughput":           {trigger: true, action: true},
}

var (
	shared         = []string{"type", "kind", "inputs", "description", "metadata", "runtimeConfiguration", "operationOptions", "trackedProperties", "limit", "conditions", "correlation", "isTrackedPropertiesRunLevel", "transitions"}
	triggerMembers = append([]string{"recurrence", "evaluatedRecurrence", "splitOn", "splitOnConfiguration"}, shared...)
	actionMembers  = append([]string{"runAfter", "actions", "else", "expression", "foreach", "cases", "default", "tools"}, shared...)
)

// operation reads what triggers and actions have in common.
func (r *reader) operation(name string, m document.Member, p document.Path, table []Type, what string) (Operation, *Type) {
	v := m.Value
	o := Operation{Name: name, Value: v, Path: p}
	r.name(m, p, what)
	t := r.kindOfOperation(&o, v, p, table, what)
	if o.Description = r.textOf(v, p, "description"); utf8.RuneCountInString(o.Description) > r.Limits.DescriptionCharsMax {
		r.error(p.Of("description"), v.Get("description"), "limit-exceeded", "the description has %d characters, at most %d are allowed", utf8.RuneCountInString(o.Description), r.Limits.DescriptionCharsMax)
	}
	o.Inputs, _ = v.Fold("inputs")
	if tracked, _ := v.Fold("trackedProperties"); tracked.Given() {
		o.Tracked = tracked
		if !tracked.Is(document.Object) && !r.later(tracked) {
			r.error(p.Of("trackedProperties"), tracked, "wrong-type", "trackedProperties must be an object, not %s", shown(tracked))
		}
	}
	r.options(&o, t, what == "trigger")
	r.runtime(&o, what == "trigger")
	r.limit(&o)
	r.inputs(&o, t)
	return o, t
}

func (r *reader) name(m document.Member, p document.Path, what string) {
	at := &document.Value{At: m.At}
	if n := utf8.RuneCountInString(m.Name); n > r.Limits.NameCharsMax {
		r.error(p, at, "limit-exceeded", "the name of this %s has %d characters, at most %d are allowed", what, n, r.Limits.NameCharsMax)
	}
	if strings.TrimSpace(m.Name) == "" {
		r.error(p, at, "bad-name", "this %s has no name", what)
	}
}

func (r *reader) kindOfOperation(o *Operation, v *document.Value, p document.Path, table []Type, what string) *Type {
	code := "unknown-" + what + "-type"
	typ, spelled := v.Fold("type")
	word, ok := typ.Str()
	switch {
	case !typ.Given():
		r.error(p.Of(spelled), v, "missing-member", "this %s has no type", what)
		o.opaque = true
		return nil
	case !ok:
		r.error(p.Of(spelled), typ, "wrong-type", "the type of this %s must be a string, not %s", what, shown(typ))
		o.opaque = true
		return nil
	case r.later(typ):
		r.warn(p.Of(spelled), typ, "placeholder", "the type is %q, which is known only after deployment: this %s is judged then", word, what)
		o.opaque, o.Type = true, word
		return nil
	}
	t := find(table, word)
	if t == nil {
		o.opaque, o.Type = true, word
		hint := ""
		if near := nearest(table, word); near != "" {
			hint = "; did you mean " + near + "?"
		}
		other := Triggers
		if what == "trigger" {
			other = Actions
		}
		if find(other, word) != nil {
			hint = "; that is the type of " + map[string]string{"trigger": "an action", "action": "a trigger"}[what]
		}
		r.error(p.Of(spelled), typ, code, "no %s has the type %q%s", what, word, hint)
		return nil
	}
	o.Type = t.Name
	if t.Support != Runs {
		r.warn(p.Of(spelled), typ, "not-run-here", "%s is read and checked, but not run by this engine: it %s", t.Name, t.Note)
	}
	kind, spelledKind := v.Fold("kind")
	if kind.Given() && !r.later(kind) {
		o.Kind = r.textOf(v, p, "kind")
		known := slices.ContainsFunc(t.Kinds, func(k string) bool { return strings.EqualFold(k, o.Kind) })
		switch {
		case kind.Kind != document.String || known:
		case t.Kinds != nil:
			r.error(p.Of(spelledKind), kind, "unknown-kind", "%s has no kind %q; it may be %s", t.Name, o.Kind, or(t.Kinds))
		case someKind(o.Kind):
			r.warn(p.Of(spelledKind), kind, "unknown-kind", "%s has no kinds; %q means nothing", t.Name, o.Kind)
		default:
			r.error(p.Of(spelledKind), kind, "unknown-kind", "%s has no kinds, and nothing is of the kind %q", t.Name, o.Kind)
		}
	}
	return t
}

// someKind reports whether any type has a kind of this name.
func someKind(kind string) bool {
	return slices.ContainsFunc(slices.Concat(Actions, Triggers), func(t Type) bool { return oneOf(t.Kinds, kind) != "" })
}

// nearest gives the name in a table that differs from a word by little.
func nearest(table []Type, word string) string {
	best, at := "", 3
	for _, t := range table {
		if d := distance(strings.ToLower(t.Name), strings.ToLower(word)); d < at && d < len(word)/2 {
			best, at = t.Name, d
		}
	}
	return best
}

// distance counts the letters to change, add or remove.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (r *reader) inputs(o *Operation, t *Type) {
	at := o.Path.Of("inputs")
	if t == nil {
		return
	}
	if !o.Inputs.Given() {
		if t.NeedsInputs {
			r.error(at, o.Value, "missing-member", "%s has no inputs; it needs them", o.Name)
		}
		if t.check != nil {
			t.check(r, o)
		}
		return
	}
	if (len(t.Inputs) > 0 || t.NeedsInputs) && !r.later(o.Inputs) {
		if !o.Inputs.Is(document.Object) {
			r.error(at, o.Inputs, "not-an-object", "the inputs of %s must be an object, not %s", t.Name, shown(o.Inputs))
			return
		}
		r.fields(o.Inputs, at, t.Inputs)
	}
	if o.Inputs.Is(document.Object) {
		r.retry(o)
	}
	if t.check != nil {
		t.check(r, o)
	}
}

func (r *reader) options(o *Operation, t *Type, trigger bool) {
	v, spelled := o.Value.Fold("operationOptions")
	at := o.Path.Of(spelled)
	if !v.Given() || r.later(v) {
		return
	}
	text, ok := v.Str()
	if !ok {
		r.error(at, v, "wrong-type", "operationOptions must be a string of words with commas between them, not %s", shown(v))
		return
	}
	for _, one := range strings.Split(text, ",") {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		known := ""
		for name := range options {
			if strings.EqualFold(name, one) {
				known = name
			}
		}
		place := options[known]
		switch {
		case known == "":
			r.error(at, v, "unknown-option", "there is no operation option %q", one)
		case trigger && !place.trigger:
			r.error(at, v, "unknown-option", "%s is an option of actions, not of triggers", known)
		case !trigger && !place.action:
			r.error(at, v, "unknown-option", "%s is an option of triggers, not of actions", known)
		case t != nil && known != "SingleInstance" && known != "OptimizedForHighThroughput" && !slices.Contains(t.Options, known):
			r.error(at, v, "unknown-option", "%s is no option of %s; %s", known, t.Name, optionsOf(t))
		default:
			o.Options = append(o.Options, known)
		}
	}
}

func optionsOf(t *Type) string {
	if len(t.Options) == 0 {
		return "it has none"
	}
	return "it may have " + or(t.Options)
}

func (r *reader) limit(o *Operation) {
	v := r.objectOf(o.Value, o.Path, "limit")
	if v == nil {
		return
	}
	p := o.Path.Of("limit")
	count, _ := v.Fold("count")
	timeout, _ := v.Fold("timeout")
	o.Limit = Limit{Count: count, Timeout: timeout, Path: p}
	if count.Given() && !r.later(count) {
		n, ok := count.Int()
		switch {
		case !ok:
			r.error(p.Of("count"), count, "wrong-type", "limit.count must be a whole number, not %s", shown(count))
		case o.Type == "Until" && (n < 1 || n > r.Limits.UntilCountMax):
			r.error(p.Of("count"), count, "limit-exceeded", "limit.count is %d; an Until may go round 1 to %d times", n, r.Limits.UntilCountMax)
		case n < 1:
			r.error(p.Of("count"), count, "wrong-value", "limit.count is %d; it must be at least 1", n)
		}
	}
	if timeout.Given() {
		checkDuration(r, timeout, p.Of("timeout"))
	}
}
