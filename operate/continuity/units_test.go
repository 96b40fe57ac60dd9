package continuity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

const testScope = "/subscriptions/s/resourceGroups/g"

// shelf is a registry in memory, of ids alone.
type shelf struct {
	Registry
	ids []string
}

func (s *shelf) Get(_ context.Context, id resource.ID) (resource.Document, error) {
	if !slices.Contains(s.ids, id.String()) {
		return resource.Document{}, fault.New(fault.NotFound, "%s was not found.", id)
	}
	return resource.Document{ID: id}, nil
}

func (s *shelf) ListUnder(_ context.Context, ancestor resource.ID, _ string) (docs []resource.Document, revision uint64, err error) {
	for _, text := range s.ids {
		if id := resource.MustID(text); ancestor.Contains(id) {
			docs = append(docs, resource.Document{ID: id})
		}
	}
	return docs, 7, nil
}

// flowsOf covers with a scope what is of one type in it, and with a resource what lies in it.
func flowsOf(unit, id resource.ID) bool {
	if unit.IsScope() {
		return unit.Contains(id) && strings.HasPrefix(id.Type(), "Test.Flows/flows")
	}
	return unit.Contains(id) && !strings.HasSuffix(id.Type(), "/settings")
}

// What a unit covers is copied, kept from change where the group is not, and nothing else.
func TestAUnitCovers(t *testing.T) {
	registry := &shelf{ids: []string{
		testScope + "/providers/Test.Flows/flows/take",
		testScope + "/providers/Test.Flows/flows/take/versions/v",
		testScope + "/providers/Test.Stores/stores/orders",
		testScope + "/providers/Test.Stores/stores/other",
		testScope + "/providers/Test.Stores/stores/orders/settings/s",
	}}
	c := New(Options{Location: "west", Registry: registry, Covers: flowsOf})
	cfg := config{name: "orders", endpoint: "https://flows.example.com", units: []resource.ID{resource.MustID(testScope), resource.MustID(testScope + "/providers/Test.Stores/stores/orders")}}
	g := &group{c: c, name: "orders", cfg: cfg, last: note{Holder: "east", Revision: 1}}
	c.groups["orders"] = g
	all, err := g.ownDocuments(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{registry.ids[0]: true, registry.ids[1]: true, registry.ids[2]: true}
	for _, d := range all.Documents {
		if !want[d.ID.String()] {
			t.Errorf("copied: %s", d.ID)
		}
		delete(want, d.ID.String())
	}
	if len(want) > 0 || all.Revision != 7 {
		t.Errorf("not copied: %v (revision %d)", want, all.Revision)
	}
	for i, id := range registry.ids {
		if err := c.Elsewhere(resource.MustID(id)); (err != nil) != (i < 3) {
			t.Errorf("changing %s: %v", id, err)
		}
	}
	g.last.Units = map[string]unitNote{"flows-g": {}}
	if got := c.Endpoint("flows-g") + c.Endpoint("flows-other"); got != cfg.endpoint {
		t.Errorf("endpoint %q", got)
	}
	c.o.Covers = nil
	if c.Elsewhere(resource.MustID(registry.ids[4])) == nil {
		t.Error("without anybody who knows better a unit does not cover what lies in it")
	}
}

// A unit is named once, whichever of its resources names it, and what is no unit is
// refused with the reason.
func TestUnitsAreNamedOnce(t *testing.T) {
	typ := groupType(func(id resource.ID) (string, error) {
		switch {
		case id.IsScope(), strings.HasPrefix(id.Type(), "Test.Flows/"):
			return "flows-" + strings.ToLower(id.Scope().Name()), nil
		case strings.HasPrefix(id.Type(), "Test.Stores/"):
			return "store-" + strings.ToLower(id.Name()), nil
		}
		return "", errors.New("it keeps nothing")
	})
	for _, one := range []struct {
		units []any
		want  string // in the sentence
	}{
		{[]any{testScope, testScope + "/providers/Test.Stores/stores/a"}, ""},
		{[]any{testScope, testScope + "/providers/Test.Flows/flows/take"}, "are one unit, flows-g"},
		{[]any{testScope + "/providers/Test.Stores/stores/a", testScope + "/providers/Test.Stores/stores/A"}, "name it once"},
		{[]any{testScope + "/providers/Test.Plans/plans/p"}, "it keeps nothing"},
		{[]any{"orders"}, "is no resource id"},
	} {
		problems := typ.Check(resource.Document{Properties: map[string]any{"units": one.units}}, resource.View{})
		if one.want == "" && len(problems) == 0 {
			continue
		}
		if len(problems) != 1 || one.want == "" || !strings.Contains(problems[0].Sentence, one.want) {
			t.Errorf("%v: %v, want %q", one.units, problems, one.want)
		}
	}
}
