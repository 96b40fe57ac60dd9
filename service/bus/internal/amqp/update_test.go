package amqp

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	sb "github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/service/bus/internal/broker"
)

// TestUpdateDetachesBehindAnswers: an entity that is changed under load detaches
// its senders behind the answers to what they sent. A detach in front of an answer
// makes the client send again what is stored, and the queue holds it twice.
func TestUpdateDetachesBehindAnswers(t *testing.T) {
	const senders, each = 8, 40
	r := newRig(t, Limits{})
	q := r.queue()
	patient, err := sb.NewClientFromConnectionString(r.connectionString(), &sb.ClientOptions{
		RetryOptions: sb.RetryOptions{MaxRetries: 1000, RetryDelay: time.Microsecond, MaxRetryDelay: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	s := &sdk{patient, r, t, within(t)}
	t.Cleanup(func() { patient.Close(context.Background()) })
	var sending sync.WaitGroup
	failed := make(chan error, senders)
	for n := range senders {
		sending.Go(func() {
			x, err := s.NewSender(q, nil)
			for i := 0; i < each && err == nil; i++ {
				err = x.SendMessage(s.ctx, &sb.Message{Body: fmt.Appendf(nil, "%d/%d", n, i)}, nil)
			}
			failed <- err
		})
	}
	done := make(chan struct{})
	go func() { sending.Wait(); close(done) }()
	for i := 0; ; i++ {
		select {
		case <-done:
			for range senders {
				s.must(<-failed)
			}
			got := bodies(s.take(s.receiver(q, nil), senders*each))
			seen := map[string]bool{}
			for _, b := range got {
				if seen[b] {
					t.Errorf("%s is there twice", b)
				}
				seen[b] = true
			}
			if i == 0 {
				t.Error("the entity was never changed while messages were sent")
			}
			return
		default:
			r.entity(broker.Queue, q, func(d *broker.Definition) { d.LockDuration = time.Minute + time.Duration(i%2)*time.Second })
		}
	}
}
