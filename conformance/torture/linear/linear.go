// Package linear asks porcupine whether what clients saw of sessions could have come from
// one that is held by one receiver at a time, and from a queue that hands out messages in
// the order in which they came.
//
// Promises: an answer is found for each session alone; what took too long to decide is
// told, and is not taken for right.
//
// It refuses to judge what was in a tail: messages that were brought back come behind.
package linear

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"

	"weir/conformance/torture/ledger"
)

// within bounds the search for one session.
const within = 20 * time.Second

// Verdict is what porcupine says.
type Verdict struct {
	Sessions   int      `json:"sessions"`
	Operations int      `json:"operations"`
	Illegal    []string `json:"illegal,omitempty"`
	Undecided  []string `json:"undecided,omitempty"`
}

// Good reports whether everything was decided, and legal.
func (v Verdict) Good() bool { return len(v.Illegal)+len(v.Undecided) == 0 }

// Check judges the sessions of a place.
func Check(h *ledger.History, place, target string) Verdict {
	var v Verdict
	apart := h.Apart()
	for _, session := range sessionsOf(h, place) {
		v.Sessions++
		v.ask("who holds "+session, holders, holds(h, place, session))
		v.ask("the order of "+session, order, passes(h, place, target, session, apart))
	}
	return v
}

func (v *Verdict) ask(what string, model porcupine.Model, ops []porcupine.Operation) {
	v.Operations += len(ops)
	switch porcupine.CheckOperationsTimeout(model, ops, within) {
	case porcupine.Illegal:
		v.Illegal = append(v.Illegal, what)
	case porcupine.Unknown:
		v.Undecided = append(v.Undecided, what)
	}
}

// begins and ends are instants for porcupine: what ends at one comes before what begins
// there.
func begins(at ledger.Instant) int64 { return 2*int64(at) + 1 }
func ends(at ledger.Instant) int64   { return 2 * int64(at) }

func sessionsOf(h *ledger.History, place string) []string {
	seen := map[string]bool{}
	var all []string
	for _, x := range h.Holdings {
		if x.Place == place && !seen[x.Session] {
			seen[x.Session] = true
			all = append(all, x.Session)
		}
	}
	slices.Sort(all)
	return all
}

// hold is an operation on who holds a session: a receiver is given it, or settles in it.
type hold struct {
	holding int
	settle  bool
}

// holders is a session that one receiver holds at a time: a settlement that was confirmed
// was made by who had it.
var holders = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, _ any) (bool, any) {
		op, _ := input.(hold)
		if op.settle {
			return state == op.holding, state
		}
		return true, op.holding
	},
}

func holds(h *ledger.History, place, session string) (ops []porcupine.Operation) {
	mine := map[int]bool{}
	for _, x := range h.Holdings {
		if x.Place == place && x.Session == session {
			mine[x.ID] = true
			ops = append(ops, porcupine.Operation{ClientId: x.ID, Input: hold{holding: x.ID}, Call: begins(x.Asked), Return: ends(x.Accepted)})
		}
	}
	for _, x := range h.Settles {
		if x.Place == place && mine[x.Holding] && x.Outcome == ledger.Confirmed {
			ops = append(ops, porcupine.Operation{ClientId: x.Holding, Input: hold{x.Holding, true}, Call: begins(x.Start), Return: ends(x.End)})
		}
	}
	return ops
}

// pass is an operation on the order of a session: a message is sent, or is handed out for
// the first time.
type pass struct {
	number int64
	out    bool
}

// order is a queue that hands out messages in the order in which they were sent.
var order = porcupine.Model{
	Init: func() any { return []int64(nil) },
	Step: func(state, input, _ any) (bool, any) {
		queue, _ := state.([]int64)
		op, _ := input.(pass)
		if !op.out {
			return true, append(slices.Clone(queue), op.number)
		}
		if len(queue) == 0 || queue[0] != op.number {
			return false, state
		}
		return true, queue[1:]
	},
	Equal: func(a, b any) bool {
		x, _ := a.([]int64)
		y, _ := b.([]int64)
		return slices.Equal(x, y)
	},
}

func passes(h *ledger.History, place, target, session string, apart map[string]bool) (ops []porcupine.Operation) {
	first := firstDeliveries(h, place, session)
	for _, s := range h.Sends {
		if s.Target != target || s.Session != session || apart[s.ID] {
			continue
		}
		d, came := first[s.ID]
		if !came {
			continue // it is lost, or there still: others say so
		}
		end := ends(s.End)
		if s.Outcome != ledger.Confirmed {
			end = math.MaxInt64 // it happened at some time
		}
		ops = append(ops,
			porcupine.Operation{ClientId: 0, Input: pass{number: s.Number}, Call: begins(s.Start), Return: end},
			porcupine.Operation{ClientId: 1, Input: pass{s.Number, true}, Call: begins(d.from), Return: ends(d.at)})
	}
	return ops
}

// delivery is when a message can have been handed out.
type delivery struct{ from, at ledger.Instant }

// firstDeliveries are those of a session: not before the session was, nor before the
// delivery that came before it in the same holding.
func firstDeliveries(h *ledger.History, place, session string) map[string]delivery {
	newest := map[int]ledger.Instant{}
	for _, x := range h.Holdings {
		newest[x.ID] = x.Accepted // credit comes after that
	}
	var all []ledger.Delivery
	for _, d := range h.Deliveries {
		if d.Place == place && d.Session == session && d.Holding != 0 && !d.Dead {
			all = append(all, d)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].At < all[j].At })
	first := map[string]delivery{}
	for _, d := range all {
		if _, again := first[d.ID]; !again {
			first[d.ID] = delivery{newest[d.Holding], d.At}
		}
		newest[d.Holding] = d.At
	}
	return first
}

// String says it for people.
func (v Verdict) String() string {
	return fmt.Sprintf("%d sessions, %d operations: %d illegal, %d undecided", v.Sessions, v.Operations, len(v.Illegal), len(v.Undecided))
}
