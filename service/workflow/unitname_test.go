package workflow

import (
	"strings"
	"testing"

	"weir/kernel/resource"
)

const testGroup = "/subscriptions/s/resourceGroups/Orders.Test"

// A resource group and the workflows in it have one unit; a site has one of its own.
func TestUnitName(t *testing.T) {
	group, ok := UnitName(resource.MustID(testGroup))
	if !ok || !strings.HasPrefix(group, "workflows-orders.test-") || len(group) != len("workflows-orders.test-")+8 {
		t.Fatalf("the unit of a resource group: %q, %v", group, ok)
	}
	for id, want := range map[string]string{
		strings.ToUpper(testGroup[:15]) + strings.ToLower(testGroup[15:]): group,
		testGroup + "/providers/Microsoft.Logic/workflows/take":           group,
		testGroup + "/providers/microsoft.logic/WORKFLOWS/Send":           group,
		testGroup + "/providers/Microsoft.Web/sites/Shop":                 "workflowapp-shop",
		testGroup + "/providers/Microsoft.Web/sites/Shop/workflows/w":     "",
		testGroup + "/providers/Microsoft.Web/connections/sftp":           "",
		testGroup + "/providers/Microsoft.ServiceBus/namespaces/orders":   "",
		"/subscriptions/s": "",
		"/":                "",
	} {
		if got, ok := UnitName(resource.MustID(id)); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", id, got, ok, want)
		}
	}
	if other, _ := UnitName(resource.MustID("/subscriptions/other/resourceGroups/Orders.Test")); other == group {
		t.Error("groups of one name in two subscriptions have one unit")
	}
	if !Keeps(group) || !Keeps("workflowapp-shop") || Keeps("servicebus-orders") {
		t.Error("units of workflows are not told from others")
	}
}

// A resource group stands for its workflows and for nothing else in it; a site for all but
// what is of a location.
func TestCovers(t *testing.T) {
	group, site := resource.MustID(testGroup), resource.MustID(testGroup+"/providers/Microsoft.Web/sites/shop")
	for id, want := range map[string][2]bool{
		testGroup: {},
		testGroup + "/providers/Microsoft.Logic/workflows/take":                                               {true, false},
		testGroup + "/providers/Microsoft.Logic/workflows/take/providers/Microsoft.Authorization/locks/l":     {true, false},
		testGroup + "/providers/Microsoft.Logic/integrationAccounts/a":                                        {},
		testGroup + "/providers/Microsoft.ServiceBus/namespaces/n":                                            {},
		testGroup + "/providers/Microsoft.Web/connections/sftp":                                               {},
		testGroup + "x/providers/Microsoft.Logic/workflows/take":                                              {},
		testGroup + "/providers/Microsoft.Web/sites/shop":                                                     {false, true},
		testGroup + "/providers/Microsoft.Web/sites/shop/workflows/w":                                         {false, true},
		testGroup + "/providers/Microsoft.Web/sites/shop/config/appsettings":                                  {},
		testGroup + "/providers/Microsoft.Web/sites/shop/config/x/providers/Microsoft.Authorization/locks/l":  {},
		testGroup + "/providers/Microsoft.Web/sites/shop/providers/Microsoft.Authorization/roleAssignments/r": {false, true},
		testGroup + "/providers/Microsoft.Web/sites/shop2":                                                    {},
	} {
		id := resource.MustID(id)
		if got := [2]bool{Covers(group, id), Covers(site, id)}; got != want {
			t.Errorf("%s: with the group and with the site %v, want %v", id, got, want)
		}
	}
}
