package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"weir/face/api"
	"weir/face/arm"
	"weir/kernel/resource"
	"weir/operate/deploy"
)

// deployments is what carries out templates, as the Resource Manager door calls it.
type deployments struct{ *deploy.Deployments }

// openDeployments makes it of what the door stands on too: who may, what is noted, and
// what another location decides about are the same whichever way a resource is put.
func (p *Platform) openDeployments(o api.Options) arm.Deployments {
	life, end := context.WithCancel(p.life)
	d := deploy.New(life, deploy.Options{
		Registry: o.Registry, Location: o.Location, Tenant: o.TenantID,
		Authorize: o.Authorize, Audit: o.Audit, Applied: o.Applied, Counts: o.Counts,
		Act: func(ctx context.Context, id resource.ID, action string, body map[string]any) (map[string]any, bool, error) {
			return p.flows.Act(ctx, adminURL(p.Addrs()), id, action, body)
		},
		Decided: func(ids ...resource.ID) error {
			for _, id := range ids {
				if err := o.Elsewhere(id); err != nil {
					return err
				}
			}
			return nil
		},
		NewGUID: newGUID, Logger: p.log,
	})
	p.undo.push("deployments", func(context.Context) error {
		end()
		d.Wait()
		return nil
	})
	return deployments{d}
}

// newGUID is a random one, of version 4.
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (d deployments) Put(ctx context.Context, who arm.Asker, scope resource.ID, name string, body []byte) (json.RawMessage, bool, error) {
	return d.Deployments.Put(ctx, deploy.Asker(who), scope, name, body)
}

func (d deployments) Delete(ctx context.Context, who arm.Asker, scope resource.ID, name string) error {
	return d.Deployments.Delete(ctx, deploy.Asker(who), scope, name)
}

func (d deployments) Cancel(ctx context.Context, who arm.Asker, scope resource.ID, name string) error {
	return d.Deployments.Cancel(ctx, deploy.Asker(who), scope, name)
}

func (d deployments) Validate(ctx context.Context, who arm.Asker, scope resource.ID, name string, body []byte) (json.RawMessage, error) {
	return d.Deployments.Validate(ctx, deploy.Asker(who), scope, name, body)
}

func (d deployments) WhatIf(ctx context.Context, who arm.Asker, scope resource.ID, name string, body []byte) (json.RawMessage, error) {
	return d.Deployments.WhatIf(ctx, deploy.Asker(who), scope, name, body)
}

func (d deployments) ExportScope(ctx context.Context, who arm.Asker, scope resource.ID, body []byte) (json.RawMessage, error) {
	return d.Deployments.ExportScope(ctx, deploy.Asker(who), scope, body)
}
