package run

import (
	"slices"
	"strings"

	"weir/service/workflow/internal/expression"
)

// sanitized stands where a secret was.
const sanitized = "*sanitized*"

var (
	// proofs are what an authentication proves with.
	proofs = []string{"password", "value", "parameter", "secret", "clientsecret", "pfx"}
	// keyHeaders are headers that prove who asks.
	keyHeaders = []string{"authorization", "ocp-apim-subscription-key", "x-functions-key"}
)

// Shown gives the inputs of a call as they are shown: to expressions, and in the history. What proves who asks is kept for the next attempt, and shown to nobody.
func Shown(inputs any) any {
	o, ok := inputs.(*expression.Object)
	if !ok {
		return inputs
	}
	for _, m := range o.Members {
		switch strings.ToLower(m.Name) {
		case "authentication":
			o = o.With(m.Name, hidden(m.Value, proofs))
		case "headers":
			o = o.With(m.Name, hidden(m.Value, keyHeaders))
		case "subscriptionkey":
			o = o.With(m.Name, sanitized)
		case "subscribe", "unsubscribe":
			o = o.With(m.Name, Shown(m.Value))
		}
	}
	return o
}

// Shown gives the inputs of an action of the plan as they are shown: those of what calls
// nobody as they are.
func (p *Plan) Shown(node uint32, inputs any) any {
	if int(node) >= len(p.nodes) || !p.nodes[node].outside {
		return inputs
	}
	return Shown(inputs)
}

// hidden replaces members by name. A text may hold any of them.
func hidden(v any, names []string) any {
	if text, ok := v.(string); ok && text != "" {
		return sanitized
	}
	o, ok := v.(*expression.Object)
	if !ok {
		return v
	}
	for _, m := range o.Members {
		if slices.Contains(names, strings.ToLower(m.Name)) && m.Value != nil {
			o = o.With(m.Name, sanitized)
		}
	}
	return o
}
