package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"weir/kernel/fault"
)

// ErrNoteChanged: somebody else has changed the note since it was read.
var ErrNoteChanged = errors.New("journal: note was changed by somebody else")

// Notes are small documents of the location, each changed as a whole, in a key-value
// bucket that has as many copies as the journals.
type Notes struct {
	store  *Store
	kv     jetstream.KeyValue
	bucket string
}

// noteWait is how long reading and writing a note wait for the bucket to have a leader.
const noteWait = 5 * time.Second

// Notes opens a bucket of notes, and makes it when there is none. Its name is of
// letters, digits and "-".
func (s *Store) Notes(ctx context.Context, bucket string) (*Notes, error) {
	n := &Notes{store: s, bucket: bucket}
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
	err = n.patiently(ctx, "read the note "+key+" of "+n.bucket, func(ctx context.Context) error {
		entry, err := n.kv.Get(ctx, escape(key))
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			data, revision, err = nil, 0, nil
		case err == nil:
			data, revision = entry.Value(), entry.Revision()
		}
		return err
	})
	return data, revision, err
}

// Put writes a note over the one of that revision (0: there must be none) and
// returns the new revision, when it is durable. Error: ErrNoteChanged. A write whose
// answer was lost is looked for before it is made again: it is not taken for somebody
// else's.
func (n *Notes) Put(ctx context.Context, key string, data []byte, revision uint64) (written uint64, err error) {
	unsure := false
	err = n.patiently(ctx, "write the note "+key+" of "+n.bucket, func(ctx context.Context) error {
		if unsure {
			entry, err := n.kv.Get(ctx, escape(key))
			if err == nil && entry.Revision() > revision && bytes.Equal(entry.Value(), data) {
				written = entry.Revision()
				return nil
			}
			if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
				return err
			}
		}
		unsure = true
		if revision == 0 {
			written, err = n.kv.Create(ctx, escape(key), data)
		} else {
			written, err = n.kv.Update(ctx, escape(key), data, revision)
		}
		return err
	})
	return written, n.changed(err)
}

// patiently tries again what fails because the bucket has no leader for the moment.
func (n *Notes) patiently(ctx context.Context, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, noteWait)
	defer cancel()
	err := n.store.retry(ctx, what, try)
	if err != nil && passing(err) {
		return fault.Wrap(fault.Unavailable, err, "The notes of this location can not be reached now: most of its nodes do not answer.")
	}
	return err
}

// Delete removes the note of that revision. Error: ErrNoteChanged.
func (n *Notes) Delete(ctx context.Context, key string, revision uint64) error {
	return n.changed(wrap("delete the note "+key+" of "+n.bucket, n.kv.Delete(ctx, escape(key), jetstream.LastRevision(revision))))
}

// changed tells that a note was not the one of the revision.
func (n *Notes) changed(err error) error {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == wrongLastSequence || errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("%w (%w)", ErrNoteChanged, err)
	}
	return err
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
