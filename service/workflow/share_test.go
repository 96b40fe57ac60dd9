package workflow

import (
	"strings"
	"testing"

	"weir/kernel/fault"
)

// A share of a workflow's times is n of m; anything else is refused when it is declared.
func TestSharesAreChecked(t *testing.T) {
	r := declared(t)
	for tag, ok := range map[string]bool{"1/2": true, "2/2": true, "": true, "0/2": false, "3/2": false, "1/17": false, "half": false} {
		text := strings.Replace(flowOf(`, "actions": {}`, ""), `"location"`, `"tags": {"weir-share": "`+tag+`"}, "location"`, 1)
		_, err := declare(t, r, text)
		if ok != (err == nil) || err != nil && !strings.Contains(fault.Sentence(err), "such as 1/2") {
			t.Errorf("weir-share %q: %v", tag, err)
		}
	}
}
