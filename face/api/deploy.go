package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"weir/face/answer"
	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// Deployed is the answer of POST /deploy. It is stable: programs read it.
type Deployed struct {
	Resources []Outcome `json:"resources"`
}

// Outcome is what became of one resource of a file.
type Outcome struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Name    string `json:"name"`    // from its provider on: namespace/queue
	Outcome string `json:"outcome"` // created, updated or unchanged
}

// deploy applies a file of resources: all of it or nothing.
func (a *API) deploy(w http.ResponseWriter, r *http.Request) {
	results, err := a.apply(r)
	if err = a.noteDeploy(r, w.Header().Get("x-ms-request-id"), err); err != nil {
		answer.Refuse(w, r, a.o.Logger, r.URL.Query().Get("name"), err)
		return
	}
	answer.JSON(w, http.StatusOK, Deployed{Outcomes(results)})
}

func (a *API) apply(r *http.Request) ([]resource.Result, error) {
	body, err := answer.Read(r)
	if err != nil {
		return nil, err
	}
	docs, err := resource.ParseFile(body, a.o.Scope, a.o.Importers...)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		if err := a.may(r, d.Type()+"/write", d.ID); err != nil {
			return nil, err
		}
		if err := a.decided(r, d.ID); err != nil {
			return nil, err
		}
	}
	put := a.o.Registry.PutAll
	if a.own(r) {
		put = a.o.Registry.PutAllOfService
	}
	results, err := put(r.Context(), docs)
	if err == nil {
		a.applied(r, docs...)
	}
	return results, err
}

// noteDeploy writes a file that was applied, or refused, into the audit log.
func (a *API) noteDeploy(r *http.Request, request string, err error) error {
	c := callerOf(r.Context())
	e := audit.Entry{
		Caller: c.Principal.Name, Action: "Microsoft.Resources/deployments/write", Scope: a.o.Scope.String(), Door: "deploy", Peer: c.Peer,
		Outcome: audit.Succeeded, Correlation: request,
	}
	if err != nil {
		e.Outcome, e.Code, e.Reason = audit.Failed, answer.Code(err), fault.Sentence(err)
		if fault.Is(err, fault.Forbidden) {
			e.Outcome = audit.Refused
		}
	}
	if failed := a.o.Audit.Note(r.Context(), e); failed != nil && err == nil {
		return fault.Wrap(fault.Unavailable, failed, "It was done, but the audit log could not take it down: look at what is there before you try again.")
	}
	return err
}

// may asks whether the caller may do something.
func (a *API) may(r *http.Request, action string, id resource.ID) error {
	if a.o.Authorize == nil {
		return nil
	}
	return a.o.Authorize(callerOf(r.Context()).Principal, action, id.String())
}

// appliedWait is how long a change's answer waits for it to be in force.
const appliedWait = 5 * time.Second

// applied waits until what was changed is in force, so that a client that was
// answered finds it so. The change itself is durable already: a wait in vain is
// said in the log.
func (a *API) applied(r *http.Request, docs ...resource.Document) {
	if a.o.Applied == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), appliedWait)
	defer cancel()
	seen := map[string]bool{}
	for _, d := range docs {
		top := d.ID
		for p := top.Parent(); len(p.Names()) > 0; p = p.Parent() {
			top = p
		}
		if seen[top.Key()] {
			continue
		}
		seen[top.Key()] = true
		if err := a.o.Applied(ctx, d.ID); err != nil {
			a.o.Logger.Warn("a change is declared and not in force yet", "resource", d.ID.String(), "error", fault.Detail(err))
		}
	}
}

// Outcomes tells what became of resources.
func Outcomes(results []resource.Result) []Outcome {
	all := make([]Outcome, 0, len(results))
	for _, one := range results {
		o := Outcome{ID: one.Document.ID.String(), Type: one.Document.Type(), Name: strings.Join(one.Document.ID.Names(), "/"), Outcome: "unchanged"}
		switch {
		case one.Created:
			o.Outcome = "created"
		case one.Changed:
			o.Outcome = "updated"
		}
		all = append(all, o)
	}
	return all
}
