package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"weir/conformance/server"
	"weir/conformance/torture/ledger"
)

// site is the servers under torture.
type site struct {
	nodes   []*server.Server
	cluster *server.Cluster // nil with one node
	once    sync.Once
	flows   *flowLoad
	ready   []time.Duration // from each kill (or start after a takeover) until all nodes were ready
	flowing []time.Duration // from the same until clients were acknowledged again
	taken   []time.Duration // from a kill until clients were served by another node
}

// raise starts the servers.
func raise(ctx context.Context, o Options, rec *recorder) (*site, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	flows, err := soleFlows(rec, o)
	if err != nil {
		return nil, err
	}
	deploy := filepath.Join(o.Dir, "estate.json")
	if err := server.WriteEstate(deploy, estate(o, flows)); err != nil {
		return nil, err
	}
	so := server.Options{Binary: o.Binary, Dir: o.Dir, Deploy: deploy}
	switch o.Nodes {
	case 1:
		s, err := server.New(so)
		if err != nil {
			return nil, err
		}
		return &site{nodes: []*server.Server{s}, flows: flows}, s.Start(ctx)
	case 3:
		c, err := server.NewCluster(so, o.Nodes)
		if err != nil {
			return nil, err
		}
		return &site{nodes: c.Nodes, cluster: c, flows: flows}, c.Start(ctx)
	default:
		return nil, fmt.Errorf("nodes may be 1 or 3, not %d", o.Nodes)
	}
}

// fall stops the servers.
func (s *site) fall() {
	s.once.Do(func() {
		s.flows.close()
		if s.cluster != nil {
			_ = s.cluster.Stop()
			return
		}
		_ = s.nodes[0].Stop()
	})
}

func (s *site) connection() string {
	if s.cluster != nil {
		return s.cluster.Emulator()
	}
	return s.nodes[0].Emulator()
}

func (s *site) door() string {
	if s.cluster != nil {
		return s.cluster.Front.Addr()
	}
	return s.nodes[0].HTTPAddr()
}

func (s *site) servers() []*server.Server { return s.nodes }

func (s *site) workflows() *flowLoad { return s.flows }

// owner finds the node that owns the namespace, or the workflows where there is no
// namespace; with both, one of them.
func (s *site) owner(ctx context.Context, rec *recorder, random *rand.Rand) (*server.Server, error) {
	if len(s.nodes) == 1 {
		return s.nodes[0], nil
	}
	if !rec.bus || rec.flows && random.IntN(2) == 0 {
		return s.cluster.OwnerOf(ctx, server.WorkflowUnits)
	}
	return s.cluster.Owner(ctx)
}

// The killer waits this long between a recovery and the next kill.
const (
	calmMin = 200 * time.Millisecond
	calmMax = 2500 * time.Millisecond
)

// flowAcknowledged is how many sends must be acknowledged after a kill before
// the location counts as recovered.
const flowAcknowledged = 20

// flowRuns is how many runs must be accepted.
const flowRuns = 5

// recoverWithin bounds the wait for the clients to be served again.
const recoverWithin = 120 * time.Second

// harm kills the owner as often as was asked, and returns when the load has
// lasted long enough.
func (s *site) harm(ctx context.Context, o Options, rec *recorder, random *rand.Rand) error {
	end := time.Now().Add(o.Duration)
	if err := s.flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return fmt.Errorf("before the first kill: %w", err)
	}
	for n := 1; n <= o.Kills; n++ {
		if err := wait(ctx, calmMin+time.Duration(random.Int64N(int64(calmMax-calmMin)))); err != nil {
			return err
		}
		if err := s.killOnce(ctx, rec, random); err != nil {
			return fmt.Errorf("kill %d: %w", n, err)
		}
		if n%10 == 0 || n == o.Kills {
			o.Say("%d of %d kills: %s", n, o.Kills, rec.progress())
		}
	}
	return wait(ctx, time.Until(end))
}

// killOnce kills the owner, starts it again and waits until clients get on. With
// several nodes it stays away every other time until another node has taken over.
func (s *site) killOnce(ctx context.Context, rec *recorder, random *rand.Rand) error {
	victim, err := s.owner(ctx, rec, random)
	if err != nil {
		return err
	}
	began := time.Now()
	outage := ledger.Outage{Start: rec.now()}
	if err := victim.Kill(); err != nil {
		return err
	}
	acknowledged := rec.acknowledged.Load()
	if takeover := len(s.nodes) > 1 && random.IntN(2) == 0; takeover {
		if err := s.flow(ctx, rec, acknowledged); err != nil {
			return fmt.Errorf("with %s away: %w", victim.Name(), err)
		}
		s.taken = append(s.taken, time.Since(began))
		acknowledged, began = rec.acknowledged.Load(), time.Now()
	}
	if err := victim.Launch(); err != nil {
		return err
	}
	for _, node := range s.nodes {
		if err := node.WaitReady(ctx); err != nil {
			return err
		}
	}
	s.ready = append(s.ready, time.Since(began))
	if err := s.flow(ctx, rec, acknowledged); err != nil {
		return err
	}
	s.flowing = append(s.flowing, time.Since(began))
	outage.End = rec.now()
	rec.outage(outage)
	return nil
}

// flow waits until some more sends were acknowledged than before.
func (s *site) flow(ctx context.Context, rec *recorder, before int64) error {
	if err := flow(ctx, rec, before); err != nil {
		return errors.Join(err, s.tails())
	}
	return nil
}

func flow(ctx context.Context, rec *recorder, before int64) error {
	ctx, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	runs := rec.runs.Load()
	for rec.bus && rec.acknowledged.Load() < before+flowAcknowledged || rec.flows && rec.runs.Load() < runs+flowRuns {
		if wait(ctx, 5*time.Millisecond) != nil {
			return fmt.Errorf("no client was served within %s", recoverWithin)
		}
	}
	return nil
}

func (s *site) tails() error {
	var errs []error
	for _, node := range s.nodes {
		errs = append(errs, errors.New(node.LogTail()))
	}
	return errors.Join(errs...)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Recovery is how long kills were felt, in seconds.
type Recovery struct {
	ReadyMedian   float64 `json:"ready_s_median"` // kill until every node was ready
	ReadyMax      float64 `json:"ready_s_max"`
	FlowingMedian float64 `json:"flowing_s_median"` // kill until clients were acknowledged again
	FlowingMax    float64 `json:"flowing_s_max"`
	Takeovers     int     `json:"takeovers"`      // kills after which the node stayed away
	TakenMedian   float64 `json:"taken_s_median"` // kill until another node served clients
	TakenMax      float64 `json:"taken_s_max"`

	Switches       int     `json:"switches,omitempty"`          // planned, between locations
	SwitchedMedian float64 `json:"switched_s_median,omitempty"` // command until clients were acknowledged again
	SwitchedMax    float64 `json:"switched_s_max,omitempty"`

	Blows   map[string]Struck `json:"blows,omitempty"`    // what was done to a pair
	LeftOut []string          `json:"left_out,omitempty"` // what this machine does not allow, and why
}

// Struck is how often something was done to a pair, and how long it took from there
// until all was well again, in seconds.
type Struck struct {
	Count  int     `json:"count"`
	Median float64 `json:"s_median"`
	Max    float64 `json:"s_max"`
}

func (s *site) keep() {} // its data lies where it stays

func (s *site) recovery() Recovery {
	r := Recovery{Takeovers: len(s.taken)}
	r.TakenMedian, r.TakenMax = spread(s.taken)
	r.ReadyMedian, r.ReadyMax = spread(s.ready)
	r.FlowingMedian, r.FlowingMax = spread(s.flowing)
	return r
}

func spread(d []time.Duration) (median, most float64) {
	if len(d) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2].Seconds(), sorted[len(sorted)-1].Seconds()
}
