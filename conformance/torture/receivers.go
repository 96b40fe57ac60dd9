package torture

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/torture/ledger"
)

// place is a queue or subscription that is read, or its dead-letter queue.
type place struct {
	name, queue, topic, subscription string
	dead                             bool
}

// places lists all of them.
var places = []place{
	{name: plain, queue: plain},
	{name: sessions, queue: sessions},
	{name: scheduled, queue: scheduled},
	{name: topic + "/one", topic: topic, subscription: "one"},
	{name: topic + "/two", topic: topic, subscription: "two"},
	{name: volatile, queue: volatile},
}

// buried is the dead-letter queue of a place.
func (p place) buried() place { p.dead = true; return p }

func (p place) open(c *azservicebus.Client, mode azservicebus.ReceiveMode) (*azservicebus.Receiver, error) {
	o := &azservicebus.ReceiverOptions{ReceiveMode: mode}
	if p.dead {
		o.SubQueue = azservicebus.SubQueueDeadLetter
	}
	if p.topic != "" {
		return c.NewReceiverForSubscription(p.topic, p.subscription, o)
	}
	return c.NewReceiverForQueue(p.queue, o)
}

// receiveMax is how many messages a receiver asks for at once.
const receiveMax = 20

// receiveTime bounds one call to receive.
const receiveTime = 3 * time.Second

// settling is what settles messages: a plain or a session receiver.
type settling interface {
	CompleteMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.CompleteMessageOptions) error
	AbandonMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.AbandonMessageOptions) error
	DeadLetterMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.DeadLetterOptions) error
}

// receives has a client receive from a place and settle, until ctx ends.
func (l *load) receives(ctx context.Context, p place, retry azservicebus.RetryOptions) {
	client := l.client(retry)
	if client == nil {
		return
	}
	r, err := p.open(client, azservicebus.ReceiveModePeekLock)
	if err != nil {
		l.rec.failed("open a receiver", err)
		return
	}
	random := l.random("receive " + p.name)
	air := make(chan struct{}, settlingMax)
	l.receiving.Go(func() {
		for ctx.Err() == nil {
			l.settleAll(p, r, random, air, l.receive(ctx, p, r, receiveMax))
		}
	})
}

// receive takes what comes and writes it down.
func (l *load) receive(ctx context.Context, p place, r *azservicebus.Receiver, most int) []*azservicebus.ReceivedMessage {
	ctx, cancel := context.WithTimeout(ctx, receiveTime)
	defer cancel()
	got, err := r.ReceiveMessages(ctx, most, nil)
	if err != nil && ctx.Err() == nil {
		l.rec.failed("receive", err)
		_ = wait(ctx, 50*time.Millisecond) // a server that is down refuses at once
	}
	for _, m := range got {
		l.rec.delivered(delivery(p.name, p.dead, m))
	}
	return got
}

// settlingMax is how many settlements one receiver may have in the air.
const settlingMax = 200

// settleAll begins to settle messages and does not wait for the answers: a kill
// finds many on their way, and the SDK, which tries again slowly, does not keep
// the receiver from receiving.
func (l *load) settleAll(p place, r settling, random *rand.Rand, air chan struct{}, got []*azservicebus.ReceivedMessage) {
	for _, m := range got {
		verb := l.choose(p, random)
		air <- struct{}{}
		l.receiving.Go(func() {
			l.settle(p, r, 0, verb, m)
			<-air
		})
	}
}

// choose decides about a message: mostly complete, sometimes abandon or bury,
// now and then nothing, so that the lock runs out.
func (l *load) choose(p place, random *rand.Rand) ledger.Verb {
	switch n := random.IntN(200); {
	case n < 8:
		return ledger.Abandon
	case n < 12 && !p.dead:
		return ledger.Bury
	case n == 12:
		return forget
	default:
		return ledger.Complete
	}
}

// forget is to settle nothing.
const forget = ledger.Verb(0)

// How long a settlement may take. The SDK tries for most of a minute; what it
// finds out after its first slow try is that the lock is lost. In a session it
// holds the session meanwhile, which keeps others from it.
const (
	settleTime        = 10 * time.Second
	sessionSettleTime = 3 * time.Second
)

// settle settles one message and writes down how that went. It reports whether
// the answer was yes.
func (l *load) settle(p place, r settling, holding int, verb ledger.Verb, m *azservicebus.ReceivedMessage) bool {
	if verb == forget {
		return true
	}
	limit := settleTime
	if holding != 0 {
		limit = sessionSettleTime
	}
	ctx, cancel := during(limit)
	defer cancel()
	call := ledger.Settle{Place: p.name, Dead: p.dead, Sequence: *m.SequenceNumber, ID: m.MessageID, Holding: holding, Verb: verb, Start: l.rec.now()}
	var err error
	switch verb {
	case ledger.Abandon:
		err = r.AbandonMessage(ctx, m, nil)
	case ledger.Bury:
		err = r.DeadLetterMessage(ctx, m, nil)
	default:
		err = r.CompleteMessage(ctx, m, nil)
	}
	l.rec.settled(call, err)
	return err == nil
}

// deletes has a client receive from the volatile queue, where receiving is
// deleting.
func (l *load) deletes(ctx context.Context) {
	p := place{name: volatile, queue: volatile}
	for range volatileReceivers {
		client := l.client(impatient)
		if client == nil {
			return
		}
		r, err := p.open(client, azservicebus.ReceiveModeReceiveAndDelete)
		if err != nil {
			l.rec.failed("open a receiver", err)
			return
		}
		l.receiving.Go(func() {
			for ctx.Err() == nil {
				l.rec.completed.Add(int64(len(l.receive(ctx, p, r, receiveMax))))
			}
			l.flush(p, r)
		})
	}
}

// flush reads what a closed receiver had already been given.
func (l *load) flush(p place, r *azservicebus.Receiver) {
	ctx, cancel := during(receiveTime)
	defer cancel()
	_ = r.Close(ctx)
	for len(l.receive(ctx, p, r, receiveMax)) > 0 {
	}
}
