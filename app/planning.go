package app

import (
	"cmp"
	"encoding/json"
	"strings"

	"weir/operate/plan"
	"weir/operate/plan/core"
	"weir/service/workflow"
)

// Types of resources that are read as workflows.
const (
	typeLogicWorkflow = "Microsoft.Logic/workflows"
	typeSiteWorkflow  = "Microsoft.Web/sites/workflows"
)

// Planning is what `weir plan` has to know of the services' resources.
func Planning() plan.Knowledge {
	return plan.Knowledge{Types: Types(), Workflow: plannedWorkflow}
}

// plannedWorkflow reads a resource as a workflow.
func plannedWorkflow(d core.Document) *core.Workflow {
	w := &core.Workflow{}
	switch {
	case strings.EqualFold(d.Type, typeLogicWorkflow):
		state, _ := d.Properties["state"].(string)
		w.Disabled = strings.EqualFold(state, "Disabled")
	case strings.EqualFold(d.Type, typeSiteWorkflow):
		w.Site, _, _ = strings.Cut(d.ID, d.ID[strings.LastIndex(strings.ToLower(d.ID), "/workflows/"):])
	default:
		return nil
	}
	kind, _ := d.Properties["kind"].(string)
	text, err := json.Marshal(d.Properties["definition"])
	if err != nil || d.Properties["definition"] == nil {
		w.Err = "it has no definition"
		return w
	}
	about := workflow.Describe(text, kind)
	w.Stateless, w.Held, w.Calls, w.Err = about.Stateless, about.Held, about.Calls, about.Problem
	for _, t := range about.Triggers {
		w.Triggers = append(w.Triggers, core.Trigger{Name: t.Name, Type: t.Type, Source: core.Source(t.Source), What: t.What, Sessions: t.Sessions, Takes: t.Takes})
	}
	w.Needs, err = needsOf(text, d.Properties["parameters"])
	if err != nil {
		w.Err = err.Error()
	}
	return w
}

// needsOf are what a definition asks of each location.
func needsOf(definition []byte, parameters any) ([]core.WorkflowNeed, error) {
	var given []byte
	if parameters != nil {
		text, err := json.Marshal(parameters)
		if err != nil {
			return nil, err
		}
		given = text
	}
	needs, err := workflow.Needs(definition, given)
	var all []core.WorkflowNeed
	for _, n := range needs {
		all = append(all, core.WorkflowNeed{Kind: n.Kind, Name: cmp.Or(n.Name, n.ID), ID: n.ID, Where: n.Where})
	}
	return all, err
}
