package deploy

import (
	"context"
	"errors"
	"strings"

	"weir/internal/jsonc"
	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// request is a deployment as it was asked for.
type request struct {
	id       resource.ID
	name     string
	scope    resource.ID
	location string
	tags     map[string]string
	mode     string
	skip     bool // types that are not here are left out
	format   string
	template *template.Template
	given    map[string]template.Given
	text     string // the template, as it came
}

// read reads the body of a request: a location where it needs one, and properties with
// template, parameters and mode.
func (d *Deployments) read(scope resource.ID, name string, body []byte) (request, error) {
	r := request{name: name, scope: scope, mode: "Incremental"}
	var err error
	if r.id, err = d.id(scope, name); err != nil {
		return r, err
	}
	whole, err := jsonc.Parse(body)
	if e, ok := errors.AsType[*jsonc.Error](err); ok {
		return r, fault.New(fault.Invalid, "The request cannot be read: line %d: %s.", e.Line, e.Sentence)
	}
	properties := whole.Get("properties")
	if properties == nil || properties.Kind != jsonc.Object {
		return r, fault.New(fault.Invalid, "A deployment is {\"properties\": {\"mode\": \"Incremental\", \"template\": {...}, \"parameters\": {...}}}.")
	}
	if r.location = whole.Get("location").Str(); r.location == "" && scope.ResourceGroup() == "" {
		r.location = d.o.Location
	}
	if tags := whole.Get("tags"); tags != nil {
		r.tags = map[string]string{}
		for _, f := range tags.Fields {
			r.tags[f.Name] = f.Value.Str()
		}
	}
	if m := properties.Get("mode"); m != nil {
		switch {
		case strings.EqualFold(m.Str(), "Complete"):
			r.mode = "Complete"
		case !strings.EqualFold(m.Str(), "Incremental"):
			return r, fault.New(fault.Invalid, "The mode must be Incremental or Complete, and is %q.", m.Str())
		}
	}
	if r.mode == "Complete" && scope.ResourceGroup() == "" {
		return r, fault.New(fault.Invalid, "The mode Complete is for resource groups: it deletes what is not in the template.")
	}
	if s := properties.Get("skipUnknown"); s != nil {
		r.skip = s.Scalar == true
	}
	r.format = properties.Get("whatIfSettings").Get("resultFormat").Str()
	for _, link := range []string{"templateLink", "parametersLink"} {
		if v := properties.Get(link); v != nil && v.Kind != jsonc.Null {
			return r, fault.New(fault.Unsupported, "The %s is not fetched: send what it points to in its place. weir deploy FILE does.", link)
		}
	}
	if err := r.readTemplate(properties.Get("template"), body); err != nil {
		return r, err
	}
	given, problems := template.ReadParameters(properties.Get("parameters"))
	r.given = given
	return r, invalid(problems)
}

// readTemplate takes the template as an object, or as text of one.
func (r *request) readTemplate(v *jsonc.Value, body []byte) error {
	var problems template.Problems
	switch {
	case v == nil || v.Kind == jsonc.Null:
		return fault.New(fault.Invalid, "A deployment needs a template.")
	case v.Kind == jsonc.Text:
		r.text = v.Str()
		r.template, problems = template.Read([]byte(r.text))
	default:
		r.text = string(body[v.Start:v.End])
		r.template, problems = template.Of(v)
	}
	return invalid(problems)
}

// options are what the template is expanded with.
func (d *Deployments) options(ctx context.Context, who Asker, r request) template.Options {
	return template.Options{
		Name: r.name, Scope: scopeOf(r.scope), Location: r.location, Mode: r.mode, Tenant: d.o.Tenant,
		Now: d.o.Now().UTC(), NewGUID: d.o.NewGUID,
		Group: func(subscription, name string) (string, map[string]string) {
			id, err := resource.ParseID("/subscriptions/" + subscription + "/resourceGroups/" + name)
			if err != nil {
				return d.o.Location, nil
			}
			doc, _, err := d.o.Registry.Scope(ctx, id)
			if err != nil || doc.Location == "" {
				doc.Location = d.o.Location
			}
			return doc.Location, doc.Tags
		},
		Versions: func(typ string) []string {
			if t, ok := d.o.Registry.Types().Lookup(typ); ok {
				return t.APIVersions
			}
			return nil
		},
		Deployer: template.NewObject("objectId", who.Principal.ObjectID(), "tenantId", d.o.Tenant, "userPrincipalName", who.Principal.Name),
	}
}
