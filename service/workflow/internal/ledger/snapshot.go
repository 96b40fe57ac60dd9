package ledger

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/run"
)

// The snapshot, version 2: a version byte, the next numbers, what is the unit's own, the
// blocks in the order of the journal, the workflows as they came, each with its keys,
// versions, triggers and runs; and the xxhash64 of all that, little endian. Version 1
// has neither what is the unit's own, nor keys, nor notes of triggers.
const (
	snapshotVersion  = 2
	snapshotSumBytes = 8
)

// Snapshot appends the whole state to dst and returns it.
func (l *Ledger) Snapshot(dst []byte) []byte {
	from := len(dst)
	w := &writer{append(dst, snapshotVersion)}
	w.number(l.nextRun)
	w.number(l.nextFlow)
	w.unit(l)
	ordinals := map[*block]uint64{}
	w.number(uint64(l.blocks.count))
	at := uint64(0)
	for x := l.blocks.first; x != nil; x = x.next {
		w.number(uint64(x.ref.At) - at)
		w.number(uint64(x.ref.Off))
		w.number(uint64(x.ref.Len))
		at = uint64(x.ref.At)
		ordinals[x] = uint64(len(ordinals) + 1)
	}
	w.number(uint64(len(l.order)))
	for _, f := range l.order {
		w.workflow(f, ordinals)
	}
	return binary.LittleEndian.AppendUint64(w.b, xxhash.Sum64(w.b[from:]))
}

func (w *writer) workflow(f *Workflow, ordinals map[*block]uint64) {
	w.number(f.Number)
	w.text(f.Name)
	w.flag(f.Disabled)
	w.number(uint64(f.Runs))
	w.number(uint64(f.WaitingRuns))
	w.number(f.Keys.Primary)
	w.number(f.Keys.Secondary)
	w.number(uint64(len(f.Versions)))
	at := map[*Version]uint64{}
	for _, v := range f.Versions {
		w.text(v.ID)
		w.signed(v.Created)
		w.number(ordinals[v.definition])
		at[v] = uint64(len(at))
	}
	w.number(uint64(len(f.Triggers)))
	for _, t := range f.Triggers {
		w.text(t.Name)
		w.signed(t.Due)
		w.text(string(t.Memory))
		w.notes(t.Notes)
	}
	w.number(uint64(len(f.history)))
	for _, r := range f.history {
		w.run(r, at, ordinals)
	}
}

func (w *writer) run(r *Run, at map[*Version]uint64, ordinals map[*block]uint64) {
	w.number(r.Number)
	for _, s := range []string{r.Name, r.Trigger, r.Tracking, r.Origin} {
		w.text(s)
	}
	w.signed(r.Created)
	w.b = append(w.b, byte(r.Status))
	w.number(uint64(r.Moves))
	if r.Status.Ended() {
		w.text(r.Version)
		w.text(r.Code)
		w.signed(r.Done)
	} else {
		w.number(at[r.version])
	}
	w.number(ordinals[r.archive])
	if r.archive != nil {
		return
	}
	w.number(uint64(len(r.blocks)))
	for _, b := range r.blocks {
		w.number(ordinals[b])
	}
	if r.state != nil {
		w.text(string(r.state.Snapshot(nil)))
	}
}

func badSnapshot(format string, args ...any) error {
	return fault.New(fault.Damaged, "A snapshot of workflows cannot be read: "+format+".", args...)
}

// Restore replaces the state by one that Snapshot wrote. On an error the state is empty.
func (l *Ledger) Restore(data []byte) error {
	err := l.restore(data)
	if err != nil {
		l.Reset()
	}
	return err
}

type restoring struct {
	reader
	l      *Ledger
	blocks []*block
	used   int
	first  bool // version 1
}

func (l *Ledger) restore(data []byte) error {
	l.Reset()
	if len(data) < 1+snapshotSumBytes {
		return badSnapshot("it has %d bytes", len(data))
	}
	if data[0] != snapshotVersion && data[0] != 1 {
		return badSnapshot("its version is %d, this program reads 1 to %d", data[0], snapshotVersion)
	}
	body, sum := data[:len(data)-snapshotSumBytes], data[len(data)-snapshotSumBytes:]
	if xxhash.Sum64(body) != binary.LittleEndian.Uint64(sum) {
		return badSnapshot("its checksum is wrong")
	}
	r := &restoring{reader: reader{b: body[1:]}, l: l, blocks: []*block{nil}, first: data[0] == 1}
	l.nextRun, l.nextFlow = r.number(), r.number()
	if !r.first {
		r.unit()
	}
	at := uint64(0)
	for range r.count() {
		at += r.number()
		r.blocks = append(r.blocks, l.blocks.add(record.Ref{At: record.Position(at), Off: r.word(), Len: r.word()}, nil))
	}
	for range r.count() {
		if err := r.workflow(); err != nil {
			return err
		}
	}
	if r.bad || len(r.b) > 0 || r.used != len(r.blocks)-1 {
		return badSnapshot("it is cut off or not understood, or a block is used by nothing")
	}
	return nil
}

// block reads which block something refers to; each is referred to once.
func (r *restoring) block(of *Run) *block {
	n := r.number()
	if n == 0 || n >= uint64(len(r.blocks)) {
		if n != 0 {
			r.fail()
		}
		return nil
	}
	r.used++
	b := r.blocks[n]
	b.run = of
	return b
}

func (r *restoring) workflow() error {
	w := &Workflow{Number: r.number(), Name: r.text(), Disabled: r.flag(), Runs: int(r.word()), WaitingRuns: int(r.word()), byName: map[string]*Run{}}
	if !r.first {
		w.Keys = Keys{r.number(), r.number()}
	}
	for range r.count() {
		w.Versions = append(w.Versions, &Version{ID: r.text(), Created: r.signed(), definition: r.block(nil)})
	}
	if r.bad || len(w.Versions) == 0 || r.l.Find(w.Name) != nil {
		return badSnapshot("a workflow is cut off or comes twice")
	}
	r.l.addWorkflow(w)
	for range r.count() {
		t := w.trigger(r.text())
		due := r.signed()
		t.Memory = []byte(r.text())
		if !r.first {
			t.Notes = r.notes()
		}
		r.l.wakeTrigger(t, due)
	}
	for range r.count() {
		if err := r.run(w); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoring) run(w *Workflow) error {
	x := &Run{Number: r.number(), Name: r.text(), Trigger: r.text(), Tracking: r.text(), Origin: r.text(), Created: r.signed(), Status: run.Status(r.byte()), Moves: r.word(), flow: w}
	if x.Status.Ended() {
		x.Version, x.Code, x.Done = r.text(), r.text(), r.signed()
	} else if n := r.number(); n < uint64(len(w.Versions)) {
		x.version = w.Versions[n]
		x.version.runs++
		x.Version = x.version.ID
	} else {
		r.fail()
	}
	x.share()
	if r.bad || w.byName[x.Name] != nil {
		return badSnapshot("a run of '%s' is cut off or comes twice", w.Name)
	}
	r.l.runs[x.Number], w.byName[x.Name] = x, x
	w.history = append(w.history, x)
	if x.archive = r.block(nil); x.archive != nil {
		return nil
	}
	for range r.count() {
		x.blocks = append(x.blocks, r.block(x))
	}
	switch x.Status {
	case run.NotStarted:
		w.waiting = append(w.waiting, x)
		return nil
	case run.Running:
		w.running++
	}
	x.state = &run.State{}
	if err := x.state.Restore(r.bytes()); err != nil {
		return err
	}
	if x.Status == run.Running {
		r.l.wake(x, x.state.NextDue())
	}
	return nil
}
