package workflow

import (
	"slices"
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
		// The cloud stores calls of string() with more than it uses, and so does the world.
		mild := p.Code == expression.CodeArity && strings.EqualFold(p.Function, "string")
		faults = append(faults, definition.Fault{Column: p.Column, Message: p.Message, Mild: mild})
	}
	return faults
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
