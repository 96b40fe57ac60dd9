package history

import "time"

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
	Seq         uint64    `json:"seq,omitempty"`      // in the log of the location where it happened, set by the log
	Location    string    `json:"location,omitempty"` // where it happened, set by the log
	Time        time.Time `json:"time"`               // of the last one; the log sets it where it is zero
	First       time.Time `json:"first,omitzero"`     // of the first, where there are several
	Count       int       `json:"count,omitempty"`    // how many; 0 is one
	Caller      string    `json:"caller"`             // who: a rule, an application, a user, "administrator"; empty when nobody proved to be anybody
	Object      string    `json:"object,omitempty"`   // the caller's object id, where there is one
	Action      string    `json:"action"`             // what: Microsoft.ServiceBus/namespaces/queues/write
	Scope       string    `json:"scope"`              // where: a resource id
	Door        string    `json:"door"`               // arm, atom, rest, amqp, deploy
	Peer        string    `json:"peer,omitempty"`     // the address it came from
	Outcome     Outcome   `json:"outcome"`
	Code        string    `json:"code,omitempty"`        // of the error
	Reason      string    `json:"reason,omitempty"`      // its sentence
	Correlation string    `json:"correlation,omitempty"` // x-ms-correlation-request-id or the request's own id
}

// Limits of the texts of an entry; longer ones are cut. A peer that is not known chooses
// some of them.
const (
	textBytesMax   = 512
	reasonBytesMax = 1024
)

// Bounded cuts the texts of an entry to their limits.
func (e Entry) Bounded() Entry {
	for _, text := range []*string{&e.Location, &e.Caller, &e.Object, &e.Action, &e.Door, &e.Peer, &e.Code, &e.Correlation} {
		*text = cut(*text, textBytesMax)
	}
	e.Scope, e.Reason = cut(e.Scope, reasonBytesMax), cut(e.Reason, reasonBytesMax)
	return e
}

// cut keeps whole characters only.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xC0 == 0x80 {
		most--
	}
	return text[:most]
}
