package expression

import (
	"strings"
	"testing"
)

func TestProblemsAreNamedWithTheirColumn(t *testing.T) {
	for _, c := range []struct {
		text   string
		code   Code
		column int
		says   string
	}{
		{"plain", "", 0, ""},
		{"@", "", 0, ""},
		{"@@not(", "", 0, ""},
		{"@body(1)", CodeArity, 2, "expects its parameter to be a string"},
		{"@{concat('a', variables(true))}", CodeArity, 15, "'variables' expects its parameter to be a string"},
		{"@parameters(1)", "", 0, ""},
		{"mail me@example.com", "", 0, ""},
		{"@concat('a', 'it''s')", "", 0, ""},
		{"@sub(10.3, .3)", "", 0, ""},
		{"@triggerBody()?['a b']?.c[0]", "", 0, ""},
		{"@concat('a'", CodeParse, 12, "expected token 'RightParenthesis' and actual 'EndOfData'"},
		{"@type", CodeParse, 6, "expected token 'LeftParenthesis' and actual 'EndOfData'"},
		{`@length("hello")`, CodeParse, 9, "single quotes"},
		{"@concat('a) ", CodeParse, 9, "not terminated"},
		{"ü@{lenght('x')}", CodeUnknown, 4, "Did you mean 'length'?"},
		{"@{toLower('a', 'b')}", CodeArity, 3, "expects one parameter: the string to convert to lower casing. The function was invoked with '2' parameter(s). It is called 'toLower(text)'."},
		{"@{toLower('a'", CodeParse, 1, "no closing '}'"},
		{"@equals(1)", CodeArity, 2, "expects two parameters: the values to test for deep equality"},
		{"@and(true, )", CodeParse, 12, "expected token 'Identifier' and actual 'RightParenthesis'"},
		{"@triggerBody()?body", CodeParse, 16, "expected token 'Dot' and actual 'Identifier'"},
		{"@body('x') and more", CodeParse, 12, "expected token 'EndOfData' and actual 'Identifier'"},
		{"@triggerBody()[‘a’]", CodeUnknown, 0, ""},
	} {
		problems := Check(c.text)
		if c.column == 0 {
			if len(problems) != 0 && c.code == "" {
				t.Errorf("Check(%q) = %v, wants no problem", c.text, problems)
			}
			continue
		}
		if len(problems) != 1 || problems[0].Code != c.code || problems[0].Column != c.column || !strings.Contains(problems[0].Message, c.says) {
			t.Errorf("Check(%q) = %+v, wants one %s at %d with %q", c.text, problems, c.code, c.column, c.says)
		}
	}
}

func TestAllProblemsAreNamedAtOnce(t *testing.T) {
	if got := Check("@{foo(bar(), equals(1))} and @{not()}"); len(got) != 4 {
		t.Errorf("got %d problems, wants 4: %v", len(got), got)
	}
}

func TestReferences(t *testing.T) {
	got := References("@{if(equals(body('A')?[variables('v')], outputs('B')['x']), Parameters('p'), items('Loop'))} @{result('S')} @{triggerBody()} @{body(variables('w'))}")
	if len(got.Actions) != 2 || got.Actions[0].Name != "A" || got.Actions[1].Name != "B" || got.Actions[0].Column != 13 {
		t.Errorf("actions %+v", got.Actions)
	}
	if len(got.Variables) != 2 || len(got.Parameters) != 1 || len(got.Loops) != 1 || len(got.Scopes) != 1 || len(got.Dynamic) != 1 || !got.Trigger {
		t.Errorf("references %+v", got)
	}
}
