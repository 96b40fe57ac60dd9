package http

import (
	"context"
	"sync"
	"time"
)

const (
	// tokensMax bounds the tokens that are remembered.
	tokensMax = 1000
	// tokenSpare is how long before its end a token is not used any more; one that lives
	// shortly is used for half its life.
	tokenSpare = 5 * time.Minute
	// tokenWait bounds how long a token is waited for that others may wait for, too.
	tokenWait = time.Minute
)

// tokens remembers access tokens until shortly before they end. One at a time asks for a
// token of a name; the others wait for it.
type tokens struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]*token
}

type token struct {
	turn  chan struct{} // who holds it may ask
	value string
	until time.Time
}

func newTokens(now func() time.Time) *tokens { return &tokens{now: now, all: map[string]*token{}} }

// get gives the token of a name, and whether it was asked for just now.
func (t *tokens) get(ctx context.Context, name string, ask func(context.Context) (string, time.Time, error)) (value string, fresh bool, err error) {
	k := t.of(name)
	if value := t.remembered(k); value != "" {
		return value, false, nil
	}
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
	defer func() { <-k.turn }()
	if value := t.remembered(k); value != "" {
		return value, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	began := t.now()
	value, ends, err := ask(ctx)
	if err != nil {
		return "", false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k.value, k.until = value, ends.Add(-min(tokenSpare, ends.Sub(began)/2))
	return value, true, nil
}

func (t *tokens) of(name string) *token {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.all[name]
	if k == nil {
		t.drop()
		k = &token{turn: make(chan struct{}, 1)}
		t.all[name] = k
	}
	return k
}

// remembered gives a token that can still be used, or none.
func (t *tokens) remembered(k *token) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.now().Before(k.until) {
		return ""
	}
	return k.value
}

// drop makes room; the mutex is held. Tokens that have ended go first, then any.
func (t *tokens) drop() {
	if len(t.all) < tokensMax {
		return
	}
	now := t.now()
	for name, k := range t.all {
		if !now.Before(k.until) {
			delete(t.all, name)
		}
	}
	for name := range t.all {
		if len(t.all) < tokensMax {
			return
		}
		delete(t.all, name)
	}
}

// forget throws away a token that was refused.
func (t *tokens) forget(name, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.all[name]; k != nil && k.value == value {
		k.value = ""
	}
}
