package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource/registry"
)

// TestScripts plays the conversations in testdata/*.txt with a registry of shops. A
// line that begins with > is said, the lines under it are the answer; lines that begin
// with | go on with the command above.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, u := newShop(t)
			golden(t, file, play(t, r, u, string(script)))
		})
	}
}

func play(t *testing.T, r *Registry, u *fakeUnit, script string) string {
	var out strings.Builder
	lines := strings.Split(strings.TrimRight(script, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		said, isCommand := strings.CutPrefix(lines[i], "> ")
		if !isCommand {
			if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
				out.WriteString(lines[i] + "\n")
			}
			continue
		}
		out.WriteString(lines[i] + "\n")
		var more []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|") {
			i++
			out.WriteString(lines[i] + "\n")
			more = append(more, strings.TrimPrefix(strings.TrimPrefix(lines[i], "|"), " "))
		}
		before := len(u.facts)
		answer := strings.TrimRight(answer(t, r, said, strings.Join(more, "\n")), "\n")
		if n := len(u.facts) - before; n > 0 {
			answer += fmt.Sprintf("\n(facts: %d)", n)
		}
		out.WriteString(answer + "\n")
	}
	return out.String()
}

// answer does one command: verb, id (short: store/shelf), the rest.
func answer(t *testing.T, r *Registry, said, more string) string {
	ctx := t.Context()
	words := strings.SplitN(said, " ", 3)
	for len(words) < 3 {
		words = append(words, "")
	}
	var condition Condition
	if rest, ok := strings.CutPrefix(words[0], "if-match:"); ok {
		etag, verb, _ := strings.Cut(rest, ":")
		condition.IfMatch, words[0] = etag, verb
	}
	switch words[0] {
	case "deploy":
		docs, problems := Parse([]byte(more), scope)
		if err := problems.Fault(); err != nil {
			return refusal(err)
		}
		results, err := r.PutAll(ctx, docs)
		if err != nil {
			return refusal(err)
		}
		return showResults(results)
	case "put-new":
		condition.IfNoneMatch = true
		fallthrough
	case "put":
		d := Document{ID: shopID(t, words[1])}
		if words[2] != "" {
			if err := json.Unmarshal([]byte(words[2]), &d.Properties); err != nil {
				t.Fatal(err)
			}
		}
		result, err := r.Put(ctx, d, condition)
		if err != nil {
			return refusal(err)
		}
		return showResults([]Result{result})
	case "patch":
		result, err := r.Patch(ctx, shopID(t, words[1]), []byte(words[2]), condition)
		if err != nil {
			return refusal(err)
		}
		return showResults([]Result{result})
	case "delete":
		if err := r.Delete(ctx, shopID(t, words[1]), condition); err != nil {
			return refusal(err)
		}
		return "deleted"
	case "get":
		d, err := r.Get(ctx, shopID(t, words[1]))
		if err != nil {
			return refusal(err)
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	case "list":
		parent := scope
		if words[1] != "" {
			parent = shopID(t, words[1])
		}
		docs, revision, err := r.List(ctx, parent, words[2])
		if err != nil {
			return refusal(err)
		}
		s := fmt.Sprintf("revision %d:", revision)
		for _, d := range docs {
			s += " " + d.Name()
		}
		return s
	case "act":
		got, err := r.Act(ctx, shopID(t, words[1]), words[2], map[string]any{"for": "me"})
		if err != nil {
			return refusal(err)
		}
		return fmt.Sprint(got)
	}
	t.Fatalf("unknown command %q", said)
	return ""
}

func shopID(t *testing.T, short string) ID {
	types := []string{"", "Test.Shop/stores", "Test.Shop/stores/shelves"}
	id, err := scope.Resource(types[1+strings.Count(short, "/")], short)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func refusal(err error) string {
	return "refused, " + fault.KindOf(err).String() + ":\n" + fault.Sentence(err)
}

func showResults(results []Result) string {
	var lines []string
	for _, r := range results {
		verb := "unchanged"
		if r.Created {
			verb = "created"
		} else if r.Changed {
			verb = "changed"
		}
		properties, _ := json.Marshal(r.Document.Properties)
		lines = append(lines, fmt.Sprintf("%s %s etag %s %s", verb, strings.Join(r.Document.ID.Names(), "/"), r.Document.ETag, properties))
	}
	return strings.Join(lines, "\n")
}

// A registry that folds another's facts, or its snapshot, is the same registry.
func TestFollowerAndSnapshot(t *testing.T) {
	r, u := newShop(t)
	ctx := t.Context()
	for _, name := range []string{"one", "two", "three"} {
		if _, err := r.Put(ctx, Document{ID: shopID(t, name), Properties: map[string]any{"city": "Ulm"}}, Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Delete(ctx, shopID(t, "two"), Condition{}); err != nil {
		t.Fatal(err)
	}
	follower, _ := newShop(t)
	for i, fact := range u.facts {
		if err := follower.Apply(fakeTurn{&fakeUnit{}}.Record(nil), fact); err != nil {
			t.Fatalf("fact %d: %v", i, err)
		}
	}
	restored, _ := newShop(t)
	if err := restored.Restore(r.Snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*Registry{"follower": follower, "restored": restored} {
		if !bytes.Equal(other.Snapshot(nil), r.Snapshot(nil)) {
			t.Errorf("the %s differs", name)
		}
		docs, revision, err := other.ListUnder(ctx, scope, "test.shop/STORES/shelves")
		if err != nil || len(docs) != 2 || revision != 7 {
			t.Errorf("the %s lists %d shelves at %d (%v)", name, len(docs), revision, err)
		}
	}
}

// Promise 5: a change is seen by nobody before it is durable.
func TestRevealAfterDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, u := newShop(t)
		u.manual = true
		ctx, id := t.Context(), shopID(t, "one")
		var put, got error
		var changes []Change
		putting, reading, watching := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			_, put = r.Put(ctx, Document{ID: id, Properties: map[string]any{"city": "Ulm"}}, Condition{})
			close(putting)
		}()
		synctest.Wait()
		go func() { _, got = r.Get(ctx, id); close(reading) }()
		go func() { changes, _ = r.Watch(0).Next(ctx); close(watching) }()
		synctest.Wait()
		select {
		case <-reading:
			t.Fatal("a change was read before it was durable")
		case <-watching:
			t.Fatal("a change was seen before it was durable")
		default:
		}
		u.commit()
		<-putting
		<-reading
		<-watching
		if put != nil || got != nil || len(changes) != 2 || !changes[0].ID.Equal(id) {
			t.Errorf("put %v, get %v, changes %v", put, got, changes)
		}
	})
}

// A read that meets a lost owner's changes sees the state that was folded anew.
func TestReadOverLostOwnership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, u := newShop(t)
		u.manual = true
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, _ = r.Put(ctx, Document{ID: shopID(t, "one"), Properties: map[string]any{"city": "Ulm"}}, Condition{})
		}()
		synctest.Wait()
		done := make(chan error)
		go func() { _, err := r.Get(t.Context(), shopID(t, "one")); done <- err }()
		synctest.Wait()
		u.View(r.Reset)
		if err := <-done; !fault.Is(err, fault.NotFound) {
			t.Errorf("after the loss: %v", err)
		}
		cancel()
	})
}

func TestWatch(t *testing.T) {
	r, _ := newShop(t)
	ctx := t.Context()
	if _, err := r.Put(ctx, Document{ID: shopID(t, "one"), Properties: map[string]any{"city": "Ulm"}}, Condition{}); err != nil {
		t.Fatal(err)
	}
	w := r.Watch(0)
	changes, err := w.Next(ctx)
	if err != nil || len(changes) != 2 || changes[0].ID.Name() != "one" || changes[1].ID.Name() != "default" {
		t.Fatalf("%v, %v", changes, err)
	}
	if err := r.Delete(ctx, shopID(t, "one"), Condition{}); err != nil {
		t.Fatal(err)
	}
	if changes, err = w.Next(ctx); err != nil || len(changes) != 1 || !changes[0].Deleted {
		t.Errorf("%v, %v", changes, err)
	}
	ended, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	if _, err := w.Next(ended); !fault.Is(err, fault.Canceled) {
		t.Errorf("a watch that ended: %v", err)
	}
	if _, err := r.Watch(99).Next(ctx); !errors.Is(err, ErrListAgain) {
		t.Errorf("a revision of the future: %v", err)
	}
}

// A watcher that falls behind what is remembered is told so, and costs nothing
// until then.
func TestSlowWatcher(t *testing.T) {
	r, _ := newShop(t)
	w := r.Watch(0)
	for i := range 5000 {
		if err := r.Apply(fakeTurn{&fakeUnit{}}.Record(nil), registry.Put(time.Time{}, shopID(t, fmt.Sprint(i)).String(), nil)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Next(t.Context()); !errors.Is(err, ErrListAgain) {
		t.Errorf("%v", err)
	}
}

func TestRedactAndMarkdown(t *testing.T) {
	types := shop(t)
	store, _ := types.Lookup("test.shop/Stores")
	d := Document{ID: shopID(t, "one"), Properties: map[string]any{"city": "Ulm", "owner": map[string]any{"name": "Ada", "pin": "1234"}}}
	if got := fmt.Sprint(store.Redact(d).Properties); got != "map[city:Ulm owner:map[name:Ada]]" || d.Properties["owner"].(map[string]any)["pin"] != "1234" {
		t.Errorf("redacted: %s", got)
	}
	shelf, _ := types.Lookup("Test.Shop/stores/shelves")
	golden(t, "testdata/shop.md", Markdown(store)+"\n"+Markdown(shelf))
}

// A schema that contradicts itself is found when the program starts.
func TestNewTypesRefuses(t *testing.T) {
	for name, types := range map[string][]*Type{
		"twice":              {{Name: "a.b/c"}, {Name: "A.B/C"}},
		"no provider":        {{Name: "stores"}},
		"no parent":          {{Name: "a.b/c/d"}},
		"name pattern":       {{Name: "a.b/c", NamePattern: "["}},
		"field twice":        {{Name: "a.b/c", Fields: []Field{{Name: "x", Kind: Int}, {Name: "X", Kind: Int}}}},
		"no kind":            {{Name: "a.b/c", Fields: []Field{{Name: "x"}}}},
		"enum of nothing":    {{Name: "a.b/c", Fields: []Field{{Name: "x", Kind: Enum}}}},
		"list of nothing":    {{Name: "a.b/c", Fields: []Field{{Name: "x", Kind: List}}}},
		"field pattern":      {{Name: "a.b/c", Fields: []Field{{Name: "x", Kind: String, Pattern: "("}}}},
		"default not in it":  {{Name: "a.b/c", Fields: []Field{{Name: "x", Kind: Int, Range: &Range{1, 2}, Default: int64(3)}}}},
		"default misspelled": {{Name: "a.b/c", Fields: []Field{{Name: "x", Kind: Duration, Default: "PT60S"}}}},
		"inner field":        {{Name: "a.b/c", Fields: []Field{{Name: "x", Kind: Object, Fields: []Field{{Name: "y"}}}}}},
	} {
		if _, err := NewTypes(types...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	r := NewRegistry(shop(&testing.T{}), nil)
	u := &fakeUnit{}
	r.Bind(u)
	store, _ := scope.Resource("Test.Shop/stores", "one")
	if _, err := r.Put(b.Context(), Document{ID: store, Properties: map[string]any{"city": "Ulm"}}, Condition{}); err != nil {
		b.Fatal(err)
	}
	shelf, _ := store.Child("shelves", "default")
	for i := 0; b.Loop(); i++ {
		if _, err := r.Put(b.Context(), Document{ID: shelf, Properties: map[string]any{"width": int64(10 + i%2)}}, Condition{}); err != nil {
			b.Fatal(err)
		}
	}
}
