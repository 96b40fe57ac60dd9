package deploy

import "testing"

// TestJSONKeepsItsOrder: a property that holds JSON comes out of a template as it was
// written there, its expressions evaluated, and reference() can look into it.
func TestJSONKeepsItsOrder(t *testing.T) {
	e := newEstate(t)
	template := head + `"resources": [` + resourceOf("houses", "h", `"properties": {}`) + `,` +
		resourceOf("houses/rooms", "h/r", `"dependsOn": ["h"], "properties": {"plan": {"z": "[concat('a', 'b')]", "a": {"null": null, "y": 2, "b": "[reference('h').address]"}, "l": "[[x]"}}`) + `],
"outputs": {"y": {"type": "int", "value": "[reference(resourceId('Test.Town/houses/rooms', 'h', 'r')).plan.a.y]"}}}`
	a := e.deploy(t, "first", body(template))
	if a.Properties.ProvisioningState != "Succeeded" || a.Properties.Outputs["y"].Value != 2.0 {
		t.Fatalf("%+v", a.Properties)
	}
	if got := e.property(t, "houses/h/rooms/r", "plan"); got != `{"z":"ab","a":{"null":null,"y":2,"b":"h street"},"l":"[x]"}` {
		t.Errorf("%s", got)
	}
}
