package continuity

import (
	"context"
	"slices"
	"time"
)

// tidy removes journals that nobody needs any more: those that were not needed a while ago
// either, so that no node has them open. It also keeps beside the note which generations
// are in use, which a node that died after it changed the note did not.
func (g *group) tidy(ctx context.Context, cfg config, n note) {
	if g.c.o.Generations == nil || time.Since(g.tidied) < tidyEvery {
		return
	}
	g.tidied = time.Now()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	before := g.spent
	g.spent = map[string][]int{}
	for unit := range n.Units {
		if err := g.c.keepGeneration(ctx, unit, n.Generation(unit)); err != nil {
			g.c.log.Debug("the generation of a unit could not be kept", "unit", unit, "error", err)
		}
		there, err := g.c.o.Generations(ctx, unit)
		if err != nil {
			g.c.log.Debug("the journals of a unit could not be listed", "unit", unit, "error", err)
			continue
		}
		g.spent[unit] = n.Spent(unit, there, cfg.keep)
		for _, generation := range g.spent[unit] {
			if !slices.Contains(before[unit], generation) {
				continue
			}
			if err := g.c.o.Remove(ctx, unit, generation); err != nil {
				g.c.log.Warn("an old journal could not be removed", "unit", unit, "generation", generation, "error", err)
				continue
			}
			g.c.log.Info("an old journal is removed: everything in it is decided about", "unit", unit, "generation", generation)
		}
	}
}
