package issuer

import (
	"strings"
	"sync"
	"time"
)

// Bounds of what is remembered.
const (
	failuresMax    = 10 // of one place in one window
	failuresWindow = time.Minute
	placesMax      = 10_000
	usedMax        = 100_000
	provenMax      = 1000
	provenFor      = 5 * time.Minute
)

// limiter counts failures by place.
type limiter struct {
	mu     sync.Mutex
	places map[string]*failures
}

type failures struct {
	since time.Time
	n     int
}

func newLimiter() *limiter { return &limiter{places: map[string]*failures{}} }

// full says whether a place has failed too often lately.
func (l *limiter) full(place string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.places[place]
	return f != nil && now.Sub(f.since) < failuresWindow && f.n >= failuresMax
}

func (l *limiter) add(place string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.places[place]
	if f == nil || now.Sub(f.since) >= failuresWindow {
		if len(l.places) >= placesMax {
			for key, old := range l.places {
				if now.Sub(old.since) >= failuresWindow {
					delete(l.places, key)
				}
			}
			if len(l.places) >= placesMax {
				clear(l.places) // many places at once: begin to count anew
			}
		}
		f = &failures{since: now}
		l.places[place] = f
	}
	f.n++
}

// once remembers what may be used a single time, until it would be too old anyway.
type once struct {
	mu   sync.Mutex
	seen map[string]time.Time // when it may be forgotten
}

func newOnce() *once { return &once{seen: map[string]time.Time{}} }

// first says whether this is the first time. When too much is remembered it says no:
// what cannot be told from a repetition is taken for one.
func (o *once) first(id string, until, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, again := o.seen[id]; again {
		return false
	}
	if len(o.seen) >= usedMax {
		for key, end := range o.seen {
			if end.Before(now) {
				delete(o.seen, key)
			}
		}
		if len(o.seen) >= usedMax {
			return false
		}
	}
	o.seen[id] = until
	return true
}

// memory remembers digests of secrets that were right, to spare the hashing.
type memory struct {
	mu   sync.Mutex
	good map[[32]byte]time.Time
}

func newMemory() *memory { return &memory{good: map[[32]byte]time.Time{}} }

func (m *memory) has(digest [32]byte, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.good[digest]
	return ok && now.Sub(at) < provenFor
}

func (m *memory) add(digest [32]byte, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.good) >= provenMax {
		clear(m.good)
	}
	m.good[digest] = now
}

// shown keeps what a stranger wrote short and on one line.
func shown(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return '?'
		}
		return r
	}, text)
}
