package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"weir/face/cli"
	"weir/operate/route"
)

// routeStop bounds the end of a router; connections under way do not hold it up.
const routeStop = 5 * time.Second

// Routing is what `weir route` is told and runs.
func Routing() cli.Routing {
	f := route.DefaultFlags()
	return cli.Routing{
		Settings: route.Settings(&f),
		Run:      func(ctx context.Context, talk io.Writer) error { return runRoute(ctx, f, talk) },
	}
}

// runRoute keeps a router until ctx ends.
func runRoute(ctx context.Context, f route.Flags, talk io.Writer) error {
	o, err := f.Options()
	if err != nil {
		return err
	}
	o.Logger = slog.New(slog.NewTextHandler(talk, nil))
	r, err := route.New(o)
	if err != nil {
		return err
	}
	for _, l := range o.Locations {
		warnOfPlainToken(o.Logger, l)
	}
	if err := r.Start(); err != nil {
		return err
	}
	for _, addr := range r.Addrs() {
		fmt.Fprintf(talk, "Clients are passed on from %s.\n", addr)
	}
	if at := r.DNS(); at != "" {
		fmt.Fprintf(talk, "DNS for %s is answered on %s, UDP and TCP.\n", o.Alias.Zone, at)
	}
	fmt.Fprintln(talk, "Ctrl-C ends it.")
	<-ctx.Done()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), routeStop)
	defer cancel()
	return r.Stop(limit)
}

// warnOfPlainToken tells of an administration token that would cross a network for
// everybody to read.
func warnOfPlainToken(log *slog.Logger, l route.Location) {
	for _, admin := range l.Admin {
		if u, err := url.Parse(admin); err == nil && strings.EqualFold(u.Scheme, "http") && !ownMachine(u.Hostname()) {
			log.Warn("the administration token goes to this location unencrypted: name its HTTPS door", "location", l.Name, "url", admin)
		}
	}
}

// ownMachine reports whether a host is this machine's loopback interface.
func ownMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
