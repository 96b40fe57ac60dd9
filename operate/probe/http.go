package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"weir/internal/groups"
)

const (
	// AskWithinDefault is how long a node may take to answer.
	AskWithinDefault = 3 * time.Second

	healthPath     = "/health"
	healthBytesMax = 64 << 10
	groupsMax      = 100 // of a location that are looked at closely
	looksAtOnce    = 4
)

// Health is whether a location says of itself that it is well: one of its nodes is.
type Health struct {
	Location groups.Location
	Within   time.Duration // for all nodes together
}

// Check asks the nodes in turn.
func (h *Health) Check(ctx context.Context) Result {
	began := time.Now()
	within := orDefault(h.Within)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := inTurn(ctx, within, h.Location.Admin, h.ask)
	if err != nil {
		return fail("health", began, err)
	}
	return Result{OK: true, Seconds: time.Since(began).Seconds()}
}

// inTurn asks nodes until one answers. Each has its share of the time: one that stands
// still does not use up that of the others.
func inTurn(ctx context.Context, within time.Duration, nodes []string, ask func(ctx context.Context, base string) error) error {
	err := errors.New("no address is known")
	for _, base := range nodes {
		share := within / time.Duration(len(nodes))
		one, cancel := context.WithTimeout(ctx, share)
		err = inTime(one, share, ask(one, base))
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (h *Health) ask(ctx context.Context, base string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+healthPath, nil)
	if err != nil {
		return err
	}
	client := h.Location.Client
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, healthBytesMax))
	if err != nil {
		return err
	}
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	var said struct{ Message string }
	if json.Unmarshal(data, &said) == nil && said.Message != "" {
		return fmt.Errorf("it says: %s", said.Message)
	}
	return fmt.Errorf("%s answered %s", base, answer.Status)
}

// Groups is what a location says of its groups.
type Groups struct {
	Location groups.Location
	Within   time.Duration
}

// Check asks for the list.
func (g *Groups) Check(ctx context.Context) Result {
	result, _ := g.Look(ctx)
	return result
}

// Look asks for all groups, and each for what its voters say. A group that does not say
// that in time comes without its voters.
func (g *Groups) Look(ctx context.Context) (Result, []groups.Status) {
	began := time.Now()
	within := orDefault(g.Within)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var all []groups.Status
	here := g.Location
	err := inTurn(ctx, within, g.Location.Admin, func(ctx context.Context, base string) error {
		here.Admin = []string{base}
		list, err := here.List(ctx)
		all = list.Value
		return err
	})
	if err != nil {
		var refused *groups.Refused
		if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
			err = errors.New("it does not take the administration token: it is in the file admin-token of that location's data directory (--token-file)")
		}
		return fail("groups", began, err), nil
	}
	if len(all) > groupsMax {
		all = all[:groupsMax]
	}
	room := make(chan struct{}, looksAtOnce)
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if s, err := here.Show(ctx, all[i].Name); err == nil {
				all[i] = s
			}
		})
	}
	wait.Wait()
	return Result{OK: true, Seconds: time.Since(began).Seconds()}, all
}

func orDefault(within time.Duration) time.Duration {
	if within == 0 {
		return AskWithinDefault
	}
	return within
}

var _ = []Probe{(*Message)(nil), (*Health)(nil), (*Groups)(nil)}
