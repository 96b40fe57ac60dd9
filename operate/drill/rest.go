package drill

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/internal/groups"
)

// atRest finds who is what, and refuses to begin when something is going on.
func (d *drill) atRest(ctx context.Context) error {
	said := map[string]groups.Status{}
	for name, p := range d.Places {
		s, err := p.Show(ctx, d.Group)
		if err != nil {
			return fmt.Errorf("%s does not say how the group %s is: %w", name, d.Group, err)
		}
		said[name] = s
		switch s.Standing {
		case groups.Primary:
			d.from, d.settled = name, s
		case groups.Secondary:
			d.to, d.willing = name, s
		}
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		if until := said[name].IsolatedUntil; until != nil && until.After(time.Now()) {
			return fmt.Errorf("%s is isolated until %s: another drill goes on, or one died; it ends by itself", name, until.UTC().Format(time.RFC3339))
		}
	}
	switch {
	case len(said) != 2 || d.from == "" || d.to == "":
		return fmt.Errorf("the group %s has no primary and secondary to rehearse with: %s", d.Group, stand(said))
	case d.settled.Term != d.willing.Term || d.settled.Phase != "" || d.willing.Phase != "":
		return fmt.Errorf("the group %s is changing: %s", d.Group, stand(said))
	case !connected(d.settled) || !connected(d.willing):
		return fmt.Errorf("%s does not follow %s at the moment: a drill would be the real thing. See \"weir group show %s\"", d.to, d.from, d.Group)
	case d.Kind == Isolation && !d.settled.Automatic:
		return fmt.Errorf("the group %s is not automatic: nobody would take over. Rehearse a forced promotion (--kind %s)", d.Group, Forced)
	case d.Kind != Switch && d.settled.Mode == "sync" && d.settled.WhenAway != "degrade":
		return fmt.Errorf("the group %s is in sync mode and not declared with \"whenAway: degrade\": %s would acknowledge nothing until %s follows it, and the drill would be an outage of that long. A planned switch (--kind %s) is always possible", d.Group, d.to, d.from, Switch)
	case d.Kind == Switch || d.Kind == Forced && d.Force:
		return nil
	}
	return d.electable()
}

// electable refuses when the voters that are left could not let the secondary take over:
// the isolation would only be an outage.
func (d *drill) electable() error {
	voters := d.willing.Voters
	if len(voters) == 0 {
		return fmt.Errorf("the group %s has no witness: nobody could let %s take over. Rehearse a planned switch, or a promotion that asks nobody (--kind %s --force)", d.Group, d.to, Forced)
	}
	left := 0
	var silent []string
	for _, v := range voters {
		switch {
		case v.Name == d.from: // it will not be heard
		case v.Reachable:
			left++
		default:
			silent = append(silent, v.Name)
		}
	}
	if 2*left <= len(voters) {
		return fmt.Errorf("without %s only %d of %d voters would answer, which is no majority (%s is silent now): nobody could take over", d.from, left, len(voters), strings.Join(silent, ", "))
	}
	return nil
}

// stand says what each location is.
func stand(said map[string]groups.Status) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(said)) {
		s := said[name]
		text := fmt.Sprintf("%s is %s in term %d", name, s.Standing, s.Term)
		if s.Phase != "" {
			text += " (" + s.Phase + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func connected(s groups.Status) bool {
	for _, u := range s.Units {
		if !u.Connected || u.Degraded {
			return false
		}
	}
	return len(s.Units) > 0
}
