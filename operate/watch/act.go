package watch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weir/internal/groups"
	"weir/operate/watch/core"
)

// refusedPause is how long after a refusal the next attempt waits: the votes of a
// primary that is gone run out in less.
const refusedPause = 5 * time.Second

// lastAction is what was done last for a group.
type lastAction struct {
	underWay bool
	next     time.Time // not before
	refusal  string    // that was told
}

// act promotes a location where that is allowed and due. A promotion takes as long as
// it takes; the rounds go on meanwhile.
func (w *Watchdog) act(ctx context.Context, seen core.Seen, up []core.Alarm) {
	for _, group := range w.o.Act {
		to, why := core.MayAct(seen, up, group)
		for _, l := range w.o.Locations {
			if to != "" && l.Name == to && w.mayNow(group) {
				w.watching.Go(func() { w.promote(ctx, l, group, why) })
			}
		}
	}
}

// mayNow takes the one place for an action of a group.
func (w *Watchdog) mayNow(group string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.acted[strings.ToLower(group)]
	if a == nil {
		a = &lastAction{}
		w.acted[strings.ToLower(group)] = a
	}
	if a.underWay || time.Now().Before(a.next) {
		return false
	}
	a.underWay = true
	return true
}

// promote asks a location to take a group; the voters decide. A refusal has changed
// nothing, so it does not begin the cool-down, and the same one is told once.
func (w *Watchdog) promote(ctx context.Context, l groups.Location, group, why string) {
	ctx, cancel := context.WithTimeout(ctx, promoteWithin)
	defer cancel()
	began := time.Now()
	change, err := l.Promote(ctx, group, false)
	now := time.Now()
	w.mu.Lock()
	a := w.acted[strings.ToLower(group)]
	a.underWay, a.next = false, now.Add(w.o.CoolDown)
	tell := true
	if err != nil {
		tell = a.refusal != err.Error()
		a.next, a.refusal = now.Add(min(refusedPause, w.o.CoolDown)), err.Error()
	} else {
		a.refusal = ""
	}
	w.mu.Unlock()
	if tell && (err == nil || ctx.Err() == nil || time.Since(began) >= promoteWithin) {
		w.tell(acted(now, l.Name, group, why, change, err))
	}
}

// acted is what is told of a promotion.
func acted(now time.Time, at, group, why string, change groups.Change, err error) core.Event {
	c := core.Condition{Key: "act/" + group, Severity: core.Critical, Location: at, Group: group}
	if err != nil {
		c.What = fmt.Sprintf("this watchdog asked %s to take over the group %s (%s), and was refused: %s", at, group, why, err)
		c.Do = fmt.Sprintf("it asks again; \"weir failover %s --dry-run\" at %s says who votes against it", group, at)
		return core.Event{Kind: core.Refused, Alarm: core.Alarm{Since: now, Condition: c}}
	}
	loss := "what that loses is not known"
	if l := change.ExpectedLoss; l != nil && l.Known {
		loss = fmt.Sprintf("%d messages and settlements may be missing until they are salvaged", l.Messages)
	}
	c.What = fmt.Sprintf("this watchdog had %s promoted for the group %s, in term %d: %s; %s", at, group, change.Term, why, loss)
	c.Do = "see to the lost location; what it has alone is salvaged when it is back (weir salvage " + group + ")"
	return core.Event{Kind: core.Acted, Alarm: core.Alarm{Since: now, Condition: c}}
}
