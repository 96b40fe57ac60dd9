package resource

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// plans is a family with one type that keeps JSON: itself, in an object and in a list.
func plans(t *testing.T) (*Registry, *fakeUnit) {
	t.Helper()
	types, err := NewTypes(&Type{Name: "Test.Plans/plans", NameRange: Range{1, 20}, Fields: []Field{
		{Name: "drawing", Kind: JSON, Description: "What it looks like."},
		{Name: "empty", Kind: JSON, Default: Raw("{}"), Description: "What is not there."},
		{Name: "key", Kind: Secret, Description: "Opens it."},
		{Name: "fixed", Kind: JSON, Immutable: true, Description: "What stays."},
		{Name: "inner", Kind: Object, Description: "Inside.", Fields: []Field{{Name: "drawing", Kind: JSON, Description: "What it looks like."}}},
		{Name: "pages", Kind: List, Description: "More.", Element: &Field{Name: "page", Kind: Object, Fields: []Field{{Name: "text", Kind: JSON, Description: "What it says."}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := NewRegistry(types, bytes.NewReader(nil))
	u := &fakeUnit{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.Bind(u)
	return r, u
}

const planID = "/subscriptions/s/resourceGroups/g/providers/Test.Plans/plans/p"

func parsed(t *testing.T, text string) Document {
	t.Helper()
	docs, problems := Parse([]byte(text), scope)
	if err := problems.Fault(); err != nil || len(docs) != 1 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	return docs[0]
}

func putPlan(t *testing.T, r *Registry, d Document) Result {
	t.Helper()
	got, err := r.Put(t.Context(), d, Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestJSONIsKeptAsWritten(t *testing.T) {
	r, _ := plans(t)
	r.SealWith(testRing(t, 1))
	text := `{"id": "` + planID + `", "properties": {"key": "k", "drawing": {"z": 1.50, "a": [1e2, {"y": null, "b<": "\u00e9 & \"x\""}], "n": 12345678901234567890},
		"inner": {"drawing": [2.0, {}]}, "pages": [{"text": {"b": 1, "a": 2}}]}}`
	const drawing, inner, page = `{"z":1.50,"a":[1e2,{"y":null,"b<":"é & \"x\""}],"n":12345678901234567890}`, `[2.0,{}]`, `{"b":1,"a":2}`
	check := func(what string, d Document) {
		t.Helper()
		in, _ := d.Properties["inner"].(map[string]any)
		list, _ := d.Properties["pages"].([]any)
		if got := d.Raw("drawing"); got != drawing || d.Raw("empty") != "{}" || in["drawing"] != Raw(inner) || len(list) != 1 || list[0].(map[string]any)["text"] != Raw(page) {
			t.Errorf("%s: %v", what, d.Properties)
		}
	}
	first := putPlan(t, r, parsed(t, text))
	check("put", first.Document)
	have, err := r.Get(t.Context(), first.Document.ID)
	if err != nil {
		t.Fatal(err)
	}
	check("read", have)
	check("cloned", have.Clone())
	if typ, _ := r.Types().Lookup(have.Type()); typ.Redact(have).Raw("drawing") != drawing || typ.Redact(have).String("key") != "" {
		t.Error("redaction takes out what it should not, or leaves what it should not")
	}
	shown, err := json.Marshal(have)
	if err != nil {
		t.Fatal(err)
	}
	direct, _ := have.MarshalJSON()
	if !strings.Contains(string(direct), drawing) {
		t.Errorf("written as %s", direct)
	}
	// Another node gets what was shown, and hands it on before it is held against a type.
	var carried Document
	if err := json.Unmarshal(shown, &carried); err != nil {
		t.Fatal(err)
	}
	again, _ := carried.MarshalJSON()
	if !strings.Contains(string(again), drawing) || !strings.Contains(string(again), inner) {
		t.Errorf("handed on as %s", again)
	}
	if same := putPlan(t, r, carried); same.Changed {
		t.Error("putting what was shown changed something")
	}
	if moved := putPlan(t, r, parsed(t, strings.Replace(text, `"b": 1, "a": 2`, `"a": 2, "b": 1`, 1))); !moved.Changed {
		t.Error("another order of members is no change")
	}
}

func TestJSONFromYAML(t *testing.T) {
	r, _ := plans(t)
	got := putPlan(t, r, parsed(t, "id: "+planID+"\nproperties:\n  drawing:\n    z: 1.50\n    a: [x, 'y', ~, 0x10, yes]\n"))
	if got.Document.Raw("drawing") != `{"z":1.50,"a":["x","y",null,16,"yes"]}` {
		t.Errorf("%s", got.Document.Raw("drawing"))
	}
}

func TestJSONIsPatched(t *testing.T) {
	r, _ := plans(t)
	d := putPlan(t, r, parsed(t, `{"id": "`+planID+`", "properties": {"drawing": {"z": 1.50, "a": {"q": 1, "b": 2}}, "fixed": [1]}}`)).Document
	got, err := r.Patch(t.Context(), d.ID, []byte(`{"tags": {"k": "v"}, "properties": {"drawing": {"a": {"q": null, "c": 3.0}, "y": []}}}`), Condition{})
	if err != nil || got.Document.Raw("drawing") != `{"z":1.50,"a":{"b":2,"c":3.0},"y":[]}` || got.Document.Tags["k"] != "v" {
		t.Errorf("%v, %v", got.Document, err)
	}
	if _, err := r.Patch(t.Context(), d.ID, []byte(`{"properties": {"fixed": [1.0]}}`), Condition{}); err == nil || !strings.Contains(err.Error(), "cannot change") {
		t.Errorf("%v", err)
	}
}

func TestChangedValuesAreWrittenAnew(t *testing.T) {
	r, _ := plans(t)
	d := parsed(t, `{"id": "`+planID+`", "properties": {"drawing": {"z": 1.50, "a": 2}}}`)
	d.Properties["drawing"].(map[string]any)["a"] = int64(3)
	if got := putPlan(t, r, d).Document.Raw("drawing"); got != `{"a":3,"z":1.5}` {
		t.Errorf("%s", got)
	}
	d.Properties["drawing"] = func() {}
	if _, err := r.Put(t.Context(), d, Condition{}); err == nil {
		t.Error("a function was taken for JSON")
	}
	if v, _ := Raw(`{"a":[1,2.5,"x"]}`).Any().(map[string]any); v["a"].([]any)[0] != int64(1) || Raw(`"x"`).Any() != "x" {
		t.Errorf("%v", v)
	}
}

// TestPlainRaw: whatever encoding/json makes of a text, plainRaw gives back.
func TestPlainRaw(t *testing.T) {
	lots := rand.New(rand.NewPCG(1, 2))
	signs := []rune("<>&\\u003c\"\né\u2028")
	for range 2000 {
		s := make([]rune, lots.IntN(12))
		for i := range s {
			s[i] = signs[lots.IntN(len(signs))]
		}
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(string(s))
		want := strings.TrimSuffix(b.String(), "\n")
		escaped, _ := json.Marshal(string(s))
		if got := string(plainRaw(escaped)); got != want {
			t.Fatalf("%s: %s, want %s", escaped, got, want)
		}
	}
}
