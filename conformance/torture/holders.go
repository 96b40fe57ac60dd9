package torture

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/torture/ledger"
)

// acceptTime bounds the wait for the next session.
const acceptTime = 4 * time.Second

// holds has a client take session after session until ctx ends.
func (l *load) holds(ctx context.Context, n int) {
	client := l.client([]azservicebus.RetryOptions{impatient, l.patient}[n%2])
	if client == nil {
		return
	}
	random := l.random("hold " + string(rune('a'+n)))
	l.receiving.Go(func() {
		for ctx.Err() == nil {
			l.hold(ctx, client, random)
		}
	})
}

// hold takes the next session, works in it for a while and lets go.
//
// Whatever goes wrong ends the holding: the SDK opens a lost session again by
// itself and does not say so, and what came then would belong to another holding.
func (l *load) hold(ctx context.Context, client *azservicebus.Client, random *rand.Rand) {
	asked := l.rec.now()
	accept, cancel := context.WithTimeout(ctx, acceptTime)
	r, err := client.AcceptNextSessionForQueue(accept, sessions, nil)
	cancel()
	if err != nil {
		l.noSession(ctx, err)
		return
	}
	holding := l.rec.held(sessions, r.SessionID(), asked)
	for range 1 + random.IntN(6) {
		if ctx.Err() != nil || !l.workInSession(ctx, r, holding, random) {
			break
		}
	}
	closing, cancel := during(callTime)
	defer cancel()
	_ = r.Close(closing)
}

func (l *load) noSession(ctx context.Context, err error) {
	var coded *azservicebus.Error
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &coded) && coded.Code == azservicebus.CodeTimeout {
		return
	}
	l.rec.failed("accept a session", err)
	_ = wait(ctx, 50*time.Millisecond)
}

// workInSession receives a few messages and settles them in order; it reports
// whether the holding may go on.
//
// It goes on only after as many messages as were asked for: with credit left
// over, the SDK gives back what comes between two calls, and what came behind it
// would seem to overtake.
func (l *load) workInSession(ctx context.Context, r *azservicebus.SessionReceiver, holding int, random *rand.Rand) bool {
	most := 1 + random.IntN(8)
	receive, cancel := context.WithTimeout(ctx, receiveTime/6)
	got, err := r.ReceiveMessages(receive, most, nil)
	cancel()
	if err != nil && receive.Err() == nil {
		l.rec.failed("receive in a session", err)
	}
	for _, m := range got {
		d := delivery(sessions, false, m)
		d.Holding = holding
		l.rec.delivered(d)
	}
	enough := len(got)
	if random.IntN(10) == 0 {
		enough = random.IntN(len(got) + 1) // let go in the middle
	}
	for _, m := range got[:enough] {
		verb := ledger.Complete
		if random.IntN(50) == 0 {
			verb = ledger.Bury
		}
		if !l.settle(place{name: sessions}, r, holding, verb, m) {
			return false
		}
	}
	return err == nil && len(got) == most && enough == most
}
