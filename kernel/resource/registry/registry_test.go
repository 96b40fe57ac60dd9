package registry

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"weir/kernel/journal/record"
)

func at(second int) time.Time { return time.Unix(int64(second), 0).UTC() }

func apply(t *testing.T, s *State, fact []byte) {
	t.Helper()
	if err := s.Apply(record.Ref{}, fact); err != nil {
		t.Fatal(err)
	}
}

const scope = "/subscriptions/s/resourceGroups/g"

func TestPutGetDelete(t *testing.T) {
	s := New()
	ns := scope + "/providers/Microsoft.ServiceBus/namespaces/NS"
	apply(t, s, Put(at(1), ns, []byte("1")))
	apply(t, s, Put(at(2), ns+"/queues/b", []byte("2")))
	apply(t, s, Put(at(3), ns+"/queues/A", []byte("3")))
	apply(t, s, Put(at(4), ns+"/topics/t", []byte("4")))
	apply(t, s, Put(at(5), ns+"/topics/t/subscriptions/x", []byte("5")))
	apply(t, s, Put(at(6), ns+"2", []byte("6")))
	apply(t, s, Put(at(7), strings.ToUpper(ns)+"/queues/a", []byte("7")))

	e, ok := s.Get(ns + "/QUEUES/a")
	if !ok || e.Revision != 7 || !e.Created.Equal(at(3)) || !e.Updated.Equal(at(7)) || string(e.Body) != "7" || !strings.HasSuffix(e.ID, "/queues/a") {
		t.Errorf("got %+v", e)
	}
	if got := names(s.Children(ns)); got != "a b t" {
		t.Errorf("children are %s", got)
	}
	if n := s.Count(strings.ToUpper(ns), "Queues"); n != 2 || s.Count(ns, "topics") != 1 || s.Count(ns, "rules") != 0 {
		t.Errorf("there are %d queues", n)
	}
	if got := names(s.Children(scope)); got != "NS NS2" {
		t.Errorf("the scope holds %s", got)
	}
	if got := names(s.ChildrenOf(ns, "queues")) + "," + names(s.Under(ns)) + "," + names(s.ChildrenOf(scope, "providers/Microsoft.ServiceBus/namespaces")); got != "a b,a b t x,NS NS2" {
		t.Errorf("by step and under: %s", got)
	}
	if got := strings.Join(s.Links("/", "subscriptions"), " "); got != scope[:strings.LastIndex(scope, "/resourceGroups")] || !s.Holds(scope) || s.Holds(scope+"2") {
		t.Errorf("the tenant leads to %s", got)
	}
	apply(t, s, Deleted(at(8), ns))
	if got := names(s.All()); got != "NS2" || s.Len() != 1 {
		t.Errorf("after the delete there are %s", got)
	}
	apply(t, s, Put(at(9), ns, nil))
	if got := s.Children(ns); len(got) != 0 {
		t.Errorf("a deleted child came back: %v", got)
	}
	changes, ok := s.Since(6)
	if got := fmt.Sprint(changes); !ok || !strings.HasPrefix(got, "[{7 ") || !strings.Contains(got, "{8 "+ns+" true}") || len(changes) != 3 {
		t.Errorf("changes are %s, %v", got, ok)
	}
}

func names(list []Entry) string {
	var out []string
	for _, e := range list {
		out = append(out, e.ID[strings.LastIndexByte(e.ID, '/')+1:])
	}
	return strings.Join(out, " ")
}

func TestParentKey(t *testing.T) {
	for key, want := range map[string]string{
		"/subscriptions/s/resourcegroups/g/providers/p/a/x":                 "/subscriptions/s/resourcegroups/g",
		"/subscriptions/s/resourcegroups/g/providers/p/a/x/b/y":             "/subscriptions/s/resourcegroups/g/providers/p/a/x",
		"/subscriptions/s/resourcegroups/g/providers/p/a/x/providers/q/e/z": "/subscriptions/s/resourcegroups/g/providers/p/a/x",
		"/subscriptions/s/resourcegroups/g":                                 "/subscriptions/s",
		"/subscriptions/s":                                                  "", "x": "", "": "",
	} {
		if got := parentKey(key); got != want {
			t.Errorf("the parent of %s is %q, want %q", key, got, want)
		}
	}
}

// Only so much is remembered; whoever is further behind must list again.
func TestSinceForgets(t *testing.T) {
	s := New()
	for i := range changesMax + 1 {
		apply(t, s, Put(at(i), "/subscriptions/s/a/"+fmt.Sprint(i), nil))
	}
	if _, ok := s.Since(0); ok {
		t.Error("the first change is still there")
	}
	if got, ok := s.Since(s.Revision()); !ok || len(got) != 0 {
		t.Errorf("nothing new: %v, %v", got, ok)
	}
	if _, ok := s.Since(s.Revision() + 1); ok {
		t.Error("a revision of the future was accepted")
	}
	oldest := s.changes[0].Revision
	if got, ok := s.Since(oldest - 1); !ok || got[0].Revision != oldest {
		t.Errorf("the oldest remembered: %v", ok)
	}
}

func TestDamage(t *testing.T) {
	s := New()
	good := Put(at(1), "/subscriptions/s/a/x", []byte("body"))
	for n := range len(good) {
		if err := s.Apply(record.Ref{}, good[:n]); err == nil {
			t.Errorf("a fact cut to %d bytes was folded", n)
		}
	}
	for _, bad := range [][]byte{append(good[:len(good):len(good)], 0), {2, 1, 0, 0}, {1, 3, 0, 0}} {
		if err := s.Apply(record.Ref{}, bad); err == nil {
			t.Errorf("%x was folded", bad)
		}
	}
	if s.Revision() != 0 || s.Len() != 0 {
		t.Error("damage left a mark")
	}
	apply(t, s, good)
	snapshot := s.Snapshot(nil)
	for n := range len(snapshot) {
		if err := New().Restore(snapshot[:n]); err == nil {
			t.Errorf("a snapshot cut to %d bytes was restored", n)
		}
	}
	if err := s.Restore([]byte("WREG\x02")); err == nil || s.Len() != 0 {
		t.Errorf("a snapshot of another version: %v", err)
	}
}

// Random histories: the state, one that is restored half-way, and a naive map agree.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		s, follower, naive := New(), New(), map[string]string{}
		for step := range 200 {
			id := randomID(random)
			fact := Put(at(step), id, []byte(fmt.Sprint(step)))
			if random.IntN(4) == 0 {
				fact = Deleted(at(step), id)
				for have := range naive {
					if have == id || strings.HasPrefix(have, id+"/") {
						delete(naive, have)
					}
				}
			} else {
				naive[id] = fmt.Sprint(step)
			}
			apply(t, s, fact)
			if step == 100 {
				if err := follower.Restore(s.Snapshot(nil)); err != nil {
					t.Fatal(err)
				}
			} else if step > 100 {
				apply(t, follower, fact)
			}
		}
		if !bytes.Equal(s.Snapshot(nil), follower.Snapshot(nil)) {
			t.Fatalf("seed %d: the follower differs", seed)
		}
		var byType []Entry
		for _, typ := range []string{"p/t0", "p/t1", "p/t0/t0", "P/T0/t1", "p/t1/t0", "p/t1/t1", "p/t0/t0/t0", "p/t0/t0/t1", "p/t0/t1/t0", "p/t0/t1/t1", "p/t1/t0/t0", "p/t1/t0/t1", "p/t1/t1/t0", "p/t1/t1/t1"} {
			byType = append(byType, s.UnderOf("/Subscriptions/S", typ)...)
		}
		if len(byType) != s.Len() {
			t.Fatalf("seed %d: %d resources by type, %d in all", seed, len(byType), s.Len())
		}
		if got, want := show(s), showMap(naive); got != want {
			t.Fatalf("seed %d: %s, want %s", seed, got, want)
		}
	}
}

func randomID(random *rand.Rand) string {
	id := scope + "/providers/p"
	for range 1 + random.IntN(3) {
		id += fmt.Sprintf("/t%d/n%d", random.IntN(2), random.IntN(3))
	}
	return id
}

func show(s *State) string {
	m := map[string]string{}
	for _, e := range s.All() {
		m[e.ID] = string(e.Body)
	}
	return showMap(m)
}

func showMap(m map[string]string) string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	sort.Strings(out)
	return strings.Join(out, "\n")
}

// A page is a window on the list of a step's resources, whatever lies around it.
func TestPageOf(t *testing.T) {
	s := New()
	const parent = scope + "/providers/p/t/n"
	apply(t, s, Put(at(0), parent, nil))
	for i := range 50 {
		apply(t, s, Put(at(i), fmt.Sprintf("%s/queues/Q%02d", parent, (i*37)%50), nil))
		apply(t, s, Put(at(i), fmt.Sprintf("%s/topics/Q%02d/subscriptions/s", parent, i), nil)) // no topic is one
	}
	for _, size := range []int{1, 7, 49, 50, 51} {
		var all []Entry
		after := ""
		for {
			page, more := s.PageOf(strings.ToUpper(parent), "Queues", after, size)
			all = append(all, page...)
			if !more {
				break
			}
			if len(page) != size {
				t.Fatalf("a page of %d has %d and more follow", size, len(page))
			}
			after = Key(page[len(page)-1].ID)
		}
		if names(all) != names(s.ChildrenOf(parent, "queues")) || len(all) != 50 {
			t.Errorf("in pages of %d: %s", size, names(all))
		}
	}
	if page, more := s.PageOf(parent, "topics", "", 5); len(page) != 0 || more {
		t.Errorf("links are resources: %v", page)
	}
}
