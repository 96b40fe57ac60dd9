// Package broker is the Service Bus state machine of one namespace: queues,
// topics, subscriptions, sessions, locks, schedules, dead letters, forwarding,
// duplicate detection and transactions.
//
// It is pure and deterministic: time comes with the Turn, facts leave through
// it, and the same facts folded in the same order give the same state on every
// replica. It opens nothing, starts nothing and reads no clock.
//
// Words. A *mailbox* is one log of messages with its own sequence numbers: an
// entity's own, its dead-letter queue, its transfer dead-letter queue. A
// *payload* is a message's bytes, which stay in the journal; memory holds where
// they lie. A message is *ready* when it may be delivered, and *returned* when
// it was delivered before and came back.
//
// Promises:
//
//  1. Every command checks first and records after: a refusal is a *fault.Error,
//     records nothing and changes nothing.
//  2. What is recorded is folded at once by the very code that followers fold
//     with. Apply never refuses; its error means damage or a newer binary's fact.
//  3. Locks, session locks, receivers, credit and open transactions are never
//     journaled. They belong to the owner and are gone with Disown.
//  4. Every live message is in exactly one place of its mailbox: ready, locked,
//     deferred or scheduled. A mailbox numbers from 1 without gaps and never uses
//     a number twice.
//  5. Messages of a session are delivered in their order to the one receiver that
//     holds it; one that comes back goes to its old place.
//  6. A message costs the same at ten and at ten million: no command and no tick
//     looks at more messages than it handles, and one turn handles a bounded
//     number of them.
//  7. Snapshot is canonical: replicas that folded the same facts give the same bytes.
//
// Refuses: to decode a body, to read payloads by itself, to decide what entities
// exist, to know who is asking.
package broker
