package plan

import "time"

const (
	week = 7 * 24 * time.Hour
	year = 365 * 24 * time.Hour
)

// Availability is how much of the time a flow works.
type Availability struct {
	// One is in one location: everything in series.
	One float64 `json:"oneLocation"`
	// Independent is in two locations that fail independently of each other, and of
	// nothing in common. No two locations do.
	Independent float64 `json:"twoLocationsIndependent"`
	// Two is with what both depend on in series with the pair.
	Two float64 `json:"twoLocations"`
}

// Compute combines components, whose availabilities are in percent.
func Compute(components []Component) Availability {
	one, each, shared := 1.0, 1.0, 1.0
	for _, c := range components {
		a := c.Availability / 100
		one *= a
		if c.Where == Each {
			each *= a
		} else {
			shared *= a
		}
	}
	pair := 1 - (1-each)*(1-each)
	alone := 1 - (1-one)*(1-one)
	return Availability{One: one, Independent: alone, Two: pair * shared}
}

// Downtime is how much of a span an availability leaves out.
func Downtime(availability float64, of time.Duration) time.Duration {
	return time.Duration((1 - availability) * float64(of))
}

// Cost is what the expected downtime of a year costs.
func Cost(availability, perHour float64) float64 {
	return Downtime(availability, year).Hours() * perHour
}
