package workflow

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
)

// language lets the expression language judge the expressions of a definition.
type language struct{}

// Check gives what is wrong with a string that may hold expressions.
func (language) Check(text string) []definition.Fault {
	var faults []definition.Fault
	for _, p := range expression.Check(text) {
		faults = append(faults, definition.Fault{Column: p.Column, Message: p.Message, Mild: mild(p)})
	}
	return faults
}

// given is how many parameters a problem of arity speaks of.
var given = regexp.MustCompile(`invoked with '(\d+)' parameter`)

// mild reports whether an expression is left to be refused when it is evaluated, as the
// cloud does: definitions are around in which a conversion gets more than it takes, on
// ways that no run goes.
func mild(p expression.Problem) bool {
	f := expression.Lookup(p.Function)
	if p.Code != expression.CodeArity || f == nil || f.Group != "conversion" {
		return false
	}
	m := given.FindStringSubmatch(p.Message)
	if m == nil {
		return false
	}
	n, err := strconv.Atoi(m[1])
	return err == nil && n > f.Min
}

// speakers are the functions without parameters whose place matters.
var speakers = []string{"item", "action", "listCallbackUrl"}

// Calls lists the calls that name something or speak of their place.
func (language) Calls(text string) []definition.Call {
	refs := expression.References(text)
	var calls []definition.Call
	for _, list := range [][]expression.Ref{refs.Actions, refs.Loops, refs.Scopes, refs.Parameters, refs.Variables} {
		for _, r := range list {
			calls = append(calls, definition.Call{Function: strings.ToLower(r.Function), Name: r.Name, Literal: true, Args: 1, Column: r.Column})
		}
	}
	for _, r := range refs.Dynamic {
		calls = append(calls, definition.Call{Function: strings.ToLower(r.Function), Args: 1, Column: r.Column})
	}
	for _, f := range refs.Functions {
		if slices.Contains(speakers, f) {
			calls = append(calls, definition.Call{Function: strings.ToLower(f)})
		}
	}
	return calls
}
