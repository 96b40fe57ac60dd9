package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// typeSiteWorkflow is a workflow of a Standard project.
const typeSiteWorkflow = typeSite + "/workflows"

var siteVersions = []string{"2024-04-01", "2023-12-01", "2023-01-01", "2022-09-01", "2022-03-01", "2021-03-01", "2020-12-01", "2018-11-01"}

// siteTypes are a Standard project: a site, its workflows, and its configuration.
func siteTypes() []*resource.Type {
	text := func(name string) resource.Field {
		return resource.Field{Name: name, Kind: resource.String, Description: "Kept for templates."}
	}
	flag := func(name string) resource.Field {
		return resource.Field{Name: name, Kind: resource.Bool, Description: "Kept for templates."}
	}
	site := &resource.Type{
		Name: typeSite, APIVersions: siteVersions,
		Description: "A Standard project: workflows that share connections, parameters and settings, and are one unit of continuity. Its kind holds `workflowapp`.",
		NamePattern: `[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?`, NameRange: resource.Range{Min: 2, Max: 60}, NameHint: "letters, digits and hyphens",
		Located: true, Unique: true, SiblingsMax: 1000,
		Fields: []resource.Field{
			{Name: "state", Kind: resource.Enum, Values: []string{"Running", "Stopped"}, Default: "Running", Description: "Stopped: no trigger of any of its workflows fires."},
			{Name: "connections", Kind: resource.JSON, Description: "What connections.json says."},
			{Name: "parameters", Kind: resource.JSON, Description: "What parameters.json says."},
			{Name: "appSettings", Kind: resource.Secret, Description: "Settings, as the text of a JSON object of names and values. Given as an object, or in siteConfig.appSettings, they are put here."},
			{Name: "siteConfig", Kind: resource.JSON, Description: "Kept for templates; its appSettings are taken out."},
			text("serverFarmId"), text("publicNetworkAccess"), text("virtualNetworkSubnetId"), text("keyVaultReferenceIdentity"),
			flag("httpsOnly"), flag("clientAffinityEnabled"), flag("reserved"), flag("storageAccountRequired"), flag("vnetRouteAllEnabled"), flag("vnetContentShareEnabled"), flag("enabled"),
			{Name: "defaultHostName", Kind: resource.String, ReadOnly: true, Description: "Where it is called."},
			{Name: "provisioningState", Kind: resource.String, ReadOnly: true, Description: "Succeeded, once it is in force."},
		},
		Prepare: prepareSite,
		Check:   checkSite,
		Actions: []resource.Action{
			{Name: "start", Description: "Lets triggers fire.", Run: switchTo("Running")},
			{Name: "stop", Description: "Keeps triggers from firing.", Run: switchTo("Stopped")},
		},
	}
	flow := &resource.Type{
		Name: typeSiteWorkflow, APIVersions: siteVersions, Description: "A workflow of a Standard project.",
		NamePattern: `[A-Za-z][A-Za-z0-9_-]*`, NameRange: resource.Range{Min: 1, Max: 32 + 48}, NameHint: "letters, digits, '-' and '_', a letter first", SiblingsMax: 1000,
		Fields: []resource.Field{
			{Name: "definition", Kind: resource.JSON, Required: true, Description: "What it does: the `definition` of its workflow.json."},
			{Name: "kind", Kind: resource.Enum, Values: []string{"Stateful", "Stateless"}, Default: "Stateful", Description: "Stateless keeps no history in Azure; here both keep theirs."},
			{Name: "flowState", Kind: resource.Enum, Values: []string{"Enabled", "Disabled"}, Default: "Enabled", Description: "Disabled: its triggers do not fire."},
			{Name: "files", Kind: resource.JSON, Description: "`{\"workflow.json\": {...}}` may be given in place of definition and kind."},
			{Name: "health", Kind: resource.JSON, ReadOnly: true, Description: "Said by the service."},
		},
		Prepare: prepareSiteWorkflow,
		Check: func(d resource.Document, _ resource.View) resource.Problems {
			return checkDefinition(d, "definition", standard)
		},
	}
	config := &resource.Type{
		Name: typeSiteConfig, APIVersions: siteVersions, Description: "A part of a project's configuration in this location: `appsettings`, `connections` or `parameters`. What it says counts over what the site itself says. Locations do not copy it from each other.",
		NamePattern: `(?i:appsettings|connections|parameters)`, NameRange: resource.Range{Min: 1, Max: 40}, NameHint: "appsettings, connections or parameters",
		Fields: []resource.Field{
			{Name: "content", Kind: resource.JSON, Description: "The content of connections.json or parameters.json."},
			{Name: "settings", Kind: resource.Secret, Description: "Settings, as the text of a JSON object; properties of appsettings are put here."},
			{Name: "names", Kind: resource.List, Element: &resource.Field{Name: "name", Kind: resource.String}, Description: "The names of the settings, given by the server."},
		},
		Prepare: prepareConfig,
		Actions: []resource.Action{{Name: "list", Description: "Shows the settings.", Run: func(_ resource.ActionContext, d resource.Document, _ map[string]any) (map[string]any, error) {
			settings := map[string]any{}
			if err := json.Unmarshal([]byte(orEmpty(d.String("settings"))), &settings); err != nil {
				return nil, fault.Wrap(fault.Damaged, err, "The settings cannot be read.")
			}
			return map[string]any{"id": d.ID.String(), "name": d.Name(), "type": d.Type(), "properties": settings}, nil
		}}},
	}
	return []*resource.Type{site, flow, config}
}

func orEmpty(text string) string {
	if text == "" {
		return "{}"
	}
	return text
}

// prepareSite puts settings where they are sealed.
func prepareSite(d, old *resource.Document, _ resource.PrepareContext) error {
	settings := map[string]any{}
	switch given := d.Properties["appSettings"].(type) {
	case string:
		if err := json.Unmarshal([]byte(orEmpty(given)), &settings); err != nil {
			return fault.Wrap(fault.Invalid, err, "appSettings are an object of names and values.")
		}
	case map[string]any:
		settings = given
	case nil:
		if old != nil {
			if err := json.Unmarshal([]byte(orEmpty(old.String("appSettings"))), &settings); err != nil {
				return fault.Wrap(fault.Damaged, err, "The settings of the site cannot be read.")
			}
		}
	default:
		return fault.New(fault.Invalid, "appSettings are an object of names and values.")
	}
	if siteConfig, ok := plainOf(d.Properties["siteConfig"]).(map[string]any); ok {
		if list, ok := siteConfig["appSettings"].([]any); ok {
			for i, item := range list {
				pair, _ := item.(map[string]any)
				name, _ := pair["name"].(string)
				if name == "" {
					return fault.New(fault.Invalid, "siteConfig.appSettings[%d] is no pair of name and value.", i)
				}
				settings[name] = pair["value"]
			}
			delete(siteConfig, "appSettings")
			d.Properties["siteConfig"] = siteConfig
		}
	}
	return seal(d, "appSettings", settings)
}

// seal puts settings into a property of the kind Secret.
func seal(d *resource.Document, property string, settings map[string]any) error {
	delete(d.Properties, property)
	if len(settings) == 0 {
		return nil
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The settings cannot be read.")
	}
	d.Properties[property] = string(text)
	return nil
}

func checkSite(d resource.Document, _ resource.View) (p resource.Problems) {
	if !strings.Contains(strings.ToLower(d.Kind), "workflowapp") {
		p = problem(p, d, "kind", "Its kind is %q: sites are Standard projects here, whose kind holds workflowapp, such as functionapp,workflowapp.", d.Kind)
	}
	return p
}

// prepareSiteWorkflow takes the definition out of the file it may come in.
func prepareSiteWorkflow(d, _ *resource.Document, _ resource.PrepareContext) error {
	raw, err := resource.RawOf(d.Properties["files"])
	if err != nil || raw == "null" || raw == "" {
		return nil
	}
	var files map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &files); err != nil {
		return fault.Wrap(fault.Invalid, err, "files is {\"workflow.json\": {...}}.")
	}
	var file struct {
		Definition json.RawMessage `json:"definition"`
		Kind       string          `json:"kind"`
	}
	text, ok := files["workflow.json"]
	if !ok || len(files) > 1 {
		return fault.New(fault.Invalid, "files holds workflow.json and nothing else: other files of a project are not kept.")
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return fault.Wrap(fault.Invalid, err, "workflow.json is {\"definition\": {...}, \"kind\": \"Stateful\"}.")
	}
	delete(d.Properties, "files")
	if len(file.Definition) > 0 {
		d.Properties["definition"] = resource.Raw(file.Definition)
	}
	if file.Kind != "" {
		d.Properties["kind"] = file.Kind
	}
	return nil
}

// prepareConfig puts the properties of a part where they belong: those of appsettings are
// all secrets, those of the others are the file.
func prepareConfig(d, old *resource.Document, _ resource.PrepareContext) error {
	given := d.Properties
	_, settled := given["settings"].(string)
	if _, shown := given["names"].([]any); shown && !settled { // what was shown, put back
		delete(given, "names")
		if len(given) == 0 && old != nil {
			d.Properties = old.Clone().Properties
			return nil
		}
	}
	_, content := given["content"]
	if len(given) == 0 && old != nil {
		return nil
	}
	raw, err := d.RawProperties()
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The file cannot be read.")
	}
	d.Properties = map[string]any{}
	switch {
	case strings.EqualFold(d.Name(), "appsettings") && !settled:
		var names []any
		for _, name := range slices.Sorted(maps.Keys(given)) {
			names = append(names, name)
		}
		if err := seal(d, "settings", given); err != nil {
			return err
		}
		d.Properties["names"] = names
		return nil
	case !strings.EqualFold(d.Name(), "appsettings") && !content:
		given = map[string]any{"content": raw}
	}
	d.Properties = given
	return nil
}

// App is what a Standard project shares between its workflows, in this location.
type App struct {
	Settings                map[string]string
	Connections, Parameters resource.Raw
}

// Getter finds resources.
type Getter interface {
	Get(ctx context.Context, id resource.ID) (resource.Document, error)
}

// AppOf gives what a site says, and over that what the parts of its configuration say.
func AppOf(ctx context.Context, from Getter, site resource.ID) (App, error) {
	d, err := from.Get(ctx, site)
	if err != nil {
		return App{}, err
	}
	app := App{Settings: map[string]string{}, Connections: d.Raw("connections"), Parameters: d.Raw("parameters")}
	if err := app.add(d.String("appSettings")); err != nil {
		return App{}, err
	}
	for _, part := range []string{"appsettings", "connections", "parameters"} {
		id, err := site.Child("config", part)
		if err != nil {
			return App{}, err
		}
		c, err := from.Get(ctx, id)
		switch {
		case fault.Is(err, fault.NotFound):
			continue
		case err != nil:
			return App{}, err
		}
		switch raw := c.Raw("content"); {
		case part == "appsettings":
			if err := app.add(c.String("settings")); err != nil {
				return App{}, err
			}
		case part == "connections" && raw != "":
			app.Connections = raw
		case part == "parameters" && raw != "":
			app.Parameters = raw
		}
	}
	return app, nil
}

func (a App) add(text string) error {
	var settings map[string]any
	if err := json.Unmarshal([]byte(orEmpty(text)), &settings); err != nil {
		return fault.Wrap(fault.Damaged, err, "The settings of the site cannot be read.")
	}
	for name, value := range settings {
		a.Settings[name] = fmt.Sprint(value)
	}
	return nil
}

// Names lists the settings there are.
func (a App) Names() []string {
	names := make([]string, 0, len(a.Settings))
	for name := range a.Settings {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
