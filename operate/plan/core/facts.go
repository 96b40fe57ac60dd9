package core

import "time"

// Facts are all that was seen and declared.
type Facts struct {
	Places  []Place // in the order they were named
	Flows   []Flow
	Drills  Drills
	Aliases []Alias
}

// Place is what was seen of one location.
type Place struct {
	Name  string // as it was named to us
	Says  string // what it calls itself
	Admin []string
	Doors []string
	// Err is why nothing is known of it; Refused: it does not take the token.
	Err     string
	Refused bool

	Nodes        []Node
	GroupsErr    string
	Groups       []Status
	DocumentsErr string
	Documents    []Document
	Workflows    []Workflow // that documents declare
	Ends         []End
	Clock        *Clock   // nil: not known
	Addresses    []string // IP addresses of its hosts; nil: not known
}

// Node is a node that was asked, at one URL.
type Node struct {
	URL       string
	Err       string
	Name      string
	Version   string
	Ready     bool
	Namespace string
	Doors     []string // kinds that are open: amqp, https, ...
	Owners    []string // nodes it names as owners
}

// Status is what a location says of a group.
type Status struct {
	Name, Holder, Standing, Phase, Mode, Peer string
	Term                                      uint64
	PeerReachable                             bool
	Automatic                                 bool
	Voters                                    []Voter
	Units                                     []Unit
	LastChange                                *Change
	IsolatedUntil                             time.Time // zero: it is not
	Config                                    string    // fingerprint of how it is declared
}

// Standings of a location in a group.
const (
	standingPrimary   = "primary"
	standingSecondary = "secondary"
	standingSalvage   = "salvage"
)

// Voter is what a voter of a group says.
type Voter struct {
	Name      string
	Reachable bool
	Term      uint64
	Holder    string
	Err       string
}

// Unit is a unit of a group in the location that answers.
type Unit struct {
	Name, Role, Reason  string
	Ready               bool
	Connected, Degraded bool
	LagMessages         uint64
	LagBytes            uint64
	LagSeconds          float64
}

// Change is the last change of a group.
type Change struct {
	Kind    string    `json:"kind"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to"`
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"`
}

// Document is a resource as a location shows it, without what it only counts.
type Document struct {
	ID, Type, Name string
	SKU            string
	Tags           map[string]string
	Properties     map[string]any
}

// End is where a location ends TLS.
type End struct {
	Address string
	NotAfter,
	NotBefore time.Time
	Untrusted string   // why its chain is not trusted from here; empty: it is
	Misses    []string // names that clients use and that it does not cover
	Host      string   // the name or address it was reached by
	HostErr   bool     // which it does not cover
}

// Clock is how far a location's clock is ahead of ours: between the two, for sure.
type Clock struct{ Least, Most time.Duration }

// Drills are the records of drills that were found.
type Drills struct {
	Given   bool // a place to look for them was named
	Records []Drill
	Bad     []BadRecord
}

// Drill is one record.
type Drill struct {
	File          string
	Group, Kind   string
	At            time.Time
	RPOMessages   uint64
	RTOSeconds    float64
	Config        string // of the group when it was drilled; empty: not known
	Broken        []string
	Signer        string // empty: nobody signed it
	LostAfterward int
}

// BadRecord is a file that looks like a record and is none that can be believed.
type BadRecord struct{ File, Why string }

// Alias is a name that clients use.
type Alias struct {
	Name      string
	Err       string
	Addresses []string
	TTL       time.Duration
	TTLKnown  bool
}

// Flow is a business flow as its owners declare it.
type Flow struct {
	Name        string
	Paths       [][]Component // alternatives; each is all it goes through
	Group       string        // it uses; or
	Units       []string      // namespaces, by name or id
	Entities    []string      // queues, topics and subscriptions it uses: NAMESPACE/NAME
	RPO, RTO    *time.Duration
	CostPerHour float64
	Currency    string
	Strategy    string // single, decoupled, multi, criticality
	Criticality string
	Reviewed    time.Time // zero: never
	Ordered     bool      // messages must be processed in order
	Once        bool      // a message must not have its effect twice
	Target      float64   // availability wanted, percent; 0: none
}

// Component is something a flow goes through.
type Component struct {
	Name         string
	Availability float64 // percent
	Source       string  // where the figure is from
	// Where is both, common, or the name of the one location that has it.
	Where string
}

// Places of a component beside the name of a location.
const (
	Both   = "both"
	Common = "common"
)

// Strategies of a flow.
var Strategies = []string{"single", "decoupled", "multi", "criticality"}
