package arm_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

// shopTemplate uses what templates are made of: parameters, a loop, a condition,
// references and keys of what is deployed, a nested template, outputs.
const shopTemplate = `{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {
    "prefix": {"type": "string"},
    "queues": {"type": "int", "defaultValue": 2, "maxValue": 10},
    "audit": {"type": "bool", "defaultValue": false}
  },
  "variables": {"bus": "[format('{0}-{1}', parameters('prefix'), uniqueString(resourceGroup().id))]"},
  "resources": [
    {"type": "Microsoft.ServiceBus/namespaces", "apiVersion": "2024-01-01", "name": "[variables('bus')]", "location": "[resourceGroup().location]", "sku": {"name": "Standard"}, "tags": {"from": "template"}},
    {
      "type": "Microsoft.ServiceBus/namespaces/queues", "apiVersion": "2024-01-01",
      "name": "[concat(variables('bus'), '/q', copyIndex())]",
      "copy": {"name": "queues", "count": "[parameters('queues')]"},
      "dependsOn": ["[variables('bus')]"],
      "properties": {"maxDeliveryCount": "[copyIndex(5)]"}
    },
    {
      "condition": "[parameters('audit')]",
      "type": "Microsoft.ServiceBus/namespaces/topics", "apiVersion": "2024-01-01", "name": "[concat(variables('bus'), '/audit')]",
      "dependsOn": ["[variables('bus')]"]
    },
    {
      "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "inner",
      "dependsOn": ["queues"],
      "properties": {
        "mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
        "parameters": {"bus": {"value": "[variables('bus')]"}, "note": {"value": "[reference(variables('bus')).serviceBusEndpoint]"}},
        "template": {
          "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
          "parameters": {"bus": {"type": "string"}, "note": {"type": "string"}},
          "resources": [{"type": "Microsoft.ServiceBus/namespaces/queues", "apiVersion": "2024-01-01", "name": "[concat(parameters('bus'), '/inner')]", "properties": {"userMetadata": "[parameters('note')]"}}],
          "outputs": {"queue": {"type": "string", "value": "[resourceId('Microsoft.ServiceBus/namespaces/queues', parameters('bus'), 'inner')]"}}
        }
      }
    }
  ],
  "outputs": {
    "bus": {"type": "string", "value": "[variables('bus')]"},
    "inner": {"type": "string", "value": "[reference('inner').outputs.queue.value]"},
    "connection": {"type": "string", "value": "[listKeys(resourceId('Microsoft.ServiceBus/namespaces/authorizationRules', variables('bus'), 'RootManageSharedAccessKey'), '2024-01-01').primaryConnectionString]"}
  }
}`

func deploymentOf(t *testing.T, template, parameters string) *armresources.DeploymentProperties {
	t.Helper()
	p := &armresources.DeploymentProperties{Mode: to.Ptr(armresources.DeploymentModeIncremental)}
	for text, into := range map[string]*any{template: &p.Template, parameters: &p.Parameters} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// TestDeployments: armresources deploys, validates, foresees, lists and exports.
func TestDeployments(t *testing.T) {
	s := newStage(t)
	f := value[*armresources.ClientFactory](s)(armresources.NewClientFactory("contoso", s, s.options))
	c := f.NewDeploymentsClient()
	const group = "templates"
	properties := deploymentOf(t, shopTemplate, `{"prefix": {"value": "shop"}}`)

	v, err := c.BeginValidate(s.ctx, group, "shop", armresources.Deployment{Properties: properties}, nil)
	if valid := done(s, v, err); valid.Error != nil || len(valid.Properties.ValidatedResources) != 4 {
		t.Errorf("validated %+v %+v", valid.Error, valid.Properties)
	}
	w, err := c.BeginWhatIf(s.ctx, group, "shop", armresources.DeploymentWhatIf{Properties: &armresources.DeploymentWhatIfProperties{Mode: properties.Mode, Template: properties.Template, Parameters: properties.Parameters}}, nil)
	if foreseen := done(s, w, err); *foreseen.Status != "Succeeded" || counted(foreseen.Properties.Changes) != "Create 4" {
		t.Errorf("foreseen %s", counted(foreseen.Properties.Changes))
	}
	p, err := c.BeginCreateOrUpdate(s.ctx, group, "shop", armresources.Deployment{Properties: properties}, nil)
	made := done(s, p, err)
	outputs, _ := made.Properties.Outputs.(map[string]any)
	bus := fmt.Sprint(outputs["bus"].(map[string]any)["value"])
	if *made.Properties.ProvisioningState != armresources.ProvisioningStateSucceeded || !strings.HasPrefix(bus, "shop-") || len(made.Properties.OutputResources) != 4 ||
		!strings.HasSuffix(fmt.Sprint(outputs["inner"].(map[string]any)["value"]), "/queues/inner") || !strings.HasPrefix(fmt.Sprint(outputs["connection"].(map[string]any)["value"]), "Endpoint=sb://") {
		t.Errorf("made %+v %v", made.Properties, outputs)
	}
	queue := value[armresources.ClientGetByIDResponse](s)(f.NewClient().GetByID(s.ctx, "/subscriptions/contoso/resourceGroups/"+group+"/providers/Microsoft.ServiceBus/namespaces/"+bus+"/queues/q1", version, nil))
	if got := queue.Properties.(map[string]any)["maxDeliveryCount"]; got != float64(6) {
		t.Errorf("maxDeliveryCount %v", got)
	}

	ops := all(s, f.NewDeploymentOperationsClient().NewListPager(group, "shop", nil), func(p armresources.DeploymentOperationsClientListResponse) []*armresources.DeploymentOperation {
		return p.Value
	})
	if len(ops) != 4 {
		t.Errorf("%d operations", len(ops))
	}
	one := value[armresources.DeploymentOperationsClientGetResponse](s)(f.NewDeploymentOperationsClient().Get(s.ctx, group, "shop", *ops[0].OperationID, nil))
	if *one.Properties.ProvisioningState != "Succeeded" || *one.Properties.TargetResource.ResourceName != bus {
		t.Errorf("operation %+v", one.Properties)
	}
	list := all(s, c.NewListByResourceGroupPager(group, nil), func(p armresources.DeploymentsClientListByResourceGroupResponse) []*armresources.DeploymentExtended {
		return p.Value
	})
	if got := names(list, func(d *armresources.DeploymentExtended) *string { return d.Name }); got != "shop inner" {
		t.Errorf("deployments: %s", got)
	}
	exported := value[armresources.DeploymentsClientExportTemplateResponse](s)(c.ExportTemplate(s.ctx, group, "shop", nil))
	if _, ok := exported.Template.(map[string]any)["resources"]; !ok {
		t.Errorf("exported %v", exported.Template)
	}
	e, err := f.NewResourceGroupsClient().BeginExportTemplate(s.ctx, group, armresources.ExportTemplateRequest{Resources: []*string{to.Ptr("*")}}, nil)
	if whole := done(s, e, err); !strings.Contains(fmt.Sprint(whole.Template), bus+"/inner") {
		t.Errorf("the group as a template: %v", whole.Template)
	}
	value[armresources.DeploymentsClientCheckExistenceResponse](s)(c.CheckExistence(s.ctx, group, "shop", nil))

	_, err = c.BeginCreateOrUpdate(s.ctx, group, "bad", armresources.Deployment{Properties: deploymentOf(t, strings.ReplaceAll(shopTemplate, "uniqueString(", "uniqueStrin("), `{"prefix": {"value": "shop"}, "queues": {"value": 50}}`)}, nil)
	s.refused(err, 400, "InvalidTemplate", "did you mean uniqueString?")
	s.refused(err, 400, "InvalidTemplate", "50 is more than 10")
	_, err = c.Get(s.ctx, group, "bad", nil)
	s.refused(err, 404, "DeploymentNotFound", "Deployment 'bad' could not be found.")

	complete := deploymentOf(t, shopTemplate, `{"prefix": {"value": "shop"}, "queues": {"value": 1}}`)
	complete.Mode = to.Ptr(armresources.DeploymentModeComplete)
	w, err = c.BeginWhatIf(s.ctx, group, "shop", armresources.DeploymentWhatIf{Properties: &armresources.DeploymentWhatIfProperties{Mode: complete.Mode, Template: complete.Template, Parameters: complete.Parameters}}, nil)
	if foreseen := done(s, w, err); counted(foreseen.Properties.Changes) != "Delete 1, NoChange 3" {
		t.Errorf("foreseen %s", counted(foreseen.Properties.Changes))
	}
	p, err = c.BeginCreateOrUpdate(s.ctx, group, "shop", armresources.Deployment{Properties: complete}, nil)
	done(s, p, err)
	_, err = f.NewClient().GetByID(s.ctx, *queue.ID, version, nil)
	s.refused(err, 404, "ResourceNotFound", "was not found")
	d, err := c.BeginDelete(s.ctx, group, "shop", nil)
	done(s, d, err)

	sub, err := c.BeginCreateOrUpdateAtSubscriptionScope(s.ctx, "groups", armresources.Deployment{Location: to.Ptr("west"), Properties: deploymentOf(t, groupTemplate, `{}`)}, nil)
	if made := done(s, sub, err); *made.Properties.ProvisioningState != armresources.ProvisioningStateSucceeded {
		t.Errorf("at the subscription: %+v", made.Properties)
	}
	g := value[armresources.ResourceGroupsClientGetResponse](s)(f.NewResourceGroupsClient().Get(s.ctx, "made", nil))
	if *g.Location != "west" {
		t.Errorf("group %+v", g.ResourceGroup)
	}
}

// groupTemplate makes a group, and a namespace in it.
const groupTemplate = `{
  "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#", "contentVersion": "1.0.0.0",
  "resources": [
    {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2021-04-01", "name": "made", "location": "[deployment().location]"},
    {"type": "Microsoft.Resources/deployments", "apiVersion": "2021-04-01", "name": "in-it", "resourceGroup": "made", "dependsOn": ["made"], "properties": {"mode": "Incremental", "template": {
      "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
      "resources": [{"type": "Microsoft.ServiceBus/namespaces", "apiVersion": "2024-01-01", "name": "made-in-group", "location": "west"}]}}}
  ]
}`

// counted tells how many changes of each kind there are.
func counted(changes []*armresources.WhatIfChange) string {
	counts := map[armresources.ChangeType]int{}
	for _, c := range changes {
		counts[*c.ChangeType]++
	}
	var parts []string
	for _, kind := range []armresources.ChangeType{"Create", "Delete", "Ignore", "Modify", "NoChange"} {
		if n := counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", kind, n))
		}
	}
	return strings.Join(parts, ", ")
}
