package deploy

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"weir/internal/jsonc"
	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// open takes a run in, unless its name is taken or too many run, and keeps that it runs.
func (d *Deployments) open(r *run) error {
	d.mu.Lock()
	switch {
	case d.running[r.id.Key()] != nil:
		d.mu.Unlock()
		return fault.New(fault.Conflict, "The deployment %s is running. Wait until it has ended, or give this one another name.", r.name)
	case len(d.running) >= runningMax && r.outer == nil:
		d.mu.Unlock()
		return fault.New(fault.TooManyRequests, "%d deployments are running, and more cannot. Try again when one has ended.", runningMax)
	}
	d.running[r.id.Key()] = r
	d.mu.Unlock()
	if err := d.keep(r.ctx, r.document()); err != nil {
		d.mu.Lock()
		delete(d.running, r.id.Key())
		d.mu.Unlock()
		return err
	}
	return nil
}

func (d *Deployments) close(r *run) {
	d.mu.Lock()
	delete(d.running, r.id.Key())
	d.mu.Unlock()
	close(r.done)
}

func (d *Deployments) find(id resource.ID) *run {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running[id.Key()]
}

// keep stores the document of a deployment, and forgets the oldest of its scope when
// there are too many.
func (d *Deployments) keep(ctx context.Context, doc resource.Document) error {
	for _, large := range []string{"", "templateText", "outputs", "parameters", "operations", "outputResources"} {
		delete(doc.Properties, large) // what does not fit is left out, the longest first
		_, err := d.o.Registry.Put(ctx, packed(doc), resource.Condition{})
		if err == nil {
			break
		}
		if large == "outputResources" || !fault.Is(err, fault.TooLarge) {
			return err
		}
	}
	all, _, err := d.o.Registry.List(ctx, doc.ID.Parent(), deploymentType)
	if err != nil || len(all) <= historyMax {
		return err
	}
	slices.SortFunc(all, func(a, b resource.Document) int { return cmp.Compare(a.String("timestamp"), b.String("timestamp")) })
	for _, old := range all[:len(all)-historyMax] {
		if d.find(old.ID) == nil && !old.ID.Equal(doc.ID) {
			_ = d.o.Registry.Delete(ctx, old.ID, resource.Condition{}) // the next one tries again
		}
	}
	return nil
}

// packed is a document as the registry takes it: what is said of a deployment as one
// text, for it has whatever values its template had.
func packed(doc resource.Document) resource.Document {
	doc.Properties = map[string]any{
		"provisioningState": doc.Properties["provisioningState"], "timestamp": doc.Properties["timestamp"],
		"content": squeezed(template.JSON(template.FromPlain(doc.Properties))),
	}
	return doc
}

// What is longer than plainMax is kept compressed: the operations of many resources are
// much alike.
const (
	plainMax     = 32 << 10
	squeezedMark = "gzip:"
	contentMax   = 64 << 20 // of what is unpacked
)

func squeezed(text string) string {
	if len(text) <= plainMax {
		return text
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	if err != nil || w.Close() != nil {
		return text // into memory: it does not fail
	}
	return squeezedMark + base64.StdEncoding.EncodeToString(b.Bytes())
}

func unsqueezed(text string) (string, error) {
	rest, ok := strings.CutPrefix(text, squeezedMark)
	if !ok {
		return text, nil
	}
	data, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return "", err
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	plain, err := io.ReadAll(io.LimitReader(r, contentMax))
	return string(plain), err
}

func unpacked(doc resource.Document) (resource.Document, error) {
	content := doc.String("content")
	if content == "" {
		return doc, nil
	}
	content, err := unsqueezed(content)
	if err != nil {
		return doc, fault.Wrap(fault.Damaged, err, "The deployment %s cannot be read.", doc.Name())
	}
	v, err := jsonc.Parse([]byte(content))
	if err != nil {
		return doc, fault.Wrap(fault.Damaged, err, "The deployment %s cannot be read.", doc.Name())
	}
	doc.Properties, _ = template.Plain(template.Literal(v)).(map[string]any)
	return doc, nil
}

const timeForm = "2006-01-02T15:04:05.0000000Z"

// document is a run as it is kept and shown.
func (r *run) document() resource.Document {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := map[string]any{
		"mode": r.mode, "provisioningState": r.state, "timestamp": r.changed.Format(timeForm), "duration": seconds(r.changed.Sub(r.begun)),
		"correlationId": r.who.Correlation, "parameters": r.parameters(), "operations": r.operationValues(), "outputResources": r.outputResources(),
	}
	if r.outer == nil {
		if len(r.prepared.text) <= templateKept {
			p["templateText"] = r.prepared.text
		}
		p["templateHash"] = template.Hash(r.prepared.text)
		r.warnings = append(slices.Clone(r.prepared.warnings), r.warnings...)
		slices.Sort(r.warnings)
		r.warnings = slices.Compact(r.warnings)
	}
	if len(r.warnings) > 0 {
		list := []any{}
		for _, w := range r.warnings {
			list = append(list, map[string]any{"message": w})
		}
		p["warnings"] = list
	}
	if len(r.outputs) > 0 {
		outputs := map[string]any{}
		for _, o := range r.outputs {
			one := map[string]any{"type": titled(o.Type)}
			if !o.Secure {
				one["value"] = template.Plain(o.Value)
			}
			outputs[o.Name] = one
		}
		p["outputs"] = outputs
	}
	if r.failure != nil {
		p["error"] = r.failure.value()
	}
	return resource.Document{ID: r.id, Location: r.location, Properties: p}
}

// titled writes a type as Azure answers it.
func titled(typ string) string {
	switch strings.ToLower(typ) {
	case "securestring":
		return "SecureString"
	case "secureobject":
		return "SecureObject"
	case "":
		return "Object"
	}
	return strings.ToUpper(typ[:1]) + strings.ToLower(typ[1:])
}

func (r *run) parameters() map[string]any {
	all := map[string]any{}
	for _, p := range r.plan.Parameters {
		one := map[string]any{"type": titled(p.Type)}
		if !p.Secure {
			one["value"] = template.Plain(p.Value)
		}
		all[p.Name] = one
	}
	return all
}

// put is what a run put, for the one around it.
func (r *run) put() []any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outputResources()
}

// outputResources lists what was put, by nested deployments too.
func (r *run) outputResources() []any {
	list := slices.Clone(r.nested)
	if list == nil {
		list = []any{}
	}
	for _, o := range r.operations {
		if o.state == stateSucceeded && o.outcome != "deleted" && !strings.EqualFold(o.typ, deploymentType) && len(list) < operationsMax {
			list = append(list, map[string]any{"id": o.id})
		}
	}
	return list
}

// operationValues are the operations as they are kept; of too many, those that did not
// succeed come first.
func (r *run) operationValues() []any {
	ops := r.operations
	if len(ops) > operationsMax {
		ops = slices.Clone(ops)
		slices.SortStableFunc(ops, func(a, b *operation) int {
			return cmp.Compare(btoi(a.state == stateSucceeded), btoi(b.state == stateSucceeded))
		})
		ops = ops[:operationsMax]
	}
	list := make([]any, 0, len(ops))
	for _, o := range ops {
		m := map[string]any{"id": o.id, "state": o.state, "at": o.at.Format(timeForm)}
		if o.outcome != "" {
			m["outcome"] = o.outcome
		}
		if o.took > 0 {
			m["took"] = seconds(o.took)
		}
		if o.failure != nil {
			m["error"] = o.failure.value()
		}
		list = append(list, m)
	}
	return list
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// current is the document of a deployment: of the run where it runs, else what was kept.
// One that was running when its node ended is failed.
func (d *Deployments) current(ctx context.Context, id resource.ID) (resource.Document, error) {
	if r := d.find(id); r != nil {
		return r.document(), nil
	}
	doc, err := d.o.Registry.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return doc, fault.New(fault.NotFound, "Deployment '%s' could not be found.", id.Name())
	}
	if err == nil {
		doc, err = unpacked(doc)
	}
	if err == nil && doc.String("provisioningState") == stateRunning && d.find(id) == nil {
		doc = interrupted(doc, d.o.Now())
	}
	return doc, err
}

func interrupted(doc resource.Document, now time.Time) resource.Document {
	doc = doc.Clone()
	doc.Properties["provisioningState"] = stateFailed
	doc.Properties["error"] = map[string]any{"code": "DeploymentInterrupted", "message": "The node that ran the deployment stopped, and what it had done by then is not known in full. Deploy again: what is there already is left as it is."}
	return doc
}

// view is the document of a deployment as Azure answers it.
func view(doc resource.Document) json.RawMessage {
	p := map[string]any{}
	for name, v := range doc.Properties {
		if name != "operations" && name != "templateText" {
			p[name] = v
		}
	}
	p["dependencies"], p["providers"] = []any{}, providersOf(doc)
	shape := map[string]any{"id": doc.ID.String(), "name": doc.Name(), "type": deploymentType, "properties": p}
	if doc.Location != "" {
		shape["location"] = doc.Location
	}
	if len(doc.Tags) > 0 {
		shape["tags"] = doc.Tags
	}
	data, err := json.Marshal(shape)
	if err != nil {
		return json.RawMessage(`{}`) // of JSON values: it always marshals
	}
	return data
}

// providersOf lists the resource types a deployment put.
func providersOf(doc resource.Document) []any {
	list, _ := doc.Properties["outputResources"].([]any)
	types := map[string]map[string]bool{}
	for _, one := range list {
		m, _ := one.(map[string]any)
		text, _ := m["id"].(string)
		id, err := resource.ParseID(text)
		if err != nil || id.IsScope() {
			continue
		}
		provider, typ, _ := strings.Cut(id.Type(), "/")
		if types[provider] == nil {
			types[provider] = map[string]bool{}
		}
		types[provider][typ] = true
	}
	all := []any{}
	for _, provider := range sorted(types) {
		resourceTypes := []any{}
		for _, typ := range sorted(types[provider]) {
			resourceTypes = append(resourceTypes, map[string]any{"resourceType": typ, "locations": []any{}})
		}
		all = append(all, map[string]any{"namespace": provider, "resourceTypes": resourceTypes})
	}
	return all
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
