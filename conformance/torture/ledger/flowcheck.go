package ledger

import (
	"fmt"
	"sort"
	"strconv"
)

// CheckFlows judges what was written down about workflows.
func CheckFlows(f *Flows) FlowVerdict {
	v := FlowVerdict{Outages: len(f.Outages), Counts: map[Kind]int{}}
	for _, k := range FlowKinds {
		v.Counts[k] = 0
	}
	c := gather(f, &v)
	for i := range f.Shapes {
		c.checkWorkflow(&f.Shapes[i])
	}
	c.checkKeys()
	c.checkStrangers()
	return v
}

// flows is one check.
type flows struct {
	*Flows
	v      *FlowVerdict
	shapes map[string]*Shape
	asked  map[string]map[string]bool // by workflow: tokens that may have a run
	runs   map[string]map[string][]*Run
	calls  map[string]map[string][]*Call // by workflow and run
}

func gather(f *Flows, v *FlowVerdict) *flows {
	c := &flows{Flows: f, v: v, shapes: map[string]*Shape{}, asked: map[string]map[string]bool{}, runs: map[string]map[string][]*Run{}, calls: map[string]map[string][]*Call{}}
	for i := range f.Shapes {
		c.shapes[f.Shapes[i].Workflow] = &f.Shapes[i]
	}
	for _, a := range f.Asked {
		set(c.asked, a.Workflow, a.Token)
	}
	for _, s := range f.Sources {
		for _, item := range s.Items {
			set(c.asked, s.Workflow, item)
		}
	}
	for _, s := range f.Schedules {
		for _, due := range s.Due {
			set(c.asked, s.Workflow, due)
		}
	}
	for _, s := range f.Shapes {
		if s.Within != "" {
			c.asked[s.Workflow] = c.asked[s.Within]
		}
	}
	for i := range f.Runs {
		r := &f.Runs[i]
		if c.runs[r.Workflow] == nil {
			c.runs[r.Workflow] = map[string][]*Run{}
		}
		c.runs[r.Workflow][r.Token] = append(c.runs[r.Workflow][r.Token], r)
	}
	for i := range f.Calls {
		k := &f.Calls[i]
		if c.calls[k.Workflow] == nil {
			c.calls[k.Workflow] = map[string][]*Call{}
		}
		c.calls[k.Workflow][k.Run] = append(c.calls[k.Workflow][k.Run], k)
	}
	return c
}

func set(m map[string]map[string]bool, workflow, token string) {
	if m[workflow] == nil {
		m[workflow] = map[string]bool{}
	}
	m[workflow][token] = true
}

func (c *flows) blame(kind Kind, workflow, id, format string, args ...any) {
	c.v.Counts[kind]++
	if len(c.v.Findings) < findingsMax {
		c.v.Findings = append(c.v.Findings, Finding{kind, workflow, id, fmt.Sprintf(format, args...)})
	}
}

// disturbed reports whether an outage touched the time between two instants.
func (c *flows) disturbed(start, end Instant) bool {
	return (&History{Outages: c.Outages}).disturbed(start, end)
}

// late reports whether something stood still or was cut off at some instant, so that what
// it had begun came then.
func (c *flows) late(at Instant) bool {
	for _, o := range c.Outages {
		if o.Late && o.Start <= at && at <= o.End {
			return true
		}
	}
	return false
}

// checkWorkflow asks what became of all that started runs of a workflow, and what each
// run did.
func (c *flows) checkWorkflow(s *Shape) {
	t := FlowTally{Workflow: s.Workflow}
	for _, a := range c.Asked {
		if a.Workflow != s.Workflow {
			continue
		}
		t.Asked++
		if a.Outcome == Confirmed {
			t.Accepted++
		}
		c.checkAsked(s, a)
	}
	if s.Within != "" {
		c.checkWithin(s)
	}
	for _, source := range c.Sources {
		if source.Workflow == s.Workflow {
			t.Asked += len(source.Items)
			t.Accepted += len(source.Items)
			c.checkSource(source)
		}
	}
	for _, schedule := range c.Schedules {
		if schedule.Workflow == s.Workflow {
			c.checkSchedule(schedule, &t)
		}
	}
	for i := range c.Runs {
		if r := &c.Runs[i]; r.Workflow == s.Workflow {
			t.Runs++
			if r.Ended {
				t.Ended++
			}
			c.checkRun(s, r, &t)
		}
	}
	c.v.Workflows = append(c.v.Workflows, t)
}

func (c *flows) checkAsked(s *Shape, a Asked) {
	runs := c.runs[s.Workflow][a.Token]
	outcome := a.Outcome
	if outcome == Refused && c.disturbed(a.Start, a.End) {
		outcome = Unknown
	}
	switch {
	case len(runs) > 1:
		c.blame(DoubleRun, s.Workflow, a.Token, "%d runs: %s", len(runs), namesOf(runs))
	case len(runs) == 0 && outcome == Confirmed:
		c.blame(Abandoned, s.Workflow, a.Token, "accepted at %d", a.End)
	case len(runs) == 1 && outcome == Refused:
		c.blame(Stranger, s.Workflow, a.Token, "run %s of a request that was refused", runs[0].Name)
	}
}

// checkWithin asks that each run that starts another one started one.
func (c *flows) checkWithin(s *Shape) {
	for _, token := range sorted(c.runs[s.Within]) {
		parents, children := c.runs[s.Within][token], c.runs[s.Workflow][token]
		if len(children) > len(parents) {
			c.blame(DoubleRun, s.Workflow, token, "%d runs within %d: %s", len(children), len(parents), namesOf(children))
		}
		if len(children) < len(parents) && allEnded(parents) {
			c.blame(Abandoned, s.Workflow, token, "its parent %s has ended", parents[0].Name)
		}
	}
}

func (c *flows) checkSource(s Source) {
	for _, item := range s.Items {
		switch runs := c.runs[s.Workflow][item]; {
		case len(runs) > 1:
			c.blame(PolledTwice, s.Workflow, item, "%d runs: %s", len(runs), namesOf(runs))
		case len(runs) == 0:
			c.blame(PolledNever, s.Workflow, item, "no run")
		}
	}
}

// checkSchedule finds what recurred twice, and counts what was missed between the first
// run and the last.
func (c *flows) checkSchedule(s Schedule, t *FlowTally) {
	row, begun := 0, false
	for _, due := range s.Due {
		t.Asked++
		runs := c.runs[s.Workflow][due]
		if len(runs) > 1 {
			c.blame(RecurredTwice, s.Workflow, due, "%d runs: %s", len(runs), namesOf(runs))
		}
		if len(runs) == 0 {
			row++
			continue
		}
		if begun {
			t.Missed += row
			c.v.MissedMost = max(c.v.MissedMost, row)
		}
		row, begun = 0, true
	}
}

// checkRun looks at how a run ended and at what it did.
func (c *flows) checkRun(s *Shape, r *Run, t *FlowTally) {
	ends := s.Ends
	if ends == "" {
		ends = "Succeeded"
	}
	if !r.Ended {
		c.blame(Unfinished, s.Workflow, r.Token, "run %s is %s", r.Name, r.Status)
	} else if r.Status != ends {
		c.blame(WrongEnd, s.Workflow, r.Token, "run %s is %s", r.Name, r.Status)
	}
	calls := c.calls[s.Workflow][r.Name]
	t.Calls += len(calls)
	by := map[place][]*Call{}
	for _, k := range calls {
		by[place{k.Action, k.Item}] = append(by[place{k.Action, k.Item}], k)
	}
	for i := range s.Steps {
		step := &s.Steps[i]
		from, ended := c.ready(s, step, by)
		next := c.next(s, step, by)
		for _, at := range step.places() {
			all := by[at]
			c.checkAttempts(s, r, at, all, t)
			c.checkAgain(s, r, at, all, next)
			done := len(doneOf(all)) > 0
			if r.Ended && r.Status == ends && !done {
				c.blame(NotDone, s.Workflow, r.Token, "run %s: %s", r.Name, at)
			}
			if len(all) == 0 || step.After == "" {
				continue
			}
			first := all[0]
			if !ended || first.At < from.End {
				c.blame(TooSoon, s.Workflow, r.Token, "run %s: %s at %d, %s had not ended", r.Name, at, first.At, step.After)
			} else if !c.Skewed && first.Wall < from.Wall+step.Pause {
				c.blame(TooSoon, s.Workflow, r.Token, "run %s: %s came %d ms after %s instead of %d", r.Name, at, first.Wall-from.Wall, step.After, step.Pause)
			}
		}
	}
	for _, k := range calls {
		if !s.has(place{k.Action, k.Item}) {
			c.blame(Stranger, s.Workflow, r.Token, "run %s: call %s at %d is no part of it", r.Name, place{k.Action, k.Item}, k.At)
		}
	}
}

// has reports whether an action in an iteration is part of a workflow.
func (s *Shape) has(at place) bool {
	for i := range s.Steps {
		if s.Steps[i].Action == at.action {
			n, err := strconv.Atoi(at.item)
			return at.item == "" && s.Steps[i].Items == 0 || err == nil && n >= 0 && n < s.Steps[i].Items
		}
	}
	return false
}

// place is an action in an iteration.
type place struct{ action, item string }

func (p place) String() string {
	if p.item == "" {
		return p.action
	}
	return p.action + "[" + p.item + "]"
}

func (s *Step) places() (all []place) {
	if s.Items == 0 {
		return []place{{s.Action, ""}}
	}
	for n := range s.Items {
		all = append(all, place{s.Action, strconv.Itoa(n)})
	}
	return all
}

// ready is the earliest time at which what a step waits for can have ended: the latest of
// the first ends of its items.
func (c *flows) ready(s *Shape, step *Step, by map[place][]*Call) (last Call, ended bool) {
	for i := range s.Steps {
		before := &s.Steps[i]
		if before.Action != step.After {
			continue
		}
		for _, at := range before.places() {
			done := doneOf(by[at])
			if len(done) == 0 {
				return last, false
			}
			if done[0].End > last.End {
				last = *done[0]
			}
		}
	}
	return last, true
}

// next is when the first step began that waits for a step: its end was recorded then;
// 0: none did.
func (c *flows) next(s *Shape, step *Step, by map[place][]*Call) (first Instant) {
	for i := range s.Steps {
		if s.Steps[i].After != step.Action {
			continue
		}
		for _, at := range s.Steps[i].places() {
			if all := by[at]; len(all) > 0 && (first == 0 || all[0].At < first) {
				first = all[0].At
			}
		}
	}
	return first
}

// checkAttempts looks at all calls of one action in one iteration of one run.
func (c *flows) checkAttempts(s *Shape, r *Run, at place, all []*Call, t *FlowTally) {
	for i, k := range all {
		if k.Said != Done {
			t.Failed++
		}
		if i == 0 {
			continue
		}
		before := all[i-1]
		if k.Key != all[0].Key {
			c.blame(OtherKey, s.Workflow, r.Token, "run %s: %s with %q and %q", r.Name, at, all[0].Key, k.Key)
		}
		disturbed := c.disturbed(before.At, k.At)
		switch {
		case k.Attempt == before.Attempt && disturbed:
			t.Repeated++
			if c.late(k.At) {
				t.Late++
			}
		case k.Attempt == before.Attempt && before.Said == Done:
			c.blame(DoneTwice, s.Workflow, r.Token, "run %s: %s at %d and %d, attempt %d", r.Name, at, before.At, k.At, k.Attempt)
		case k.Attempt == before.Attempt:
			c.blame(TriedAgain, s.Workflow, r.Token, "run %s: %s at %d and %d, attempt %d both times", r.Name, at, before.At, k.At, k.Attempt)
		case k.Attempt > before.Attempt && !mayGoOn(all[:i], k.Attempt):
			c.blame(TriedAgain, s.Workflow, r.Token, "run %s: %s at %d, attempt %d after one that went well", r.Name, at, k.At, k.Attempt)
		case k.Attempt < before.Attempt && !c.late(k.At):
			c.blame(TriedAgain, s.Workflow, r.Token, "run %s: %s at %d, attempt %d after attempt %d", r.Name, at, k.At, k.Attempt, before.Attempt)
		}
	}
}

// checkAgain finds calls of an action after what follows it began.
func (c *flows) checkAgain(s *Shape, r *Run, at place, all []*Call, next Instant) {
	for _, k := range all {
		if next > 0 && k.At > next && !c.late(k.At) {
			c.blame(DoneAgain, s.Workflow, r.Token, "run %s: %s at %d, what follows it began at %d", r.Name, at, k.At, next)
		}
	}
}

// mayGoOn reports whether an attempt before this one was answered so that another one is
// due.
func mayGoOn(before []*Call, attempt int) bool {
	for _, k := range before {
		if k.Attempt < attempt && k.Said != Done {
			return true
		}
	}
	return false
}

func doneOf(all []*Call) (done []*Call) {
	for _, k := range all {
		if k.Said == Done {
			done = append(done, k)
		}
	}
	return done
}

// checkKeys asks that one key is of one action in one iteration of one run.
func (c *flows) checkKeys() {
	type owner struct {
		workflow, run string
		place
	}
	of := map[string]owner{}
	for i := range c.Calls {
		k := &c.Calls[i]
		o := owner{k.Workflow, k.Run, place{k.Action, k.Item}}
		if first, ok := of[k.Key]; ok && first != o {
			c.blame(SharedKey, k.Workflow, k.Token, "%q is of %s in %s and of %s in %s", k.Key, first.place, first.run, o.place, o.run)
		} else if !ok {
			of[k.Key] = o
		}
	}
}

// checkStrangers finds runs and calls that nobody asked for.
func (c *flows) checkStrangers() {
	named := map[string]string{}
	for _, r := range c.Runs {
		named[r.Workflow+"/"+r.Name] = r.Token
		if !c.asked[r.Workflow][r.Token] {
			c.blame(Stranger, r.Workflow, r.Token, "run %s", r.Name)
		}
	}
	for _, k := range c.Calls {
		if token, ok := named[k.Workflow+"/"+k.Run]; !ok || token != k.Token {
			c.blame(Stranger, k.Workflow, k.Token, "call %s at %d by run %q", place{k.Action, k.Item}, k.At, k.Run)
		}
	}
}

func namesOf(runs []*Run) (all []string) {
	for _, r := range runs {
		all = append(all, r.Name)
	}
	return all
}

func allEnded(runs []*Run) bool {
	for _, r := range runs {
		if !r.Ended {
			return false
		}
	}
	return true
}

func sorted(m map[string][]*Run) (all []string) {
	for token := range m {
		all = append(all, token)
	}
	sort.Strings(all)
	return all
}
