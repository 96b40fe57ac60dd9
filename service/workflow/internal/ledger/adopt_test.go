package ledger

import (
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/run"
)

// alone gives a host whose history goes on from that of another, as a lost primary's does.
func (h *host) apart(t *testing.T) *host {
	t.Helper()
	other := newHost(t)
	for _, ref := range h.log.refs {
		data := h.log.facts[ref.At]
		other.log.facts[ref.At] = data
		other.log.refs = append(other.log.refs, ref)
		if err := other.l.Apply(ref, data[ref.Off:ref.Off+ref.Len]); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// adopted is a run as it leaves the history it is in.
func (h *host) adopted(t *testing.T, r *Run) Adopted {
	t.Helper()
	a := Adopted{Workflow: r.Workflow().Name, Version: r.Version, Name: r.Name, Trigger: r.Trigger, Tracking: r.Tracking, Created: r.Created}
	var err error
	switch ref, archived := r.Archive(); {
	case archived:
		a.Archive, err = h.log.read(ref)
	case r.State() != nil:
		a.Archive, err = r.State().Archive(h.log.read)
	default:
		a.Payload, err = h.log.read(r.Payload())
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What a lost primary had alone goes on in the present one: where it was, under its name.
func TestRunsOfAnotherHistoryAreAdopted(t *testing.T) {
	present := newHost(t)
	present.put("Orders", 2, caller)
	both, _ := present.begin("Orders", "both")
	lost := present.apart(t)
	lost.log.now = lost.log.now.Add(time.Second)
	under, _ := lost.begin("Orders", "under way")
	waits, _ := lost.begin("Orders", "waits")
	lost.answer(lost.l.Run(both.Number), 200)
	ended := lost.l.Run(both.Number)

	// The present primary has runs of its own meanwhile.
	if _, err := present.begin("Orders", "own"); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Run{under, waits} {
		if _, err := present.l.Adopt(present.log, lost.adopted(t, r)); err != nil {
			t.Fatal(err)
		}
		present.replicas()
	}
	if _, err := present.l.Adopt(present.log, lost.adopted(t, ended)); !fault.Is(err, fault.AlreadyExists) {
		t.Errorf("a run that is here was adopted: %v", err)
	}
	w := present.l.Find("orders")
	r := w.Run("under way")
	if r == nil || r.Status != run.Running || r.Created != under.Created || r.Version != under.Version || w.Running() != 3 || w.Waiting() != 1 {
		t.Fatalf("adopted: %+v; %d run, %d wait", r, w.Running(), w.Waiting())
	}
	if name := w.Run("waits"); name.Status != run.NotStarted {
		t.Errorf("what had not begun is %s", name.Status)
	}
	// The attempt whose end nobody knows is made again, and its answer ends the run.
	present.calls = nil
	present.advance(r, run.Input{Event: run.Recover})
	if len(present.calls) != 1 || present.calls[0] != "under way/Call#1" {
		t.Errorf("called %v", present.calls)
	}
	present.answer(r, 200)
	if r.Status != run.Succeeded {
		t.Errorf("an adopted run ended %s", r.Status)
	}
	present.replicas()
	archive, err := r.State().Archive(present.log.read)
	if err != nil {
		t.Fatal(err)
	}
	if err := present.l.ArchiveRun(present.log, r.Number, archive); err != nil {
		t.Fatal(err)
	}
	present.replicas()
}

// A run that had ended is history, whatever version it is of; one that had not needs its
// version, and its workflow is to be there.
func TestWhatIsAdoptedAndWhatNot(t *testing.T) {
	present := newHost(t)
	present.put("Orders", 0, caller)
	lost := present.apart(t)
	lost.put("Orders", 0, caller)
	done, _ := lost.begin("Orders", "done")
	lost.answer(done, 200)
	under, _ := lost.begin("Orders", "under way")
	r, err := present.l.Adopt(present.log, lost.adopted(t, done))
	if err != nil || r.Status != run.Succeeded || r.Done != done.Done {
		t.Fatalf("%+v, %v", r, err)
	}
	if ref, ok := r.Archive(); !ok {
		t.Error("what had ended is not history")
	} else if data, _ := present.log.read(ref); len(data) == 0 {
		t.Error("its archive is not there")
	} else if s, payloads, err := run.Unarchive(data); err != nil || s.Status != run.Succeeded || len(payloads) == 0 {
		t.Errorf("its archive can not be read: %v", err)
	}
	present.replicas()
	if _, err := present.l.Adopt(present.log, lost.adopted(t, under)); !fault.Is(err, fault.PreconditionFailed) {
		t.Errorf("a run whose version is not here: %v", err)
	}
	other := lost.adopted(t, under)
	other.Workflow = "Gone"
	if _, err := present.l.Adopt(present.log, other); !fault.Is(err, fault.NotFound) {
		t.Errorf("a run whose workflow is not here: %v", err)
	}
	if _, err := present.l.Adopt(present.log, Adopted{Workflow: "Orders", Name: "x"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a run of nothing: %v", err)
	}
	present.replicas()
}

// What an archive of a run that has not ended refers to comes with it, wherever it lay.
func TestAFactTells(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	other := h.apart(t)
	r, _ := h.begin("Orders", "r1")
	h.answer(r, 200)
	if err := h.l.SetTrigger(h.log, "Orders", "in", 5, []byte("cursor")); err != nil {
		t.Fatal(err)
	}
	var told Told
	for _, ref := range h.log.refs[len(other.log.refs):] {
		data := h.log.facts[ref.At][ref.Off : ref.Off+ref.Len]
		one := other.l.Tell(ref, data)
		told.Run, told.Attempts, told.Answers = max(told.Run, one.Run), told.Attempts+one.Attempts, told.Answers+one.Answers
		told.Workflow, told.Trigger = told.Workflow+one.Workflow, told.Trigger+one.Trigger
		if err := other.l.Apply(ref, data); err != nil {
			t.Fatal(err)
		}
	}
	if want := (Told{Run: r.Number, Attempts: 1, Answers: 1, Workflow: "Orders", Trigger: "in"}); told != want {
		t.Errorf("told %+v, want %+v", told, want)
	}
	if other.l.Tell(h.log.refs[0], []byte{1}) != (Told{}) {
		t.Error("something is told of half a fact")
	}
}
