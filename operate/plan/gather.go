package plan

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/internal/groups"
	"weir/operate/evidence"
)

const (
	askWithin    = 5 * time.Second
	documentsMax = 100_000
	pageSize     = 500
	recordsMax   = 1000
)

// Gather asks everybody for facts. Nobody's silence fails it: that is a fact too.
type Gather struct {
	Locations []groups.Location
	TLS       *tls.Config
	Estate    Estate
	Alias     string
	Resolver  *net.Resolver // nil: the system's
	Evidence  string        // directory of records; "": none is looked for
}

// Facts gathers.
func (g Gather) Facts(ctx context.Context) Facts {
	f := Facts{Now: time.Now(), Estate: g.Estate, Locations: make([]Location, len(g.Locations))}
	var asking sync.WaitGroup
	for i := range g.Locations {
		asking.Go(func() {
			within, cancel := context.WithTimeout(ctx, askWithin)
			defer cancel()
			f.Locations[i] = g.location(within, &g.Locations[i])
		})
	}
	if g.Alias != "" {
		asking.Go(func() {
			within, cancel := context.WithTimeout(ctx, askWithin)
			defer cancel()
			f.Alias = g.alias(within)
		})
	}
	asking.Wait()
	if g.Evidence != "" {
		f.Drills, f.Evidence = true, records(g.Evidence)
	}
	return f
}

// location asks one.
func (g Gather) location(ctx context.Context, at *groups.Location) Location {
	l := Location{Name: at.Name, Admin: at.Admin, Doors: at.Doors}
	l.Certificates = g.certificates(ctx, at.Admin)
	list, err := at.List(ctx)
	if err != nil {
		l.Err = err.Error()
		return l
	}
	for _, one := range list.Value {
		if whole, err := at.Show(ctx, one.Name); err == nil {
			one = whole
		}
		l.Groups = append(l.Groups, one)
	}
	var status struct{ Version, Scope string }
	if err := at.Do(ctx, http.MethodGet, "/status", nil, &status); err != nil {
		l.Err = err.Error()
		return l
	}
	l.Version, l.Scope = status.Version, status.Scope
	if l.Documents, err = documents(ctx, at, status.Scope); err != nil {
		l.Err = err.Error()
		return l
	}
	l.Skew = skew(ctx, at)
	return l
}

// documents reads all that is declared, a page at a time.
func documents(ctx context.Context, at *groups.Location, scope string) (all []Document, err error) {
	for len(all) < documentsMax {
		var page struct{ Value []Document }
		if err := at.Do(ctx, http.MethodGet, fmt.Sprintf("%s/resources?$skip=%d&$top=%d", scope, len(all), pageSize), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if len(page.Value) < pageSize {
			return all, nil
		}
	}
	return all, fmt.Errorf("more than %d resources are declared", documentsMax)
}

// skew compares a location's clock with ours: the date it answers with has seconds, and
// lies between when it was asked and when it answered.
func skew(ctx context.Context, at *groups.Location) time.Duration {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.Admin[0], nil)
	if err != nil {
		return 0
	}
	client := at.Client
	if client == nil {
		client = http.DefaultClient
	}
	asked := time.Now()
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	said, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return 0
	}
	middle := asked.Add(time.Since(asked) / 2)
	if d := said.Sub(middle); d < -time.Second || d > 0 {
		return d // a date is cut off to the second before
	}
	return 0
}

// certificates looks at what HTTPS doors show.
func (g Gather) certificates(ctx context.Context, admin []string) (all []Certificate) {
	for _, text := range admin {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" {
			continue
		}
		c := Certificate{URL: text}
		address := u.Host
		if u.Port() == "" {
			address = net.JoinHostPort(u.Hostname(), "443")
		}
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if g.TLS != nil {
			config = g.TLS.Clone()
		}
		config.ServerName = u.Hostname()
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
		var distrust *tls.CertificateVerificationError
		switch {
		case errors.As(err, &distrust):
			c.Err = err.Error()
		case err != nil:
			continue // it does not answer: another rule's business
		default:
			if secure, ok := conn.(*tls.Conn); ok {
				c.Expires = secure.ConnectionState().PeerCertificates[0].NotAfter
			}
			conn.Close()
		}
		all = append(all, c)
	}
	return all
}

// alias resolves the name, and the doors it may lead to.
func (g Gather) alias(ctx context.Context) *Alias {
	resolver := g.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	a := &Alias{Name: g.Alias, Leads: map[string][]string{}}
	var err error
	if a.Addresses, err = resolver.LookupHost(ctx, g.Alias); err != nil {
		a.Err = err.Error()
		return a
	}
	for _, l := range g.Locations {
		for _, door := range l.Doors {
			host, _, err := net.SplitHostPort(door)
			if err != nil {
				continue
			}
			addresses, err := net.DefaultResolver.LookupHost(ctx, host)
			if err == nil {
				a.Leads[l.Name] = append(a.Leads[l.Name], addresses...)
			}
		}
	}
	return a
}

// records reads the evidence in a directory. What is no record is passed over; what was
// changed is not.
func records(dir string) (all []Evidence) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // what can not be read is not there
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" || len(all) >= recordsMax {
			return nil
		}
		r, _, err := evidence.Read(path)
		if err != nil {
			if isRecord(path) {
				all = append(all, Evidence{File: path, Err: err.Error()})
			}
			return nil
		}
		all = append(all, Evidence{File: path, Group: r.Group, Kind: r.Kind, At: r.At, RPOMessages: r.RPOMessages, RTOSeconds: r.RTOSeconds, Good: r.Good()})
		return nil
	})
	return all
}

// isRecord reports whether a file claims to be one.
func isRecord(path string) bool {
	data, err := os.ReadFile(path)
	var s evidence.Signed
	return err == nil && json.Unmarshal(data, &s) == nil && s.Signature != ""
}
