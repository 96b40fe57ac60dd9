package ledger

import (
	"fmt"
	"testing"

	"weir/service/workflow/internal/run"
)

func TestWhatIsTheUnitsOwn(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	h.l.Own(h.log, "north", 3)
	if err := h.l.SetSecret(h.log, []byte("s")); err != nil {
		t.Fatal(err)
	}
	if err := h.l.SetSecret(h.log, []byte("other")); err == nil {
		t.Error("a second secret was taken")
	}
	h.l.Own(h.log, "north", 4)
	h.l.Own(h.log, "south", 5)
	if o := h.l.Owner(); o.Location != "south" || o.Before != "north" || o.Epoch != 5 {
		t.Errorf("the owner is %+v", o)
	}
	for _, secondary := range []bool{false, true, true} {
		if err := h.l.RegenerateKey(h.log, "orders", secondary); err != nil {
			t.Fatal(err)
		}
	}
	if k := h.l.Find("orders").Keys; k != (Keys{1, 2}) {
		t.Errorf("the keys are %+v", k)
	}
	h.replicas()
}

func TestFiringsThatStartedNothingAreBounded(t *testing.T) {
	h := newHost(t)
	h.put("Orders", 0, caller)
	note := func(code string) {
		t.Helper()
		if err := h.l.NoteFiring(h.log, "orders", "in", Note{Status: run.Skipped, Code: code, Began: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for k := range notesMax + 10 {
		note(fmt.Sprint(k))
	}
	note("same")
	note("same")
	notes := h.l.Find("orders").Triggers[0].Notes
	if last := notes[len(notes)-1]; len(notes) != notesMax || last.Code != "same" || last.Times != 2 {
		t.Errorf("%d notes, the last %+v", len(notes), last)
	}
	if err := h.l.NoteFiring(h.log, "orders", "in", Note{Status: run.Running}); err == nil {
		t.Error("a firing without an end was noted")
	}
	h.replicas()
}
