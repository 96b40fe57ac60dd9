package http

import (
	nethttp "net/http"
	"strconv"
	"strings"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/callback"
)

// KeyHeader carries what is the same whenever an attempt is made again, AttemptHeader
// which attempt it is.
const (
	KeyHeader     = "Weir-Idempotency-Key"
	AttemptHeader = "Weir-Attempt"
)

// track says which run and action a request is of. What the definition says itself stays.
func track(h nethttp.Header, call *connector.Call, agent string) {
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", agent)
	}
	if hasOption(call, "SuppressWorkflowHeaders") {
		return
	}
	w := &call.Who
	set := func(name, value string) {
		if value != "" && h.Get(name) == "" {
			h.Set(name, value)
		}
	}
	if w.Workflow != "" {
		set("x-ms-workflow-id", callback.ID(w.Workflow))
	}
	set("x-ms-workflow-name", last(w.Workflow))
	set("x-ms-workflow-subscription-id", segment(w.Workflow, "subscriptions"))
	set("x-ms-workflow-resourcegroup-name", segment(w.Workflow, "resourceGroups"))
	set("x-ms-workflow-run-id", w.Run)
	set("x-ms-workflow-run-tracking-id", w.RunTracking)
	set("x-ms-workflow-operation-name", w.Action)
	set("x-ms-client-tracking-id", w.ClientTracking)
	set("x-ms-action-tracking-id", w.ActionTracking)
	set("x-ms-tracking-id", w.ActionTracking)
	set("x-ms-correlation-id", w.ActionTracking)
	set("x-ms-client-request-id", w.ActionTracking)
	set(KeyHeader, w.Key)
	if w.Attempt > 0 {
		set(AttemptHeader, strconv.Itoa(int(w.Attempt)))
	}
}

func last(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// segment gives what follows a name in a resource id.
func segment(id, name string) string {
	parts := strings.Split(id, "/")
	for i := 0; i+1 < len(parts); i++ {
		if strings.EqualFold(parts[i], name) {
			return parts[i+1]
		}
	}
	return ""
}
