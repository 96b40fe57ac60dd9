package bus

import (
	"strings"

	"weir/kernel/identity"
	"weir/kernel/resource"
)

// network reads from where a namespace may be reached: from its own document and the rule
// set among what lies in it. Rules have been checked when they were declared.
func network(ns resource.Document, within []resource.Document) identity.Network {
	n := identity.Network{Internal: ns.String("publicNetworkAccess") == "Disabled"}
	for _, d := range within {
		if !strings.EqualFold(d.Type(), typeNetworkRules) || !d.ID.Parent().Equal(ns.ID) {
			continue
		}
		n.Internal = n.Internal || d.String("publicNetworkAccess") == "Disabled"
		n.DefaultDeny = d.String("defaultAction") == "Deny"
		rules, _ := d.Properties["ipRules"].([]any)
		for _, rule := range rules {
			r, _ := rule.(map[string]any)
			mask, _ := r["ipMask"].(string)
			action, _ := r["action"].(string)
			if at, err := identity.ParseAddressRange(mask); err == nil {
				n.Rules = append(n.Rules, identity.AddressRule{Range: at, Deny: action == "Deny"})
			}
		}
	}
	return n
}
