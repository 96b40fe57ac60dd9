package journal

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// lookEvery is how often a follower looks for news when nothing told it of any.
	lookEvery = time.Second
	// hangAgainEvery is how often it tries to have a bell when it could not.
	hangAgainEvery = 5 * time.Second
)

// bell tells a follower that there are records it has not seen. It may ring for
// nothing and it may miss one, so its wait ends by itself now and then.
//
// It is a consumer without a durable name that gets the headers of new records:
// it rings where records are stored, whoever wrote them. The client library makes
// it anew when it is lost.
type bell struct {
	l     *stream
	rung  chan struct{}
	last  atomic.Uint64 // position it rang for
	sub   *nats.Subscription
	tried time.Time
}

// bell hangs a bell on the stream. The caller stops it.
func (l *stream) bell() *bell {
	b := &bell{l: l, rung: make(chan struct{}, 1)}
	b.hang()
	return b
}

func (b *bell) hang() {
	if b.sub != nil && b.sub.IsValid() || time.Since(b.tried) < hangAgainEvery {
		return
	}
	b.tried = time.Now()
	js, err := b.l.store.nc.JetStream()
	if err == nil {
		b.sub, err = js.Subscribe("", b.ring, nats.BindStream(b.l.name), nats.OrderedConsumer(), nats.HeadersOnly(), nats.DeliverNew())
	}
	if err != nil {
		b.l.store.log.Warn("a follower looks for news every second: it can not be told", "stream", b.l.name, "error", err)
	}
}

func (b *bell) ring(m *nats.Msg) {
	if meta, err := m.Metadata(); err == nil {
		b.last.Store(meta.Sequence.Stream)
	}
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

// wait returns the position up to which there is news; after a while without any
// it asks for the journal's end.
func (b *bell) wait(ctx context.Context) (Position, error) {
	b.hang()
	t := time.NewTimer(lookEvery)
	defer t.Stop()
	select {
	case <-b.rung:
		return Position(b.last.Load()), nil
	case <-t.C:
		size, err := b.l.size(ctx)
		return size.Last, err
	case <-b.l.store.life.Done():
		return 0, errClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (b *bell) stop() {
	if b.sub != nil {
		b.sub.Unsubscribe()
	}
}
