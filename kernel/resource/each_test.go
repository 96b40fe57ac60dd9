package resource

import (
	"strings"
	"testing"
)

// TestPutEachAndTry: companions come beside what is declared, and trying changes nothing.
func TestPutEachAndTry(t *testing.T) {
	const store = "/subscriptions/s/resourceGroups/g/providers/Test.Shop/stores/ulm"
	docs := []Document{
		{ID: MustID(store), Properties: map[string]any{"city": "Ulm"}},
		{ID: MustID(store + "/shelves/own")},
	}
	ids := func(results []Result) string {
		var names []string
		for _, one := range results {
			names = append(names, strings.TrimPrefix(one.Document.ID.String(), store))
		}
		return strings.Join(names, " ")
	}
	r, u := newShop(t)
	tried, err := r.Try(t.Context(), docs)
	if err != nil || ids(tried) != " /shelves/own /shelves/default" || !tried[0].Created || len(u.facts) != 0 {
		t.Fatalf("tried: %s (%v), %d facts", ids(tried), err, len(u.facts))
	}
	if _, err := r.Get(t.Context(), docs[0].ID); err == nil {
		t.Fatal("trying made the store")
	}
	put, err := r.PutEach(t.Context(), docs)
	if err != nil || ids(put) != ids(tried) {
		t.Fatalf("put: %s (%v)", ids(put), err)
	}
	if tried, err = r.Try(t.Context(), docs); err != nil || tried[0].Changed || tried[1].Created {
		t.Errorf("tried again: %+v (%v)", tried, err)
	}
	docs[0].Properties["city"] = "Bonn" // which can not change
	if _, err := r.Try(t.Context(), docs); err == nil {
		t.Error("what is refused was tried with success")
	}
	other, _ := newShop(t)
	all, err := other.PutAll(t.Context(), []Document{{ID: MustID(store), Properties: map[string]any{"city": "Ulm"}}, {ID: MustID(store + "/shelves/own")}})
	if err != nil || ids(all) != " /shelves/own" {
		t.Errorf("put all: %s (%v)", ids(all), err)
	}
}
