package document

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestPositionsAndOrder(t *testing.T) {
	v, err := Parse([]byte("\xef\xbb\xbf{ // said\n  \"b\": [1, \"x\"],\n  /* two\n lines */ \"a\": {\"deep\": null}\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{v.Members[0].Name, v.Members[1].Name}; !reflect.DeepEqual(got, []string{"b", "a"}) {
		t.Errorf("order is %v", got)
	}
	if at := v.Get("b").Items[1].At; at != (Position{2, 12}) {
		t.Errorf("\"x\" stands at %v", at)
	}
	if at := v.Members[1].At; at != (Position{4, 11}) {
		t.Errorf("\"a\" stands at %v", at)
	}
	if raw := string(v.Get("b").Raw); raw != `[1, "x"]` {
		t.Errorf("raw of b is %s", raw)
	}
	if v.Get("a").Get("deep").Given() || v.Get("none").Given() {
		t.Error("null and nothing count as given")
	}
}

func TestUTF16(t *testing.T) {
	for _, text := range []string{"\xff\xfe{\x00\"\x00\xe9\x00\"\x00:\x001\x00}\x00", "\xfe\xff\x00{\x00\"\x00\xe9\x00\"\x00:\x001\x00}"} {
		v, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := v.Get("\u00e9").Int(); !ok || n != 1 {
			t.Errorf("read %s", v.Raw)
		}
	}
}

func TestSyntaxErrorsTeach(t *testing.T) {
	for text, want := range map[string]string{
		"{\"a\": 1,}":              "line 1, column 9: expected a member's name in double quotes",
		"{\n \"a\" 1}":             "line 2, column 6: expected a colon",
		"[1 2]":                    "line 1, column 4: expected a comma or the end of the array",
		"":                         "line 1, column 1: expected a value, found the end of the file",
		"{\"a\": \"x":              "expected the end of the string",
		"[01]":                     "expected a number",
		"[nul]":                    "expected a value",
		"{} {}":                    "expected the end of the file",
		"{\"a\": \"\\q\"}":         "escapes",
		"/* no end":                "*/",
		strings.Repeat("[", 1_000): "at most 500",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v does not say %q", text, err, want)
		}
		if _, ok := errors.AsType[*SyntaxError](err); !ok {
			t.Errorf("%.20q: error is a %T", text, err)
		}
	}
}

func TestPathsQuoteWhatNeedsIt(t *testing.T) {
	if p := Root.Of("actions").Of("Send mail").Of("inputs").At(3).Of("it's"); p != `$.actions['Send mail'].inputs[3]['it\'s']` {
		t.Errorf("path is %s", p)
	}
}

func TestIntegersAsDesignersSaveThem(t *testing.T) {
	v, err := Parse([]byte(`[1, "2", 3.0, 3.5, "x", true]`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 2, 3} {
		if n, ok := v.Items[i].Int(); !ok || n != want {
			t.Errorf("item %d is %d, %v", i, n, ok)
		}
	}
	for _, bad := range v.Items[3:] {
		if _, ok := bad.Int(); ok {
			t.Errorf("%s counts as a whole number", bad.Raw)
		}
	}
}

func TestTwiceNamesTheSecond(t *testing.T) {
	v, _ := Parse([]byte("{\"a\":1,\n\"a\":2}"))
	if twice := v.Twice(); len(twice) != 1 || twice[0].At.Line != 2 {
		t.Errorf("twice is %v", twice)
	}
	if n, _ := v.Get("a").Int(); n != 2 {
		t.Errorf("the last one does not count: %d", n)
	}
}

// FuzzParse holds the reader against encoding/json: what that accepts is accepted
// here and means the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"x\n\u00e9",true,null]}`, `[]`, `"\ud800"`, `{"a":1,"a":2}`, "\xef\xbb\xbf{}", `["é"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if !json.Valid(data) {
			return
		}
		var want any
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.UseNumber()
		if d.Decode(&want) != nil {
			return
		}
		if err != nil {
			if strings.Contains(err.Error(), "values in one another") {
				return
			}
			t.Fatalf("refused what encoding/json reads: %v", err)
		}
		if got := v.Plain(func(s string) any { return json.Number(s) }); !reflect.DeepEqual(got, want) {
			t.Fatalf("read %#v, encoding/json reads %#v", got, want)
		}
	})
}
