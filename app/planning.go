package app

import (
	"encoding/json"
	"slices"
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
	w.Needs = connectionsOf(d.Properties["parameters"])
	return w
}

// connectionsOf are the connections that the parameters of a workflow name.
func connectionsOf(parameters any) []core.WorkflowNeed {
	connections, _ := inObject(inObject(parameters, "$connections"), "value").(map[string]any)
	var all []core.WorkflowNeed
	for name, one := range connections {
		id, _ := inObject(one, "connectionId").(string)
		all = append(all, core.WorkflowNeed{Kind: "connection", Name: name, ID: id, Where: "parameters.$connections.value." + name})
	}
	slices.SortFunc(all, func(a, b core.WorkflowNeed) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// inObject is a member of an object, nil when there is none.
func inObject(of any, name string) any {
	o, _ := of.(map[string]any)
	return o[name]
}
