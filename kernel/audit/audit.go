// Package audit is the record of who did what, and who was refused: the management
// operations of every door, and the refusals of those that carry data.
//
// It promises:
//
//  1. An operation that changed something is answered after its entry is durable.
//  2. An entry says who, what, where, from which address, with what outcome and why. It
//     never holds a secret: no token, key, signature or body.
//  3. The log is bounded, by number and by age. Refusals that repeat are counted in one
//     entry rather than written one by one, so that who knocks often cannot wash out what
//     others did.
//
// It refuses to be a log of messages: what passes through entities is the business of
// metrics and traces.
package audit

import (
	"context"
	"time"
)

// Outcome is how an operation ended.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "Succeeded"
	Failed    Outcome = "Failed"  // it was allowed, and did not work
	Refused   Outcome = "Refused" // it was not allowed
)

// Entry is one operation, or several refusals that differ in nothing but their time.
type Entry struct {
	Time        time.Time `json:"time"`             // of the last one; the log sets it where it is zero
	First       time.Time `json:"first,omitzero"`   // of the first, where there are several
	Count       int       `json:"count,omitempty"`  // how many; 0 is one
	Caller      string    `json:"caller"`           // who: a rule, an application, a user, "administrator"; empty when nobody proved to be anybody
	Object      string    `json:"object,omitempty"` // the caller's object id, where there is one
	Action      string    `json:"action"`           // what: Microsoft.ServiceBus/namespaces/queues/write
	Scope       string    `json:"scope"`            // where: a resource id
	Door        string    `json:"door"`             // arm, atom, rest, amqp, deploy
	Peer        string    `json:"peer,omitempty"`   // the address it came from
	Outcome     Outcome   `json:"outcome"`
	Code        string    `json:"code,omitempty"`        // of the error
	Reason      string    `json:"reason,omitempty"`      // its sentence
	Correlation string    `json:"correlation,omitempty"` // x-ms-correlation-request-id or the request's own id
}

// Log takes entries. Note returns when the entry is durable, or with an error when it
// cannot be; of a refusal it returns at once.
type Log interface {
	Note(ctx context.Context, e Entry) error
}

// Nowhere forgets every entry: for tests and tools that have no log.
var Nowhere Log = nowhere{}

type nowhere struct{}

func (nowhere) Note(context.Context, Entry) error { return nil }
