package template

import (
	"errors"
	"fmt"
	"strings"
)

func deploymentFunctions() []*function {
	in := func(f *function) *function { f.group = "deployment"; return f }
	return []*function{
		in(&function{name: "parameters", least: 1, most: 1, usage: "parameters('name')", summary: "The value of a parameter.", run: parameterValue}),
		in(&function{name: "variables", least: 1, most: 1, usage: "variables('name')", summary: "The value of a variable.", run: func(e *env, args []any) (any, error) {
			name, err := asText(args, 0)
			if err != nil {
				return nil, err
			}
			if e.user != nil || e.place == inParameter {
				return nil, fmt.Errorf("variables can not be used in %s", e.place)
			}
			return e.world.variable(name)
		}}),
		in(&function{name: "deployment", usage: "deployment()", summary: "The deployment: its name, and in properties its template and parameters.", run: deployment}),
		in(&function{name: "deployer", usage: "deployer()", summary: "Who deploys: objectId, tenantId, userPrincipalName.", run: func(e *env, _ []any) (any, error) {
			if e.world.o.Deployer == nil {
				return NewObject("objectId", zeroGUID, "tenantId", e.world.o.tenant(), "userPrincipalName", ""), nil
			}
			return e.world.o.Deployer, nil
		}}),
		in(&function{name: "environment", usage: "environment()", summary: "The addresses of the cloud, as in Azure's public one.", run: func(*env, []any) (any, error) { return environment(), nil }}),
		{name: "fail", group: "logical", least: 1, most: 1, usage: "fail('message')", summary: "Refuses the template with a message.", run: ofText(func(s string) (any, error) { return nil, errors.New(s) })},
	}
}

const zeroGUID = "00000000-0000-0000-0000-000000000000"

func (o *Options) tenant() string {
	if o.Tenant == "" {
		return zeroGUID
	}
	return o.Tenant
}

func parameterValue(e *env, args []any) (any, error) {
	name, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	if e.user != nil {
		v, ok := e.user[strings.ToLower(name)]
		if !ok {
			return nil, fmt.Errorf("the function has no parameter '%s'", name)
		}
		return v, nil
	}
	return e.world.parameter(name)
}

func deployment(e *env, _ []any) (any, error) {
	o := e.world.o
	mode := o.Mode
	if mode == "" {
		mode = "Incremental"
	}
	values := &Object{}
	for _, p := range e.world.order {
		if p.state == done && !p.Secure {
			values.Set(p.Name, NewObject("type", p.Type, "value", p.Value))
		}
	}
	properties := NewObject("template", e.world.t.Plain(), "templateHash", e.world.t.fingerprint(), "parameters", values, "mode", mode, "provisioningState", "Accepted")
	if o.Link != "" {
		properties.Set("templateLink", NewObject("uri", o.Link))
	}
	d := NewObject("name", o.Name, "id", o.Scope.ID()+"/providers/Microsoft.Resources/deployments/"+o.Name, "type", "Microsoft.Resources/deployments")
	if o.Location != "" {
		d.Set("location", o.Location)
	}
	d.Set("properties", properties)
	return d, nil
}

// environment gives the addresses of Azure's public cloud: templates make names of
// services from them that Weir does not have.
func environment() *Object {
	return NewObject(
		"name", "AzureCloud", "gallery", "https://gallery.azure.com/", "graph", "https://graph.windows.net/", "portal", "https://portal.azure.com",
		"graphAudience", "https://graph.windows.net/", "activeDirectoryDataLake", "https://datalake.azure.net/", "batch", "https://batch.core.windows.net/",
		"media", "https://rest.media.azure.net", "sqlManagement", "https://management.core.windows.net:8443/",
		"vmImageAliasDoc", "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
		"resourceManager", "https://management.azure.com/",
		"authentication", NewObject("loginEndpoint", "https://login.microsoftonline.com/", "audiences", []any{"https://management.core.windows.net/", "https://management.azure.com/"}, "tenant", "common", "identityProvider", "AAD"),
		"suffixes", NewObject("acrLoginServer", ".azurecr.io", "azureDatalakeAnalyticsCatalogAndJob", "azuredatalakeanalytics.net", "azureDatalakeStoreFileSystem", "azuredatalakestore.net",
			"azureFrontDoorEndpointSuffix", "azurefd.net", "keyvaultDns", ".vault.azure.net", "sqlServerHostname", ".database.windows.net", "storage", "core.windows.net"),
	)
}

func scopeFunctions() []*function {
	in := func(name, summary string, run func(*env, []any) (any, error)) *function {
		return &function{name: name, group: "scope", usage: name + "()", summary: summary, run: run}
	}
	return []*function{
		in("resourceGroup", "The resource group of the deployment: id, name, location, tags.", func(e *env, _ []any) (any, error) {
			s := e.world.o.Scope
			if s.ResourceGroup == "" {
				return nil, errors.New("this deployment does not go to a resource group")
			}
			location, tags := "", map[string]string(nil)
			if e.world.o.Group != nil {
				location, tags = e.world.o.Group(s.Subscription, s.ResourceGroup)
			}
			return NewObject("id", s.ID(), "name", s.ResourceGroup, "type", "Microsoft.Resources/resourceGroups", "location", location, "tags", FromPlain(tags), "properties", NewObject("provisioningState", "Succeeded")), nil
		}),
		in("subscription", "The subscription of the deployment: id, subscriptionId, tenantId, displayName.", func(e *env, _ []any) (any, error) {
			s := e.world.o.Scope
			if s.Subscription == "" {
				return nil, errors.New("this deployment does not go to a subscription")
			}
			return NewObject("id", "/subscriptions/"+s.Subscription, "subscriptionId", s.Subscription, "tenantId", e.world.o.tenant(), "displayName", s.Subscription), nil
		}),
		in("managementGroup", "The management group of the deployment.", func(e *env, _ []any) (any, error) {
			s := e.world.o.Scope
			if s.ManagementGroup == "" {
				return nil, errors.New("this deployment does not go to a management group")
			}
			return NewObject("id", s.ID(), "name", s.ManagementGroup, "type", "/providers/Microsoft.Management/managementGroups", "properties", NewObject("displayName", s.ManagementGroup, "tenantId", e.world.o.tenant())), nil
		}),
		in("tenant", "The tenant: tenantId, countryCode, displayName.", func(e *env, _ []any) (any, error) {
			return NewObject("tenantId", e.world.o.tenant(), "countryCode", "", "displayName", ""), nil
		}),
	}
}

func resourceFunctions() []*function {
	in := func(f *function) *function { f.group = "resource"; return f }
	return []*function{
		in(&function{name: "resourceId", least: 2, most: -1, usage: "resourceId(subscription, group, 'TYPE', 'NAME', ...)", summary: "The id of a resource in the deployment's scope, or another group or subscription.", run: resourceID}),
		in(&function{name: "subscriptionResourceId", least: 2, most: -1, usage: "subscriptionResourceId(subscription, 'TYPE', 'NAME', ...)", summary: "The id of a resource of a subscription.", run: func(e *env, args []any) (any, error) {
			before, typ, names, err := typeAndNames(args, 1)
			if err != nil {
				return nil, err
			}
			subscription := e.world.o.Scope.Subscription
			if len(before) == 1 {
				subscription = before[0]
			}
			return joinID("/subscriptions/"+subscription, typ, names), nil
		}}),
		in(&function{name: "tenantResourceId", least: 2, most: -1, usage: "tenantResourceId('TYPE', 'NAME', ...)", summary: "The id of a resource of the tenant.", run: func(_ *env, args []any) (any, error) {
			_, typ, names, err := typeAndNames(args, 0)
			return joinID("", typ, names), err
		}}),
		in(&function{name: "managementGroupResourceId", least: 2, most: -1, usage: "managementGroupResourceId(group, 'TYPE', 'NAME', ...)", summary: "The id of a resource of a management group.", run: func(e *env, args []any) (any, error) {
			before, typ, names, err := typeAndNames(args, 1)
			if err != nil {
				return nil, err
			}
			group := e.world.o.Scope.ManagementGroup
			if len(before) == 1 {
				group = before[0]
			}
			return joinID("/providers/Microsoft.Management/managementGroups/"+group, typ, names), nil
		}}),
		in(&function{name: "extensionResourceId", least: 3, most: -1, usage: "extensionResourceId('ID', 'TYPE', 'NAME', ...)", summary: "The id of a resource that extends another.", run: func(_ *env, args []any) (any, error) {
			base, err := asText(args, 0)
			if err != nil {
				return nil, err
			}
			_, typ, names, err := typeAndNames(args[1:], 0)
			return joinID(strings.TrimSuffix(base, "/"), typ, names), err
		}}),
		in(&function{name: "reference", least: 1, most: 3, usage: "reference('NAME or ID', 'API version', 'Full')", summary: "The properties of a resource once it is deployed, or all of it.", run: reference}),
		in(&function{name: "references", least: 1, most: 2, usage: "references('SYMBOL', 'Full')", summary: "The properties of all resources of a loop, once they are deployed.", run: references}),
		in(&function{name: "list*", least: 1, most: 4, usage: "listKeys('NAME or ID', 'API version', body)", summary: "What an action of a resource gives, whose name begins with list, once it is deployed.", special: listCall}),
		in(&function{name: "providers", least: 1, most: 2, usage: "providers('Microsoft.ServiceBus', 'namespaces')", summary: "The API versions of a resource type.", run: providers}),
		zone("toLogicalZone", "toLogicalZone('SUBSCRIPTION', 'LOCATION', 'ZONE')", "The logical zone of a physical one: its number. There are no zones here.", func(_, zone string) string { return logicalZone(zone) }),
		zone("toPhysicalZone", "toPhysicalZone('SUBSCRIPTION', 'LOCATION', 'ZONE')", "The physical zone of a logical one: LOCATION-azN. There are no zones here.", func(location, zone string) string { return location + "-az" + zone }),
		zones("toLogicalZones", "toLogicalZones('SUBSCRIPTION', 'LOCATION', zones)", "The logical zones of physical ones.", func(_, zone string) string { return logicalZone(zone) }),
		zones("toPhysicalZones", "toPhysicalZones('SUBSCRIPTION', 'LOCATION', zones)", "The physical zones of logical ones.", func(location, zone string) string { return location + "-az" + zone }),
		in(&function{name: "pickZones", least: 3, most: 5, usage: "pickZones('PROVIDER', 'TYPE', 'LOCATION', count, offset)", summary: "No availability zones: there are none here.", run: func(*env, []any) (any, error) { return []any{}, nil }}),
	}
}

// logicalZone is the number of a zone that is called westus2-az1.
func logicalZone(zone string) string { return zone[strings.LastIndexByte(zone, 'z')+1:] }

// zone makes a function of the name of one zone, zones of an array of them.
func zone(name, usage, summary string, fn func(location, zone string) string) *function {
	return &function{name: name, group: "resource", least: 3, most: 3, usage: usage, summary: summary, run: func(_ *env, args []any) (any, error) {
		location, err := asText(args, 1)
		if err != nil {
			return nil, err
		}
		one, err := asText(args, 2)
		return fn(location, one), err
	}}
}

func zones(name, usage, summary string, fn func(location, zone string) string) *function {
	return &function{name: name, group: "resource", least: 3, most: 3, usage: usage, summary: summary, run: func(_ *env, args []any) (any, error) {
		location, err := asText(args, 1)
		if err != nil {
			return nil, err
		}
		given, err := asList(args, 2)
		if err != nil {
			return nil, err
		}
		list := []any{}
		for i := range given {
			one, err := asText(given, i)
			if err != nil {
				return nil, err
			}
			list = append(list, fn(location, one))
		}
		return list, nil
	}}
}

// typeAndNames splits arguments at the resource type: before it may stand some others,
// behind it a name for each step.
func typeAndNames(args []any, beforeMax int) (before []string, typ string, names []string, err error) {
	var texts []string
	for i := range args {
		s, err := asText(args, i)
		if err != nil {
			return nil, "", nil, err
		}
		texts = append(texts, s)
	}
	at := 0
	for at < len(texts) && at <= beforeMax && !(strings.Contains(texts[at], "/") && strings.Contains(strings.SplitN(texts[at], "/", 2)[0], ".")) {
		at++
	}
	if at == len(texts) || at > beforeMax {
		return nil, "", nil, fmt.Errorf("no argument is a resource type such as 'Microsoft.ServiceBus/namespaces'")
	}
	before, typ, names = texts[:at], strings.Trim(texts[at], "/"), texts[at+1:]
	if strings.Count(typ, "/") > len(names) { // several names in one argument
		names = strings.Split(strings.Join(names, "/"), "/")
	}
	if steps := strings.Count(typ, "/"); len(names) != steps {
		return nil, "", nil, fmt.Errorf("the type %s needs %d names, one for each step, and has %d", typ, steps, len(names))
	}
	return before, typ, names, nil
}

func resourceID(e *env, args []any) (any, error) {
	before, typ, names, err := typeAndNames(args, 2)
	if err != nil {
		return nil, err
	}
	s := e.world.o.Scope
	switch {
	case len(before) == 2:
		s = Scope{Subscription: before[0], ResourceGroup: before[1]}
	case len(before) == 1 && s.ResourceGroup == "" && isGUID(before[0]):
		s = Scope{Subscription: before[0]}
	case len(before) == 1:
		s.ResourceGroup = before[0]
	}
	if strings.EqualFold(typ, "Microsoft.Resources/resourceGroups") {
		return "/subscriptions/" + s.Subscription + "/resourceGroups/" + names[0], nil
	}
	return joinID(s.ID(), typ, names), nil
}

func isGUID(s string) bool {
	return len(s) == 36 && strings.Count(s, "-") == 4
}

func providers(e *env, args []any) (any, error) {
	namespace, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return NewObject("namespace", namespace, "resourceTypes", []any{}), nil
	}
	typ, err := asText(args, 1)
	if err != nil {
		return nil, err
	}
	versions := []string(nil)
	if e.world.o.Versions != nil {
		versions = e.world.o.Versions(namespace + "/" + typ)
	}
	if len(versions) == 0 { // one that says nothing, so that templates of other types can be read
		versions = []string{"2024-01-01"}
	}
	list := []any{}
	for _, v := range versions {
		list = append(list, v)
	}
	return NewObject("resourceType", typ, "locations", []any{}, "apiVersions", list), nil
}

// usable says whether what is deployed may be asked for here.
func (e *env) usable(name string) error {
	if e.user != nil || e.place != inProperty && e.place != inOutput {
		return fmt.Errorf("%s can be used in the properties of a resource and in outputs alone, and this is %s", name, e.place)
	}
	return nil
}

// target finds the resource that an argument names, and notes that it is needed.
func (e *env) target(function, text string) (id string, found *Resource, err error) {
	for s := e.stage; s != nil && found == nil; s = s.outer {
		key := strings.ToLower(text)
		switch {
		case len(s.bySymbol[key]) > 0:
			found = s.bySymbol[key][0]
		case strings.HasPrefix(text, "/"):
			found = s.byID[key]
		case len(s.byName[key]) > 0:
			if len(different(s.byName[key])) > 1 {
				return "", nil, fmt.Errorf("%s: there are several resources of the name '%s' in the template: write resourceId('TYPE', 'NAME')", function, text)
			}
			for _, r := range s.byName[key] {
				if found == nil || found.Off {
					found = r
				}
			}
		}
		if found == nil && !strings.HasPrefix(text, "/") {
			if near, err := s.find(text); err == nil && len(near) == 1 {
				found = near[0]
			}
		}
	}
	id = text
	if found != nil {
		id = found.ID
	} else if !strings.HasPrefix(text, "/") && e.world.open && e.stage.hasUnnamed(text) {
		return "", nil, nil // it may be the one whose name is not known yet
	} else if !strings.HasPrefix(text, "/") {
		return "", nil, fmt.Errorf("%s: '%s' is no resource of the template; write resourceId('TYPE', 'NAME') for one that is elsewhere", function, text)
	}
	if e.refs != nil {
		*e.refs = append(*e.refs, Ref{Function: function, ID: id, Path: e.path, Resource: found})
	}
	return id, found, nil
}

func reference(e *env, args []any) (any, error) {
	if err := e.usable("reference"); err != nil {
		return nil, err
	}
	text, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	version, full := "", false
	for i := 1; i < len(args); i++ {
		s, ok := args[i].(string)
		if !ok && args[i] != nil {
			return nil, wrong(args, i, "a string")
		}
		if strings.EqualFold(s, "Full") {
			full = true
		} else if i == 1 {
			version = s
		}
	}
	id, found, err := e.target("reference", text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "reference: "))
	}
	if version == "" && found != nil {
		version = found.APIVersion
	}
	if e.world.o.Runtime == nil || id == "" {
		return &Unknown{Text: fmt.Sprintf("[reference('%s')]", id)}, nil
	}
	return e.world.o.Runtime.Reference(id, version, full)
}

func references(e *env, args []any) (any, error) {
	if err := e.usable("references"); err != nil {
		return nil, err
	}
	text, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	full := len(args) == 2 && args[1] == "Full"
	var all []*Resource
	for s := e.stage; s != nil && all == nil; s = s.outer {
		if all = s.bySymbol[strings.ToLower(text)]; all == nil {
			all = s.byLoop[strings.ToLower(text)]
		}
	}
	if all == nil {
		return nil, fmt.Errorf("'%s' is no loop of resources", text)
	}
	list := []any{}
	for _, r := range all {
		if e.refs != nil {
			*e.refs = append(*e.refs, Ref{Function: "references", ID: r.ID, Path: e.path, Resource: r})
		}
		if e.world.o.Runtime == nil {
			list = append(list, &Unknown{Text: fmt.Sprintf("[reference('%s')]", r.ID)})
			continue
		}
		v, err := e.world.o.Runtime.Reference(r.ID, r.APIVersion, full)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// listCall is any function whose name begins with list.
func listCall(e *env, n call) (any, error) {
	if err := e.usable(n.name); err != nil {
		return nil, err
	}
	args := make([]any, len(n.args))
	for i, a := range n.args {
		v, err := e.eval(a)
		if err != nil {
			return nil, err
		}
		if u := hasUnknown(v); u != nil {
			return &Unknown{Text: "[" + n.source() + "]", failed: u.failed}, nil
		}
		args[i] = v
	}
	text, err := asText(args, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.name, err)
	}
	id, _, err := e.target(n.name, text)
	if err != nil {
		return nil, err
	}
	version, body := "", any(nil)
	if len(args) > 1 {
		version, _ = args[1].(string)
	}
	if len(args) > 2 {
		body = args[2]
	}
	if e.world.o.Runtime == nil || id == "" {
		return &Unknown{Text: fmt.Sprintf("[%s('%s')]", n.name, id)}, nil
	}
	v, err := e.world.o.Runtime.List(n.name, id, version, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.name, err)
	}
	return v, nil
}
