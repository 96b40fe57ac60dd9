package history

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func entry(n int) Entry {
	return Entry{Time: start.Add(time.Duration(n) * time.Minute), Caller: fmt.Sprint("c", n%3), Action: "Microsoft.ServiceBus/namespaces/queues/write",
		Scope: fmt.Sprintf("/subscriptions/s/resourceGroups/g/providers/Microsoft.ServiceBus/namespaces/n%d/queues/q", n%2), Door: "arm", Outcome: []Outcome{Succeeded, Refused}[n%2]}
}

func note(t *testing.T, s *State, location string, entries ...Entry) {
	t.Helper()
	if err := s.Apply(s.Noted(location, entries)); err != nil {
		t.Fatal(err)
	}
}

func TestNumbersAndOrder(t *testing.T) {
	var s State
	s.Reset()
	for i := range 5 {
		note(t, &s, "west", entry(i))
	}
	found := s.Find(Query{Location: "west", Oldest: true})
	for i, e := range found {
		if e.Seq != uint64(i+1) || e.Location != "west" {
			t.Errorf("entry %d is %d of %s", i, e.Seq, e.Location)
		}
	}
	if newest := s.Find(Query{Top: 2}); len(newest) != 2 || newest[0].Seq != 5 || newest[1].Seq != 4 {
		t.Errorf("the newest two are %+v", newest)
	}
	if after := s.Find(Query{Location: "west", After: 3, Oldest: true}); len(after) != 2 || after[0].Seq != 4 {
		t.Errorf("after 3 come %+v", after)
	}
}

func TestQueries(t *testing.T) {
	var s State
	for i := range 6 {
		note(t, &s, "west", entry(i))
	}
	for _, c := range []struct {
		name string
		q    Query
		want int
	}{
		{"all", Query{}, 6},
		{"since", Query{Since: start.Add(4 * time.Minute)}, 2},
		{"until", Query{Until: start.Add(4 * time.Minute)}, 4},
		{"refused", Query{Outcome: Refused}, 3},
		{"caller", Query{Caller: "C1"}, 2},
		{"scope", Query{Scope: "/subscriptions/S/resourceGroups/g/providers/Microsoft.ServiceBus/namespaces/n1"}, 3},
		{"no half names", Query{Scope: "/subscriptions/s/resourceGroups/g/providers/Microsoft.ServiceBus/namespaces/n"}, 0},
		{"action", Query{Action: "microsoft.servicebus/"}, 6},
		{"another action", Query{Action: "Microsoft.Logic/"}, 0},
		{"another location", Query{Location: "east"}, 0},
	} {
		if got := s.Find(c.q); len(got) != c.want {
			t.Errorf("%s: %d entries, want %d", c.name, len(got), c.want)
		}
	}
}

// Whatever is offered again, in whatever pieces, a copy is the original.
func TestCopiesAreExact(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		var west, east State
		for i := range 40 {
			note(t, &west, "west", entry(i))
			if random.IntN(3) == 0 {
				after := uint64(0)
				if last := east.Last("west"); last > 0 {
					after = uint64(random.IntN(int(last) + 1)) // some again
				}
				offered := west.Find(Query{Location: "west", After: after, Oldest: true})
				fact, err := east.Copied("west", offered[:random.IntN(len(offered)+1)])
				if err != nil {
					t.Fatal(err)
				}
				if fact != nil {
					if err := east.Apply(fact); err != nil {
						t.Fatal(err)
					}
				}
			}
			note(t, &east, "east", entry(i))
		}
		last := int(east.Last("west"))
		all := west.Find(Query{Location: "west", Oldest: true})
		if got := east.Find(Query{Location: "west", Oldest: true}); len(got) != last || last > 0 && !reflect.DeepEqual(got, all[:last]) {
			t.Fatalf("seed %d: the copy is not what it was", seed)
		}
	}
}

func TestBounds(t *testing.T) {
	var s State
	var many []Entry
	for i := range EntriesMax + 10 {
		many = append(many, Entry{Time: start.Add(time.Duration(i))})
	}
	note(t, &s, "west", many...)
	if got := s.Find(Query{Oldest: true}); len(got) != EntriesMax || got[0].Seq != 11 {
		t.Errorf("%d entries from %d on", len(got), got[0].Seq)
	}
	note(t, &s, "west", Entry{Time: start.Add(AgeMax + time.Hour)})
	if got := s.Find(Query{}); len(got) != 1 || got[0].Seq != EntriesMax+11 {
		t.Errorf("what is too old stays: %d", len(got))
	}
	for i := range locationsMax - 1 {
		note(t, &s, fmt.Sprint("l", i), entry(i))
	}
	if _, err := s.Copied("one more", []Entry{{Seq: 1}}); err == nil || !strings.Contains(err.Error(), "8 locations") {
		t.Errorf("a location more: %v", err)
	}
	long := Entry{Caller: strings.Repeat("ö", 1000), Reason: strings.Repeat("ö", 1000) + "x"}.Bounded()
	if len(long.Caller) > textBytesMax || len(long.Reason) > reasonBytesMax || !utf8.ValidString(long.Caller) || !utf8.ValidString(long.Reason) {
		t.Errorf("%d and %d bytes", len(long.Caller), len(long.Reason))
	}
}

func TestSnapshot(t *testing.T) {
	var s, again State
	for i := range 10 {
		note(t, &s, []string{"west", "east"}[i%2], entry(i))
	}
	if err := again.Restore(s.Snapshot(nil)); err != nil || !reflect.DeepEqual(s, again) {
		t.Errorf("restored as %+v, %v", again, err)
	}
	for _, bad := range []string{"", "[]x", `[{"v":9}]`} {
		if err := again.Restore([]byte(bad)); err == nil {
			t.Errorf("%q was restored", bad)
		}
	}
	if err := s.Apply([]byte(`{"v":2}`)); err == nil {
		t.Error("a fact of a later version was folded")
	}
}
