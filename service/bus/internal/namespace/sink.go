package namespace

import (
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
)

// Listener hears what the broker says to one connection. Both methods are called
// on the goroutine that commits and must not block.
type Listener interface {
	// Events gives the events of one turn, in order. The slice is the listener's
	// until it gives it back to Sink.Free.
	Events(events []broker.Event)
	// Changed tells that an entity was redefined (a nil error) or removed (why).
	// Receivers of it hear of their end by an event.
	Changed(path string, removed error)
}

// Opened is a receiver that was opened, or that waits for a session.
type Opened struct {
	ID          broker.ReceiverID
	Session     string    // the session it holds
	LockedUntil time.Time // of the session
	Waiting     bool      // SessionAccepted or Refused follows
}

// Sink is where the events of one connection's receivers go.
type Sink struct {
	n        *Namespace
	to       Listener
	gathered []broker.Event // of the turn under way

	mu   sync.Mutex
	free [][]broker.Event
}

const (
	freeBuffersMax = 4    // event slices a sink keeps for the next turns
	freeEventsMax  = 1024 // events in the longest slice it keeps
)

// Connect opens a sink. The fault is QuotaExceeded when the namespace has as many
// connections as it may.
func (n *Namespace) Connect(to Listener) (*Sink, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.sinks) >= n.connectionsMax {
		return nil, fault.New(fault.QuotaExceeded, "The namespace %q has %d connections, which is its limit.", n.name, n.connectionsMax)
	}
	s := &Sink{n: n, to: to}
	n.sinks[s] = struct{}{}
	n.opened++
	return s, nil
}

// Close forgets the sink. Its receivers must have been closed.
func (s *Sink) Close() {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if _, open := s.n.sinks[s]; open {
		delete(s.n.sinks, s)
		s.n.closed++
	}
}

// Free gives back a slice that Events was given.
func (s *Sink) Free(events []broker.Event) {
	if cap(events) > freeEventsMax {
		return
	}
	clear(events)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) < freeBuffersMax {
		s.free = append(s.free, events[:0])
	}
}

func (s *Sink) buffer() []broker.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.free) - 1
	if last < 0 {
		return make([]broker.Event, 0, 16)
	}
	b := s.free[last]
	s.free = s.free[:last]
	return b
}

// announce tells every sink that an entity has changed.
func (n *Namespace) announce(path string, removed error) {
	n.mu.Lock()
	all := make([]Listener, 0, len(n.sinks))
	for s := range n.sinks {
		all = append(all, s.to)
	}
	n.mu.Unlock()
	for _, to := range all {
		to.Changed(path, removed)
	}
}
