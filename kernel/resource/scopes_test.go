package resource

import (
	"strings"
	"testing"

	"weir/kernel/fault"
)

// note is a type that extends anything.
func note() *Type {
	return &Type{Name: "Test.Notes/notes", Extension: true, Fields: []Field{{Name: "text", Kind: String}}}
}

func newEstate(t *testing.T) *Registry {
	t.Helper()
	types, err := NewTypes(append(append(ScopeTypes(), note()), shop(t).All()...)...)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRegistry(types, nil)
	r.Bind(&fakeUnit{})
	return r
}

func put(t *testing.T, r *Registry, id string, properties map[string]any) error {
	t.Helper()
	_, err := r.Put(t.Context(), Document{ID: MustID(id), Properties: properties}, Condition{})
	return err
}

// A group is there when something lies in it, and stays without content once it was
// declared; a subscription likewise.
func TestScopesAreThereWhenLivedIn(t *testing.T) {
	r := newEstate(t)
	ulm := map[string]any{"city": "Ulm"}
	for id, properties := range map[string]map[string]any{
		"/subscriptions/One/resourceGroups/Lived/providers/Test.Shop/stores/ulm": ulm,
		"/subscriptions/One/resourceGroups/declared":                             nil,
		"/subscriptions/two": {"displayName": "Second"},
	} {
		if err := put(t, r, id, properties); err != nil {
			t.Fatal(err)
		}
	}
	list := func(in string) string {
		docs, err := r.Scopes(t.Context(), MustID(in))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range docs {
			names = append(names, d.ID.String()+d.String("displayName"))
		}
		return strings.Join(names, " ")
	}
	if got := list("/"); got != "/subscriptions/One /subscriptions/twoSecond" {
		t.Errorf("subscriptions: %s", got)
	}
	if got := list("/subscriptions/one"); got != "/subscriptions/One/resourceGroups/declared /subscriptions/One/resourceGroups/Lived" {
		t.Errorf("groups: %s", got)
	}
	for id, want := range map[string]bool{"/": true, "/subscriptions/ONE": true, "/subscriptions/three": false, "/subscriptions/one/resourcegroups/lived": true, "/subscriptions/one/resourceGroups/x": false} {
		if _, there, err := r.Scope(t.Context(), MustID(id)); err != nil || there != want {
			t.Errorf("%s: %v (%v)", id, there, err)
		}
	}
	lived := MustID("/subscriptions/one/resourceGroups/lived")
	if err := r.Delete(t.Context(), lived, Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), lived, Condition{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if got := list("/subscriptions/one"); got != "/subscriptions/One/resourceGroups/declared" {
		t.Errorf("groups after the delete: %s", got)
	}
}

// Extensions go with what they extend; other types keep to their places.
func TestExtensions(t *testing.T) {
	r := newEstate(t)
	store := "/subscriptions/s/resourceGroups/g/providers/Test.Shop/stores/ulm"
	if err := put(t, r, store, map[string]any{"city": "Ulm"}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"", "/subscriptions/s", "/subscriptions/s/resourceGroups/g", store, store + "/shelves/default"} {
		if err := put(t, r, at+"/providers/Test.Notes/notes/n", map[string]any{"text": at}); err != nil {
			t.Errorf("at %q: %v", at, err)
		}
	}
	for id, want := range map[string]string{
		store + "/shelves/none/providers/Test.Notes/notes/n": "does not exist",
		store + "/providers/Test.Shop/stores/inner":          "extends no other",
		"/providers/Test.Shop/stores/high":                   "lies in a resource group",
	} {
		if err := put(t, r, id, map[string]any{"city": "Ulm"}); err == nil || !strings.Contains(fault.Sentence(err), want) {
			t.Errorf("%s: %v", id, err)
		}
	}
	notes := func(in string) (direct, under int) {
		a, _, err1 := r.List(t.Context(), MustID(in), "test.notes/Notes")
		b, _, err2 := r.ListUnder(t.Context(), MustID(in), "Test.Notes/notes")
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		return len(a), len(b)
	}
	if direct, under := notes("/"); direct != 1 || under != 5 {
		t.Errorf("in the tenant %d, under it %d", direct, under)
	}
	if direct, under := notes(store); direct != 1 || under != 2 {
		t.Errorf("on the store %d, under it %d", direct, under)
	}
	if err := r.Delete(t.Context(), MustID(store), Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, under := notes("/"); under != 3 {
		t.Errorf("after the delete %d", under)
	}
}

func TestScopesInFiles(t *testing.T) {
	docs, problems := Parse([]byte("- type: Microsoft.Resources/resourceGroups\n  name: g2\n  location: west\n- id: /subscriptions/x\n- {type: Microsoft.Resources/subscriptions, name: y}\n"), MustID("/subscriptions/s/resourceGroups/g"))
	if len(problems) > 0 || docs[0].ID.String() != "/subscriptions/s/resourceGroups/g2" || docs[1].Type() != TypeSubscription || docs[2].ID.String() != "/subscriptions/y" {
		t.Errorf("%v %v", docs, problems)
	}
	if _, problems := Parse([]byte("id: /"), ID{}); len(problems) != 1 || !strings.Contains(problems[0].Sentence, "tenant") {
		t.Errorf("the tenant was declared: %v", problems)
	}
}
