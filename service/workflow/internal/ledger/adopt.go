package ledger

import (
	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/run"
)

// Adopted is a run of another history of the unit: one that a lost primary had alone.
type Adopted struct {
	Workflow, Version               string
	Name, Trigger, Tracking, Origin string
	Created                         int64 // unix microseconds
	// Archive is the run with its payloads, as State.Archive writes it; of a run that had
	// not begun there its trigger, in Payload.
	Archive, Payload []byte
}

// adoptedBytesMax bounds a run that is adopted: it is one fact.
const adoptedBytesMax = 110 << 20

// Adopt enters a run of another history under its old name, as far as it came there: one
// that had ended is history, another goes on. Its workflow and its version must be here.
func (l *Ledger) Adopt(t Turn, a Adopted) (*Run, error) {
	w, err := l.named(a.Workflow)
	if err != nil {
		return nil, err
	}
	switch {
	case w.byName[a.Name] != nil:
		return nil, fault.New(fault.AlreadyExists, "The workflow '%s' has a run '%s' already.", w.Name, a.Name)
	case a.Name == "" || len(a.Name)+len(a.Trigger)+len(a.Tracking)+len(a.Origin) > 4*nameBytesMax || len(a.Archive) > adoptedBytesMax:
		return nil, fault.New(fault.Invalid, "A run that is adopted by '%s' has no name, or is too large.", w.Name)
	case len(a.Archive) == 0 && len(a.Payload) == 0:
		return nil, fault.New(fault.Invalid, "The run '%s' comes without what began it.", a.Name)
	}
	var state, block []byte
	if block = a.Payload; len(a.Archive) > 0 {
		if state, block, err = run.Parts(a.Archive); err != nil {
			return nil, err
		}
		s, err := run.Adopt(state, record.Ref{At: 1, Len: uint32(len(block))})
		if err != nil {
			return nil, err
		}
		if s.Status.Ended() {
			block = a.Archive
		} else if w.versionNamed(a.Version) == nil {
			return nil, fault.New(fault.PreconditionFailed, "The workflow '%s' has no version '%s' here, which the run '%s' is of.", w.Name, a.Version, a.Name)
		}
	}
	f := begin(factAdopted, t.Now())
	f.number(w.Number)
	for _, s := range []string{a.Name, a.Trigger, a.Tracking, a.Origin, a.Version} {
		f.text(s)
	}
	f.signed(a.Created)
	f.text(string(state))
	number := l.nextRun
	l.record(t, f, block)
	return l.runs[number], nil
}

func (w *Workflow) versionNamed(id string) *Version {
	for _, v := range w.Versions {
		if v.ID == id {
			return v
		}
	}
	return nil
}

func (l *Ledger) foldAdopted(f *folding) error {
	w, err := l.flow(f)
	if err != nil {
		return err
	}
	r := &Run{Number: l.nextRun, Name: f.text(), Trigger: f.text(), Tracking: f.text(), Origin: f.text(), Version: f.text(), Created: f.signed(), flow: w}
	state, ref := f.bytes(), record.Ref{}
	if ref = f.block(); f.bad || w.byName[r.Name] != nil {
		return badFact("the run '%s' is adopted twice or is cut off", r.Name)
	}
	l.nextRun++
	if len(state) == 0 { // it had not begun: a run like any other that waits
		if r.version = w.versionNamed(r.Version); r.version == nil {
			r.version = w.Current()
		}
		r.blocks = append(r.blocks, l.blocks.add(ref, r))
		l.addRun(r)
		return nil
	}
	s := &run.State{}
	if err := s.Restore(state); err != nil {
		return err
	}
	r.Status, r.Code, r.Done = s.Status, s.Code, s.Done
	if s.Status.Ended() {
		r.archive = l.blocks.add(ref, nil)
	} else {
		if s, err = run.Adopt(state, ref); err != nil {
			return err
		}
		if r.version = w.versionNamed(r.Version); r.version == nil {
			return badFact("the run '%s' is of a version that is not there", r.Name)
		}
		r.version.runs++
		w.running++
		r.state = s
		if ref.Len > 0 {
			r.blocks = append(r.blocks, l.blocks.add(ref, r))
		}
	}
	l.runs[r.Number], w.byName[r.Name] = r, r
	w.history = append(w.history, r)
	if r.state != nil {
		l.wake(r, r.state.NextDue())
	}
	return nil
}
