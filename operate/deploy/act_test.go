package deploy

import (
	"context"
	"testing"

	"weir/kernel/resource"
)

// TestActsBelowResources: a template asks for what lies below a resource, and gets it from
// who serves that.
func TestActsBelowResources(t *testing.T) {
	e := newEstate(t, func(o *Options) {
		o.Act = func(_ context.Context, id resource.ID, action string, body map[string]any) (map[string]any, bool, error) {
			if id.Type() != "Test.Town/houses/bells" {
				return nil, false, nil
			}
			return map[string]any{"value": id.Name() + " " + action}, true, nil
		}
	})
	template := head + `"resources": [` + resourceOf("houses", "h", `"properties": {}`) + `],
"outputs": {"where": {"type": "string", "value": "[listCallbackUrl(resourceId('Test.Town/houses/bells', 'h', 'front'), '2026-01-01').value]"},
	"pin": {"type": "string", "value": "[listKeys(resourceId('Test.Town/houses/keys', 'h', 'master'), '2026-01-01').primaryKey]"}}}`
	a := e.deploy(t, "first", body(template))
	if a.Properties.ProvisioningState != "Succeeded" || a.Properties.Outputs["where"].Value != "front listCallbackUrl" || a.Properties.Outputs["pin"].Value != "1234" {
		t.Fatalf("%+v", a.Properties)
	}
}
