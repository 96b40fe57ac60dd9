// Package core is the vote on who owns a continuity group, on paper: what one voter
// answers, and until when a location may rely on answers.
//
// It is pure: time is an argument, an instant on the voter's own clock.
//
// Words: a *term* is one location's ownership of a group; terms grow. A *voter* keeps
// the newest term and its holder. A location *holds* a term while a majority of the
// voters has granted it to that location within the time it asked for.
//
// Promises:
//
//  1. Two locations never rely on a majority at the same time, whatever becomes of
//     messages, processes and voters that keep what they stored, as long as no clock
//     runs ClockRatio times as fast as another. Clocks need not agree on the time.
//  2. A term has one holder: at every voter, and so among all majorities.
//  3. A voter that can not know how long ago it granted a term counts from now.
//
// Refuses: to know what is owned, to choose who should own.
package core

import (
	"fmt"
	"time"
)

// ClockRatio is how much faster than another a clock may run, as a fraction.
const clockFast, clockSlow = 3, 2

// SafeFor is how long after the beginning of a round of votes a location may rely on
// its majority, when it asked for a time: two thirds of it. Voters count all of it,
// from when they answered, which was later.
func SafeFor(asked time.Duration) time.Duration { return asked * clockSlow / clockFast }

// Majority is how many of n voters decide.
func Majority(n int) int { return n/2 + 1 }

// Verb is what a request wants.
type Verb string

const (
	// Look changes nothing.
	Look Verb = "look"
	// Hold wants the term, or wants it for longer.
	Hold Verb = "hold"
	// Pass gives the next term to another location. The holder must have stopped
	// relying on its own before it says so.
	Pass Verb = "pass"
)

// ForMax is the longest time that may be asked for.
const ForMax = time.Minute

// Request is what a location says to a voter about a group.
type Request struct {
	Location string
	Verb     Verb
	Term     uint64
	For      time.Duration // Hold, Pass: how long the grant is to last
	To       string        // Pass: who gets the next term
}

// Answer is what a voter says.
type Answer struct {
	Granted bool
	Term    uint64 // the newest it knows, after the request
	Holder  string
	Left    time.Duration // of the grant, by the voter's clock
	Reason  string        // why not, a sentence
}

// Ballot is what a voter keeps of a group: the newest term, who holds it, and how
// long what it granted last lasts. It must be durable before an answer leaves that
// follows from it.
type Ballot struct {
	Term   uint64        `json:"term"`
	Holder string        `json:"holder"`
	For    time.Duration `json:"for"`
	// Count makes every grant another ballot, so that who shares the storage sees that
	// there was one.
	Count uint64 `json:"count"`
}

// Voter is one voter's mind about one group.
type Voter struct {
	Ballot Ballot
	until  time.Duration
}

// Reading makes a voter from a ballot that it did not see being granted: it counts as
// granted now.
func Reading(b Ballot, now time.Duration) Voter { return Voter{Ballot: b, until: now + b.For} }

// Decide answers a request at an instant. When the ballot in the returned voter is
// another, it must be stored before the answer is given; if that fails there is no
// answer, and the voter stays as it was.
func (v Voter) Decide(now time.Duration, r Request) (Voter, Answer) {
	why := v.objection(now, r)
	if why == "" && r.Verb != Look {
		b := Ballot{Term: r.Term, Holder: r.Location, For: r.For, Count: v.Ballot.Count + 1}
		if r.Verb == Pass {
			b.Term, b.Holder = r.Term+1, r.To
		}
		v = Voter{Ballot: b, until: now + r.For}
	}
	return v, Answer{Granted: why == "", Term: v.Ballot.Term, Holder: v.Ballot.Holder, Left: max(0, v.until-now), Reason: why}
}

// objection says why a request is refused; empty: it is not.
func (v Voter) objection(now time.Duration, r Request) string {
	b := v.Ballot
	switch {
	case r.Verb == Look:
		return ""
	case r.Verb != Hold && r.Verb != Pass:
		return fmt.Sprintf("%q is nothing a voter can be asked: look, hold or pass", r.Verb)
	case r.Location == "" || r.Verb == Pass && r.To == "":
		return "the request does not name its location"
	case r.For <= 0 || r.For > ForMax:
		return fmt.Sprintf("a grant lasts up to %s, not %s", ForMax, r.For)
	case r.Term < b.Term:
		return fmt.Sprintf("term %d is over: %s holds term %d", r.Term, b.Holder, b.Term)
	case r.Term == b.Term && r.Location != b.Holder:
		return fmt.Sprintf("%s holds term %d", b.Holder, b.Term)
	case r.Verb == Pass && r.Term != b.Term:
		return fmt.Sprintf("term %d is not known here, so it can not be passed on", r.Term)
	case r.Term > b.Term && b.Holder != "" && b.Holder != r.Location && now < v.until:
		return fmt.Sprintf("%s holds term %d and was heard of; its grant lasts another %s", b.Holder, b.Term, v.until-now)
	}
	return ""
}
