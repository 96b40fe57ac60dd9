package resource

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"weir/internal/iso8601"
)

// Kind is the kind of value a field holds.
type Kind uint8

// The kinds of fields.
const (
	String   Kind = iota + 1
	Bool          //
	Int           // a whole number
	Duration      // ISO 8601 text, such as PT1M
	Enum          // one of Field.Values; case is put right
	Object        // with Field.Fields
	List          // of Field.Element
	Map           // of any names to scalars, or to {type, value} for those JSON has no form for
	IDRef         // the id of another resource
	Secret        // text that Redact takes out
	Time          // RFC 3339 text
	JSON          // any JSON value, kept as it was written: a Raw
)

var kindNames = [...]string{"", "string", "bool", "int", "duration", "enum", "object", "list", "map", "id", "secret", "time", "json"}

// String names the kind in reference pages.
func (k Kind) String() string { return kindNames[k] }

// Range bounds a value: an Int's, a Duration's in ticks, a String's length, a
// List's number of elements. Both ends are allowed.
type Range struct{ Min, Max int64 }

// Durations is a Range of durations, which must be well written: it is for schemas.
func Durations(shortest, longest string) *Range {
	low, err := iso8601.Parse(shortest)
	high, err2 := iso8601.Parse(longest)
	if err != nil || err2 != nil {
		panic(fmt.Sprintf("resource: the range %s to %s in a schema is no pair of durations", shortest, longest))
	}
	return &Range{int64(low), int64(high)}
}

// Unlimited is the longest duration, which stands for no limit.
const Unlimited = "P10675199DT2H48M5.4775807S"

// Field declares one property of a type.
type Field struct {
	Name        string
	Kind        Kind
	Description string   // a sentence for the reference page and the form
	Default     any      // filled in when the property is absent; nil: it stays absent
	Range       *Range   // nil: none
	Pattern     string   // a regular expression for the whole text
	Hint        string   // what the pattern allows, in words
	Values      []string // of an Enum
	Fields      []Field  // of an Object
	Element     *Field   // of a List
	Required    bool
	Immutable   bool   // cannot change once the resource is there
	ReadOnly    bool   // the service says it; ignored in what is put
	Since       string // first api-version that has it; for the reference page

	pattern *regexp.Regexp
}

// Action is a verb of a type beside put, get and delete: POST …/{name}.
type Action struct {
	Name        string
	Description string
	// Run does it. body is what came with the request, and may be nil.
	Run func(c ActionContext, d Document, body map[string]any) (map[string]any, error)
}

// ActionContext is what an Action may use.
type ActionContext struct {
	// Replace stores another version of the document.
	Replace func(Document) error
	Random  io.Reader
	Host    string // by which the caller reached the server, with its port; may be empty
}

// PrepareContext is what Prepare may use.
type PrepareContext struct {
	View   View // the registry, with what the request put before this document
	Random io.Reader
}

// Type declares a resource type: once, as data, for everything that handles it.
type Type struct {
	Name        string // Microsoft.ServiceBus/namespaces/queues
	Description string
	APIVersions []string // the newest first

	NamePattern string // a regular expression for the whole name
	NameHint    string // what it allows, in words
	NameRange   Range  // of the name's length

	SKUs      []string // the first is the default; nil: the type has none
	Located   bool     // it may have a location
	Extension bool     // it lies behind any resource or scope, which it extends
	AtTenant  bool     // it may lie in the tenant itself, as an extension may
	// Unique types have names that no other resource of the type has, wherever it lies:
	// names on the network.
	Unique bool
	// Always is the one name resources of this type have, where each parent has one: it is
	// there with its defaults before anybody declares it, and comes back so when deleted.
	Always string
	// Absent names a type that Azure has and Weir has not: why, and what to use instead.
	// Lists of it are empty, all else is refused with this sentence.
	Absent string
	// AnswersOK types answer 200 when a resource was made, as their service in Azure does,
	// where others answer 201: its clients take nothing else.
	AnswersOK   bool
	SiblingsMax int // of this type in one parent; 0: any number

	Fields []Field // of properties
	// Check finds what no single field shows. The document has its defaults, view
	// shows the registry as it will be.
	Check func(d Document, view View) Problems
	// Prepare completes a document before it is checked: with what is found
	// elsewhere, or random keys. old is nil for a new resource.
	Prepare func(d *Document, old *Document, c PrepareContext) error
	// Companions are made together with a new resource, each unless the same
	// request declares resources of its type there.
	Companions func(d Document) []Document
	Actions    []Action

	namePattern *regexp.Regexp
	secrets     bool // there are fields of the kind Secret
	raw         bool // there are fields of the kind JSON
}

// Parent is the type a resource of this one lies in; empty for a top-level type.
func (t *Type) Parent() string {
	if strings.Count(t.Name, "/") < 2 {
		return ""
	}
	return t.Name[:strings.LastIndexByte(t.Name, '/')]
}

// Types is the list of resource types a location knows.
type Types struct {
	list   []*Type
	byName map[string]*Type
}

// NewTypes takes the services' declarations, and refuses ones that contradict
// themselves: that is a mistake in the program.
func NewTypes(types ...*Type) (*Types, error) {
	all := &Types{byName: map[string]*Type{}}
	for _, t := range types {
		key := strings.ToLower(t.Name)
		if all.byName[key] != nil {
			return nil, fmt.Errorf("resource type %s is declared twice", t.Name)
		}
		if err := t.compile(); err != nil {
			return nil, fmt.Errorf("resource type %s: %w", t.Name, err)
		}
		all.list = append(all.list, t)
		all.byName[key] = t
	}
	for _, t := range types {
		if p := t.Parent(); p != "" && all.byName[strings.ToLower(p)] == nil {
			return nil, fmt.Errorf("resource type %s: its parent %s is not declared", t.Name, p)
		}
	}
	return all, nil
}

// All lists the types in the order they were given.
func (ts *Types) All() []*Type { return ts.list }

// Present lists those types of which there can be resources.
func (ts *Types) Present() []*Type {
	return slices.DeleteFunc(slices.Clone(ts.list), func(t *Type) bool { return t.Absent != "" })
}

// Lookup finds a type by its full name, in any case.
func (ts *Types) Lookup(name string) (*Type, bool) {
	t, ok := ts.byName[strings.ToLower(name)]
	return t, ok
}

func (t *Type) compile() (err error) {
	if strings.Count(t.Name, "/") == 0 {
		return fmt.Errorf("its name has no provider")
	}
	if t.namePattern, err = wholePattern(t.NamePattern); err != nil {
		return err
	}
	t.secrets, t.raw = anyOf(Secret, t.Fields), anyOf(JSON, t.Fields)
	return compileFields(t.Fields, "properties")
}

func anyOf(k Kind, fields []Field) bool {
	return slices.ContainsFunc(fields, func(f Field) bool {
		return f.Kind == k || anyOf(k, f.Fields) || f.Element != nil && anyOf(k, f.Element.Fields)
	})
}

func compileFields(fields []Field, path string) error {
	seen := map[string]bool{}
	for i := range fields {
		f := &fields[i]
		at := path + "." + f.Name
		if f.Name == "" || seen[strings.ToLower(f.Name)] {
			return fmt.Errorf("%s: a field has no name of its own", at)
		}
		seen[strings.ToLower(f.Name)] = true
		if err := f.compile(at); err != nil {
			return err
		}
	}
	return nil
}

func (f *Field) compile(at string) (err error) {
	if f.Kind < String || f.Kind > JSON || (f.Kind == Enum) != (len(f.Values) > 0) || (f.Kind == List) != (f.Element != nil) {
		return fmt.Errorf("%s: its kind does not go with what it declares", at)
	}
	if f.pattern, err = wholePattern(f.Pattern); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if f.Element != nil {
		if f.Element.Kind == Secret || f.Element.Kind == JSON {
			return fmt.Errorf("%s: a %s in a list belongs into objects", at, f.Element.Kind)
		}
		if err := f.Element.compile(at + "[]"); err != nil {
			return err
		}
	}
	if err := compileFields(f.Fields, at); err != nil {
		return err
	}
	if f.Default == nil {
		return nil
	}
	v := validator{}
	if filled := v.value(*f, at, f.Default); len(v.problems) > 0 {
		return fmt.Errorf("its default is wrong: %w", v.problems)
	} else if fmt.Sprint(filled) != fmt.Sprint(f.Default) {
		return fmt.Errorf("%s: its default %v is better written %v", at, f.Default, filled)
	}
	return nil
}

func wholePattern(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}
