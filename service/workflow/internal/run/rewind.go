package run

import (
	"strings"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
)

// Rewind makes of a run that has ended one that goes on from some of its actions: they,
// and all that ran after them, are as if they had not begun; what came before keeps what
// it gave, variables too. Whoever waited for an answer waits no more. The state is not to
// be used after an error.
func (s *State) Rewind(p *Plan, actions []string, now int64) error {
	if !s.Status.Ended() || len(s.frames) == 0 {
		return fault.New(fault.Conflict, "A run that has not ended, or never began, cannot be repeated from an action.")
	}
	r := rewinding{s: s, p: p, again: map[*instance]bool{}}
	for _, name := range actions {
		if err := r.named(name); err != nil {
			return err
		}
	}
	for _, f := range s.frames { // what was cut off when the run ended
		for k := range f.instances {
			if i := &f.instances[k]; i.status != NotStarted && !i.status.Ended() {
				r.reset(i)
			}
		}
	}
	if err := r.variables(); err != nil {
		return err
	}
	r.forget()
	s.Status, s.Code, s.Began, s.Done, s.Caller = Running, "", now, 0, NoCaller
	s.Outputs, s.Error, s.waits, s.pending = record.Ref{}, record.Ref{}, nil, nil
	s.live, s.known, s.sizes = nil, nil, nil
	return nil
}

type rewinding struct {
	s     *State
	p     *Plan
	again map[*instance]bool
	refs  []record.Ref // what those that are repeated had recorded
}

// named resets the action of a name.
func (r *rewinding) named(name string) error {
	index, ok := r.p.byName[fold(name)]
	if !ok {
		return fault.New(fault.NotFound, "The workflow has no action '%s'.", name)
	}
	n := &r.p.nodes[index]
	for g := r.p.graphs[n.graph]; g.owner >= 0; g = r.p.graphs[r.p.nodes[g.owner].graph] {
		if owner := &r.p.nodes[g.owner]; owner.Is("Foreach", "Until") {
			return fault.New(fault.Invalid, "The action '%s' lies in the loop '%s': a run is repeated from the loop as a whole.", n.Action.Name, owner.Action.Name)
		}
	}
	m := machine{s: r.s, p: r.p}
	i := m.visible(index, nil)
	if i == nil || i.status == NotStarted || i.status == Skipped {
		return fault.New(fault.Conflict, "The action '%s' was not carried out in this run: begin with one that was.", n.Action.Name)
	}
	r.reset(i)
	return nil
}

// reset makes an instance one that has not begun, and all that waited for its end; what it
// lies in goes on.
func (r *rewinding) reset(i *instance) {
	if r.again[i] {
		return
	}
	r.again[i] = true
	for k := range i.frame.instances {
		after := &i.frame.instances[k]
		for _, a := range r.p.nodes[after.node].after {
			if uint32(a.node) == i.node {
				r.reset(after)
			}
		}
	}
	if owner := i.frame.owner; owner != nil && !r.again[owner] {
		r.reopen(owner)
	}
}

// reopen lets an action go on that holds one which is repeated.
func (r *rewinding) reopen(i *instance) {
	if i.status == Running {
		return
	}
	r.refs = append(r.refs, i.outputs)
	i.status, i.code, i.ended, i.outputs, i.err = Running, "", 0, record.Ref{}, record.Ref{}
	for k := range i.frame.instances {
		after := &i.frame.instances[k]
		for _, a := range r.p.nodes[after.node].after {
			if uint32(a.node) == i.node {
				r.reset(after)
			}
		}
	}
	if owner := i.frame.owner; owner != nil && !r.again[owner] {
		r.reopen(owner)
	}
}

// inside reports whether a frame lies in what is repeated.
func (r *rewinding) inside(f *frame) bool {
	for ; f.owner != nil; f = f.owner.frame {
		if r.again[f.owner] {
			return true
		}
	}
	return false
}

// variables takes back what the actions did to them that are repeated.
func (r *rewinding) variables() error {
	gone := map[record.Ref]bool{}
	for _, f := range r.s.frames {
		all := r.inside(f)
		for k := range f.instances {
			if i := &f.instances[k]; all || r.again[i] {
				gone[i.inputs], gone[i.outputs] = true, true
			}
		}
	}
	delete(gone, record.Ref{})
	for k := range r.s.vars {
		v := &r.s.vars[k]
		var kept []part
		for _, at := range v.parts {
			if !gone[at.ref] {
				kept = append(kept, at)
			}
		}
		if len(v.parts) == 0 || len(kept) == len(v.parts) {
			continue
		}
		if gone[v.parts[0].ref] && !r.initialised(k) {
			return fault.New(fault.Conflict, "The variable '%s' was set by an action that would be repeated, and what it was before is not kept: repeat the run from where it is initialised, or as a whole.", r.p.variables[k].name)
		}
		if v.parts = kept; gone[firstRef(kept)] || len(kept) == 0 {
			v.set, v.parts = false, nil
		}
	}
	return nil
}

func firstRef(parts []part) record.Ref {
	if len(parts) == 0 {
		return record.Ref{}
	}
	return parts[0].ref
}

// initialised reports whether the action that initialises a variable is repeated.
func (r *rewinding) initialised(k int) bool {
	found := false
	for i := range r.again {
		if n := &r.p.nodes[i.node]; n.Is("InitializeVariable") {
			eachVariable(n.Action, func(name, _ string) { found = found || strings.EqualFold(name, r.p.variables[k].name) })
		}
	}
	return found
}

// forget takes away what was repeated: its values, and the frames in it.
func (r *rewinding) forget() {
	kept := r.s.frames[:0:0]
	for _, f := range r.s.frames {
		if r.inside(f) {
			continue
		}
		f.id = uint32(len(kept))
		kept = append(kept, f)
	}
	r.s.frames = kept
	for i := range r.again {
		*i = instance{node: i.node, frame: i.frame}
	}
}
