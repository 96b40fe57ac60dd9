// Package ledger judges what clients saw of a broker that was killed under
// them. A History is what they wrote down: calls with their outcomes,
// deliveries, session holdings and the outages between. Check reads it and says
// what cannot have come from a broker that keeps its word.
//
// Promises:
//  1. It is pure: the same history gives the same verdict, byte for byte.
//  2. It blames only what no ordering of the unknown explains. A call whose
//     answer never came may have happened or not; both are taken to be true.
//  3. Every kind of violation is shown to be caught by a test that takes a good
//     history and breaks it in that one way.
//
// It refuses to guess: it does not know the broker, its clock or its timers,
// and nothing here reads one.
package ledger

// Instant orders everything in one history: what took the larger one happened
// later in the process that wrote the history down.
type Instant int64

// Outcome is what a caller knows about a call that has ended.
type Outcome uint8

// The outcomes of a call.
const (
	Unknown   Outcome = iota // no answer came: it may have happened
	Confirmed                // the broker said yes
	Refused                  // the broker said no
)

// Send is one call that sent or scheduled one message.
type Send struct {
	ID         string // unique in the history
	Target     string // queue or topic
	Session    string // of a session entity, else empty
	Number     int64  // position among the sends to Session, which go one after the other
	Start, End Instant
	Outcome    Outcome
	Due        int64 // earliest delivery in Unix milliseconds; 0 is at once
}

// Cancel is one call that took back a scheduled message.
type Cancel struct {
	ID      string
	Outcome Outcome
}

// Delivery is one message handed to one receiver.
type Delivery struct {
	Place    string // queue, or topic/subscription
	Dead     bool   // read from the dead-letter queue of Place
	ID       string
	Session  string
	Sequence int64
	Holding  int  // the session holding it came through, 0 for none
	Intact   bool // body and properties are those that were sent
	At       Instant
	Wall     int64 // Unix milliseconds
	Stamp    int64 // when the broker says that it was enqueued, Unix milliseconds; 0: it did not say
}

// Verb is what a receiver decided about a delivery.
type Verb uint8

// The verbs of settlement.
const (
	Complete Verb = iota + 1
	Abandon
	Bury // dead-letter
)

// Settle is one call that settled a delivery.
type Settle struct {
	Place      string
	Dead       bool
	Sequence   int64
	ID         string // of the message; needed where there are Tails
	Holding    int
	Verb       Verb
	Start, End Instant
	Outcome    Outcome
}

// Holding is one time a receiver held the lock of a session.
type Holding struct {
	ID       int // from 1
	Place    string
	Session  string
	Asked    Instant // before it was asked for
	Accepted Instant
}

// Outage is the time from just before a server was killed until the location
// served again.
type Outage struct {
	Start, End Instant
	// Late says that a process stood still or was cut off instead of being killed: what it
	// had begun outside may come as long as the outage lasts.
	Late bool
}

// Skew is a broker's clock that was set off, for all that is known for the rest of the
// run: time in a broker never goes back.
type Skew struct {
	Wall  int64   // since when, Unix milliseconds
	Ahead int64   // by how much it was ahead then, in milliseconds; it may be behind
	Gains float64 // milliseconds it gains on each that passes
}

// Place is one queue or subscription that messages are read from.
type Place struct {
	Name   string
	Target string // the queue or topic that feeds it
	// Volatile places are read in receive-and-delete mode: a message that was on
	// its way to a receiver when the server died is gone, and never comes twice.
	Volatile bool
	// InFlight bounds the messages of a Volatile place that can be on their way
	// at one moment; an outage may cost that many.
	InFlight int
	// Remaining are the messages that a last look still found there, its
	// dead-letter queue included.
	Remaining []string
}

// History is all that was written down.
type History struct {
	Places     []Place
	Sends      []Send
	Cancels    []Cancel
	Deliveries []Delivery // in the order of At
	Settles    []Settle
	Holdings   []Holding
	Outages    []Outage
	// Tails are what locations had alone that lost their group, where that may be lost.
	Tails []Tail
	Skews []Skew
}

// disturbed reports whether an outage touched the time between two instants:
// only then may a client library have tried more than once.
func (h *History) disturbed(start, end Instant) bool {
	for _, o := range h.Outages {
		if start <= o.End && o.Start <= end {
			return true
		}
	}
	return false
}

// ahead is by how many milliseconds the broker's time may be ahead at most at some time.
func (h *History) ahead(wall int64) (most int64) {
	for _, k := range h.Skews {
		if passed := wall - k.Wall; passed >= 0 {
			most = max(most, k.Ahead+int64(max(k.Gains, 0)*float64(passed)))
		}
	}
	return most
}
