package core

import "fmt"

// need names something that a rule has to know.
type need string

// What rules need.
const (
	needGroups    need = "groups"    // how the groups are, from every location
	needDocuments need = "documents" // what is declared, from every location
	needNodes     need = "nodes"     // what the nodes say of themselves
	needClocks    need = "clocks"
	needTLS       need = "tls"
	needDrills    need = "evidence"
	needAlias     need = "alias"
	needTTL       need = "ttl"
	needFlows     need = "flows"
	needPair      need = "both" // at least two locations
)

// lacking says what of a need was not seen; nothing: it is met.
type lacking struct {
	Text  string
	lacks func(*estate) []string
}

var needs = map[need]lacking{
	needPair: {"two locations", func(e *estate) []string {
		if len(e.Places) < 2 {
			return []string{"only one location was named: name the other one with --location"}
		}
		return nil
	}},
	needGroups: {"how the groups are, from each location", func(e *estate) []string {
		return e.missing(func(p *Place) string { return p.GroupsErr }, "does not say how its groups are")
	}},
	needDocuments: {"what is declared, from each location", func(e *estate) []string {
		return e.missing(func(p *Place) string { return p.DocumentsErr }, "does not say what is declared there")
	}},
	needNodes: {"what each node says of itself", func(e *estate) []string {
		return e.missing(func(*Place) string { return "" }, "")
	}},
	needClocks: {"the clock of each location", func(e *estate) []string {
		return e.missing(func(p *Place) string {
			if p.Clock == nil {
				return "its answers carry no date"
			}
			return ""
		}, "does not say what time it is")
	}},
	needTLS: {"a door of each location that ends TLS", func(e *estate) []string {
		return e.missing(func(p *Place) string {
			if len(p.Ends) == 0 {
				return "name its HTTPS door, or one that clients use TLS with"
			}
			return ""
		}, "has shown no certificate")
	}},
	needDrills: {"records of drills (--evidence)", func(e *estate) []string {
		if !e.Drills.Given {
			return []string{"no records of drills were named: --evidence DIR, where \"weir drill\" puts them"}
		}
		return nil
	}},
	needAlias: {"a name that clients use (--alias)", func(e *estate) []string {
		if len(e.Aliases) == 0 {
			return []string{"no alias was named: --alias NAME, the name that clients use"}
		}
		return nil
	}},
	needTTL: {"how long a name may be kept (--alias, and a name server that says)", func(e *estate) []string {
		for _, a := range e.Aliases {
			if a.Err == "" && !a.TTLKnown {
				return []string{fmt.Sprintf("how long resolvers may keep %s is not known: --resolver HOST:PORT names a server to ask", a.Name)}
			}
		}
		return nil
	}},
	needFlows: {"flows (--estate)", func(e *estate) []string {
		if len(e.Flows) == 0 {
			return []string{"no flows were declared: --estate FILE; \"weir plan --help\" shows one"}
		}
		return nil
	}},
}

// missing says of which places something is not known.
func (e *estate) missing(of func(*Place) string, verb string) []string {
	var all []string
	for i := range e.Places {
		p := &e.Places[i]
		if p.Err != "" {
			all = append(all, p.Name+" does not answer")
		} else if why := of(p); why != "" {
			all = append(all, fmt.Sprintf("%s %s: %s", p.Name, verb, why))
		}
	}
	return all
}

// Text says a need in words.
func (n need) Text() string { return needs[n].Text }
