// Package audit is the record of who did what, and who was refused: the management
// operations of every door, and the refusals of those that carry data.
//
// It promises:
//
//  1. An operation that changed something is answered after its entry is durable. A change
//     of location is answered also when the entry cannot be made: then it is in the log of
//     the process.
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

	"weir/kernel/audit/history"
)

// Entry is one operation, or several refusals that differ in nothing but their time.
type Entry = history.Entry

// Outcome is how an operation ended.
type Outcome = history.Outcome

// The outcomes.
const (
	Succeeded = history.Succeeded
	Failed    = history.Failed
	Refused   = history.Refused
)

// Page is the answer of GET /audit. It is stable: programs read it.
type Page struct {
	Entries []Entry `json:"entries"`
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
