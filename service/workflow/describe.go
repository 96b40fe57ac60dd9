package workflow

import (
	"encoding/json"
	"strings"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
)

// Source is where that comes from which starts a workflow. It decides in how many
// locations workflows may be active at once.
type Source string

// The sources.
const (
	SourceClock  Source = "recurrence"
	SourceWindow Source = "sliding window"
	SourceCursor Source = "polling, cursor" // what is new is known here
	SourceQueue  Source = "polling, queue"  // what is new is known there, and receivers compete
	SourceCall   Source = "request"
	SourceHook   Source = "webhook"
	SourceBatch  Source = "batch"
)

// Description is what a definition says of how its workflow behaves when a location is
// lost.
type Description struct {
	Stateless bool
	Triggers  []DescribedTrigger
	// Held are actions that are not repeated when nobody knows how an attempt ended.
	Held []string
	// Calls says that actions wait to be called back.
	Calls bool
	// Problem is why the definition is not understood; empty: it is.
	Problem string
}

// DescribedTrigger is one of its triggers.
type DescribedTrigger struct {
	Name, Type string
	Source     Source
	// What is its inputs and its recurrence: equal texts start workflows by the same.
	What string
	// Sessions says that a queue is read in sessions; Takes, that what is found is taken
	// away from where it was before the run is done.
	Sessions, Takes bool
}

// Describe reads a definition (JSON, without a wrapping) of a kind: Stateful, Stateless or
// none.
func Describe(text []byte, kind string) Description {
	d := Description{Stateless: strings.EqualFold(kind, "Stateless")}
	root, err := document.Parse(text)
	if err != nil {
		d.Problem = "it is not JSON: " + err.Error()
		return d
	}
	w := definition.Wrapped{Kind: kind, Value: root, Path: document.Root}
	read, problems := definition.Read(w, definition.Settings{Expressions: language{}, Zones: zone})
	if read == nil || !definition.Valid(problems) {
		d.Problem = "it has mistakes"
		for _, p := range problems {
			if p.Severity == definition.Error {
				d.Problem = p.Message
				break
			}
		}
		return d
	}
	read.Actions.Each(func(a *definition.Action) {
		if metadata := a.Value.Get("metadata").Get("weir.idempotent"); metadata.Is(document.Bool) && !metadata.Bool {
			d.Held = append(d.Held, a.Name)
		}
		d.Calls = d.Calls || hooked(a.Type)
	})
	for _, t := range read.Triggers {
		one := DescribedTrigger{Name: t.Name, Type: t.Type, Source: sourceOf(t), What: what(t)}
		one.Sessions = strings.Contains(strings.ToLower(what(t)), "session")
		one.Takes = one.Source == SourceQueue && !strings.Contains(strings.ToLower(what(t)), "peek") ||
			one.Source == SourceCursor && removes(read, t)
		d.Triggers = append(d.Triggers, one)
	}
	return d
}

// hooked reports whether an action or trigger of a type is called from outside.
func hooked(typ string) bool {
	low := strings.ToLower(typ)
	return strings.HasSuffix(low, "webhook") || strings.HasSuffix(low, "notification")
}

// queues are words of providers and APIs whose receivers compete.
var queues = []string{"servicebus", "azurequeues", "eventhub", "rabbitmq", "/mq", "kafka", "confluent"}

func sourceOf(t *definition.Trigger) Source {
	switch {
	case t.Is("Recurrence"):
		return SourceClock
	case t.Is("SlidingWindow"):
		return SourceWindow
	case t.Is("Request", "Manual"):
		return SourceCall
	case t.Is("Batch"):
		return SourceBatch
	case hooked(t.Type):
		return SourceHook
	case t.Is("Http"):
		return SourceCursor
	}
	low := strings.ToLower(what(t))
	for _, word := range queues {
		if strings.Contains(low, word) {
			return SourceQueue
		}
	}
	return SourceCursor
}

// what writes what a trigger looks for, without its layout.
func what(t *definition.Trigger) string {
	var all []string
	for _, v := range []*document.Value{t.Inputs, t.Value.Get("recurrence")} {
		if !v.Given() {
			continue
		}
		text, err := json.Marshal(v.Plain(func(text string) any { return json.Number(text) }))
		if err != nil {
			text = v.Raw
		}
		all = append(all, string(text))
	}
	return strings.Join(all, " ")
}

// removes reports whether an action deletes or moves what a trigger of the same connector
// has found.
func removes(d *definition.Definition, t *definition.Trigger) bool {
	of := func(v *document.Value) (connector, operation string) {
		c := v.Get("serviceProviderConfiguration")
		connector, _ = c.Get("serviceProviderId").Str()
		operation, _ = c.Get("operationId").Str()
		if method, ok := v.Get("method").Str(); ok && connector == "" {
			if host := v.Get("host").Get("connection"); host != nil {
				connector, operation = string(host.Raw), method
			}
		}
		return connector, strings.ToLower(operation)
	}
	found, _ := of(t.Inputs)
	removed := false
	d.Actions.Each(func(a *definition.Action) {
		connector, operation := of(a.Inputs)
		removed = removed || connector != "" && connector == found && (strings.Contains(operation, "delete") || strings.Contains(operation, "move"))
	})
	return removed
}
