package rest

import (
	"encoding/json"
	"net/http"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// repeat decides about the attempts of an action that are held, because nobody knows how
// they ended and the action must not be repeated without being asked: they are made again,
// or taken for answered. Azure has no such thing; there such a run is lost.
//
//	POST .../runs/{run}/actions/{action}/repeat
//	{"answer": {"statusCode": 200, "headers": {}, "body": {}}}
func (q *request) repeat(i host.RunInfo, action string) error {
	if err := q.post(); err != nil {
		return err
	}
	var given struct {
		Answer *struct {
			StatusCode int             `json:"statusCode"`
			Headers    json.RawMessage `json:"headers"`
			Body       json.RawMessage `json:"body"`
		} `json:"answer"`
	}
	if err := q.body(&given); err != nil {
		return err
	}
	var answer *run.Answer
	if a := given.Answer; a != nil {
		if a.StatusCode < 100 || a.StatusCode > 599 {
			return fault.New(fault.Invalid, "The answer's statusCode is %d: it is what the call would have been answered with, such as 200.", a.StatusCode)
		}
		answer = &run.Answer{Status: a.StatusCode}
		for text, take := range map[*json.RawMessage]func(any){
			&a.Headers: func(v any) { answer.Headers, _ = v.(*expression.Object) },
			&a.Body:    func(v any) { answer.Body = v },
		} {
			if len(*text) == 0 {
				continue
			}
			v, err := expression.ParseJSON(string(*text))
			if err != nil {
				return fault.Wrap(fault.Invalid, err, "The answer cannot be read.")
			}
			take(v)
		}
	}
	at, err := q.held(i, action)
	if err != nil {
		return err
	}
	if len(at) == 0 {
		return fault.New(fault.Conflict, "No attempt of the action '%s' of the run '%s' is held: there is nothing to decide.", action, i.Name)
	}
	for _, place := range at {
		if err := q.flow.Runs.Repeat(q.Context(), q.flow.Name, i.Name, place, answer); err != nil {
			return err
		}
	}
	return q.answers(http.StatusOK, object{"decided": len(at)})
}

// held are the places of an action whose attempts are held.
func (q *request) held(i host.RunInfo, action string) (at []run.Place, err error) {
	for _, list := range []func() ([]host.ActionInfo, error){
		func() ([]host.ActionInfo, error) { return q.flow.Runs.Actions(q.Context(), q.flow.Name, i.Name) },
		func() ([]host.ActionInfo, error) {
			return q.flow.Runs.Repetitions(q.Context(), q.flow.Name, i.Name, action)
		},
	} {
		all, err := list()
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			if sameName(a.Name, action) && a.Status == run.Suspended {
				at = append(at, a.At)
			}
		}
	}
	return at, nil
}
