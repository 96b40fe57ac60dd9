package continuity

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/kernel/resource"
)

// The resource types.
const (
	TypePairing = "Weir.Continuity/pairings"
	TypeGroup   = "Weir.Continuity/groups"
)

// What is taken where nothing is declared.
const (
	lagSecondsDefault   = 300
	failedProbesDefault = 3
	probeSecondsDefault = 1
	grantSecondsDefault = 5
	keepJournalsDefault = 1
	secretCharsMin      = 16
	groupsMax           = 100
)

// UnitOf gives the name of the unit that a resource stands for in a group, or says why it
// can not be in one.
type UnitOf func(id resource.ID) (string, error)

// Types declares the resource types of continuity. unit judges what groups name; nil takes
// every id.
func Types(unit UnitOf) []*resource.Type { return []*resource.Type{pairingType(), groupType(unit)} }

func named(t resource.Type) *resource.Type {
	t.APIVersions = []string{"2026-11-01"}
	t.NamePattern, t.NameRange = `[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?`, resource.Range{Min: 1, Max: 50}
	t.NameHint = "letters, digits and hyphens, a letter first, a letter or digit last"
	t.SiblingsMax = groupsMax
	return &t
}

func pairingType() *resource.Type {
	return named(resource.Type{
		Name: TypePairing, Description: "Another location, and how its nodes are reached. Each location declares the other one.",
		Fields: []resource.Field{
			{Name: "peer", Kind: resource.String, Required: true, Description: "Name of the other location (its --location)."},
			{Name: "endpoints", Kind: resource.List, Required: true, Range: &resource.Range{Min: 1, Max: 16}, Element: &resource.Field{Name: "endpoint", Kind: resource.String}, Description: "Doors of its nodes, HOST:PORT; any of them that takes AMQP."},
			{Name: "secret", Kind: resource.Secret, Required: true, Range: &resource.Range{Min: secretCharsMin, Max: 256}, Description: "What both locations prove to each other that they know; the same on both sides."},
		},
	})
}

func groupType(unit UnitOf) *resource.Type {
	text := func(name string) *resource.Field { return &resource.Field{Name: name, Kind: resource.String} }
	return named(resource.Type{
		Name: TypeGroup, Description: "Units that change location together. Both locations declare the same group.",
		Fields: []resource.Field{
			{Name: "pairing", Kind: resource.String, Required: true, Description: "Name of the pairing with the other location."},
			{Name: "primary", Kind: resource.String, Required: true, Immutable: true, Description: "Location that is the primary at first."},
			{Name: "units", Kind: resource.List, Required: true, Range: &resource.Range{Min: 1, Max: 64}, Element: text("unit"), Description: "Ids of what changes location, in the order it is promoted in: namespaces; a resource group, which stands for the logic app workflows in it and for nothing else there; sites with workflows, without their configuration. Settings and connections are of a location."},
			{Name: "access", Kind: resource.List, Range: &resource.Range{Min: 0, Max: 16}, Element: text("scope"), Description: "Ids of scopes (subscriptions, resource groups) whose roles, role assignments, identities, users, applications, issuers and signing keys move with the group: changed where it is, copied to the other location, so that tokens and rights are good there too. A scope belongs into one group only."},
			{Name: "mode", Kind: resource.Enum, Values: []string{"async", "sync"}, Default: "async", Description: "async: acknowledged when durable in the primary, with a bound on the lag. sync: when durable in both."},
			{Name: "lagMessages", Kind: resource.Int, Default: int64(0), Range: &resource.Range{Min: 0, Max: 1 << 40}, Description: "async: most messages and settlements the secondary may be behind; 0 is not bounded."},
			{Name: "lagBytes", Kind: resource.Int, Default: int64(0), Range: &resource.Range{Min: 0, Max: 1 << 50}, Description: "async: most bytes it may be behind; 0 is not bounded."},
			{Name: "lagSeconds", Kind: resource.Int, Default: int64(lagSecondsDefault), Range: &resource.Range{Min: 0, Max: 86400}, Description: "async: longest time it may be behind; 0 is not bounded. From half of a bound on writes slow, above it they are refused."},
			{Name: "whenAway", Kind: resource.Enum, Values: []string{"stop", "degrade"}, Default: "stop", Description: "sync: what happens while the secondary is away. stop: nothing is acknowledged. degrade: it goes on with an alarm, once the silence has lasted as long as a grant of the voters, so that nobody else can own the group then."},
			{Name: "witnesses", Kind: resource.List, Element: text("witness"), Range: &resource.Range{Min: 0, Max: 3}, Description: "URLs of witnesses; one, or three. With none, nothing is promoted but by hand."},
			{Name: "witnessSecret", Kind: resource.Secret, Description: "The secret of the witnesses."},
			{Name: "automatic", Kind: resource.Bool, Default: false, Description: "The secondary takes over by itself when the voters agree that the primary is gone."},
			{Name: "failedProbes", Kind: resource.Int, Default: int64(failedProbesDefault), Range: &resource.Range{Min: 1, Max: 100}, Description: "Probes of the primary that must fail in a row before that. Together with the time of a grant they are how long a loss goes unnoticed: 3 probes and 5 s by default."},
			{Name: "probeSeconds", Kind: resource.Int, Default: int64(probeSecondsDefault), Range: &resource.Range{Min: 1, Max: 60}, Description: "Time between two probes of the other location, and the longest one waits for its answer."},
			{Name: "grantSeconds", Kind: resource.Int, Default: int64(grantSecondsDefault), Range: &resource.Range{Min: 2, Max: 60}, Description: "How long the voters grant the group to its primary. It asks four times in that time, shows nothing two thirds into it without an answer of a majority, and nobody else can have the group before it is over. The same in both locations; a line that is slow or lossy wants more."},
			{Name: "endpoint", Kind: resource.String, Range: &resource.Range{Min: 0, Max: 512}, Description: "URL of the router (\"weir route\") that leads to whichever location is the primary. The callback URLs of the group's workflows begin with it, so that they stay valid when it moves; without one they lead to the location that gave them. The same in both locations."},
			{Name: "keepJournals", Kind: resource.Int, Default: int64(keepJournalsDefault), Range: &resource.Range{Min: 0, Max: 1000}, Description: "Old generations of a unit's journal that a location keeps beside the present one, the newest of them. An older one is removed when the present one is complete and nothing in any is undecided (\"weir salvage\"). What a unit had before it was in the group is never removed."},
			{Name: "rtoSeconds", Kind: resource.Int, Range: &resource.Range{Min: 1, Max: 1 << 20}, Description: "Time within which the group is to be served again."},
			{Name: "rpoSeconds", Kind: resource.Int, Range: &resource.Range{Min: 0, Max: 1 << 20}, Description: "Time of which the messages may be lost."},
		},
		Check: func(d resource.Document, _ resource.View) resource.Problems { return checkGroup(d, unit) },
	})
}

// checkUnits refuses what can be in no group, and what a group names twice.
func checkUnits(d resource.Document, unit UnitOf) resource.Problems {
	var problems resource.Problems
	seen := map[string]string{} // ids by the name of their unit
	for i, text := range texts(d, "units") {
		wrong := func(format string, args ...any) {
			problems = append(problems, resource.Problem{Path: fmt.Sprintf("properties.units[%d]", i), Sentence: fmt.Sprintf(format, args...)})
		}
		id, err := resource.ParseID(text)
		if err != nil {
			wrong("%q is no resource id.", text)
			continue
		}
		name := id.Key()
		if unit != nil {
			if name, err = unit(id); err != nil {
				wrong("%s can not be in a group: %s", id, err)
				continue
			}
		}
		if first, twice := seen[name]; twice {
			wrong("%s and %s are one unit, %s, which moves as one: name it once.", first, id, name)
			continue
		}
		seen[name] = id.String()
	}
	return problems
}

func checkGroup(d resource.Document, unit UnitOf) resource.Problems {
	problems := checkUnits(d, unit)
	for i, scope := range texts(d, "access") {
		if id, err := resource.ParseID(scope); err != nil || !id.IsScope() {
			problems = append(problems, resource.Problem{Path: fmt.Sprintf("properties.access[%d]", i), Sentence: fmt.Sprintf("%q is no scope: write the id of a subscription or a resource group.", scope)})
		}
	}
	if endpoint := d.String("endpoint"); endpoint != "" {
		if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			problems = append(problems, resource.Problem{Path: "properties.endpoint", Sentence: fmt.Sprintf("%q is no address that others can be led to: write https://HOST or https://HOST:PORT.", endpoint)})
		}
	}
	witnesses := texts(d, "witnesses")
	if len(slices.Compact(slices.Sorted(slices.Values(witnesses)))) < len(witnesses) {
		problems = append(problems, resource.Problem{Path: "properties.witnesses", Sentence: "A witness is named twice: it would have two votes."})
	}
	if len(witnesses) == 2 {
		problems = append(problems, resource.Problem{Path: "properties.witnesses", Sentence: "Two witnesses decide no more than one: name one, or three."})
	}
	if len(witnesses) > 0 && len(d.String("witnessSecret")) < secretCharsMin {
		problems = append(problems, resource.Problem{Path: "properties.witnessSecret", Sentence: fmt.Sprintf("Witnesses are asked with their secret, of at least %d characters.", secretCharsMin)})
	}
	if d.Bool("automatic") && len(witnesses) == 0 {
		problems = append(problems, resource.Problem{Path: "properties.automatic", Sentence: "Without a witness nobody can tell a dead location from one that is cut off: name a witness, or promote by hand."})
	}
	return problems
}

func texts(d resource.Document, property string) []string {
	list, _ := d.Properties[property].([]any)
	var out []string
	for _, one := range list {
		if s, ok := one.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// config is a group as it is declared.
type config struct {
	name         string
	pairing      Pairing
	primary      string
	units        []resource.ID
	access       []resource.ID // scopes
	mode         string
	lagMessages  uint64
	lagBytes     uint64
	lagTime      time.Duration
	whenAway     string
	witnesses    []string
	secret       string // of the witnesses
	endpoint     string // URL of the router; empty: there is none
	automatic    bool
	failedProbes int
	probeEvery   time.Duration
	grant        time.Duration // of a voter
	keep         int           // old generations of journals
	rto, rpo     int64         // seconds, as declared
}

// read takes a group and its pairing from their documents.
func read(d resource.Document, pairings []resource.Document) (config, error) {
	c := config{
		name: strings.ToLower(d.Name()), primary: d.String("primary"), mode: d.String("mode"),
		lagMessages: uint64(d.Int("lagMessages")), lagBytes: uint64(d.Int("lagBytes")), lagTime: time.Duration(d.Int("lagSeconds")) * time.Second,
		whenAway: d.String("whenAway"), witnesses: texts(d, "witnesses"), secret: d.String("witnessSecret"),
		endpoint:  strings.TrimSuffix(d.String("endpoint"), "/"),
		automatic: d.Bool("automatic"), failedProbes: int(d.Int("failedProbes")),
		probeEvery: time.Duration(cmp.Or(d.Int("probeSeconds"), probeSecondsDefault)) * time.Second,
		grant:      time.Duration(cmp.Or(d.Int("grantSeconds"), grantSecondsDefault)) * time.Second,
		keep:       keepJournalsDefault, rto: d.Int("rtoSeconds"), rpo: d.Int("rpoSeconds"),
	}
	if _, declared := d.Properties["keepJournals"]; declared {
		c.keep = int(d.Int("keepJournals"))
	}
	for _, unit := range texts(d, "units") {
		id, err := resource.ParseID(unit)
		if err != nil {
			return c, err
		}
		c.units = append(c.units, id)
	}
	for _, scope := range texts(d, "access") {
		id, err := resource.ParseID(scope)
		if err != nil {
			return c, err
		}
		c.access = append(c.access, id)
	}
	for _, p := range pairings {
		if strings.EqualFold(p.Name(), d.String("pairing")) {
			c.pairing = pairing(p)
			return c, nil
		}
	}
	return c, fmt.Errorf("the pairing %q of the group %s is not declared", d.String("pairing"), c.name)
}

// PairingOf reads a pairing from its document.
func PairingOf(d resource.Document) Pairing { return pairing(d) }

func pairing(d resource.Document) Pairing {
	return Pairing{Peer: d.String("peer"), Endpoints: texts(d, "endpoints"), Secret: d.String("secret")}
}
