package resource

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"weir/kernel/fault"
)

// Problem is one thing wrong with a document: where, and what to do about it.
type Problem struct {
	ID       string // of the resource, when it is known
	Path     string // in the document, such as properties.lockDuration; empty for the whole
	Line     int    // in the file, 0 when there is none
	Sentence string
	Kind     fault.Kind // Invalid when it is not set
	Code     string     // what ARM clients know it by, where the kind does not say it all
}

// String writes the problem on one line.
func (p Problem) String() string {
	var where []string
	if p.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", p.Line))
	}
	if p.ID != "" {
		where = append(where, p.ID)
	}
	if p.Path != "" {
		where = append(where, p.Path)
	}
	if len(where) == 0 {
		return p.Sentence
	}
	return strings.Join(where, ", ") + ": " + p.Sentence
}

// problemsShownMax bounds the sentence made of many problems.
const problemsShownMax = 50

// Problems is everything wrong with what was declared. It is an error, nothing of
// which is private.
type Problems []Problem

// Error lists the problems, one on a line.
func (p Problems) Error() string {
	lines := make([]string, 0, len(p))
	for i, problem := range p {
		if i == problemsShownMax {
			lines = append(lines, fmt.Sprintf("and %d more", len(p)-i))
			break
		}
		lines = append(lines, problem.String())
	}
	return strings.Join(lines, "\n")
}

// Fault gives the problems as one fault, nil when there are none. Its kind is the one
// all of them have, else Invalid.
func (p Problems) Fault() error {
	if len(p) == 0 {
		return nil
	}
	kind := p[0].Kind
	for _, problem := range p {
		if problem.Kind != kind {
			kind = fault.Invalid
		}
	}
	if kind == fault.None {
		kind = fault.Invalid
	}
	return fault.Wrap(kind, p, "%s", p.Error())
}

// Code is the code all of the problems have, empty when they differ.
func (p Problems) Code() string {
	code := ""
	for i, problem := range p {
		if i > 0 && problem.Code != code {
			return ""
		}
		code = problem.Code
	}
	return code
}

func (p *Problems) add(path string, line int, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Line: line, Sentence: fmt.Sprintf(format, args...)})
}

// Sort puts problems into the order of their lines.
func (p Problems) Sort() {
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
}

// of names the resource the problems are about.
func (p Problems) of(id ID) Problems {
	for i := range p {
		if p[i].ID == "" {
			p[i].ID = id.Type() + " " + strings.Join(id.Names(), "/")
		}
	}
	return p
}
