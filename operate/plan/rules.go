package plan

import (
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"weir/internal/groups"
)

// Severity is how bad a finding is.
type Severity string

// The severities: an Error makes a failover fail or lose, a Warning makes it worse, a
// Notice is good to know.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Notice  Severity = "notice"
)

func order(s Severity) int { return slices.Index([]Severity{Error, Warning, Notice}, s) }

// Rule is one thing that should be so.
type Rule struct {
	ID       string
	Severity Severity
	Asks     string // what should be so
	Fix      string // when it is not
	Check    func(f *Facts) []Finding
}

// Rules is the table.
var Rules = slices.Concat(locationRules, declarationRules, groupRules, evidenceRules, flowRules)

// found makes findings of texts.
func found(about, what string, args ...any) []Finding {
	return []Finding{{About: about, What: fmt.Sprintf(what, args...)}}
}

// eachLocation asks every location that answers.
func eachLocation(fn func(f *Facts, l *Location) []Finding) func(*Facts) []Finding {
	return func(f *Facts) (all []Finding) {
		for i := range f.Locations {
			if f.Locations[i].Err == "" {
				all = append(all, fn(f, &f.Locations[i])...)
			}
		}
		return all
	}
}

const (
	certificateSoon = 30 * 24 * time.Hour
	skewMost        = 2 * time.Second
)

var locationRules = []Rule{
	{"location-answers", Error, "Both locations answer.", "Start its nodes, or see why they are not reached; \"weir failover\" is for when they do not come back.", func(f *Facts) (all []Finding) {
		for _, l := range f.Locations {
			if l.Err != "" {
				all = append(all, found(l.Name, "it does not answer: %s", l.Err)...)
			}
		}
		return all
	}},
	{"location-two", Error, "There are two locations.", "Start a second one and pair it (docs/locations.md).", func(f *Facts) []Finding {
		if len(f.Locations) < 2 {
			return found("estate", "one location is known: when it is lost everything is")
		}
		return nil
	}},
	{"location-versions", Warning, "Both locations run the same version.", "Bring both to the newer one; the secondary first.", func(f *Facts) []Finding {
		if len(f.Locations) == 2 && f.Locations[0].Err == "" && f.Locations[1].Err == "" && f.Locations[0].Version != f.Locations[1].Version {
			return found("estate", "%s runs %s, %s runs %s", f.Locations[0].Name, f.Locations[0].Version, f.Locations[1].Name, f.Locations[1].Version)
		}
		return nil
	}},
	{"location-clock", Warning, "Clocks agree to two seconds.", "Let a time service set the clocks: schedules and lifetimes are told by them.", eachLocation(func(_ *Facts, l *Location) []Finding {
		if l.Skew.Abs() > skewMost {
			return found(l.Name, "its clock is %s from ours", l.Skew.Round(time.Second))
		}
		return nil
	})},
	{"location-one-door", Warning, "Clients know more than one door of a location.", "Name further nodes in --location, in pairings and in connection strings; run three nodes.", eachLocation(func(_ *Facts, l *Location) []Finding {
		if len(l.Doors) == 1 {
			return found(l.Name, "it is reached by one door, %s", l.Doors[0])
		}
		return nil
	})},
	{"location-fewer-nodes", Warning, "Both locations have as many nodes.", "Give the smaller one as many: it has to carry everything.", func(f *Facts) []Finding {
		if len(f.Locations) == 2 && len(f.Locations[0].Doors) != len(f.Locations[1].Doors) {
			return found("estate", "%s is known by %d doors, %s by %d", f.Locations[0].Name, len(f.Locations[0].Doors), f.Locations[1].Name, len(f.Locations[1].Doors))
		}
		return nil
	}},
	{"location-plain", Warning, "Administration goes encrypted between machines.", "Name the HTTPS door in --location.", eachLocation(func(_ *Facts, l *Location) (all []Finding) {
		for _, admin := range l.Admin {
			if u, err := url.Parse(admin); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
				all = append(all, found(l.Name, "the token for %s goes over the network for everybody to read", admin)...)
			}
		}
		return all
	})},
	{"location-loopback", Notice, "Doors can be reached from other machines.", "Name an address that others reach, once the locations are on machines of their own.", eachLocation(func(_ *Facts, l *Location) []Finding {
		for _, door := range l.Doors {
			if host, _, err := net.SplitHostPort(door); err == nil && loopback(host) {
				return found(l.Name, "the door %s is on this machine alone", door)
			}
		}
		return nil
	})},
	{"certificate-trusted", Error, "HTTPS doors show a certificate that is trusted.", "Give --ca-file, or a certificate that carries the name (--tls-names).", eachLocation(func(_ *Facts, l *Location) (all []Finding) {
		for _, c := range l.Certificates {
			if c.Err != "" {
				all = append(all, found(l.Name, "%s: %s", c.URL, c.Err)...)
			}
		}
		return all
	})},
	{"certificate-expiry", Warning, "Certificates are good for a month.", "Renew it; a changed file is picked up without a restart.", func(f *Facts) (all []Finding) {
		for _, l := range f.Locations {
			for _, c := range l.Certificates {
				if c.Err == "" && c.Expires.Sub(f.Now) < certificateSoon {
					all = append(all, found(l.Name, "the certificate of %s ends on %s", c.URL, c.Expires.Format("2006-01-02"))...)
				}
			}
		}
		return all
	}},
	{"alias-resolves", Error, "The alias resolves.", "See that \"weir route --zone\" runs and that the zone is delegated to it.", func(f *Facts) []Finding {
		if f.Alias != nil && f.Alias.Err != "" {
			return found(f.Alias.Name, "it does not resolve: %s", f.Alias.Err)
		}
		return nil
	}},
	{"alias-active", Error, "The alias leads to the primary.", "See what \"weir route\" says of the group; a resolver on the way may keep old answers.", func(f *Facts) []Finding {
		if f.Alias == nil || f.Alias.Err != "" {
			return nil
		}
		for _, l := range f.Locations {
			for _, g := range l.Groups {
				if g.Standing != groups.Primary {
					continue
				}
				for _, a := range f.Alias.Addresses {
					if slices.Contains(f.Alias.Leads[l.Name], a) {
						return nil
					}
				}
				return found(f.Alias.Name, "it leads to %s, and not to %s, which is the primary of %s", strings.Join(f.Alias.Addresses, ", "), l.Name, g.Name)
			}
		}
		return nil
	}},
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

const (
	typeGroup     = "Weir.Continuity/groups"
	typePairing   = "Weir.Continuity/pairings"
	typeNamespace = "Microsoft.ServiceBus/namespaces"
)

// of are the documents of a type, by lower-case name.
func (l *Location) of(typ string) map[string]Document {
	all := map[string]Document{}
	for _, d := range l.Documents {
		if strings.EqualFold(d.Type, typ) {
			all[strings.ToLower(d.Name)] = d
		}
	}
	return all
}

// bothSides compares what two locations declare of a type.
func bothSides(typ string, fn func(name string, a, b *Location, da, db Document) []Finding) func(*Facts) []Finding {
	return func(f *Facts) (all []Finding) {
		if len(f.Locations) != 2 || f.Locations[0].Err != "" || f.Locations[1].Err != "" {
			return nil
		}
		a, b := &f.Locations[0], &f.Locations[1]
		there := b.of(typ)
		here := a.of(typ)
		for _, name := range sortedKeys(here) {
			if other, ok := there[name]; ok {
				all = append(all, fn(name, a, b, here[name], other)...)
			}
		}
		return all
	}
}

// differs finds properties of a group that should be the same on both sides.
func differs(names ...string) func(*Facts) []Finding {
	return bothSides(typeGroup, func(name string, a, b *Location, da, db Document) (all []Finding) {
		for _, p := range names {
			if !reflect.DeepEqual(da.Properties[p], db.Properties[p]) {
				all = append(all, found(name, "%s is %v in %s and %v in %s", p, da.Properties[p], a.Name, db.Properties[p], b.Name)...)
			}
		}
		return all
	})
}

// eachGroupDocument asks every declared group, once for each side.
func eachGroupDocument(fn func(l *Location, d Document) []Finding) func(*Facts) []Finding {
	return eachLocation(func(_ *Facts, l *Location) (all []Finding) {
		groups := l.of(typeGroup)
		for _, name := range sortedKeys(groups) {
			all = append(all, fn(l, groups[name])...)
		}
		return all
	})
}

func texts(d Document, property string) []string {
	list, _ := d.Properties[property].([]any)
	var all []string
	for _, x := range list {
		if s, ok := x.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// number is a whole number of a document, whatever JSON made of it.
func number(d Document, property string) int64 {
	switch n := d.Properties[property].(type) {
	case float64:
		return int64(n)
	case int64:
		return n
	case int:
		return int64(n)
	}
	return 0
}

// under are the documents below a namespace, by what follows its id.
func (l *Location) under(id string) map[string]Document {
	all := map[string]Document{}
	for _, d := range l.Documents {
		if rest, ok := strings.CutPrefix(strings.ToLower(d.ID), strings.ToLower(id)+"/"); ok {
			all[rest] = d
		}
	}
	return all
}

// eachUnit compares the documents below each unit of each group on both sides.
func eachUnit(fn func(group string, a, b *Location, here, there map[string]Document) []Finding) func(*Facts) []Finding {
	return bothSides(typeGroup, func(name string, a, b *Location, da, _ Document) (all []Finding) {
		for _, unit := range texts(da, "units") {
			all = append(all, fn(name, a, b, a.under(unit), b.under(unit))...)
		}
		return all
	})
}

// isGrouped reports whether a namespace is in a group of its location.
func (l *Location) isGrouped(id string) bool {
	for _, g := range l.of(typeGroup) {
		for _, unit := range texts(g, "units") {
			if strings.EqualFold(unit, id) {
				return true
			}
		}
	}
	return false
}
