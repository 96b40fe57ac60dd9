// Package continuity moves groups of units between two locations: it declares
// pairings and groups, keeps where each group stands, votes, switches, promotes, and
// copies what is declared about a group's units.
//
// The nouns: a *pairing* says how the other location is reached; a *group* names
// units that change location together, and how. A location's *note* of a group is its
// truth: term, holder, and what is under way; every node follows it.
//
// Promises:
//
//  1. In a group with witnesses a location is primary only in a term that a majority of
//     the voters granted it, and shows nothing while that majority is late.
//  2. A switch passes the term on only when the copies end where the originals do, for
//     every unit of the group.
//  3. A change that was interrupted leaves one location primary or none, never two; it
//     is called off or goes on by itself, or when it is asked for again.
//  4. What is declared about the units arrives in the secondary before a switch does.
//
// It refuses to promote without a majority unless told that the other location does
// not serve, and to know what a unit holds. What is decided is decided by package core.
package continuity

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"weir/internal/groups"
	"weir/kernel/ballot"
	"weir/kernel/journal"
	"weir/kernel/link"
	"weir/kernel/replica"
	replicacore "weir/kernel/replica/core"
	"weir/kernel/resource"
)

// Unit is what is needed of a unit on this node; *replica.Unit is one.
type Unit interface {
	Stand(replica.Standing)
	Settled() <-chan struct{}
	Ownership() replica.Ownership
	Mark(ctx context.Context) (journal.Mark, error)
	Position() journal.Position
	// Whole reports whether the log here has everything the unit refers to, and where it
	// begins; CarryBehind has the owner record again what lies before a position.
	Whole(ctx context.Context) (whole bool, first journal.Position, err error)
	CarryBehind(at journal.Position)
	RoleName() string
	Status() (replicacore.Role, uint64)
	Ready() error
}

// Member is a unit on this node and what ties it to the other location.
type Member struct {
	Unit     Unit
	Sender   *link.Sender
	Receiver *link.Receiver
	Permit   *replica.Permit
	// Generation is that of the journal the unit is open on.
	Generation int
}

// Registry is what is needed of the registry of resources.
type Registry interface {
	Get(ctx context.Context, id resource.ID) (resource.Document, error)
	ListUnder(ctx context.Context, ancestor resource.ID, typ string) ([]resource.Document, uint64, error)
	Put(ctx context.Context, d resource.Document, c resource.Condition) (resource.Result, error)
	Delete(ctx context.Context, id resource.ID, c resource.Condition) error
}

// Notes keep documents of the location; *journal.Notes are.
type Notes interface {
	Get(ctx context.Context, key string) (data []byte, revision uint64, err error)
	Put(ctx context.Context, key string, data []byte, revision uint64) (uint64, error)
}

// History is a unit's journal in one generation; a *journal.Journal is one.
type History interface {
	Size(ctx context.Context) (journal.Size, error)
	Mark(ctx context.Context) (journal.Mark, error)
	MarkAt(ctx context.Context, at journal.Position) (journal.Mark, error)
	Stands(ctx context.Context, m journal.Mark) (bool, error)
	ChainedAt(ctx context.Context, at journal.Position) (uint64, error)
	Close()
}

// Kinds of connections to the other location.
const (
	DialHTTP = "http"
	DialLink = "link"
)

// Options are what a controller uses.
type Options struct {
	Location, Node string
	Alone          bool // no other node is in the location
	Registry       Registry
	Notes          Notes
	Votes          ballot.Voter // this location's
	// Access reports whether resources of a type say who may do what; nil: none do.
	Access func(typ string) bool
	// UnitName gives the name of a resource's unit; false: it is no unit.
	UnitName func(id resource.ID) (string, bool)
	// Covers reports whether what is declared as id moves with a unit; nil: the unit itself
	// does, and what lies in it.
	Covers func(unit, id resource.ID) bool
	// Members gives a unit on this node by its name; false: it is not open yet.
	Members func(unit string) (Member, bool)
	// Free reports whether no node of this location holds a unit's lease.
	Free func(ctx context.Context, unit string) (bool, error)
	// Holder names the node of this location that holds a unit's lease, and where it is
	// reached; false: none does.
	Holder func(ctx context.Context, unit string) (node, address string, held bool)
	// Colleague asks another node of this location, as a node.
	Colleague func(address string) http.RoundTripper
	// Seed keeps a snapshot as another generation of a unit's journal.
	Seed func(ctx context.Context, unit string, generation int, s journal.Snapshot) error
	// Reopen opens a unit again, in the generation its note says.
	Reopen func(ctx context.Context, unit string) error
	// History opens a unit's journal in a generation, to be compared.
	History func(ctx context.Context, unit string, generation int) (History, error)
	// Generations are those of a unit's journal that are here; Remove deletes one.
	Generations func(ctx context.Context, unit string) ([]int, error)
	Remove      func(ctx context.Context, unit string, generation int) error
	// Tail calls fn for each message and settlement that a unit's journal has behind a
	// position.
	Tail func(ctx context.Context, unit string, generation int, after journal.Position, fn func(groups.Row) error) error
	// Bring brings rows of another location's tail into a unit that this node owns. They
	// come back with their verdicts, and with them the counts of all rows of the source;
	// no rows end it.
	Bring func(ctx context.Context, unit, source string, after journal.Mark, resent bool, rows []groups.Row) ([]groups.Row, map[string]uint64, error)
	// Dir is where ledgers of salvages are kept.
	Dir string
	// Dial opens a connection to an address of the other location: for requests, or for
	// the link of a unit.
	Dial   func(ctx context.Context, p Pairing, address, kind, unit string) (net.Conn, error)
	Logger *slog.Logger
}

// Pairing says how another location is reached.
type Pairing struct {
	Peer      string // name of that location
	Endpoints []string
	Secret    string
}

// Times of a controller.
const (
	stepEvery   = 200 * time.Millisecond
	askTimeout  = 5 * time.Second
	switchLimit = time.Minute
	tidyEvery   = time.Minute
	// handOverLimit is how long another node of the location may be at a hand-over before
	// this one sees to it: longer than it waits for the other location.
	handOverLimit = switchLimit/2 + askTimeout
	// salvageLimit bounds one call; what is not done then is done by the next.
	salvageLimit = time.Hour
)

// client asks the other location over its pairing, at the first endpoint that takes
// a connection.
func (c *Controller) client(p Pairing) *http.Client { return c.clientOf(p, "") }

// clientOf asks the node of the other location that owns a unit; any node when it is
// not named.
func (c *Controller) clientOf(p Pairing, unit string) *http.Client {
	return &http.Client{Timeout: switchLimit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.dial(ctx, p, DialHTTP, unit)
		},
	}}
}
