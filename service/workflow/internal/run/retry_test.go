package run

import (
	"testing"
	"time"

	"weir/service/workflow/internal/expression"
)

// The n-th wait of an exponential policy lies between what the documentation gives for
// its step: from 2^(n-2) to 2^(n-1) intervals, in the policy's bounds.
func TestWaitsGrow(t *testing.T) {
	for _, c := range []struct {
		n         int
		low, high time.Duration
	}{{1, 5 * time.Second, 7 * time.Second}, {2, 7 * time.Second, 14 * time.Second}, {3, 14 * time.Second, 28 * time.Second}, {4, 28 * time.Second, 56 * time.Second}, {20, time.Hour, time.Hour}} {
		seen := map[time.Duration]bool{}
		for lot := range uint64(100) {
			got := standard.wait(c.n, lot)
			if got < c.low || got > c.high {
				t.Errorf("wait %d is %s, wants %s to %s", c.n, got, c.low, c.high)
			}
			seen[got] = true
		}
		if c.low != c.high && len(seen) < 90 {
			t.Errorf("wait %d is one of %d only", c.n, len(seen))
		}
	}
	if got := (policy{fixed: true, interval: time.Minute}).wait(3, 1); got != time.Minute {
		t.Errorf("a fixed wait is %s", got)
	}
}

// What a schema refuses is told with its path.
func TestSchemasRefuse(t *testing.T) {
	for _, c := range []struct{ schema, content, path string }{
		{`{"type": "string"}`, `1`, ""},
		{`{"type": "array", "items": {"type": "integer"}}`, `[1, "2"]`, "[1]"},
		{`{"properties": {"a": {"properties": {"b": {"enum": [1, 2]}}}}}`, `{"a": {"b": 3}}`, "a.b"},
		{`{"additionalProperties": false, "properties": {"a": {}}}`, `{"z": 1}`, ""},
		{`{"definitions": {"x": {"minimum": 5}}, "properties": {"a": {"$ref": "#/definitions/x"}}}`, `{"a": 4}`, "a"},
		{`{"oneOf": [{"type": "integer"}, {"minimum": 0}]}`, `1`, ""},
		{`{"not": {"type": "null"}}`, `null`, ""},
		{`{"pattern": "^a+$"}`, `"ab"`, ""},
		{`{"maxItems": 1}`, `[1, 2]`, ""},
		{`{"$ref": "#"}`, `1`, "none"},
	} {
		s := &schema{root: object(t, c.schema)}
		v := parsed(t, c.content)
		s.check(s.root, v, "", "#", 0)
		if c.path == "none" {
			if len(s.faults) != 0 {
				t.Errorf("%s refuses %s: %s", c.schema, c.content, jsonOf(s.faults))
			}
			continue
		}
		if len(s.faults) != 1 {
			t.Errorf("%s finds in %s: %s", c.schema, c.content, jsonOf(s.faults))
			continue
		}
		if path, _ := s.faults[0].(interface{ Get(string) (any, bool) }).Get("path"); path != c.path {
			t.Errorf("%s finds it at %q, wants %q", c.schema, path, c.path)
		}
	}
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	v, err := expression.ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func object(t *testing.T, text string) *expression.Object {
	t.Helper()
	o, _ := parsed(t, text).(*expression.Object)
	return o
}
