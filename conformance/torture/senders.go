package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/torture/ledger"
)

// sending is one worker that sends: where, with what, and its own ids.
type sending struct {
	target string
	sender *azservicebus.Sender
	random *rand.Rand
	name   string
	count  int64
}

func (s *sending) id() string {
	s.count++
	return fmt.Sprintf("%s-%d", s.name, s.count)
}

// backlogMax is how far receivers may fall behind before senders wait.
const backlogMax = 3000

// targetMax is how far those of one entity may: a session takes its time.
const targetMax = 400

// lanes is how many calls one sender has in the air at once.
const lanes = 4

// sends has a client send to target in a few lanes until ctx ends.
func (l *load) sends(ctx context.Context, target string, retry azservicebus.RetryOptions, send func(*sending)) {
	client := l.client(retry)
	if client == nil {
		return
	}
	for lane := range lanes {
		name := fmt.Sprintf("%s.%d.%d", target, l.clients, lane)
		sender, err := client.NewSender(target, nil)
		if err != nil {
			l.rec.failed("open a sender", err)
			return
		}
		w := &sending{target: target, sender: sender, random: l.random(name), name: name}
		l.sending.Go(func() { l.paced(ctx, target, lanes*l.pace, func() { send(w) }) })
	}
}

// paced repeats work at a pace until ctx ends, and waits while the receivers are
// far behind.
func (l *load) paced(ctx context.Context, target string, every time.Duration, work func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.rec.acknowledged.Load() < l.rec.completed.Load()+backlogMax && (target == volatile || l.rec.backlog(target) < targetMax) {
			work()
		}
	}
}

// sendOne sends one message.
func (l *load) sendOne(w *sending) {
	id := w.id()
	call := ledger.Send{ID: id, Target: w.target, Start: l.rec.now()}
	ctx, cancel := during(callTime)
	defer cancel()
	err := w.sender.SendMessage(ctx, message(id, ""), nil)
	l.rec.sent(err, call)
}

// sendBatch sends a few messages that are stored together or not at all.
func (l *load) sendBatch(w *sending) {
	ctx, cancel := during(callTime)
	defer cancel()
	batch, err := w.sender.NewMessageBatch(ctx, nil)
	if err != nil {
		l.rec.failed("make a batch", err)
		return
	}
	var calls []ledger.Send
	start := l.rec.now()
	for range 1 + w.random.IntN(5) {
		id := w.id()
		if err := batch.AddMessage(message(id, ""), nil); err != nil {
			l.rec.failed("fill a batch", err)
			break
		}
		calls = append(calls, ledger.Send{ID: id, Target: w.target, Start: start})
	}
	err = w.sender.SendMessageBatch(ctx, batch, nil)
	l.rec.sent(err, calls...)
}

// schedule sends a message for later and sometimes takes it back in time.
func (l *load) schedule(w *sending) {
	id := w.id()
	due := time.Now().Add(time.Duration(300+w.random.IntN(5000)) * time.Millisecond).Truncate(time.Millisecond)
	call := ledger.Send{ID: id, Target: w.target, Due: due.UnixMilli(), Start: l.rec.now()}
	ctx, cancel := during(callTime)
	defer cancel()
	numbers, err := w.sender.ScheduleMessages(ctx, []*azservicebus.Message{message(id, "")}, due, nil)
	l.rec.sent(err, call)
	if err != nil {
		return
	}
	if w.random.IntN(8) == 0 && time.Until(due) > 2*time.Second {
		err := w.sender.CancelScheduledMessages(ctx, numbers, nil)
		l.rec.cancelled(id, err)
		if err == nil {
			l.rec.completed.Add(1)
		}
	}
}

// sendsInSessions has a client send to sessions of its own, one message of a
// session after the other: what it saw confirmed first must come first.
func (l *load) sendsInSessions(ctx context.Context, n int) {
	client := l.client([]azservicebus.RetryOptions{impatient, l.patient}[n%2])
	if client == nil {
		return
	}
	for i := range sessionsPerSender {
		session := fmt.Sprintf("session-%d-%d", n, i)
		sender, err := client.NewSender(sessions, nil)
		if err != nil {
			l.rec.failed("open a sender", err)
			return
		}
		w := &sending{target: sessions, sender: sender, random: l.random(session), name: session}
		l.sending.Go(func() {
			l.paced(ctx, sessions, sessionsPerSender*l.pace, func() { l.sendInSession(w, session) })
		})
	}
}

func (l *load) sendInSession(w *sending, session string) {
	id := w.id()
	call := ledger.Send{ID: id, Target: sessions, Session: session, Number: w.count, Start: l.rec.now()}
	ctx, cancel := during(callTime)
	defer cancel()
	err := w.sender.SendMessage(ctx, message(id, session), nil)
	l.rec.sent(err, call)
}
