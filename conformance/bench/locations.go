package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/conformance/server"
	"weir/internal/groups"
)

// PairOptions say what to measure of two locations.
type PairOptions struct {
	Binary     string
	Nodes      int           // of each location: 1 or 3
	RTT        time.Duration // round trip between the locations
	Namespaces bool          // each location has a network of its own; else a proxy delays
	Sends      int           // messages of each latency
	Load       time.Duration // how long a load goes on
	Switches   int           // planned ones
	Losses     int           // of the primary, of each kind
	Say        func(string, ...any)
}

// Spread is how long something took, in milliseconds.
type Spread struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Most  float64 `json:"most_ms"`
}

// PairResult is everything that was measured of two locations.
type PairResult struct {
	Nodes   int     `json:"nodes"`
	RTTMs   float64 `json:"rtt_ms"`  // asked for
	LineMs  float64 `json:"line_ms"` // measured: a request to the other location beside one here
	Network string  `json:"network"`

	Alone       Spread  `json:"send_alone"` // one location, without a second
	Async       Spread  `json:"send_async"`
	Sync        Spread  `json:"send_sync"`
	AddedP50Ms  float64 `json:"sync_adds_p50_ms"` // over a location alone
	AddedP99Ms  float64 `json:"sync_adds_p99_ms"`
	CarriedPerS float64 `json:"async_carried_per_s"` // acknowledged, with the lag at rest again after it
	Lag         Spread  `json:"async_lag_at_half"`   // age of the oldest that the secondary had not, at half of that rate

	Switch       Spread `json:"switch_unavailable"`        // longest time without an acknowledgement around a planned switch, sync
	SwitchAsync  Spread `json:"switch_unavailable_async"`  // the same, async
	Switching    Spread `json:"switch_command"`            // from the command to its end
	Promotion    Spread `json:"promotion_to_first_send"`   // by hand, from the command on, the primary killed before
	Fault        Spread `json:"fault_to_first_send"`       // SIGKILL of the primary, automatic
	Detection    Spread `json:"fault_to_detection"`        // of that: until the secondary asked for the vote
	VoteAndServe Spread `json:"detection_to_first_accept"` // of that: the rest
}

// RunPair measures two locations.
func RunPair(ctx context.Context, o PairOptions) (*PairResult, error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &PairResult{Nodes: o.Nodes, RTTMs: float64(o.RTT.Microseconds()) / 1000, Network: "proxy"}
	if o.Namespaces {
		r.Network = "namespaces"
	}
	if err := r.alone(ctx, o, filepath.Join(dir, "alone")); err != nil {
		return nil, fmt.Errorf("one location alone: %w", err)
	}
	for _, mode := range []string{"async", "sync"} {
		if err := r.pair(ctx, o, filepath.Join(dir, mode), mode); err != nil {
			return nil, fmt.Errorf("two locations, %s: %w", mode, err)
		}
	}
	r.AddedP50Ms, r.AddedP99Ms = r.Sync.P50-r.Alone.P50, r.Sync.P99-r.Alone.P99
	return r, nil
}

// estate is the one queue that all goes through.
func estate(dir string) (deploy string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	deploy = filepath.Join(dir, "estate.json")
	roomy := server.Properties{"maxSizeInMegabytes": 81920, "lockDuration": "PT5M", "maxDeliveryCount": 2000}
	return deploy, server.WriteEstate(deploy, []server.Resource{server.Queue(queue, roomy)})
}

// alone measures a location that has no second, of as many nodes, behind the same kind
// of address.
func (r *PairResult) alone(ctx context.Context, o PairOptions, dir string) error {
	deploy, err := estate(dir)
	if err != nil {
		return err
	}
	c, err := server.NewLocation(server.Options{Binary: o.Binary, Dir: dir, Deploy: deploy}, o.Nodes)
	if err != nil {
		return err
	}
	defer c.Stop()
	if err := c.Start(ctx); err != nil {
		return err
	}
	r.Alone, err = latency(ctx, c.Front.Addr(), o.Sends)
	o.Say("a location alone: %s", r.Alone)
	return err
}

// pair measures two locations in one mode.
func (r *PairResult) pair(ctx context.Context, o PairOptions, dir, mode string) error {
	deploy, err := estate(dir)
	if err != nil {
		return err
	}
	p, err := server.NewPair(server.PairOptions{
		Options: server.Options{Binary: o.Binary, Dir: dir, Deploy: deploy}, Nodes: o.Nodes, Mode: mode,
		Automatic: mode == "sync", Namespaces: o.Namespaces, Group: server.Properties{"whenAway": "degrade"},
	})
	if err != nil {
		return err
	}
	defer p.Stop()
	p.Delay(o.RTT / 2)
	if err := p.Start(ctx); err != nil {
		return err
	}
	m := &pairing{Pair: p, o: o}
	s, err := m.direct(ctx)
	if err != nil {
		return err
	}
	o.Say("two locations, %s: %s", mode, s)
	if mode == "sync" {
		r.Sync = s
		if err := m.switches(ctx, &r.Switch, &r.Switching); err != nil {
			return fmt.Errorf("planned switches: %w", err)
		}
		return m.faults(ctx, r)
	}
	r.Async = s
	line, err := m.RoundTrip(ctx)
	if err != nil {
		return err
	}
	r.LineMs = ms(line)
	if err := m.lag(ctx, r); err != nil {
		return err
	}
	if err := m.switches(ctx, &r.SwitchAsync, nil); err != nil {
		return fmt.Errorf("planned switches: %w", err)
	}
	return m.promotions(ctx, r)
}

// pairing is two locations under measurement.
type pairing struct {
	*server.Pair
	o PairOptions
}

// direct measures the latency of sends to the primary, when nothing is passed on.
func (m *pairing) direct(ctx context.Context) (Spread, error) {
	primary, err := m.Primary(ctx)
	if err != nil {
		return Spread{}, err
	}
	away := m.Other(primary).Nodes
	m.Front.Avoid(away...)
	defer m.Front.Accept(away...)
	return latency(ctx, m.Front.Addr(), m.o.Sends)
}

// latency sends messages one after the other, each when the one before is acknowledged.
func latency(ctx context.Context, addr string, n int) (Spread, error) {
	if _, err := send(ctx, addr, 1, 1, min(n, 200)); err != nil { // to be warm
		return Spread{}, err
	}
	took, err := send(ctx, addr, 1, 1, n)
	return spreadOf(took), err
}

// lagLookEvery is how often the lag is looked at.
const lagLookEvery = 20 * time.Millisecond

// lag measures what the pair carries, and how far the secondary is behind at half of it.
func (m *pairing) lag(ctx context.Context, r *PairResult) error {
	primary, err := m.Primary(ctx)
	if err != nil {
		return err
	}
	away := m.Other(primary).Nodes
	m.Front.Avoid(away...)
	defer m.Front.Accept(away...)
	began, count := time.Now(), 0
	for time.Since(began) < m.o.Load {
		const some = 2000
		if _, err := send(ctx, m.Front.Addr(), headlineLinks, 200, some); err != nil {
			return err
		}
		count += some
	}
	if err := m.Settled(ctx); err != nil {
		return err
	}
	r.CarriedPerS = float64(count) / time.Since(began).Seconds()
	m.o.Say("carried %.0f messages a second until the secondary had them too", r.CarriedPerS)
	loaded, end := context.WithTimeout(ctx, m.o.Load)
	defer end()
	sent := make(chan error, 1)
	go func() { sent <- pace(loaded, m.Front.Addr(), r.CarriedPerS/2) }()
	var lags []time.Duration
	for loaded.Err() == nil {
		g, err := primary.Group(ctx)
		if err != nil {
			return err
		}
		for _, u := range g.Units {
			lags = append(lags, time.Duration(u.LagSeconds*float64(time.Second)))
		}
		select {
		case <-time.After(lagLookEvery):
		case <-loaded.Done():
		}
	}
	r.Lag = spreadOf(lags)
	m.o.Say("lag at half of that: %s", r.Lag)
	return <-sent
}

// switches moves the group to and fro, in order, under a client.
func (m *pairing) switches(ctx context.Context, unavailable, command *Spread) error {
	t, err := startTraffic(ctx, m.Emulator())
	if err != nil {
		return err
	}
	defer t.stop()
	var gaps, commands []time.Duration
	for range m.o.Switches {
		primary, err := m.Primary(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		change, err := primary.Switch(ctx, m.Other(primary).Name)
		if err != nil {
			return err
		}
		commands = append(commands, time.Since(began))
		if _, err := t.after(ctx, time.Now()); err != nil {
			return err
		}
		if err := errors.Join(t.steady(ctx), m.Settled(ctx)); err != nil {
			return err
		}
		gaps = append(gaps, t.gap(began))
		m.o.Say("switched from %s: no answer for %.0f ms, the command took %.0f ms (%s)", primary.Name, ms(gaps[len(gaps)-1]), ms(commands[len(commands)-1]), stepsOf(change))
	}
	*unavailable = spreadOf(gaps)
	if command != nil {
		*command = spreadOf(commands)
	}
	return nil
}

// promotions kills the primary and promotes the other location by hand, at once.
func (m *pairing) promotions(ctx context.Context, r *PairResult) error {
	var took []time.Duration
	err := m.lose(ctx, func(t *traffic, other *server.Location, killed time.Time) error {
		for ctx.Err() == nil { // refused as long as voters have heard of the primary
			if _, err := other.Promote(ctx, false); err == nil {
				break
			}
			time.Sleep(promoteAgain)
		}
		first, err := t.after(ctx, killed)
		took = append(took, first.Sub(killed))
		m.o.Say("promoted %s by hand: accepted the first message after %.0f ms", other.Name, ms(first.Sub(killed)))
		return err
	})
	r.Promotion = spreadOf(took)
	return err
}

// promoteAgain is how soon a person asks again.
const promoteAgain = 50 * time.Millisecond

// faults kills the primary and lets the other location notice.
func (m *pairing) faults(ctx context.Context, r *PairResult) error {
	var took, detected, rest []time.Duration
	err := m.lose(ctx, func(t *traffic, other *server.Location, killed time.Time) error {
		first, err := t.after(ctx, killed)
		if err != nil {
			return err
		}
		g, err := other.Group(ctx)
		if err != nil || g.LastChange == nil {
			return fmt.Errorf("%s does not say what it did: %+v %w", other.Name, g, err)
		}
		took, detected, rest = append(took, first.Sub(killed)), append(detected, g.LastChange.At.Sub(killed)), append(rest, first.Sub(g.LastChange.At))
		m.o.Say("%s noticed after %.0f ms and accepted the first message after %.0f ms", other.Name, ms(g.LastChange.At.Sub(killed)), ms(first.Sub(killed)))
		return nil
	})
	r.Fault, r.Detection, r.VoteAndServe = spreadOf(took), spreadOf(detected), spreadOf(rest)
	return err
}

// lose kills the primary again and again; what it had alone is brought back.
func (m *pairing) lose(ctx context.Context, then func(t *traffic, other *server.Location, killed time.Time) error) error {
	t, err := startTraffic(ctx, m.Emulator())
	if err != nil {
		return err
	}
	defer t.stop()
	for range m.o.Losses {
		primary, err := m.Primary(ctx)
		if err != nil {
			return err
		}
		for _, s := range primary.Nodes {
			if err := s.Kill(); err != nil {
				return err
			}
		}
		killed := time.Now() // what was answered until now, it answered
		if err := then(t, m.Other(primary), killed); err != nil {
			return err
		}
		for _, s := range primary.Nodes {
			if err := s.Launch(); err != nil {
				return err
			}
		}
		if err := errors.Join(m.home(ctx, primary), t.steady(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// homeWithin bounds the wait for a former primary to follow.
const homeWithin = 2 * time.Minute

// home waits until a former primary follows.
func (m *pairing) home(ctx context.Context, l *server.Location) error {
	limit, cancel := context.WithTimeout(ctx, homeWithin)
	defer cancel()
	for !m.AtRest(limit) && limit.Err() == nil {
		if g, err := l.Group(limit); err == nil && g.Standing == groups.Salvage {
			if _, err := l.Salvage(limit, groups.Reinject); err != nil {
				return err
			}
		}
		time.Sleep(lagLookEvery)
	}
	return m.Settled(ctx)
}

// stepsOf says how long each step of a change took.
func stepsOf(c groups.Change) string {
	var all []string
	for _, s := range c.Steps {
		all = append(all, fmt.Sprintf("%s %.0f", s.Name, 1000*s.Seconds))
	}
	return strings.Join(all, ", ")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func spreadOf(took []time.Duration) Spread {
	if len(took) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(took))
	return Spread{Count: len(sorted), P50: at(sorted, 0.50), P99: at(sorted, 0.99), Most: at(sorted, 1)}
}

func (s Spread) String() string {
	return fmt.Sprintf("%d, p50 %.1f ms, p99 %.1f ms, at most %.1f ms", s.Count, s.P50, s.P99, s.Most)
}
