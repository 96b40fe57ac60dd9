package expression

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

func template(t *testing.T, s string) any {
	t.Helper()
	v, err := ParseJSON(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestATemplateIsComputedWhole(t *testing.T) {
	parsed, problems := Parse(template(t, `{"z": "@parameters('age')", "a": ["@{variables('v')}!", {"deep": "@item()"}, 1.0, null], "@name()": "as it is", "plain": {"x": [true]}}`))
	if problems != nil {
		t.Fatal(problems)
	}
	got, err := parsed.Eval(newWorld(t), Budget{})
	if want := `{"z":42,"a":["text!",{"deep":{"k":1}},1.0,null],"@name()":"as it is","plain":{"x":[true]}}`; err != nil || string(AppendJSON(nil, got)) != want {
		t.Errorf("%s, %v, wants %s", AppendJSON(nil, got), err, want)
	}
	if refs := parsed.Refs(); len(refs.Parameters) != 1 || len(refs.Variables) != 1 || strings.Join(refs.Functions, " ") != "parameters variables item" {
		t.Errorf("references %+v", refs)
	}
}

func TestErrorsSayWhereTheyAre(t *testing.T) {
	parsed, _ := Parse(template(t, `{"body": {"to do": [1, "x @{add(1, 2)} @{triggerBody()['none']}"]}}`))
	_, err := parsed.Eval(newWorld(t), Budget{})
	var e *Error
	if !errors.As(err, &e) || e.Path != "body['to do'][1]" || e.Column != 18 || e.Expression != "triggerBody()['none']" || e.Code != "InvalidTemplate" {
		t.Fatalf("%+v", err)
	}
	if got, want := e.In("Send", 1, 20), "Unable to process template language expressions in action 'Send' inputs at line '1' and column '20': 'The template language expression 'triggerBody()['none']' cannot be evaluated because property 'none' doesn't exist"; !strings.HasPrefix(got, want) {
		t.Errorf("%s, wants it to begin with %s", got, want)
	}
	_, problems := Parse(template(t, `{"a": "@add(", "b": ["@{x()}", "@add(1)"]}`))
	if len(problems) != 3 || problems[0].Path != "a" || problems[1].Path != "b[0]" || problems[2].Path != "b[1]" {
		t.Errorf("problems %+v", problems)
	}
}

// What only fails when it is reached does not fail before.
func TestCallsThatCannotBeFailWhenTheyAreReached(t *testing.T) {
	parsed, problems := Parse("@if(parameters('age'), 1, 2)")
	if problems != nil || parsed == nil {
		t.Fatal(problems)
	}
	parsed, problems = Parse("@if(equals(1, 1), 'here', nowhere())")
	if parsed == nil || len(problems) != 1 || problems[0].Code != CodeUnknown {
		t.Fatalf("%v, %+v", parsed, problems)
	}
	if got, err := parsed.Eval(newWorld(t), Budget{}); got != "here" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	parsed, _ = Parse("@nowhere()")
	if _, err := parsed.Eval(newWorld(t), Budget{}); err == nil || !strings.Contains(err.Error(), "'nowhere' is not defined or not valid") {
		t.Errorf("%v", err)
	}
}

func TestWhatTheContextSaysIsKept(t *testing.T) {
	parsed, _ := Parse("@body('broken')")
	_, err := parsed.Eval(newWorld(t), Budget{})
	var e *Error
	if !errors.As(err, &e) || errors.Unwrap(e) == nil {
		t.Errorf("%v does not wrap what the context said", err)
	}
}

func TestBudgets(t *testing.T) {
	nested := strings.Repeat("add(1, ", 20) + "1" + strings.Repeat(")", 20)
	for _, c := range []struct {
		text   string
		budget Budget
		want   string
	}{
		{"@" + nested, Budget{}, "21"},
		{"@" + nested, Budget{Depth: 10}, "nested '21' deep"},
		{"@" + nested, Budget{Steps: 10}, "more steps"},
		{"@range(1, 10000)", Budget{Steps: 1000}, "more steps"},
		{"@length(range(1, 10000))", Budget{Bytes: 1000}, "larger than allowed"},
		{"@concat('aaaaaaaa', 'aaaaaaaa')", Budget{Bytes: 10}, "larger than allowed"},
		{"@{parameters('list')}@{parameters('list')}", Budget{Bytes: 10}, "larger than allowed"},
		{"@replace('aaaaaaaaaa', 'a', 'bbbbbbbbbb')", Budget{Bytes: 50}, "larger than allowed"},
		{"@json('[1,2,3,4,5,6,7,8,9]')", Budget{Bytes: 20}, "larger than allowed"},
		{"@xpath(xml('<a><b/><b/><b/><b/><b/><b/></a>'), '//*[//*[//*]]')", Budget{Steps: 100}, "! at 2: The evaluation takes more steps"},
		{"@join(range(1, 100), ',')", Budget{Steps: 150}, "more steps"},
	} {
		if got := compute(newWorld(t), c.text, c.budget); !strings.Contains(got, c.want) {
			t.Errorf("%.60s within %+v: %.200s, wants %q", c.text, c.budget, got, c.want)
		}
	}
	for _, text := range []string{"@" + strings.Repeat("not(", depthMax+1) + strings.Repeat(")", depthMax+1), "@concat('" + strings.Repeat("a", textMax) + "')", strings.Repeat("@{guid()}", partsMax+1)} {
		if _, problems := Parse(text); len(problems) == 0 || problems[0].Code != CodeLimit {
			t.Errorf("%.30s... was taken", text)
		}
	}
}

// One compiled template serves many at once.
func TestConcurrentEvaluation(t *testing.T) {
	parsed, _ := Parse("@concat(string(add(parameters('age'), 1)), toUpper(variables('v')), join(range(1, 5), '-'))")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			w := newWorld(t)
			for range 200 {
				if v, err := parsed.Eval(w, Budget{}); v != "43TEXT1-2-3-4-5" || err != nil {
					t.Errorf("%v, %v", v, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestObjectsWithManyMembers(t *testing.T) {
	var b strings.Builder
	b.WriteString("{")
	for i := range 200 {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`"k` + strings.Repeat("x", i) + `":` + string(rune('0'+i%10)))
	}
	b.WriteString(`,"k":"again"}`)
	o := template(t, b.String()).(*Object)
	if v, _ := o.Get("K"); len(o.Members) != 200 || v != "again" || o.Members[0].Name != "k" {
		t.Errorf("%d members, k is %v", len(o.Members), v)
	}
}

func TestAFunctionIsCalledWithValues(t *testing.T) {
	got, err := Lookup("addtotime").Call(newWorld(t), Budget{}, "2018-01-01T00:00:00Z", int64(1), "Month")
	if got != "2018-02-01T00:00:00.0000000Z" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Lookup("if").Call(newWorld(t), Budget{}, true, 1); err == nil || !strings.Contains(err.Error(), "three parameter") {
		t.Errorf("%v", err)
	}
}
