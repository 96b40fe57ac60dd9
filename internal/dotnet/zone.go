package dotnet

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the same rules on every machine
)

// zones keeps the zones that were asked for: reading one takes longer than using it.
var zones sync.Map // of lower case name to *time.Location

// Zone gives a time zone by the name Windows has for it ("Pacific Standard Time"),
// in any case, or by its name in the tz data ("America/Los_Angeles").
func Zone(name string) (*time.Location, bool) {
	key := strings.ToLower(strings.TrimSpace(name))
	if z, ok := zones.Load(key); ok {
		return z.(*time.Location), true
	}
	z, ok := find(key, strings.TrimSpace(name))
	if ok {
		zones.Store(key, z)
	}
	return z, ok
}

func find(key, name string) (*time.Location, bool) {
	if key == "utc" || key == "gmt" || key == "z" {
		return time.UTC, true
	}
	iana, ok := windowsZones[key]
	if !ok {
		if !strings.Contains(name, "/") {
			return nil, false
		}
		iana = name
	}
	z, err := time.LoadLocation(iana)
	return z, err == nil
}
