package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// stream opens the stream of that name, and makes it when there is none. When the
// location has grown since, the stream gets the replicas it now should have.
func (s *Store) stream(ctx context.Context, name, about string) (*stream, error) {
	want := s.streamConfig(name, about)
	l := &stream{store: s, name: name, subject: subjectOf(name)}
	err := s.retry(ctx, "open stream "+name, func(ctx context.Context) error {
		var err error
		l.js, err = s.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			l.js, err = s.js.CreateStream(ctx, want)
		}
		if err == nil && l.js.CachedInfo().Config.Replicas < want.Replicas {
			l.js, err = s.js.UpdateStream(ctx, want)
		}
		if err == nil {
			l.replicated = l.js.CachedInfo().Config.Replicas > 1
			err = s.led(ctx, l.js)
		}
		return notYet(err)
	})
	return l, err
}

// led reports an error while a replicated stream has no leader.
func (s *Store) led(ctx context.Context, stream jetstream.Stream) error {
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	if info.Cluster != nil && info.Config.Replicas > 1 && info.Cluster.Leader == "" {
		return fmt.Errorf("no leader yet: %w", context.DeadlineExceeded)
	}
	return nil
}

// duplicatesWindow is the shortest that the server allows. When it starts it reads
// every message of that age to find message ids, which ours do not have.
const duplicatesWindow = 100 * time.Millisecond

// streamConfig is how every stream of ours is kept: on disk, never discarding by
// itself, without the search for duplicates that sequences make needless.
func (s *Store) streamConfig(name, about string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        name,
		Description: about,
		Subjects:    []string{subjectOf(name)},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		Replicas:    s.replicas(),
		AllowDirect: true,
		DenyDelete:  true,
		MaxMsgs:     -1,
		MaxBytes:    -1,
		Duplicates:  duplicatesWindow,
	}
}

// replicas is the number of copies the location can keep.
func (s *Store) replicas() int {
	switch {
	case s.o.Replicas > 0:
		return s.o.Replicas
	case s.o.Cluster != nil && len(s.o.Cluster.Peers) >= 3:
		return 3
	case s.o.URL != "" && s.nc.ConnectedClusterName() != "" && len(s.nc.Servers()) >= 3:
		return 3
	}
	return 1
}
