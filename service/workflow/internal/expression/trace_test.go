package expression

import (
	"fmt"
	"strings"
	"testing"
)

func (t *Trace) line() string {
	var parts []string
	for _, p := range t.Parts {
		parts = append(parts, p.line())
	}
	given := string(AppendJSON(nil, t.Value))
	if t.Error != nil {
		given = "failed"
	}
	return fmt.Sprintf("%s%s=%s(%s)", t.Path, t.Text, given, strings.Join(parts, " "))
}

func TestTraces(t *testing.T) {
	parsed, problems := Parse(template(t, `{"a": "@add(4, parameters('list')[1])", "b": ["x @{variables('v')}"], "c": "@if(true, 1, div(1, 0))", "d": "@div(1, 0)"}`))
	if problems != nil {
		t.Fatal(problems)
	}
	_, traces, err := parsed.EvalTraced(newWorld(t), Budget{})
	if err == nil {
		t.Error("d did not fail")
	}
	var got []string
	for _, trace := range traces {
		got = append(got, trace.line())
	}
	want := []string{
		"aadd(4, parameters('list')[1])=6(4=4() parameters('list')[1]=2('list'=\"list\"()))",
		"b[0]variables('v')=\"text\"('v'=\"v\"())",
		"cif(true, 1, div(1, 0))=1(true=true() 1=1())",
		"ddiv(1, 0)=failed(1=1() 0=0())",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("traces\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	many, _ := Parse(strings.Repeat("@{add(1, 2)}", 2000))
	if v, traces, err := many.EvalTraced(newWorld(t), Budget{}); err != nil || len(v.(string)) != 2000 || len(traces) > TracesMax {
		t.Errorf("%d traces, %v", len(traces), err)
	}
}
