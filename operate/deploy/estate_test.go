package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/resource"
)

// unit is a registry's unit in memory.
type unit struct {
	mu     sync.Mutex
	facts  int
	reveal []func()
	calls  int
	before func() // each call
}

type turn struct{ u *unit }

func (t turn) Now() time.Time { return time.Date(2026, 1, 1, 0, 0, t.u.facts, 0, time.UTC) }
func (t turn) Record(fact []byte) record.Ref {
	t.u.facts++
	_ = bytes.Clone(fact)
	return record.Ref{At: record.Position(t.u.facts)}
}
func (t turn) Reveal(fn func()) { t.u.reveal = append(t.u.reveal, fn) }

func (u *unit) Call(ctx context.Context, work func(resource.Turn)) error {
	u.mu.Lock()
	if u.before != nil {
		u.before()
	}
	u.calls++
	work(turn{u})
	reveal := u.reveal
	u.reveal = nil
	u.mu.Unlock()
	for _, fn := range reveal {
		fn()
	}
	return ctx.Err()
}

func (u *unit) View(fn func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fn()
}

// houses is a family of types as a service would declare them.
func houses() []*resource.Type {
	house := &resource.Type{
		Name: "Test.Town/houses", APIVersions: []string{"2026-01-01"}, NameRange: resource.Range{Min: 1, Max: 40}, SKUs: []string{"Small", "Large"}, Located: true,
		Fields: []resource.Field{
			{Name: "colour", Kind: resource.String, Default: "white"},
			{Name: "floors", Kind: resource.Int, Default: int64(1), Range: &resource.Range{Min: 1, Max: 9}},
			{Name: "owner", Kind: resource.String},
			{Name: "address", Kind: resource.String, ReadOnly: true},
		},
		Companions: func(d resource.Document) []resource.Document {
			id, _ := d.ID.Child("keys", "master")
			return []resource.Document{{ID: id, Properties: map[string]any{"code": "1234"}}}
		},
	}
	room := &resource.Type{
		Name: "Test.Town/houses/rooms", APIVersions: []string{"2026-01-01"}, NameRange: resource.Range{Min: 1, Max: 40},
		Fields: []resource.Field{
			{Name: "size", Kind: resource.Int, Range: &resource.Range{Min: 1, Max: 100}},
			{Name: "label", Kind: resource.String},
			{Name: "must", Kind: resource.String},
			{Name: "plan", Kind: resource.JSON},
		},
	}
	key := &resource.Type{
		Name: "Test.Town/houses/keys", APIVersions: []string{"2026-01-01"}, NameRange: resource.Range{Min: 1, Max: 40},
		Fields: []resource.Field{{Name: "code", Kind: resource.Secret}},
		Actions: []resource.Action{{Name: "listKeys", Run: func(_ resource.ActionContext, d resource.Document, _ map[string]any) (map[string]any, error) {
			return map[string]any{"primaryKey": d.String("code")}, nil
		}}},
	}
	absent := &resource.Type{Name: "Test.Town/bridges", Absent: "rivers are not part of it.", APIVersions: []string{"2026-01-01"}}
	return append(resource.ScopeTypes(), house, room, key, absent, Type(), resource.LockType())
}

type estate struct {
	*Deployments
	registry *resource.Registry
	unit     *unit
	end      context.CancelFunc
}

func newEstate(t *testing.T, change ...func(*Options)) *estate {
	t.Helper()
	types, err := resource.NewTypes(houses()...)
	if err != nil {
		t.Fatal(err)
	}
	e := &estate{registry: resource.NewRegistry(types, nil), unit: &unit{}}
	e.registry.Bind(e.unit)
	o := Options{
		Registry: e.registry, Location: "west", NewGUID: func() string { return "11111111-2222-4333-8444-555555555555" },
		Counts: func(d resource.Document) map[string]any {
			if d.Type() == "Test.Town/houses" {
				return map[string]any{"address": d.Name() + " street"}
			}
			return nil
		},
	}
	for _, fn := range change {
		fn(&o)
	}
	life, end := context.WithCancel(context.Background())
	e.Deployments, e.end = New(life, o), end
	t.Cleanup(func() {
		end()
		e.Wait()
	})
	return e
}

var group = resource.MustID("/subscriptions/s/resourceGroups/g")

// body is a request with a template, one line a line of it.
func body(template string, more ...string) []byte {
	extra := ""
	for _, m := range more {
		extra += ", " + m
	}
	return []byte(`{"properties": {"template": ` + template + extra + `}}`)
}

// document is a deployment as it was answered.
type answered struct {
	Properties struct {
		ProvisioningState string
		Outputs           map[string]struct{ Type, Value any }
		Parameters        map[string]struct{ Type, Value any }
		OutputResources   []struct{ ID string }
		Warnings          []struct{ Message string }
		Error             struct {
			Code, Message string
			Details       []struct{ Code, Message, Target string }
		}
	}
}

func read(t *testing.T, doc json.RawMessage) (a answered) {
	t.Helper()
	if err := json.Unmarshal(doc, &a); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return a
}

// deploy puts a template and waits until it has ended.
func (e *estate) deploy(t *testing.T, name string, body []byte) answered {
	t.Helper()
	doc, _, err := e.Put(t.Context(), Asker{Correlation: "c"}, group, name, body)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := e.id(group, name)
	if r := e.find(id); r != nil {
		select {
		case <-r.done:
		case <-time.After(20 * time.Second):
			t.Fatal("the deployment does not end")
		}
		if doc, err = e.Get(t.Context(), group, name); err != nil {
			t.Fatal(err)
		}
	}
	return read(t, doc)
}

func (e *estate) property(t *testing.T, id, name string) string {
	t.Helper()
	doc, err := e.registry.Get(t.Context(), resource.MustID(group.String()+"/providers/Test.Town/"+id))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(doc.Properties[name])
}

const head = `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
`

// resourceOf writes one resource of a template.
func resourceOf(typ, name, rest string) string {
	if rest != "" {
		rest = ", " + rest
	}
	return fmt.Sprintf(`{"type": "Test.Town/%s", "apiVersion": "2026-01-01", "name": "%s"%s}`, typ, name, rest)
}
