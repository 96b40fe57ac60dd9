package jsonc

import (
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
	case Object:
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
	for in, want := range map[string]string{
		"{\"a\": [1,\n 2.5, \"x\"],\n\n\"b\": null, \"c\": true}": `1{a:1[1=1 2=2.5 2"x"] b:4=<nil> c:4=true}`,
		"\uFEFF// hello\n{ /* two\nlines */ 'a': 'it\"s', }":      `2{a:3"it\"s"}`,
		"[1,\n2,\n]":                                 `1[1=1 2=2]`,
		"[\"a\nb\", 3]":                              `1[1"a\nb" 2=3]`,
		`["\ud83d\ude00\/\n", "\'"]`:                 `1["😀/\n" "'"]`,
		`[-0, 1e2, 9223372036854775808]`:             `1[1=0 1=100 1=9.223372036854776e+18]`,
		"{\"a\": \"//no\", \"A\": \"/* comment\"}//": `1{a:1"//no" A:1"/* comment"}`,
	} {
		want = strings.ReplaceAll(want, `["😀/\n" "'"]`, `[1"😀/\n" 1"'"]`)
		v, err := Parse([]byte(in))
		if err != nil || dump(v) != want {
			t.Errorf("%s: %v, %v, want %s", in, v, err, want)
		}
	}
}

func TestValuesKnowTheirBytes(t *testing.T) {
	text := "{\n \"template\": {\"x\": [1, 2] } , \"b\": 1}"
	v, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	inner := v.Get("TEMPLATE")
	if got := text[inner.Start:inner.End]; got != `{"x": [1, 2] }` {
		t.Errorf("bytes %q", got)
	}
	if v.Get("absent").Get("x") != nil || v.Get("absent").Str() != "" {
		t.Error("what is absent is not nothing")
	}
}

func TestRefusals(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "line 1: the text ends too early",
		"{\"a\":\n 1":            "line 2: expected ',' or '}', found the end of the text",
		"{\"a\": 1\n\"b\": 2}":   "line 2: expected ',' or '}', found '\"'",
		"{\n,}":                  "line 2: expected a key",
		"{a: 1}":                 "line 1: expected a key in quotes, found 'a'",
		"{\"a\" 1}":              "line 1: expected ':' after the key \"a\"",
		"{\"a\": 1,\n\"a\": 2}":  `line 2: the key "a" was given before, on line 1`,
		"{}\n{}":                 "line 2: nothing may follow",
		"[1e999]":                "line 1: the number 1e999 is out of range",
		"[1-]":                   "line 1: the number 1- is out of range",
		"[yes]":                  `line 1: expected a value, found "yes"`,
		"[\n\"abc\n]":            "line 2: the string that begins here has no end",
		"/* \n":                  "line 1: the comment",
		`["\q"]`:                 `line 1: a string has the escape \q`,
		`["\u12"]`:               `line 1: \u needs four`,
		strings.Repeat("[", 200): "more than 96 deep",
	} {
		v, err := Parse([]byte(in))
		if !errors.As(err, new(*Error)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, %v, want %s", in, v, err, want)
		}
	}
}

// FuzzParse: never a panic, errors have a line within the text, values lie in it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{\"a\": [1, 2.5, \"x\", null,], // c\n}", "/* */ {'a': '\\u0041'}", "[1e5, true]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Parse([]byte(s))
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Line < 1 || e.Line > strings.Count(s, "\n")+1 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := Parse(v.Append(nil))
		if err != nil || strings.Contains(string(again.Append(nil)), "\n") || string(again.Append(nil)) != string(v.Append(nil)) {
			t.Fatalf("%q was written as %s (%v)", s, v.Append(nil), err)
		}
		if v.Start < 0 || v.End > len(s) || v.Start > v.End {
			t.Fatalf("%q: %d to %d", s, v.Start, v.End)
		}
	})
}
