package plan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	day     = "2006-01-02"
	quarter = 92 * 24 * time.Hour
)

func parseDay(text string) (time.Time, error) { return time.Parse(day, text) }

// Strategies are how a flow is meant to stand the loss of a location.
var Strategies = []string{"single", "decoupled", "multi", "criticality"}

// known are availabilities in percent of what a cloud promises, for components that name
// none.
var known = map[string]float64{"messaging": 99.9, "workflow": 99.9, "gateway": 99.95, "directory": 99.99}

// ParseEstate reads what an operator says of the flows. All mistakes come back joined.
func ParseEstate(text []byte) (Estate, error) {
	var e Estate
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&e); err != nil {
		return e, fmt.Errorf("the estate is not understood: %w", err)
	}
	var errs []error
	for i := range e.Flows {
		f := &e.Flows[i]
		refuse := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("flow %q: "+format, append([]any{f.Name}, args...)...))
		}
		if f.Name == "" || len(f.Components) == 0 {
			refuse("it needs a name and components")
		}
		if f.Strategy != "" && !slices.Contains(Strategies, f.Strategy) {
			refuse("the strategy is one of %v, not %q", Strategies, f.Strategy)
		}
		if _, err := parseDay(f.Reviewed); f.Reviewed != "" && err != nil {
			refuse("reviewed is a day as 2026-01-31, not %q", f.Reviewed)
		}
		for k := range f.Components {
			c := &f.Components[k]
			if c.Availability == 0 {
				c.Availability = known[c.Name]
			}
			if c.Availability <= 0 || c.Availability > 100 {
				refuse("the availability of %q is a percentage, as 99.9", c.Name)
			}
			if c.Where == "" {
				c.Where = Each
			}
			if !slices.Contains([]string{Each, One, Common}, c.Where) {
				refuse("%q is in each location, in one, or common to both, not %q", c.Name, c.Where)
			}
		}
	}
	return e, errors.Join(errs...)
}
