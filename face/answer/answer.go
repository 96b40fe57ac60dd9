// Package answer is how the HTTP doors answer: JSON, and refusals in the shape of Azure
// Resource Manager, {"error":{"code","message","target","details"}}.
//
// It promises:
//  1. The mapping from kinds of fault to statuses and codes is one table. A fault may
//     carry a code of its own where its kind does not say it all.
//  2. Only sentences leave the house; private causes go to the log.
//  3. What is read from a request is bounded by what its body was limited to.
//
// It refuses to know what is asked and by whom.
package answer

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// meaning is what a kind of fault is in HTTP: the status by who must act (4xx the
// caller, 5xx us), and the code ARM clients know it by.
type meaning struct {
	status int
	code   string
}

// statusClientGone is what a log says of a request whose caller gave up; nobody
// reads the answer.
const statusClientGone = 499

// meanings is the one place that maps faults to HTTP. A kind that is not here is
// Internal.
var meanings = map[fault.Kind]meaning{
	fault.Internal:              {http.StatusInternalServerError, "InternalServerError"},
	fault.Invalid:               {http.StatusBadRequest, "BadRequest"},
	fault.NotFound:              {http.StatusNotFound, "ResourceNotFound"},
	fault.AlreadyExists:         {http.StatusConflict, "AlreadyExists"},
	fault.Unauthorized:          {http.StatusUnauthorized, "AuthenticationFailed"},
	fault.Forbidden:             {http.StatusForbidden, "AuthorizationFailed"},
	fault.Conflict:              {http.StatusConflict, "Conflict"},
	fault.PreconditionFailed:    {http.StatusPreconditionFailed, "PreconditionFailed"},
	fault.Disabled:              {http.StatusConflict, "EntityDisabled"},
	fault.QuotaExceeded:         {http.StatusForbidden, "QuotaExceeded"},
	fault.TooLarge:              {http.StatusRequestEntityTooLarge, "RequestEntityTooLarge"},
	fault.LockLost:              {http.StatusGone, "MessageLockLost"},
	fault.SessionLockLost:       {http.StatusGone, "SessionLockLost"},
	fault.SessionUnavailable:    {http.StatusConflict, "SessionCannotBeLocked"},
	fault.MessageNotFound:       {http.StatusNotFound, "MessageNotFound"},
	fault.Timeout:               {http.StatusGatewayTimeout, "Timeout"},
	fault.Busy:                  {http.StatusServiceUnavailable, "ServerBusy"},
	fault.NotOwner:              {http.StatusServiceUnavailable, "NotOwner"},
	fault.Unavailable:           {http.StatusServiceUnavailable, "ServiceUnavailable"},
	fault.Unsupported:           {http.StatusNotImplemented, "NotImplemented"},
	fault.Canceled:              {statusClientGone, "Canceled"},
	fault.TransactionUnknown:    {http.StatusNotFound, "TransactionNotFound"},
	fault.TransactionRolledBack: {http.StatusConflict, "TransactionRolledBack"},
	fault.FilterFailed:          {http.StatusBadRequest, "FilterFailed"},
	fault.Damaged:               {http.StatusInternalServerError, "Damaged"},
	fault.TooManyRequests:       {http.StatusTooManyRequests, "TooManyRequests"},
	fault.MethodNotAllowed:      {http.StatusMethodNotAllowed, "MethodNotAllowed"},
	fault.PayloadMissing:        {http.StatusInternalServerError, "PayloadMissing"},
}

// retryAfter is what a caller is asked to wait before it tries a 503 or 429 again.
const retryAfterSeconds = "1"

// Body is ARM's error answer.
type Body struct {
	Error Detail `json:"error"`
}

// Detail says what went wrong: a code for programs, a message for people,
// the part of the request it is about, and the single problems if there are several.
type Detail struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Target  string   `json:"target,omitempty"`
	Details []Detail `json:"details,omitempty"`
}

// coded is an error with a code that says more than its kind: what was not found, or
// why there is a conflict.
type coded struct {
	error
	code string
}

func (c coded) Unwrap() error { return c.error }
func (c coded) Code() string  { return c.code }

// withCode is such an error, whoever made it.
type withCode interface {
	error
	Code() string
}

// Coded gives an error the code ARM clients know it by, in place of its kind's.
func Coded(code string, err error) error {
	if err == nil {
		return nil
	}
	return coded{err, code}
}

// codeOf is the code of an error and the status it goes with.
func codeOf(err error) (code string, status int) {
	m, ok := meanings[fault.KindOf(err)]
	if !ok {
		m = meanings[fault.Internal]
	}
	if own, ok := errors.AsType[withCode](err); ok && own.Code() != "" {
		return own.Code(), m.status
	}
	return m.code, m.status
}

// Code is the code an error is answered with.
func Code(err error) string {
	code, _ := codeOf(err)
	return code
}

// Refuse answers a request with a fault. Only its sentence leaves the house; the
// causes of what is ours to mend go to the log.
func Refuse(w http.ResponseWriter, r *http.Request, log *slog.Logger, target string, err error) {
	code, status := codeOf(err)
	kind := fault.KindOf(err)
	if status >= 500 && kind != fault.Unsupported {
		log.Warn("a request failed", "method", r.Method, "path", r.URL.Path, "kind", kind.String(), "error", fault.Detail(err))
	}
	switch status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", retryAfterSeconds)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="weir"`)
	}
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set(kindHeader, kind.String())
	JSON(w, status, Body{Of(target, err)})
}

// kindHeader names the kind of a refusal, for nodes that ask each other.
const kindHeader = "Weir-Fault"

// Of is the answer's error: the problems of a refused document one by one.
func Of(target string, err error) Detail {
	code, _ := codeOf(err)
	d := Detail{Code: code, Message: fault.Sentence(err), Target: target}
	if problems, ok := errors.AsType[resource.Problems](err); ok {
		for _, p := range problems {
			one := Detail{Code: code, Message: p.String(), Target: p.Path}
			if p.Code != "" {
				one.Code = p.Code
			}
			d.Details = append(d.Details, one)
		}
	}
	return d
}

// FaultOf turns an error answer back into the fault it was: for a node that asks
// another.
func FaultOf(status int, header http.Header, data []byte) error {
	var body Body
	_ = json.Unmarshal(data, &body) // anything else has no message
	if body.Error.Message == "" {
		body.Error.Message = "The other node refused without a reason."
	}
	code, named := header.Get("x-ms-error-code"), header.Get(kindHeader)
	for kind, m := range meanings {
		if named == kind.String() || named == "" && m.code == code {
			err := error(fault.New(kind, "%s", body.Error.Message))
			if m.code != code && code != "" {
				err = Coded(code, err)
			}
			return err
		}
	}
	if status == http.StatusServiceUnavailable {
		return fault.New(fault.Unavailable, "%s", body.Error.Message)
	}
	return fault.New(fault.Internal, "%s", body.Error.Message)
}

// JSON answers with a JSON body.
func JSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // the client may be gone
}

// Read reads a request's body of bounded size.
func Read(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, fault.New(fault.TooLarge, "The body is larger than %d bytes.", tooBig.Limit)
		}
		return nil, fault.Wrap(fault.Canceled, err, "The body did not arrive whole.")
	}
	return body, nil
}
