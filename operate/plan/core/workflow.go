package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Workflow is a workflow as a location declares it.
type Workflow struct {
	ID, Name string
	// Site is the id of the site it belongs to; empty: of none.
	Site      string
	Disabled  bool
	Stateless bool
	Triggers  []Trigger
	// Held are actions that are not repeated when nobody knows how their last attempt ended.
	Held []string
	// Calls says that actions of it wait for calls from outside.
	Calls bool
	// Needs are what each location has to have for itself.
	Needs []WorkflowNeed
	// Share and Role are what its owner wants, as tagged: "1/2", "active-active".
	Share, Role string
	// Err is why its definition is not understood; nothing of it is known then.
	Err string
}

// Trigger is what starts a workflow.
type Trigger struct {
	Name, Type string
	Source     Source
	// What tells its inputs and recurrence from others; equal for triggers that do the same.
	What string
	// Sessions says that a queue is read in sessions.
	Sessions bool
	// Takes says that what is found is taken away from where it was.
	Takes bool
}

// Source is where that comes from which starts a workflow: it decides in how many
// locations it may be active.
type Source string

// The sources.
const (
	FromClock  Source = "recurrence"      // times, which can be shared out
	FromWindow Source = "sliding window"  // windows of time, each exactly once
	FromCursor Source = "polling, cursor" // what is new is known here: one place must remember it
	FromQueue  Source = "polling, queue"  // what is new is known there: receivers compete
	FromCall   Source = "request"         // whoever is asked answers
	FromHook   Source = "webhook"         // one subscription, which leads back here
	FromBatch  Source = "batch"           // messages that other workflows send
)

// WorkflowNeed is something that a workflow needs and that each location has for itself.
type WorkflowNeed struct {
	Kind  string // connection, setting, identity, ...
	Name  string
	ID    string // of a resource; empty: it is none
	Where string // in the definition
}

// What needs are looked for.
const (
	needConnection = "connection"
	needProvider   = "serviceProvider"
	needFunction   = "function"
	needManagement = "apiManagement"
	needSetting    = "setting"
	needIdentity   = "identity"
)

// Roles a workflow may have in two locations.
const (
	activeActive  = "active-active"
	activePassive = "active-passive"
	passiveActive = "passive-active"
)

// alone says why a source lets a workflow be active in one location at a time.
var alone = map[Source]string{
	FromWindow: "every window is to come once, and two locations that are active at once would both run it",
	FromCursor: "what was found before is remembered by one location at a time: two would find everything twice",
	FromHook:   "a webhook is to be subscribed once: with two subscriptions every call would come twice",
	FromBatch:  "messages are gathered in one place: two would release two halves",
}

// share reads a tag such as 1/2.
func share(text string) (index, of int, ok bool) {
	a, b, found := strings.Cut(text, "/")
	index, err := strconv.Atoi(strings.TrimSpace(a))
	of, err2 := strconv.Atoi(strings.TrimSpace(b))
	return index, of, found && err == nil && err2 == nil && index >= 1 && index <= of && of <= sharesMax
}

const sharesMax = 16

// placed is a workflow of a group, in a location.
type placed struct {
	*Workflow
	place *Place
	group *group // nil: it is in none
}

// role is what a workflow does in two locations: both at once when it has a twin that is
// meant so.
func (e *estate) role(w placed) string {
	if w.group == nil {
		return ""
	}
	if _, _, shared := share(w.Share); shared || w.Role == activeActive {
		return activeActive
	}
	if d := w.group.declaration(); d != nil && len(e.Places) > 0 && d.primary != "" && d.primary != e.Places[0].Name {
		return passiveActive
	}
	return activePassive
}

// workflows are all that groups and locations declare, each once: as the primary of its
// group declares it, or the first location that does.
func (e *estate) workflows() []placed {
	var all []placed
	seen := map[string]bool{}
	add := func(p *Place, g *group, in func(id string) bool) {
		for i := range p.Workflows {
			w := &p.Workflows[i]
			if key := strings.ToLower(w.ID); !seen[key] && in(w.ID) {
				seen[key] = true
				all = append(all, placed{w, p, g})
			}
		}
	}
	for i := range e.groups {
		g := &e.groups[i]
		d := g.declaration()
		if d == nil {
			continue
		}
		if r := g.reference(); r != nil {
			add(r.place, g, d.has)
		}
		for _, s := range g.declarations() {
			add(s.place, g, d.has)
		}
	}
	for i := range e.Places {
		add(&e.Places[i], nil, func(string) bool { return true })
	}
	return all
}

// twins are workflows of one name in different groups, of which one at least is meant to be
// active together with others.
func (e *estate) twins() [][]placed {
	var names []string
	by := map[string][]placed{}
	for _, w := range e.workflows() {
		if w.group == nil {
			continue
		}
		key := strings.ToLower(w.Name)
		if by[key] == nil {
			names = append(names, key)
		}
		by[key] = append(by[key], w)
	}
	var all [][]placed
	for _, name := range names {
		if slices.ContainsFunc(by[name], func(w placed) bool { return w.Share != "" || w.Role == activeActive }) {
			all = append(all, by[name])
		}
	}
	return all
}

// WorkflowLine is a workflow in the report.
type WorkflowLine struct {
	Name    string `json:"name"`
	ID      string `json:"id"`
	Group   string `json:"group,omitempty"` // empty: it is lost with its location
	Source  string `json:"source"`
	Role    string `json:"role,omitempty"`
	Share   string `json:"share,omitempty"`
	Active  string `json:"active,omitempty"` // the location that runs it now; empty: nobody says
	Standby string `json:"standby,omitempty"`
	// Moved says what becomes of it when its group moves.
	Moved string `json:"whenMoved"`
}

func (e *estate) workflowLine(w placed) WorkflowLine {
	l := WorkflowLine{Name: w.Name, ID: w.ID, Share: w.Share, Role: e.role(w), Moved: "lost with its location: it is in no group"}
	var sources []string
	for _, t := range w.Triggers {
		if !slices.Contains(sources, string(t.Source)) {
			sources = append(sources, string(t.Source))
		}
	}
	l.Source = strings.Join(sources, ", ")
	if w.group == nil {
		l.Active = w.place.Name
		return l
	}
	l.Group, l.Moved = w.group.name, "runs go on where their last copied fact was"
	if p := w.group.primary(); p != nil {
		l.Active = p.place.Name
		for _, s := range w.group.others(p) {
			l.Standby = s.place.Name
		}
	}
	if len(w.Triggers) > 0 {
		l.Moved += "; " + moved[w.Triggers[0].Source]
	}
	return l
}

// moved says what becomes of triggers.
var moved = map[Source]string{
	FromClock:  "a time that was due meanwhile runs once or is left out, none twice",
	FromWindow: "windows that passed meanwhile are made up for",
	FromCursor: "it looks on from the copied cursor",
	FromQueue:  "what was not settled comes again",
	FromCall:   "callers that waited are told to try again",
	FromHook:   "the subscription stays, and leads to the router",
	FromBatch:  "what was gathered is there",
}

// describe names a workflow in a sentence.
func (w placed) describe() string {
	if w.Site != "" {
		return lastPart(w.Site) + "/" + w.Name
	}
	return fmt.Sprintf("%s (%s)", w.Name, groupOfID(w.ID))
}

// groupOfID is the name of the resource group in an id.
func groupOfID(id string) string {
	parts := strings.Split(id, "/")
	for i := 0; i+1 < len(parts); i++ {
		if strings.EqualFold(parts[i], "resourceGroups") {
			return parts[i+1]
		}
	}
	return ""
}
