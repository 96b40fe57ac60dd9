// Package amqp is the AMQP front end of the Service Bus: it turns what Azure's
// clients do on links, $cbs and $management into commands for the broker, and the
// broker's events into transfers.
//
// What it promises:
//
//  1. A sender is told "accepted" only when its message is durable, and a receiver
//     is told that a settlement holds only when that is durable.
//  2. Messages go out as they came in: the bare message byte for byte, the sender's
//     annotations merged with the broker's, the header rebuilt.
//  3. Settle modes are echoed exactly, every disposition in second mode is
//     answered, and a drain is answered as soon as the owner has taken its turn.
//  4. Every link, request and token is checked for the claim it needs. When the
//     token that gave it runs out, so does the link.
//  5. What one read of the socket brought becomes one turn of the namespace.
//  6. A refusal has the condition and the text clients look for; see answers for
//     the mapping of faults, which is the only one.
//  7. Everything is bounded: credit, requests under way, deliveries ahead of the
//     socket, tokens, links idle, connections without a token.
//
// It refuses what Service Bus does not offer: links without an address, resuming
// links, and operations it does not know, which it names.
//
// Who runs what: the reader goroutine of a connection calls the Handler methods
// and gathers; the namespace's turns decide; the committing goroutine answers and
// fills the outbox; one goroutine of each connection empties it.
package amqp
