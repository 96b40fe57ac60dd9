package ledger

import (
	"strings"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/run"
)

// folding is a fact while it is folded: its fields, and where its block lies.
type folding struct {
	reader
	ref record.Ref
	all int
	now int64
}

// block gives where the block lies, once all fields were read.
func (f *folding) block() record.Ref {
	read := uint32(f.all - len(f.b))
	if f.bad || read > f.ref.Len {
		f.fail()
		return record.Ref{}
	}
	return record.Ref{At: f.ref.At, Off: f.ref.Off + read, Len: f.ref.Len - read}
}

// fold folds a fact, which may end where its block begins.
func (l *Ledger) fold(ref record.Ref, fact []byte) error {
	f := &folding{reader: reader{b: fact}, ref: ref, all: len(fact)}
	k := factKind(f.byte())
	if v := f.byte(); v != factVersion || k == 0 || k >= factKindsMax {
		return badFact("kind %d version %d is not known to this program", k, v)
	}
	f.now = f.signed()
	var err error
	switch k {
	case factPut:
		err = l.foldPut(f)
	case factBegan:
		err = l.foldBegan(f)
	case factAdvanced:
		err = l.foldAdvanced(f)
	case factArchived:
		err = l.foldArchived(f)
	case factCarried:
		err = l.foldCarried(f)
	case factAdopted:
		err = l.foldAdopted(f)
	default:
		switch k {
		case factRemoved:
			err = l.foldRemoved(f)
		case factSwitched:
			err = l.foldSwitched(f)
		case factForgotten:
			err = l.foldForgotten(f)
		case factTrigger:
			err = l.foldTrigger(f)
		case factOwned:
			err = l.foldOwned(f)
		case factSecret:
			err = l.foldSecret(f)
		case factKey:
			err = l.foldKey(f)
		case factNoted:
			err = l.foldNoted(f)
		}
		if err == nil && !f.bad && f.block().Len != 0 {
			return badFact("bytes are left of a fact of kind %d", k)
		}
	}
	if err == nil && f.bad {
		err = badFact("a fact of kind %d is cut off", k)
	}
	return err
}

func (l *Ledger) foldPut(f *folding) error {
	name, id := f.text(), f.text()
	disabled, runs, waiting := f.flag(), int(f.word()), int(f.word())
	ref := f.block()
	if f.bad || ref.Len == 0 {
		return badFact("a workflow comes without its definition")
	}
	w := l.Find(name)
	if w == nil {
		w = &Workflow{Number: l.nextFlow, Name: name, byName: map[string]*Run{}}
		l.nextFlow++
		l.addWorkflow(w)
	}
	w.Name, w.Disabled, w.Runs, w.WaitingRuns = name, disabled, runs, waiting
	w.Versions = append(w.Versions, &Version{ID: id, Created: f.now, definition: l.blocks.add(ref, nil)})
	l.prune(w)
	return nil
}

func (l *Ledger) addWorkflow(w *Workflow) {
	l.workflows[strings.ToLower(w.Name)] = w
	l.numbered[w.Number] = w
	l.order = append(l.order, w)
}

// versionsMax is how many versions of a workflow are kept that no run needs.
const versionsMax = 20

// prune drops the oldest versions that no run needs.
func (l *Ledger) prune(w *Workflow) {
	for k := 0; len(w.Versions) > versionsMax && k < len(w.Versions)-1; {
		if w.Versions[k].runs > 0 {
			k++
			continue
		}
		l.blocks.drop(w.Versions[k].definition)
		w.Versions = append(w.Versions[:k:k], w.Versions[k+1:]...)
	}
}

func (l *Ledger) flow(f *folding) (*Workflow, error) {
	n := f.number()
	if w := l.numbered[n]; w != nil && !f.bad {
		return w, nil
	}
	return nil, badFact("there is no workflow %d", n)
}

func (l *Ledger) foldRemoved(f *folding) error {
	w, err := l.flow(f)
	if err != nil {
		return err
	}
	for _, r := range w.history {
		l.drop(r)
	}
	for _, t := range w.Triggers {
		l.wakeTrigger(t, 0)
	}
	for _, v := range w.Versions {
		l.blocks.drop(v.definition)
	}
	delete(l.workflows, strings.ToLower(w.Name))
	delete(l.numbered, w.Number)
	for k, x := range l.order {
		if x == w {
			l.order = append(l.order[:k:k], l.order[k+1:]...)
			break
		}
	}
	return nil
}

// drop forgets what a run has in the ledger, except its place in the history.
func (l *Ledger) drop(r *Run) {
	l.wake(r, 0)
	for _, b := range r.blocks {
		l.blocks.drop(b)
	}
	l.blocks.drop(r.archive)
	delete(l.runs, r.Number)
	delete(r.flow.byName, r.Name)
}

func (l *Ledger) foldSwitched(f *folding) error {
	w, err := l.flow(f)
	if err == nil {
		w.Disabled = f.flag()
	}
	return err
}

func (l *Ledger) foldBegan(f *folding) error {
	w, err := l.flow(f)
	if err != nil {
		return err
	}
	r := &Run{Number: l.nextRun, Name: f.text(), Trigger: f.text(), Tracking: f.text(), Origin: f.text(), Created: f.now, flow: w, version: w.Current()}
	ref := f.block()
	if f.bad || w.byName[r.Name] != nil {
		return badFact("the run '%s' begins twice or is cut off", r.Name)
	}
	l.nextRun++
	r.share()
	if ref.Len > 0 {
		r.blocks = append(r.blocks, l.blocks.add(ref, r))
	}
	l.addRun(r)
	return nil
}

// share lets texts that are the same lie in memory once: many runs are kept.
func (r *Run) share() {
	if r.Tracking == r.Name {
		r.Tracking = r.Name
	}
	if h := r.flow.history; len(h) > 0 && h[len(h)-1].Trigger == r.Trigger {
		r.Trigger = h[len(h)-1].Trigger
	}
}

// addRun enters a run that has not begun.
func (l *Ledger) addRun(r *Run) {
	w := r.flow
	r.Version = r.version.ID
	r.version.runs++
	l.runs[r.Number], w.byName[r.Name] = r, r
	w.history = append(w.history, r)
	w.waiting = append(w.waiting, r)
}

func (l *Ledger) foldAdvanced(f *folding) error {
	n := f.number()
	head := f.bytes()
	base := f.block()
	r := l.runs[n]
	if f.bad || r == nil || r.Status.Ended() {
		return badFact("run %d goes on and is not there, or has ended", n)
	}
	facts, err := run.Read(head, base)
	if err != nil {
		return err
	}
	if r.state == nil {
		l.beginRun(r)
	}
	if base.Len > 0 {
		r.blocks = append(r.blocks, l.blocks.add(base, r))
	}
	for _, x := range facts {
		if err := r.state.Fold(f.now, x); err != nil {
			return err
		}
	}
	r.Status, r.Code, r.Done = r.state.Status, r.state.Code, r.state.Done
	l.wake(r, r.state.NextDue())
	if r.Status.Ended() {
		l.endRun(r)
	}
	return nil
}

// beginRun lets a run begin that waited; its trigger comes with its facts.
func (l *Ledger) beginRun(r *Run) {
	r.state = &run.State{}
	for _, b := range r.blocks {
		l.blocks.drop(b)
	}
	r.blocks = nil
	w := r.flow
	w.running++
	for k, x := range w.waiting {
		if x != r {
			continue
		}
		if k == 0 { // as it is where many wait
			w.waiting[0], w.waiting = nil, w.waiting[1:]
		} else {
			w.waiting = append(w.waiting[:k:k], w.waiting[k+1:]...)
		}
		break
	}
}

func (l *Ledger) endRun(r *Run) {
	l.wake(r, 0)
	r.flow.running--
	r.version.runs--
	r.version = nil
	l.prune(r.flow)
}

func (l *Ledger) foldArchived(f *folding) error {
	n := f.number()
	ref := f.block()
	r := l.runs[n]
	if f.bad || r == nil || !r.Status.Ended() || r.archive != nil || ref.Len == 0 {
		return badFact("run %d is archived and is not there, or has not ended", n)
	}
	for _, b := range r.blocks {
		l.blocks.drop(b)
	}
	r.state, r.blocks, r.archive = nil, nil, l.blocks.add(ref, nil)
	return nil
}

func (l *Ledger) foldForgotten(f *folding) error {
	w, err := l.flow(f)
	if err != nil {
		return err
	}
	gone := map[*Run]bool{}
	for range f.count() {
		r := l.runs[f.number()]
		if r == nil || r.flow != w || !r.Status.Ended() {
			return badFact("a run is forgotten that is not there, or has not ended")
		}
		l.drop(r)
		gone[r] = true
	}
	kept := w.history[:0]
	for _, r := range w.history {
		if !gone[r] {
			kept = append(kept, r)
		}
	}
	clear(w.history[len(kept):])
	w.history = kept
	return nil
}

func (l *Ledger) foldTrigger(f *folding) error {
	w, err := l.flow(f)
	if err != nil {
		return err
	}
	name, due, memory := f.text(), f.signed(), []byte(f.text())
	if f.bad {
		return badFact("the state of a trigger is cut off")
	}
	t := w.trigger(name)
	t.Memory = memory
	l.wakeTrigger(t, due)
	return nil
}

func (l *Ledger) foldCarried(f *folding) error {
	old := record.Ref{At: record.Position(f.number()), Off: f.word(), Len: f.word()}
	ref := f.block()
	x := l.blocks.find(old)
	if f.bad || x == nil || ref.Len != old.Len {
		return badFact("a block is carried that is not live")
	}
	l.blocks.move(x, ref)
	return nil
}
