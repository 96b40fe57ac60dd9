package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

// traffic is a client of the SDK that sends one message after the other, in a few
// lanes, and remembers when each was acknowledged.
type traffic struct {
	client *azservicebus.Client
	cancel context.CancelFunc
	lanes  sync.WaitGroup

	mu       sync.Mutex
	answered []time.Time
}

const (
	trafficLanes = 4
	trafficEvery = 5 * time.Millisecond // between an answer and the next message
	// silentMax is longer than any disturbance may last.
	silentMax = 90 * time.Second
	// steadyFor is how much has to be acknowledged before the next disturbance.
	steadyFor = 100
)

// startTraffic begins to send through an address; it tries again soon and often.
func startTraffic(ctx context.Context, connection string) (*traffic, error) {
	c, err := azservicebus.NewClientFromConnectionString(connection, &azservicebus.ClientOptions{
		RetryOptions: azservicebus.RetryOptions{MaxRetries: 1000, RetryDelay: 10 * time.Millisecond, MaxRetryDelay: 100 * time.Millisecond},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{client: c, cancel: cancel}
	for range trafficLanes {
		s, err := c.NewSender(queue, nil)
		if err != nil {
			cancel()
			return nil, err
		}
		t.lanes.Go(func() { t.lane(ctx, s) })
	}
	return t, t.steady(ctx)
}

func (t *traffic) lane(ctx context.Context, s *azservicebus.Sender) {
	body := make([]byte, bodyBytes)
	for ctx.Err() == nil {
		if err := s.SendMessage(ctx, &azservicebus.Message{Body: body}, nil); err == nil {
			t.mu.Lock()
			t.answered = append(t.answered, time.Now())
			t.mu.Unlock()
		}
		select {
		case <-time.After(trafficEvery):
		case <-ctx.Done():
		}
	}
}

// after returns when the first message was acknowledged behind a moment.
func (t *traffic) after(ctx context.Context, moment time.Time) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, silentMax)
	defer cancel()
	for {
		t.mu.Lock()
		at, _ := slices.BinarySearchFunc(t.answered, moment, time.Time.Compare)
		if at < len(t.answered) {
			defer t.mu.Unlock()
			return t.answered[at], nil
		}
		t.mu.Unlock()
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return moment, fmt.Errorf("nothing was acknowledged for %s", silentMax)
		}
	}
}

// steady waits until some more were acknowledged.
func (t *traffic) steady(ctx context.Context) error {
	for range steadyFor {
		if _, err := t.after(ctx, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// gap is the longest time without an acknowledgement since a moment.
func (t *traffic) gap(since time.Time) (longest time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, _ := slices.BinarySearchFunc(t.answered, since, time.Time.Compare)
	for i := max(at, 1); i < len(t.answered); i++ {
		longest = max(longest, t.answered[i].Sub(t.answered[i-1]))
	}
	return longest
}

func (t *traffic) stop() {
	t.cancel()
	t.lanes.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = t.client.Close(ctx)
}

// pace sends so many messages a second, each when its time has come, until ctx ends.
func pace(ctx context.Context, addr string, perS float64) error {
	conn, session, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	s, err := session.NewSender(ctx, queue, nil)
	if err != nil {
		return err
	}
	const lanes = 200
	began := time.Now()
	var next atomic.Int64
	_, err = crew(lanes, func(int) ([]time.Duration, error) {
		m := &amqp.Message{Header: &amqp.MessageHeader{Durable: true}, Data: [][]byte{make([]byte, bodyBytes)}}
		for {
			due := began.Add(time.Duration(float64(next.Add(1)) / perS * float64(time.Second)))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return nil, nil
			}
			if err := s.Send(ctx, m, nil); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return nil, unlessEnded(ctx, err)
			}
		}
	})
	return err
}
