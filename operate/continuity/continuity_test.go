package continuity

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/resource"
)

var update = flag.Bool("update", false, "write the reference page anew")

// The reference page is generated from the schemas: go test ./operate/continuity -update.
func TestReference(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Continuity resources\n\nGenerated from the schemas that validate them; `weir deploy` and the API take\nexactly this. Each is declared in both locations; see [the guide](../locations.md).\n\n")
	for _, typ := range Types(nil) {
		page.WriteString(resource.Markdown(typ) + "\n")
	}
	const file = "../../docs/reference/continuity.md"
	want := strings.TrimSuffix(page.String(), "\n")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s is not what the schemas say (%v): go test ./operate/continuity -update", file, err)
	}
}

// past is a history that is common up to a position and another one behind it.
type past struct {
	first, common, last journal.Position
	asked               int
}

func (p *past) sum(at journal.Position, theirs bool) uint64 {
	if theirs && at > p.common {
		return uint64(at) + 1<<40
	}
	return uint64(at)
}

func (p *past) Size(context.Context) (journal.Size, error) {
	return journal.Size{First: p.first, Last: p.last}, nil
}
func (p *past) Mark(context.Context) (journal.Mark, error) {
	return journal.Mark{At: p.last, Sum: p.sum(p.last, false)}, nil
}
func (p *past) MarkAt(_ context.Context, at journal.Position) (journal.Mark, error) {
	if at < p.first || at > p.last {
		return journal.Mark{}, journal.ErrTrimmed
	}
	return journal.Mark{At: at, Sum: p.sum(at, false)}, nil
}
func (p *past) Stands(_ context.Context, m journal.Mark) (bool, error) {
	return m.At >= p.first && m.At <= p.last && m.Sum == p.sum(m.At, false), nil
}
func (p *past) ChainedAt(context.Context, journal.Position) (uint64, error) { return 0, nil }
func (p *past) Close()                                                      {}

// Where histories parted is found whatever was kept, in as many questions as it has bits.
func TestPartingIsFound(t *testing.T) {
	const last = 1000
	for common := journal.Position(0); common <= last; common += 7 {
		p := &past{first: 1, common: common, last: last}
		m, err := parting(t.Context(), "u", p, func(m journal.Mark) (standsAnswer, error) {
			p.asked++
			return standsAnswer{Stands: m.Sum == p.sum(m.At, true)}, nil
		})
		if err != nil || m.At != common || p.asked > 11 {
			t.Fatalf("parted behind %d: found %+v after %d questions, %v", common, m, p.asked, err)
		}
	}
}

func TestPartingThatCanNotBeTold(t *testing.T) {
	theirs := func(p *past, trimmedBelow journal.Position, began journal.Mark) func(journal.Mark) (standsAnswer, error) {
		return func(m journal.Mark) (standsAnswer, error) {
			return standsAnswer{Stands: m.Sum == p.sum(m.At, true), Trimmed: m.At < trimmedBelow, Began: began}, nil
		}
	}
	p := &past{first: 500, common: 300, last: 1000}
	if _, err := parting(t.Context(), "u", p, theirs(p, 0, journal.Mark{})); !fault.Is(err, fault.TooLarge) {
		t.Errorf("parted before what is kept here: %v", err)
	}
	p = &past{first: 1, common: 300, last: 1000}
	if _, err := parting(t.Context(), "u", p, theirs(p, 900, journal.Mark{})); !fault.Is(err, fault.TooLarge) {
		t.Errorf("parted before what is kept there, and not noted: %v", err)
	}
	if m, err := parting(t.Context(), "u", p, theirs(p, 900, journal.Mark{At: 300, Sum: 300})); err != nil || m.At != 300 {
		t.Errorf("parted before what is kept there, and noted: %+v, %v", m, err)
	}
	if _, err := parting(t.Context(), "u", p, theirs(p, 900, journal.Mark{At: 300, Sum: 7})); !fault.Is(err, fault.TooLarge) {
		t.Errorf("noted of another history: %v", err)
	}
	broken := errors.New("the line is broken")
	if _, err := parting(t.Context(), "u", p, func(journal.Mark) (standsAnswer, error) { return standsAnswer{}, broken }); !errors.Is(err, broken) {
		t.Errorf("asked in vain: %v", err)
	}
}

// A ledger that was interrupted keeps the verdicts that it had.
func TestALedgerGoesOn(t *testing.T) {
	name := filepath.Join(t.TempDir(), "salvage", "l.jsonl")
	write := func(l *ledger, n uint64, verdict string) string {
		t.Helper()
		r, err := l.write(groups.Row{Number: n, Verdict: verdict})
		if err != nil {
			t.Fatal(err)
		}
		return r.Verdict
	}
	l, err := openLedger(name)
	if err != nil {
		t.Fatal(err)
	}
	write(l, 1, "reinjected")
	write(l, 2, "sent again")
	l.file.WriteString(`{"number":3,"verd`) // cut off by a crash
	l.close()
	if _, err := os.Stat(name); err == nil {
		t.Error("an unfinished ledger has its name already")
	}
	if l, err = openLedger(name); err != nil {
		t.Fatal(err)
	}
	var got []string
	for n := uint64(1); n <= 2; n++ {
		got = append(got, write(l, n, groups.VerdictBefore))
	}
	got = append(got, write(l, 3, "settled"))
	if text := strings.Join(got, ", "); text != "reinjected, sent again, settled" {
		t.Errorf("verdicts %s", text)
	}
	if err := l.finish(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil || !strings.Contains(string(data), `"verdict":"settled"`) {
		t.Errorf("the ledger: %v, %s", err, data)
	}
}

// An older note does not undo what a newer one said.
func TestTheNewestNoteIsHeeded(t *testing.T) {
	g := &group{}
	for _, n := range []note{{Term: 1, Revision: 3}, {Term: 9, Revision: 2}, {Term: 2, Revision: 4}, {Term: 9, Revision: 1}} {
		g.learn(n)
	}
	if _, n := g.look(); n.Term != 2 || n.Revision != 4 {
		t.Errorf("heeded %+v", n)
	}
}

func TestGroupsThatCanNotBe(t *testing.T) {
	typ := groupType(nil)
	for what, properties := range map[string]map[string]any{
		"two witnesses":             {"witnesses": []any{"http://a", "http://b"}, "witnessSecret": "sixteen characters"},
		"a witness named twice":     {"witnesses": []any{"http://a", "http://b", "http://a"}, "witnessSecret": "sixteen characters"},
		"a witness without secret":  {"witnesses": []any{"http://a"}},
		"automatic without witness": {"automatic": true},
		"a unit that is no id":      {"units": []any{"orders"}},
		"an endpoint with a path":   {"endpoint": "https://flows.example.com/api"},
		"an endpoint of no scheme":  {"endpoint": "flows.example.com:8443"},
	} {
		if problems := typ.Check(resource.Document{Properties: properties}, resource.View{}); len(problems) != 1 || problems[0].Sentence == "" || !strings.HasPrefix(problems[0].Path, "properties.") {
			t.Errorf("%s: %v", what, fmt.Sprint(problems))
		}
	}
}

// A journal is removed when it was not needed at two looks, and never one that is.
func TestOldJournalsAreRemoved(t *testing.T) {
	var removed []int
	c := New(Options{
		Notes:       paperNotes{},
		Generations: func(context.Context, string) ([]int, error) { return []int{0, 1, 2, 3, 4}, nil },
		Remove: func(_ context.Context, _ string, generation int) error {
			removed = append(removed, generation)
			return nil
		},
	})
	g := &group{c: c}
	whole := note{Revision: 1, Units: map[string]unitNote{"orders": {Generation: 4, Caught: true}}}
	half := note{Revision: 1, Units: map[string]unitNote{"orders": {Generation: 4}}}
	for _, n := range []note{half, whole, half, whole} {
		g.tidied = time.Time{}
		g.tidy(t.Context(), config{keep: 1}, n)
	}
	if len(removed) > 0 {
		t.Errorf("removed after one look: %v", removed)
	}
	g.tidied = time.Time{}
	g.tidy(t.Context(), config{keep: 1}, whole)
	if fmt.Sprint(removed) != "[1 2]" {
		t.Errorf("removed %v", removed)
	}
}

// paperNotes keep notes in memory.
type paperNotes map[string]string

func (p paperNotes) Get(_ context.Context, key string) ([]byte, uint64, error) {
	return []byte(p[key]), uint64(len(p[key])), nil
}

func (p paperNotes) Put(_ context.Context, key string, data []byte, _ uint64) (uint64, error) {
	p[key] = string(data)
	return uint64(len(data)), nil
}

// Rows wait for the unit to be owned, and are refused at once for any other reason.
func TestRowsWaitForAnOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		answers := []error{fault.New(fault.NotOwner, "not yet"), fault.New(fault.Busy, "not yet"), nil}
		bring := func(context.Context, string, string, journal.Mark, bool, []groups.Row) ([]groups.Row, map[string]uint64, error) {
			asked++
			return nil, nil, answers[min(asked, len(answers))-1]
		}
		g := &group{c: &Controller{o: Options{Bring: bring}}}
		if _, _, err := g.bringPatiently(t.Context(), bringOrder{}); err != nil || asked != 3 {
			t.Errorf("after %d tries: %v", asked, err)
		}
		asked, answers = 0, []error{fault.New(fault.Conflict, "of another history")}
		if _, _, err := g.bringPatiently(t.Context(), bringOrder{}); !fault.Is(err, fault.Conflict) || asked != 1 {
			t.Errorf("after %d tries: %v", asked, err)
		}
		asked, answers = 0, []error{fault.New(fault.NotOwner, "never")}
		began := time.Now()
		if _, _, err := g.bringPatiently(t.Context(), bringOrder{}); !fault.Is(err, fault.NotOwner) || time.Since(began) > ownerWait+time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
