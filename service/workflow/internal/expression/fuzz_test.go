package expression

import (
	"strings"
	"testing"
)

// FuzzEvaluate reads any text and, if it is one of the language, computes it within
// a small budget: nothing may panic, run on, or give what JSON can not hold.
func FuzzEvaluate(f *testing.F) {
	for _, s := range []string{"@add(1, 2)", "a @{triggerBody()?['x'][0]} b", "@json('{\"a\":[1,2]}')?.a[1]", "@xpath(xml('<a b=\"1\"/>'), '//@b')", "@formatDateTime('2018-03-15', 'yyyy-MM-dd')",
		"@formatNumber(1.5, '#,##0.00;(0)')", "@chunk('abc', 2)", "@decodeXmlName('_x0020_')", "@convertTimeZone('2018-01-01', 'UTC', 'Tokyo Standard Time', 'F')", "@range(1, 5)", "@sort(createArray(2, 1))", "@dataUriToBinary('data:,x')"} {
		f.Add(s)
	}
	for _, fn := range Functions() {
		f.Add("@" + fn.Name + "('1', 2, 'a', json('[1]'))")
		f.Add("@" + fn.Name + "(json('{\"a\":1}'), 1)")
		f.Add("@" + fn.Name + "('2018-03-15T00:00:00Z', 1, 'Day', 'g')")
		f.Add("@" + fn.Name + "()")
		f.Add("@" + fn.Name + "('x')")
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, s string) {
		if !strings.Contains(s, "@") {
			s = "@" + s
		}
		_ = References(s)
		parsed, problems := Parse(s)
		if parsed == nil {
			if len(problems) == 0 {
				t.Fatalf("%q is refused for no reason", s)
			}
			return
		}
		v, err := parsed.Eval(w, Budget{Steps: 20_000, Bytes: 1 << 20})
		if err != nil {
			return
		}
		if _, err := ParseJSON(string(AppendJSON(nil, v))); err != nil {
			t.Errorf("%q gives %s, which is no JSON: %v", s, AppendJSON(nil, v), err)
		}
	})
}
