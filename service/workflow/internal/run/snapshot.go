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

// Clone gives a copy that shares nothing with the state: what a worker advances while
// the log's own state stays as it is.
func (s *State) Clone() *State {
	c := &State{}
	if err := c.Restore(s.Snapshot(nil)); err != nil {
		panic("run: a state of ours cannot be restored: " + err.Error())
	}
	return c
}

// refs calls f for every place of a payload in the state.
func (s *State) refs(f func(*record.Ref)) {
	f(&s.Trigger)
	f(&s.Outputs)
	f(&s.Error)
	for _, fr := range s.frames {
		for k := range fr.instances {
			i := &fr.instances[k]
			f(&i.inputs)
			f(&i.outputs)
			f(&i.err)
		}
	}
	for _, v := range s.vars {
		for k := range v.parts {
			f(&v.parts[k].ref)
		}
	}
}

// Move tells that what lay at old lies at new now.
func (s *State) Move(old, new record.Ref) {
	s.refs(func(r *record.Ref) {
		if r.Len > 0 && r.At == old.At && r.Off >= old.Off && uint64(r.Off)+uint64(r.Len) <= uint64(old.Off)+uint64(old.Len) {
			r.At, r.Off = new.At, new.Off+(r.Off-old.Off)
		}
	})
}

// Archive writes a run that has ended as one: its state, and behind it every payload,
// so that nothing else of it need be kept. read gives the bytes of a payload.
func (s *State) Archive(read func(record.Ref) ([]byte, error)) ([]byte, error) {
	c := s.Clone()
	var payloads []byte
	at, moved := map[record.Ref]record.Ref{}, error(nil)
	c.refs(func(r *record.Ref) {
		if r.Len == 0 || moved != nil {
			return
		}
		to, ok := at[*r]
		if !ok {
			var data []byte
			if data, moved = read(*r); moved != nil {
				return
			}
			to = record.Ref{At: archived, Off: uint32(len(payloads)), Len: uint32(len(data))}
			payloads = append(payloads, data...)
			at[*r] = to
		}
		*r = to
	})
	if moved != nil {
		return nil, moved
	}
	head := c.Snapshot(nil)
	w := writer{}
	w.number(uint64(len(head)))
	return append(append(w.b, head...), payloads...), nil
}

// archived is the position of payloads that lie in their run's archive.
const archived record.Position = 1

// Unarchive reads what Archive wrote: the state, and the bytes that its payloads lie
// in, each from its Off on.
func Unarchive(data []byte) (*State, []byte, error) {
	r := reader{b: data}
	n := r.count()
	if r.bad {
		return nil, nil, badFact("an archive is cut off")
	}
	s := &State{}
	if err := s.Restore(r.b[:n]); err != nil {
		return nil, nil, err
	}
	payloads := r.b[n:]
	s.refs(func(ref *record.Ref) {
		if uint64(ref.Off)+uint64(ref.Len) > uint64(len(payloads)) {
			r.bad = true
		}
	})
	if r.bad {
		return nil, nil, badFact("an archive is cut off")
	}
	return s, payloads, nil
}
