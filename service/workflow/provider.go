package workflow

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/internal/trigger"
)

// apiVersions are those of ARM that workflows follow, the newest first.
var apiVersions = []string{"2019-05-01", "2018-07-01-preview", "2017-07-01", "2016-10-01", "2016-06-01", "2015-02-01-preview"}

// workflowsMax is how many workflows a resource group holds.
const workflowsMax = 10_000

// Types declares the resource types of workflows.
func Types() []*resource.Type {
	return slices.Concat([]*resource.Type{workflowType()}, siteTypes(), ConnectionTypes())
}

func workflowType() *resource.Type {
	return &resource.Type{
		Name: typeWorkflow, APIVersions: apiVersions,
		Description: "A workflow: a definition that is run when one of its triggers fires. The workflows of a resource group are one unit of continuity. With the tag `weir-share` its recurrences are shared between locations: `1/2` in one and `2/2` in the other.",
		NamePattern: `[A-Za-z0-9_()](?:[A-Za-z0-9_(). -]*[A-Za-z0-9_()-])?`, NameRange: resource.Range{Min: 1, Max: 80},
		NameHint: "letters, digits, '-', '_', '.', '(' and ')'", Located: true, SiblingsMax: workflowsMax,
		Fields: []resource.Field{
			{Name: "definition", Kind: resource.JSON, Required: true, Description: "What it does, in the Workflow Definition Language."},
			{Name: "parameters", Kind: resource.JSON, Description: "Values of the definition's parameters: `{\"name\": {\"value\": ...}}`. Those of secure parameters are taken and never shown again."},
			{Name: secureParameters, Kind: resource.Secret, Description: "Values of secure parameters, as the text of a JSON object: where `parameters` puts them."},
			{Name: "state", Kind: resource.Enum, Values: []string{"Enabled", "Disabled"}, Default: "Enabled", Description: "Disabled: its triggers do not fire. Runs that are under way go on."},
			{Name: "accessControl", Kind: resource.JSON, Description: "Which addresses may call its triggers and read its contents: `{\"triggers\": {\"allowedCallerIpAddresses\": [{\"addressRange\": \"10.0.0.0/8\"}]}}`; likewise contents and actions."},
			{Name: "endpointsConfiguration", Kind: resource.JSON, Description: "Kept for templates."},
			{Name: "integrationAccount", Kind: resource.JSON, Description: "Kept for templates."},
			{Name: "sku", Kind: resource.JSON, ReadOnly: true, Description: "What it is sold in, said by the service."},
			{Name: "version", Kind: resource.String, ReadOnly: true, Description: "Which version of the definition new runs have."},
			{Name: "accessEndpoint", Kind: resource.String, ReadOnly: true, Description: "Where it is called."},
			{Name: "provisioningState", Kind: resource.String, ReadOnly: true, Description: "Succeeded, once it is in force."},
			{Name: "createdTime", Kind: resource.Time, ReadOnly: true, Description: "Said by the service."},
			{Name: "changedTime", Kind: resource.Time, ReadOnly: true, Description: "Said by the service."},
		},
		Prepare: prepareWorkflow,
		Check:   checkWorkflow,
		Actions: []resource.Action{
			{Name: "enable", Description: "Lets its triggers fire.", Run: switchTo("Enabled")},
			{Name: "disable", Description: "Keeps its triggers from firing.", Run: switchTo("Disabled")},
		},
	}
}

func switchTo(state string) func(resource.ActionContext, resource.Document, map[string]any) (map[string]any, error) {
	return func(c resource.ActionContext, d resource.Document, _ map[string]any) (map[string]any, error) {
		d = d.Clone()
		d.Properties["state"] = state
		return nil, c.Replace(d)
	}
}

// secureParameters is the property that keeps what may not be shown.
const secureParameters = "secureParameters"

// prepareWorkflow puts the values of secure parameters where they are sealed. A value that
// is left out stays what it was, since whoever reads a workflow is not shown it.
func prepareWorkflow(d, old *resource.Document, _ resource.PrepareContext) error {
	definition, _ := resource.RawOf(d.Properties["definition"])
	given, ok := plainOf(d.Properties["parameters"]).(map[string]any)
	if !ok {
		given = nil
	}
	secret := map[string]json.RawMessage{}
	for _, from := range []*resource.Document{old, d} {
		if from != nil {
			_ = json.Unmarshal([]byte(from.String(secureParameters)), &secret) // what is no object is found by the check
		}
	}
	kept := map[string]json.RawMessage{}
	changed := false
	for _, name := range secureNames(definition) {
		if value, ok := secret[name]; ok {
			kept[name] = value
		}
		for shown, v := range given {
			parameter, isObject := v.(map[string]any)
			value, hasValue := parameter["value"]
			if !strings.EqualFold(shown, name) || !isObject || !hasValue {
				continue
			}
			text, err := json.Marshal(value)
			if err != nil {
				return fault.Wrap(fault.Invalid, err, "The value of the parameter '%s' cannot be read.", name)
			}
			kept[name], changed = text, true
			delete(parameter, "value")
		}
	}
	if changed {
		d.Properties["parameters"] = given
	}
	if delete(d.Properties, secureParameters); len(kept) > 0 {
		text, err := json.Marshal(kept)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "The values of secure parameters cannot be read.")
		}
		d.Properties[secureParameters] = string(text)
	}
	return nil
}

// plainOf opens a value that may be a JSON text; what it gives may be changed.
func plainOf(v any) any {
	if raw, ok := v.(resource.Raw); ok {
		return raw.Any()
	}
	return v
}

// secureNames lists a definition's parameters whose values may not be shown.
func secureNames(definition resource.Raw) []string {
	var d struct {
		Parameters map[string]struct {
			Type string `json:"type"`
		} `json:"parameters"`
	}
	_ = json.Unmarshal([]byte(definition), &d) // what is wrong with it is found by the check
	var names []string
	for name, p := range d.Parameters {
		if strings.EqualFold(p.Type, "SecureString") || strings.EqualFold(p.Type, "SecureObject") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ParametersOf gives the values of a workflow's parameters, secret ones too, as JSON:
// {"name": {"value": ...}}.
func ParametersOf(d resource.Document) ([]byte, error) {
	all := map[string]json.RawMessage{}
	if text := d.Raw("parameters"); text != "" && text != "null" {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return nil, err
		}
	}
	var secret map[string]json.RawMessage
	if text := d.String(secureParameters); text != "" {
		if err := json.Unmarshal([]byte(text), &secret); err != nil {
			return nil, err
		}
	}
	for name, value := range secret {
		for shown := range all {
			if strings.EqualFold(shown, name) {
				delete(all, shown)
			}
		}
		text, err := json.Marshal(map[string]json.RawMessage{"value": value})
		if err != nil {
			return nil, err
		}
		all[name] = text
	}
	return json.Marshal(all)
}

func checkWorkflow(d resource.Document, _ resource.View) resource.Problems {
	p := checkDefinition(d, "definition", consumption)
	p = append(p, checkAccess(d)...)
	if _, err := trigger.ShareOf(d.Tags[trigger.ShareTag]); err != nil {
		p = problem(p, d, "tags."+trigger.ShareTag, "%s", fault.Sentence(err))
	}
	for _, tag := range []string{"integrationAccount"} {
		if raw := d.Raw(tag); raw != "" {
			var ref struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal([]byte(raw), &ref); err != nil {
				p = problem(p, d, "properties."+tag, "It is {\"id\": \"...\"}, the id of an integration account.")
			}
		}
	}
	return p
}

// problem adds one problem of a document, found at a path.
func problem(p resource.Problems, d resource.Document, path, format string, args ...any) resource.Problems {
	return append(p, resource.Problem{Path: path, Line: d.Line(path), Sentence: fmt.Sprintf(format, args...)})
}

// access is accessControl as a workflow declares it.
type access map[string]struct {
	Allowed []struct {
		Range string `json:"addressRange"`
	} `json:"allowedCallerIpAddresses"`
	Policies *struct {
		Policies map[string]any `json:"policies"`
	} `json:"openAuthenticationPolicies"`
	SAS *struct {
		State string `json:"state"`
	} `json:"sasAuthenticationPolicy"`
}

// accessParts are the parts access is declared for.
var accessParts = []string{"triggers", "contents", "actions", "workflowManagement"}

func accessOf(d resource.Document) (a access, err error) {
	if raw := d.Raw("accessControl"); raw != "" {
		err = json.Unmarshal([]byte(raw), &a)
	}
	return a, err
}

func checkAccess(d resource.Document) (p resource.Problems) {
	a, err := accessOf(d)
	if err != nil {
		return problem(p, d, "properties.accessControl", "It cannot be read: %v.", err)
	}
	for part, rules := range a {
		at := "properties.accessControl." + part
		if !slices.Contains(accessParts, part) {
			p = problem(p, d, at, "There is no access to control by this name: there are %s.", strings.Join(accessParts, ", "))
		}
		for i, allowed := range rules.Allowed {
			if _, err := addressRange(allowed.Range); err != nil {
				p = problem(p, d, fmt.Sprintf("%s.allowedCallerIpAddresses[%d].addressRange", at, i), "%q is no range of addresses: write 192.0.2.0/24, 192.0.2.7 or 192.0.2.1-192.0.2.9.", allowed.Range)
			}
		}
		if part == "workflowManagement" && len(rules.Allowed) > 0 {
			p = problem(p, d, at+".allowedCallerIpAddresses", "Who may manage is decided by roles here, not by addresses: restricting them would have no effect.")
		}
		if rules.Policies != nil && len(rules.Policies.Policies) > 0 {
			p = problem(p, d, at+".openAuthenticationPolicies", "Triggers are called with signed addresses here: OAuth policies are not carried out, and a workflow that needs one would stand open.")
		}
		if rules.SAS != nil && strings.EqualFold(rules.SAS.State, "Disabled") {
			p = problem(p, d, at+".sasAuthenticationPolicy", "Signed addresses are the only way to call triggers here: they cannot be switched off. Disable the workflow instead.")
		}
	}
	return p
}

// addressRange reads a range of addresses: a prefix, one address, or two with a hyphen.
func addressRange(text string) (contains func(netip.Addr) bool, err error) {
	if first, last, ok := strings.Cut(text, "-"); ok {
		low, err := netip.ParseAddr(strings.TrimSpace(first))
		if err != nil {
			return nil, err
		}
		high, err := netip.ParseAddr(strings.TrimSpace(last))
		return func(a netip.Addr) bool { return a.Compare(low) >= 0 && a.Compare(high) <= 0 }, err
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Contains, nil
	}
	one, err := netip.ParseAddr(text)
	return func(a netip.Addr) bool { return a == one }, err
}

// Allows says whether an address may do something with a workflow: a part of
// accessControl. What nobody restricted everybody may.
func Allows(d resource.Document, part string, from netip.Addr) bool {
	a, err := accessOf(d)
	if err != nil {
		return false
	}
	rules, ok := a[part]
	if !ok || len(rules.Allowed) == 0 {
		return true
	}
	for _, allowed := range rules.Allowed {
		if contains, err := addressRange(allowed.Range); err == nil && contains(from.Unmap()) {
			return true
		}
	}
	return false
}
