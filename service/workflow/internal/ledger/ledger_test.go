package ledger

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// logbook is a journal in memory, and a Turn that writes to it.
type logbook struct {
	now   time.Time
	facts map[record.Position][]byte
	refs  []record.Ref
}

func (l *logbook) Now() time.Time { return l.now }

func (l *logbook) RecordParts(parts ...[]byte) record.Ref {
	fact := bytes.Join(parts, nil)
	at := record.Position(len(l.refs) + 1)
	l.facts[at] = append(make([]byte, 7), fact...) // facts do not lie at the beginning of a batch
	ref := record.Ref{At: at, Off: 7, Len: uint32(len(fact))}
	l.refs = append(l.refs, ref)
	return ref
}

func (l *logbook) read(ref record.Ref) ([]byte, error) {
	b, ok := l.facts[ref.At]
	if !ok {
		return nil, fmt.Errorf("position %d was trimmed", ref.At)
	}
	return b[ref.Off : ref.Off+ref.Len], nil
}

func (l *logbook) Load(ref record.Ref) (any, error) {
	b, err := l.read(ref)
	if err != nil {
		return nil, err
	}
	return expression.ParseJSON(string(b))
}

const schema = `"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0", "triggers": {"in": {"type": "Request", "kind": "Http", "inputs": {}}}, `

func planOf(t *testing.T, text []byte) *run.Plan {
	t.Helper()
	v, err := document.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	d, problems := definition.Read(definition.Wrapped{Value: v, Path: document.Root, Host: definition.Standard}, definition.Settings{})
	if !definition.Valid(problems) {
		t.Fatal(problems)
	}
	return run.Compile(d)
}

// host is an owner: what a shell does, without a shell.
type host struct {
	t      *testing.T
	log    *logbook
	l      *Ledger
	copies map[uint64]*run.State
	moves  map[uint64]uint32
	calls  []string
}

func newHost(t *testing.T) *host {
	return &host{t: t, log: &logbook{now: time.Unix(1_800_000_000, 0).UTC(), facts: map[record.Position][]byte{}}, l: New(), copies: map[uint64]*run.State{}, moves: map[uint64]uint32{}}
}

func (h *host) put(name string, limit int, actions string) {
	if _, err := h.l.PutWorkflow(h.log, Put{Name: name, Version: fmt.Sprint(len(h.log.refs)), Runs: limit, WaitingRuns: 2, Definition: []byte("{" + schema + actions)}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) begin(workflow, name string) (*Run, error) {
	payload := expression.NewObject("name", "in", "outputs", expression.NewObject("body", name))
	r, waits, err := h.l.BeginRun(h.log, Begin{Workflow: workflow, Name: name, Trigger: "in", Tracking: name, Payload: expression.AppendJSON(nil, payload)})
	if err == nil && !waits {
		h.advance(r, run.Input{Event: run.Start, Trigger: payload})
	}
	return r, err
}

// advance gives a run an input, in a copy of its state that is kept as a worker does.
func (h *host) advance(r *Run, in run.Input) {
	h.t.Helper()
	s := h.copies[r.Number]
	if s == nil || h.moves[r.Number] != r.Moves {
		s = &run.State{}
		if r.State() != nil {
			s = r.State().Clone()
		}
	}
	h.copies[r.Number], h.moves[r.Number] = s, r.Moves
	text, err := h.log.read(r.Workflow().versionOf(r).Definition())
	if err != nil {
		h.t.Fatal(err)
	}
	o := run.Advance(s, planOf(h.t, text), &run.Env{Now: h.log.now, Run: r.Name, Values: h.log}, in)
	if o.Err != nil {
		h.t.Fatal(o.Err)
	}
	read, err := h.l.Advance(h.log, r.Number, o.Facts)
	if err != nil {
		h.t.Fatal(err)
	}
	for k := range read {
		s.Settle(o.Facts[k], read[k])
	}
	for _, e := range o.Effects {
		if e.Action != nil {
			h.calls = append(h.calls, fmt.Sprintf("%s/%s#%d", r.Name, e.Action.Name, e.Attempt))
		}
	}
	if r.Status == run.Running && !bytes.Equal(s.Snapshot(nil), r.State().Snapshot(nil)) {
		h.t.Errorf("the worker's state of %s is not the ledger's", r.Name)
	}
	if r.Status.Ended() {
		delete(h.copies, r.Number)
	}
}

func (w *Workflow) versionOf(r *Run) *Version { return r.version }

func (h *host) answer(r *Run, status int) {
	h.advance(r, run.Input{Event: run.Answered, At: run.Place{Node: 0}, Attempt: 1, Answer: run.Answer{Status: status, Body: "b"}})
}

// replicas checks that one that folds the facts and one that is restored are the same.
func (h *host) replicas() {
	h.t.Helper()
	want := h.l.Snapshot(nil)
	folded := New()
	for _, ref := range h.log.refs {
		data, ok := h.log.facts[ref.At]
		if !ok {
			folded = nil // trimmed: only a snapshot knows
			break
		}
		if err := folded.Apply(ref, data[ref.Off:ref.Off+ref.Len]); err != nil {
			h.t.Fatal(err)
		}
	}
	if folded != nil && !bytes.Equal(folded.Snapshot(nil), want) {
		h.t.Error("a replica that folded the facts is in another state")
	}
	restored := New()
	if err := restored.Restore(want); err != nil {
		h.t.Fatal(err)
	}
	if !bytes.Equal(restored.Snapshot(nil), want) {
		h.t.Error("a replica that was restored is in another state")
	}
	for k, w := range h.l.Workflows() {
		if x := restored.Workflows()[k]; x.Running() != w.Running() || x.Waiting() != w.Waiting() {
			h.t.Errorf("a replica that was restored counts %d and %d runs of %s, wants %d and %d", x.Running(), x.Waiting(), w.Name, w.Running(), w.Waiting())
		}
	}
	if restored.NextDue() != h.l.NextDue() || restored.LiveBytes() != h.l.LiveBytes() || restored.Horizon() != h.l.Horizon() {
		h.t.Error("a replica that was restored wants other things")
	}
}

const caller = `"actions": {"Call": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example"}}}}`

func TestARunIsKeptUntilItIsForgotten(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	r, err := h.begin("orders", "r1")
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != run.Running || h.l.NextDue() == 0 || r.Workflow().Running() != 1 {
		t.Errorf("the run is %s, due %d", r.Status, h.l.NextDue())
	}
	h.replicas()
	h.log.now = h.log.now.Add(time.Minute)
	h.answer(r, 200)
	if r.Status != run.Succeeded || h.l.NextDue() != 0 || len(h.l.Unarchived(9)) != 1 {
		t.Fatalf("the run is %s, due %d", r.Status, h.l.NextDue())
	}
	h.replicas()
	archive, err := r.State().Archive(h.log.read)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.l.ArchiveRun(h.log, r.Number, archive); err != nil {
		t.Fatal(err)
	}
	h.replicas()
	ref, ok := r.Archive()
	if !ok || r.State() != nil {
		t.Fatal("the run is not archived")
	}
	data, _ := h.log.read(ref)
	s, payloads, err := run.Unarchive(data)
	if err != nil {
		t.Fatal(err)
	}
	shown := ""
	definition, _ := h.log.read(r.Workflow().Current().Definition())
	s.Each(planOf(t, definition), nil, func(x run.Record) {
		shown += x.Name + " " + x.Status.String() + " " + string(payloads[x.Outputs.Off:x.Outputs.Off+x.Outputs.Len])
	})
	if want := `Call Succeeded {"statusCode":200,"body":"b"}`; shown != want {
		t.Errorf("the archive shows %q, wants %q", shown, want)
	}
	if n := h.l.Forget(h.log, h.log.now.Add(time.Hour).UnixMicro(), 10); n != 1 || h.l.Find("orders").Run("r1") != nil {
		t.Errorf("%d forgotten", n)
	}
	h.replicas()
	if h.l.blocks.count != 1 {
		t.Errorf("%d blocks are kept, wants that of the definition alone", h.l.blocks.count)
	}
}

func TestRunsWaitAndBeginInTheirOrder(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 1, caller)
	first, _ := h.begin("Orders", "r1")
	second, _ := h.begin("Orders", "r2")
	third, _ := h.begin("Orders", "r3")
	if second.Status != run.NotStarted || len(h.l.Admissible(9)) != 0 {
		t.Fatal("the second run has not waited")
	}
	if _, err := h.begin("Orders", "r4"); fault.KindOf(err) != fault.TooManyRequests {
		t.Errorf("%v", err)
	}
	h.replicas()
	h.answer(first, 200)
	may := h.l.Admissible(9)
	if len(may) != 1 || may[0] != second {
		t.Fatalf("%d may begin", len(may))
	}
	trigger, _ := h.log.Load(second.Payload())
	h.advance(second, run.Input{Event: run.Start, Trigger: trigger.(*expression.Object)})
	if second.Status != run.Running || third.Status != run.NotStarted || len(h.l.Admissible(9)) != 0 {
		t.Error("the second run has not begun alone")
	}
	h.replicas()
}

func TestRunsKeepTheirVersion(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	old, _ := h.begin("Orders", "r1")
	for range versionsMax + 3 {
		h.put("Orders", 0, `"actions": {"Other": {"type": "Compose", "inputs": 1}}}`)
	}
	fresh, _ := h.begin("Orders", "r2")
	if old.Version == fresh.Version || fresh.Status != run.Succeeded {
		t.Errorf("%s and %s", old.Version, fresh.Version)
	}
	h.replicas()
	h.answer(old, 200)
	if old.Status != run.Succeeded || len(h.l.Find("orders").Versions) != versionsMax {
		t.Errorf("the old run is %s, %d versions are kept", old.Status, len(h.l.Find("orders").Versions))
	}
	h.replicas()
}

func TestBlocksAreCarriedAndTheLogIsTrimmed(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	r, _ := h.begin("Orders", "r1")
	for k := range 50 {
		x, _ := h.begin("Orders", fmt.Sprint("x", k))
		h.answer(x, 404)
		archive, _ := x.State().Archive(h.log.read)
		_ = h.l.ArchiveRun(h.log, x.Number, archive)
	}
	h.l.Forget(h.log, h.log.now.Add(time.Hour).UnixMicro(), 100)
	before := record.Position(len(h.log.refs) + 1)
	for _, ref := range h.l.Live(before, 1<<20) {
		data, err := h.log.read(ref)
		if err != nil {
			t.Fatal(err)
		}
		h.l.Carry(h.log, ref, data)
	}
	if h.l.Horizon() < before {
		t.Fatalf("the horizon is %d, wants %d", h.l.Horizon(), before)
	}
	h.replicas()
	for at := range h.log.facts {
		if at < before {
			delete(h.log.facts, at)
		}
	}
	h.answer(r, 200)
	if archive, err := r.State().Archive(h.log.read); err != nil || r.Status != run.Succeeded || !strings.Contains(string(archive), "there.example") {
		t.Errorf("%s, %v", r.Status, err)
	}
	h.replicas()
}

func TestTriggersRememberAndWake(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	for k, name := range []string{"b", "a", "c"} {
		if err := h.l.SetTrigger(h.log, "orders", name, int64(100-k), []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	h.replicas()
	if due := h.l.ToLook(99, 9); len(due) != 2 || h.l.NextLook() != 98 {
		t.Errorf("%d are due, the next at %d", len(due), h.l.NextLook())
	}
	_ = h.l.SetTrigger(h.log, "orders", "c", 0, nil)
	if h.l.NextLook() != 99 {
		t.Errorf("the next is due at %d", h.l.NextLook())
	}
	if err := h.l.RemoveWorkflow(h.log, "orders"); err != nil || h.l.NextLook() != 0 || h.l.Horizon() != 0 {
		t.Errorf("%v, due %d, horizon %d", err, h.l.NextLook(), h.l.Horizon())
	}
	h.replicas()
}

func TestWhatIsRefused(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	r, _ := h.begin("Orders", "r1")
	facts := len(h.log.refs)
	_, twice := h.begin("Orders", "r1")
	_, none := h.begin("Other", "r1")
	for _, c := range []struct {
		err  error
		want fault.Kind
	}{{twice, fault.AlreadyExists}, {none, fault.NotFound}, {h.l.RemoveWorkflow(h.log, "x"), fault.NotFound}, {h.l.ArchiveRun(h.log, r.Number, []byte("x")), fault.Conflict}, {h.l.SetTrigger(h.log, "orders", "t", 1, make([]byte, memoryBytesMax+1)), fault.TooLarge}} {
		if fault.KindOf(c.err) != c.want {
			t.Errorf("%v, wants %v", c.err, c.want)
		}
	}
	if len(h.log.refs) != facts {
		t.Error("a refusal was recorded")
	}
	_ = h.l.Switch(h.log, "orders", true)
	if _, err := h.begin("Orders", "r2"); fault.KindOf(err) != fault.Disabled {
		t.Errorf("%v", err)
	}
	h.replicas()
}

// A state that waits is small, and one fact more or less of damage is an error, not a
// panic.
func TestDamageIsNamed(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	r, _ := h.begin("Orders", "r1")
	if n := len(r.State().Snapshot(nil)); n > 200 {
		t.Errorf("a run that waits takes %d bytes", n)
	}
	for _, ref := range h.log.refs {
		fact, _ := h.log.read(ref)
		for n := range min(len(fact), 60) {
			l := New()
			_ = l.Apply(record.Ref{At: 1, Len: uint32(n)}, fact[:n])
			broken := bytes.Clone(fact)
			broken[n] ^= 0xff
			_ = l.Apply(record.Ref{At: 2, Len: uint32(len(fact))}, broken)
		}
	}
	snapshot := h.l.Snapshot(nil)
	for n := range snapshot {
		if New().Restore(snapshot[:n]) == nil {
			t.Errorf("a snapshot of %d bytes was restored", n)
		}
	}
}
