// Package bustest is the suite that every front end of the Service Bus must pass:
// the same stories, told through whatever protocol. A front end's test implements
// Door with a client of its own and calls Run.
//
// What a front end does not offer (no sessions over HTTP) its client answers with
// errors.ErrUnsupported, and the stories about it are skipped.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"weir/service/bus/internal/broker"
)

// Door is one front end.
type Door interface {
	// Declare declares entities and returns when they can be used.
	Declare(t *testing.T, ds ...Definition)
	// Connect gives a new client, which ends with the test.
	Connect(t *testing.T) Client
}

// Client is what can be done through a front end.
type Client interface {
	// Send sends one request: several letters are taken all or none.
	Send(ctx context.Context, path string, letters ...Letter) error
	// Schedule sends letters for later and returns their sequence numbers.
	Schedule(ctx context.Context, path string, at time.Time, letters ...Letter) ([]int64, error)
	Cancel(ctx context.Context, path string, sequences ...int64) error
	// Peek looks at up to most letters from a sequence number on.
	Peek(ctx context.Context, path string, from int64, most int) ([]Letter, error)
	// Open opens a receiver.
	Open(ctx context.Context, path string, w Wish) (Hand, error)
}

// Wish says what a receiver wants.
type Wish struct {
	Delete  bool    // receive and delete
	Session *string // a session by name
	Next    bool    // any session
}

// Hand is an open receiver.
type Hand interface {
	// Take returns n letters, waiting for them.
	Take(ctx context.Context, n int) ([]Letter, error)
	// Fetch returns deferred letters.
	Fetch(ctx context.Context, sequences ...int64) ([]Letter, error)
	Settle(ctx context.Context, l Letter, how Disposition, reason string) error
	Renew(ctx context.Context, l Letter) error
	Session() string
	State(ctx context.Context) ([]byte, error)
	SetState(ctx context.Context, state []byte) error
	Close(ctx context.Context) error
}

// Letter is a message as a client sees it.
type Letter struct {
	ID, Body      string
	Session       *string
	TTL           time.Duration
	Properties    map[string]any
	Sequence      int64 // of a received one, as all that follows
	DeliveryCount uint32
	State         broker.MessageState
	Token         any // what Settle needs; the client's own
}

// story is one part of the suite.
type story struct {
	name string
	tell func(*teller)
}

var stories = []story{
	{"messages come in order and are gone when completed", inOrder},
	{"abandoning counts, and the last time dead-letters", abandoned},
	{"a dead letter tells why", deadLettered},
	{"a deferred message waits to be fetched by number", deferred},
	{"receive and delete leaves nothing", deleted},
	{"a batch is taken whole or not at all", batches},
	{"scheduled messages can be seen and cancelled", scheduled},
	{"a message that runs out goes to the dead letters", expired},
	{"a session belongs to one receiver and keeps its order", sessions},
	{"a session's state outlives its receiver", states},
	{"subscriptions get what their rules choose", rules},
	{"duplicates are accepted and dropped", duplicates},
	{"forwarded messages arrive at the end", forwarded},
}

// Run tells every story at a door.
func Run(t *testing.T, door Door) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			s.tell(&teller{T: t, ctx: ctx, door: door, c: door.Connect(t), name: fmt.Sprintf("story%d", time.Now().UnixNano())})
		})
	}
}

// teller tells one story.
type teller struct {
	*testing.T
	ctx  context.Context
	door Door
	c    Client
	name string // of the entities it declares
}

// must ends the story on an error, quietly when the front end does not offer it.
func (s *teller) must(err error) {
	s.Helper()
	if errors.Is(err, errors.ErrUnsupported) {
		s.Skip(err)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// queue declares a queue and returns its path.
func (s *teller) queue(change func(*Definition)) string {
	s.Helper()
	d := Definition{
		Name: s.name, Kind: Queue, LockDuration: time.Minute, MaxDeliveryCount: 10,
		MaxSizeBytes: 1 << 30, MaxMessageBytes: 256 << 10,
	}
	if change != nil {
		change(&d)
	}
	s.door.Declare(s.T, d)
	return d.Name
}

func (s *teller) send(path string, bodies ...string) {
	s.Helper()
	for _, b := range bodies {
		s.must(s.c.Send(s.ctx, path, Letter{ID: b, Body: b}))
	}
}

func (s *teller) open(path string, w Wish) Hand {
	s.Helper()
	h, err := s.c.Open(s.ctx, path, w)
	s.must(err)
	return h
}

func (s *teller) take(h Hand, n int) []Letter {
	s.Helper()
	got, err := h.Take(s.ctx, n)
	s.must(err)
	return got
}

func (s *teller) settle(h Hand, l Letter, how Disposition) {
	s.Helper()
	s.must(h.Settle(s.ctx, l, how, ""))
}

// holds checks what a peek sees.
func (s *teller) holds(path string, want ...string) []Letter {
	s.Helper()
	got, err := s.c.Peek(s.ctx, path, 0, 100)
	s.must(err)
	s.are(got, want...)
	return got
}

func (s *teller) are(got []Letter, want ...string) {
	s.Helper()
	var bodies []string
	for _, l := range got {
		bodies = append(bodies, l.Body)
	}
	if !slices.Equal(bodies, want) {
		s.Errorf("got %q, want %q", bodies, want)
	}
}
