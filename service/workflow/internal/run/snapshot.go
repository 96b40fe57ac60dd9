package run

import "weir/kernel/journal/record"

// The snapshot of a run, version 1: a version byte, the run, its frames in the order in
// which they were entered, each with its instances, the variables. What only the owner
// knows (fresh values, tasks) is not in it.
const snapshotVersion = 1

// Snapshot appends the state to dst. The same facts give the same bytes.
func (s *State) Snapshot(dst []byte) []byte {
	w := writer{append(dst, snapshotVersion, byte(s.Status), byte(s.Caller))}
	w.text(s.Code)
	w.signed(s.Began)
	w.signed(s.Done)
	for _, r := range []record.Ref{s.Trigger, s.Outputs, s.Error} {
		w.ref(r)
	}
	w.number(uint64(len(s.frames)))
	for _, f := range s.frames {
		if f.owner != nil {
			w.number(uint64(f.owner.frame.id))
			w.number(uint64(f.owner.node))
		}
		w.number(uint64(f.first))
		w.number(uint64(len(f.instances)))
		w.signed(int64(f.iteration))
		for k := range f.instances {
			w.instance(&f.instances[k])
		}
	}
	w.number(uint64(len(s.vars)))
	for _, v := range s.vars {
		w.number(uint64(len(v.parts)))
		for _, p := range v.parts {
			w.b = append(w.b, byte(p.op))
			w.ref(p.ref)
		}
	}
	return w.b
}

func (w *writer) instance(i *instance) {
	if w.b = append(w.b, byte(i.status)); i.status == NotStarted {
		return
	}
	w.b = append(w.b, byte(i.why))
	if i.why != WhyNone {
		w.number(uint64(i.by))
	}
	w.text(i.code)
	w.signed(i.began)
	if i.ended == 0 {
		w.number(0)
	} else {
		w.number(uint64(i.ended-i.began) + 1)
	}
	w.ref(i.inputs)
	w.ref(i.outputs)
	w.ref(i.err)
	x := i.more
	if x == nil {
		w.b = append(w.b, 0)
		return
	}
	w.b = append(w.b, 1, byte(x.phase), byte(x.landed))
	w.number(uint64(x.count))
	w.number(uint64(x.attempt))
	w.signed(x.due)
	w.signed(x.deadline)
	w.text(x.location)
	w.b = append(w.b, byte(min(x.waits, 1)))
}

// Restore replaces the state by one that Snapshot wrote.
func (s *State) Restore(data []byte) error {
	*s = State{}
	r := reader{b: data}
	if v := r.byte(); v != snapshotVersion {
		return badFact("the version of a snapshot is %d, this program reads %d", v, snapshotVersion)
	}
	s.Status, s.Caller, s.Code = Status(r.byte()), Caller(r.byte()), r.text()
	s.Began, s.Done = r.signed(), r.signed()
	for _, at := range []*record.Ref{&s.Trigger, &s.Outputs, &s.Error} {
		*at = r.ref()
	}
	for k := range r.count() {
		var owner *instance
		if k > 0 {
			if owner = s.at(Place{r.word(), r.word()}); owner == nil || r.bad {
				return badFact("a frame of a snapshot has no owner")
			}
		}
		first, size, iteration := r.small(), r.count(), int32(r.signed())
		if r.bad || size > sizeMax {
			return badFact("a frame of a snapshot is cut off")
		}
		f := s.enter(owner, first, int32(size), iteration)
		for n := range f.instances {
			r.instance(s, &f.instances[n])
			if f.instances[n].status.Ended() {
				if f.open--; f.open == 0 && owner != nil {
					owner.more.active--
				}
			}
		}
	}
	s.vars = make([]variable, min(r.count(), variablesMax))
	for k := range s.vars {
		for range r.count() {
			s.vars[k].set = true
			s.vars[k].parts = append(s.vars[k].parts, part{Op(r.byte()), r.ref()})
		}
	}
	if r.bad || len(r.b) > 0 || s.Status >= statusesMax {
		return badFact("a snapshot is cut off or not understood")
	}
	return nil
}

func (r *reader) instance(s *State, i *instance) {
	if i.status = Status(r.byte()); i.status == NotStarted {
		return
	}
	if i.status >= statusesMax {
		r.fail()
	}
	if i.why = Why(r.byte()); i.why != WhyNone {
		i.by = r.word()
	}
	i.code = r.text()
	i.began = r.signed()
	if n := r.number(); n > 0 {
		i.ended = i.began + int64(n-1)
	}
	i.inputs, i.outputs, i.err = r.ref(), r.ref(), r.ref()
	if r.byte() == 0 {
		return
	}
	x := i.extra()
	x.phase, x.landed = Phase(r.byte()), Status(r.byte())
	x.count, x.attempt = r.small(), r.small()
	x.due, x.deadline, x.location = r.signed(), r.signed(), r.text()
	if r.byte() != 0 {
		s.waits = append(s.waits, i)
		x.waits = len(s.waits)
	}
}
