package broker

import (
	"time"

	"weir/kernel/journal/record"
)

// Turn is what one decision sees of the world: the time it happens at, and a
// place to write facts. RecordParts copies a fact that lies in pieces and says
// where it will be in the journal; the broker folds it at once, and whoever runs
// the turn reveals nothing of it before it is durable. All facts of a turn become
// durable together or not at all. A *replica.Turn is one.
type Turn interface {
	Now() time.Time
	RecordParts(parts ...[]byte) record.Ref
}

// Kind is the kind of an entity.
type Kind uint8

// The kinds of entities a namespace holds.
const (
	Queue Kind = iota + 1
	Topic
	Subscription
)

// Status says which sides of an entity are open.
type Status uint8

// The states of an entity, with the meaning they have in Azure.
const (
	Active Status = iota
	Disabled
	SendDisabled
	ReceiveDisabled
)

// Definition is everything an operator declares about one entity. Zero
// durations and sizes mean "no limit" where a limit is optional; a zero
// LockDuration or MaxDeliveryCount means the service's default.
type Definition struct {
	// Name is the entity's path in the case its author wrote: "orders",
	// "prices" or "prices/Subscriptions/audit". Names match without regard to case.
	Name   string
	Kind   Kind
	Status Status

	LockDuration     time.Duration // how long a peek-lock or session lock lasts
	DefaultTTL       time.Duration // caps every message's own; 0 is unlimited
	MaxDeliveryCount uint32        // deliveries before a message is dead-lettered
	MaxSizeBytes     int64         // what the entity may hold
	MaxMessageBytes  int64         // the largest message it takes
	AutoDeleteOnIdle time.Duration // 0 is never
	DuplicateWindow  time.Duration // 0 switches duplicate detection off

	Partitioned              bool // message ids are unique for each partition key only
	RequiresSession          bool
	DeadLetterOnExpiration   bool
	DeadLetterOnFilterErrors bool

	ForwardTo             string // path of the entity that gets every message
	ForwardDeadLettersTo  string // path of the entity that gets the dead letters
	Rules                 []Rule // of a subscription; none matches nothing
	UserMetadata          string
	EnableBatchOperations bool
}

// Rule is one rule of a subscription: which messages it takes and what it does
// to its copy.
type Rule struct {
	Name    string
	Created time.Time
	Filter  Filter
	Action  string // SQL action, empty for none
	// ActionParameters are the values of the @parameters of the action.
	ActionParameters []Property
}

// FilterKind is the kind of a rule's filter.
type FilterKind uint8

// The kinds of filters.
const (
	TrueFilter FilterKind = iota
	FalseFilter
	SQLFilter
	CorrelationFilter
)

// Filter chooses messages.
type Filter struct {
	Kind        FilterKind
	Expression  string       // of a SQLFilter
	Parameters  []Property   // of a SQLFilter: the values of its @parameters
	Correlation *Correlation // of a CorrelationFilter
}

// Correlation is an exact match on the fields that are set; all must agree.
type Correlation struct {
	CorrelationID, MessageID, To, ReplyTo, Label string
	SessionID, ReplyToSessionID, ContentType     string
	// Properties are application properties: string, bool, int64, float64, time
	// and the other AMQP scalars, compared by value.
	Properties []Property
}

// Property is one named application property. Values are the Go types of package
// wire/amqp, and time.Time, int and time.Duration besides, which the broker turns
// into those.
type Property struct {
	Name  string
	Value any
}

// Message is one message on its way in. The fields beside Encoded are what the
// front end read from it, so that the broker decodes no more than it must.
type Message struct {
	// Encoded holds the AMQP sections as received: header to footer. It is kept
	// byte for byte; the broker never changes the bare message.
	Encoded []byte

	MessageID       string // canonical text of the message-id; empty when absent
	SessionID       string // group-id; HasSession tells an empty one from none
	HasSession      bool
	PartitionKey    string
	ViaPartitionKey string
	TTL             time.Duration // 0: the message names none
	ScheduledAt     time.Time     // zero: now
}

// Mode is how a receiver takes messages.
type Mode uint8

// The receive modes.
const (
	PeekLock Mode = iota
	ReceiveAndDelete
)

// ReceiverID names an open receiver. The shell chooses it, unique while the owner lives.
type ReceiverID uint64

// SessionChoice says which session a receiver wants.
type SessionChoice uint8

// What a receiver may ask of sessions.
const (
	NoSession     SessionChoice = iota // a plain receiver
	NamedSession                       // the one in ReceiverSpec.Session
	NextAvailable                      // any unlocked session that has messages
)

// ReceiverSpec opens a receiver.
type ReceiverSpec struct {
	ID      ReceiverID
	Path    string // entity, or its dead-letter queue or transfer dead-letter queue
	Mode    Mode
	Choice  SessionChoice
	Session string
	// WaitUntil bounds the wait for NextAvailable; the refusal that then comes is
	// of kind Timeout.
	WaitUntil time.Time
}

// LockToken identifies one lock. It is unique over owners: the epoch, then a counter.
type LockToken [16]byte

// Stored is a message as it lies in the namespace: where its bytes are and what
// the broker knows that the bytes do not say.
type Stored struct {
	Ref              record.Ref // the encoded message as it was received
	Edit             *Edit      // what has changed since, nil for nothing
	Sequence         int64
	EnqueuedSequence int64 // where it was first accepted, 0 when that is here
	Enqueued         time.Time
	Expires          time.Time // zero: never
	LockedUntil      time.Time // zero: not locked
	DeliveryCount    uint32    // failed deliveries before this one
	State            MessageState
	SessionID        string
	HasSession       bool
	ScheduledAt      time.Time // of a message that is still scheduled
	DeadLetterSource string    // path the message was dead-lettered from, once it has been forwarded
}

// MessageState is the state a peeked message is in.
type MessageState int32

// The message states, as numbered in x-opt-message-state.
const (
	MessageActive    MessageState = 0
	MessageDeferred  MessageState = 1
	MessageScheduled MessageState = 2
)

// Edit is what was changed about a message after it was received. The bare
// message's other bytes stay as they were.
type Edit struct {
	// Application properties to set, in order; a nil Value is an AMQP null.
	Application []Property
	// Removed application properties (by a rule's REMOVE).
	Removed []string
	// System properties set by a rule's action, by their SQL names.
	System []Property
}

// Delivery is one message handed to one receiver.
type Delivery struct {
	Receiver ReceiverID
	Lock     LockToken // zero in ReceiveAndDelete mode: the message is gone
	Message  Stored
}

// Disposition is what a receiver decided about a locked message.
type Disposition uint8

// The dispositions.
const (
	Complete   Disposition = iota
	Abandon                // counts as a failed delivery
	Release                // given back unread: does not count
	Defer                  // set aside, fetched by sequence number
	DeadLetter             // moved to the dead-letter queue
)

// Settlement settles one locked message.
type Settlement struct {
	Path        string
	Lock        LockToken
	Disposition Disposition
	Reason      string // of DeadLetter; also kept as application properties
	Description string
	Modify      []Property // application properties to set on the way
	Txn         TxnID      // zero: at once
}

// TxnID names an open transaction; zero is none.
type TxnID uint64

// Event is something the broker says beyond the answer to a command. Events
// belong to the turn they were decided in and are revealed with it, in order.
type Event struct {
	Kind     EventKind
	Receiver ReceiverID
	Delivery Delivery   // of Delivered
	Session  string     // of SessionAccepted
	Until    time.Time  // of SessionAccepted: locked until
	Err      error      // of Refused and Closed; a *fault.Error
	Path     string     // of Idle: the entity whose idle time ran out
	Ref      record.Ref // of Fetch: the encoded message that is wanted
}

// EventKind is the kind of an Event.
type EventKind uint8

// The events.
const (
	// Delivered hands Delivery to its receiver.
	Delivered EventKind = iota + 1
	// Drained says that no more messages come for the credit asked to drain; the
	// receiver's delivery-count stands at the limit it gave.
	Drained
	// SessionAccepted answers a NextAvailable receiver.
	SessionAccepted
	// Refused ends a NextAvailable receiver that waited in vain.
	Refused
	// Closed ends a receiver from our side: entity removed, changed or disabled,
	// session lock lost.
	Closed
	// Idle asks for Path to be removed where entities are declared.
	Idle
	// Fetch asks for the bytes at Ref, to be handed back with Fetched: a rule has
	// to judge a message that came long ago.
	Fetch
)

// Counts tells what an entity holds. Active counts locked messages too; Transfer
// counts those that wait to be forwarded.
type Counts struct {
	Active, DeadLetter, Scheduled, Deferred, TransferDeadLetter, Transfer int64
	SizeBytes                                                             int64
	Subscriptions                                                         int64 // of a topic
	Created, Updated, Accessed                                            time.Time
}
