package run

import (
	"errors"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
)

// Trace computes the inputs of what is at a place once more and tells what each of their
// expressions gave. Variables have the values that they have now: for a run that went on
// since, that may be others than the action saw.
func Trace(s *State, p *Plan, e *Env, at Place) ([]*expression.Trace, error) {
	i := s.at(at)
	if i == nil || int(i.node) >= len(p.nodes) {
		return nil, fault.New(fault.NotFound, "The action has not been carried out.")
	}
	n := &p.nodes[i.node]
	if n.hideInputs {
		return nil, fault.New(fault.Forbidden, "The inputs of the action '%s' are secure: nothing of them is shown.", n.Action.Name)
	}
	if !n.inputs.given || n.inputs.Template == nil {
		return nil, nil
	}
	e.Limits = e.Limits.orDefault()
	m := &machine{s: s, p: p, e: e, now: e.Now.UnixMicro()}
	_, traces, err := n.inputs.EvalTraced(m.scope(i, n, nil, false), e.Limits.ExpressionBudget)
	if _, told := errors.AsType[*expression.Error](err); told {
		err = nil // it stands in the trace
	}
	if m.err != nil {
		err = m.err
	}
	if n.outside {
		for _, t := range traces {
			path := strings.ToLower(t.Path) // as Shown has it
			if slices.ContainsFunc(append([]string{"authentication", "subscriptionkey"}, keyHeaders...), func(secret string) bool { return strings.Contains(path, secret) }) || path == "headers" {
				t.Value, t.Error, t.Parts = sanitized, nil, nil
			}
		}
	}
	return traces, err
}
