package filter

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// The truth tables of the documentation, over all pairs of the three values.
func TestTruthTables(t *testing.T) {
	m := newMessage()
	m.user["t"], m.user["f"] = true, false // u is not there, so unknown
	and := map[string]Tristate{
		"tt": True, "tf": False, "tu": Unknown, "ft": False, "ff": False, "fu": False, "ut": Unknown, "uf": False, "uu": Unknown,
	}
	or := map[string]Tristate{
		"tt": True, "tf": True, "tu": True, "ft": True, "ff": False, "fu": Unknown, "ut": True, "uf": Unknown, "uu": Unknown,
	}
	not := map[string]Tristate{"t": False, "f": True, "u": Unknown}
	for pair, want := range and {
		check(t, fmt.Sprintf("%c AND %c", pair[0], pair[1]), m, want)
	}
	for pair, want := range or {
		check(t, fmt.Sprintf("%c OR %c", pair[0], pair[1]), m, want)
	}
	for one, want := range not {
		check(t, "NOT "+one, m, want)
	}
}

func check(t *testing.T, sql string, p Properties, want Tristate) {
	t.Helper()
	f, err := ParseFilter(sql, nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if got, err := f.Match(p); got != want || err != nil {
		t.Errorf("%s is %v (%v), want %v", sql, got, err, want)
	}
}

func TestLimits(t *testing.T) {
	fits := "a = '" + strings.Repeat("x", expressionCharsMax-6) + "'"
	if _, err := ParseFilter(fits, nil); err != nil {
		t.Errorf("%d characters: %v", len(fits), err)
	}
	var syntax *SyntaxError
	if _, err := ParseFilter(fits+" ", nil); !errors.As(err, &syntax) || syntax.Position != expressionCharsMax+1 {
		t.Errorf("one character too many: %v", err)
	}
	// Characters outside the basic plane count twice, as in UTF-16.
	if _, err := ParseFilter("a = '"+strings.Repeat("😀", expressionCharsMax/2)+"'", nil); err == nil {
		t.Error("half as many surrogate pairs are too long all the same")
	}
	statements := strings.Repeat("REMOVE a;", statementsMax)
	if _, err := ParseAction(statements, nil); err != nil {
		t.Errorf("%d statements: %v", statementsMax, err)
	}
	if _, err := ParseAction(statements+"REMOVE a", nil); err == nil {
		t.Error("one statement too many was accepted")
	}
}

// newid needs a source; a message without one makes it an error.
func TestNewIDWithoutSource(t *testing.T) {
	f, err := ParseFilter("newid() IS NULL", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Match(struct{ Properties }{newMessage()}); err == nil {
		t.Errorf("got %v, want an error", got)
	}
}

func TestDecimalFromBits(t *testing.T) {
	// Encodings of the binary integer form, IEEE 754-2008 section 3.5.2.
	for _, c := range []struct{ bits, want string }{
		{"32800001", "1"},
		{"b2800001", "-1"},
		{"3200000f", "1.5"},
		{"6ca00001", "8388609"}, // the long form
		{"31c0000000000001", "1"},
		{"31a000000000000f", "1.5"},
		{"30400000000000000000000000000001", "1"},
		{"b03e0000000000000000000000000019", "-2.5"},
		{"30420000000000000000000000000007", "7E1"},
		{"78000000", ""}, // infinity
		{"7c000000", ""}, // not a number
		{"0000", ""},
	} {
		n, _ := new(big.Int).SetString(c.bits, 16)
		d, ok := DecimalFromBits(n.FillBytes(make([]byte, len(c.bits)/2)))
		if ok != (c.want != "") || ok && d.String() != c.want {
			t.Errorf("%s is %s (%v), want %q", c.bits, d, ok, c.want)
		}
	}
}

func TestParseDecimal(t *testing.T) {
	for in, want := range map[string]string{
		"1.50": "1.50", "-0.05": "-0.05", "12e3": "12E3", "1e-3": "0.001", "0": "0",
		"": "", "x": "", "1.-5": "", "1_0": "", "1e9999": "", "1e": "",
	} {
		d, err := ParseDecimal(in)
		if (err == nil) != (want != "") || err == nil && d.String() != want {
			t.Errorf("%q is %s (%v), want %q", in, d, err, want)
		}
	}
}

func TestCorrelation(t *testing.T) {
	m := newMessage()
	m.system[SysCorrelationID], m.system[SysLabel], m.system[SysTo] = "c-1", "red", ""
	m.user["n"], m.user["s"], m.user["none"] = int32(5), "5", nil
	for _, c := range []struct {
		name   string
		fields CorrelationFields
		want   Tristate
	}{
		{"system", CorrelationFields{CorrelationID: "c-1", Label: "red"}, True},
		{"case matters", CorrelationFields{Label: "Red"}, False},
		{"not set", CorrelationFields{CorrelationID: "c-1", MessageID: "m"}, False},
		{"number of another width", CorrelationFields{Properties: map[string]any{"n": int64(5)}}, True},
		{"name in another case", CorrelationFields{Properties: map[string]any{"N": 5.0}}, True},
		{"a string is no number", CorrelationFields{Properties: map[string]any{"n": "5"}}, False},
		{"a number is no string", CorrelationFields{Properties: map[string]any{"s": 5}}, False},
		{"missing", CorrelationFields{Properties: map[string]any{"x": "5"}}, False},
		{"null is null", CorrelationFields{Properties: map[string]any{"none": nil}}, True},
		{"null is not missing", CorrelationFields{Properties: map[string]any{"x": nil}}, False},
		{"all must hold", CorrelationFields{Label: "red", Properties: map[string]any{"n": 5, "s": "6"}}, False},
	} {
		f, err := NewCorrelation(c.fields)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got, err := f.Match(m); got != c.want || err != nil {
			t.Errorf("%s: %s is %v (%v), want %v", c.name, f, got, err, c.want)
		}
	}
	if _, err := NewCorrelation(CorrelationFields{}); !errors.Is(err, ErrNoCondition) {
		t.Errorf("an empty filter: %v", err)
	}
	f, _ := NewCorrelation(CorrelationFields{ReplyTo: "me", Properties: map[string]any{"b c": 1, "a": "it's"}})
	if got, want := f.String(), "sys.ReplyTo = 'me' AND a = 'it''s' AND [b c] = 1"; got != want {
		t.Errorf("String is %s, want %s", got, want)
	}
}

// The documentation's count: two rules with actions and three without, all
// matching, make three messages.
func TestSelect(t *testing.T) {
	mark, err := ParseAction("SET marked = TRUE", nil)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := ParseFilter("sys.NoSuch = 1", nil)
	if err != nil {
		t.Fatal(err)
	}
	yes, no := Always(true), Always(false)
	for _, c := range []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"five match", []Rule{{Filter: yes}, {Filter: yes, Action: mark}, {Filter: yes}, {Filter: yes, Action: mark}, {Filter: yes}}, "plain=true acting=[1 3] failed=-1"},
		{"none", []Rule{{Filter: no}, {Filter: no, Action: mark}}, "plain=false acting=[] failed=-1"},
		{"no rules", nil, "plain=false acting=[] failed=-1"},
		{"failed", []Rule{{Filter: no}, {Filter: broken}, {Filter: broken, Action: mark}}, "plain=false acting=[] failed=1"},
		{"failed, and another rule acts", []Rule{{Filter: broken}, {Filter: yes, Action: mark}}, "plain=false acting=[1] failed=0"},
		{"failed, and another rule chose it", []Rule{{Filter: broken}, {Filter: yes}}, "plain=true acting=[] failed=-1"},
		{"chosen, and another rule fails", []Rule{{Filter: yes}, {Filter: broken, Action: mark}}, "plain=true acting=[] failed=-1"},
	} {
		s := Select(c.rules, newMessage())
		if got := fmt.Sprintf("plain=%v acting=%v failed=%d", s.Plain, s.Acting, s.Failed); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if (s.Err != nil) != (s.Failed >= 0) {
			t.Errorf("%s: failed %d with error %v", c.name, s.Failed, s.Err)
		}
	}
}

var seeds = []string{
	"a = 1", "1=1", "NOT (a OR b) AND c <> 'it''s'", "sys.Label LIKE '%b_s%' ESCAPE '!'", "[a]]b] IN (1, -2.5e3, NULL, TRUE)",
	"EXISTS(user.x) AND y IS NOT NULL", "property('a' + b) >= @p - -3 * +(4 % 2)", "\"q\"\"q\" NOT LIKE p(x)", "-(5) = - -5", "newid() = 0x1F",
}

// FuzzParseFilter holds promises 1 and 6: parsing never panics, what parses prints
// as something that parses to the same, and both judge a message alike.
func FuzzParseFilter(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	params := map[string]any{"p": int64(3)}
	f.Fuzz(func(t *testing.T, sql string) {
		first, err := ParseFilter(sql, params)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Position < 1 {
				t.Fatalf("%q: %v has no position", sql, err)
			}
			return
		}
		printed := first.String()
		if len(printed) > expressionCharsMax {
			return // the canonical form may be longer than the limit
		}
		second, err := ParseFilter(printed, params)
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", sql, printed, err)
		}
		if again := second.String(); again != printed {
			t.Fatalf("%q prints as %q, then as %q", sql, printed, again)
		}
		m := newMessage()
		m.user["a"], m.user["b"], m.user["x"] = int64(1), "a", true
		t1, err1 := first.Match(m)
		t2, err2 := second.Match(m)
		if t1 != t2 || (err1 == nil) != (err2 == nil) {
			t.Fatalf("%q is %v (%v), %q is %v (%v)", sql, t1, err1, printed, t2, err2)
		}
	})
}

// FuzzParseAction holds the same for actions.
func FuzzParseAction(f *testing.F) {
	for _, s := range seeds {
		f.Add("SET a = 1; REMOVE b SET sys.Label = " + s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		first, err := ParseAction(sql, nil)
		if err != nil || len(first.String()) > expressionCharsMax {
			return
		}
		second, err := ParseAction(first.String(), nil)
		if err != nil || second.String() != first.String() {
			t.Fatalf("%q prints as %q, which gives %v (%v)", sql, first, second, err)
		}
		_ = first.Run(newMessage())
	})
}

func BenchmarkMatch(b *testing.B) {
	m := newMessage()
	m.user["color"], m.user["quantity"], m.system[SysLabel] = "red", int32(10), "omnibus"
	for _, sql := range []string{
		"color = 'red'",
		"quantity > 5",
		"color = 'blue' OR quantity * 2 = 20 AND NOT EXISTS(missing)",
		"sys.Label LIKE '%nib%'",
		"color IN ('a', 'b', 'c', 'red')",
	} {
		f, err := ParseFilter(sql, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(sql, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if t, err := f.Match(m); t != True || err != nil {
					b.Fatal(t, err)
				}
			}
		})
	}
	c, err := NewCorrelation(CorrelationFields{Label: "omnibus", Properties: map[string]any{"color": "red"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("correlation", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if t, _ := c.Match(m); t != True {
				b.Fatal(t)
			}
		}
	})
}

func BenchmarkParseFilter(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseFilter("color = 'blue' OR quantity * 2 = 20 AND NOT EXISTS(missing)", nil); err != nil {
			b.Fatal(err)
		}
	}
}
