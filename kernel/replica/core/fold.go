package core

import (
	"encoding/binary"
	"errors"

	"weir/kernel/journal/record"
)

// Folded folds the next batch of the log. The error is a *record.Damage; the
// replica is Broken then.
func (r *Replica) Folded(b record.Batch) error {
	must(r.role == Follower || r.role == Candidate, "folded: only followers and candidates fold")
	if b.At <= r.tail.Last {
		return r.breaks(damaged(b.At, BadBatch, "the batch lies before %d, where the fold has come to", r.tail.Last))
	}
	h, err := decodeHead(b)
	if err == nil {
		err = r.follows(b, h)
	}
	if err == nil && !h.Opening {
		_, err = DecodeBatch(b, r.machine.Apply)
	}
	if err != nil {
		return r.breaks(asDamage(b.At, err))
	}
	r.tail, r.next, r.epoch = b.Next, b.Next, h.Epoch
	r.clock.folded(h.Stamp.UnixNano())
	r.logged += len(b.Data)
	return nil
}

// follows holds a batch's head against the history before it: an epoch begins with
// an opening batch and never comes back.
func (r *Replica) follows(b record.Batch, h Head) error {
	switch {
	case h.Epoch != b.Epoch:
		return damaged(b.At, BadEpoch, "the batch says epoch %d, its records say %d", h.Epoch, b.Epoch)
	case h.Opening && h.Epoch <= r.epoch:
		return damaged(b.At, BadEpoch, "epoch %d is opened behind epoch %d", h.Epoch, r.epoch)
	case !h.Opening && h.Epoch != r.epoch:
		return damaged(b.At, BadEpoch, "facts of epoch %d where epoch %d is open", h.Epoch, r.epoch)
	}
	return nil
}

func (r *Replica) breaks(d *record.Damage) error {
	r.role, r.flight = Broken, nil
	return d
}

func asDamage(at record.Position, err error) *record.Damage {
	if d, ok := errors.AsType[*record.Damage](err); ok {
		return d
	}
	return damaged(at, BadFact, "%v", err)
}

// The snapshot as core writes it: version 1, epoch and newest stamp (little
// endian), then what the machine wrote.
const (
	snapshotVersion   = 1
	snapshotHeadBytes = 17
)

// Snapshot appends the replica's state to dst and returns it with the tail it
// stands for. On an owner nothing may be open (Seal, Ready, Submitted), and the
// snapshot is good only once a Reveal that is asked for now runs: it holds facts
// that are still under way.
func (r *Replica) Snapshot(dst []byte) (at record.Tail, data []byte) {
	must(r.open.count == 0 && !r.unsubmitted(), "snapshot: a batch is open")
	begin := len(dst)
	dst = append(dst, snapshotVersion)
	dst = binary.LittleEndian.AppendUint64(dst, r.epoch)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.clock.last))
	dst = r.machine.Snapshot(dst)
	r.logged, r.snapshot = 0, len(dst)-begin
	return r.next, dst
}

// Restore replaces the state of a follower or candidate by a snapshot taken at
// the given tail. The error is a *record.Damage: the state is then empty.
func (r *Replica) Restore(at record.Tail, data []byte) error {
	must(r.role == Follower || r.role == Candidate && len(r.flight) == 0, "restore: the state is in use")
	r.drop()
	if len(data) < snapshotHeadBytes {
		return damaged(at.Last, BadSnapshot, "%d bytes are less than a snapshot's head", len(data))
	}
	if data[0] != snapshotVersion {
		return damaged(at.Last, record.NewerFormat, "snapshot format %d, this program reads %d", data[0], snapshotVersion)
	}
	if err := r.machine.Restore(data[snapshotHeadBytes:]); err != nil {
		r.machine.Reset()
		return damaged(at.Last, BadSnapshot, "%v", err)
	}
	r.tail, r.next = at, at
	r.epoch = binary.LittleEndian.Uint64(data[1:])
	r.clock.folded(int64(binary.LittleEndian.Uint64(data[9:])))
	r.snapshot = len(data)
	return nil
}

// snapshotRatio is how many times its own size of log a snapshot must spare: a
// large state is written less often, and the pause and the bytes stay in
// proportion.
const snapshotRatio = 4

// SnapshotDue reports that the log has grown enough behind the newest snapshot to
// be worth another: by every bytes, and by four times the snapshot's own size.
func (r *Replica) SnapshotDue(every int) bool {
	return r.logged >= every && r.logged >= snapshotRatio*r.snapshot
}

// Logged returns how many bytes of log lie behind the newest snapshot point.
func (r *Replica) Logged() int { return r.logged }

// SnapshotBytes returns the size of the newest snapshot taken or restored.
func (r *Replica) SnapshotBytes() int { return r.snapshot }
