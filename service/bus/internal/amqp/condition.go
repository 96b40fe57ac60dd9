package amqp

import (
	"weir/kernel/fault"
	wire "weir/wire/amqp"
)

// Error conditions that Service Bus adds to those of the AMQP specification.
const (
	condTimeout               wire.Symbol = "com.microsoft:timeout"
	condServerBusy            wire.Symbol = "com.microsoft:server-busy"
	condMessageLockLost       wire.Symbol = "com.microsoft:message-lock-lost"
	condSessionLockLost       wire.Symbol = "com.microsoft:session-lock-lost"
	condSessionCannotBeLocked wire.Symbol = "com.microsoft:session-cannot-be-locked"
	condEntityDisabled        wire.Symbol = "com.microsoft:entity-disabled"
	condEntityAlreadyExists   wire.Symbol = "com.microsoft:entity-already-exists"
	condMessageNotFound       wire.Symbol = "com.microsoft:message-not-found"
	condArgumentError         wire.Symbol = "com.microsoft:argument-error"
	condOperationCancelled    wire.Symbol = "com.microsoft:operation-cancelled"
	condDeadLetter            wire.Symbol = "com.microsoft:dead-letter"
)

// answer is what one kind of fault looks like on the wire: the condition of an
// AMQP error and the status code of a management reply.
type answer struct {
	condition wire.Symbol
	status    int32
}

// answers maps every kind of fault, here and nowhere else. Clients decide by
// these whether to try again, so a line may only change with a client that
// shows why.
var answers = map[fault.Kind]answer{
	fault.Internal:              {wire.ErrInternal, 500},
	fault.Invalid:               {condArgumentError, 400},
	fault.NotFound:              {wire.ErrNotFound, 404},
	fault.AlreadyExists:         {condEntityAlreadyExists, 409},
	fault.Unauthorized:          {wire.ErrUnauthorizedAccess, 401},
	fault.Forbidden:             {wire.ErrUnauthorizedAccess, 401},
	fault.Conflict:              {wire.ErrNotAllowed, 409},
	fault.PreconditionFailed:    {wire.ErrPreconditionFailed, 412},
	fault.Disabled:              {condEntityDisabled, 400},
	fault.QuotaExceeded:         {wire.ErrResourceLimitExceeded, 403},
	fault.TooLarge:              {wire.ErrMessageSizeExceeded, 403},
	fault.LockLost:              {condMessageLockLost, 410},
	fault.SessionLockLost:       {condSessionLockLost, 410},
	fault.SessionUnavailable:    {condSessionCannotBeLocked, 410},
	fault.MessageNotFound:       {condMessageNotFound, 404},
	fault.Timeout:               {condTimeout, 408},
	fault.Busy:                  {condServerBusy, 503},
	fault.NotOwner:              {condServerBusy, 503},
	fault.Unavailable:           {condServerBusy, 503},
	fault.Unsupported:           {wire.ErrNotImplemented, 501},
	fault.Canceled:              {condOperationCancelled, 500},
	fault.TransactionUnknown:    {wire.ErrTransactionUnknown, 400},
	fault.TransactionRolledBack: {wire.ErrTransactionRollback, 400},
	fault.FilterFailed:          {condArgumentError, 400},
	fault.Damaged:               {wire.ErrInternal, 500},
	fault.TooManyRequests:       {condServerBusy, 503},
	fault.MethodNotAllowed:      {wire.ErrNotAllowed, 400},
	fault.PayloadMissing:        {wire.ErrInternal, 500},
}

// answerTo returns the line for an error; one that is no fault is internal.
func answerTo(err error) answer {
	if a, ok := answers[fault.KindOf(err)]; ok {
		return a
	}
	return answers[fault.Internal]
}

// wireError turns a fault into the error that is sent. An *amqp.Error, which
// only the codec and this package make, goes as it is.
func wireError(err error) *wire.Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*wire.Error); ok {
		return e
	}
	return &wire.Error{Condition: answerTo(err).condition, Description: fault.Sentence(err)}
}
