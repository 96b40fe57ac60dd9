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
		"and no more":  {id.Parent().Parent().Parent().Parent().Parent().String(), ""},
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

func TestIDRefusals(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "must begin with /subscriptions/",
		"queues/q":                  "must begin with /subscriptions/",
		"/providers/a.b/c/d":        "must begin with /subscriptions/",
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
