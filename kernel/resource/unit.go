package resource

import (
	"context"

	"weir/kernel/replica"
)

// On lets a unit of continuity carry the registry: give the registry to the unit as
// its Machine, and On(unit) to Bind.
func On(u *replica.Unit) Unit { return unit{u} }

type unit struct{ *replica.Unit }

func (u unit) Call(ctx context.Context, work func(Turn)) error {
	return u.Unit.Call(ctx, func(t *replica.Turn) { work(t) })
}

var _ replica.Machine = (*Registry)(nil)
