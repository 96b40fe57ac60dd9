package bus

import (
	"strconv"

	"weir/kernel/identity"
	"weir/kernel/resource"
)

// typeNetworkRules is the type of the rules that say from where a namespace is reached;
// the one there is has the name default.
const typeNetworkRules = typeNamespace + "/networkRuleSets"

// networkRuleType declares from where a namespace may be reached.
func networkRuleType() *resource.Type {
	return &resource.Type{
		Name: typeNetworkRules, APIVersions: apiVersions, Always: "default", AnswersOK: true,
		Description: "From which addresses clients may come to a namespace.",
		Fields: []resource.Field{
			{Name: "defaultAction", Kind: resource.Enum, Values: []string{"Allow", "Deny"}, Default: "Allow", Description: "What happens to addresses that no rule names."},
			{Name: "publicNetworkAccess", Kind: resource.Enum, Values: []string{"Enabled", "Disabled"}, Default: "Enabled", Description: "Disabled: not reached through doors for other networks, as the namespace's own property."},
			{Name: "trustedServiceAccessEnabled", Kind: resource.Bool, Default: false, Description: "Kept for templates; there are no trusted services."},
			{Name: "ipRules", Kind: resource.List, Range: &resource.Range{Min: 0, Max: identity.AddressRulesMax}, Description: "Addresses with a rule of their own.", Element: &resource.Field{Name: "rule", Kind: resource.Object, Fields: []resource.Field{
				{Name: "ipMask", Kind: resource.String, Required: true, Description: "An address, or a network as 10.0.0.0/8."},
				{Name: "action", Kind: resource.Enum, Values: []string{"Allow", "Deny"}, Default: "Allow", Description: "What happens to it."},
			}}},
			{Name: "virtualNetworkRules", Kind: resource.List, Range: &resource.Range{Min: 0, Max: identity.AddressRulesMax}, Description: "Kept for templates; there are no virtual networks.", Element: &resource.Field{Name: "rule", Kind: resource.Object, Fields: []resource.Field{
				{Name: "subnet", Kind: resource.Object, Description: "The network.", Fields: []resource.Field{{Name: "id", Kind: resource.IDRef, Required: true, Description: "Its id."}}},
				{Name: "ignoreMissingVnetServiceEndpoint", Kind: resource.Bool, Default: false, Description: "Kept for templates."},
			}}},
		},
		Check: checkNetworkRules,
	}
}

func checkNetworkRules(d resource.Document, _ resource.View) (p resource.Problems) {
	rules, _ := d.Properties["ipRules"].([]any)
	for i, rule := range rules {
		fields, _ := rule.(map[string]any)
		mask, _ := fields["ipMask"].(string)
		if _, err := identity.ParseAddressRange(mask); err != nil {
			p = problem(p, d, "properties.ipRules["+strconv.Itoa(i)+"].ipMask", "It is wrong: %s.", err)
		}
	}
	return p
}

// absentTypes are what Azure has beside and Weir has not.
func absentTypes() []*resource.Type {
	absent := func(name, sentence string) *resource.Type {
		return &resource.Type{Name: typeNamespace + "/" + name, APIVersions: apiVersions, Absent: sentence}
	}
	const pair = "namespaces follow to another location with their messages; declare Weir.Continuity/groups (see docs/locations.md)."
	return []*resource.Type{
		absent("disasterRecoveryConfigs", pair),
		absent("disasterRecoveryConfigs/authorizationRules", pair),
		absent("migrationConfigurations", "a Standard namespace has all that a Premium one has; change its sku."),
		absent("privateEndpointConnections", "who may connect is decided by the addresses the server listens on and by networkRuleSets."),
		absent("privateLinkResources", "there are no private links; see networkRuleSets."),
	}
}
