package ballot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"weir/kernel/ballot/core"
)

// Local is a voter whose ballots are in a storage.
type Local struct {
	storage Storage
	now     func() time.Duration // monotonic

	mu    sync.Mutex
	minds map[string]*mind
}

// mind is what a Local knows of one group.
type mind struct {
	mu      sync.Mutex
	known   bool
	voter   core.Voter
	version uint64 // that voter is of
}

// NewLocal makes a voter. Other processes may be voters over the same storage: all
// together they are one.
func NewLocal(s Storage) *Local {
	start := time.Now()
	return &Local{storage: s, now: func() time.Duration { return time.Since(start) }, minds: map[string]*mind{}}
}

// Ask implements Voter.
func (l *Local) Ask(ctx context.Context, group string, r Request) (Answer, error) {
	m := l.mind(group)
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if err := l.read(ctx, group, m); err != nil {
			return Answer{}, err
		}
		next, answer := m.voter.Decide(l.now(), r)
		if next.Ballot == m.voter.Ballot {
			return answer, nil
		}
		data, err := json.Marshal(next.Ballot)
		if err != nil {
			return Answer{}, err
		}
		version, err := l.storage.Save(ctx, group, data, m.version)
		if errors.Is(err, ErrChanged) {
			continue
		}
		if err != nil {
			m.known = false // it may be stored or not: read again, and count from then
			return Answer{}, fmt.Errorf("keep the ballot of %s: %w", group, err)
		}
		m.voter, m.version = next, version
		return answer, nil
	}
}

func (l *Local) mind(group string) *mind {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.minds[group] == nil {
		l.minds[group] = &mind{}
	}
	return l.minds[group]
}

// read takes what the storage holds. A ballot that was not seen before may have been
// granted just now, by another process or an earlier life of this one.
func (l *Local) read(ctx context.Context, group string, m *mind) error {
	data, version, err := l.storage.Load(ctx, group)
	if err != nil {
		return fmt.Errorf("read the ballot of %s: %w", group, err)
	}
	if m.known && version == m.version {
		return nil
	}
	var b core.Ballot
	if version != 0 {
		if err := json.Unmarshal(data, &b); err != nil {
			return fmt.Errorf("the ballot of %s can not be read: %w", group, err)
		}
	}
	m.voter, m.version, m.known = core.Reading(b, l.now()), version, true
	return nil
}
