// Package journal keeps ordered, durable, fenced logs of batches. It is the truth
// that every other part of Weir folds. Each journal is one NATS JetStream stream,
// in a server that runs inside this process (without any listener when the node
// is alone) or in an external cluster. It is the only package that knows NATS.
//
// Promises:
//
//  1. An append that was acknowledged survives the death of the process, and with
//     SyncAlways a power cut. With three nodes it is on a majority of them.
//  2. Only one writer's chain grows: an append behind another writer's is
//     refused (ErrFenced), whatever leases say.
//  3. Appends that were chained to each other succeed in order or fail from the
//     first failure on. An outcome that can not be learned is ErrUnknown, never
//     success and never refusal.
//  4. Readers give whole, verified batches in order and stop at the first
//     damage, gap or fork with a *Damage that names it (see package record).
//  5. A record that one replica of a cluster can not read is read from the
//     stream's leader before it is called damaged.
//  6. Memory is bounded: the cache of records by Options.CacheBytes, the
//     pipeline and every read by constants named here.
//  7. A second process can not open a store directory that is in use.
//  8. A disk without room refuses appends and says so (ErrFull), keeps all that was
//     acknowledged, and takes appends again when there is room, by itself.
//
// Refuses: to look into batches, to repair a damaged log, to judge when a lease
// has run out (it knows no time), to install signal handlers.
package journal
