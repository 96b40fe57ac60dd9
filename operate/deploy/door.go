package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// Put checks a deployment whole and begins it. A short one has ended when it is
// answered; of the others the document says that they run.
func (d *Deployments) Put(ctx context.Context, who Asker, scope resource.ID, name string, body []byte) (json.RawMessage, bool, error) {
	p, _, err := d.prepare(ctx, who, scope, name, body, false)
	if err != nil {
		return nil, false, err
	}
	_, missing := d.o.Registry.Get(ctx, p.id)
	r := newRun(d, who, p, p.id, p.name, p.mode, p.plan)
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx)) // what the request says of itself is good for its resources too
	stop := context.AfterFunc(d.life, r.cancel)
	if err := d.open(r); err != nil {
		stop()
		r.cancel()
		return nil, false, err
	}
	d.ended.Go(func() {
		defer r.cancel()
		defer stop()
		r.whole()
	})
	wait, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	select {
	case <-r.done:
	case <-wait.Done():
	}
	return view(r.document()), fault.Is(missing, fault.NotFound), nil
}

// Get shows a deployment.
func (d *Deployments) Get(ctx context.Context, scope resource.ID, name string) (json.RawMessage, error) {
	id, err := d.id(scope, name)
	if err != nil {
		return nil, err
	}
	doc, err := d.current(ctx, id)
	if err != nil {
		return nil, err
	}
	return view(doc), nil
}

// List shows the deployments of a scope, the newest first.
func (d *Deployments) List(ctx context.Context, scope resource.ID) ([]json.RawMessage, error) {
	docs, _, err := d.o.Registry.List(ctx, scope, deploymentType)
	if err != nil {
		return nil, err
	}
	for i := range docs {
		if docs[i], err = d.current(ctx, docs[i].ID); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(docs, func(a, b resource.Document) int { return cmp.Compare(b.String("timestamp"), a.String("timestamp")) })
	list := make([]json.RawMessage, 0, len(docs))
	for _, doc := range docs {
		list = append(list, view(doc))
	}
	return list, nil
}

// Delete takes a deployment out of the history; what it deployed stays.
func (d *Deployments) Delete(ctx context.Context, who Asker, scope resource.ID, name string) error {
	id, err := d.id(scope, name)
	if err != nil {
		return err
	}
	if d.find(id) != nil {
		return fault.New(fault.Conflict, "The deployment %s is running: cancel it, or wait until it has ended.", name)
	}
	return d.o.Registry.Delete(ctx, id, resource.Condition{Guarded: true})
}

// Cancel ends a deployment that runs; what was put stays.
func (d *Deployments) Cancel(ctx context.Context, who Asker, scope resource.ID, name string) error {
	id, err := d.id(scope, name)
	if err != nil {
		return err
	}
	r := d.find(id)
	if r == nil {
		if _, err := d.current(ctx, id); err != nil {
			return err
		}
		return fault.New(fault.Conflict, "The deployment %s does not run: there is nothing to cancel.", name)
	}
	r.mu.Lock()
	r.state = stateCanceled
	r.mu.Unlock()
	r.cancel()
	return nil
}

// Validate checks a deployment whole and shows it as it would be.
func (d *Deployments) Validate(ctx context.Context, who Asker, scope resource.ID, name string, body []byte) (json.RawMessage, error) {
	p, _, err := d.prepare(ctx, who, scope, name, body, false)
	if err != nil {
		return nil, err
	}
	r := newRun(d, who, p, p.id, p.name, p.mode, p.plan)
	r.state = stateSucceeded
	doc := r.document()
	valid := []any{}
	for _, one := range p.puts {
		valid = append(valid, map[string]any{"id": one.doc.ID.String()})
	}
	doc.Properties["validatedResources"] = valid
	delete(doc.Properties, "outputResources")
	return view(doc), nil
}

// Export gives the template a deployment was made from.
func (d *Deployments) Export(ctx context.Context, scope resource.ID, name string) (json.RawMessage, error) {
	id, err := d.id(scope, name)
	if err != nil {
		return nil, err
	}
	doc, err := d.current(ctx, id)
	if err != nil {
		return nil, err
	}
	text := doc.String("templateText")
	if text == "" {
		return nil, fault.New(fault.NotFound, "The template of the deployment %s was not kept: it is part of another deployment's, or larger than %d KiB.", name, templateKept>>10)
	}
	t, problems := template.Read([]byte(text))
	if err := invalid(problems); err != nil {
		return nil, err
	}
	return json.RawMessage(template.JSON(template.NewObject("template", t.Plain()))), nil
}

// Operations shows what became of each resource of a deployment, newest last.
func (d *Deployments) Operations(ctx context.Context, scope resource.ID, name string) ([]json.RawMessage, error) {
	id, err := d.id(scope, name)
	if err != nil {
		return nil, err
	}
	doc, err := d.current(ctx, id)
	if err != nil {
		return nil, err
	}
	ops, _ := doc.Properties["operations"].([]any)
	list := make([]json.RawMessage, 0, len(ops))
	for i, one := range ops {
		m, _ := one.(map[string]any)
		data, err := json.Marshal(operationView(doc, i, m))
		if err != nil {
			return nil, fault.Wrap(fault.Damaged, err, "An operation of the deployment %s cannot be read.", name)
		}
		list = append(list, data)
	}
	return list, nil
}

func operationView(doc resource.Document, i int, m map[string]any) map[string]any {
	text, _ := m["id"].(string)
	number := strconv.FormatInt(0x10000000+int64(i), 16)
	p := map[string]any{"provisioningOperation": "Create", "provisioningState": m["state"], "timestamp": m["at"], "trackingId": doc.String("correlationId"), "serviceRequestId": "", "statusCode": "OK"}
	if took, ok := m["took"]; ok {
		p["duration"] = took
	}
	if outcome, ok := m["outcome"]; ok {
		p["weirOutcome"] = outcome
		if outcome == "deleted" {
			p["provisioningOperation"] = "Delete"
		}
	}
	if failed, ok := m["error"]; ok {
		p["statusCode"] = "BadRequest"
		p["statusMessage"] = map[string]any{"status": m["state"], "error": failed}
	}
	target := map[string]any{"id": text}
	if id, err := resource.ParseID(text); err == nil {
		target["resourceType"], target["resourceName"] = id.Type(), strings.Join(id.Names(), "/")
		if id.IsScope() {
			target["resourceName"] = id.Name()
		}
	}
	p["targetResource"] = target
	return map[string]any{"id": doc.ID.String() + "/operations/" + number, "operationId": number, "properties": p}
}
