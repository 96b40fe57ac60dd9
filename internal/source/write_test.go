package source

import (
	"encoding/json"
	"reflect"
	"testing"
)

func one(t *testing.T, text string) *Value {
	t.Helper()
	values, err := Parse([]byte(text))
	if err != nil || len(values) != 1 {
		t.Fatalf("%s: %d values, %v", text, len(values), err)
	}
	return values[0]
}

func TestAppendJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"b": 1.50, "a": [1e2, -0, 12345678901234567890], "c": null}`, `{"b":1.50,"a":[1e2,-0,12345678901234567890],"c":null}`},
		{`{"<a>": "x & \"y\" \u00e9\n", "t": true}`, `{"<a>":"x & \"y\" é\n","t":true}`},
		{"z: 1\na: {k: 0x10, j: 1.50, 'n': 1_000}\n", `{"z":1,"a":{"k":16,"j":1.50,"n":1000}}`},
		{"[]", "[]"}, {"{}", "{}"},
	} {
		if got := string(one(t, c.in).AppendJSON(nil)); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ have, patch, want string }{
		{`{"b": 1, "a": {"y": 2.0, "x": 3}}`, `{"a": {"x": null, "w": {"q": null, "r": 1}}, "c": [null]}`, `{"b":1,"a":{"y":2.0,"w":{"r":1}},"c":[null]}`},
		{`{"a": [1], "b": 2}`, `{"a": {"k": 1}, "b": null, "z": null}`, `{"a":{"k":1}}`},
		{`[1]`, `{"a": 1}`, `{"a":1}`},
		{`{"a": 1}`, `[2]`, `[2]`},
	} {
		have := one(t, c.have)
		before := string(have.AppendJSON(nil))
		if got := string(have.Merge(one(t, c.patch)).AppendJSON(nil)); got != c.want {
			t.Errorf("%s with %s: %s, want %s", c.have, c.patch, got, c.want)
		}
		if after := string(have.AppendJSON(nil)); after != before {
			t.Errorf("merging into %s changed it: %s", before, after)
		}
	}
}

// FuzzAppendJSON: what is written says what was read.
func FuzzAppendJSON(f *testing.F) {
	f.Add(`{"b": [1, 2.50, "x<", null], "a": {"k": 1e3}}`)
	f.Add("a: 1\nb: [x, 'y', ~, 0x10, .5]\n")
	f.Fuzz(func(t *testing.T, s string) {
		values, err := Parse([]byte(s))
		if err != nil {
			return
		}
		for _, v := range values {
			text := v.AppendJSON(nil)
			again, err := Parse(text)
			if v.Kind != Map && v.Kind != List {
				var plain any
				if err := json.Unmarshal(text, &plain); err != nil {
					t.Fatalf("%q: %s: %v", s, text, err)
				}
				continue
			}
			if err != nil || len(again) != 1 || !reflect.DeepEqual(again[0].Any(), v.Any()) {
				t.Fatalf("%q: %s: %v", s, text, err)
			}
		}
	})
}
