package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"weir/internal/groups"
)

// undo ends what a broken drill left, waits until what was under way is over, and says
// what is left to do.
func (d *drill) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, undoWithin)
	defer cancel()
	ended := d.endIsolation(ctx)
	said, silent := d.settledDown(ctx)
	d.happened("the drill is over before its end: %s", stand(said))
	var errs []error
	if ended != nil {
		errs = append(errs, ended)
	}
	primary := ""
	for _, name := range slices.Sorted(maps.Keys(d.Places)) {
		s, known := said[name]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("%s does not say how it is (\"weir group show %s\" there): %w", name, d.Group, silent[name]))
		case s.Standing == groups.Salvage:
			errs = append(errs, fmt.Errorf("%s has records alone: \"weir salvage %s --reinject\" there brings them back", name, d.Group))
			if d.settled.Mode == "sync" {
				errs = append(errs, fmt.Errorf("where that is refused because nothing can be stored in both locations (\"whenAway: stop\"): look at them with \"weir salvage %s\"; --drop gives them up and lets clients go on", d.Group))
			}
		case s.Standing == groups.Primary:
			primary = name
		}
	}
	switch {
	case primary != "" && primary != d.from:
		errs = append(errs, fmt.Errorf("%s is the primary now: when %s follows, \"weir switch %s --to %s\" brings it home", primary, d.from, d.Group, d.from))
	case primary == "" && len(silent) == 0:
		errs = append(errs, fmt.Errorf("no location is the primary (%s): \"weir group show %s\" says what it waits for; if it stays so, \"weir failover %s\" at the one that is to serve", stand(said), d.Group, d.Group))
	case !calm(said):
		errs = append(errs, fmt.Errorf("something is still under way (%s): \"weir group show %s\" tells when it is over", stand(said), d.Group))
	}
	return errors.Join(errs...)
}

// endIsolation tries for as long as there is time: until it ends nothing else can.
func (d *drill) endIsolation(ctx context.Context) error {
	for !d.isolated.IsZero() {
		one, cancel := context.WithTimeout(ctx, undoWithin/3)
		err := d.Places[d.from].Isolate(one, d.Group, 0)
		cancel()
		if err == nil {
			d.isolated = time.Time{}
			d.happened("the isolation ends")
			break
		}
		if sleep(ctx, undoEvery) != nil {
			return fmt.Errorf("the isolation of %s could not be ended; it ends by itself at %s: %w", d.from, d.isolated.UTC().Format(time.RFC3339), err)
		}
	}
	return nil
}

// settledDown asks until every location answers and nothing is under way, or there is no
// more time: what is said during a change is no advice.
func (d *drill) settledDown(ctx context.Context) (said map[string]groups.Status, silent map[string]error) {
	for {
		said, silent = map[string]groups.Status{}, map[string]error{}
		for name, p := range d.Places {
			// A second of its own, also when the time is up: it must be asked once.
			one, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			s, err := p.Show(one, d.Group)
			cancel()
			if d.looks.saw(name, s, err); err != nil {
				silent[name] = err
				continue
			}
			said[name] = s
		}
		if len(silent) == 0 && calm(said) || sleep(ctx, undoEvery) != nil {
			return said, silent
		}
	}
}

// calm reports whether one location is the primary and the other one follows or waits
// for a salvage, in the same term.
func calm(said map[string]groups.Status) bool {
	primaries, others := 0, 0
	terms := map[uint64]bool{}
	for _, s := range said {
		terms[s.Term] = true
		switch {
		case s.Standing == groups.Salvage: // its phase says the same
			others++
		case s.Phase != "":
		case s.Standing == groups.Primary:
			primaries++
		case s.Standing == groups.Secondary && connected(s):
			others++
		}
	}
	return primaries == 1 && others == len(said)-1 && len(terms) == 1
}
