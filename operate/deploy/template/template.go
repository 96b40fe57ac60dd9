// Package template reads Azure Resource Manager's templates: the language of their
// expressions, parameters, variables, copy loops, conditions, nested templates and
// outputs, and what resources come of one, in which order.
//
// It promises:
//
//  1. The same template, parameters and options give the same plan, byte for byte.
//     What differs each time (time, random GUIDs, what is deployed) is passed in.
//  2. Everything wrong is reported at once, each with the resource, the property and
//     the line of the template.
//  3. Nothing is passed over in silence: a key, a function or a parameter that is not
//     known is refused by name.
//  4. What is known only after something is deployed (reference, listKeys) stays open
//     in the plan, is named there, and makes the order; it is evaluated again with a
//     Runtime.
//  5. Work is bounded: depth, length, turns of loops, resources.
//
// It refuses to fetch: linked templates and secrets in vaults are refused by name.
package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/internal/jsonc"
)

// Bounds of one template.
const (
	resourcesMax = 20_000
	turnsMax     = 20_000     // of one copy loop
	nestingMax   = 16         // templates in templates
	problemsMax  = 500        // reported at once
	stepsMax     = 10_000_000 // of evaluation, in one template with those in it
)

// Template is a template as it was read.
type Template struct {
	root *jsonc.Value
	base int  // the line before its first
	flat bool // all of it is on one line: lines say nothing

	plain any // what Plain gave
	hash  string
}

// Read reads a template file.
func Read(data []byte) (*Template, Problems) {
	v, err := jsonc.Parse(data)
	if e, ok := errors.AsType[*jsonc.Error](err); ok {
		return nil, Problems{{Line: e.Line, Sentence: "The template is no JSON: " + e.Sentence + "."}}
	}
	return Of(v)
}

// Of takes a template that lies in a larger text. Its lines begin with 1.
func Of(v *jsonc.Value) (*Template, Problems) {
	t := &Template{root: v}
	if v == nil || v.Kind != jsonc.Object {
		return nil, Problems{{Sentence: "A template is an object with $schema, contentVersion and resources."}}
	}
	t.base = v.Line - 1
	t.flat = lastLine(v) == v.Line
	return t, nil
}

func lastLine(v *jsonc.Value) int {
	line := v.Line
	for _, f := range v.Fields {
		line = max(line, lastLine(f.Value))
	}
	for _, item := range v.Items {
		line = max(line, lastLine(item))
	}
	return line
}

func (t *Template) line(v *jsonc.Value) int {
	if v == nil {
		return 0
	}
	return t.lineNo(v.Line)
}

func (t *Template) lineNo(line int) int {
	if t.flat || line == 0 {
		return 0
	}
	return line - t.base
}

// Plain is the template as a value, expressions unread.
func (t *Template) Plain() any {
	if t.plain == nil {
		t.plain = literal(t.root)
	}
	return t.plain
}

// fingerprint is the same for the same template.
func (t *Template) fingerprint() string {
	if t.hash == "" {
		t.hash = uniqueOf(JSON(t.Plain()))
	}
	return t.hash
}

// Scope is where a deployment goes: a resource group, a subscription, a management
// group, or with nothing set the tenant.
type Scope struct{ ManagementGroup, Subscription, ResourceGroup string }

// ID is the scope's id; empty for the tenant, to be put before /providers.
func (s Scope) ID() string {
	switch {
	case s.ManagementGroup != "":
		return "/providers/Microsoft.Management/managementGroups/" + s.ManagementGroup
	case s.ResourceGroup != "":
		return "/subscriptions/" + s.Subscription + "/resourceGroups/" + s.ResourceGroup
	case s.Subscription != "":
		return "/subscriptions/" + s.Subscription
	}
	return ""
}

// Runtime tells what is known only once something is deployed.
type Runtime interface {
	// Reference gives the properties of a resource, or all of it.
	Reference(id, apiVersion string, full bool) (any, error)
	// List runs an action whose name begins with list, such as listKeys.
	List(action, id, apiVersion string, body any) (any, error)
}

// Options are what a template is expanded with.
type Options struct {
	Name     string // of the deployment
	Scope    Scope
	Location string // of the deployment, where it has one
	Mode     string // Incremental or Complete
	Link     string // the URI the template came from, where it came from one
	Tenant   string // the tenant's id
	// Group tells location and tags of a resource group. nil: they are empty.
	Group func(subscription, name string) (location string, tags map[string]string)
	// Versions lists the API versions of a resource type. nil: none is known.
	Versions func(typ string) []string
	Deployer *Object // what deployer() gives
	Now      time.Time
	NewGUID  func() string // nil: newGuid() is refused
	Runtime  Runtime       // nil: it is not known yet
	depth    int
	steps    *int // taken so far, of stepsMax
}

// Given is the value of a parameter as it came.
type Given struct {
	Value   any
	Line    int    // in the file of parameters
	Refused string // why it can not be used
}

// Output is one of the values a template gives.
type Output struct {
	Name, Type string
	Value      any
	Secure     bool
	Line       int
	Refs       []Ref
}

// Plan is what comes of a template.
type Plan struct {
	Options    Options
	Resources  []*Resource // in an order in which they can be put
	Parameters []Parameter
	Outputs    []Output

	outputs func(rt Runtime, without map[string]bool) ([]Output, Problems)
}

// Evaluate gives the outputs with what is deployed, but for some by name.
func (p *Plan) Evaluate(rt Runtime, without map[string]bool) ([]Output, Problems) {
	return p.outputs(rt, without)
}

// Problem is one thing wrong with a template.
type Problem struct {
	Resource string // type and name, where it is about one
	Path     string // such as properties.lockDuration, or parameters.name
	Line     int    // in the template; 0: there is none
	Sentence string
}

// Problems is everything wrong with a template.
type Problems []Problem

// String writes the problem on one line.
func (p Problem) String() string {
	var where []string
	if p.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", p.Line))
	}
	if p.Resource != "" {
		where = append(where, p.Resource)
	}
	if p.Path != "" {
		where = append(where, p.Path)
	}
	if len(where) == 0 {
		return p.Sentence
	}
	return strings.Join(where, ", ") + ": " + p.Sentence
}

// Error lists the problems, one on a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// collector gathers problems, each once.
type collector struct {
	list Problems
	seen map[Problem]bool
}

func (c *collector) add(p Problem) {
	if c.seen == nil {
		c.seen = map[Problem]bool{}
	}
	if !c.seen[p] && len(c.list) < problemsMax {
		c.seen[p] = true
		c.list = append(c.list, p)
	}
}

func (c *collector) sorted() Problems {
	slices.SortStableFunc(c.list, func(a, b Problem) int { return a.Line - b.Line })
	return c.list
}
