package torture

import (
	"context"
	"errors"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// drainWithin bounds the drain: the longest lock and schedule, and room.
const drainWithin = 120 * time.Second

// drain lets the receivers work until nothing is left anywhere, then stops them.
// What a last look still finds is written down.
func (l *load) drain(ctx context.Context, say func(string, ...any)) error {
	limit, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	left, why := places, error(nil)
	for said := time.Now(); ; {
		left, why = l.notEmpty(limit, left)
		if len(left) == 0 || limit.Err() != nil {
			break
		}
		if time.Since(said) > drainWithin/6 {
			said = time.Now()
			say("not empty yet: %s %v", names(left), why)
		}
		_ = wait(limit, 300*time.Millisecond)
	}
	l.stopAll()
	l.receiving.Wait()
	for _, p := range left {
		ids, err := l.remains(ctx, p)
		if err != nil {
			return errors.Join(errors.New("look at what is left in "+p.name), err)
		}
		say("%s still holds %d messages", p.name, len(ids))
		l.rec.remaining(p.name, ids)
	}
	return ctx.Err()
}

func names(of []place) (all []string) {
	for _, p := range of {
		all = append(all, p.name)
	}
	return all
}

// lookTime bounds one look into one place.
const lookTime = 10 * time.Second

// notEmpty returns the places where something is left, or that could not be
// looked into.
func (l *load) notEmpty(ctx context.Context, of []place) (left []place, why error) {
	for _, p := range of {
		look, cancel := context.WithTimeout(ctx, lookTime)
		some, err := l.holdsSome(look, p)
		cancel()
		if some || err != nil {
			left, why = append(left, p), errors.Join(why, err)
		}
	}
	return left, why
}

// holdsSome reports whether a place or its dead-letter queue holds anything.
func (l *load) holdsSome(ctx context.Context, p place) (bool, error) {
	if dead, err := l.peek(ctx, p.buried(), 1); err != nil || len(dead) > 0 {
		return true, err
	}
	if p.name != sessions {
		live, err := l.peek(ctx, p, 1)
		return len(live) > 0, err
	}
	// A plain receiver may not look into a queue with sessions; the list of its
	// sessions says whether any has messages.
	list, err := l.sessionNames(ctx)
	return len(list) > 0, err
}

// remains lists the messages that a place and its dead-letter queue hold when
// nobody receives any more.
func (l *load) remains(ctx context.Context, p place) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if ids, err = l.peek(ctx, p.buried(), lookMax); err != nil {
		return nil, err
	}
	if p.name != sessions {
		live, err := l.peek(ctx, p, lookMax)
		return append(ids, live...), err
	}
	list, err := l.sessionNames(ctx)
	for _, name := range list {
		r, err := l.look.AcceptSessionForQueue(ctx, sessions, name, nil)
		if err != nil {
			return nil, err
		}
		live, err := browse(ctx, r, lookMax)
		if err = errors.Join(err, r.Close(ctx)); err != nil {
			return nil, err
		}
		ids = append(ids, live...)
	}
	return ids, err
}

func (l *load) sessionNames(ctx context.Context) (all []string, err error) {
	pager := l.look.NewListSessionsForQueuePager(sessions, nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Sessions...)
	}
	return all, nil
}

// lookMax is how many messages of one place are listed at most.
const lookMax = 5000

func (l *load) peek(ctx context.Context, p place, most int) ([]string, error) {
	r, err := p.open(l.look, azservicebus.ReceiveModePeekLock)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close(ctx) }()
	return browse(ctx, r, most)
}

// browser is a plain or a session receiver.
type browser interface {
	PeekMessages(context.Context, int, *azservicebus.PeekMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
}

// browse lists up to most messages, a page at a time.
func browse(ctx context.Context, b browser, most int) (ids []string, err error) {
	next := int64(1)
	for len(ids) < most {
		got, err := b.PeekMessages(ctx, min(most, 200), &azservicebus.PeekMessagesOptions{FromSequenceNumber: to.Ptr(next)})
		if err != nil || len(got) == 0 {
			return ids, err
		}
		for _, m := range got {
			ids, next = append(ids, m.MessageID), *m.SequenceNumber+1
		}
	}
	return ids, nil
}
