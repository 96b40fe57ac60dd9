package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"weir/internal/groups"
	"weir/kernel/resource"
	"weir/operate/evidence"
	"weir/operate/plan/core"
)

// refused reports whether a location did not take the token.
func refused(err error) bool {
	no, ok := errors.AsType[*groups.Refused](err)
	return ok && (no.Status == http.StatusUnauthorized || no.Status == http.StatusForbidden)
}

// plainly is an error in one line, without the question's address in it twice.
func plainly(err error) string {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// groups asks how the groups are, and the voters of each.
func (p *place) groups(ctx context.Context) {
	asked := p.Location
	asked.Name = "" // whatever answers: a wrong name is a finding
	all, err := asked.List(ctx)
	if err != nil {
		p.seen.GroupsErr = plainly(err)
		if no, ok := errors.AsType[*groups.Refused](err); ok && no.Status == http.StatusNotFound {
			p.seen.GroupsErr = "it has no part in groups; \"weir serve --location NAME\" gives it a name"
		}
		return
	}
	p.seen.Says = all.Location
	p.seen.Groups = make([]core.Status, len(all.Value))
	var shown errgroup.Group
	shown.SetLimit(askedAtOnce)
	for i, listed := range all.Value {
		shown.Go(func() error {
			if s, err := asked.Show(ctx, listed.Name); err == nil {
				listed = s
			}
			p.seen.Groups[i] = standing(listed)
			return nil
		})
	}
	_ = shown.Wait() // what could not be shown stands as it was listed
}

func standing(s groups.Status) core.Status {
	c := core.Status{
		Name: s.Name, Holder: s.Holder, Standing: s.Standing, Phase: s.Phase, Mode: s.Mode, Peer: s.Peer, Term: s.Term,
		PeerReachable: s.PeerReachable, Automatic: s.Automatic, Config: evidence.Config(s),
	}
	if s.IsolatedUntil != nil {
		c.IsolatedUntil = *s.IsolatedUntil
	}
	if l := s.LastChange; l != nil {
		c.LastChange = &core.Change{Kind: l.Kind, From: l.From, To: l.To, At: l.At, Seconds: l.Seconds}
	}
	for _, v := range s.Voters {
		c.Voters = append(c.Voters, core.Voter{Name: v.Name, Reachable: v.Reachable, Term: v.Term, Holder: v.Holder, Err: v.Error})
	}
	for _, u := range s.Units {
		c.Units = append(c.Units, core.Unit{
			Name: u.Unit, Role: u.Role, Reason: u.Reason, Ready: u.Ready, Connected: u.Connected, Degraded: u.Degraded,
			LagMessages: u.LagMessages, LagBytes: u.LagBytes, LagSeconds: u.LagSeconds,
		})
	}
	return c
}

// pagesMax bounds how much is read of what a location declares.
const pagesMax = 200

// documents reads what is declared: in the subscription that is the location's own, and
// where units of groups are besides.
func (p *place) documents(ctx context.Context) {
	subscriptions := []string{subscription(p.scope)}
	for i := 0; i < len(subscriptions); i++ {
		docs, err := p.list(ctx, subscriptions[i])
		if err != nil {
			p.seen.DocumentsErr, p.seen.Documents = plainly(err), nil
			return
		}
		p.seen.Documents = append(p.seen.Documents, docs...)
		for _, d := range docs {
			units, _ := d.Properties["units"].([]any)
			for _, u := range units {
				id, _ := u.(string)
				if s := subscription(id); s != "" && !slices.ContainsFunc(subscriptions, func(x string) bool { return strings.EqualFold(x, s) }) {
					subscriptions = append(subscriptions, s)
				}
			}
		}
	}
}

// workflows reads those of the documents that are workflows.
func (p *place) workflows() {
	if p.o.Workflow == nil {
		return
	}
	for _, d := range p.seen.Documents {
		if w := p.o.Workflow(d); w != nil {
			w.ID, w.Name = d.ID, d.Name
			w.Share, w.Role = d.Tags["weir-share"], d.Tags["weir-role"]
			p.seen.Workflows = append(p.seen.Workflows, *w)
		}
	}
}

// subscription is the beginning of an id.
func subscription(id string) string {
	parts := strings.SplitN(strings.TrimPrefix(id, "/"), "/", 3)
	if len(parts) < 2 || !strings.EqualFold(parts[0], "subscriptions") {
		return ""
	}
	return "/" + parts[0] + "/" + parts[1]
}

// list reads all pages of what is declared in a subscription.
func (p *place) list(ctx context.Context, subscription string) ([]core.Document, error) {
	if subscription == "" {
		return nil, errors.New("it does not say where its resources are")
	}
	var all []core.Document
	at := subscription + "/resources?%24expand=whole"
	for range pagesMax {
		var page struct {
			Value []struct {
				ID         string            `json:"id"`
				Name       string            `json:"name"`
				Type       string            `json:"type"`
				SKU        map[string]any    `json:"sku"`
				Tags       map[string]string `json:"tags"`
				Properties map[string]any    `json:"properties"`
			} `json:"value"`
			NextLink string `json:"nextLink"`
		}
		if err := p.Do(ctx, http.MethodGet, at, nil, &page); err != nil {
			return nil, err
		}
		for _, d := range page.Value {
			doc := core.Document{ID: d.ID, Type: d.Type, Name: d.Name, Tags: d.Tags, Properties: p.declared(d.Type, d.Properties)}
			if d.SKU != nil {
				text, err := json.Marshal(d.SKU)
				if err != nil {
					return nil, err
				}
				doc.SKU = string(text)
			}
			all = append(all, doc)
		}
		if page.NextLink == "" {
			return all, nil
		}
		next, err := url.Parse(page.NextLink)
		if err != nil {
			return nil, fmt.Errorf("the next page of the list: %w", err)
		}
		at = next.RequestURI() // the host is how that node calls itself
	}
	return nil, fmt.Errorf("it declares more than fits into %d pages", pagesMax)
}

// declared leaves out what the service says of a resource rather than who declared it.
func (p *place) declared(typ string, properties map[string]any) map[string]any {
	i := slices.IndexFunc(p.o.Types, func(t *resource.Type) bool { return strings.EqualFold(t.Name, typ) })
	if i < 0 || properties == nil {
		return properties
	}
	for _, f := range p.o.Types[i].Fields {
		if f.ReadOnly {
			delete(properties, f.Name)
		}
	}
	return properties
}
