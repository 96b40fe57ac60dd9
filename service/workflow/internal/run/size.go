package run

import (
	"fmt"

	"weir/service/workflow/internal/expression"
)

// Codes of values that are too large.
const (
	codeContentTooLarge  = "ContentSizeLimitExceeded"
	codeResultTooLarge   = "ActionResultSizeLimitExceeded"
	codeVariableTooLarge = "VariableSizeLimitExceeded"
)

// tooLarge says why inputs or outputs are more than an action may have; before is how
// large its inputs are that were recorded earlier.
func (m *machine) tooLarge(n *node, inputs, outputs Payload, before int) failure {
	most, all := m.e.Limits.ContentBytesMax, before
	for _, p := range []struct {
		what string
		Payload
	}{{"inputs", inputs}, {"outputs", outputs}} {
		if !p.given {
			continue
		}
		size := expression.Size(p.Value, most)
		if size > most {
			return failure{codeContentTooLarge, fmt.Sprintf("The %s of the action '%s' have more than the maximum size of '%d' bytes.", p.what, n.Action.Name, most)}
		}
		all += size
	}
	if all > m.e.Limits.ActionBytesMax {
		return failure{codeResultTooLarge, fmt.Sprintf("The inputs and outputs of the action '%s' have '%d' bytes together. This exceeds the maximum size '%d'.", n.Action.Name, all, m.e.Limits.ActionBytesMax)}
	}
	return failure{}
}

// fit makes a failure of a fact that ends an action with more than it may have.
func (m *machine) fit(i *instance, f *Fact) {
	if !f.Outputs.given && !f.Inputs.given {
		return
	}
	before := 0
	if !f.Inputs.given {
		before = m.sizeOf(i)
	}
	n := &m.p.nodes[i.node]
	why := m.tooLarge(n, f.Inputs, f.Outputs, before)
	if !why.given() {
		return
	}
	f.Status, f.Code, f.Error, f.Op, f.Count = Failed, why.code, why.payload(), OpNone, 0
	f.Outputs = Payload{}
	if f.Inputs.given && expression.Size(f.Inputs.Value, m.e.Limits.ContentBytesMax) > m.e.Limits.ContentBytesMax {
		f.Inputs = Payload{}
	}
}

// sizeOf is how large the recorded inputs of an instance are.
func (m *machine) sizeOf(i *instance) int {
	switch {
	case i.inputs.Len == 0:
		return 0
	case i.inputs.At == 0:
		return expression.Size(m.s.fresh[i.inputs.Off], m.e.Limits.ActionBytesMax)
	}
	return int(i.inputs.Len)
}

// grown is how large a variable is after an operation; what it is now is measured once.
func (m *machine) grown(v int32, old, x, after any, op Op) int {
	most := m.e.Limits.VariableBytesMax
	for len(m.s.sizes) < len(m.s.vars) {
		m.s.sizes = append(m.s.sizes, -1)
	}
	if op != OpAppend {
		return expression.Size(after, most)
	}
	if m.s.sizes[v] < 0 {
		m.s.sizes[v] = expression.Size(old, most)
	}
	return m.s.sizes[v] + expression.Size(x, most) + 1
}
