package rest

import (
	"testing"

	"weir/kernel/identity/rights"
)

// Azure's roles for workflows allow what they say under the names that Operation gives.
func TestRoles(t *testing.T) {
	const contributor, operator = "87a39d53-fc1b-424a-814c-f7e04687dc9e", "515c2055-d9d4-4321-b1b9-bd0c9a0f79fe"
	for _, c := range []struct {
		method string
		rest   []string
		who    string
		want   bool
	}{
		{"GET", []string{"runs", "r", "actions", "a"}, operator, true},
		{"GET", []string{"triggers", "t", "histories"}, operator, true},
		{"POST", []string{"validate"}, operator, true},
		{"POST", []string{"runs", "r", "cancel"}, operator, false},
		{"POST", []string{"runs", "cancel"}, operator, false},
		{"POST", []string{"triggers", "t", "listCallbackUrl"}, operator, false},
		{"POST", []string{"runs", "r", "cancel"}, contributor, true},
		{"POST", []string{"triggers", "t", "histories", "h", "resubmit"}, contributor, true},
		{"POST", []string{"regenerateAccessKey"}, contributor, true},
		{"POST", []string{"runs", "r", "cancel"}, rights.Reader, false},
	} {
		x := rights.NewIndex(nil, []rights.Assignment{{Principal: "ada", Role: c.who, Scope: group}})
		action := Operation(c.method, mustID(prefix+"orders"), c.rest)
		if got := x.Allows(rights.Request{Principals: []string{"ada"}, Action: action, Scope: prefix + "orders"}); got != c.want {
			t.Errorf("%s for %s: %v", action, c.who, got)
		}
	}
}
