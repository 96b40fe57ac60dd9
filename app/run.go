package app

import (
	"context"
	"errors"
	"slices"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
	"weir/operate/continuity"
	"weir/operate/deploy"
	"weir/service/bus"
	"weir/service/workflow"
)

// Run starts a platform and keeps it until ctx ends, then stops it in order. A
// start that is called off by ctx is no error.
func Run(ctx context.Context, o Options) error {
	p, err := New(o)
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return errors.New(fault.Detail(err)) // the operator may know the private causes
	}
	<-ctx.Done()
	p.log.Info("ending in order", "within", o.Drain)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Drain)
	defer cancel()
	return p.Stop(limit)
}

// Types are the resource types of the platform, for who needs them without a
// server.
func Types() []*resource.Type {
	return slices.Concat(bus.Types(), workflow.Types(), continuity.Types(unitOf), resource.ScopeTypes(), []*resource.Type{resource.LockType(), deploy.Type()}, access.Types(DefaultScope))
}
