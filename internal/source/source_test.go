package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// dump writes values with their lines: 3{a: 4[5 "x"]}.
func dump(v *Value) string {
	s := fmt.Sprint(v.Line)
	switch v.Kind {
	case List:
		var items []string
		for _, item := range v.Items {
			items = append(items, dump(item))
		}
		return s + "[" + strings.Join(items, " ") + "]"
	case Map:
		var fields []string
		for _, f := range v.Fields {
			fields = append(fields, f.Name+":"+dump(f.Value))
		}
		return s + "{" + strings.Join(fields, " ") + "}"
	case Text:
		return fmt.Sprintf("%s%q", s, v.Scalar)
	}
	return s + "=" + fmt.Sprint(v.Scalar)
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"json", "{\"a\": [1,\n 2.5, \"x\"],\n\n\"b\": null, \"c\": true}", `1{a:1[1=1 2=2.5 2"x"] b:4=<nil> c:4=true}`},
		{"json list after a mark", "\uFEFF\n[\n{}\n]", `2[3{}]`},
		{"json numbers", `[1e2, 9223372036854775807, 9223372036854775808, -0]`, `1[1=100 1=9223372036854775807 1=9.223372036854776e+18 1=0]`},
		{"json surrogates", `["\ud83d\ude00\/"]`, `1[1"😀/"]`},
		{"yaml", "a: 1\nb:\n  - x\n  - 'y'\nc: PT1M\nd: 2024-01-02\ne: yes\nf: ~\n", `1{a:1=1 b:3[3"x" 4"y"] c:5"PT1M" d:6"2024-01-02" e:7"yes" f:8=<nil>}`},
		{"yaml numbers", "n: [0x10, 1_000, .5, 1e3, '5', 18446744073709551615]\n", `1{n:1[1=16 1=1000 1=0.5 1=1000 1"5" 1=1.8446744073709552e+19]}`},
		{"yaml stream", "---\na: 1\n---\n---\nb: 2\n...\n", `2{a:2=1} 5{b:5=2}`},
		{"yaml alias", "- &x {k: 1}\n- *x\n", `1[1{k:1=1} 1{k:1=1}]`},
		{"yaml in brackets", "[{a: 1},\n{\"b\": x}]", `1[1{a:1=1} 2{b:2"x"}]`},
		{"nothing", " \n# only a comment\n", ``},
	} {
		values, err := Parse([]byte(c.in))
		var got []string
		for _, v := range values {
			got = append(got, dump(v))
		}
		if s := strings.Join(got, " "); err != nil || s != c.want {
			t.Errorf("%s: %s (%v), want %s", c.name, s, err, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"json cut", "{\"a\":\n 1", "line 2: this is no JSON: it ends too early"},
		{"json comma", "{\"a\": 1,\n\n}", "line 3: this is no JSON"},
		{"json newline in a string", "{\"a\":\n\"x\ny\"}", "line 2: this is no JSON"},
		{"json key twice", "{\"a\": 1,\n\"a\": 2}", `line 2: the key "a" was given before, on line 1`},
		{"json goes on", "{}\n{}", "line 2: nothing may follow"},
		{"json number", "[1e999]", "line 1: the number 1e999 is out of range"},
		{"json depth", strings.Repeat("[", 100), "line 1: lists and mappings"},
		{"yaml key twice", "a: 1\nb: 2\na: 3\n", `line 3: the key "a" was given before, on line 1`},
		{"yaml indent", "a: 1\n b: 2\n", "line 2: this is no YAML"},
		{"yaml not a number", "a: .nan\n", "line 1: .nan is no number"},
		{"yaml merge", "a: &a {x: 1}\nb:\n  <<: *a\n", "line 3: a key must be plain text"},
		{"yaml key", "? [a]\n: 1\n", "line 1: a key must be plain text"},
		{"yaml tag", "a: !!binary aGk=\n", "line 1: values with the tag"},
		{"yaml depth", strings.Repeat("- ", 100) + "x", "line 1: lists and mappings"},
		{"yaml laughs", laughs(), "more than 1048576 values"},
		{"too long", strings.Repeat(" ", BytesMax+1), "longer than 16 MiB"},
	} {
		values, err := Parse([]byte(c.in))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %s", c.name, values, err, c.want)
		}
	}
}

func laughs() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10))
	}
	return b.String()
}

// FuzzParse: never a panic, errors have a line, and what parses is a JSON value.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{\"a\": [1, 2.5, \"x\", null]}", "a: 1\nb: [x, 'y', ~]\n---\n- &q {k: v}\n- *q\n", "[1e5, true]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		values, err := Parse([]byte(s))
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Line < 1 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		for _, v := range values {
			if _, err := json.Marshal(v.Any()); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
		}
	})
}
