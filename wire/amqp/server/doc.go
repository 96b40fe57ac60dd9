// Package server is the server's half of AMQP 1.0: it turns a net.Conn into
// connections, sessions, links and messages, and knows nothing of what they mean.
//
// A Service decides who comes in; the Handler it returns for a connection is told
// what the peer does; Link and Delivery carry the answers back.
//
// What it promises:
//
//  1. A Handler is called from one goroutine, in the order of the wire, and never
//     with a lock held. Flush ends every chunk of input, Detached ends every link
//     that was given to Attach and not refused, Closed comes once and last.
//  2. Every method of Conn, Session, Link and Delivery may be called from any
//     goroutine at any time, also after the end, when it does nothing. None of
//     them blocks, but WaitRoom.
//  3. Memory is bounded by Config and by the credit the Handler gives: input by
//     frame size and message size, output by OutputBytesMax, past which the
//     connection is not read from and WaitRoom waits. A peer that takes no output
//     for WriteTimeout is cut off.
//  4. The payload and the tag of a Delivery are never written again.
//  5. What a peer does wrong ends the smallest thing it concerns, with the
//     condition of the specification: the link, the session, or the connection.
//     Nothing outside the connection notices.
//  6. The reply to an attach carries exactly the settle modes that were asked for.
//
// What it refuses: to resume deliveries (it never has unsettled state to offer),
// to start links of its own, TLS inside AMQP, and SASL of more than one step.
package server
