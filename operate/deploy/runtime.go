package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// asking is the Runtime of a deployment that runs.
type asking struct {
	ctx context.Context
	run *run
}

// Reference gives the properties of a resource as it is.
func (a *asking) Reference(id, version string, full bool) (any, error) {
	if why := a.run.prepared.reachable(id); why != "" {
		return nil, fmt.Errorf("reference() of %s can not be given: %s", id, why)
	}
	if outputs := a.run.outputsOf(id); outputs != nil {
		properties := template.NewObject("outputs", outputs, "provisioningState", "Succeeded")
		if full {
			return template.NewObject("id", id, "properties", properties), nil
		}
		return properties, nil
	}
	at, err := resource.ParseID(id)
	if err != nil {
		return nil, err
	}
	d := a.run.d
	if err := d.may(a.ctx, a.run.who, at.Type()+"/read", id); err != nil {
		return nil, errors.New(fault.Sentence(err))
	}
	doc, err := d.show(a.ctx, at)
	if err != nil {
		return nil, errors.New(fault.Sentence(err))
	}
	properties, _ := template.FromPlain(openedIn(doc.Properties)).(*template.Object)
	if properties == nil {
		properties = &template.Object{}
	}
	properties.Set("provisioningState", "Succeeded")
	if !full {
		return properties, nil
	}
	o := template.NewObject("id", doc.ID.String(), "name", strings.Join(doc.ID.Names(), "/"), "type", doc.Type(), "apiVersion", version, "resourceId", strings.TrimPrefix(doc.ID.String(), doc.ID.Scope().String()+"/providers/"),
		"subscriptionId", doc.ID.Subscription(), "resourceGroupName", doc.ID.ResourceGroup(), "location", doc.Location, "tags", template.FromPlain(doc.Tags))
	if doc.SKU != nil {
		o.Set("sku", template.NewObject("name", doc.SKU.Name, "tier", doc.SKU.Tier, "capacity", doc.SKU.Capacity))
	}
	if doc.Identity != nil {
		o.Set("identity", template.FromPlain(doc.Identity))
	}
	if doc.Kind != "" {
		o.Set("kind", doc.Kind)
	}
	o.Set("properties", properties)
	return o, nil
}

// List runs an action of a resource.
func (a *asking) List(action, id, _ string, body any) (any, error) {
	if why := a.run.prepared.reachable(id); why != "" {
		return nil, fmt.Errorf("%s of %s can not be given: %s", action, id, why)
	}
	at, err := resource.ParseID(id)
	if err != nil {
		return nil, err
	}
	d, name := a.run.d, at.Type()+"/"+action+"/action"
	if err := d.may(a.ctx, a.run.who, name, id); err != nil {
		return nil, errors.New(fault.Sentence(err))
	}
	input, _ := template.Plain(body).(map[string]any)
	answer, err := d.act(a.ctx, at, action, input)
	if err != nil {
		d.note(a.ctx, a.run.who, name, id, audit.Failed, err)
		return nil, errors.New(fault.Sentence(err))
	}
	d.note(a.ctx, a.run.who, name, id, audit.Succeeded, nil)
	return template.FromPlain(answer), nil
}

// act runs an action where it is known: by who serves what lies below resources, or by
// the resource's type.
func (d *Deployments) act(ctx context.Context, id resource.ID, action string, body map[string]any) (map[string]any, error) {
	if d.o.Act != nil {
		if answer, taken, err := d.o.Act(ctx, id, action, body); taken {
			return answer, err
		}
	}
	return d.o.Registry.Act(ctx, id, action, body)
}

// show reads a resource as everybody sees it: without secrets, with what its service
// says of it.
func (d *Deployments) show(ctx context.Context, id resource.ID) (resource.Document, error) {
	doc, err := d.o.Registry.Get(ctx, id)
	if err != nil {
		return doc, err
	}
	return d.public(doc), nil
}

func (d *Deployments) public(doc resource.Document) resource.Document {
	if t, ok := d.o.Registry.Types().Lookup(doc.Type()); ok {
		doc = t.Redact(doc)
	}
	if d.o.Counts != nil {
		if counts := d.o.Counts(doc); len(counts) > 0 {
			doc = doc.Clone()
			maps.Copy(doc.Properties, counts)
		}
	}
	return doc
}
