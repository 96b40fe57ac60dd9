package groups

import (
	"fmt"
	"io"
	"net"
	"net/url"
)

// InTheClear reports whether what is sent to a URL can be read on its way: plain HTTP to
// another machine.
func InTheClear(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip == nil || !ip.IsLoopback()
}

// ClearWarning is what to say before a token goes there.
func ClearWarning(address string) string {
	return fmt.Sprintf("Warning: the administration token goes to %s over plain HTTP: whoever is on the way can read and use it. Name the HTTPS door (--ca-file trusts its authority; \"weir ca\" prints it).", address)
}

// WarnOf warns about each address of locations to which a token goes in the clear.
func WarnOf(talk io.Writer, all []Location) {
	for _, l := range all {
		for _, address := range l.Admin {
			if l.Token != "" && InTheClear(address) {
				fmt.Fprintln(talk, ClearWarning(address))
			}
		}
	}
}
