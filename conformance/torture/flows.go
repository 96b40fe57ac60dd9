package torture

import (
	"fmt"

	"weir/conformance/server"
	"weir/conformance/torture/ledger"
)

// The workflows under torture. Each run says in its calls which one it is, and has a
// token: what it was asked for with, the item that was polled, the time it was due.
const (
	flowAnswer = "answer" // answers its caller in the middle
	flowLoop   = "loop"   // calls in a Foreach
	flowTimer  = "timer"
	flowHook   = "hook"  // waits to be called back
	flowAsync  = "async" // an action that is accepted and asked about
	flowParent = "parent"
	flowChild  = "child" // is started by parent, and answers it
	flowPolled = "polled"
	flowFiles  = "files" // takes files out of a folder
	flowTicks  = "ticks" // recurs
)

// asked are the workflows that clients start.
var askedFlows = []string{flowAnswer, flowLoop, flowTimer, flowHook, flowAsync, flowParent}

// triggerName is the name of every trigger.
const triggerName = "begin"

// The sizes of things.
const (
	loopItems    = 5
	timerSeconds = 3
	tickSeconds  = 2
	pollSeconds  = 1
	retrySeconds = 5 // the least that definitions may say
	retriesEach  = 12
	loopAtOnce   = 3
	delayMs      = timerSeconds * 1000
	pollsStartAt = "/items/" + flowPolled + "?after=0"
	ticksStartAt = "2026-01-01T00:00:00Z"
)

// flowShapes is what a finished run of each has done.
func flowShapes() []ledger.Shape {
	return []ledger.Shape{
		{Workflow: flowAnswer, Steps: []ledger.Step{{Action: "First"}, {Action: "Second", After: "First"}}},
		{Workflow: flowLoop, Steps: []ledger.Step{{Action: "Begin"}, {Action: "Each", Items: loopItems, After: "Begin"}, {Action: "End", After: "Each"}}},
		{Workflow: flowTimer, Steps: []ledger.Step{{Action: "Begin"}, {Action: "End", After: "Begin", Pause: delayMs}}},
		{Workflow: flowHook, Steps: []ledger.Step{{Action: "Wait"}, {Action: "Leave", After: "Wait"}, {Action: "End", After: "Leave"}}},
		{Workflow: flowAsync, Steps: []ledger.Step{{Action: "Slow"}, {Action: "End", After: "Slow"}}},
		{Workflow: flowParent, Steps: []ledger.Step{{Action: "Begin"}, {Action: "End", After: "Begin"}}},
		{Workflow: flowChild, Within: flowParent, Steps: []ledger.Step{{Action: "Only"}}},
		{Workflow: flowPolled, Steps: []ledger.Step{{Action: "Take"}}},
		{Workflow: flowFiles, Steps: []ledger.Step{{Action: "Take"}, {Action: "End", After: "Take"}}},
		{Workflow: flowTicks, Steps: []ledger.Step{{Action: "Tick"}}},
	}
}

type object = map[string]any

// flowEstate declares them; standIn is the base address of what is called.
func flowEstate(standIn string) []server.Resource {
	w := world{standIn}
	asked := object{"type": "Request", "kind": "Http", "inputs": object{"schema": object{}}}
	token := "@{triggerBody()?['token']}"
	call := func(flow, action, after string) object { return w.http("call", flow, action, token, after) }
	response := func(after string) object {
		return object{"type": "Response", "kind": "Http", "runAfter": runAfter(after), "inputs": object{"statusCode": 200, "body": object{"run": "@workflow()?['run']?['name']"}}}
	}
	each := call(flowLoop, "Each", "")
	each["inputs"].(object)["uri"] = each["inputs"].(object)["uri"].(string) + "&item=@{items('Loop')}"
	hook := call(flowHook, "Wait", "")["inputs"].(object)
	hook["uri"] = w.uri("hook", flowHook, "Wait", token) + "&callback=@{encodeUriComponent(listCallbackUrl())}"
	// Who is not waited for any more can not be answered; the run goes on all the same.
	second := call(flowAnswer, "Second", "")
	second["runAfter"] = object{"Response": whatever}
	answered := object{"type": "Compose", "runAfter": object{"Response": whatever}, "inputs": token}
	// One that is removed again, since the process ended between, is not there any more.
	removed := w.http("call", flowFiles, "End", "@{triggerBody()?['name']}", "")
	removed["runAfter"] = object{"Remove": whatever}
	return []server.Resource{
		server.Workflow(flowAnswer, definition(asked, object{
			"First": call(flowAnswer, "First", ""), "Response": response("First"), "Second": second,
		})),
		server.Workflow(flowLoop, definition(asked, object{
			"Begin": call(flowLoop, "Begin", ""),
			"Loop": object{"type": "Foreach", "runAfter": runAfter("Begin"), "foreach": fmt.Sprintf("@range(0, %d)", loopItems),
				"runtimeConfiguration": object{"concurrency": object{"repetitions": loopAtOnce}}, "actions": object{"Each": each}},
			"End": call(flowLoop, "End", "Loop"),
		})),
		server.Workflow(flowTimer, definition(asked, object{
			"Begin": call(flowTimer, "Begin", ""),
			"Delay": object{"type": "Wait", "runAfter": runAfter("Begin"), "inputs": object{"interval": object{"count": timerSeconds, "unit": "Second"}}},
			"End":   call(flowTimer, "End", "Delay"),
		})),
		server.Workflow(flowHook, definition(asked, object{
			"Wait": object{"type": "HttpWebhook", "runAfter": object{}, "inputs": object{
				"subscribe": hook, "unsubscribe": object{"method": "POST", "uri": w.uri("leave", flowHook, "Leave", token)},
			}},
			"End": call(flowHook, "End", "Wait"),
		})),
		server.Workflow(flowAsync, definition(asked, object{
			"Slow": w.http("slow", flowAsync, "Slow", token, ""), "End": call(flowAsync, "End", "Slow"),
		})),
		server.Workflow(flowChild, definition(asked, object{"Only": call(flowChild, "Only", ""), "Response": response("Only"), "Answered": answered})),
		server.Workflow(flowParent, definition(asked, object{
			"Begin": call(flowParent, "Begin", ""),
			"Child": object{"type": "Workflow", "runAfter": runAfter("Begin"), "inputs": object{
				"host": object{"triggerName": triggerName, "workflow": object{"id": server.WorkflowID(flowChild)}}, "body": object{"token": token},
			}},
			"End": call(flowParent, "End", "Child"),
		})),
		server.Workflow(flowPolled, definition(object{
			"type": "Http", "recurrence": object{"frequency": "Second", "interval": pollSeconds}, "splitOn": "@triggerBody()",
			"inputs": object{"method": "GET", "uri": standIn + pollsStartAt},
		}, object{"Take": call(flowPolled, "Take", "")})),
		server.Workflow(flowFiles, definition(object{
			"type": "ServiceProvider", "recurrence": object{"frequency": "Second", "interval": pollSeconds}, "splitOn": "@triggerOutputs()?['body']",
			"inputs": provider("whenFilesAreAdded", object{"folderPath": "/in"}),
		}, object{
			"Take":   w.http("call", flowFiles, "Take", "@{triggerBody()?['name']}", ""),
			"Remove": object{"type": "ServiceProvider", "runAfter": runAfter("Take"), "inputs": provider("deleteFile", object{"filePath": "@triggerBody()?['path']"})},
			"End":    removed,
		})),
		server.Workflow(flowTicks, definition(object{
			"type": "Recurrence", "recurrence": object{"frequency": "Second", "interval": tickSeconds, "startTime": ticksStartAt},
		}, object{"Tick": w.http("call", flowTicks, "Tick", "@{encodeUriComponent(trigger()?['scheduledTime'])}", "")})),
	}
}

// filesConnection is the name of the connection to the folder.
const filesConnection = "inbox"

// provider is an operation on that folder.
func provider(operation string, parameters object) object {
	return object{"parameters": parameters, "serviceProviderConfiguration": object{
		"connectionName": filesConnection, "operationId": operation, "serviceProviderId": "/serviceProviders/fileSystem",
	}}
}

// flowConnections declares what each location has for itself: the way to the folder.
func flowConnections(folder string) []server.Resource {
	return []server.Resource{{Type: "Microsoft.Web/connections", Name: filesConnection, Properties: object{
		"api": object{"id": "/serviceProviders/fileSystem"}, "parameterValues": object{"rootFolder": folder, "settleSeconds": "0.1"},
	}}}
}

// world is what is called.
type world struct{ at string }

// uri is where an action of a workflow is carried out.
func (w world) uri(how, flow, action, token string) string {
	return fmt.Sprintf("%s/%s/%s/%s?token=%s&run=@{workflow()?['run']?['name']}", w.at, how, flow, action, token)
}

// http is an action that calls, and tries again when it must.
func (w world) http(how, flow, action, token, after string) object {
	return object{"type": "Http", "runAfter": runAfter(after), "inputs": object{
		"method": "POST", "uri": w.uri(how, flow, action, token),
		"retryPolicy": object{"type": "fixed", "count": retriesEach, "interval": fmt.Sprintf("PT%dS", retrySeconds)},
	}}
}

// whatever became of an action.
var whatever = []any{"Succeeded", "Failed", "Skipped", "TimedOut"}

func runAfter(action string) object {
	if action == "" {
		return object{}
	}
	return object{action: []any{"Succeeded"}}
}

func definition(trigger, actions object) object {
	return object{
		"$schema":        "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
		"contentVersion": "1.0.0.0",
		"triggers":       object{triggerName: trigger},
		"actions":        actions,
	}
}
