package definition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"weir/service/workflow/internal/document"
)

// Settings say how a definition is judged.
type Settings struct {
	Limits Limits
	// Expressions judges expressions; nil, none is.
	Expressions Expressions
	// Zones says whether a name is a time zone; nil, every one is.
	Zones func(name string) bool
	// Parameters and Connections are what the project beside the file has; nil, it is
	// not known.
	Parameters, Connections []string
	// Final says that nothing is filled in any more before the definition is run, so
	// that a placeholder is an error.
	Final bool
}

// Expressions judges expressions and says what they ask for.
type Expressions interface {
	// Check gives what is wrong with a string that may hold expressions.
	Check(text string) []Fault
	// Calls lists the calls of functions in it, in the order of the text.
	Calls(text string) []Call
}

// Fault is what is wrong with an expression.
type Fault struct {
	Column  int // in the string, from one
	Message string
	// Mild faults are found when the expression is evaluated, not before.
	Mild bool
}

// Call is one call of a function.
type Call struct {
	Function string // in lower case
	// Name is the first argument when that is a literal string.
	Name    string
	Literal bool
	Args    int
	Column  int
}

// reader reads one definition and collects what is wrong.
type reader struct {
	Settings
	d *Definition
	// brackets says that [..] is an expression of a deployment template.
	brackets bool
	// bare says that nothing wraps the definition, so that its host is a guess.
	bare     bool
	problems []Problem
}

func (r *reader) say(s Severity, p document.Path, v *document.Value, code, format string, args ...any) {
	if code == "placeholder" && r.Final {
		s = Error
	}
	at := r.d.Value.At
	if v != nil {
		at = v.At
	}
	r.problems = append(r.problems, Problem{Code: code, Severity: s, Path: p, At: at, Message: fmt.Sprintf(format, args...)})
}

func (r *reader) error(p document.Path, v *document.Value, code, format string, args ...any) {
	r.say(Error, p, v, code, format, args...)
}

func (r *reader) warn(p document.Path, v *document.Value, code, format string, args ...any) {
	r.say(Warning, p, v, code, format, args...)
}

// placeholders are the ways in which pipelines mark what they fill in.
var placeholders = regexp.MustCompile(`\{\{[^{}]*\}\}|#\{[^{}]*\}#|###[^#]*###|\*\*\*[^*]*\*\*\*|#[A-Za-z]+#|__[A-Z_]+__`)

// later reports whether a value is known only later: an expression, or a placeholder
// that a deployment fills.
func (r *reader) later(v *document.Value) bool {
	s, ok := v.Str()
	if !ok {
		return false
	}
	return isExpression(s) || placeholders.MatchString(s) || r.brackets && bracketed(s)
}

// isExpression reports whether the engine evaluates a string.
func isExpression(s string) bool {
	return strings.HasPrefix(s, "@") && !strings.HasPrefix(s, "@@") || strings.Contains(s, "@{")
}

// bracketed reports whether a string is an expression of a deployment template, or of
// one that lies in it.
func bracketed(s string) bool {
	return strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]")
}

// last is the last step of a path as a sentence names it.
func last(p document.Path) string {
	s := string(p)
	if strings.HasSuffix(s, "']") {
		return s[strings.LastIndex(s, "['")+2 : len(s)-2]
	}
	return s[strings.LastIndexByte(s, '.')+1:]
}

// shown is a value as a sentence shows it.
func shown(v *document.Value) string {
	switch {
	case v == nil:
		return "nothing"
	case v.Kind == document.Array || v.Kind == document.Object || v.Kind == document.Null:
		return v.Kind.String()
	case v.Kind == document.String:
		return fmt.Sprintf("%.60q", v.Text)
	}
	return string(v.Raw)
}

// Read reads the definition that w wraps and says all that is wrong with it. The
// definition is nil only when there is nothing to speak of.
func Read(w Wrapped, s Settings) (*Definition, []Problem) {
	d := &Definition{Name: w.Name, Host: w.Host, Kind: w.Kind, Value: w.Value, Path: w.Path, byName: map[string]*Action{}}
	d.Stateless = strings.EqualFold(w.Kind, "Stateless")
	if s.Limits == (Limits{}) {
		s.Limits = LimitsOf(w.Host, d.Stateless)
		if w.Wrapping == Bare { // the host is a guess: the wider limit holds
			s.Limits.WaitingRunsMax = LimitsOf(Standard, false).WaitingRunsMax
		}
	}
	r := &reader{Settings: s, d: d, brackets: w.Template, bare: w.Wrapping == Bare}
	if k := w.Kind; k != "" && oneOf([]string{"Stateful", "Stateless", "Agent", "Agentic"}, k) == "" {
		r.warn(w.Path, w.Value, "unknown-kind", "the kind of this workflow is %q; it may be Stateful or Stateless, and Stateful is taken", k)
	}
	r.duplicates(w.Value, w.Path)
	if !w.Value.Is(document.Object) {
		r.error(w.Path, w.Value, "not-an-object", "a workflow definition is an object, this is %s", shown(w.Value))
		return nil, r.problems
	}
	r.members(w.Value, w.Path, "the definition", "$schema", "contentVersion", "description", "metadata", "parameters", "triggers", "actions", "outputs", "staticResults", "$connections")
	r.header()
	r.parameters()
	r.staticResults()
	r.triggers()
	if v := r.objectOf(w.Value, w.Path, "actions"); v != nil {
		d.Actions = r.graph(nil, v, w.Path.Of("actions"), 1)
	} else {
		d.Actions = &Graph{Path: w.Path.Of("actions")}
		if actions, _ := w.Value.Fold("actions"); !actions.Given() {
			r.error(d.Actions.Path, w.Value, "missing-member", "the definition has no actions; write {} if nothing is to be done")
		}
	}
	r.outputs()
	r.whole()
	return d, sorted(r.problems)
}

// duplicates names members that come twice, everywhere.
func (r *reader) duplicates(v *document.Value, p document.Path) {
	if v == nil {
		return
	}
	for _, m := range v.Twice() {
		r.problems = append(r.problems, Problem{Code: "duplicate-member", Path: p.Of(m.Name), At: m.At, Message: fmt.Sprintf("%q comes twice in this object; only the last one would count: remove or rename one", m.Name)})
	}
	for _, m := range v.Members {
		r.duplicates(m.Value, p.Of(m.Name))
	}
	for i, item := range v.Items {
		r.duplicates(item, p.At(i))
	}
}

// members warns of members that nothing reads.
func (r *reader) members(v *document.Value, p document.Path, what string, known ...string) {
	for _, m := range v.Members {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, m.Name) }) {
			r.warn(p.Of(m.Name), m.Value, "unknown-member", "%s has no member %q; nothing reads it", what, m.Name)
		}
	}
}

// objectOf gives a member that must be an object if it is there, else nil.
func (r *reader) objectOf(v *document.Value, p document.Path, name string) *document.Value {
	m, spelled := v.Fold(name)
	if !m.Given() || m.Is(document.Object) {
		if m.Given() {
			return m
		}
		return nil
	}
	if !r.later(m) {
		r.error(p.Of(spelled), m, "not-an-object", "%s must be an object, not %s", name, shown(m))
	}
	return nil
}

// textOf gives a member that must be a string if it is there.
func (r *reader) textOf(v *document.Value, p document.Path, name string) string {
	m, spelled := v.Fold(name)
	if !m.Given() {
		return ""
	}
	s, ok := m.Str()
	if !ok {
		r.error(p.Of(spelled), m, "wrong-type", "%s must be a string, not %s", name, shown(m))
	}
	return s
}

func (r *reader) header() {
	v, p := r.d.Value, r.d.Path
	r.d.Schema = r.textOf(v, p, "$schema")
	r.d.ContentVersion = r.textOf(v, p, "contentVersion")
	r.d.Description = r.textOf(v, p, "description")
	if s := r.d.Schema; s != "" && !r.later(v.Get("$schema")) {
		switch {
		case strings.Contains(s, "/2016-06-01/workflowdefinition.json"):
		case strings.Contains(s, "/schemas/") && strings.Contains(s, ".json"):
			r.warn(p.Of("$schema"), v.Get("$schema"), "unknown-schema", "the schema is %q; definitions are read as those of 2016-06-01", s)
		default:
			r.error(p.Of("$schema"), v.Get("$schema"), "unknown-schema", "%q is no schema of workflow definitions; write https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", s)
		}
	}
}

// fields checks the members of an object against a table.
func (r *reader) fields(v *document.Value, p document.Path, fields []Field) {
	for _, f := range fields {
		m, spelled := v.Fold(f.Name)
		at := p.Of(spelled)
		if !m.Given() {
			if f.Must {
				r.error(at, v, "missing-member", "%s has no %q; it must be there", last(p), f.Name)
			}
			continue
		}
		r.field(m, at, f)
	}
}

func (r *reader) field(m *document.Value, at document.Path, f Field) {
	if r.later(m) {
		return
	}
	if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, m.Kind) {
		var want []string
		for _, k := range f.Kinds {
			want = append(want, k.String())
		}
		r.error(at, m, "wrong-type", "%s must be %s, not %s", f.Name, strings.Join(want, " or "), shown(m))
		return
	}
	if s, ok := m.Str(); ok && len(f.OneOf) > 0 && !slices.ContainsFunc(f.OneOf, func(w string) bool { return strings.EqualFold(w, s) }) {
		r.error(at, m, "wrong-value", "%s is %q; it may be %s", f.Name, s, or(f.OneOf))
	}
	if m.Is(document.Object) {
		r.fields(m, at, f.Inner)
	}
	if m.Is(document.Array) && len(f.Each) > 0 {
		for i, item := range m.Items {
			if item.Is(document.Object) {
				r.fields(item, at.At(i), f.Each)
			} else if !r.later(item) {
				r.error(at.At(i), item, "wrong-type", "each of %s must be an object, not %s", f.Name, shown(item))
			}
		}
	}
	if f.Check != nil {
		f.Check(r, m, at)
	}
}

// or lists words as a sentence does.
func or(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
