// Package ledger is the state machine of one unit of workflows: which there are and in
// which versions, the runs that are under way and those that have ended, what triggers
// remember, and when each wants to be woken.
//
// It is pure: time comes with the Turn, facts leave through it, and the same facts
// folded in the same order give the same state on every replica. What a run decides is
// decided outside (package run); the ledger records and folds it.
//
// Words. A *block* is what lies behind the head of one fact in the journal: definitions,
// payloads of runs, archives. Memory holds where blocks lie. A run is *waiting* when its
// workflow runs as many as it may; it has not begun then.
//
// Promises:
//
//  1. Every command checks first and records after: a refusal is a *fault.Error, records
//     nothing and changes nothing.
//  2. What is recorded is folded at once by the very code that followers fold with.
//     Apply never refuses; its error means damage or a newer binary's fact.
//  3. A run keeps the version of the definition that it began with.
//  4. Every block that something refers to is kept: Horizon tells the oldest, Carry moves it.
//  5. Runs that wait for their time cost nothing until then: NextDue is the earliest.
//  6. Waiting runs begin in the order in which they came.
//  7. Snapshot is canonical: the same facts give the same bytes.
//
// Refuses: to read definitions, to look into payloads, to make names.
package ledger
