package rest

import (
	"errors"
	"net/http"

	"weir/kernel/fault"
	"weir/service/workflow/internal/trigger"
)

// refusal is a fault with the code ARM clients know it by.
type refusal struct {
	error
	code string
}

// Unwrap gives the fault.
func (r refusal) Unwrap() error { return r.error }

// Code is what clients know it by.
func (r refusal) Code() string { return r.code }

func refuse(kind fault.Kind, code, format string, args ...any) error {
	return refusal{fault.New(kind, format, args...), code}
}

// coded gives an error a code, when it is of a kind and has none.
func coded(err error, kind fault.Kind, code string) error {
	if fault.Is(err, kind) {
		return refusal{err, code}
	}
	return err
}

func noWorkflow(name string) error {
	return refuse(fault.NotFound, "WorkflowNotFound", "The workflow '%s' could not be found.", name)
}

func noRun(workflow, name string) error {
	return refuse(fault.NotFound, "WorkflowRunNotFound", "The workflow '%s' run '%s' could not be found.", workflow, name)
}

func noAction(workflow, name, action string) error {
	return refuse(fault.NotFound, "WorkflowRunActionNotFound", "The workflow '%s' run '%s' action '%s' could not be found.", workflow, name, action)
}

func noRepetition(workflow, name, action, repetition string) error {
	return refuse(fault.NotFound, "WorkflowRunActionRepetitionNotFound", "The workflow '%s' run '%s' action '%s' repetition '%s' could not be found.", workflow, name, action, repetition)
}

func noTrigger(workflow, trigger string) error {
	return refuse(fault.NotFound, "WorkflowTriggerNotFound", "The workflow '%s' trigger '%s' could not be found.", workflow, trigger)
}

func noHistory(workflow, trigger, name string) error {
	return refuse(fault.NotFound, "WorkflowTriggerHistoryNotFound", "The workflow '%s' trigger '%s' history '%s' could not be found.", workflow, trigger, name)
}

func noVersion(workflow, version string) error {
	return refuse(fault.NotFound, "WorkflowVersionNotFound", "The workflow '%s' version '%s' could not be found.", workflow, version)
}

func unauthorized(err error) error {
	return coded(err, fault.Unauthorized, "DirectApiAuthorizationRequired")
}

func invalid(format string, args ...any) error {
	return refuse(fault.Invalid, "InvalidRequestContent", format, args...)
}

// told gives what a trigger says of a request as a fault that keeps its code.
func told(err error) error {
	said, ok := errors.AsType[*trigger.Refusal](err)
	if !ok {
		return err
	}
	kind := fault.Invalid
	switch said.Status {
	case http.StatusNotFound:
		kind = fault.NotFound
	case http.StatusConflict:
		kind = fault.Conflict
	case http.StatusTooManyRequests:
		kind = fault.TooManyRequests
	case http.StatusRequestEntityTooLarge:
		kind = fault.TooLarge
	}
	return refuse(kind, said.Code, "%s", said.Message)
}
