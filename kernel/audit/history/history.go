// Package history is the audit log as a fold: what was noted in this location, and what
// was copied from others, newest last, bounded.
//
// What it promises:
//  1. Entries of a location are numbered from 1 without a gap, and keep their number when
//     they are copied to another location.
//  2. A copy takes each entry of another location once, however often it is offered.
//  3. Each location's part holds at most EntriesMax entries, none of them older than
//     AgeMax before the newest: the oldest go first.
//
// Facts and snapshots are JSON with a version: an audit log is read by people and is no
// place to save bytes.
package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of the log of one location.
const (
	EntriesMax   = 20_000
	AgeMax       = 90 * 24 * time.Hour
	locationsMax = 8
)

const version = 1

// fact is what the journal holds: entries of one location.
type fact struct {
	Version  int     `json:"v"`
	Location string  `json:"location"`
	Entries  []Entry `json:"entries"`
}

// State is the log. The zero State is empty.
type State struct {
	parts map[string]*part // by location
}

type part struct {
	entries []Entry // oldest first; numbers without a gap
	last    uint64
}

// Noted is the fact that entries were noted in a location, numbered on from what the
// state has.
func (s *State) Noted(location string, entries []Entry) []byte {
	next := s.Last(location)
	numbered := slices.Clone(entries)
	for i := range numbered {
		next++
		numbered[i] = numbered[i].Bounded()
		numbered[i].Seq, numbered[i].Location = next, location
	}
	return encode(location, numbered)
}

// Copied is the fact that entries of another location are here as well; nil when all
// are already. Entries must be in order. Room for a location more is refused by name.
func (s *State) Copied(location string, entries []Entry) ([]byte, error) {
	if s.parts[location] == nil && len(s.parts) >= locationsMax {
		return nil, fmt.Errorf("the audit log holds entries of %d locations already, which is the most", locationsMax)
	}
	last := s.Last(location)
	var fresh []Entry
	for _, e := range entries {
		if e.Seq > last {
			e = e.Bounded()
			e.Location, last = location, e.Seq
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	return encode(location, fresh), nil
}

func encode(location string, entries []Entry) []byte {
	data, err := json.Marshal(fact{version, location, entries})
	if err != nil {
		panic(err) // texts, numbers and times marshal
	}
	return data
}

// Last is the number of the newest entry of a location; 0 when there is none.
func (s *State) Last(location string) uint64 {
	if p := s.parts[location]; p != nil {
		return p.last
	}
	return 0
}

// Apply folds a fact.
func (s *State) Apply(data []byte) error {
	var f fact
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("a fact of the audit log cannot be read: %w", err)
	}
	if f.Version != version {
		return fmt.Errorf("a fact of the audit log has version %d, this program knows %d", f.Version, version)
	}
	if s.parts == nil {
		s.parts = map[string]*part{}
	}
	p := s.parts[f.Location]
	if p == nil {
		p = &part{}
		s.parts[f.Location] = p
	}
	p.add(f.Entries)
	return nil
}

func (p *part) add(entries []Entry) {
	for _, e := range entries {
		if e.Seq <= p.last {
			continue
		}
		p.entries, p.last = append(p.entries, e), e.Seq
	}
	if len(p.entries) == 0 {
		return
	}
	oldest := p.entries[len(p.entries)-1].Time.Add(-AgeMax)
	gone := max(0, len(p.entries)-EntriesMax)
	for gone < len(p.entries)-1 && p.entries[gone].Time.Before(oldest) {
		gone++
	}
	if gone > 0 {
		p.entries = slices.Delete(p.entries, 0, gone)
	}
}

// Snapshot appends the state to dst.
func (s *State) Snapshot(dst []byte) []byte {
	var all []fact
	for _, location := range slices.Sorted(maps.Keys(s.parts)) {
		all = append(all, fact{version, location, s.parts[location].entries})
	}
	data, err := json.Marshal(all)
	if err != nil {
		panic(err) // texts, numbers and times marshal
	}
	return append(dst, data...)
}

// Restore replaces the state by one that Snapshot wrote.
func (s *State) Restore(data []byte) error {
	var all []fact
	if err := json.Unmarshal(data, &all); err != nil {
		return fmt.Errorf("a snapshot of the audit log cannot be read: %w", err)
	}
	s.Reset()
	for _, f := range all {
		if f.Version != version {
			return fmt.Errorf("a snapshot of the audit log has version %d, this program knows %d", f.Version, version)
		}
		p := &part{}
		p.add(f.Entries)
		s.parts[f.Location] = p
	}
	return nil
}

// Reset empties the state.
func (s *State) Reset() { s.parts = map[string]*part{} }

// Query chooses entries. The zero Query chooses all.
type Query struct {
	Location string    // where it happened
	After    uint64    // numbers above this one; with Location
	Since    time.Time // not before
	Until    time.Time // before
	Outcome  Outcome
	Caller   string // name or object id, in any case
	Scope    string // a resource id: what happened to it or under it, in any case
	Action   string // the beginning of an action, in any case
	Top      int    // at most so many; 0: all
	Oldest   bool   // the oldest first, rather than the newest
}

// Find gives the entries a query chooses.
func (s *State) Find(q Query) []Entry {
	var found []Entry
	for location, p := range s.parts {
		if q.Location != "" && location != q.Location {
			continue
		}
		for _, e := range p.entries {
			if q.chooses(e) {
				found = append(found, e)
			}
		}
	}
	slices.SortFunc(found, func(a, b Entry) int {
		order := cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Location, b.Location), cmp.Compare(a.Seq, b.Seq))
		if q.Location != "" {
			order = cmp.Compare(a.Seq, b.Seq)
		}
		if !q.Oldest {
			order = -order
		}
		return order
	})
	if q.Top > 0 && len(found) > q.Top {
		found = found[:q.Top]
	}
	return found
}

func (q Query) chooses(e Entry) bool {
	switch {
	case e.Seq <= q.After && q.After > 0,
		!q.Since.IsZero() && e.Time.Before(q.Since),
		!q.Until.IsZero() && !e.Time.Before(q.Until),
		q.Outcome != "" && e.Outcome != q.Outcome,
		q.Caller != "" && !strings.EqualFold(e.Caller, q.Caller) && !strings.EqualFold(e.Object, q.Caller),
		q.Action != "" && !hasPrefixFold(e.Action, q.Action):
		return false
	}
	return q.Scope == "" || strings.EqualFold(e.Scope, q.Scope) || hasPrefixFold(e.Scope, strings.TrimSuffix(q.Scope, "/")+"/")
}

func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}
