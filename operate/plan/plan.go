// Package plan looks at an estate of two locations, over their HTTP doors, and says
// whether it is ready to lose one of them: per flow the roles, what was wanted, declared
// and measured, the availability its components make, what is single; and what breaks
// which rule of readiness, with what to do. The judgement is in core; this package
// gathers what is judged, and shows it.
//
// Promises:
//
//  1. It changes nothing: every question is a GET.
//  2. It ends within a bounded time, whatever is away; what does not answer is a finding,
//     and all else is judged.
//  3. Secrets and tokens are in no report.
//  4. A service needs no code here: resources are documents, and what a type only counts
//     is told from what is declared by its schema.
//
// It refuses to decide: which rule matters is the reader's to say.
package plan

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"sync"
	"time"

	"weir/internal/groups"
	"weir/kernel/resource"
	"weir/operate/plan/core"
)

// Options say what is looked at.
type Options struct {
	Locations []groups.Location
	Trust     *tls.Config      // of HTTPS doors; nil: the system's
	Types     []*resource.Type // tell what is declared from what is counted
	// Workflow reads a resource as a workflow; nil, when it is none. Nil: nothing is one.
	Workflow func(d core.Document) *core.Workflow
	Flows    []core.Flow
	Evidence string   // directory of records of drills; empty: none
	Aliases  []string // names that clients use
	Resolver string   // HOST:PORT; empty: the system's
	Within   time.Duration
	// ClockLooks is how often a location's clock is read: more say more, 150 ms each.
	ClockLooks int
}

const (
	withinDefault     = 10 * time.Second
	clockLooksDefault = 7
	clockEvery        = 150 * time.Millisecond
	askedAtOnce       = 8
)

// Look gathers what there is to know. It never fails: what could not be found out is in
// the facts.
func Look(ctx context.Context, o Options) core.Facts {
	o.Within, o.ClockLooks = cmp.Or(o.Within, withinDefault), cmp.Or(o.ClockLooks, clockLooksDefault)
	ctx, cancel := context.WithTimeout(ctx, 2*o.Within)
	defer cancel()
	f := core.Facts{Places: make([]core.Place, len(o.Locations)), Flows: o.Flows, Aliases: make([]core.Alias, len(o.Aliases))}
	var all sync.WaitGroup
	for i := range o.Locations {
		all.Go(func() { f.Places[i] = lookAt(ctx, o, o.Locations[i]) })
	}
	for i := range o.Aliases {
		all.Go(func() { f.Aliases[i] = resolve(ctx, o, o.Aliases[i]) })
	}
	all.Go(func() { f.Drills = readDrills(o.Evidence) })
	all.Wait()
	return f
}

// place is a location that is being looked at.
type place struct {
	groups.Location
	o     Options
	seen  core.Place
	scope string // where its nodes put what names no scope
}

func lookAt(ctx context.Context, o Options, l groups.Location) core.Place {
	p := &place{Location: l, o: o, seen: core.Place{Name: l.Name, Admin: l.Admin, Doors: l.Doors}}
	p.Client = &http.Client{Timeout: o.Within, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.Trust.Clone()}}
	defer p.Client.CloseIdleConnections()
	var beside sync.WaitGroup
	var ends []core.End
	var addresses []string
	beside.Go(func() { ends = p.ends(ctx) })
	if len(o.Aliases) > 0 {
		beside.Go(func() { addresses = p.addresses(ctx) })
	}
	if p.nodes(ctx) {
		var clock *core.Clock
		beside.Go(func() { clock = p.clock(ctx) })
		p.groups(ctx)
		p.documents(ctx)
		p.workflows()
		beside.Wait()
		p.seen.Clock = clock
	}
	beside.Wait()
	p.seen.Ends, p.seen.Addresses = ends, addresses
	return p.seen
}

// status is what a node says of itself, as far as it is looked at.
type status struct {
	Version   string            `json:"version"`
	Node      string            `json:"node"`
	Ready     bool              `json:"ready"`
	Doors     map[string]string `json:"doors"`
	Scope     string            `json:"scope"`
	Namespace string            `json:"namespace"`
	Units     []struct {
		Role  string `json:"role"`
		Owner string `json:"owner"`
	} `json:"units"`
}

// nodes asks each node; false: none answers.
func (p *place) nodes(ctx context.Context) bool {
	all := make([]core.Node, len(p.Admin))
	errs := make([]error, len(p.Admin))
	said := make([]status, len(p.Admin))
	var asked sync.WaitGroup
	for i, url := range p.Admin {
		asked.Go(func() {
			one := p.Location
			one.Admin = []string{url}
			errs[i] = one.Do(ctx, http.MethodGet, "/status", nil, &said[i])
			all[i] = node(url, said[i], errs[i])
		})
	}
	asked.Wait()
	var answering []string
	for i := range all {
		if errs[i] == nil {
			answering = append(answering, p.Admin[i])
			p.scope = cmp.Or(p.scope, said[i].Scope)
		} else if p.seen.Err == "" {
			p.seen.Err, p.seen.Refused = plainly(errs[i]), refused(errs[i])
		}
	}
	if len(answering) == 0 {
		if len(p.Admin) == 0 {
			p.seen.Err = "no URL of an HTTP door was named"
		}
		return false
	}
	p.seen.Err, p.seen.Refused, p.seen.Nodes = "", false, all
	p.Admin = answering
	return true
}

func node(url string, s status, err error) core.Node {
	n := core.Node{URL: url, Name: s.Node, Version: s.Version, Ready: s.Ready, Namespace: s.Namespace}
	if err != nil {
		return core.Node{URL: url, Err: plainly(err)}
	}
	for door := range s.Doors {
		n.Doors = append(n.Doors, door)
	}
	slices.Sort(n.Doors)
	for _, u := range s.Units {
		// Of a unit that stands by the owner is a node of the other location.
		if served := u.Role == "owner" || u.Role == "follower"; served && u.Owner != "" && !slices.Contains(n.Owners, u.Owner) {
			n.Owners = append(n.Owners, u.Owner)
		}
	}
	return n
}

// clock reads the location's clock, which its answers carry in whole seconds: each look
// says that it is ahead by no less than one figure and no more than another, and looks at
// different parts of a second say more together.
func (p *place) clock(ctx context.Context) *core.Clock {
	var c *core.Clock
	for i := range p.o.ClockLooks {
		if i > 0 {
			select {
			case <-ctx.Done():
				return c
			case <-time.After(clockEvery):
			}
		}
		sent := time.Now()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Admin[0]+"/healthz/live", nil)
		if err != nil {
			return c
		}
		answer, err := p.Client.Do(r)
		if err != nil {
			return c
		}
		received := time.Now()
		answer.Body.Close()
		date, err := http.ParseTime(answer.Header.Get("Date"))
		if err != nil {
			return c
		}
		look := core.Clock{Least: date.Sub(received), Most: date.Add(time.Second).Sub(sent)}
		if c == nil {
			c = &look
			continue
		}
		least, most := max(c.Least, look.Least), min(c.Most, look.Most)
		if least > most { // a clock was set meanwhile
			return nil
		}
		c.Least, c.Most = least, most
	}
	return c
}
