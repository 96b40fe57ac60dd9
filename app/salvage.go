package app

import (
	"context"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica"
)

// past opens what a unit has recorded in a generation.
func (p *Platform) past(ctx context.Context, unit string, generation int) (*journal.Journal, replica.Past, func(), error) {
	log, err := p.store.Journal(ctx, unit, generation)
	if err != nil {
		return nil, replica.Past{}, nil, err
	}
	snapshots, err := p.store.Snapshots(ctx, unit, generation)
	if err != nil {
		log.Close()
		return nil, replica.Past{}, nil, err
	}
	return log, replica.Past{Log: log, Snapshots: snapshots}, func() { log.Close(); snapshots.Close() }, nil
}

// tail lists what a unit has recorded behind a position.
func (p *Platform) tail(ctx context.Context, unit string, generation int, after journal.Position, fn func(groups.Row) error) error {
	k, err := p.keeper(unit)
	if err != nil {
		return err
	}
	log, past, done, err := p.past(ctx, unit, generation)
	if err != nil {
		return err
	}
	defer done()
	return k.tail(ctx, unit, past, log, after, fn)
}

// bring brings rows of another location's tail into a unit that this node owns.
func (p *Platform) bring(ctx context.Context, unit, source string, after journal.Mark, resent bool, rows []groups.Row) ([]groups.Row, map[string]uint64, error) {
	k, err := p.keeper(unit)
	if err != nil {
		return nil, nil, err
	}
	m := p.members.get(unit)
	if m == nil {
		return nil, nil, fault.New(fault.Unavailable, "%s is not open on this node.", unit)
	}
	_, past, done, err := p.past(ctx, unit, m.Generation)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	return k.bring(ctx, unit, source, past, after, resent, rows)
}
