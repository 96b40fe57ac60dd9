package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/internal/groups"
	"weir/internal/settings"
)

// Flags are a router as an operator writes it.
type Flags struct {
	groups.Flags
	Listen   []string
	Group    string
	Patience time.Duration

	Zone, DNS   string
	TTL         time.Duration
	Public      []string // NAME=HOST
	NameServers []string
}

// DefaultFlags are what is taken where nothing is said.
func DefaultFlags() Flags { return Flags{Patience: patienceDefault, DNS: dnsListen, TTL: ttlDefault} }

// Settings declares what an operator can set in f; what stands there is the default.
func Settings(f *Flags) *settings.Set {
	set := settings.New("WEIR_ROUTE")
	f.Declare(set)

	g := set.Group("Clients")
	g.Strings(&f.Listen, "listen", "HOST:PORT", "Address for clients, AMQP and HTTP, TLS or not: what comes is passed on as it is.")
	g.Text(&f.Group, "group", "NAME", "Continuity group whose primary clients are passed to. Not needed when there is one.")
	g.Duration(&f.Patience, "patience", "How long a new connection waits while there is no primary.")

	g = set.Group("DNS")
	g.Text(&f.Zone, "zone", "DOMAIN", "Answer DNS for this zone: NAMESPACE.DOMAIN leads to where the namespace is active. Not given: no DNS.")
	g.Text(&f.DNS, "dns", "HOST:PORT", "Where to answer DNS, UDP and TCP.")
	g.Duration(&f.TTL, "ttl", "How long a resolver may keep an answer.")
	g.Strings(&f.Public, "public", "NAME=HOST", "Address or host name that DNS answers for the location NAME; again for further addresses. Not given: the hosts of its doors.")
	g.Strings(&f.NameServers, "name-server", "NAME[=ADDRESS]", "Name of a server of the zone, for its NS record. Not given: ns.DOMAIN, with the address of --dns.")
	return set
}

// Options makes the options of a router, reading the files that are named. All mistakes
// come back joined.
func (f Flags) Options() (Options, error) {
	o := Options{Listen: f.Listen, Group: f.Group, Patience: f.Patience}
	if f.Zone != "" {
		o.Alias = Alias{Zone: f.Zone, Listen: f.DNS, TTL: f.TTL, Servers: f.NameServers}
	}
	var errs []error
	places, trust, err := f.Read()
	if err != nil {
		errs = append(errs, err)
	}
	o.TLS = trust
	for _, l := range places {
		o.Locations = append(o.Locations, Location{Name: l.Name, Admin: l.Admin, Doors: l.Doors, Token: l.Token})
	}
	for _, text := range f.Public {
		name, host, ok := strings.Cut(text, "=")
		if l := find(o.Locations, name); ok && l != nil && host != "" {
			l.Public = append(l.Public, host)
			continue
		}
		errs = append(errs, fmt.Errorf("--public %s: write NAME=HOST, with the name of a --location", text))
	}
	return o, errors.Join(errs...)
}

func find(all []Location, name string) *Location {
	if i := slices.IndexFunc(all, func(l Location) bool { return l.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}
