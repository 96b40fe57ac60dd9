package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// load is the clients at work.
type load struct {
	rec        *recorder
	patient    azservicebus.RetryOptions
	seed       uint64
	pace       time.Duration // between two sends of one sender
	clients    int
	connection string

	closers   []*azservicebus.Client
	sending   sync.WaitGroup
	receiving sync.WaitGroup
	stopSend  context.CancelFunc
	stopAll   context.CancelFunc
	look      *azservicebus.Client // looks for what is left
	err       error
}

// How a client takes failure: the SDK's own way, or trying again at once and
// often.
var (
	asShipped = azservicebus.RetryOptions{}
	impatient = azservicebus.RetryOptions{MaxRetries: 400, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: 300 * time.Millisecond}
)

// callTime bounds one call of a client, its retries included.
const callTime = 90 * time.Second

func newLoad(connection string, rec *recorder, o Options) (*load, error) {
	l := &load{rec: rec, seed: o.Seed, connection: connection, pace: time.Second / time.Duration(max(o.Rate, 1)), patient: asShipped}
	if o.Hurry {
		l.patient = impatient
	}
	l.look = l.client(impatient)
	return l, l.err
}

// client opens a connection of its own.
func (l *load) client(retry azservicebus.RetryOptions) *azservicebus.Client {
	c, err := azservicebus.NewClientFromConnectionString(l.connection, &azservicebus.ClientOptions{RetryOptions: retry})
	if err != nil {
		l.err = fmt.Errorf("make a client: %w", err)
		return nil
	}
	l.closers = append(l.closers, c)
	l.clients++
	return c
}

// How many clients of each kind there are.
const (
	plainReceivers    = 2
	sessionReceivers  = 3
	volatileReceivers = 1
	sessionSenders    = 2
	sessionsPerSender = 4
)

// start puts every client to work.
func (l *load) start(ctx context.Context) {
	all, stopAll := context.WithCancel(ctx)
	send, stopSend := context.WithCancel(all)
	l.stopAll, l.stopSend = stopAll, stopSend

	l.sends(send, plain, impatient, l.sendOne)
	l.sends(send, plain, l.patient, l.sendBatch)
	l.sends(send, topic, impatient, l.sendOne)
	l.sends(send, volatile, impatient, l.sendOne)
	l.sends(send, scheduled, impatient, l.schedule)
	for n := range sessionSenders {
		l.sendsInSessions(send, n)
	}
	for n := range plainReceivers {
		l.receives(all, place{name: plain, queue: plain}, []azservicebus.RetryOptions{impatient, l.patient}[n%2])
	}
	for _, p := range []place{{name: scheduled, queue: scheduled}, {name: topic + "/one", topic: topic, subscription: "one"}, {name: topic + "/two", topic: topic, subscription: "two"}} {
		l.receives(all, p, impatient)
	}
	for _, p := range places {
		if p.name != volatile {
			l.receives(all, p.buried(), impatient)
		}
	}
	for n := range sessionReceivers {
		l.holds(all, n)
	}
	l.deletes(all)
}

// stopSending lets every sender end the call it is in.
func (l *load) stopSending() {
	l.stopSend()
	l.sending.Wait()
}

// close ends every client.
func (l *load) close() {
	l.stopAll()
	l.receiving.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, c := range l.closers {
		_ = c.Close(ctx)
	}
}

// random gives each worker choices of its own that the seed decides.
func (l *load) random(worker string) *rand.Rand {
	sum := uint64(0)
	for _, b := range []byte(worker) {
		sum = sum*131 + uint64(b)
	}
	return rand.New(rand.NewPCG(l.seed, sum))
}

// during gives a call its own time, also when the load is ending: a call that
// was begun is waited for, so that its outcome is known.
func during(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
