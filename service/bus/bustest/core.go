package bustest

import "weir/service/bus/internal/broker"

// The pure broker under its own names, for the simulation: it lies outside this
// service's tree and drives the machine without the service around it.
type (
	Broker       = broker.Broker
	Definition   = broker.Definition
	Rule         = broker.Rule
	Filter       = broker.Filter
	Message      = broker.Message
	Settlement   = broker.Settlement
	ReceiverSpec = broker.ReceiverSpec
	ReceiverID   = broker.ReceiverID
	Event        = broker.Event
	Delivery     = broker.Delivery
	Turn         = broker.Turn
	Disposition  = broker.Disposition
)

// What the simulation says to the broker and hears from it.
const (
	Queue            = broker.Queue
	Topic            = broker.Topic
	Subscription     = broker.Subscription
	PeekLock         = broker.PeekLock
	ReceiveAndDelete = broker.ReceiveAndDelete
	NoSession        = broker.NoSession
	NextAvailable    = broker.NextAvailable
	Complete         = broker.Complete
	Abandon          = broker.Abandon
	DeadLetter       = broker.DeadLetter
	SQLFilter        = broker.SQLFilter
	Delivered        = broker.Delivered
	Drained          = broker.Drained
	SessionAccepted  = broker.SessionAccepted
	Refused          = broker.Refused
	Closed           = broker.Closed
	Fetch            = broker.Fetch
)

// NewBroker returns an empty broker.
func NewBroker() *Broker { return broker.New(0) }
