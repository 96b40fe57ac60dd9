package app

import (
	"strings"
	"testing"

	"weir/kernel/resource"
)

// A group names namespaces, resource groups with workflows and sites; what else is refused
// with what to name instead.
func TestWhatAGroupNames(t *testing.T) {
	const group = "/subscriptions/s/resourceGroups/g"
	for id, want := range map[string]string{
		group: "workflows-g-",
		group + "/providers/Microsoft.ServiceBus/namespaces/orders":           "servicebus-orders",
		group + "/providers/Microsoft.Web/sites/shop":                         "workflowapp-shop",
		group + "/providers/Microsoft.Logic/workflows/take":                   "Name the resource group, " + group,
		group + "/providers/Microsoft.ServiceBus/namespaces/orders/queues/in": "it is no unit",
		"/subscriptions/s": "it is no unit",
	} {
		name, err := unitOf(resource.MustID(id))
		if err != nil {
			name = err.Error()
		}
		if !strings.Contains(name, want) {
			t.Errorf("%s: %q, want %q", id, name, want)
		}
	}
}

// Every kind of unit has a service that keeps it.
func TestEveryUnitIsKept(t *testing.T) {
	const group = "/subscriptions/s/resourceGroups/g"
	p := &Platform{}
	for _, id := range []string{group + "/providers/Microsoft.ServiceBus/namespaces/orders", group, group + "/providers/Microsoft.Web/sites/shop"} {
		name, _ := unitName(resource.MustID(id))
		if _, err := p.keeper(name); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := p.keeper("registry"); err == nil {
		t.Error("the registry is in a group")
	}
}
