package ledger

import (
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/run"
)

// Told is what a fact says that matters to who accounts for a history.
type Told struct {
	// Run is the number of the run that went on; 0: it is not about a run that goes on.
	Run uint64
	// Attempts and Answers count the calls to the outside that were made, and that were
	// answered.
	Attempts, Answers int
	// Workflow and Trigger are set when a trigger remembers something else now.
	Workflow, Trigger string
}

// Tell looks at a fact before it is folded. What it does not understand it says nothing of:
// folding says what is wrong with it.
func (l *Ledger) Tell(ref record.Ref, fact []byte) Told {
	f := &folding{reader: reader{b: fact}, ref: ref, all: len(fact)}
	k := factKind(f.byte())
	f.byte()
	f.now = f.signed()
	switch k {
	case factAdvanced:
		told := Told{Run: f.number()}
		facts, err := run.Read(f.bytes(), f.block())
		if f.bad || err != nil {
			return Told{}
		}
		for _, x := range facts {
			switch x.Kind {
			case run.Attempted:
				told.Attempts++
			case run.Ended, run.Awaited:
				told.Answers++
			}
		}
		return told
	case factTrigger:
		if w, err := l.flow(f); err == nil {
			if name := f.text(); !f.bad {
				return Told{Workflow: w.Name, Trigger: name}
			}
		}
	}
	return Told{}
}

// NextRun is the number that the next run gets.
func (l *Ledger) NextRun() uint64 { return l.nextRun }
