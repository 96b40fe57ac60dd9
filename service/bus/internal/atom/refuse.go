package atom

import (
	"errors"
	"fmt"
	"net/http"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/service/bus/internal/answer"
)

// meaning is what a kind of fault is in the admin API: a status, and the sub-code that
// clients look for in the text; 0 for none.
type meaning struct {
	status  int
	subCode int
}

// meanings maps every kind, here and nowhere else. A kind that is not here is Internal.
var meanings = map[fault.Kind]meaning{
	fault.Internal:           {http.StatusInternalServerError, 50000},
	fault.Invalid:            {http.StatusBadRequest, 40000},
	fault.NotFound:           {http.StatusNotFound, 40400},
	fault.AlreadyExists:      {http.StatusConflict, 40900},
	fault.Unauthorized:       {http.StatusUnauthorized, 0},
	fault.Forbidden:          {http.StatusUnauthorized, 40100},
	fault.Conflict:           {http.StatusConflict, 40901},
	fault.PreconditionFailed: {http.StatusPreconditionFailed, 41200},
	fault.Disabled:           {http.StatusForbidden, 40301},
	fault.QuotaExceeded:      {http.StatusForbidden, 40300},
	fault.TooLarge:           {http.StatusRequestEntityTooLarge, 41300},
	fault.Timeout:            {http.StatusGatewayTimeout, 50400},
	fault.Busy:               {http.StatusServiceUnavailable, 50300},
	fault.NotOwner:           {http.StatusServiceUnavailable, 50300},
	fault.Unavailable:        {http.StatusServiceUnavailable, 50300},
	fault.Unsupported:        {http.StatusNotImplemented, 50100},
	fault.Canceled:           {499, 0}, // nobody reads the answer
	fault.Damaged:            {http.StatusInternalServerError, 50000},
	fault.TooManyRequests:    {http.StatusTooManyRequests, 42900},
	fault.MethodNotAllowed:   {http.StatusMethodNotAllowed, 40500},
	fault.FilterFailed:       {http.StatusBadRequest, 40000},
}

// refuse answers with a fault.
func (c *call) refuse(err error) {
	kind := fault.KindOf(err)
	detail := fault.Sentence(err)
	if own, ok := errors.AsType[*refusedError](err); ok {
		kind, detail = fault.Forbidden, own.detail
	}
	m, ok := meanings[kind]
	if !ok {
		m = meanings[fault.Internal]
	}
	if m.subCode != 0 && kind != fault.Forbidden {
		detail = fmt.Sprintf("SubCode=%d. %s", m.subCode, detail)
	}
	outcome := audit.Failed
	if m.status == http.StatusUnauthorized {
		outcome = audit.Refused
	}
	if m.status >= 500 {
		c.s.o.Logger.Warn("a request of the admin API failed", "method", c.r.Method, "path", c.r.URL.Path, "error", fault.Detail(err))
	}
	c.noteRefused(kind.String(), detail, outcome)
	answer.Refuse(c.w, m.status, detail)
}
