package api

import (
	"encoding/json"
	"errors"
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

// ErrorBody is ARM's error answer.
type ErrorBody struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail says what went wrong: a code for programs, a message for people,
// the part of the request it is about, and the single problems if there are several.
type ErrorDetail struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Target  string        `json:"target,omitempty"`
	Details []ErrorDetail `json:"details,omitempty"`
}

// refuse answers a request with a fault. Only its sentence leaves the house; the
// causes of what is ours to mend go to the log.
func refuse(w http.ResponseWriter, r *http.Request, log *slog.Logger, target string, err error) {
	kind := fault.KindOf(err)
	m, ok := meanings[kind]
	if !ok {
		m = meanings[fault.Internal]
	}
	if m.status >= 500 && kind != fault.Unsupported {
		log.Warn("a request failed", "method", r.Method, "path", r.URL.Path, "kind", kind.String(), "error", fault.Detail(err))
	}
	switch m.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", retryAfterSeconds)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="weir"`)
	}
	w.Header().Set("x-ms-error-code", m.code)
	writeJSON(w, m.status, ErrorBody{detail(m.code, target, err)})
}

// FaultOf turns an error answer back into the fault it was: for a node that asks
// another.
func FaultOf(status int, header http.Header, data []byte) error {
	var body ErrorBody
	_ = json.Unmarshal(data, &body) // anything else has no message
	if body.Error.Message == "" {
		body.Error.Message = "The other node refused without a reason."
	}
	code := header.Get("x-ms-error-code")
	for kind, m := range meanings {
		if m.code == code {
			return fault.New(kind, "%s", body.Error.Message)
		}
	}
	if status == http.StatusServiceUnavailable {
		return fault.New(fault.Unavailable, "%s", body.Error.Message)
	}
	return fault.New(fault.Internal, "%s", body.Error.Message)
}

// detail lists the problems of a refused document one by one.
func detail(code, target string, err error) ErrorDetail {
	d := ErrorDetail{Code: code, Message: fault.Sentence(err), Target: target}
	if problems, ok := errors.AsType[resource.Problems](err); ok {
		for _, p := range problems {
			d.Details = append(d.Details, ErrorDetail{Code: code, Message: p.String(), Target: p.Path})
		}
	}
	return d
}

// writeJSON answers with a JSON body.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // the client may be gone
}
