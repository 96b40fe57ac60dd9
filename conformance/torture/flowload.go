package torture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/conformance/server"
	"weir/conformance/standin"
	"weir/conformance/torture/ledger"
)

// flowLoad is workflows at work: who asks for runs, and the world they call.
type flowLoad struct {
	rec    *recorder
	world  *standin.Service
	at     string // of the world
	lines  []net.Listener
	stage  stage
	say    func(string, ...any)
	pace   time.Duration // between two requests for runs of one workflow
	client *http.Client
	urls   map[string]string

	work    sync.WaitGroup
	calling sync.WaitGroup
	stop    context.CancelFunc
	begun   time.Time

	mu      sync.Mutex
	asked   []ledger.Asked
	offered int
}

// Faults of the world, of a thousand calls, and how late it is at most.
const (
	worldFails = 8
	worldDrops = 8
	worldSlow  = 60
	worldLate  = 400 * time.Millisecond
)

// newFlowLoad raises the world around workflows; listeners are where it is reached.
func newFlowLoad(rec *recorder, o Options, at string, lines []net.Listener) *flowLoad {
	f := &flowLoad{
		rec: rec, at: "http://" + at, lines: lines, say: o.Say, urls: map[string]string{},
		pace:   time.Second / time.Duration(max(o.FlowRate, 1)),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: callTime},
	}
	f.world = standin.New(standin.Options{
		Now: rec.now, Seed: o.Seed, Failing: worldFails, Dropping: worldDrops, Slow: worldSlow, SlowMost: worldLate, Call: f.callBack,
	})
	f.world.Serve(lines...)
	return f
}

// soleFlows raises the world around the workflows of one location; nil: there are none.
func soleFlows(rec *recorder, o Options) (*flowLoad, error) {
	if !o.Workflows {
		return nil, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return newFlowLoad(rec, o, l.Addr().String(), []net.Listener{l}), nil
}

// address is where the world is reached.
func (f *flowLoad) address() string {
	if f == nil {
		return ""
	}
	return f.at
}

// callBack calls a callback at the door that clients use: a name would lead there.
func (f *flowLoad) callBack(to string, body []byte) (int, string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return http.StatusBadRequest, err.Error(), nil
	}
	ctx, cancel := during(callTime)
	defer cancel()
	status, answer, err := server.Post(ctx, f.client, f.stage.door(), u.RequestURI(), "", body)
	return status, string(answer), err
}

// learn finds out where runs are asked for.
func (f *flowLoad) learn(ctx context.Context, at stage) error {
	f.stage = at
	ctx, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	for _, name := range askedFlows {
		err := f.anywhere(ctx, func(s *server.Server) (err error) {
			f.urls[name], err = s.Callback(ctx, name, triggerName)
			return err
		})
		if err != nil {
			return fmt.Errorf("where runs of %s are asked for: %w", name, err)
		}
	}
	return nil
}

// anywhere asks node after node until one answers, or the time is up.
func (f *flowLoad) anywhere(ctx context.Context, ask func(*server.Server) error) error {
	for {
		var errs []error
		for _, s := range f.stage.servers() {
			if !s.Running() {
				continue
			}
			err := ask(s)
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		if wait(ctx, 100*time.Millisecond) != nil {
			return errors.Join(errs...)
		}
	}
}

// flowLanes is how many requests for runs of one workflow are in the air at once.
const flowLanes = 8

// start puts everybody to work.
func (f *flowLoad) start(ctx context.Context) {
	f.begun = time.Now()
	ctx, f.stop = context.WithCancel(ctx)
	for _, name := range askedFlows {
		turns := make(chan int)
		f.work.Go(func() { f.turns(ctx, turns) })
		for range flowLanes {
			f.calling.Go(func() {
				for n := range turns {
					f.ask(name, fmt.Sprintf("%s-%d", name, n))
				}
			})
		}
	}
	f.work.Go(func() {
		tick := time.NewTicker(f.pace)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			f.mu.Lock()
			f.offered++
			f.world.Offer(flowPolled, f.offered)
			f.mu.Unlock()
		}
	})
}

// turns counts at a pace until ctx ends; who is behind, misses turns.
func (f *flowLoad) turns(ctx context.Context, turns chan<- int) {
	defer close(turns)
	tick := time.NewTicker(f.pace)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case <-ctx.Done():
			return
		case turns <- n:
		}
	}
}

// ask asks for one run.
func (f *flowLoad) ask(name, token string) {
	a := ledger.Asked{Workflow: name, Token: token, Start: f.rec.now()}
	ctx, cancel := during(callTime)
	defer cancel()
	status, body, err := server.Post(ctx, f.client, f.stage.door(), f.urls[name], token, fmt.Appendf(nil, `{"token":%q}`, token))
	switch {
	case err != nil:
	case status < 300:
		a.Outcome = ledger.Confirmed
		f.rec.runs.Add(1)
	case status < 500:
		a.Outcome = ledger.Refused
		err = fmt.Errorf("%d %.200s", status, body)
	default:
		err = fmt.Errorf("%d %.200s", status, body)
	}
	a.End = f.rec.now()
	f.rec.failed("ask for a run", plainly(err))
	f.mu.Lock()
	f.asked = append(f.asked, a)
	f.mu.Unlock()
	if err != nil {
		time.Sleep(20 * time.Millisecond) // as anybody does who is refused
	}
}

// plainly is an error of a call without addresses: those of the line change with every
// connection, and that of the workflow is signed.
func plainly(err error) error {
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	if failed := (*net.OpError)(nil); errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", failed.Op, failed.Err)
	}
	return err
}

// stopAsking lets every request that is under way end.
func (f *flowLoad) stopAsking() {
	f.stop()
	f.work.Wait()
	f.calling.Wait()
}

// close ends the world.
func (f *flowLoad) close() {
	if f.stop != nil {
		f.stopAsking()
	}
	f.world.Stop()
	for _, l := range f.lines {
		l.Close()
	}
}

// flowsEndWithin bounds the wait for all runs to end.
const flowsEndWithin = 4 * time.Minute

// end waits until nothing recurs, nothing is left to poll and no run goes on.
func (f *flowLoad) end(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, flowsEndWithin)
	defer cancel()
	err := f.anywhere(limit, func(s *server.Server) error { return s.ActOnWorkflow(limit, flowTicks, "disable") })
	if err != nil {
		return fmt.Errorf("end what recurs: %w", err)
	}
	for said := time.Now(); ; {
		left := f.goingOn(limit)
		if left == "" || limit.Err() != nil {
			return ctx.Err()
		}
		if time.Since(said) > flowsEndWithin/8 {
			said = time.Now()
			f.say("runs go on: %s", left)
		}
		_ = wait(limit, 500*time.Millisecond)
	}
}

// goingOn says what is not at its end.
func (f *flowLoad) goingOn(ctx context.Context) (left string) {
	taken := map[string]bool{}
	for _, c := range f.world.Calls() {
		if c.Workflow == flowPolled {
			taken[c.Token] = true
		}
	}
	f.mu.Lock()
	if missing := f.offered - len(taken); missing > 0 {
		left += fmt.Sprintf(" %d items to be polled", missing)
	}
	f.mu.Unlock()
	for _, shape := range flowShapes() {
		for _, status := range []string{"Running", "Waiting"} {
			err := f.once(ctx, func(s *server.Server) error {
				runs, err := s.Runs(ctx, shape.Workflow, "status eq '"+status+"'")
				if err == nil && len(runs) > 0 {
					left += fmt.Sprintf(" %d of %s are %s", len(runs), shape.Workflow, status)
				}
				return err
			})
			if err != nil {
				left += fmt.Sprintf(" %s does not say: %v", shape.Workflow, err)
			}
		}
	}
	return left
}

// once asks the first node that runs and answers.
func (f *flowLoad) once(ctx context.Context, ask func(*server.Server) error) error {
	err := errors.New("no node runs")
	for _, s := range f.stage.servers() {
		if s.Running() {
			if err = ask(s); err == nil {
				return nil
			}
		}
	}
	return err
}

// judged ends the load and gives what was written down.
func (f *flowLoad) judged(ctx context.Context, rec *recorder) (*ledger.Flows, error) {
	f.stopAsking()
	f.say("asking for runs has ended: %d accepted, %d calls; waiting for their ends", rec.runs.Load(), f.world.Count())
	if err := f.end(ctx); err != nil {
		return nil, err
	}
	h := rec.history()
	return f.history(ctx, h.Outages, len(h.Skews) > 0)
}

// history is all that was written down, and what the histories of runs say.
func (f *flowLoad) history(ctx context.Context, outages []ledger.Outage, skewed bool) (*ledger.Flows, error) {
	h := &ledger.Flows{Shapes: flowShapes(), Calls: f.world.Calls(), Outages: outages, Skewed: skewed}
	f.mu.Lock()
	h.Asked = slices.Clone(f.asked)
	source := ledger.Source{Workflow: flowPolled}
	for n := 1; n <= f.offered; n++ {
		source.Items = append(source.Items, fmt.Sprintf("%s-%d", flowPolled, n))
	}
	f.mu.Unlock()
	h.Sources = []ledger.Source{source}
	tokens := map[string]string{}
	for _, c := range h.Calls {
		tokens[c.Workflow+"/"+c.Run] = c.Token
	}
	for _, shape := range h.Shapes {
		err := f.once(ctx, func(s *server.Server) error {
			runs, err := s.Runs(ctx, shape.Workflow, "")
			for _, r := range runs {
				token, ok := tokens[shape.Workflow+"/"+r.Name]
				if !ok {
					token = r.Token()
				}
				h.Runs = append(h.Runs, ledger.Run{Workflow: shape.Workflow, Name: r.Name, Token: token, Status: r.Properties.Status, Ended: r.Properties.EndTime != ""})
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("runs of %s: %w", shape.Workflow, err)
		}
	}
	h.Schedules = []ledger.Schedule{schedule(h.Runs, f.begun)}
	for what, n := range f.world.Odd() {
		f.say("the stand-in did not understand %d times: %s", n, what)
	}
	return h, nil
}

// schedule is every time at which a recurrence was due, from the first run to the last.
// Where clocks were set off, there are times before and after those of this one.
func schedule(runs []ledger.Run, begun time.Time) ledger.Schedule {
	s := ledger.Schedule{Workflow: flowTicks, Every: tickSeconds * 1000}
	var first, last time.Time
	form := time.RFC3339
	for _, r := range runs {
		due, err := time.Parse(time.RFC3339, r.Token)
		if r.Workflow != flowTicks || err != nil {
			continue
		}
		if at := strings.IndexByte(r.Token, '.'); at > 0 {
			form = "2006-01-02T15:04:05." + strings.Repeat("0", len(strings.TrimSuffix(r.Token, "Z"))-at-1) + "Z07:00"
		}
		if first.IsZero() || due.Before(first) {
			first = due
		}
		if due.After(last) {
			last = due
		}
	}
	start, _ := time.Parse(time.RFC3339, ticksStartAt)
	step := tickSeconds * time.Second
	for due := start.Add(first.Sub(start).Truncate(step)); !first.IsZero() && !due.After(last); due = due.Add(step) {
		s.Due = append(s.Due, due.UTC().Format(form))
	}
	return s
}
