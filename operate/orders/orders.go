// Package orders is synthetic traffic with an exact account: orders go into a queue, a
// worker takes each, tells a topic of it and completes it, and subscribers hear of it.
// All of them are clients of the public Go SDK, as an application's would be. Drills
// and the demonstration use it to say what a failover cost.
//
// Promises:
//
//  1. Every order has one number; what was acknowledged, delivered, completed and heard
//     of is written down when it is known, and not before.
//  2. A send without an answer is tried again as the same order, which may arrive twice;
//     nothing is counted as lost that was not acknowledged.
//  3. Clients come back by themselves, for as long as the run lasts.
//
// It refuses to guess: what clients can not know is not in the account.
package orders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// The entities.
const (
	Queue = "weir-orders"
	Topic = "weir-order-events"
)

// Subscribers are the subscriptions of the topic.
var Subscribers = []string{"billing", "shipping"}

// Options say how much traffic there is.
type Options struct {
	Connection string // connection string
	Rate       int    // orders a second; 50
	Senders    int    // sends at once; 4
	Workers    int    // 2
	Logger     *slog.Logger
}

// retry is how the clients take failure: at once and often, so that what is measured is
// the service and not the pause of a client.
var retry = azservicebus.RetryOptions{MaxRetries: 40, RetryDelay: 50 * time.Millisecond, MaxRetryDelay: 250 * time.Millisecond}

const (
	callTime    = 20 * time.Second // of one try of a send
	settleTime  = 2 * time.Second
	comeBack    = 100 * time.Millisecond
	receiveMost = 20
	aheadMost   = 20_000 // orders that may wait for the worker
)

// Run is traffic under way.
type Run struct {
	o    Options
	id   string
	log  *slog.Logger
	mu   sync.Mutex
	book *Book

	stopSending, stopAll context.CancelFunc
	sending, working     sync.WaitGroup
	clients              []*azservicebus.Client
}

// Start sets everybody to work.
func Start(ctx context.Context, o Options) (*Run, error) {
	if o.Rate == 0 {
		o.Rate = 50
	}
	if o.Senders == 0 {
		o.Senders = 4
	}
	if o.Workers == 0 {
		o.Workers = 2
	}
	r := &Run{o: o, id: strconv.FormatInt(time.Now().UnixNano(), 36), log: o.Logger, book: NewBook(Subscribers...)}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	all, stopAll := context.WithCancel(ctx)
	send, stopSend := context.WithCancel(all)
	r.stopAll, r.stopSending = stopAll, stopSend
	for range o.Senders {
		if err := r.with(func(c *azservicebus.Client) { r.sending.Go(func() { r.send(send, c) }) }); err != nil {
			return nil, errors.Join(err, r.Stop())
		}
	}
	for range o.Workers {
		if err := r.with(func(c *azservicebus.Client) { r.working.Go(func() { r.work(all, c) }) }); err != nil {
			return nil, errors.Join(err, r.Stop())
		}
	}
	for _, s := range Subscribers {
		if err := r.with(func(c *azservicebus.Client) { r.working.Go(func() { r.hear(all, c, s) }) }); err != nil {
			return nil, errors.Join(err, r.Stop())
		}
	}
	return r, nil
}

// with gives a client of its own to fn.
func (r *Run) with(fn func(*azservicebus.Client)) error {
	c, err := azservicebus.NewClientFromConnectionString(r.o.Connection, &azservicebus.ClientOptions{RetryOptions: retry})
	if err != nil {
		return fmt.Errorf("the connection string: %w", err)
	}
	r.clients = append(r.clients, c)
	fn(c)
	return nil
}

// locked gives the book to fn.
func (r *Run) locked(fn func(b *Book)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(r.book)
}

// Look gives the book to fn, which must not keep it.
func (r *Run) Look(fn func(b *Book)) { r.locked(fn) }

// Account is what became of the orders so far.
func (r *Run) Account() (a Account) {
	r.locked(func(b *Book) { a = b.Account() })
	return a
}

// Counts are cheap to ask for.
type Counts struct {
	Sent, Acknowledged, Delivered, Repeated int
	LastIn                                  time.Time // newest acknowledged send
}

// Counts says how far it is.
func (r *Run) Counts() (c Counts) {
	r.locked(func(b *Book) {
		c = Counts{Sent: len(b.orders), Acknowledged: len(b.acks), Delivered: len(b.out), Repeated: b.repeated}
		if n := len(b.acks); n > 0 {
			c.LastIn = b.acks[n-1]
		}
	})
	return c
}

// quiet is how long nothing must come until nothing more is expected: a completion
// without an answer may have happened, or the order comes again when its lock has run out.
const quiet = 2 * time.Second

// Drain ends the sending and waits until every acknowledged order and event has come and
// nothing more does, or ctx ends.
func (r *Run) Drain(ctx context.Context) Account {
	r.stopSending()
	r.sending.Wait()
	tick := time.NewTicker(comeBack)
	defer tick.Stop()
	seen, since := 0, time.Now()
	for {
		a, c := r.Account(), r.Counts()
		if c.Delivered != seen {
			seen, since = c.Delivered, time.Now()
		}
		if a.Lost == 0 && a.Missing == 0 && (a.Completed == a.Processed || time.Since(since) > quiet) {
			return a
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return r.Account()
		}
	}
}

// Stop ends everything.
func (r *Run) Stop() error {
	r.stopAll()
	r.sending.Wait()
	r.working.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, c := range r.clients {
		_ = c.Close(ctx) // its server may be gone
	}
	return nil
}

// send sends orders at the rate, each until it is acknowledged.
func (r *Run) send(ctx context.Context, c *azservicebus.Client) {
	sender, err := c.NewSender(Queue, nil)
	if err != nil {
		r.log.Error("no orders are sent", "error", err)
		return
	}
	tick := time.NewTicker(time.Second * time.Duration(r.o.Senders) / time.Duration(r.o.Rate))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		n, ok, ahead := 0, false, 0
		r.locked(func(b *Book) {
			if ahead = len(b.acks) - len(b.out); ahead < aheadMost {
				n, ok = b.Send(time.Now())
			}
		})
		if !ok {
			continue
		}
		r.place(ctx, sender, n)
	}
}

// place sends one order.
func (r *Run) place(ctx context.Context, sender *azservicebus.Sender, n int) {
	id := fmt.Sprintf("%s-%d", r.id, n)
	body := fmt.Appendf(nil, `{"order":%d,"at":%q}`, n, time.Now().UTC().Format(time.RFC3339Nano))
	for {
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
		err := sender.SendMessage(try, &azservicebus.Message{MessageID: &id, Body: body}, nil)
		cancel()
		if err == nil {
			r.locked(func(b *Book) { b.Acknowledged(n, time.Now()) })
			return
		}
		r.locked(func(b *Book) { b.Failed() })
		if !rest(ctx) {
			return
		}
	}
}

// rest pauses before the next try; false: it is over.
func rest(ctx context.Context) bool {
	select {
	case <-time.After(comeBack):
		return true
	case <-ctx.Done():
		return false
	}
}

// Took reports whether the order with a message id was acknowledged before now.
func (r *Run) Took(id string) (took bool) {
	n := r.number(id)
	r.locked(func(b *Book) { took = n >= 0 && n < len(b.orders) && !b.orders[n].acknowledged.IsZero() })
	return took
}

// TookBy reports whether the order with a message id was acknowledged before a moment. A
// send without an answer may be in one location's log and be acknowledged by the other's.
func (r *Run) TookBy(id string, by time.Time) (took bool) {
	n := r.number(id)
	r.locked(func(b *Book) {
		took = n >= 0 && n < len(b.orders) && !b.orders[n].acknowledged.IsZero() && b.orders[n].acknowledged.Before(by)
	})
	return took
}

// number is that of an order of this run; -1: it is another's.
func (r *Run) number(id string) int {
	run, text, _ := strings.Cut(id, "-")
	n, err := strconv.Atoi(text)
	if err != nil || run != r.id {
		return -1
	}
	return n
}

// work takes orders, tells of them and completes them.
func (r *Run) work(ctx context.Context, c *azservicebus.Client) {
	events, err := c.NewSender(Topic, nil)
	if err != nil {
		r.log.Error("nobody works", "error", err)
		return
	}
	open := func() (*azservicebus.Receiver, error) { return c.NewReceiverForQueue(Queue, nil) }
	came := func(n int, seq int64) { r.locked(func(b *Book) { b.Delivered(n, seq, time.Now()) }) }
	r.receive(ctx, open, came, func(receiver *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
		n, id := r.number(m.MessageID), m.MessageID
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
		defer cancel()
		if err := events.SendMessage(try, &azservicebus.Message{MessageID: &id, Body: m.Body}, nil); err != nil {
			return err
		}
		if n >= 0 {
			r.locked(func(b *Book) { b.Published(n) })
		}
		if err := complete(ctx, receiver, m); err != nil {
			return err
		}
		if n >= 0 {
			r.locked(func(b *Book) { b.Completed(n, *m.SequenceNumber, time.Now()) })
		}
		return nil
	})
}

// complete settles a message. The SDK tries for long to settle on a link that is gone;
// such a message comes again, so there is nothing to wait for.
func complete(ctx context.Context, receiver *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
	try, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	return receiver.CompleteMessage(try, m, nil)
}

// hear takes the events of a subscriber.
func (r *Run) hear(ctx context.Context, c *azservicebus.Client, subscriber string) {
	open := func() (*azservicebus.Receiver, error) { return c.NewReceiverForSubscription(Topic, subscriber, nil) }
	came := func(n int, _ int64) { r.locked(func(b *Book) { b.Heard(n, subscriber) }) }
	r.receive(ctx, open, came, func(receiver *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
		return complete(ctx, receiver, m)
	})
}

// receive tells came of messages and gives them to fn. When that fails what was received
// with them is let go, for its locks are gone too, and a receiver is opened again.
func (r *Run) receive(ctx context.Context, open func() (*azservicebus.Receiver, error), came func(n int, sequence int64), fn func(*azservicebus.Receiver, *azservicebus.ReceivedMessage) error) {
	for ctx.Err() == nil {
		receiver, err := open()
		if err != nil {
			r.log.Error("a receiver could not be opened", "error", err)
			return
		}
		for err == nil && ctx.Err() == nil {
			var messages []*azservicebus.ReceivedMessage
			messages, err = receiver.ReceiveMessages(ctx, receiveMost, nil)
			for _, m := range messages {
				came(r.number(m.MessageID), *m.SequenceNumber)
			}
			for i := 0; i < len(messages) && err == nil; i++ {
				err = fn(receiver, messages[i])
			}
		}
		closing, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = receiver.Close(closing) // it may be gone
		cancel()
		if !rest(ctx) {
			return
		}
	}
}
