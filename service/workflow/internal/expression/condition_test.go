package expression

import (
	"strings"
	"testing"
)

func TestConditions(t *testing.T) {
	for condition, want := range map[string]string{
		`"@equals(1, 1)"`: "true",
		`{}`:              "true",
		`{"and": [{"equals": ["@parameters('age')", 42]}, {"not": {"greater": ["@variables('i')", 1]}}]}`: "true",
		`{"and": [{"equals": ["@parameters('age')", "42"]}, {"equals": ["@body('Other')", 1]}]}`:          "false",
		`{"or": [{"contains": ["@variables('v')", "ext"]}, {"equals": ["@body('Other')", 1]}]}`:           "true",
		`{"not": ["@empty(variables('v'))"]}`:                                                             "true",
		`{"Equals": ["@{parameters('age')}", "42"]}`:                                                      "true",
		`{"startsWith": ["Text", "t"]}`:                                                                   "true",
		`{"and": ["@true", "@equals(1, 2)"]}`:                                                             "false",
		`{"equals": [{"equals": [1, 1]}, true]}`:                                                          "true",
		`{"less": ["a", 1]}`:                                                                              "error: matching types",
		`"yes"`:                                                                                           "error: expects a value of type 'Boolean'. The provided value is of type 'String'",
		`{"near": [1, 2]}`:                                                                                "error: it is given 'near'",
		`{"equals": [1, 1], "less": [1, 2]}`:                                                              "error: it is given 'equals', 'less'",
		`{"equals": [1]}`:                                                                                 "error: the values to test for deep equality",
		`{"and": [{"equals": ["@add(", 1]}]}`:                                                             "error: expected token",
		`{"or": [{"and": []}]}`:                                                                           "error: expects at least one boolean parameter",
	} {
		got := ""
		parsed, problems := ParseCondition(template(t, condition))
		if parsed == nil {
			got = "error: " + problems[0].Message
		} else if yes, err := parsed.EvalCondition(newWorld(t), Budget{}); err != nil {
			got = "error: " + err.Error()
		} else {
			got = map[bool]string{true: "true", false: "false"}[yes]
		}
		text := strings.TrimPrefix(want, "error: ")
		if strings.HasPrefix(want, "error") != strings.HasPrefix(got, "error") || !strings.Contains(got, text) {
			t.Errorf("%s: %s, wants %s", condition, got, want)
		}
	}
	parsed, _ := ParseCondition(template(t, `{"and": [{"equals": [1, 1]}, {"equals": ["@body('Other')", 1]}]}`))
	_, err := parsed.EvalCondition(newWorld(t), Budget{})
	if e, ok := err.(*Error); !ok || e.Path != "and[1].equals[0]" {
		t.Errorf("%+v", err)
	}
	if refs := parsed.Refs(); len(refs.Actions) != 1 || len(refs.Functions) != 3 {
		t.Errorf("references %+v", refs)
	}
}
