package expression

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Code is the kind of a problem.
type Code string

// The kinds.
const (
	CodeParse   Code = "Parse"           // the text is not of the language
	CodeUnknown Code = "UnknownFunction" // a function that does not exist
	CodeArity   Code = "Arity"           // too few or too many parameters
	CodeLimit   Code = "Limit"           // too long, too deep
)

// Problem is what is wrong with a text before it is ever evaluated.
type Problem struct {
	Code     Code
	Column   int    // in characters of the text, from 1
	Function string // what it is about, if it is about one
	Message  string // in the engine's words
}

// Error makes a Problem an error.
func (p *Problem) Error() string { return p.Message }

// problem tells of the byte at in an expression; Column is made of characters when
// the expression's place in the text is known.
func problem(code Code, at int, format string, args ...any) *Problem {
	return &Problem{Code: code, Column: at + 1, Message: fmt.Sprintf(format, args...)}
}

func unknownFunction(c *call) *Problem {
	p := problem(CodeUnknown, c.at, "The template function '%s' is not defined or not valid.", c.name)
	if near := nearest(c.name); near != "" {
		p.Message += fmt.Sprintf(" Did you mean '%s'?", near)
	}
	p.Function = c.name
	return p
}

// Check names every problem of one text of a definition: a string that may be an
// expression (@...), hold some (@{...}), or be plain text, which has no problems.
func Check(text string) []Problem {
	_, problems := parseText(text)
	return problems
}

// Ref is a name that an expression refers to by a literal.
type Ref struct {
	Name     string
	Function string // as the table spells it: body, outputs, variables ...
	Column   int
}

// Refs are what an expression refers to.
type Refs struct {
	Functions []string // each once, as the table spells it, in order of appearance
	// Actions are named by actions, body, outputs, actionOutputs, actionBody, formData..., multipartBody.
	Actions []Ref
	// Loops are named by items and iterationIndexes; Scopes by result.
	Loops, Scopes []Ref
	Parameters    []Ref
	Variables     []Ref
	Settings      []Ref // appsetting
	Trigger       bool  // anything of the trigger
	// Dynamic are references whose name is computed, so that it can not be judged;
	// Name is empty.
	Dynamic []Ref
}

// References tells what a text refers to. A text with problems gives what could be
// read of it.
func References(text string) Refs {
	t, _ := parseText(text)
	if t == nil {
		return Refs{}
	}
	return t.references(text)
}

func (t *text) references(text string) Refs {
	var refs Refs
	for _, part := range t.parts {
		if part.tree != nil {
			refs.walk(part.tree, part.at, text)
		}
	}
	return refs
}

func (r *Refs) walk(n node, base int, text string) {
	c, ok := n.(*call)
	if !ok {
		return
	}
	if c.function != nil {
		r.call(c, base, text)
	}
	for _, a := range c.arguments {
		r.walk(a, base, text)
	}
	for _, s := range c.selections {
		r.walk(s.key, base, text)
	}
}

func (r *Refs) call(c *call, base int, text string) {
	name := c.function.Name
	if !slices.Contains(r.Functions, name) {
		r.Functions = append(r.Functions, name)
	}
	list := map[Names]*[]Ref{NamesAction: &r.Actions, NamesLoop: &r.Loops, NamesScope: &r.Scopes,
		NamesParameter: &r.Parameters, NamesVariable: &r.Variables, NamesSetting: &r.Settings}[c.function.Names]
	r.Trigger = r.Trigger || c.function.Names == NamesTrigger
	if list == nil || len(c.arguments) == 0 {
		return
	}
	ref := Ref{Function: name, Column: column(text, base+c.at)}
	if l, ok := c.arguments[0].(*literal); !ok {
		list = &r.Dynamic
	} else if ref.Name, ok = l.value.(string); !ok {
		return
	}
	*list = append(*list, ref)
}

// column counts the characters before a byte, from 1.
func column(text string, at int) int { return utf8.RuneCountInString(text[:min(at, len(text))]) + 1 }

// Names says what kind of thing the first parameter of a function names.
type Names int

// What may be named.
const (
	NamesNothing Names = iota
	NamesTrigger       // the function itself speaks of the trigger
	NamesAction
	NamesLoop
	NamesScope
	NamesParameter
	NamesVariable
	NamesSetting
)

// Lookup gives the function of a name, in any case, or nil.
func Lookup(name string) *Function {
	if f := byName[name]; f != nil {
		return f
	}
	return byName[strings.ToLower(name)]
}

// nearest is the function whose name differs least, if one is near.
func nearest(name string) string {
	lower, best, least := strings.ToLower(name), "", 3
	if len(lower) < 4 {
		least = 2
	}
	for _, f := range Functions() {
		if d := distance(lower, strings.ToLower(f.Name)); d < least {
			best, least = f.Name, d
		}
	}
	return best
}

// distance counts the letters to change, add or drop.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := before
			if a[i-1] != b[j-1] {
				cost++
			}
			before, row[j] = row[j], min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
