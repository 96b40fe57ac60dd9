package resource

import (
	"strings"
	"testing"
)

const busID = "/subscriptions/S1/resourceGroups/G1/providers/Microsoft.ServiceBus/namespaces/Ns/topics/a~b/subscriptions/$all"

func TestID(t *testing.T) {
	id, err := ParseID(strings.Replace(busID, "resourceGroups", "RESOURCEGROUPS", 1))
	if err != nil {
		t.Fatal(err)
	}
	lower := MustID(strings.ToLower(busID))
	if id.String() != busID || !id.Equal(lower) || id.Key() != lower.Key() {
		t.Errorf("%s and %s", id, lower)
	}
	for name, pair := range map[string][2]string{
		"type":         {id.Type(), "Microsoft.ServiceBus/namespaces/topics/subscriptions"},
		"name":         {id.Name(), "$all"},
		"names":        {strings.Join(id.Names(), "/"), "Ns/a~b/$all"},
		"subscription": {id.Subscription(), "S1"},
		"group":        {id.ResourceGroup(), "G1"},
		"scope":        {id.Scope().String(), "/subscriptions/S1/resourceGroups/G1"},
		"parent":       {id.Parent().Name(), "a~b"},
		"grandparent":  {id.Parent().Parent().Type(), "Microsoft.ServiceBus/namespaces"},
		"and so on":    {id.Parent().Parent().Parent().Type(), "Microsoft.Resources/resourceGroups"},
		"to the top":   {id.Parent().Parent().Parent().Parent().Type(), "Microsoft.Resources/subscriptions"},
		"above them":   {id.Parent().Parent().Parent().Parent().Parent().String(), "/"},
		"and no more":  {Tenant.Parent().String(), ""},
		"extension":    {MustID(busID + "/providers/Microsoft.EventGrid/eventSubscriptions/e").Parent().String(), busID},
		"its type":     {MustID(busID + "/providers/Microsoft.EventGrid/eventSubscriptions/e").Type(), "Microsoft.EventGrid/eventSubscriptions"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, want %q", name, pair[0], pair[1])
		}
	}
	var none ID
	if none.Type()+none.Name()+none.Subscription()+none.ResourceGroup()+none.Parent().String()+none.Scope().String() != "" || !none.IsZero() || none.IsScope() {
		t.Error("no id has parts")
	}
	if !id.Parent().Contains(lower) || !id.Contains(id) || id.Contains(id.Parent()) || MustID(busID+"2").Contains(id) || id.Contains(MustID(busID+"2")) {
		t.Error("Contains is wrong")
	}
}

func TestChildAndResource(t *testing.T) {
	group := MustID("/subscriptions/s/resourceGroups/g")
	ns, err := group.Child("Microsoft.ServiceBus/namespaces", "ns")
	if err != nil {
		t.Fatal(err)
	}
	short, err1 := ns.Child("queues", "q")
	long, err2 := ns.Child("microsoft.servicebus/namespaces/queues", "q")
	whole, err3 := group.Resource("Microsoft.ServiceBus/namespaces/queues", "ns/q")
	if err1 != nil || err2 != nil || err3 != nil || !short.Equal(long) || !short.Equal(whole) {
		t.Errorf("%s, %s, %s (%v, %v, %v)", short, long, whole, err1, err2, err3)
	}
	for _, bad := range [][2]string{{"queues", "q"}, {"Microsoft.ServiceBus/namespaces/queues", "q"}, {"Microsoft.ServiceBus/namespaces", "a/b"}, {"Microsoft.ServiceBus", "a"}, {"Microsoft.ServiceBus/namespaces", ""}} {
		if id, err := group.Resource(bad[0], bad[1]); err == nil {
			t.Errorf("%v is %s", bad, id)
		}
	}
}

// Extension resources lie behind what they extend, at any scope.
func TestExtensionIDs(t *testing.T) {
	for _, c := range []struct{ id, typ, name, base, parent, scope string }{
		{"/providers/Microsoft.Authorization/roleDefinitions/r", "Microsoft.Authorization/roleDefinitions", "r", "/", "/", "/"},
		{"/PROVIDERS/a.b/c/d/e/f", "a.b/c/e", "d/f", "/", "/providers/a.b/c/d", "/"},
		{"/subscriptions/s/providers/a.b/c/d", "a.b/c", "d", "/subscriptions/s", "/subscriptions/s", "/subscriptions/s"},
		{"/subscriptions/s/resourceGroups/g/providers/a.b/c/d", "a.b/c", "d", "/subscriptions/s/resourceGroups/g", "/subscriptions/s/resourceGroups/g", "/subscriptions/s/resourceGroups/g"},
		{busID + "/providers/a.b/c/d/e/f", "a.b/c/e", "d/f", busID, busID + "/providers/a.b/c/d", "/subscriptions/S1/resourceGroups/G1"},
		{"/", TypeTenant, "", "/", "", "/"},
		{"/subscriptions/s", TypeSubscription, "", "/subscriptions/s", "/", "/subscriptions/s"},
		{"/subscriptions/s/resourcegroups/g", TypeGroup, "", "/subscriptions/s/resourceGroups/g", "/subscriptions/s", "/subscriptions/s/resourceGroups/g"},
	} {
		id := MustID(c.id)
		got := []string{id.Type(), strings.Join(id.Names(), "/"), id.Base().String(), id.Parent().String(), id.Scope().String()}
		if want := []string{c.typ, c.name, c.base, c.parent, c.scope}; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
		if !Tenant.Contains(id) || id.Equal(ID{}) || !id.IsScope() && !id.Base().Contains(id) {
			t.Errorf("%s does not lie where it is", id)
		}
	}
	queue := MustID(busID)
	lock, err := queue.Extension("Microsoft.Authorization/locks", "keep")
	if err != nil || lock.String() != busID+"/providers/Microsoft.Authorization/locks/keep" {
		t.Errorf("%s (%v)", lock, err)
	}
	group, err := MustID("/subscriptions/s").Child(TypeGroup, "g")
	if err != nil || group.String() != "/subscriptions/s/resourceGroups/g" {
		t.Errorf("%s (%v)", group, err)
	}
	if s, err := Tenant.Resource(TypeSubscription, "s"); err != nil || s.String() != "/subscriptions/s" {
		t.Errorf("%s (%v)", s, err)
	}
}

func TestIDRefusals(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "must begin with /subscriptions/ or /providers/",
		"queues/q":                  "must begin with /subscriptions/ or /providers/",
		"/groups/g":                 "must begin with /subscriptions/ or /providers/",
		"/providers/a.b/c":          `ends with "c": a name is missing`,
		"/providers/a.b":            "a type and a name are missing",
		"//":                        "an empty segment",
		"/subscriptions":            `ends with "subscriptions": a name is missing`,
		"/subscriptions/":           `an empty segment after "subscriptions"`,
		"/subscriptions//x":         "an empty segment",
		"/subscriptions/s/":         `an empty segment after "s"`,
		"/subscriptions/s/groups/":  "an empty segment",
		"/subscriptions/s/groups/g": `has "groups" where /providers/ was expected`,
		"/subscriptions/s/resourceGroups/g/providers/a.b":                     "a type and a name are missing",
		"/subscriptions/s/resourceGroups/g/providers/a.b/c":                   `ends with "c": a name is missing`,
		"/subscriptions/s/resourceGroups/g/providers/ab/c/d":                  "expected one such as Microsoft.ServiceBus",
		"/subscriptions/s/resourceGroups/g/providers/a.b/providers/c.d/e/f/g": "a name is missing",
		"/subscriptions/s/resourceGroups/g/providers/a.b/c/d?x=1":             `the character '?'`,
		"/subscriptions/s/resourceGroups/g/providers/a.b/c/..":                `the segment ".."`,
		"/subscriptions/s/resourceGroups/g/providers/a.b/c/d\x00":             `the character '\x00'`,
		"/subscriptions/" + strings.Repeat("s", 300):                          "more than 260 characters",
		"/" + strings.Repeat("s", 3000):                                       "longer than 2048 characters",
	} {
		if id, err := ParseID(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %s (%v), want %q", shorten(in), id, err, want)
		}
	}
}

// FuzzParseID: what parses is written as something that parses to the same, its
// parts go together, and its parent contains it.
func FuzzParseID(f *testing.F) {
	f.Add(busID)
	f.Add("/subscriptions/s")
	f.Add("/")
	f.Add("/providers/a.b/c/d/providers/e.f/g/h")
	f.Add("/SUBSCRIPTIONS/s/resourcegroups/g/Providers/a.b/c/d/PROVIDERS/e.f/g/h")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			return
		}
		again, err := ParseID(id.String())
		if err != nil || again.String() != id.String() || !strings.EqualFold(id.String(), s) {
			t.Fatalf("%q is %s, then %s (%v)", s, id, again, err)
		}
		parent := id.Parent()
		if !parent.IsZero() && !parent.Contains(id) {
			t.Fatalf("%s does not contain %s", parent, id)
		}
		if id.IsScope() || parent.IsZero() {
			return
		}
		typ := id.Type()
		if !parent.IsScope() && strings.HasPrefix(strings.ToLower(typ), strings.ToLower(parent.Type())+"/") {
			typ = typ[len(parent.Type())+1:]
		} else if !parent.IsScope() {
			return // an extension
		}
		if child, err := parent.Child(typ, id.Name()); err != nil || !child.Equal(id) {
			t.Fatalf("%s is the child %s (%v)", id, child, err)
		}
	})
}
