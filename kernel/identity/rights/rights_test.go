package rights

import (
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
	"testing"
)

const (
	sub   = "/subscriptions/s1"
	group = sub + "/resourceGroups/g1"
	ns    = group + "/providers/Microsoft.ServiceBus/namespaces/ns"
	queue = ns + "/queues/orders"

	send    = "Microsoft.ServiceBus/namespaces/messages/send/action"
	receive = "Microsoft.ServiceBus/namespaces/messages/receive/action"
)

func TestAllows(t *testing.T) {
	custom := []Role{
		{ID: "c1", Permissions: []Permission{{Actions: []string{"Microsoft.ServiceBus/namespaces/*"}, NotActions: []string{"Microsoft.ServiceBus/namespaces/*/delete"}},
			{Actions: []string{"Microsoft.ServiceBus/namespaces/queues/delete"}}}},
		{ID: "c2", Permissions: []Permission{{DataActions: []string{"*/send/action"}}}},
		{ID: Reader, Permissions: []Permission{{Actions: []string{"*"}}}}, // not what is known by that id
		{ID: "c3", Permissions: []Permission{{Actions: []string{"*"}, NotActions: []string{"Microsoft.Authorization/*"}}}},
	}
	x := NewIndex(custom, []Assignment{
		{"owner", Owner, "/"}, {"contributor", Contributor, sub}, {"reader", Reader, group + "/"},
		{"Sender", strings.ToUpper(ServiceBusDataSend), strings.ToUpper(queue)}, {"receiver", ServiceBusDataListen, ns}, {"dataowner", ServiceBusDataOwner, ns},
		{"custom", "c1", group}, {"group", "c2", group}, {"admin", UserAccess, group}, {"lost", "no-such-role", "/"},
		{"nearly", "c3", "/"}, {"both", "c3", "/"}, {"both", AccessControl, sub},
	})
	for _, c := range []struct {
		who, action, scope string
		data, want         bool
	}{
		{"owner", "Microsoft.ServiceBus/namespaces/queues/write", queue, false, true},
		{"owner", "Microsoft.Authorization/roleAssignments/write", "/", false, true},
		{"owner", send, queue, true, false}, // control is not data
		{"contributor", "Microsoft.ServiceBus/namespaces/queues/write", queue, false, true},
		{"contributor", "microsoft.servicebus/NAMESPACES/authorizationRules/listKeys/action", ns + "/authorizationRules/r", false, true},
		{"contributor", "Microsoft.Authorization/roleAssignments/write", group, false, false},
		{"contributor", "Microsoft.Authorization/roleAssignments/read", group, false, true},
		{"contributor", "Microsoft.ServiceBus/namespaces/write", "/subscriptions/s2/resourceGroups/g1", false, false},
		{"contributor", "Microsoft.Resources/subscriptions/read", "/subscriptions/s", false, false}, // a name that begins so
		{"contributor", "Microsoft.Resources/subscriptions/read", "/", false, false},
		{"reader", "Microsoft.ServiceBus/namespaces/read", ns, false, true},
		{"reader", "Microsoft.ServiceBus/namespaces/write", ns, false, false},
		{"reader", "Microsoft.ServiceBus/namespaces/authorizationRules/listKeys/action", ns, false, false},
		{"sender", send, queue, true, true},
		{"sender", send, queue + "/x", true, true},
		{"sender", receive, queue, true, false},
		{"sender", send, ns + "/queues/orders2", true, false},
		{"sender", send, ns, true, false},
		{"sender", "Microsoft.ServiceBus/namespaces/queues/read", queue, false, true},
		{"receiver", receive, queue, true, true},
		{"receiver", send, queue, true, false},
		{"dataowner", "Microsoft.ServiceBus/namespaces/messages/manage/action", queue, true, true},
		{"custom", "Microsoft.ServiceBus/namespaces/topics/write", ns, false, true},
		{"custom", "Microsoft.ServiceBus/namespaces/topics/delete", ns, false, false},
		{"custom", "Microsoft.ServiceBus/namespaces/queues/delete", ns, false, true}, // its other permission grants it
		{"group", send, queue, true, true},
		{"admin", "Microsoft.Authorization/roleAssignments/write", queue, false, true},
		{"lost", "Microsoft.ServiceBus/namespaces/read", ns, false, false},
		{"nobody", "Microsoft.ServiceBus/namespaces/read", ns, false, false},
		{"owner", "", ns, false, false},
		// Identities: only with the right to assign roles.
		{"owner", "Weir.Identity/users/write", group, false, true},
		{"contributor", "Weir.Identity/users/write", group, false, false},
		{"contributor", "Weir.Identity/users/read", group, false, true},
		{"contributor", "Weir.Identity/applications/addSecret/action", group, false, false},
		{"contributor", "Microsoft.ManagedIdentity/userAssignedIdentities/write", group, false, true},
		{"contributor", "Microsoft.ManagedIdentity/userAssignedIdentities/listWorkloadKey/action", group, false, false},
		{"owner", "Microsoft.ManagedIdentity/userAssignedIdentities/listWorkloadKey/action", group, false, true},
		{"contributor", "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", group, false, false},
		{"contributor", "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read", group, false, true},
		{"nearly", "Weir.Identity/users/write", group, false, false},
		{"both", "Weir.Identity/users/write", group, false, true},
	} {
		if got := x.Allows(Request{[]string{"stranger", c.who}, c.action, c.data, c.scope}); got != c.want {
			t.Errorf("%s, %s at %s (data %t): %t, want %t", c.who, c.action, c.scope, c.data, got, c.want)
		}
	}
	var none *Index
	if none.Allows(Request{Principals: []string{"owner"}, Action: "a/read", Scope: "/"}) {
		t.Error("no index allows something")
	}
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, action string
		want            bool
	}{
		{"*", "a/b/read", true}, {"*/read", "a/read", true}, {"*/read", "read", false}, {"*/read", "a/readx", false},
		{"A/*/Read", "a/b/c/read", true}, {"a/*/read", "a/read", false}, {"a/b", "a/b", true}, {"a/b", "a/bc", false},
		{"a/*b*/c", "a/xbx/c", true}, {"a/*b*/c", "a/x/c", false}, {"a*a", "a", false}, {"a*a", "aa", true}, {"*ab*ab*", "abab", true}, {"*ab*ab*", "ab", false},
		{"a**b", "ab", true}, {"", "", true}, {"", "a", false},
	} {
		p := newPattern(c.pattern)
		if got := p.match(c.action); got != c.want {
			t.Errorf("%q on %q: %t", c.pattern, c.action, got)
		}
	}
}

// naive decides the way the rule reads.
func naive(roles []Role, assignments []Assignment, r Request) bool {
	match := func(list []string, action string) bool {
		for _, p := range list {
			if regexp.MustCompile(`(?is)\A` + strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, `.*`) + `\z`).MatchString(action) {
				return true
			}
		}
		return false
	}
	for _, a := range assignments {
		mine := false
		for _, p := range r.Principals {
			mine = mine || strings.EqualFold(p, a.Principal)
		}
		below := a.Scope == "/" || strings.HasPrefix(strings.ToLower(r.Scope)+"/", strings.ToLower(a.Scope)+"/")
		for _, role := range roles {
			if !mine || !below || !strings.EqualFold(role.ID, a.Role) {
				continue
			}
			for _, p := range role.Permissions {
				if !r.Data && match(p.Actions, r.Action) && !match(p.NotActions, r.Action) || r.Data && match(p.DataActions, r.Action) && !match(p.NotDataActions, r.Action) {
					return true
				}
			}
		}
	}
	return false
}

func TestAgainstNaive(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
		action := func(stars bool) string {
			var parts []string
			for range 1 + rnd.IntN(3) {
				if part := pick("a", "b", "ab", "*", "a*", "*b"); stars || !strings.Contains(part, "*") {
					parts = append(parts, part)
				} else {
					parts = append(parts, "b")
				}
			}
			return strings.Join(parts, "/") + pick("/read", "/write", "")
		}
		scope := func() string {
			return path.Clean("/" + strings.Repeat(pick("x/", "y/"), rnd.IntN(3)) + pick("", "x", "X", "xy"))
		}
		actions := func() (list []string) {
			for range rnd.IntN(3) {
				list = append(list, action(true))
			}
			return list
		}
		var roles []Role
		for i := range 5 {
			r := Role{ID: fmt.Sprintf("r%d", i)}
			for range 1 + rnd.IntN(2) {
				r.Permissions = append(r.Permissions, Permission{actions(), actions(), actions(), actions()})
			}
			roles = append(roles, r)
		}
		var assignments []Assignment
		for range 8 {
			assignments = append(assignments, Assignment{pick("p", "q", "g"), pick("r0", "R1", "r2", "r3", "r4", "r9"), scope()})
		}
		x := NewIndex(roles, assignments)
		for range 200 {
			r := Request{[]string{pick("p", "P", "q"), pick("g", "h")}, action(false), rnd.IntN(2) == 0, scope()}
			if got, want := x.Allows(r), naive(roles, assignments, r); got != want {
				t.Fatalf("seed %d: %+v is %t, want %t\nroles %+v\nassignments %+v", seed, r, got, want, roles, assignments)
			}
		}
	}
}

// TestBuiltin holds the table to its own form: ids are GUIDs, nothing twice.
func TestBuiltin(t *testing.T) {
	guid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for _, r := range Builtin() {
		if !guid.MatchString(r.ID) || seen[r.ID] || seen[r.Name] || r.Name == "" || r.Description == "" || len(r.Permissions) != 1 {
			t.Errorf("the built-in role %q (%s) is not whole, or there twice", r.Name, r.ID)
		}
		seen[r.ID], seen[r.Name] = true, true
	}
	if r, ok := BuiltinRole(strings.ToUpper(Contributor)); !ok || r.Name != "Contributor" {
		t.Errorf("Contributor is %+v, %t", r, ok)
	}
}

func many() *Index {
	var assignments []Assignment
	for i := range 1000 {
		who := fmt.Sprintf("p%d", i)
		if i%2 == 0 {
			who = "busy"
		}
		assignments = append(assignments, Assignment{who, Builtin()[i%8].ID, fmt.Sprintf("%s/queues/q%d", ns, i)})
	}
	return NewIndex(nil, assignments)
}

func BenchmarkAllows(b *testing.B) {
	x := many()
	r := Request{[]string{"busy", "group"}, send, true, ns + "/queues/q998"}
	for b.Loop() {
		x.Allows(r)
	}
}
