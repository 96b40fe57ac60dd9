// Package groups is the continuity groups of a location as its HTTP door shows them:
// the shapes of /continuity/groups, and a client that asks for them from anywhere.
//
// Promises: whoever writes those answers and whoever reads them share one definition;
// a client needs nothing but addresses and a token; what a location refused comes back
// as a Refused with its own words.
//
// It refuses to decide anything: it only asks and tells.
package groups

import (
	"encoding/json"
	"time"
)

// Path is where a location shows its groups.
const Path = "/continuity/groups"

// Standings of a location in a group.
const (
	Primary   = "primary"
	Secondary = "secondary"
	Halted    = "halted"
	Salvage   = "salvage" // it has records that the primary does not have
)

// List is what a location says of all its groups.
type List struct {
	Location string   `json:"location"`
	Node     string   `json:"node"`
	Value    []Status `json:"value"`
}

// Status is what a location says of one group.
type Status struct {
	Name          string  `json:"name"`
	Term          uint64  `json:"term"`
	Holder        string  `json:"holder"`
	Standing      string  `json:"standing"` // of the location that answers
	Phase         string  `json:"phase,omitempty"`
	Mode          string  `json:"mode"`
	Peer          string  `json:"peer"`
	PeerReachable bool    `json:"peerReachable"`
	Automatic     bool    `json:"automatic"`
	Voters        []Voter `json:"voters,omitempty"` // only when one group is asked for
	Units         []Unit  `json:"units"`
	LastChange    *Change `json:"lastChange,omitempty"`
	Advice        string  `json:"advice,omitempty"`
	// WhenAway is what a sync group does while the secondary is away: stop or degrade.
	WhenAway string `json:"whenAway,omitempty"`
	// LagBounds are how far behind the secondary may be, as declared; nil: sync.
	LagBounds *Bounds `json:"lagBounds,omitempty"`
	// Undecided: this location has something alone that nobody has decided about.
	Undecided bool `json:"undecided,omitempty"`
	// RTOSeconds and RPOSeconds are what was declared; 0: nothing was.
	RTOSeconds int64 `json:"rtoSeconds,omitempty"`
	RPOSeconds int64 `json:"rpoSeconds,omitempty"`
	// IsolatedUntil is until when a drill keeps this location's part of the group away
	// from the other one and from the voters.
	IsolatedUntil *time.Time `json:"isolatedUntil,omitempty"`
}

// Bounds are bounds on a lag; 0 is none. From half of one on writes slow, above it they
// are refused.
type Bounds struct {
	Messages uint64  `json:"messages"`
	Bytes    uint64  `json:"bytes"`
	Seconds  float64 `json:"seconds"`
}

// Voter is what a voter says.
type Voter struct {
	Name      string `json:"name"`
	Reachable bool   `json:"reachable"`
	Term      uint64 `json:"term"`
	Holder    string `json:"holder,omitempty"`
	Error     string `json:"error,omitempty"`
}

// Unit is one unit of a group in the location that answers.
type Unit struct {
	Unit         string  `json:"unit"`
	Role         string  `json:"role"`
	Ready        bool    `json:"ready"`
	Position     uint64  `json:"position"`
	PeerPosition uint64  `json:"peerPosition"`
	LagMessages  uint64  `json:"lagMessages"`
	LagBytes     uint64  `json:"lagBytes"`
	LagSeconds   float64 `json:"lagSeconds"`
	Connected    bool    `json:"connected"`
	Degraded     bool    `json:"degraded"` // sync without the secondary
	// Partial: the copy began with a snapshot, and messages from before it are on the way.
	Partial bool   `json:"partial,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Change is what became of a switch or a promotion.
type Change struct {
	Kind         string    `json:"kind"` // birth, switch, promote, automatic, rejoin
	From         string    `json:"from,omitempty"`
	To           string    `json:"to"`
	Term         uint64    `json:"term"`
	At           time.Time `json:"at"`
	Seconds      float64   `json:"seconds"` // from the first step to the last, by the clock of the node that did it
	Steps        []Step    `json:"steps,omitempty"`
	ExpectedLoss *Loss     `json:"expectedLoss,omitempty"`
	Salvaged     *Tally    `json:"salvaged,omitempty"`
}

// Step is a part of a change.
type Step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Loss is what a promotion is expected to lose.
type Loss struct {
	Known     bool      `json:"known"`
	Messages  uint64    `json:"messages"` // messages and settlements
	Bytes     uint64    `json:"bytes"`
	Seconds   float64   `json:"seconds"` // since the other location was last heard of
	LastHeard time.Time `json:"lastHeard"`
	// UnknownSeconds is for how long the other location may have gone on to acknowledge
	// what nobody here heard of; it adds to the rest. 0: it acknowledges nothing alone.
	UnknownSeconds float64 `json:"unknownSeconds,omitempty"`
}

// Expected is the answer to the question what a promotion would do.
type Expected struct {
	Loss  *Loss  `json:"expectedLoss"`
	Votes string `json:"votes"`
}

// Choices of what becomes of a tail.
const (
	Reinject = "reinject" // what is not in the new primary goes there
	Drop     = "drop"     // nothing does; it stays in the old journal
)

// Verdicts that this end of a salvage gives; the others are the service's.
const (
	VerdictDropped = "dropped"
	VerdictBefore  = "done before"
)

// Row is one message or settlement that a former primary had alone.
type Row struct {
	Unit   string `json:"unit"`
	Number uint64 `json:"number"` // from 1, in the order of what happened
	// Position is that of the record in the old journal.
	Position uint64 `json:"position"`
	Kind     string `json:"kind"`   // message, settlement, state or other
	What     string `json:"what"`   // accepted, completed, dead-lettered, ...
	Entity   string `json:"entity"` // where, as clients name it
	// Sequence is the sequence number in the old journal.
	Sequence  uint64    `json:"sequence,omitempty"`
	MessageID string    `json:"messageId,omitempty"`
	Session   string    `json:"session,omitempty"`
	At        time.Time `json:"at"`
	Bytes     int       `json:"bytes,omitempty"`
	// Verdict is what became of it, or what would: reinjected, settled, sent again,
	// nothing to do, dropped, ...
	Verdict string `json:"verdict,omitempty"`
	Why     string `json:"why,omitempty"`
	// Places are where it came to lie in the old journal: of a message that was accepted
	// each entity that got it, of one that moved where it went.
	Places []Place `json:"places,omitempty"`
	// Body carries what is needed to bring it back; only the locations read it.
	Body json.RawMessage `json:"body,omitempty"`
}

// Place is a message in an entity.
type Place struct {
	Entity   string `json:"entity"`
	Sequence uint64 `json:"sequence"`
}

// Tally counts rows by kind and verdict: "message reinjected" and so on.
type Tally struct {
	Rows   uint64            `json:"rows"`
	Counts map[string]uint64 `json:"counts"`
	Bytes  uint64            `json:"bytes"`
}

// Add counts one row.
func (t *Tally) Add(r Row) {
	if t.Counts == nil {
		t.Counts = map[string]uint64{}
	}
	t.Rows++
	t.Bytes += uint64(r.Bytes)
	name := r.Kind
	if r.Verdict != "" {
		name += " " + r.Verdict
	}
	t.Counts[name]++
}
