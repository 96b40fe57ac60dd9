package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/service/bus"
	"weir/service/workflow"
)

// unitName gives the name of the unit that a resource is, whichever service keeps it.
func unitName(id resource.ID) (string, bool) {
	if name, ok := bus.UnitName(id); ok {
		return name, true
	}
	return workflow.UnitName(id)
}

// unitOf is unitName for what a continuity group names: the id that stands for the whole
// unit.
func unitOf(id resource.ID) (string, error) {
	name, ok := unitName(id)
	switch {
	case !ok:
		return "", errors.New("it is no unit. Name a Service Bus namespace, a resource group with logic app workflows, or a site with workflows (Microsoft.Web/sites)")
	case workflow.Keeps(name) && !id.IsScope() && strings.EqualFold(id.Type(), "Microsoft.Logic/workflows"):
		return "", fmt.Errorf("the workflows of a resource group move as one. Name the resource group, %s", id.Scope())
	}
	return name, nil
}

// covers reports whether what is declared as id moves with a unit.
func covers(unit, id resource.ID) bool {
	if name, ok := workflow.UnitName(unit); ok && workflow.Keeps(name) {
		return workflow.Covers(unit, id)
	}
	return unit.Contains(id)
}

// keeper is a service that keeps units of continuity.
type keeper struct {
	// keeps tells its units from others by their names.
	keeps func(unit string) bool
	// reopen opens a unit again, as its group's note says now.
	reopen func(ctx context.Context, unit string) error
	// tail lists what a unit has recorded behind a position; bring brings such rows into it.
	tail  func(ctx context.Context, unit string, past replica.Past, log *journal.Journal, after journal.Position, fn func(groups.Row) error) error
	bring func(ctx context.Context, unit, source string, past replica.Past, after journal.Mark, resent bool, rows []groups.Row) ([]groups.Row, map[string]uint64, error)
}

// keepers are the services that keep units.
func (p *Platform) keepers() []keeper {
	return []keeper{
		{
			keeps:  func(unit string) bool { return strings.HasPrefix(unit, "servicebus-") },
			reopen: func(ctx context.Context, unit string) error { return p.bus.Reopen(ctx, unit) },
			tail: func(ctx context.Context, unit string, past replica.Past, log *journal.Journal, after journal.Position, fn func(groups.Row) error) error {
				return bus.Tail(ctx, unit, past, log, after, fn)
			},
			bring: func(ctx context.Context, unit, source string, past replica.Past, after journal.Mark, resent bool, rows []groups.Row) ([]groups.Row, map[string]uint64, error) {
				return p.bus.Salvage(ctx, unit, source, past, after, resent, rows)
			},
		}, {
			keeps:  workflow.Keeps,
			reopen: func(ctx context.Context, unit string) error { return p.workflows.Reopen(ctx, unit) },
			tail: func(ctx context.Context, unit string, past replica.Past, log *journal.Journal, after journal.Position, fn func(groups.Row) error) error {
				return workflow.Tail(ctx, unit, past, log, after, fn)
			},
			bring: func(ctx context.Context, unit, source string, _ replica.Past, _ journal.Mark, resent bool, rows []groups.Row) ([]groups.Row, map[string]uint64, error) {
				rows, err := p.workflows.Salvage(ctx, unit, source, resent, rows)
				return rows, nil, err
			},
		},
	}
}

// keeper finds the service that keeps a unit.
func (p *Platform) keeper(unit string) (keeper, error) {
	for _, k := range p.keepers() {
		if k.keeps(unit) {
			return k, nil
		}
	}
	return keeper{}, fault.New(fault.NotFound, "No service of this node keeps the unit %s.", unit)
}

// reopen opens a unit again. One that is not declared here is opened when it is.
func (p *Platform) reopen(ctx context.Context, unit string) error {
	k, err := p.keeper(unit)
	if err == nil {
		err = k.reopen(ctx, unit)
	}
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}
