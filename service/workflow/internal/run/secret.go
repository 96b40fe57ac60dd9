package run

import (
	"strings"

	"weir/service/workflow/internal/expression"
)

// secrets marks what is not to be shown: what the definition says, and what is made
// from it. Hiding is passed on from the outputs of an action to the inputs of those that
// use them; actions that give what they get hide their outputs too. Variables hide from
// the moment that one assignment does, so the marks are worked out until none is added.
func (p *Plan) secrets() {
	for added := true; added; {
		added = false
		for i := range p.nodes {
			n := &p.nodes[i]
			if !n.hideInputs && p.usesSecret(n) {
				n.hideInputs, added = true, true
			}
			if n.hideInputs && !n.hideOutputs && n.passesOn() {
				n.hideOutputs, added = true, true
			}
			if n.hideInputs && n.isVariable() {
				for _, v := range p.variablesOf(n) {
					if !p.variables[v].hide {
						p.variables[v].hide, added = true, true
					}
				}
			}
		}
	}
}

// passesOn reports whether the outputs of an action are made of its inputs.
func (n *node) passesOn() bool {
	return n.Is("Compose", "ParseJson", "Response", "Query", "Select", "Table", "Join", "Expression", "JavaScriptCode") || n.isVariable()
}

func (n *node) isVariable() bool {
	return n.Is("InitializeVariable", "SetVariable", "IncrementVariable", "DecrementVariable", "AppendToArrayVariable", "AppendToStringVariable")
}

// variablesOf lists the variables an action writes.
func (p *Plan) variablesOf(n *node) []int32 {
	var all []int32
	if list := n.Inputs.Get("variables"); list != nil {
		for _, v := range list.Items {
			name, _ := v.Get("name").Str()
			if i, ok := p.byVariable[strings.ToLower(name)]; ok {
				all = append(all, i)
			}
		}
		return all
	}
	name, _ := n.Inputs.Get("name").Str()
	if i, ok := p.byVariable[strings.ToLower(name)]; ok {
		all = append(all, i)
	}
	return all
}

func (p *Plan) usesSecret(n *node) bool {
	if n.Is("JavaScriptCode") {
		var seen expression.Refs
		names, trigger := scriptSees(valueOf(n.Inputs))
		for _, name := range names {
			seen.Actions = append(seen.Actions, expression.Ref{Name: name})
		}
		if seen.Trigger = trigger; p.refersToSecret(seen) {
			return true
		}
	}
	programs := []program{n.inputs, n.each}
	for _, c := range n.columns {
		programs = append(programs, c.header, c.value)
	}
	for _, one := range programs {
		if one.Template != nil && p.refersToSecret(one.Refs()) {
			return true
		}
	}
	return false
}

func (p *Plan) refersToSecret(r expression.Refs) bool {
	for _, ref := range r.Actions {
		if i, ok := p.byName[fold(ref.Name)]; ok && p.nodes[i].hideOutputs {
			return true
		}
	}
	for _, ref := range r.Loops {
		if i, ok := p.byName[fold(ref.Name)]; ok && p.nodes[i].hideInputs {
			return true
		}
	}
	for _, ref := range r.Variables {
		if i, ok := p.byVariable[strings.ToLower(ref.Name)]; ok && p.variables[i].hide {
			return true
		}
	}
	for _, ref := range r.Parameters {
		if d := p.Definition.Parameter(ref.Name); d != nil && d.Secure() {
			return true
		}
	}
	if r.Trigger {
		for _, t := range p.Definition.Triggers {
			if t.Runtime.SecureOutputs {
				return true
			}
		}
	}
	return false
}
