// Package probe asks a namespace whether it works the only way that counts: it sends a
// message through a queue with the public Go SDK, receives that very message, and
// completes it.
//
// Promises: a probe ends within its time; it says which step failed and how long each
// took; what earlier probes left behind is cleared away.
//
// It refuses to touch a queue of users: the queue is its own.
package probe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// Queue is the queue that probes go through.
const Queue = "weir-probe"

// Result is what came of a probe.
type Result struct {
	Stage   string // that failed: send, receive or complete; empty: none
	Err     error
	Seconds float64 // from the send to the completion
}

// Probe is anything that can be asked whether it works.
type Probe interface {
	Check(ctx context.Context) Result
}

// Message is the probe through a queue.
type Message struct {
	Connection string        // connection string
	Within     time.Duration // one check takes at most
}

// Options of the client: it tries again at once, within the time there is.
var retry = azservicebus.RetryOptions{MaxRetries: 20, RetryDelay: 50 * time.Millisecond, MaxRetryDelay: 250 * time.Millisecond}

const (
	receiveMost = 50
	ttl         = time.Minute // what nobody received goes away by itself
	closeWithin = time.Second
)

// Check sends a message and waits for it. Each check is a client of its own: what
// matters is whether somebody who comes now is served.
func (p Message) Check(ctx context.Context) Result {
	ctx, cancel := context.WithTimeout(ctx, p.Within)
	defer cancel()
	began := time.Now()
	stage, err := p.check(ctx)
	if err == nil {
		return Result{Seconds: time.Since(began).Seconds()}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", p.Within)
	}
	var coded *azservicebus.Error
	if errors.As(err, &coded) && coded.Code == azservicebus.CodeNotFound {
		err = fmt.Errorf("there is no queue %s, which is for probes alone: deploy {type: Microsoft.ServiceBus/namespaces/queues, name: NAMESPACE/%s}", Queue, Queue)
	}
	return Result{Stage: stage, Err: fmt.Errorf("%s: %w", stage, err), Seconds: time.Since(began).Seconds()}
}

func (p Message) check(ctx context.Context) (stage string, err error) {
	client, err := azservicebus.NewClientFromConnectionString(p.Connection, &azservicebus.ClientOptions{RetryOptions: retry})
	if err != nil {
		return "connect", err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		_ = client.Close(closing) // the answer is known
	}()
	sender, err := client.NewSender(Queue, nil)
	if err != nil {
		return "send", err
	}
	id, life := strconv.FormatInt(time.Now().UnixNano(), 36), ttl
	if err := sender.SendMessage(ctx, &azservicebus.Message{MessageID: &id, TimeToLive: &life, Body: []byte("probe")}, nil); err != nil {
		return "send", err
	}
	receiver, err := client.NewReceiverForQueue(Queue, nil)
	if err != nil {
		return "receive", err
	}
	for {
		got, err := receiver.ReceiveMessages(ctx, receiveMost, nil)
		if err != nil {
			return "receive", err
		}
		found := false
		for _, m := range got {
			found = found || m.MessageID == id
			if err := receiver.CompleteMessage(ctx, m, nil); err != nil {
				return "complete", err
			}
		}
		if found {
			return "", nil
		}
	}
}
