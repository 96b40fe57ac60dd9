package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"time"

	"weir/operate/watch/core"
)

// sink delivers events in their order to one place, and tries again when that fails.
type sink struct {
	name    string
	log     *slog.Logger
	deliver func(ctx context.Context, text []byte) error
	waiting chan core.Event
}

const (
	waitingMax   = 1000 // events that wait for one sink
	triesMax     = 8
	pauseFirst   = 500 * time.Millisecond
	pauseMost    = 30 * time.Second
	deliverLimit = 15 * time.Second
)

func newSink(name string, log *slog.Logger, deliver func(context.Context, []byte) error) *sink {
	return &sink{name: name, log: log, deliver: deliver, waiting: make(chan core.Event, waitingMax)}
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
			s.log.Error("an event was dropped: too many wait", "to", s.name, "kind", old.Kind, "alarm", old.Alarm.Key)
		default:
		}
	}
}

// run delivers until ctx ends.
func (s *sink) run(ctx context.Context) {
	for {
		select {
		case e := <-s.waiting:
			s.try(ctx, e)
		case <-ctx.Done():
			return
		}
	}
}

func (s *sink) try(ctx context.Context, e core.Event) {
	text, err := json.Marshal(e)
	pause := pauseFirst
	for n := 0; err == nil || n > 0; n++ {
		within, cancel := context.WithTimeout(ctx, deliverLimit)
		err = s.deliver(within, text)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		if n+1 == triesMax {
			break
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, pauseMost)
		case <-ctx.Done():
			return
		}
	}
	s.log.Error("an event could not be delivered", "to", s.name, "kind", e.Kind, "alarm", e.Alarm.Key, "error", err)
}

// post delivers to a webhook.
func (w *Watchdog) post(url string) func(context.Context, []byte) error {
	return func(ctx context.Context, text []byte) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := w.o.Client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, peerBytesMax)) // so that the connection is used again
		if answer.StatusCode >= 300 {
			return fmt.Errorf("it answered %s", answer.Status)
		}
		return nil
	}
}

// execute delivers to a command.
func (w *Watchdog) execute(ctx context.Context, text []byte) error {
	cmd := exec.CommandContext(ctx, w.o.Exec[0], w.o.Exec[1:]...)
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
