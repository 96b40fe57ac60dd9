package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/conformance/server"
	"weir/conformance/torture/ledger"
)

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
	taken := map[string]map[string]bool{flowPolled: {}, flowFiles: {}}
	for _, c := range f.world.Calls() {
		if of := taken[c.Workflow]; of != nil {
			of[c.Token] = true
		}
	}
	f.mu.Lock()
	if missing := f.offered - len(taken[flowPolled]); missing > 0 {
		left += fmt.Sprintf(" %d items to be polled", missing)
	}
	if missing := len(f.files) - len(taken[flowFiles]); missing > 0 {
		left += fmt.Sprintf(" %d files to be taken", missing)
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
	h.Sources = []ledger.Source{source, {Workflow: flowFiles, Items: slices.Clone(f.files)}}
	f.mu.Unlock()
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
	h.Schedules = []ledger.Schedule{schedule(h.Runs)}
	for what, n := range f.world.Odd() {
		f.say("the stand-in did not understand %d times: %s", n, what)
	}
	return h, nil
}

// schedule is every time at which a recurrence was due, from the first run to the last.
// Where clocks were set off, there are times before and after those of this one.
func schedule(runs []ledger.Run) ledger.Schedule {
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
