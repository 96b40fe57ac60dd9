package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const (
	workflowType    = "Microsoft.Logic/workflows"
	workflowVersion = "api-version=2019-05-01"
)

// WorkflowUnits is what the names of units begin with that hold workflows.
const WorkflowUnits = "workflows-"

// Workflow declares a workflow with its definition.
func Workflow(name string, definition map[string]any) Resource {
	return Resource{Type: workflowType, Name: name, Properties: map[string]any{"state": "Enabled", "definition": definition}}
}

// WorkflowID is the resource id of a workflow.
func WorkflowID(name string) string { return Scope + "/providers/" + workflowType + "/" + name }

// Callback asks for the address that starts runs of a workflow, and gives what comes
// after host and port.
func (s *Server) Callback(ctx context.Context, workflow, trigger string) (string, error) {
	var answer struct {
		Value string `json:"value"`
	}
	err := s.arm(ctx, http.MethodPost, WorkflowID(workflow)+"/triggers/"+trigger+"/listCallbackUrl?"+workflowVersion, &answer)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(answer.Value)
	if err != nil || u.RequestURI() == "" {
		return "", fmt.Errorf("callback of %s/%s: %q: %w", workflow, trigger, answer.Value, err)
	}
	return u.RequestURI(), nil
}

// Run is a run as its history has it.
type Run struct {
	Name       string `json:"name"`
	Properties struct {
		Status      string `json:"status"`
		EndTime     string `json:"endTime"`
		Code        string `json:"code"`
		Correlation struct {
			ClientTrackingID string `json:"clientTrackingId"`
		} `json:"correlation"`
		Trigger struct {
			Name          string `json:"name"`
			ScheduledTime string `json:"scheduledTime"`
		} `json:"trigger"`
	} `json:"properties"`
}

// Token is what the run was asked for with, or the time at which it was due.
func (r *Run) Token() string {
	if r.Properties.Trigger.ScheduledTime != "" {
		return r.Properties.Trigger.ScheduledTime
	}
	return r.Properties.Correlation.ClientTrackingID
}

// pagesMax bounds how many pages of runs are read.
const pagesMax = 10_000

// Runs lists the runs of a workflow; filter is that of ARM's list, and may be empty.
func (s *Server) Runs(ctx context.Context, workflow, filter string) (all []Run, err error) {
	next := WorkflowID(workflow) + "/runs?" + workflowVersion + "&$top=250"
	if filter != "" {
		next += "&$filter=" + url.QueryEscape(filter)
	}
	for range pagesMax {
		var page struct {
			Value    []Run  `json:"value"`
			NextLink string `json:"nextLink"`
		}
		if err := s.arm(ctx, http.MethodGet, next, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.NextLink == "" {
			return all, nil
		}
		u, err := url.Parse(page.NextLink)
		if err != nil {
			return nil, err
		}
		next = u.RequestURI()
	}
	return nil, fmt.Errorf("%s has more than %d pages of runs", workflow, pagesMax)
}

// ActOnWorkflow enables or disables a workflow, or whatever else is asked of it by a verb.
func (s *Server) ActOnWorkflow(ctx context.Context, workflow, verb string) error {
	return s.arm(ctx, http.MethodPost, WorkflowID(workflow)+"/"+verb+"?"+workflowVersion, nil)
}

// arm asks the ARM door with the administration token.
func (s *Server) arm(ctx context.Context, method, path string, answer any) error {
	code, body, err := s.Ask(ctx, method, path, nil)
	switch {
	case err != nil:
		return err
	case code >= http.StatusMultipleChoices:
		short, _, _ := strings.Cut(path, "?")
		return fmt.Errorf("%s %s: %d %s", method, short, code, body)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(body, answer)
}

// Post sends JSON to a path of the plain HTTP door at some address, as anybody may who
// has a callback URL.
func Post(ctx context.Context, client *http.Client, addr, path, tracking string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if tracking != "" {
		req.Header.Set("x-ms-client-tracking-id", tracking)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, bodyBytesMax))
	return resp.StatusCode, answer, err
}
