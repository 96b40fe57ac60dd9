package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Seed makes the journal and the snapshots of a generation that begins behind a
// snapshot: the first record goes to the position behind snap.At. Called again with
// the same place it does nothing more. Error: ErrSeeded when the journal is there
// and begins elsewhere.
func (s *Store) Seed(ctx context.Context, unit string, generation int, snap Snapshot) error {
	want := s.streamConfig(streamName(unit, generation), about(unit, generation))
	want.FirstSeq = uint64(snap.At.Last) + 1
	seeded, err := s.begins(ctx, want)
	if seeded || err != nil {
		return err
	}
	// The snapshot first: a journal that begins behind nothing could not be opened.
	snapshots, err := s.Snapshots(ctx, unit, generation)
	if err != nil {
		return err
	}
	defer snapshots.Close()
	if err := snapshots.Save(ctx, snap.At, snap.Data); err != nil {
		return err
	}
	return s.retry(ctx, "seed "+want.Name, func(ctx context.Context) error {
		js, err := s.js.CreateStream(ctx, want)
		if err != nil {
			return err
		}
		return s.led(ctx, js)
	})
}

// begins reports whether a stream is there and begins where it should.
func (s *Store) begins(ctx context.Context, want jetstream.StreamConfig) (there bool, err error) {
	err = s.retry(ctx, "look for "+want.Name, func(ctx context.Context) error {
		js, err := s.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if first := js.CachedInfo().Config.FirstSeq; first != want.FirstSeq {
			return fmt.Errorf("%w: %s begins at %d, the seed asks for %d", ErrSeeded, want.Name, first, want.FirstSeq)
		}
		there = true
		return s.led(ctx, js)
	})
	return there, err
}

// Remove deletes the journal and the snapshots of a generation; what is not there
// is no error. Who has them open finds them gone.
func (s *Store) Remove(ctx context.Context, unit string, generation int) error {
	for _, name := range []string{streamName(unit, generation), snapshotStreamName(unit, generation)} {
		err := s.retry(ctx, "remove "+name, func(ctx context.Context) error {
			err := s.js.DeleteStream(ctx, name)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				err = nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Generations returns the generations of a unit's journal that are there, in order.
func (s *Store) Generations(ctx context.Context, unit string) ([]int, error) {
	prefix := strings.TrimSuffix(streamName(unit, 0), "0")
	var found []int
	err := s.retry(ctx, "list the journals of "+unit, func(ctx context.Context) error {
		found = nil
		names := s.js.StreamNames(ctx)
		for name := range names.Name() {
			if n, err := strconv.Atoi(strings.TrimPrefix(name, prefix)); err == nil && strings.HasPrefix(name, prefix) {
				found = append(found, n)
			}
		}
		return names.Err()
	})
	slices.Sort(found)
	return found, err
}
