package amqp

import "fmt"

// Error is an AMQP error (part 2, 2.8.14), and the error type of this package.
type Error struct {
	Condition   Symbol
	Description string
	Info        Map
}

// Error conditions of parts 2 and 4.
const (
	ErrInternal              Symbol = "amqp:internal-error"
	ErrNotFound              Symbol = "amqp:not-found"
	ErrUnauthorizedAccess    Symbol = "amqp:unauthorized-access"
	ErrDecode                Symbol = "amqp:decode-error"
	ErrResourceLimitExceeded Symbol = "amqp:resource-limit-exceeded"
	ErrNotAllowed            Symbol = "amqp:not-allowed"
	ErrInvalidField          Symbol = "amqp:invalid-field"
	ErrNotImplemented        Symbol = "amqp:not-implemented"
	ErrResourceLocked        Symbol = "amqp:resource-locked"
	ErrPreconditionFailed    Symbol = "amqp:precondition-failed"
	ErrResourceDeleted       Symbol = "amqp:resource-deleted"
	ErrIllegalState          Symbol = "amqp:illegal-state"
	ErrFrameSizeTooSmall     Symbol = "amqp:frame-size-too-small"

	ErrConnectionForced   Symbol = "amqp:connection:forced"
	ErrConnectionFraming  Symbol = "amqp:connection:framing-error"
	ErrConnectionRedirect Symbol = "amqp:connection:redirect"

	ErrWindowViolation  Symbol = "amqp:session:window-violation"
	ErrErrantLink       Symbol = "amqp:session:errant-link"
	ErrHandleInUse      Symbol = "amqp:session:handle-in-use"
	ErrUnattachedHandle Symbol = "amqp:session:unattached-handle"

	ErrDetachForced          Symbol = "amqp:link:detach-forced"
	ErrTransferLimitExceeded Symbol = "amqp:link:transfer-limit-exceeded"
	ErrMessageSizeExceeded   Symbol = "amqp:link:message-size-exceeded"
	ErrLinkRedirect          Symbol = "amqp:link:redirect"
	ErrStolen                Symbol = "amqp:link:stolen"

	ErrTransactionUnknown  Symbol = "amqp:transaction:unknown-id"
	ErrTransactionRollback Symbol = "amqp:transaction:rollback"
	ErrTransactionTimeout  Symbol = "amqp:transaction:timeout"
)

// Errorf returns an Error with a formatted description.
func Errorf(condition Symbol, format string, args ...any) *Error {
	return &Error{Condition: condition, Description: fmt.Sprintf(format, args...)}
}

// Error returns the condition and the description.
func (e *Error) Error() string {
	if e.Description == "" {
		return string(e.Condition)
	}
	return string(e.Condition) + ": " + e.Description
}

// Append appends the error as a described list.
func (e *Error) Append(dst []byte) []byte {
	w := writeFields(dst, DescError)
	w.next()
	w.dst = AppendSymbol(w.dst, e.Condition)
	w.stringUnlessEmpty(e.Description)
	w.mapping(e.Info)
	return w.close()
}

func (f *fields) errorField() *Error {
	b := f.raw()
	if b == nil {
		return nil
	}
	in, _ := openFields(b, DescError, "error")
	condition, set := in.text("condition")
	in.need(set, "condition")
	e := &Error{
		Condition:   Symbol(condition),
		Description: in.string("description"),
		Info:        in.mapping("info"),
	}
	f.adopt(in.err)
	return e
}
