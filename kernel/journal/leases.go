package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrLeaseChanged: somebody else has changed the lease since it was seen.
var ErrLeaseChanged = errors.New("journal: lease was changed by another node")

// leasesBucket is the key-value bucket that holds the leases of the location.
const leasesBucket = "weir-leases"

// Leases says who owns which unit, in a key-value bucket that has as many copies
// as the journals. It knows no time: a lease has run out when an observer has
// seen its revision unchanged for as long as was agreed.
type Leases struct{ kv jetstream.KeyValue }

// Lease is one unit's entry.
type Lease struct {
	Unit     string `json:"unit"`
	Node     string `json:"node"` // empty when it was released
	Address  string `json:"address"`
	Epoch    uint64 `json:"epoch"`
	Revision uint64 `json:"-"` // of the bucket: grows with every change
}

// Leases opens the leases of the location.
func (s *Store) Leases(ctx context.Context) (*Leases, error) {
	l := &Leases{}
	config := jetstream.KeyValueConfig{
		Bucket: leasesBucket, Description: "who owns which unit",
		History: 1, Storage: jetstream.FileStorage, Replicas: s.replicas(),
	}
	err := s.retry(ctx, "open the leases", func(ctx context.Context) error {
		var err error
		l.kv, err = s.js.KeyValue(ctx, leasesBucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			l.kv, err = s.js.CreateKeyValue(ctx, config)
		}
		if err == nil {
			_, err = l.kv.Status(ctx)
		}
		return notYet(err)
	})
	return l, err
}

// Get returns a unit's lease; false when there never was one. It may be a moment
// old: whoever acts on it is held to its revision.
func (l *Leases) Get(ctx context.Context, unit string) (Lease, bool, error) {
	entry, err := l.kv.Get(ctx, escape(unit))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Lease{}, false, nil
	}
	if err != nil {
		return Lease{}, false, fmt.Errorf("get the lease of %s: %w", unit, err)
	}
	lease, err := leaseOf(entry)
	return lease, err == nil, err
}

// Acquire writes want over the lease whose revision is want.Revision (0: there
// is none yet) and returns it with its new revision. The caller chooses the
// epoch: higher than the one seen. Error: ErrLeaseChanged.
func (l *Leases) Acquire(ctx context.Context, want Lease) (Lease, error) {
	return l.write(ctx, "acquire", want)
}

// Renew writes held again, unchanged, for others to see that its owner lives.
// Error: ErrLeaseChanged.
func (l *Leases) Renew(ctx context.Context, held Lease) (Lease, error) {
	return l.write(ctx, "renew", held)
}

// Release gives held up: unit and epoch stay, node and address become empty.
// Error: ErrLeaseChanged.
func (l *Leases) Release(ctx context.Context, held Lease) error {
	held.Node, held.Address = "", ""
	_, err := l.write(ctx, "release", held)
	return err
}

// write puts the lease if its revision is still the one given.
func (l *Leases) write(ctx context.Context, verb string, lease Lease) (Lease, error) {
	text, err := json.Marshal(lease)
	if err != nil {
		return Lease{}, err
	}
	var revision uint64
	if lease.Revision == 0 {
		revision, err = l.kv.Create(ctx, escape(lease.Unit), text)
	} else {
		revision, err = l.kv.Update(ctx, escape(lease.Unit), text, lease.Revision)
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == wrongLastSequence ||
		errors.Is(err, jetstream.ErrKeyExists) {
		return Lease{}, fmt.Errorf("%s the lease of %s: %w", verb, lease.Unit, ErrLeaseChanged)
	}
	if err != nil {
		return Lease{}, fmt.Errorf("%s the lease of %s: %w", verb, lease.Unit, err)
	}
	lease.Revision = revision
	return lease, nil
}

// Watch calls fn with the present state of the unit's lease (of every lease when
// unit is empty) and with each change, one at a time, until ctx ends; its error
// is the context's then. Between two calls changes may have been skipped over.
func (l *Leases) Watch(ctx context.Context, unit string, fn func(Lease)) error {
	keys := jetstream.AllKeys
	if unit != "" {
		keys = escape(unit)
	}
	watcher, err := l.kv.Watch(ctx, keys, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("watch leases: %w", err)
	}
	defer watcher.Stop()
	for {
		select {
		case entry, open := <-watcher.Updates():
			if !open {
				return fmt.Errorf("watch leases: the connection has ended (%w)", errClosed)
			}
			if entry == nil { // the present state is told
				continue
			}
			lease, err := leaseOf(entry)
			if err != nil {
				return err
			}
			fn(lease)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func leaseOf(entry jetstream.KeyValueEntry) (Lease, error) {
	lease := Lease{Revision: entry.Revision()}
	if err := json.Unmarshal(entry.Value(), &lease); err != nil {
		return Lease{}, fmt.Errorf("lease %s: %w", entry.Key(), err)
	}
	return lease, nil
}
