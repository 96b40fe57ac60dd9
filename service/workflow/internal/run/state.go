package run

import (
	"weir/kernel/fault"
	"weir/kernel/journal/record"
)

// State is a run as its facts tell it.
type State struct {
	Status  Status
	Code    string
	Began   int64 // unix microseconds
	Done    int64
	Trigger record.Ref
	Outputs record.Ref
	Error   record.Ref
	// Caller is whether somebody waits for an answer.
	Caller Caller
	frames []*frame
	vars   []variable
	// waits are the instances that are under way outside.
	waits []*instance

	fresh  map[uint32]any // values that are not recorded yet, by number
	serial uint32
	live   []any // variables as values, when known
	known  []bool
	sizes  []int // of variables, -1 when not known

	pending []task // what is to be looked at; lost with the state, found again by Recover
}

// Caller is what is known of who started a run and waits for an answer.
type Caller uint8

// Callers. Numbers are stored.
const (
	NoCaller Caller = iota
	CallerWaits
	CallerAnswered
	CallerGone
)

// frame is one time that a graph is carried out.
type frame struct {
	id        uint32
	owner     *instance // nil for the workflow's own
	first     int32
	iteration int32
	open      int32
	instances []instance
}

// instance is one action in a frame.
type instance struct {
	status  Status
	why     Why
	node    uint32
	by      uint32
	code    string
	began   int64
	ended   int64
	inputs  record.Ref
	outputs record.Ref
	err     record.Ref
	frame   *frame
	more    *more
}

// more is what only some instances have.
type more struct {
	frames   []*frame
	count    int32 // items of a Foreach
	active   int32
	attempt  int32
	phase    Phase
	landed   Status
	due      int64
	deadline int64
	location string
	waits    int   // where it lies in the state's list, from 1
	items    []any // of a Foreach, once asked for; not kept
}

// variable is its value in parts: a whole, then what was added.
type variable struct {
	set   bool
	parts []part
}

type part struct {
	op  Op
	ref record.Ref // of the inputs of the action that did it
}

// partsMax bounds the parts of a variable: then it is written whole.
const partsMax = 256

func (s *State) at(p Place) *instance {
	if int(p.Frame) >= len(s.frames) {
		return nil
	}
	f := s.frames[p.Frame]
	i := int64(p.Node) - int64(f.first)
	if i < 0 || i >= int64(len(f.instances)) {
		return nil
	}
	return &f.instances[i]
}

func (i *instance) place() Place { return Place{i.frame.id, i.node} }

func (i *instance) extra() *more {
	if i.more == nil {
		i.more = &more{}
	}
	return i.more
}

func (s *State) enter(owner *instance, first, size, iteration int32) *frame {
	f := &frame{id: uint32(len(s.frames)), owner: owner, first: first, iteration: iteration, open: size, instances: make([]instance, size)}
	for i := range f.instances {
		f.instances[i].frame, f.instances[i].node = f, uint32(first)+uint32(i)
	}
	s.frames = append(s.frames, f)
	if owner != nil {
		m := owner.extra()
		m.frames = append(m.frames, f)
		if size > 0 {
			m.active++
		}
	}
	return f
}

func badFact(format string, args ...any) error {
	return fault.New(fault.Damaged, "A fact of a run cannot be folded: "+format+".", args...)
}

// framesMax bounds the graphs that one run carries out, sizeMax the actions of one.
const (
	framesMax = 4 << 20
	sizeMax   = 1 << 16
)

// Fold folds one fact that happened at a time. An error means damage, or a fact newer
// than this program.
func (s *State) Fold(now int64, f *Fact) error {
	if f.Kind == Started {
		if s.Status != NotStarted || f.Size < 0 || f.Size > sizeMax {
			return badFact("a run begins twice, or with %d actions", f.Size)
		}
		s.Status, s.Began = Running, now
		s.Trigger = s.keep(&f.Inputs)
		if f.Flag {
			s.Caller = CallerWaits
		}
		s.enter(nil, 0, f.Size, -1)
		return nil
	}
	if s.Status != Running {
		return badFact("%s comes when the run is %s", f.Kind, s.Status)
	}
	switch f.Kind {
	case Replied:
		if s.Caller = CallerAnswered; f.Flag {
			s.Caller = CallerGone
		}
		return nil
	case Finished:
		s.Status, s.Code, s.Done = f.Status, f.Code, now
		s.Outputs, s.Error = s.keep(&f.Outputs), s.keep(&f.Error)
		for _, i := range s.waits {
			i.more.waits, i.more.phase = 0, NoPhase
		}
		s.waits = nil
		return nil
	}
	i := s.at(f.At)
	if i == nil {
		return badFact("%s is about frame %d and action %d, which are not there", f.Kind, f.At.Frame, f.At.Node)
	}
	if i.status.Ended() {
		return badFact("%s comes after the action ended", f.Kind)
	}
	return s.foldInstance(now, f, i)
}

func (s *State) foldInstance(now int64, f *Fact, i *instance) error {
	begin := func() {
		if i.status == NotStarted {
			i.status, i.began = Running, now
		}
		if f.Inputs.given {
			i.inputs = s.keep(&f.Inputs)
		}
	}
	switch f.Kind {
	case Entered:
		if len(s.frames) >= framesMax || f.Size < 0 || f.Size > sizeMax || f.First < 0 {
			return badFact("it enters too much")
		}
		begin()
		s.enter(i, f.First, f.Size, f.Iteration)
		i.more.deadline = f.Deadline
	case Counted:
		begin()
		i.extra().count = f.Count
	case Acted:
		begin()
		if f.Op != OpNone {
			if err := s.vary(f, i); err != nil {
				return err
			}
		}
		s.end(now, f, i)
	case Attempted:
		begin()
		m := i.extra()
		m.attempt, m.deadline = f.Attempt, f.Deadline
		s.wait(i, Attempting, 0)
	case Awaited:
		begin()
		m := i.extra()
		if f.Location != "" {
			m.location = f.Location
		}
		if f.Deadline != 0 {
			m.deadline = f.Deadline
		}
		if f.Outputs.given {
			i.outputs = s.keep(&f.Outputs) // the answer to a subscribe
		}
		s.wait(i, f.Phase, f.Due)
	case Landed:
		m := i.extra()
		m.landed, m.deadline, i.code = f.Status, f.Deadline, f.Code
		i.outputs, i.err = s.keep(&f.Outputs), s.keep(&f.Error)
		if f.Inputs.given {
			i.inputs = s.keep(&f.Inputs)
		}
		phase := Leaving
		if f.Phase == Called {
			phase = Called
		}
		s.wait(i, phase, 0)
	case Held:
		m := i.extra()
		i.status, m.due, m.deadline = Suspended, 0, 0
	case Ended:
		s.end(now, f, i)
	case Passed:
		i.why, i.by, i.began = f.Why, f.By, now
		f.Status, f.Code = Skipped, codeSkipped
		s.end(now, f, i)
	default:
		return badFact("kind %d is not known to this program", f.Kind)
	}
	return nil
}

func (s *State) wait(i *instance, p Phase, due int64) {
	m := i.more
	m.phase, m.due = p, due
	if i.status = Running; p == Backoff || p == Hooked || p == Polling {
		i.status = Waiting
	}
	if m.waits == 0 {
		s.waits = append(s.waits, i)
		m.waits = len(s.waits)
	}
}

func (s *State) end(now int64, f *Fact, i *instance) {
	i.status, i.code, i.ended = f.Status, f.Code, now
	if f.Outputs.given && !f.Flag {
		i.outputs = s.keep(&f.Outputs)
	}
	if f.Error.given {
		i.err = s.keep(&f.Error)
	}
	if m := i.more; m != nil {
		if m.waits > 0 {
			last := s.waits[len(s.waits)-1]
			s.waits[m.waits-1], last.more.waits = last, m.waits
			s.waits, m.waits = s.waits[:len(s.waits)-1], 0
		}
		m.phase, m.due, m.location, m.items = NoPhase, 0, "", nil
		if len(m.frames) == 0 && m.attempt <= 1 && m.count == 0 {
			i.more = nil
		}
	}
	if i.frame.open--; i.frame.open == 0 && i.frame.owner != nil {
		i.frame.owner.more.active--
	}
}

// variablesMax bounds the variables of a run.
const variablesMax = 1 << 12

// vary folds what an action did to variables.
func (s *State) vary(f *Fact, i *instance) error {
	if f.Variable < 0 || f.Count < 1 || f.Variable > variablesMax || f.Count > variablesMax {
		return badFact("it is about variable %d", f.Variable)
	}
	ref := i.inputs
	if f.Flag {
		i.outputs = s.keep(&f.Outputs)
		ref = i.outputs
	}
	for int(f.Variable+f.Count) > len(s.vars) {
		s.vars = append(s.vars, variable{})
	}
	for k := range s.vars[f.Variable : f.Variable+f.Count] {
		v := &s.vars[int(f.Variable)+k]
		if f.Op == OpSet {
			v.parts = nil
		}
		v.set = true
		v.parts = append(v.parts, part{f.Op, ref})
		if at := int(f.Variable) + k; at < len(s.known) {
			s.known[at] = s.known[at] && f.Op != OpSet
		}
		if at := int(f.Variable) + k; at < len(s.sizes) && f.Op != OpAppend {
			s.sizes[at] = -1
		}
	}
	return nil
}

// keep gives where a payload lies; one that is not recorded yet is kept by number.
func (s *State) keep(p *Payload) record.Ref {
	if !p.given || p.Ref.Len != 0 {
		return p.Ref
	}
	if s.fresh == nil {
		s.fresh = map[uint32]any{}
	}
	s.serial++
	p.Ref = record.Ref{Off: s.serial, Len: 1}
	s.fresh[s.serial] = p.Value
	return p.Ref
}

// Settle tells where the payloads of a fact that Advance gave lie now.
func (s *State) Settle(made, recorded *Fact) {
	moves := [3][2]record.Ref{{made.Inputs.Ref, recorded.Inputs.Ref}, {made.Outputs.Ref, recorded.Outputs.Ref}, {made.Error.Ref, recorded.Error.Ref}}
	move := func(at *record.Ref) {
		for _, m := range moves {
			if *at == m[0] && m[0].Len != 0 && m[0].At == 0 {
				*at = m[1]
			}
		}
	}
	for _, at := range []*record.Ref{&s.Trigger, &s.Outputs, &s.Error} {
		move(at)
	}
	if i := s.at(made.At); i != nil && made.Kind != Started && made.Kind != Finished {
		move(&i.inputs)
		move(&i.outputs)
		move(&i.err)
	}
	if made.Op != OpNone {
		for _, v := range s.vars[made.Variable : made.Variable+made.Count] {
			for n := len(v.parts) - 1; n >= 0; n-- {
				move(&v.parts[n].ref)
			}
		}
	}
	for _, m := range moves {
		if m[0].At == 0 {
			delete(s.fresh, m[0].Off)
		}
	}
}

// NextDue is when the run wants a Tick: the earliest of its times, 0 for none.
func (s *State) NextDue() int64 {
	next := int64(0)
	for _, i := range s.waits {
		if at := i.more.wake(); at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

func (m *more) wake() int64 {
	switch {
	case m.due == 0 || m.phase == Leaving || m.phase == Called:
		return m.deadline
	case m.deadline == 0:
		return m.due
	}
	return min(m.due, m.deadline)
}
