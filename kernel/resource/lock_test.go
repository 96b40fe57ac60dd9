package resource

import (
	"errors"
	"strings"
	"testing"

	"weir/kernel/fault"
)

// locked makes a store with shelves, and a registry that knows locks.
func locked(t *testing.T) *Registry {
	t.Helper()
	types, err := NewTypes(append(append(ScopeTypes(), LockType()), shop(t).All()...)...)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRegistry(types, nil)
	r.Bind(&fakeUnit{})
	if err := put(t, r, storeID, map[string]any{"city": "Ulm"}); err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	groupID = "/subscriptions/s/resourceGroups/g"
	storeID = groupID + "/providers/Test.Shop/stores/ulm"
	shelfID = storeID + "/shelves/default"
	aLock   = "/providers/Microsoft.Authorization/locks/keep"
)

// What a lock holds depends on its level and on where it is, never on which of the
// ways a change comes by; a service's own changes it does not hold.
func TestLocks(t *testing.T) {
	for _, c := range []struct {
		at, level           string
		write, delete, free bool // refused on the shelf; free: a shelf beside may be deleted
	}{
		{shelfID, "CanNotDelete", false, true, true},
		{storeID, "CanNotDelete", false, true, false},
		{groupID, "CanNotDelete", false, true, false},
		{"/subscriptions/s", "ReadOnly", true, true, false},
		{"", "ReadOnly", true, true, false},
		{shelfID, "ReadOnly", true, true, true},
		{shelfID, "NotSpecified", false, false, true},
		{"/subscriptions/other", "ReadOnly", false, false, true},
	} {
		r := locked(t)
		ctx := t.Context()
		if err := put(t, r, c.at+aLock, map[string]any{"level": strings.ToLower(c.level)}); err != nil {
			t.Fatal(err)
		}
		refused := func(what string, err error, want bool) {
			t.Helper()
			var problems Problems
			isLock := errors.As(err, &problems) && problems.Code() == "ScopeLocked" && fault.Is(err, fault.Conflict)
			if isLock != want || err != nil && !isLock {
				t.Errorf("%s at %q: %s gives %v", c.level, c.at, what, err)
			}
		}
		guarded := Condition{Guarded: true}
		_, err := r.Put(ctx, Document{ID: MustID(shelfID), Properties: map[string]any{"width": int64(50)}}, guarded)
		refused("a put", err, c.write)
		_, err = r.Patch(ctx, MustID(shelfID), []byte(`{"properties":{"width":60}}`), guarded)
		refused("a patch", err, c.write)
		_, err = r.PutAll(ctx, []Document{{ID: MustID(shelfID), Properties: map[string]any{"width": int64(70)}}})
		refused("a file", err, c.write)
		_, err = r.Act(ctx, MustID(storeID), "restock", nil)
		refused("an action above", err, c.write && c.at != shelfID)
		_, err = r.Put(ctx, Document{ID: MustID(shelfID), Properties: map[string]any{"width": int64(80)}}, Condition{})
		refused("a service's put", err, false)
		_, err = r.PutAll(ctx, []Document{{ID: MustID(shelfID), Properties: map[string]any{"width": int64(80)}}})
		refused("a file that changes nothing", err, false)
		if err := put(t, r, storeID+"/shelves/beside", nil); err != nil {
			t.Fatal(err)
		}
		refused("deleting a sibling", r.Delete(ctx, MustID(storeID+"/shelves/beside"), guarded), !c.free)
		for _, id := range []string{shelfID, storeID, groupID} {
			refused("deleting "+id, r.Delete(ctx, MustID(id), guarded), c.delete)
			if !c.delete {
				break
			}
		}
		if c.delete {
			refused("a service's delete", r.Delete(ctx, MustID(shelfID), Condition{}), false)
		}
		if c.at == shelfID { // which took its lock along
			continue
		}
		refused("taking the lock away", r.Delete(ctx, MustID(c.at+aLock), guarded), false)
		if c.delete {
			refused("deleting then", r.Delete(ctx, MustID(storeID), guarded), false)
		}
	}
}

func TestLocksAreSaidInAzuresWords(t *testing.T) {
	r := locked(t)
	if err := put(t, r, groupID+aLock, map[string]any{"level": "ReadOnly"}); err != nil {
		t.Fatal(err)
	}
	err := r.Delete(t.Context(), MustID(storeID), Condition{Guarded: true})
	const want = "The scope '" + storeID + "' cannot perform delete operation because following scope(s) are locked: '" + groupID + "'. Please remove the lock and try again."
	if got := fault.Sentence(err); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// desks are types with what only some have: one that is always there, one Azure has and
// we have not, names nobody may have twice.
func desks(t *testing.T) *Registry {
	t.Helper()
	types, err := NewTypes(
		&Type{Name: "Test.Shop/desks", Unique: true},
		&Type{Name: "Test.Shop/desks/lamps", Always: "default", Fields: []Field{{Name: "lit", Kind: Bool, Default: true}}},
		&Type{Name: "Test.Shop/desks/drawers", Absent: "Use a shelf."},
	)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRegistry(types, nil)
	r.Bind(&fakeUnit{})
	return r
}

func TestSpecialTypes(t *testing.T) {
	r := desks(t)
	ctx := t.Context()
	desk := groupID + "/providers/Test.Shop/desks/oak"
	if err := put(t, r, desk, nil); err != nil {
		t.Fatal(err)
	}
	err := put(t, r, "/subscriptions/x/resourceGroups/y/providers/Test.Shop/desks/OAK", nil)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Sentence(err), "is taken: "+desk) {
		t.Errorf("a name twice: %v", err)
	}
	if id, found, err := r.Named(ctx, "Test.Shop/desks", "Oak"); err != nil || !found || id.String() != desk {
		t.Errorf("%s %v %v", id, found, err)
	}
	err = put(t, r, desk+"/drawers/top", nil)
	if !fault.Is(err, fault.Unsupported) || !strings.Contains(fault.Sentence(err), "Weir has no Test.Shop/desks/drawers: Use a shelf.") {
		t.Errorf("a drawer: %v", err)
	}
	lamp := MustID(desk + "/lamps/default")
	seen := func(want string) {
		t.Helper()
		d, err := r.Get(ctx, lamp)
		list, _, err2 := r.List(ctx, lamp.Parent(), "Test.Shop/desks/lamps")
		if err != nil || err2 != nil || len(list) != 1 || d.Bool("lit") != (want == "lit") || list[0].Bool("lit") != d.Bool("lit") {
			t.Errorf("%v %v %v %v, want %s", d, list, err, err2, want)
		}
	}
	seen("lit")
	if _, err := r.Patch(ctx, lamp, []byte(`{"properties":{"lit":false}}`), Condition{}); err != nil {
		t.Fatal(err)
	}
	seen("dark")
	if err := r.Delete(ctx, lamp, Condition{}); err != nil {
		t.Fatal(err)
	}
	seen("lit")
	if _, err := r.Get(ctx, MustID(groupID+"/providers/Test.Shop/desks/elm/lamps/default")); !fault.Is(err, fault.NotFound) {
		t.Errorf("the lamp of no desk: %v", err)
	}
}

// The reference of scopes and locks is written from their types.
func TestReference(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Reference: scopes and locks\n\nWritten from the types the server is built with (`go test ./kernel/resource -update`).\n\n")
	for _, typ := range append(ScopeTypes(), LockType()) {
		page.WriteString(Markdown(typ) + "\n")
	}
	golden(t, "../../docs/reference/resources.md", page.String())
}
