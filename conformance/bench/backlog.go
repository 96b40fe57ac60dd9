package bench

import (
	"context"
	"fmt"
	"time"

	"weir/conformance/server"
)

// settleTime is how long the server is left alone before its memory is read.
const settleTime = 5 * time.Second

// measureBacklog fills the queue of a fresh server, works behind the backlog,
// kills the server and times its return.
func (r *Result) measureBacklog(ctx context.Context, o Options, dir string) error {
	s, err := start(ctx, o.Binary, dir)
	if err != nil {
		return err
	}
	defer s.Stop()
	empty, err := resident(s.PID())
	if err != nil {
		return err
	}
	o.Say("filling a queue with %d messages", o.Backlog)
	began := time.Now()
	if err := fill(ctx, s.Addr(), headlineLinks, o.Backlog); err != nil {
		return fmt.Errorf("fill the backlog: %w", err)
	}
	filled := time.Since(began)
	if r.BacklogRSS, err = restingRSS(ctx, s); err != nil {
		return err
	}
	r.BacklogMessages = o.Backlog
	r.BacklogPer = float64(r.BacklogRSS-empty) / float64(o.Backlog)
	o.Say("filled in %.0f s; resident %d MB, %d MB when it was empty", filled.Seconds(), r.BacklogRSS>>20, empty>>20)

	if err := r.restart(ctx, s); err != nil {
		return err
	}
	o.Say("first message %.2f s after the kill; resident %d MB", r.RestartS, r.RestartRSS>>20)
	deep, err := measure(ctx, s, o, headlineLinks)
	if err != nil {
		return fmt.Errorf("behind the backlog: %w", err)
	}
	r.AtBacklog = &deep
	return nil
}

// restart kills the server and waits for a message from the one started in its
// place.
func (r *Result) restart(ctx context.Context, s *server.Server) error {
	began := time.Now()
	if err := s.Kill(); err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	if err := first(ctx, s.Addr()); err != nil {
		return fmt.Errorf("first message after the restart: %w", err)
	}
	r.RestartS = time.Since(began).Seconds()
	var err error
	r.RestartRSS, err = restingRSS(ctx, s)
	return err
}

// restingRSS is the server's resident memory after a moment of rest.
func restingRSS(ctx context.Context, s *server.Server) (int64, error) {
	rest := time.NewTimer(settleTime)
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-rest.C:
		return resident(s.PID())
	}
}
