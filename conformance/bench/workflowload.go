package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"weir/conformance/server"
	"weir/conformance/standin"
)

// workflows is a server with the workflows that are measured, and its callers.
type workflows struct {
	server *server.Server
	client *http.Client
	urls   map[string]string // by workflow, host and port apart
}

func newWorkflows(ctx context.Context, s *server.Server) (*workflows, error) {
	w := &workflows{server: s, client: caller(), urls: map[string]string{}}
	for _, name := range []string{fiveCalls, manySteps, appends5k, answers, waits} {
		url, err := s.Callback(ctx, name, manual)
		if err != nil {
			return nil, err
		}
		w.urls[name] = url
	}
	return w, nil
}

// caller keeps its connections, as many as there are callers.
func caller() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}, Timeout: 5 * time.Minute}
}

// ask starts a run and waits for its answer.
func (w *workflows) ask(ctx context.Context, name string, body []byte) ([]byte, error) {
	status, answer, err := server.Post(ctx, w.client, w.server.HTTPAddr(), w.urls[name], "", body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %.300s", name, status, answer)
	}
	return answer, err
}

// many has n runs be asked for, some at a time, and returns how long each took, sorted.
func many(n, inFlight int, one func(i int) error) (took []time.Duration, err error) {
	turns := make(chan int)
	var all sync.WaitGroup
	var mu sync.Mutex
	for range inFlight {
		all.Go(func() {
			for i := range turns {
				start := time.Now()
				failed := one(i)
				mu.Lock()
				took = append(took, time.Since(start))
				err = errors.Join(err, failed)
				mu.Unlock()
			}
		})
	}
	for i := range n {
		mu.Lock()
		stop := err != nil
		mu.Unlock()
		if stop {
			break
		}
		turns <- i
	}
	close(turns)
	all.Wait()
	slices.Sort(took)
	return took, err
}

// measure is one round.
func (w *workflows) measure(ctx context.Context, o WorkflowOptions, world *standin.Service) (f WorkflowFigures, err error) {
	before := world.Quick()
	calls, err := timed(w.server.PID(), o.Runs, func() ([]time.Duration, error) {
		return many(o.Runs, o.InFlight, func(i int) error {
			_, err := w.ask(ctx, fiveCalls, fmt.Appendf(nil, `{"id":"run-%d"}`, i))
			return err
		})
	})
	if err != nil {
		return f, err
	}
	if called := world.Quick() - before; called != int64(5*o.Runs) {
		return f, fmt.Errorf("%d runs of five calls made %d calls", o.Runs, called)
	}
	runs := max(o.Actions/stepsEach, 1)
	steps, err := timed(w.server.PID(), runs*stepsEach, func() ([]time.Duration, error) {
		return many(runs, o.InFlight, func(i int) error {
			_, err := w.ask(ctx, manySteps, fmt.Appendf(nil, `{"id":"run-%d"}`, i))
			return err
		})
	})
	if err != nil {
		return f, err
	}
	start := time.Now()
	if err := w.append(ctx, o.Items); err != nil {
		return f, err
	}
	f.ForeachS = time.Since(start).Seconds()
	took, err := w.asks(ctx, o.Asks)
	f.RunsPerS, f.RunP50Ms, f.RunP99Ms, f.CPUPerRun = calls.perS, calls.p50, calls.p99, calls.cpu
	f.ActionsPerS, f.CPUPerStep = steps.perS, steps.cpu
	f.AnswerP50Ms, f.AnswerP99Ms = at(took, 0.5), at(took, 0.99)
	return f, err
}

// append runs the Foreach, and believes it when it has counted.
func (w *workflows) append(ctx context.Context, items int) error {
	body, err := w.ask(ctx, appends5k, fmt.Appendf(nil, `{"items":%d}`, items))
	if err != nil {
		return err
	}
	var answer struct{ Length int }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Length != items {
		return fmt.Errorf("a loop over %d items answered %.300s", items, body)
	}
	return nil
}

// asks has runs be answered one after the other.
func (w *workflows) asks(ctx context.Context, n int) ([]time.Duration, error) {
	return many(n, 1, func(i int) error {
		_, err := w.ask(ctx, answers, fmt.Appendf(nil, `{"n":%d}`, i))
		return err
	})
}

// wait starts so many runs that wait for a day.
func (w *workflows) wait(ctx context.Context, n int) error {
	all := make([]object, n)
	for i := range all {
		all[i] = object{"id": i}
	}
	body, err := json.Marshal(object{"all": all})
	if err != nil {
		return err
	}
	status, answer, err := server.Post(ctx, w.client, w.server.HTTPAddr(), w.urls[waits], "", body)
	if err == nil && status != http.StatusAccepted {
		err = fmt.Errorf("%s answered %d: %.300s", waits, status, answer)
	}
	return err
}

// firstAnswer asks until a run is answered.
func (w *workflows) firstAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		_, err := w.asks(ctx, 1)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer after the restart: %w\n%s", err, w.server.LogTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
