package workflow

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"weir/kernel/resource"
)

// Types of what units are made of.
const (
	typeWorkflow   = "Microsoft.Logic/workflows"
	typeSite       = "Microsoft.Web/sites"
	typeSiteConfig = "Microsoft.Web/sites/config"
)

// What the names of units begin with.
const (
	groupUnits = "workflows-"
	siteUnits  = "workflowapp-"
)

// UnitName is the name of the unit that keeps a resource: the workflows of a resource
// group are one, which the group's id names and that of any workflow in it; a site is one
// with its workflows.
func UnitName(id resource.ID) (string, bool) {
	switch {
	case strings.EqualFold(id.Type(), resource.TypeGroup):
	case strings.EqualFold(id.Type(), typeWorkflow) && id.ResourceGroup() != "":
	case strings.EqualFold(id.Type(), typeSite):
		return siteUnits + strings.ToLower(id.Name()), true
	default:
		return "", false
	}
	group := id.Scope()
	sum := sha256.Sum256([]byte(strings.ToLower(group.String())))
	return groupUnits + strings.ToLower(group.Name()) + "-" + hex.EncodeToString(sum[:4]), true
}

// Keeps reports whether a unit of that name is one of workflows.
func Keeps(unit string) bool {
	return strings.HasPrefix(unit, groupUnits) || strings.HasPrefix(unit, siteUnits)
}

// Covers reports whether what is declared as id moves with a unit that a continuity group
// names: with a resource group its workflows and what lies below them, with a site all but
// its configuration. Settings and connections are of a location, for so is what they lead
// to.
func Covers(unit, id resource.ID) bool {
	if !unit.IsScope() {
		return unit.Contains(id) && !hasAbove(id, typeSiteConfig)
	}
	return unit.Contains(id) && hasAbove(id, typeWorkflow)
}

// hasAbove reports whether a resource is of a type, or lies in one that is.
func hasAbove(id resource.ID, typ string) bool {
	for ; !id.IsZero() && !id.IsScope(); id = id.Parent() {
		if strings.EqualFold(id.Type(), typ) {
			return true
		}
	}
	return false
}
