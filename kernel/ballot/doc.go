// Package ballot decides by vote which location owns a continuity group: voters that
// keep terms, and the location's side that asks them and knows until when it may rely
// on what they said. What is decided is decided by package core; decision 0007 says
// why there is a vote.
//
// Promises:
//
//  1. What package core promises: two locations never rely on a majority at the same
//     time, and a term has one holder.
//  2. A voter answers what follows from a grant only when the grant is durable. Several
//     processes may be one voter over one storage.
//  3. Every call is bounded by its context; a voter that does not answer counts for
//     nothing.
//
// Refuses: to know what a group is, and to promote anybody.
package ballot

import (
	"context"
	"errors"

	"weir/kernel/ballot/core"
)

// The words of package core.
type (
	// Request is what a location says to a voter.
	Request = core.Request
	// Answer is what a voter says.
	Answer = core.Answer
)

// Look, Hold and Pass are what can be asked for.
const (
	Look = core.Look
	Hold = core.Hold
	Pass = core.Pass
)

// Voter answers requests about a group.
type Voter interface {
	Ask(ctx context.Context, group string, r Request) (Answer, error)
}

// ErrChanged: the storage holds another version than the one that was to be replaced.
var ErrChanged = errors.New("ballot: changed by somebody else")

// Storage keeps one small document for each group.
type Storage interface {
	// Load returns a document and its version; version 0: there is none.
	Load(ctx context.Context, group string) (data []byte, version uint64, err error)
	// Save replaces the document of that version (0: there must be none) and returns
	// the new one when it is durable. Error: ErrChanged.
	Save(ctx context.Context, group string, data []byte, version uint64) (uint64, error)
}
