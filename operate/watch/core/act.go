package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"weir/internal/groups"
)

// MayAct says which location a watchdog that may act promotes for a group, and why; ""
// for none. Clients must not get through the holder of the group now, nor for as many
// rounds as an alarm takes; the other location must not hear it either, and must hear a
// majority of the voters, without which it would be refused.
func MayAct(s Seen, up []Alarm, group string) (promote, why string) {
	if s.Partial {
		return "", ""
	}
	lasting := map[string]bool{}
	for _, a := range up {
		if name, ok := strings.CutPrefix(a.Key, "location/"); ok {
			lasting[strings.TrimSuffix(name, "/data")] = true
		}
	}
	top := uint64(0)
	for _, at := range s.Locations {
		for _, g := range at.Groups {
			if strings.EqualFold(g.Name, group) {
				top = max(top, g.Term)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Locations)) {
		at := s.Locations[name]
		for _, g := range at.Groups {
			lost := holder(g)
			primary, watched := s.Locations[lost]
			if at.Err != "" || !strings.EqualFold(g.Name, group) || g.Standing != groups.Secondary || g.Term != top || g.Phase != "" || g.PeerReachable {
				continue
			}
			if watched && lasting[lost] && !primary.serves() && majority(g.Voters) {
				return name, fmt.Sprintf("no client gets through %s, and %s hears nothing of it either", lost, name)
			}
		}
	}
	return "", ""
}

// serves reports whether clients get through a location, as far as that was tried.
func (l Location) serves() bool {
	if l.Data.Asked {
		return l.Data.Err == ""
	}
	return l.Err == "" || l.Health == ""
}

// majority reports whether most voters were reached. Where none are named the location
// decides: without voters it refuses.
func majority(voters []groups.Voter) bool {
	reached := 0
	for _, v := range voters {
		if v.Reachable {
			reached++
		}
	}
	return len(voters) == 0 || 2*reached > len(voters)
}
