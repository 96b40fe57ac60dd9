package definition

// bits is a set of actions of one graph, by where they stand in it.
type bits []uint64

func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bits) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) addAll(o bits) {
	for i, word := range o {
		b[i] |= word
	}
}

// reaches reports whether from runs after to, over whatever lies between. All answers
// of a graph are worked out once: a definition may ask for each pair of its actions.
func (g *Graph) reaches(from, to *Action) bool {
	if g.before == nil {
		g.before = make(map[*Action]bits, len(g.Actions))
		for i, a := range g.Actions {
			a.at = i
		}
		for _, a := range g.Actions {
			g.gather(a)
		}
	}
	return g.before[from].has(to.at)
}

// gather works out the set of one action. Of a circle each knows those that were
// known when it was reached; it is an error by itself.
func (g *Graph) gather(a *Action) bits {
	if known, ok := g.before[a]; ok {
		return known
	}
	set := make(bits, len(g.Actions)/64+1)
	g.before[a] = set
	for _, after := range a.RunAfter {
		if before := g.Get(after.Name); before != nil {
			set.add(before.at)
			set.addAll(g.gather(before))
		}
	}
	return set
}

// exclusiveMax is up to how many actions of a graph are looked at for ways that exclude
// one another; of more, any two are taken for parallel.
const exclusiveMax = 500

// exclusive reports whether only one of two actions can run: somewhere before them one
// waits for an end of an action that the other does not wait for.
func (g *Graph) exclusive(one, other *Action) bool {
	if len(g.Actions) > exclusiveMax {
		return false
	}
	first, second := map[*Action]Statuses{}, map[*Action]Statuses{}
	g.waits(one, first)
	g.waits(other, second)
	for before, statuses := range first {
		if also, both := second[before]; both && statuses&also == 0 {
			return true
		}
	}
	return false
}

// waits gathers the ends that must have come for an action to run. Beyond one that may
// have been skipped nothing must have come.
func (g *Graph) waits(a *Action, all map[*Action]Statuses) {
	for _, after := range a.RunAfter {
		before := g.Get(after.Name)
		if before == nil {
			continue
		}
		known, seen := all[before]
		if !seen {
			known = Succeeded | Failed | Skipped | TimedOut
		}
		all[before] = known & after.Statuses
		if !seen && !after.Statuses.Has(Skipped) {
			g.waits(before, all)
		}
	}
}
