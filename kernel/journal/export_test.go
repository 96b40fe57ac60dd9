package journal

import (
	"context"

	"weir/kernel/journal/record"
)

// Leader names the node that leads the journal's stream.
func (j *Journal) Leader(ctx context.Context) (string, error) {
	info, err := j.js.Info(ctx)
	if err != nil {
		return "", err
	}
	return info.Cluster.Leader, nil
}

// Behind reports whether a node's copy of the stream lacks something the leader has.
func (j *Journal) Behind(ctx context.Context, node string) (bool, error) {
	info, err := j.js.Info(ctx)
	if err != nil {
		return false, err
	}
	for _, r := range info.Cluster.Replicas {
		if r.Name == node {
			return !r.Current || r.Lag > 0, nil
		}
	}
	return info.Cluster.Leader != node, nil
}

// ReplayUnseen replays from a tail without looking whether it is a place in the
// journal, as a reader does that has been reading for long.
func (j *Journal) ReplayUnseen(ctx context.Context, from Tail, fn func(Batch) error) error {
	end, err := j.End(ctx)
	if err != nil {
		return err
	}
	r := &reader{j.stream, record.NewChain(from), fn}
	return r.upTo(ctx, end)
}

// Raw publishes bytes into the journal's stream as somebody who knows no format.
func (j *Journal) Raw(ctx context.Context, data []byte) error {
	_, err := j.store.js.Publish(ctx, j.subject, data)
	return err
}

// Raw publishes bytes into the snapshots' stream.
func (s *Snapshots) Raw(ctx context.Context, data []byte) error {
	_, err := s.store.js.Publish(ctx, s.subject, data)
	return err
}

// Stored returns how many records the snapshots take.
func (s *Snapshots) Stored(ctx context.Context) (Size, error) { return s.size(ctx) }

// StreamName and Unescape are tested alone.
var (
	StreamName         = streamName
	SnapshotStreamName = snapshotStreamName
	Escape             = escape
	Unescape           = unescape
)
