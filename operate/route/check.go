package route

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"weir/internal/hop"
)

// check refuses options that cannot work, all at once.
func check(o Options) error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.Listen) == 0 && o.Alias.Zone == "" {
		refuse("a router needs something to do: an address to listen on for clients, or a zone to answer for")
	}
	if len(o.Locations) == 0 {
		refuse("a router needs the locations it chooses from")
	}
	names := map[string]bool{}
	for _, l := range o.Locations {
		if l.Name == "" {
			refuse("a location needs the name it gives itself (its --location)")
		} else if names[l.Name] {
			refuse("the location %s is given twice", l.Name)
		}
		names[l.Name] = true
		if len(l.Admin) == 0 {
			refuse("the location %s needs the URL of an HTTP door, to ask whether it is primary", l.Name)
		}
		for _, admin := range l.Admin {
			if u, err := url.Parse(admin); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				refuse("%q of the location %s is no HTTP door: write it as https://HOST:PORT", admin, l.Name)
			}
		}
		if len(l.Doors) == 0 {
			refuse("the location %s needs a door to pass clients to: HOST:PORT", l.Name)
		}
		for _, door := range l.Doors {
			if host, port, err := net.SplitHostPort(door); err != nil || host == "" || port == "" {
				refuse("%q of the location %s is no door: write it as HOST:PORT", door, l.Name)
			}
		}
	}
	return errors.Join(errs...)
}

// guard refuses to let other machines in at a door of ours while a door of a location
// is on this machine's loopback interface: they would look like this machine's clients.
func (r *Router) guard(ours net.Addr) error {
	if hop.Loopback(ours) {
		return nil
	}
	for _, l := range r.o.Locations {
		for _, door := range l.Doors {
			host, _, _ := net.SplitHostPort(door) // checked by New
			if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost") {
				return fmt.Errorf("other machines reach this address, and the door %s of %s takes who comes over loopback for one of its own machine. Name that door by another address of the machine, or listen on loopback", door, l.Name)
			}
		}
	}
	return nil
}
