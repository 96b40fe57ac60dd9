package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoteChanged: somebody else has changed the note since it was read.
var ErrNoteChanged = errors.New("journal: note was changed by somebody else")

// Notes are small documents of the location, each changed as a whole, in a key-value
// bucket that has as many copies as the journals.
type Notes struct {
	kv     jetstream.KeyValue
	bucket string
}

// Notes opens a bucket of notes, and makes it when there is none. Its name is of
// letters, digits and "-".
func (s *Store) Notes(ctx context.Context, bucket string) (*Notes, error) {
	n := &Notes{bucket: bucket}
	config := jetstream.KeyValueConfig{
		Bucket: "weir-" + bucket, Description: "notes of the location: " + bucket,
		History: 1, Storage: jetstream.FileStorage, Replicas: s.replicas(),
	}
	err := s.retry(ctx, "open the notes "+bucket, func(ctx context.Context) error {
		var err error
		n.kv, err = s.js.KeyValue(ctx, config.Bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			n.kv, err = s.js.CreateKeyValue(ctx, config)
		}
		if err == nil {
			_, err = n.kv.Status(ctx)
		}
		return notYet(err)
	})
	return n, err
}

// Get returns a note and its revision; revision 0: there is none. It may be a moment
// old: who changes it is held to its revision.
func (n *Notes) Get(ctx context.Context, key string) (data []byte, revision uint64, err error) {
	entry, err := n.kv.Get(ctx, escape(key))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the note %s of %s: %w", key, n.bucket, err)
	}
	return entry.Value(), entry.Revision(), nil
}

// Put writes a note over the one of that revision (0: there must be none) and
// returns the new revision, when it is durable. Error: ErrNoteChanged.
func (n *Notes) Put(ctx context.Context, key string, data []byte, revision uint64) (uint64, error) {
	var err error
	if revision == 0 {
		revision, err = n.kv.Create(ctx, escape(key), data)
	} else {
		revision, err = n.kv.Update(ctx, escape(key), data, revision)
	}
	return revision, n.changed("write", key, err)
}

// Delete removes the note of that revision. Error: ErrNoteChanged.
func (n *Notes) Delete(ctx context.Context, key string, revision uint64) error {
	return n.changed("delete", key, n.kv.Delete(ctx, escape(key), jetstream.LastRevision(revision)))
}

func (n *Notes) changed(verb, key string, err error) error {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == wrongLastSequence || errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("%s the note %s of %s: %w", verb, key, n.bucket, ErrNoteChanged)
	}
	if err != nil {
		return fmt.Errorf("%s the note %s of %s: %w", verb, key, n.bucket, err)
	}
	return nil
}

// Watch calls fn with every note there is and then with each change, one at a time,
// until ctx ends; data is nil when a note was deleted. Between two calls changes of
// one note may have been skipped over.
func (n *Notes) Watch(ctx context.Context, fn func(key string, data []byte, revision uint64)) error {
	watcher, err := n.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch the notes %s: %w", n.bucket, err)
	}
	defer watcher.Stop()
	for {
		select {
		case entry, open := <-watcher.Updates():
			if !open {
				return fmt.Errorf("watch the notes %s: the connection has ended (%w)", n.bucket, errClosed)
			}
			if entry == nil { // the present state is told
				continue
			}
			key, whole := unescape(entry.Key())
			if !whole {
				continue // no note of ours: Put keeps names short
			}
			if entry.Operation() != jetstream.KeyValuePut {
				fn(key, nil, entry.Revision())
				continue
			}
			fn(key, entry.Value(), entry.Revision())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
