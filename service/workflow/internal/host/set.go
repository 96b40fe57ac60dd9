package host

import (
	"fmt"
	"strings"

	"weir/service/workflow/connector"
)

// Set holds connectors by what they handle.
type Set struct {
	by map[string]connector.Connector
}

// NewSet gives a set. Two connectors that handle the same are a mistake of the program.
func NewSet(all ...connector.Connector) (*Set, error) {
	s := &Set{by: map[string]connector.Connector{}}
	for _, c := range all {
		for _, name := range c.Handles() {
			key := strings.ToLower(name)
			if s.by[key] != nil {
				return nil, fmt.Errorf("two connectors handle %q", name)
			}
			s.by[key] = c
		}
	}
	return s, nil
}

// Find gives the connector for a type of action or trigger; for ServiceProvider, that of
// the provider's id. Nil: there is none.
func (s *Set) Find(kind, provider string) connector.Connector {
	if s == nil {
		return nil
	}
	key := strings.ToLower(kind)
	if key == "serviceprovider" {
		provider = strings.ToLower(strings.Trim(provider, "/"))
		if c := s.by[key+"/"+provider]; c != nil {
			return c
		}
	}
	return s.by[key]
}
