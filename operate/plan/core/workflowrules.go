package core

import (
	"fmt"
	"slices"
	"strings"
)

// workflowRules are about workflows: which may be active where, and what they need there.
func workflowRules() []Rule {
	seen := []need{needDocuments}
	return []Rule{
		{
			ID: "workflow-unread", Severity: Warning, Title: "The definition of a workflow is not understood", Needs: seen,
			Fix: "\"weir workflow validate FILE\" says what is wrong with the definition of {workflow}; until it is mended nothing else can be said of it.",
			check: each(func(_ *estate, w placed, say say) {
				if w.Err != "" {
					say(fmt.Sprintf("the definition of %s is not understood: %s", w.describe(), w.Err))
				}
			}),
		}, {
			ID: "workflow-ungrouped", Severity: Warning, Title: "A workflow is in no group", Needs: seen,
			Fix: "Add {unit} to the units of a group in both locations (\"weir deploy FILE\"), or accept that runs and history of {workflow} are lost with {location}.",
			check: each(func(e *estate, w placed, say say) {
				if w.group == nil && !w.Disabled && len(e.groups) > 0 {
					say(fmt.Sprintf("%s in %s is in no group", w.describe(), w.place.Name), "unit", w.unit())
				}
			}),
		}, {
			ID: "workflow-stateless", Severity: Info, Title: "A stateless workflow is in a group", Needs: seen,
			Fix: "Nothing need be done: runs of {workflow} are recorded like those of others and go on after a failover of {group}. In Azure they would be lost; make it stateful before it goes there.",
			check: grouped(func(_ *estate, w placed, say say) {
				if w.Stateless {
					say(fmt.Sprintf("%s is stateless, and its runs go on all the same", w.describe()))
				}
			}),
		}, {
			ID: "workflow-held", Severity: Warning, Title: "A failover may leave an action waiting for a person", Needs: seen,
			Fix: "Let what {action} of {workflow} calls know the header Weir-Idempotency-Key, and take \"weir.idempotent\": false away; or have somebody at hand after a failover of {group}: the run says what to repeat or to answer.",
			check: grouped(func(_ *estate, w placed, say say) {
				for _, action := range w.Held {
					say(fmt.Sprintf("%s of %s must not be repeated: a run that was at it waits for a person after a failover", action, w.describe()), "action", action)
				}
			}),
		}, {
			ID: "workflow-role", Severity: Error, Title: "A workflow is to have a role that it can not have", Needs: seen,
			Fix:   "Take the tag weir-role of {workflow} back to active-passive or passive-active, or start it by something that two locations can share: a request, a queue, a recurrence with weir-share.",
			check: grouped(impossibleRole),
		}, {
			ID: "workflow-role-alone", Severity: Error, Title: "A workflow is to be active in both locations and has no twin", Needs: seen,
			Fix:   "Declare {workflow} in a second resource group too, which is in a group with the other primary; or tag it active-passive.",
			check: twinless,
		}, {
			ID: "share-unread", Severity: Error, Title: "A share of a schedule is not understood", Needs: seen,
			Fix: "Write the tag weir-share of {workflow} as the number of the share and how many there are: \"1/2\" and \"2/2\".",
			check: each(func(_ *estate, w placed, say say) {
				if _, _, ok := share(w.Share); w.Share != "" && !ok {
					say(fmt.Sprintf("the tag weir-share of %s is %q", w.describe(), w.Share))
				}
			}),
		}, {
			ID: "share-of-nothing", Severity: Error, Title: "Something is shared out that has no schedule", Needs: seen,
			Fix: "Take the tag weir-share away from {workflow}: only a Recurrence has times that can be shared out.",
			check: each(func(_ *estate, w placed, say say) {
				if w.Share != "" && w.Err == "" && !w.from(FromClock) {
					say(fmt.Sprintf("%s has the share %s and no Recurrence", w.describe(), w.Share))
				}
			}),
		}, {
			ID: "shares-missing", Severity: Error, Title: "Shares of a schedule do not make the whole", Needs: seen,
			Fix: "Declare {workflow} with the tag weir-share: \"{share}\" in a resource group of another group: until then the times of that share are left out.",
			check: shares(func(all []placed, of int, by map[int][]placed, say say) {
				for i := 1; i <= of; i++ {
					if len(by[i]) == 0 {
						say(fmt.Sprintf("the schedule of %s is shared out over %d, and nobody has the share %d/%d", all[0].Name, of, i, of), "share", fmt.Sprintf("%d/%d", i, of))
					}
				}
			}),
		}, {
			ID: "shares-doubled", Severity: Error, Title: "Two workflows have the same share of a schedule", Needs: seen,
			Fix: "Give each workflow named {workflow} a share of its own (tag weir-share): what two of them have runs twice.",
			check: shares(func(all []placed, of int, by map[int][]placed, say say) {
				for i := 1; i <= of; i++ {
					if len(by[i]) > 1 {
						say(fmt.Sprintf("%s and %s both have the share %d/%d", by[i][0].describe(), by[i][1].describe(), i, of))
					}
				}
			}),
		}, {
			ID: "shares-differ", Severity: Error, Title: "Shares are of different schedules", Needs: seen,
			Fix: "Give all workflows named {workflow} one schedule, with a startTime, and shares of one number: shares of different schedules meet or leave gaps.",
			check: twins(func(all []placed, say say) {
				for _, w := range all[1:] {
					_, a, _ := share(all[0].Share)
					_, b, ok := share(w.Share)
					if ok && a != 0 && (a != b || all[0].what(FromClock) != w.what(FromClock)) {
						say(fmt.Sprintf("%s and %s have shares %s and %s of schedules that are not the same", all[0].describe(), w.describe(), all[0].Share, w.Share))
					}
				}
			}),
		}, {
			ID: "twins-one-primary", Severity: Warning, Title: "Workflows that are to be active in both locations are in one", Needs: seen,
			Fix: "Give the groups of the workflows named {workflow} different locations as primary: while both are in {location}, losing it stops all of them until they have moved.",
			check: twins(func(all []placed, say say) {
				first := all[0].home()
				for _, w := range all[1:] {
					if w.group == all[0].group || w.home() != first || first == "" {
						return
					}
				}
				if len(all) > 1 {
					say(fmt.Sprintf("all %d workflows named %s are at home in %s", len(all), all[0].Name, first), "location", first)
				}
			}),
		}, {
			ID: "twins-one-group", Severity: Error, Title: "Workflows that are to be active in both locations move together", Needs: seen,
			Fix: "Put the resource groups of the workflows named {workflow} into two groups: {group} has one primary at a time.",
			check: twins(func(all []placed, say say) {
				for i, w := range all {
					if slices.ContainsFunc(all[:i], func(x placed) bool { return x.group == w.group }) {
						say(fmt.Sprintf("two workflows named %s are in the group %s", w.Name, w.group.name), "group", w.group.name)
					}
				}
			}),
		}, {
			ID: "consumers-order", Severity: Warning, Title: "Workflows compete for a queue without sessions", Needs: seen,
			Fix: "If order matters, read the queue of {workflow} in sessions (and send with a session id): receivers in two locations keep no order between messages otherwise.",
			check: twins(func(all []placed, say say) {
				for _, w := range all {
					for _, t := range w.Triggers {
						if len(all) > 1 && t.Source == FromQueue && !t.Sessions {
							say(fmt.Sprintf("%s reads a queue without sessions, in two locations", w.describe()))
						}
					}
				}
			}),
		}, {
			ID: "webhook-twice", Severity: Error, Title: "Two workflows subscribe to the same", Needs: seen,
			Fix: "Disable one of the workflows named {workflow}: both are called for everything. One is enough: it moves with its group, and its subscription stays valid.",
			check: doubles(FromHook, func(a, b placed) string {
				return fmt.Sprintf("%s and %s subscribe to the same", a.describe(), b.describe())
			}),
		}, {
			ID: "poll-twice", Severity: Error, Title: "Two workflows look for the same", Needs: seen,
			Fix: "Disable one of the workflows named {workflow}: each remembers for itself what it has found, so that both find everything.",
			check: doubles(FromCursor, func(a, b placed) string {
				return fmt.Sprintf("%s and %s look for the same", a.describe(), b.describe())
			}),
		}, {
			ID: "callback-address", Severity: Warning, Title: "Callback URLs name one location", Needs: seen,
			Fix: "Set endpoint of {group} in both locations to the URL of the router (\"weir route\"): callback URLs of {workflow} begin with it and stay valid when the group moves. \"weir deploy FILE\".",
			check: grouped(func(_ *estate, w placed, say say) {
				if d := w.group.declaration(); (w.from(FromCall) || w.from(FromHook) || w.Calls) && d != nil && d.endpoint == "" {
					say(fmt.Sprintf("%s is called from outside, and %s has no endpoint: its callback URLs lead to the location that gave them", w.describe(), w.group.name))
				}
			}),
		}, {
			ID: "callback-host", Severity: Error, Title: "Callback URLs lead to one location's own machine", Needs: seen,
			Fix: "Set endpoint of {group} to the URL of the router, which leads to whoever is primary: {endpoint} is a door of {location} alone.",
			check: of(func(e *estate, g *group, say say) {
				d := g.declaration()
				if d == nil || d.endpoint == "" {
					return
				}
				for i := range e.Places {
					p := &e.Places[i]
					if slices.ContainsFunc(p.Admin, func(url string) bool { return hostOf(url) == hostOf(d.endpoint) }) && hasWorkflows(e, g) {
						say(fmt.Sprintf("the endpoint of %s, %s, is %s's own", g.name, d.endpoint, p.Name), "location", p.Name, "endpoint", d.endpoint)
					}
				}
			}),
		},
		differ("endpoint-differs", Error, "endpoint", func(d *declaration) string { return d.endpoint },
			"Callback URLs would begin differently after a failover, and those given before would not be good."),
		{
			ID: "taken-and-lost", Severity: Warning, Title: "What a workflow takes away may be lost with the primary", Needs: seen,
			Fix: "Declare {group} with mode sync, or look at \"weir salvage {group}\" after a failover: what {workflow} has taken and not copied is in the lost location alone until then.",
			check: grouped(func(_ *estate, w placed, say say) {
				if d := w.group.declaration(); d != nil && d.mode == "async" && w.takes() {
					say(fmt.Sprintf("%s takes what it finds away, and %s is copied after the fact (async)", w.describe(), w.group.name))
				}
			}),
		},
		missing("connection-missing", "connection", []string{needConnection, needProvider, needFunction, needManagement}, "A location lacks a connection that a workflow needs",
			"Declare the connection {need} in {location} (Microsoft.Web/connections, or in Microsoft.Web/sites/config, connections), with that location's own address and credentials: \"weir deploy --server {url} FILE\". Connections are not copied."),
		missing("setting-missing", needSetting, []string{needSetting}, "A location lacks a setting that a workflow needs",
			"Declare the app setting {need} in {location} (Microsoft.Web/sites/config, appsettings): \"weir deploy --server {url} FILE\". Settings are not copied."),
		missing("identity-missing", needIdentity, []string{needIdentity}, "A location lacks an identity that a workflow acts as",
			"Declare the identity {need} in {location}, or list its scope in access of {group} so that it is copied: \"weir deploy FILE\"."),
	}
}

// each has a rule look at each workflow; grouped at those that are in a group and are
// understood.
func each(look func(e *estate, w placed, say say)) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		for _, w := range e.workflows() {
			about := []string{"workflow", w.Name, "location", w.place.Name}
			if w.group != nil {
				about = append(about, "group", w.group.name)
			}
			look(e, w, collect(&all, about...))
		}
		return all
	}
}

func grouped(look func(e *estate, w placed, say say)) func(*estate) []Finding {
	return each(func(e *estate, w placed, say say) {
		if w.group != nil && w.Err == "" {
			look(e, w, say)
		}
	})
}

// twins has a rule look at workflows of one name that are meant to be active together.
func twins(look func(all []placed, say say)) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		for _, set := range e.twins() {
			look(set, collect(&all, "workflow", set[0].Name))
		}
		return all
	}
}

// shares has a rule look at how a schedule is shared out.
func shares(look func(all []placed, of int, by map[int][]placed, say say)) func(*estate) []Finding {
	return twins(func(all []placed, say say) {
		by, most := map[int][]placed{}, 0
		for _, w := range all {
			if i, of, ok := share(w.Share); ok {
				by[i] = append(by[i], w)
				most = max(most, of)
			}
		}
		if most > 0 {
			look(all, most, by, say)
		}
	})
}

// doubles finds enabled workflows that are started by the very same, where one must be.
func doubles(source Source, what func(a, b placed) string) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		ws := e.workflows()
		for i, b := range ws {
			for _, a := range ws[:i] {
				same := !a.Disabled && !b.Disabled && a.group != nil && b.group != nil && strings.EqualFold(a.Name, b.Name)
				if same && a.what(source) != "" && a.what(source) == b.what(source) {
					all = append(all, found(what(a, b), "workflow", b.Name))
				}
			}
		}
		return all
	}
}

// impossibleRole refuses roles that what starts a workflow does not allow.
func impossibleRole(_ *estate, w placed, say say) {
	switch w.Role {
	case "", activePassive, passiveActive:
		if w.Role != "" && w.Share != "" {
			say(fmt.Sprintf("%s is tagged %s and has the share %s of a schedule", w.describe(), w.Role, w.Share))
		}
		return
	case activeActive:
	default:
		say(fmt.Sprintf("%s is tagged %q: the roles are %s, %s and %s", w.describe(), w.Role, activeActive, activePassive, passiveActive))
		return
	}
	for _, t := range w.Triggers {
		if why := alone[t.Source]; why != "" {
			say(fmt.Sprintf("%s is to be active in both locations and is started by %s: %s", w.describe(), t.Type, why))
		}
		if t.Source == FromClock && w.Share == "" {
			say(fmt.Sprintf("%s is to be active in both locations, and its schedule is not shared out (weir-share): every time would run twice", w.describe()))
		}
	}
}

// twinless finds workflows that are to be active in both locations and are there once.
func twinless(e *estate) (all []Finding) {
	for _, set := range e.twins() {
		if w := set[0]; len(set) == 1 && w.Role == activeActive && w.Share == "" {
			all = append(all, found(fmt.Sprintf("%s is to be active in both locations, and there is no other workflow named %s in another group", w.describe(), w.Name), "workflow", w.Name, "group", w.group.name))
		}
	}
	return all
}

// missing is a rule about something that each location must have for itself.
func missing(id, what string, kinds []string, title, fix string) Rule {
	return Rule{
		ID: id, Severity: Error, Title: title, Needs: []need{needDocuments}, Fix: fix,
		check: grouped(func(_ *estate, w placed, say say) {
			if w.Disabled {
				return
			}
			for _, n := range w.Needs {
				if !slices.Contains(kinds, n.Kind) {
					continue
				}
				for i := range w.group.sides {
					if p := w.group.sides[i].place; p.documented() && !p.has(w, n) {
						say(fmt.Sprintf("%s needs the %s %s (%s), which is not declared in %s", w.describe(), what, n.Name, n.Where, p.Name), "need", n.Name, "location", p.Name)
					}
				}
			}
		}),
	}
}

// has reports whether a location has what a workflow needs, as far as can be seen.
func (p *Place) has(w placed, n WorkflowNeed) bool {
	if n.Kind == needSetting {
		d, site := p.document(w.Site+"/config/appsettings"), p.document(w.Site)
		if w.Site == "" || d == nil && site != nil && site.Properties["appSettings"] != nil {
			return true // of no site, or where names are not shown
		}
		return d != nil && (d.Properties["names"] == nil || slices.ContainsFunc(d.texts("names"), func(name string) bool { return strings.EqualFold(name, n.Name) }))
	}
	if n.ID == "" && w.Site != "" && n.Kind != needIdentity {
		return p.connects(w.Site, n.Name)
	}
	return n.ID == "" || p.document(n.ID) != nil
}

// connects reports whether a site has a connection by a name in a location: its
// configuration there says so, or, where that says nothing of connections, the site itself.
func (p *Place) connects(site, name string) bool {
	var said any
	if d := p.document(site + "/config/connections"); d != nil {
		said = d.Properties["content"]
	} else if d := p.document(site); d != nil {
		said = d.Properties["connections"]
	}
	kinds, _ := said.(map[string]any)
	for _, list := range kinds {
		if names, ok := list.(map[string]any); ok && names[name] != nil {
			return true
		}
	}
	return false
}

// unit is the id that a group would name to have a workflow move with it.
func (w placed) unit() string {
	if w.Site != "" {
		return w.Site
	}
	scope, _, _ := strings.Cut(w.ID, "/providers/")
	return scope
}

// home is the location that has a workflow at first.
func (w placed) home() string {
	if d := w.group.declaration(); d != nil {
		return d.primary
	}
	return ""
}

// from reports whether a workflow is started by a source.
func (w placed) from(source Source) bool {
	return slices.ContainsFunc(w.Triggers, func(t Trigger) bool { return t.Source == source })
}

// what tells what starts a workflow, of one source.
func (w placed) what(source Source) string {
	for _, t := range w.Triggers {
		if t.Source == source {
			return t.What
		}
	}
	return ""
}

func (w placed) takes() bool {
	return slices.ContainsFunc(w.Triggers, func(t Trigger) bool { return t.Takes })
}

func hasWorkflows(e *estate, g *group) bool {
	return slices.ContainsFunc(e.workflows(), func(w placed) bool { return w.group == g })
}
