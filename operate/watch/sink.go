package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"sync/atomic"
	"time"

	"weir/operate/watch/core"
)

// sink delivers events in their order to one place, and tries again when that fails.
type sink struct {
	name     string
	watchdog string
	log      *slog.Logger
	deliver  func(ctx context.Context, text []byte) error
	waiting  chan core.Event
	dropped  atomic.Int64 // since the last that was delivered
	lost     atomic.Int64 // in all
}

const (
	waitingMax   = 1000 // events that wait for one sink
	triesMax     = 8
	pauseFirst   = 500 * time.Millisecond
	pauseMost    = 30 * time.Second
	deliverLimit = 15 * time.Second
)

// told is an event as it is delivered.
type told struct {
	Watchdog string `json:"watchdog"`
	core.Event
	Text string `json:"text"` // all of it in a sentence, as chats show it
	// Dropped are events before this one that could not be delivered.
	Dropped int64 `json:"dropped,omitempty"`
}

func newSink(name, watchdog string, log *slog.Logger, deliver func(context.Context, []byte) error) *sink {
	return &sink{name: name, watchdog: watchdog, log: log, deliver: deliver, waiting: make(chan core.Event, waitingMax)}
}

// give hands an event over. When too much waits the oldest is dropped, which is said.
func (s *sink) give(e core.Event) {
	for {
		select {
		case s.waiting <- e:
			return
		default:
		}
		select {
		case old := <-s.waiting:
			s.drop(old, errors.New("too many wait"))
		default:
		}
	}
}

func (s *sink) drop(e core.Event, why error) {
	s.dropped.Add(1)
	s.lost.Add(1)
	s.log.Error("an event was not delivered", "to", s.name, "kind", e.Kind, "alarm", e.Alarm.Key, "error", why)
}

// run delivers until ctx ends, and then once more what waits.
func (s *sink) run(ctx context.Context) {
	for {
		select {
		case e := <-s.waiting:
			if left := s.try(ctx, e); left {
				s.flush(ctx, &e)
				return
			}
		case <-ctx.Done():
			s.flush(ctx, nil)
			return
		}
	}
}

// flush tries what is left once, first the one that was in hand.
func (s *sink) flush(ctx context.Context, first *core.Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	for {
		e := core.Event{}
		if first != nil {
			e, first = *first, nil
		} else {
			select {
			case e = <-s.waiting:
			default:
				return
			}
		}
		if err := s.once(ctx, e); err != nil {
			s.drop(e, err)
		}
	}
}

// final is a failure that the next try would meet too.
type final struct{ error }

// try delivers one event; left: ctx ended before it was delivered.
func (s *sink) try(ctx context.Context, e core.Event) (left bool) {
	pause := pauseFirst
	for n := 1; ; n++ {
		err := s.once(ctx, e)
		if err == nil {
			return false
		}
		if ctx.Err() != nil {
			return true
		}
		if _, hopeless := errors.AsType[final](err); hopeless || n == triesMax {
			s.drop(e, fmt.Errorf("after %d tries: %w", n, err))
			return false
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, pauseMost)
		case <-ctx.Done():
			timer.Stop()
			return true
		}
	}
}

func (s *sink) once(ctx context.Context, e core.Event) error {
	dropped := s.dropped.Load()
	text, err := json.Marshal(told{Watchdog: s.watchdog, Event: e, Text: sentence(e), Dropped: dropped})
	if err != nil {
		return final{err}
	}
	ctx, cancel := context.WithTimeout(ctx, deliverLimit)
	defer cancel()
	if err := s.deliver(ctx, text); err != nil {
		return err
	}
	s.dropped.Add(-dropped)
	return nil
}

// sentence is all of an event for people.
func sentence(e core.Event) string {
	switch e.Kind {
	case core.Cleared:
		return fmt.Sprintf("over after %s: %s", e.Alarm.Until.Sub(e.Alarm.Since).Round(time.Second), e.Alarm.What)
	case core.Still:
		return fmt.Sprintf("still %s: %s. What to do: %s", e.Alarm.Severity, e.Alarm.What, e.Alarm.Do)
	}
	return fmt.Sprintf("%s: %s. What to do: %s", e.Alarm.Severity, e.Alarm.What, e.Alarm.Do)
}

// post delivers to a webhook.
func (w *Watchdog) post(url string) func(context.Context, []byte) error {
	return func(ctx context.Context, text []byte) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
		if err != nil {
			return final{hideURL(err)}
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := w.o.Client.Do(r)
		if err != nil {
			return hideURL(err)
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerBytesMax)) // so that the connection is used again
		switch code := answer.StatusCode; {
		case code < 300:
			return nil
		case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
			return fmt.Errorf("it answered %s", answer.Status)
		default:
			return final{fmt.Errorf("it answered %s", answer.Status)}
		}
	}
}

// killedWithin is how long what a command has started may hold on to its output.
const killedWithin = time.Second

// execute delivers to a command.
func (w *Watchdog) execute(ctx context.Context, text []byte) error {
	cmd := exec.CommandContext(ctx, w.o.Exec[0], w.o.Exec[1:]...)
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(text), killedWithin
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %.500s", err, bytes.TrimSpace(out))
	}
	return nil
}
