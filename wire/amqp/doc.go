// Package amqp is the AMQP 1.0 codec: the type system, frames, performatives,
// SASL frames, delivery states, termini and message sections (OASIS AMQP 1.0,
// parts 1 to 5).
//
// What it promises:
//
//  1. It is pure. No clock, no goroutine, no I/O; equal input gives equal
//     output.
//  2. Input is bounded before it is believed: a decoder allocates in
//     proportion to the bytes it was given, never to a number written in
//     them, and nesting stops at depthMax.
//  3. Bytes are kept. ScanMessage cuts a message into ranges of the input and
//     looks no deeper; binaries decoded by this package alias the input
//     (strings and symbols are copies). Who reuses an input buffer must copy
//     first.
//  4. Every refusal is an *Error whose condition can be sent to the peer as
//     it is.
//  5. Encoders choose the smallest encoding and leave out trailing nulls;
//     arrays keep the element code they were given.
//
// What it refuses: to guess. Input that the specification does not allow is an
// error, with exceptions made for real peers: fields after the last known one of a
// composite are skipped, an unsigned field may be encoded in another unsigned
// width, strings and symbols stand in for each other in composite fields, null
// stands for an empty composite and an empty map section, and the bytes of
// strings are taken as they are.
package amqp
