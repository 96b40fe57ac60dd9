// Package torture kills real servers under real clients and has the ledger judge
// what the clients saw.
//
// It starts server processes of one binary, lets clients of the unmodified Go
// SDK send, schedule, receive, settle and hold sessions, kills the process that
// owns the namespace at random moments, starts it again, and at the end drains
// every queue. Some clients keep the SDK's own retries, some are impatient.
//
// Promises:
//  1. Nothing is judged by the clock: what is asked is what the ledger can prove.
//  2. Every call is written down before it is made and again when it has ended;
//     a call without an answer counts as unknown, never as done or not done.
//  3. A run ends with every queue drained, or says what was left.
//  4. The seed decides what the clients and the killer choose; the world between
//     them stays as wild as it is.
package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"weir/conformance/server"
	"weir/conformance/torture/ledger"
	"weir/conformance/torture/linear"
)

// Options say how to torture.
type Options struct {
	Binary   string        // the weir executable
	Dir      string        // data, logs and, after a bad run, the history; kept when given
	Nodes    int           // 1, or 3 for a location of three nodes
	Kills    int           // how often the owner is killed, or the group changes location
	Mode     string        // two locations, replicated "sync" or "async"; empty: one location
	WhenAway string        // two locations, sync: "stop" or "degrade"; empty: the seed decides
	Network  string        // two locations: "auto", "namespaces" or "proxy"; empty is proxy
	Only     []string      // blows to two locations, by name; empty: all
	RTT      time.Duration // round trip between the locations
	Duration time.Duration // load goes on at least this long
	Seed     uint64
	Rate     int                  // messages a second and sender
	Hurry    bool                 // no sender or receiver keeps the SDK's slow retries
	Say      func(string, ...any) // progress

	Workflows bool // workflows are at work as well
	Alone     bool // nothing but workflows
	FlowRate  int  // runs a second that are asked for, of each workflow
}

// Report is what came of a run.
type Report struct {
	Nodes    int                `json:"nodes"`
	Kills    int                `json:"kills"`
	Seed     uint64             `json:"seed"`
	Seconds  float64            `json:"seconds"`
	Lines    string             `json:"lines,omitempty"` // two locations: what lay between them, and what they were told
	Recovery Recovery           `json:"recovery"`
	Verdict  ledger.Verdict     `json:"verdict"`
	Linear   linear.Verdict     `json:"linear"` // of the sessions
	Errors   map[string]Failure `json:"errors"` // what calls failed with, by kind
	// Workflows is what came of them; nil: there were none.
	Workflows *ledger.FlowVerdict `json:"workflows,omitempty"`
	Dir       string              `json:"dir,omitempty"`
}

// Good reports whether every kill was made and nothing was violated.
func (r *Report) Good() bool {
	return r.Verdict.Good() && r.Linear.Good() && (r.Workflows == nil || r.Workflows.Good())
}

// Run tortures and judges. An error means that the run could not be finished;
// what the servers did wrong is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	began := time.Now()
	kept := o.Dir != ""
	if !kept {
		dir, err := os.MkdirTemp("", "weir-torture-")
		if err != nil {
			return nil, err
		}
		o.Dir = dir
	}
	rec := newRecorder()
	rec.bus, rec.flows = !o.Alone, o.Workflows
	site, err := raiseStage(ctx, o, rec)
	if err != nil {
		return nil, err
	}
	defer site.fall()
	flows, err := tortureAt(ctx, o, site, rec)
	if err != nil {
		return nil, fmt.Errorf("%w; data and logs are in %s", err, o.Dir)
	}
	history := rec.history()
	if o.Alone {
		history.Places = nil
	}
	report := &Report{
		Nodes: o.Nodes, Kills: len(history.Outages), Seed: o.Seed, Seconds: time.Since(began).Seconds(),
		Recovery: site.recovery(), Verdict: ledger.Check(history), Linear: linear.Check(history, sessions, sessions), Errors: rec.failures(), Dir: o.Dir,
	}
	if p, two := site.(*pair); two {
		report.Lines = p.about
	}
	if flows != nil {
		verdict := ledger.CheckFlows(flows)
		report.Workflows = &verdict
	}
	if report.Good() && !kept {
		site.fall()
		os.RemoveAll(o.Dir)
		report.Dir = ""
		return report, nil
	}
	site.keep()
	return report, errors.Join(saveHistory(filepath.Join(o.Dir, "history.json"), history), saveHistory(filepath.Join(o.Dir, "workflows.json"), flows))
}

// stage is what is tortured.
type stage interface {
	connection() string
	// door is host and port of HTTP, where clients come in.
	door() string
	servers() []*server.Server
	// workflows are those at work here; nil: none are.
	workflows() *flowLoad
	// harm does its worst as often as was asked, and returns when clients are served.
	harm(ctx context.Context, o Options, rec *recorder, random *rand.Rand) error
	recovery() Recovery
	// keep has fall leave data where somebody can look at it.
	keep()
	fall()
}

// raiseStage starts what is tortured; what it started before it failed is stopped.
func raiseStage(ctx context.Context, o Options, rec *recorder) (stage, error) {
	if o.Mode != "" {
		p, err := raisePair(ctx, o, rec)
		if err != nil && p != nil {
			p.fall()
		}
		return p, err
	}
	s, err := raise(ctx, o, rec)
	if err != nil && s != nil {
		s.fall()
	}
	return s, err
}

// tortureAt is the run itself: load, harm, drain.
func tortureAt(ctx context.Context, o Options, site stage, rec *recorder) (*ledger.Flows, error) {
	flows := site.workflows()
	if flows != nil {
		defer flows.close()
		if err := flows.learn(ctx, site); err != nil {
			return nil, err
		}
		flows.start(ctx)
	}
	var load *load
	if rec.bus {
		var err error
		if load, err = newLoad(site.connection(), rec, o); err != nil {
			return nil, err
		}
		defer load.close()
		load.start(ctx)
		o.Say("%d clients at work, seed %d", load.clients, o.Seed)
	}
	if err := site.harm(ctx, o, rec, rand.New(rand.NewPCG(o.Seed, 99))); err != nil {
		return nil, err
	}
	if rec.bus {
		load.stopSending()
		o.Say("sending has ended: %d sends, %d acknowledged; draining", rec.sends.Load(), rec.acknowledged.Load())
		if err := load.drain(ctx, o.Say); err != nil {
			return nil, err
		}
	}
	if flows == nil {
		return nil, nil
	}
	return flows.judged(ctx, rec)
}

// estate is what the tortured servers hold.
func estate(o Options, f *flowLoad) []server.Resource {
	var all []server.Resource
	if !o.Alone {
		all = append(all, busEstate()...)
	}
	if o.Workflows {
		all = append(append(all, flowConnections(f.folder)...), flowEstate(f.at)...)
	}
	return all
}

func busEstate() []server.Resource {
	p := func(more server.Properties) server.Properties {
		all := server.Properties{"lockDuration": lockTime, "maxDeliveryCount": 2000, "maxSizeInMegabytes": 5120}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	return []server.Resource{
		server.Queue(plain, p(nil)),
		server.Queue(sessions, p(server.Properties{"requiresSession": true})),
		server.Queue(scheduled, p(nil)),
		server.Queue(volatile, p(nil)),
		server.Topic(topic, server.Properties{"maxSizeInMegabytes": 5120}),
		server.Subscription(topic, "one", server.Properties{"lockDuration": lockTime, "maxDeliveryCount": 2000}),
		server.Subscription(topic, "two", server.Properties{"lockDuration": lockTime, "maxDeliveryCount": 2000}),
	}
}

// lockTime is how long a lock lasts: the shortest Service Bus allows, for a message
// whose lock was forgotten keeps the drain waiting.
const lockTime = "PT5S"

// The entities.
const (
	plain     = "plain"
	sessions  = "sessions"
	scheduled = "scheduled"
	volatile  = "volatile"
	topic     = "topic"
)
