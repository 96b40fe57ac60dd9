package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestPlayedIsCounted(t *testing.T) {
	all := []played{{Category: "security", Verdict: "succeeded"}, {Category: "lintfix", Verdict: "unsupported", File: "l.json", Faults: []fault{{Type: "Later", Code: "ActionTypeNotSupported"}}},
		{Category: "standard", Verdict: "unsupported", File: "s.json", Faults: []fault{{Type: "Xslt", Code: "ActionTypeNotSupported"}}}, {Category: "security", Verdict: "invalid"}, {Category: "standard", Verdict: "as written"}}
	var b bytes.Buffer
	if printPlayed(&b, all, []string{"security", "standard"}, true) {
		t.Error("two of three are enough")
	}
	for _, line := range []string{"of 3 real ones 66.7 % went to their end", "     1 Xslt", "s.json: unsupported"} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("the table lacks %q:\n%s", line, b.String())
		}
	}
	if !printPlayed(&b, all[:1], []string{"security"}, false) {
		t.Error("all of them are not enough")
	}
}
