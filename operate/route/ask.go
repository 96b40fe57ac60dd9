package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	askTimeout     = 2 * time.Second
	answerBytesMax = 4 << 20
	groupsPath     = "/continuity/groups"
)

// place is a location that is asked. Only its watcher uses what changes in it.
type place struct {
	Location
	client *http.Client
	next   int    // which of Admin is asked
	failed string // why the last round failed; empty: it did not
}

// groupsAnswer is what the router reads of a location's answer.
type groupsAnswer struct {
	Location string `json:"location"`
	Value    []struct {
		Name     string `json:"name"`
		Term     uint64 `json:"term"`
		Standing string `json:"standing"`
		Holder   string `json:"holder"`
		Units    []struct {
			ID   string `json:"id"`
			Unit string `json:"unit"`
		} `json:"units"`
	} `json:"value"`
}

// watch asks one location until the router ends.
func (r *Router) watch(p *place) {
	tick := time.NewTicker(r.o.Every)
	defer tick.Stop()
	for {
		said, err := p.round(r.ctx)
		if r.ctx.Err() != nil {
			return
		}
		r.tell(p, err)
		if r.hear(p.Name, said, err) {
			p.next++ // this node lags behind: ask another one next time
		}
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			return
		}
	}
}

// tell writes when a location begins or ceases to answer.
func (r *Router) tell(p *place, err error) {
	why := ""
	if err != nil {
		why = err.Error()
	}
	switch {
	case why != "" && p.failed != why:
		r.log.Warn("a location does not say where its groups are; what it said before is held to", "location", p.Name, "error", why)
	case why == "" && p.failed != "":
		r.log.Info("a location answers again", "location", p.Name)
	}
	p.failed = why
}

// round asks the nodes of a location in turn, beginning with the one that answered
// last, until one answers.
func (p *place) round(ctx context.Context) (said map[string]opinion, err error) {
	for range p.Admin {
		if said, err = p.ask(ctx, p.Admin[p.next%len(p.Admin)]); err == nil || ctx.Err() != nil {
			return said, err
		}
		p.next++
	}
	return nil, err
}

// ask asks one node.
func (p *place) ask(ctx context.Context, base string) (map[string]opinion, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+groupsPath, nil)
	if err != nil {
		return nil, err
	}
	if p.Token != "" {
		request.Header.Set("Authorization", "Bearer "+p.Token)
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusUnauthorized:
		return nil, fmt.Errorf("%s does not take the token: it is in the file admin-token of that location's data directory", base)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answered %s", base, answer.Status)
	}
	var said groupsAnswer
	if err := json.Unmarshal(data, &said); err != nil {
		return nil, fmt.Errorf("%s answered something else than a location would: %w", base, err)
	}
	if said.Location != p.Name {
		return nil, fmt.Errorf("%s is the location %q, not %q", base, said.Location, p.Name)
	}
	return said.opinions(), nil
}

func (a groupsAnswer) opinions() map[string]opinion {
	all := map[string]opinion{}
	for _, g := range a.Value {
		o := opinion{term: g.Term, standing: g.Standing, holder: g.Holder}
		for _, u := range g.Units {
			if name := namespace(u.ID, u.Unit); name != "" {
				o.names = append(o.names, name)
			}
		}
		all[strings.ToLower(g.Name)] = o
	}
	return all
}

// namespace is the name clients know a unit by: the last part of its resource's id, or
// what follows the service in the unit's name.
func namespace(id, unit string) string {
	if id != "" {
		return strings.ToLower(id[strings.LastIndexByte(id, '/')+1:])
	}
	_, name, _ := strings.Cut(unit, "-")
	return strings.ToLower(name)
}

// hear takes what a location said, or that it did not, and reports whether it is behind
// what others say.
func (r *Router) hear(location string, said map[string]opinion, err error) (behind bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[location] = true
	if err == nil {
		r.said[location] = said
	}
	if len(r.asked) < len(r.places) {
		return false // the one that is missing may know better
	}
	before := r.picture
	now := decide(r.said, len(r.places), before)
	for name, o := range said {
		behind = behind || o.standing == primary && o.term < now.groups[name].top
	}
	if now.same(before) {
		return behind
	}
	r.picture = now
	close(r.changed)
	r.changed = make(chan struct{})
	r.report(before, now)
	r.part()
	return behind
}

// report writes where groups went.
func (r *Router) report(before, now picture) {
	for _, name := range slices.Sorted(maps.Keys(now.groups)) {
		was, is := before.groups[name], now.groups[name]
		switch {
		case is.active != "" && (was.active != is.active || was.top != is.top):
			r.log.Info("a group has a primary", "group", name, "location", is.active, "term", is.top)
		case is.active == "" && was.active != "":
			r.log.Info("a group has no primary at the moment; new connections wait", "group", name, "was", was.active, "term", is.top)
		}
	}
	if _, err := now.pick(r.o.Group); err != nil && len(r.o.Listen) > 0 && !errors.Is(err, errIncomplete) {
		r.log.Warn("clients can not be passed on", "error", err)
	}
}
