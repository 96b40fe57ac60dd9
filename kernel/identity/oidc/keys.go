package oidc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity/jwt"
)

// Times of keys.
const (
	// KeysKeptFor is how long keys are used after they were last seen at their
	// provider: it may be down that long. A key it has taken back is believed until the
	// next fetch, at most keysFreshFor later while it can be reached.
	KeysKeptFor  = 24 * time.Hour
	keysFreshFor = time.Hour
	fetchEvery   = 10 * time.Second
)

// source is one provider and its keys.
type source struct {
	issuer   Issuer
	verifier *Verifier

	mu      sync.Mutex
	keys    []jwt.Key
	seen    time.Time     // when the keys were fetched
	asked   time.Time     // when that was last tried
	failure error         // of the last try
	waiting chan struct{} // closed when the fetch under way has ended; nil: none is
}

func (s *source) is(i Issuer) bool {
	return s.issuer.URL == i.URL && s.issuer.KeysURL == i.KeysURL && s.issuer.Directory == i.Directory && slices.Equal(s.issuer.Audiences, i.Audiences)
}

// signed says whether one of the provider's keys signed the token.
func (s *source) signed(ctx context.Context, t *jwt.Token, now time.Time) error {
	found, again := s.find(t.Header, now)
	if again && len(found) == 0 {
		if err := s.wait(ctx, now); err != nil {
			return err
		}
		found, _ = s.find(t.Header, now)
	}
	for _, k := range found {
		if t.Verify(k) == nil {
			return nil
		}
	}
	if len(found) == 0 {
		if err := s.missing(now); err != nil {
			return err
		}
	}
	return refuse("InvalidSignature: The token has an invalid signature.")
}

// missing is the refusal when keys could not be had at all.
func (s *source) missing(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usable(now) || s.failure == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, s.failure, "The keys of the issuer '%s' cannot be had at the moment.", s.issuer.URL)
}

func (s *source) usable(now time.Time) bool {
	return len(s.keys) > 0 && now.Sub(s.seen) <= KeysKeptFor
}

// find gives the keys the header may mean, and whether to wait for a fetch. Keys that
// have become old are fetched meanwhile.
func (s *source) find(h jwt.Header, now time.Time) (found []jwt.Key, fetching bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usable(now) {
		for _, k := range s.keys {
			if h.KeyID == "" && h.Thumb == "" || k.ID == h.KeyID || h.KeyID == "" && k.ID == h.Thumb {
				found = append(found, k)
			}
		}
	}
	old := now.Sub(s.seen) > keysFreshFor || len(found) == 0
	if old && s.waiting == nil && (s.asked.IsZero() || now.Sub(s.asked) >= fetchEvery) && s.verifier.life.Err() == nil {
		s.asked, s.waiting = now, make(chan struct{})
		s.verifier.running.Go(func() { s.renew(now) })
	}
	return found, s.waiting != nil
}

// renew fetches the keys. What was there stays when that fails.
func (s *source) renew(now time.Time) {
	keys, err := s.verifier.fetch.keys(s.verifier.life, s.issuer, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure = err; err == nil {
		s.keys, s.seen = keys, now
	}
	close(s.waiting)
	s.waiting = nil
}

// wait returns when the fetch under way has ended.
func (s *source) wait(ctx context.Context, now time.Time) error {
	s.mu.Lock()
	waiting := s.waiting
	s.mu.Unlock()
	if waiting == nil {
		return nil
	}
	select {
	case <-waiting:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, errors.Join(ctx.Err()), "The keys of the issuer '%s' did not come in time.", s.issuer.URL)
	}
}
