package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// cleanups is what must be undone at the end, each with a name: pushed while
// starting, run backwards while stopping.
type cleanups struct {
	list []cleanup
}

type cleanup struct {
	name string
	run  func(context.Context) error
}

// push adds a step that will run before all that were pushed earlier.
func (c *cleanups) push(name string, run func(context.Context) error) {
	c.list = append(c.list, cleanup{name, run})
}

// drain runs every step once, the last first, and goes on after errors.
func (c *cleanups) drain(ctx context.Context, log *slog.Logger) error {
	var errs []error
	for len(c.list) > 0 {
		last := c.list[len(c.list)-1]
		c.list = c.list[:len(c.list)-1]
		log.Debug("ending", "step", last.name)
		if err := last.run(ctx); err != nil {
			log.Warn("a step of the end failed", "step", last.name, "error", err)
			errs = append(errs, fmt.Errorf("%s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}
