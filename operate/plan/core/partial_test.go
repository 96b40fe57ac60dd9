package core

import (
	"reflect"
	"testing"
)

// TestWhateverIsMissing takes parts of what was seen away in all combinations: nothing
// breaks, the report is the same twice, and a location without errors gets none for what
// it did not say.
func TestWhateverIsMissing(t *testing.T) {
	take := []func(f *Facts, west, east *Place){
		func(_ *Facts, west, _ *Place) { west.Documents, west.DocumentsErr = nil, "no" },
		func(_ *Facts, west, _ *Place) { west.Groups, west.GroupsErr = nil, "no" },
		func(_ *Facts, west, _ *Place) { west.Nodes, west.Clock, west.Ends = nil, nil, nil },
		func(_ *Facts, _, east *Place) { east.Documents, east.DocumentsErr = nil, "no" },
		func(_ *Facts, _, east *Place) { east.Groups, east.GroupsErr = nil, "no" },
		func(_ *Facts, _, east *Place) { *east = Place{Name: "east", Err: "no", Refused: true} },
		func(f *Facts, _, _ *Place) { f.Drills = Drills{} },
		func(f *Facts, _, _ *Place) { f.Aliases[0].TTLKnown, f.Aliases[0].Addresses = false, nil },
		func(f *Facts, west, east *Place) {
			for _, p := range []*Place{west, east} {
				for i := range p.Documents {
					p.Documents[i].Properties = nil
				}
			}
		},
	}
	for mask := range 1 << len(take) {
		report := func() *Report {
			f := clean()
			for i, one := range take {
				if mask>>i&1 == 1 {
					one(&f, &f.Places[0], &f.Places[1])
				}
			}
			return Judge(now, f)
		}
		r := report()
		if !reflect.DeepEqual(r, report()) {
			t.Fatalf("combination %b: two reports of the same facts differ", mask)
		}
		// Documents without properties declare something else, and that is judged.
		bare, away := mask>>8&1 == 1, mask>>5&1 == 1
		for _, f := range r.Findings {
			if !bare && !(away && f.Rule == "token-refused") {
				t.Errorf("combination %b: %s: %s", mask, f.Rule, f.What)
			}
		}
	}
}
