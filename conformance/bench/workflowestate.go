package bench

import (
	"fmt"

	"weir/conformance/server"
)

// The workflows that are measured.
const (
	fiveCalls = "five-calls"
	manySteps = "many-steps"
	appends5k = "appends"
	answers   = "answers"
	waits     = "waits"
	manual    = "manual" // the trigger of each
)

// stepsEach is how many actions that call nobody one run has.
const stepsEach = 100

type object = map[string]any

// workflowEstate declares them; standIn is what is called.
func workflowEstate(standIn string) []server.Resource {
	calls := object{}
	last := ""
	for n := range 5 {
		name := fmt.Sprintf("Call_%d", n+1)
		calls[name] = object{"type": "Http", "runAfter": after(last), "inputs": object{
			"method": "POST", "uri": standIn + "/call/bench", "headers": object{"Content-Type": "application/json"},
			"body": object{"id": "@{triggerBody()?['id']}-" + fmt.Sprint(n)},
		}}
		last = name
	}
	calls["Response"] = response(last, "@body('"+last+"')")

	steps := object{"Initialize": object{"type": "InitializeVariable", "runAfter": object{}, "inputs": object{
		"variables": []any{object{"name": "count", "type": "integer", "value": 0}},
	}}}
	last = "Initialize"
	for n := range stepsEach - 1 {
		name := fmt.Sprintf("Step_%d", n+1)
		if n%2 == 0 {
			steps[name] = object{"type": "Compose", "runAfter": after(last), "inputs": object{"n": n, "id": "@triggerBody()?['id']"}}
		} else {
			steps[name] = object{"type": "IncrementVariable", "runAfter": after(last), "inputs": object{"name": "count", "value": 1}}
		}
		last = name
	}
	steps["Response"] = response(last, "@variables('count')")

	foreach := object{
		"Initialize": object{"type": "InitializeVariable", "runAfter": object{}, "inputs": object{
			"variables": []any{object{"name": "all", "type": "array", "value": []any{}}},
		}},
		"Each": object{"type": "Foreach", "runAfter": after("Initialize"), "foreach": "@range(0, int(triggerBody()?['items']))", "actions": object{
			"Append": object{"type": "AppendToArrayVariable", "runAfter": object{}, "inputs": object{"name": "all", "value": "@item()"}},
		}},
		"Response": response("Each", object{"length": "@length(variables('all'))"}),
	}
	delay := object{
		"Delay": object{"type": "Wait", "runAfter": object{}, "inputs": object{"interval": object{"count": 1, "unit": "Day"}}},
		"After": object{"type": "Compose", "runAfter": after("Delay"), "inputs": "@triggerBody()"},
	}
	waiting := definition(delay)
	waiting["triggers"].(object)[manual].(object)["splitOn"] = "@triggerBody()?['all']"
	return []server.Resource{
		server.Workflow(fiveCalls, definition(calls)),
		server.Workflow(manySteps, definition(steps)),
		server.Workflow(appends5k, definition(foreach)),
		server.Workflow(answers, definition(object{"Response": response("", "@triggerBody()")})),
		server.Workflow(waits, waiting),
	}
}

// definition is one with a request trigger.
func definition(actions object) object {
	return object{
		"$schema":        "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
		"contentVersion": "1.0.0.0",
		"triggers":       object{manual: object{"type": "Request", "kind": "Http", "inputs": object{"schema": object{}}}},
		"actions":        actions,
	}
}

func after(name string) object {
	if name == "" {
		return object{}
	}
	return object{name: []any{"Succeeded"}}
}

func response(last string, body any) object {
	return object{"type": "Response", "kind": "Http", "runAfter": after(last), "inputs": object{"statusCode": 200, "body": body}}
}
