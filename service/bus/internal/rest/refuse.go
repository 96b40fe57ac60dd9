package rest

import (
	"fmt"
	"net/http"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/service/bus/internal/answer"
)

// meaning is what a kind of fault is in the runtime API.
type meaning struct {
	status  int
	subCode int // 0: none
}

// meanings maps every kind, here and nowhere else. The statuses are those the service
// documents: 410 for an entity that is not there, 404 for a message or a lock.
var meanings = map[fault.Kind]meaning{
	fault.Internal:           {http.StatusInternalServerError, 50000},
	fault.Invalid:            {http.StatusBadRequest, 40000},
	fault.NotFound:           {http.StatusGone, 41000},
	fault.Unauthorized:       {http.StatusUnauthorized, 0},
	fault.Forbidden:          {http.StatusUnauthorized, 40100},
	fault.Conflict:           {http.StatusBadRequest, 40900},
	fault.Disabled:           {http.StatusForbidden, 40301},
	fault.QuotaExceeded:      {http.StatusForbidden, 40300},
	fault.TooLarge:           {http.StatusForbidden, 41300},
	fault.LockLost:           {http.StatusNotFound, 40402},
	fault.SessionUnavailable: {http.StatusBadRequest, 40900},
	fault.SessionLockLost:    {http.StatusNotFound, 40402},
	fault.MessageNotFound:    {http.StatusNotFound, 40401},
	fault.Timeout:            {http.StatusGatewayTimeout, 50400},
	fault.Busy:               {http.StatusServiceUnavailable, 50300},
	fault.NotOwner:           {http.StatusServiceUnavailable, 50300},
	fault.Unavailable:        {http.StatusServiceUnavailable, 50300},
	fault.Unsupported:        {http.StatusNotImplemented, 50100},
	fault.Canceled:           {499, 0}, // nobody reads the answer
	fault.Damaged:            {http.StatusInternalServerError, 50000},
	fault.PayloadMissing:     {http.StatusInternalServerError, 50000},
	fault.TooManyRequests:    {http.StatusTooManyRequests, 42900},
	fault.MethodNotAllowed:   {http.StatusMethodNotAllowed, 40500},
	fault.FilterFailed:       {http.StatusBadRequest, 40000},
}

// refuse answers with a fault.
func (c *call) refuse(err error) {
	kind := fault.KindOf(err)
	m, ok := meanings[kind]
	if !ok {
		m = meanings[fault.Internal]
	}
	detail := fault.Sentence(err)
	if m.subCode != 0 {
		detail = fmt.Sprintf("SubCode=%d. %s", m.subCode, detail)
	}
	switch {
	case m.status == http.StatusServiceUnavailable || m.status == http.StatusTooManyRequests:
		c.meter.Throttled.Add(1)
	case m.status >= 500:
		c.meter.OurError.Add(1)
		c.s.o.Logger.Warn("a request of the runtime API failed", "method", c.r.Method, "path", c.r.URL.Path, "error", fault.Detail(err))
	default:
		c.meter.UserError.Add(1)
	}
	if m.status == http.StatusUnauthorized {
		c.note(kind.String(), detail)
	}
	answer.Refuse(c.w, m.status, detail)
}

// The data actions, in the words of roles.
const (
	actionSend    = "Microsoft.ServiceBus/namespaces/messages/send/action"
	actionReceive = "Microsoft.ServiceBus/namespaces/messages/receive/action"
)

// note notes a request that was not allowed.
func (c *call) note(code, reason string) {
	action := actionReceive
	if c.verb == send {
		action = actionSend
	}
	err := c.s.o.Audit.Note(c.r.Context(), audit.Entry{
		Caller: c.who.String(), Object: c.who.ObjectID(), Action: action, Scope: c.id.String() + "/" + entityOf(c.path), Door: "rest", Peer: c.caller.Address,
		Outcome: audit.Refused, Code: code, Reason: reason, Correlation: c.w.Header().Get("x-ms-request-id"),
	})
	if err != nil {
		c.s.o.Logger.Warn("an entry of the audit log was lost", "error", fault.Detail(err))
	}
}
