// Package plan says what an estate of two locations can stand: who has what role, what was
// promised and what was measured, how available a flow is, which part of it is alone, and
// what is not ready for a failover, each with what to do about it.
//
// Promises:
//
//  1. A report is a pure function of facts and a time: gathering them is apart.
//  2. What is not known is said to be unknown; no rule takes silence for health.
//  3. Every finding names the rule, what was found, and the fix. The rules are a table
//     (Rules) that every later service adds to.
//
// It refuses to change anything.
package plan

import (
	"time"

	"weir/internal/groups"
)

// Facts are what was gathered.
type Facts struct {
	Now       time.Time
	Locations []Location // in the order they were named
	Estate    Estate
	Alias     *Alias     // nil: none was asked for
	Evidence  []Evidence // nil: none was looked for
	Drills    bool       // evidence was looked for
}

// Location is what is known of one.
type Location struct {
	Name    string
	Err     string // why it does not answer; empty: it does
	Admin   []string
	Doors   []string
	Version string
	Skew    time.Duration // its clock before ours; good to about a second
	Scope   string
	Groups  []groups.Status
	// Documents are what is declared there.
	Documents    []Document
	Certificates []Certificate
}

// Document is a declared resource.
type Document struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Properties map[string]any `json:"properties"`
}

// Certificate is what an HTTPS door shows.
type Certificate struct {
	URL     string
	Err     string // why it is not trusted; empty: it is
	Expires time.Time
}

// Alias is a name clients use.
type Alias struct {
	Name      string
	Err       string
	Addresses []string
	// Leads are the addresses of the locations' doors, by location.
	Leads map[string][]string
}

// Evidence is what a drill measured.
type Evidence struct {
	File        string    `json:"-"`
	Err         string    `json:"-"` // why it is not believed
	Group       string    `json:"group"`
	Kind        string    `json:"kind"`
	At          time.Time `json:"at"`
	RPOMessages uint64    `json:"rpoMessages"`
	RTOSeconds  float64   `json:"rtoSeconds"`
	Good        bool      `json:"-"`
}

// Estate is what an operator says of the flows.
type Estate struct {
	Currency string `yaml:"currency"`
	Flows    []Flow `yaml:"flows"`
}

// Flow is something the business knows by name.
type Flow struct {
	Name        string      `yaml:"name"`
	Group       string      `yaml:"group"`
	Strategy    string      `yaml:"strategy"` // single, decoupled, multi, criticality
	CostPerHour float64     `yaml:"costPerHour"`
	RTOSeconds  int64       `yaml:"rtoSeconds"`
	RPOSeconds  *int64      `yaml:"rpoSeconds"`
	Reviewed    string      `yaml:"reviewed"` // date, 2026-01-31
	Components  []Component `yaml:"components"`
}

// Component is a part of a flow that can fail.
type Component struct {
	Name string `yaml:"name"`
	// Availability is in percent.
	Availability float64 `yaml:"availability"`
	// Where is each (there is one in either location), one (there is one), or common (both
	// locations depend on it: a directory, the name service).
	Where string `yaml:"where"`
}

// Where components are.
const (
	Each   = "each"
	One    = "one"
	Common = "common"
)

// group returns what a location says of a group.
func (l *Location) group(name string) *groups.Status {
	for i := range l.Groups {
		if l.Groups[i].Name == name {
			return &l.Groups[i]
		}
	}
	return nil
}

// names are all groups that anybody knows of.
func (f *Facts) names() []string {
	var all []string
	seen := map[string]bool{}
	for _, l := range f.Locations {
		for _, g := range l.Groups {
			if !seen[g.Name] {
				seen[g.Name] = true
				all = append(all, g.Name)
			}
		}
	}
	return all
}
