package route

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// primary is the standing of a location that owns.
const primary = "primary"

// opinion is what a location said last of one group.
type opinion struct {
	term     uint64
	standing string
	holder   string   // who has the term, as far as it knows
	names    []string // namespaces in it, lower case
}

// state is what the router makes of one group.
type state struct {
	top    uint64 // highest term that anybody has heard of
	active string // location that is primary in that term; empty: none says so
	holder string // who has that term, as it is said; it may be halted or not heard of
	last   string // the newest that was active; none yet: the holder
}

// picture is what the router makes of everything it was told. It does not change: a new
// one takes its place.
type picture struct {
	complete bool              // every location was asked
	heard    bool              // every location has answered at least once
	groups   map[string]state  // by name
	names    map[string]string // namespace to group
	changes  uint32            // pictures before this one
}

// decide makes the next picture. A location that did not answer still has the opinion
// that it gave before: not to be heard is not to have lost anything. That it is outdated
// shows as soon as another one knows of a higher term.
func decide(said map[string]map[string]opinion, locations int, before picture) picture {
	now := picture{complete: true, heard: len(said) == locations, groups: map[string]state{}, names: map[string]string{}, changes: before.changes}
	for _, location := range slices.Sorted(maps.Keys(said)) {
		for _, name := range slices.Sorted(maps.Keys(said[location])) {
			o := said[location][name]
			now.groups[name] = weigh(now.groups[name], before.groups[name], location, o)
			for _, namespace := range o.names {
				if group, taken := now.names[namespace]; !taken || name < group {
					now.names[namespace] = name
				}
			}
		}
	}
	for name, g := range now.groups {
		g.last = cmp.Or(g.active, before.groups[name].last, g.holder)
		now.groups[name] = g
	}
	if !now.same(before) {
		now.changes++
	}
	return now
}

// weigh adds the opinion of one location. Two that claim one term can not be; if they
// do, the one that was active stays.
func weigh(g, before state, location string, o opinion) state {
	claims := o.standing == primary
	switch {
	case o.term > g.top:
		g.top, g.active, g.holder = o.term, "", ""
		if claims {
			g.active = location
		}
	case o.term == g.top && claims && (g.active == "" || location == before.active):
		g.active = location
	}
	if o.term == g.top && g.holder == "" {
		g.holder = o.holder
	}
	return g
}

func (p picture) same(other picture) bool {
	return p.complete == other.complete && p.heard == other.heard && maps.Equal(p.groups, other.groups) && maps.Equal(p.names, other.names)
}

var (
	errIncomplete = errors.New("not every location was asked yet")
	errNoGroup    = errors.New("no location has a continuity group")
)

// pick finds the group that was asked for; an empty name is the only one there is.
func (p picture) pick(name string) (state, error) {
	if !p.complete {
		return state{}, errIncomplete
	}
	if name == "" && len(p.groups) > 1 {
		return state{}, fmt.Errorf("the locations have several groups (%s): say which one clients are passed to", strings.Join(slices.Sorted(maps.Keys(p.groups)), ", "))
	}
	if name == "" {
		for _, g := range p.groups {
			return g, nil
		}
		return state{}, errNoGroup
	}
	if g, ok := p.groups[strings.ToLower(name)]; ok {
		return g, nil
	}
	return state{}, fmt.Errorf("no location has the continuity group %s", name)
}
