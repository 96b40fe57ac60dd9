package resource

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/journal/record"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// shop is a family of types that uses everything a schema can say.
func shop(t *testing.T) *Types {
	t.Helper()
	store := &Type{
		Name: "Test.Shop/stores", Description: "A store.", APIVersions: []string{"2026-01-01"},
		NamePattern: `[A-Za-z][A-Za-z0-9-]*`, NameHint: "letters, digits and hyphens, a letter first", NameRange: Range{3, 20},
		SKUs: []string{"Small", "Large"}, Located: true,
		Fields: []Field{
			{Name: "city", Kind: String, Description: "Where it stands.", Required: true, Immutable: true, Range: &Range{1, 20}},
			{Name: "state", Kind: Enum, Description: "Whether it is open.", Values: []string{"Open", "Closed"}, Default: "Open"},
			{Name: "closesAfter", Kind: Duration, Description: "How long it waits for a customer.", Default: "PT1H", Range: Durations("PT1M", Unlimited)},
			{Name: "owner", Kind: Object, Description: "Who runs it.", Fields: []Field{
				{Name: "name", Kind: String, Description: "By name.", Required: true},
				{Name: "pin", Kind: Secret, Description: "Opens the safe.", Range: &Range{4, 8}},
			}},
			{Name: "opened", Kind: Time, Description: "When it opened.", ReadOnly: true},
			{Name: "supplier", Kind: IDRef, Description: "Another store."},
			{Name: "days", Kind: List, Description: "Opening days.", Range: &Range{1, 7}, Element: &Field{Name: "day", Kind: Enum, Values: []string{"Mon", "Tue"}}},
		},
		Companions: func(d Document) []Document {
			id, _ := d.ID.Child("shelves", "default")
			return []Document{{ID: id}}
		},
		Actions: []Action{{Name: "restock", Description: "Fills the shelves.", Run: func(c ActionContext, d Document, body map[string]any) (map[string]any, error) {
			d.Properties["state"] = "Closed"
			random := make([]byte, 1)
			if _, err := c.Random.Read(random); err != nil {
				return nil, err
			}
			return map[string]any{"random": int64(random[0]), "asked": body["for"]}, c.Replace(d)
		}}},
	}
	shelf := &Type{
		Name: "Test.Shop/stores/shelves", Description: "A shelf | in a store.", NameRange: Range{1, 10}, NamePattern: `[a-z0-9~]+`, NameHint: "small letters and digits", SiblingsMax: 3,
		Fields: []Field{
			{Name: "width", Kind: Int, Description: "In centimetres.", Default: int64(100), Range: &Range{10, 500}},
			{Name: "mirrored", Kind: Bool, Description: "Whether it has a mirror.", Default: false, Immutable: true, Since: "2025-01-01"},
			{Name: "twin", Kind: String, Description: "The name of another shelf."},
			{Name: "labels", Kind: Map, Description: "Anything."},
		},
		Check: func(d Document, view View) Problems {
			if twin := d.String("twin"); twin != "" {
				id, err := d.ID.Parent().Child("shelves", twin)
				if _, ok := view.Get(id); err != nil || !ok {
					return Problems{{Path: "properties.twin", Line: d.Line("properties.twin"), Sentence: "There is no such shelf: declare it too."}}
				}
			}
			return nil
		},
		Prepare: func(d *Document, old *Document, c PrepareContext) error {
			if _, ok := c.View.Get(d.ID.Parent()); ok && old == nil && d.Properties["labels"] == nil {
				d.Properties["labels"] = map[string]any{"new": true}
			}
			return nil
		},
	}
	types, err := NewTypes(store, shelf)
	if err != nil {
		t.Fatal(err)
	}
	return types
}

var scope = MustID("/subscriptions/s1/resourceGroups/g1")

// fakeUnit plays the unit of continuity in one place. What is recorded becomes
// durable at once, or when commit is called if manual is set.
type fakeUnit struct {
	mu     sync.Mutex
	manual bool
	now    time.Time
	facts  [][]byte
	wait   []func()
}

type fakeTurn struct{ u *fakeUnit }

func (t fakeTurn) Now() time.Time { return t.u.now }

func (t fakeTurn) Record(fact []byte) record.Ref {
	t.u.facts = append(t.u.facts, bytes.Clone(fact))
	return record.Ref{At: record.Position(len(t.u.facts))}
}

func (t fakeTurn) Reveal(fn func()) { t.u.wait = append(t.u.wait, fn) }

func (u *fakeUnit) Call(ctx context.Context, work func(Turn)) error {
	u.mu.Lock()
	u.now = u.now.Add(time.Second)
	work(fakeTurn{u})
	done := make(chan struct{})
	u.wait = append(u.wait, func() { close(done) })
	manual := u.manual
	u.mu.Unlock()
	if !manual {
		u.commit()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (u *fakeUnit) View(fn func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fn()
}

func (u *fakeUnit) commit() {
	u.mu.Lock()
	waiting := u.wait
	u.wait = nil
	u.mu.Unlock()
	for _, fn := range waiting {
		fn()
	}
}

func newShop(t *testing.T) (*Registry, *fakeUnit) {
	r := NewRegistry(shop(t), bytes.NewReader(bytes.Repeat([]byte{7}, 100)))
	u := &fakeUnit{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.Bind(u)
	return r, u
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s changed; run with -update and read the difference. First: %s", file, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return "one is longer"
}
