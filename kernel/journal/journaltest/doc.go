// Package journaltest is what tests need of journals: the suite that any journal
// must pass (Run), and a journal, snapshots and leases in memory (Memory,
// MemorySnapshots, MemoryLeases) whose faults are decided by the test.
//
// Promises:
//
//  1. Memory passes the suite, keeps the records of package record and fences as
//     the real log does: what folds from it folds from that.
//  2. Driven by one goroutine, after Hold and with Poll instead of Follow, it is
//     deterministic and waits for nothing.
//  3. It loses nothing that it acknowledged, unless the test calls Flip, Lose or Cut.
package journaltest
