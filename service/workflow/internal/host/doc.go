// Package host runs the workflows of one unit of continuity: it lets runs go on, carries
// out what they want done outside, and keeps their times. What a run decides is decided by
// package run, what is recorded by package ledger; this is the shell around them.
//
// The nouns: a *host* is one unit on this node. A *tenure* is one ownership of it: all that
// is under way belongs to one and ends with it. A *worker* lets one run go on while there
// is something to do. A *firing* is what a trigger found, which starts runs. A *caller*
// waits for the answer of a run.
//
// What it promises:
//
//  1. Nothing outside is done before the fact that it is done is durable, and nothing
//     follows from an answer before that is.
//  2. A run that waits costs what the ledger keeps of it: no goroutine and no timer.
//  3. Runs share the unit's batches: what many decide at the same time is one append.
//  4. When an ownership ends, all that was under way ends with it; callers are told to try
//     again. The next owner takes every run up where its facts end.
//  5. Everything that gathers is bounded by a named limit.
//
// It refuses to decide what a trigger does, to know protocols, and to log inputs or
// outputs.
package host
