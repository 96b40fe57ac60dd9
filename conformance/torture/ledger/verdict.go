package ledger

import "fmt"

// Kind is a way for a history to be wrong.
type Kind string

// The violations.
const (
	Missing     Kind = "acknowledged and missing"
	Resurrected Kind = "settled and delivered again"
	Phantom     Kind = "delivered and never sent"
	Corrupt     Kind = "delivered with other content"
	Duplicated  Kind = "sent once, undisturbed, and stored twice"
	Disordered  Kind = "out of order inside a session"
	Shared      Kind = "session settled by two holders"
	Reused      Kind = "one sequence number for two messages"
	Buried      Kind = "dead-lettered by nobody"
	Early       Kind = "delivered before it was due"
	Uncancelled Kind = "cancelled and delivered"
	Repeated    Kind = "deleted on receipt and delivered again"
	Undrained   Kind = "still there after the drain"
	Forged      Kind = "in a salvage ledger and done by nobody"
	Backwards   Kind = "enqueued before one that was there already"
)

// Kinds lists every violation, in the order they are printed.
var Kinds = []Kind{Missing, Resurrected, Phantom, Corrupt, Duplicated, Disordered, Shared, Reused, Buried, Early, Uncancelled, Repeated, Undrained, Forged, Backwards}

// Finding is one violation and where it was seen.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Place  string `json:"place"`
	ID     string `json:"id,omitempty"`
	Detail string `json:"detail"`
}

// Tally is what happened at one place.
type Tally struct {
	Place        string `json:"place"`
	Sent         int    `json:"sent"`         // calls that sent to it
	Acknowledged int    `json:"acknowledged"` // of these, confirmed
	Delivered    int    `json:"delivered"`    // deliveries, redeliveries included
	Settled      int    `json:"settled"`      // completes confirmed
	Redelivered  int    `json:"redelivered"`  // deliveries of a message seen there before
	Duplicates   int    `json:"duplicates"`   // copies beyond the first of sends that an outage disturbed
	LostInFlight int    `json:"lost_in_flight"`
}

// findingsMax bounds the findings kept in a verdict; all are counted.
const findingsMax = 100

// Verdict is the answer to a history.
type Verdict struct {
	Places   []Tally      `json:"places"`
	Outages  int          `json:"outages"`
	Counts   map[Kind]int `json:"violations"` // every kind, 0 when absent
	Findings []Finding    `json:"findings,omitempty"`
	Accounts Accounts     `json:"accounts"`
	// EarliestMs is by how much a scheduled message came too soon at most; where nobody's
	// clock was off, each that did is a finding.
	EarliestMs int64 `json:"earliest_ms,omitempty"`
}

// Good reports whether nothing was violated.
func (v *Verdict) Good() bool {
	for _, n := range v.Counts {
		if n > 0 {
			return false
		}
	}
	return true
}

func (v *Verdict) blame(kind Kind, place, id, format string, args ...any) {
	v.Counts[kind]++
	if len(v.Findings) < findingsMax {
		v.Findings = append(v.Findings, Finding{kind, place, id, fmt.Sprintf(format, args...)})
	}
}
