package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// certDays is how long before its end a certificate is worth a word: the local
// authority renews its own later, so who sees it sees one that nobody renews.
const certDays = 30

// wayRules are about how locations are reached: addresses and certificates.
func wayRules() []Rule {
	return []Rule{
		{
			ID: "plain-admin", Severity: Warning, Title: "The administration token crosses a network unencrypted",
			Fix: "Name the HTTPS door of {location}: --location {location}=https://HOST:8443.",
			check: func(e *estate) (all []Finding) {
				for _, p := range e.Places {
					for _, url := range p.Admin {
						if strings.HasPrefix(strings.ToLower(url), "http://") && !loopback(hostOf(url)) {
							all = append(all, found(fmt.Sprintf("%s is asked at %s, with the token in plain text", p.Name, url), "location", p.Name))
						}
					}
				}
				return all
			},
		}, {
			ID: "shared-host", Severity: Warning, Title: "Both locations are on one host", Needs: []need{needPair},
			Fix: "Move {location} to machines, power and a network of its own: what takes the host takes both locations.",
			check: func(e *estate) (all []Finding) {
				for i := range e.Places {
					for j := range i {
						a, b := &e.Places[j], &e.Places[i]
						if host := shared(a.hosts(), b.hosts()); host != "" {
							all = append(all, found(fmt.Sprintf("%s and %s are both reached at %s", a.Name, b.Name, host), "location", b.Name, "peer", a.Name))
						}
					}
				}
				return all
			},
		}, {
			ID: "certificate-ended", Severity: Error, Title: "A certificate has ended, or has not begun", Needs: []need{needTLS},
			Fix: "Give {location} a new certificate (--tls-cert, --tls-key of \"weir serve\"); one of the local authority is renewed when the node starts.",
			check: ends(func(e *estate, p *Place, end End, say say) {
				switch {
				case e.now.After(end.NotAfter):
					say(fmt.Sprintf("the certificate at %s of %s ended on %s", end.Address, p.Name, end.NotAfter.UTC().Format(time.DateOnly)))
				case e.now.Before(end.NotBefore):
					say(fmt.Sprintf("the certificate at %s of %s begins on %s: is a clock wrong?", end.Address, p.Name, end.NotBefore.UTC().Format(time.DateOnly)))
				}
			}),
		}, {
			ID: "certificate-ends", Severity: Warning, Title: fmt.Sprintf("A certificate ends within %d days", certDays), Needs: []need{needTLS},
			Fix: "Renew it before: --tls-cert, --tls-key of \"weir serve\" in {location}; one of the local authority is renewed when the node starts.",
			check: ends(func(e *estate, p *Place, end End, say say) {
				if left := end.NotAfter.Sub(e.now); left >= 0 && left < certDays*24*time.Hour {
					say(fmt.Sprintf("the certificate at %s of %s ends on %s, in %.0f days", end.Address, p.Name, end.NotAfter.UTC().Format(time.DateOnly), left.Hours()/24))
				}
			}),
		}, {
			ID: "certificate-untrusted", Severity: Warning, Title: "A certificate is not trusted from here", Needs: []need{needTLS},
			Fix: "Trust its authority: \"weir ca\" in {location} prints it, --ca-file FILE takes it here; clients need it as well.",
			check: ends(func(_ *estate, p *Place, end End, say say) {
				if end.Untrusted != "" {
					say(fmt.Sprintf("the certificate at %s of %s is not trusted from here: %s", end.Address, p.Name, end.Untrusted))
				}
			}),
		}, {
			ID: "certificate-name", Severity: Error, Title: "A certificate does not cover the name it is reached by", Needs: []need{needTLS},
			Fix: "Have the certificate of {location} name {host} (--tls-names of \"weir serve\" for the local authority), or reach it by a name it has.",
			check: ends(func(_ *estate, p *Place, end End, say say) {
				if end.HostErr {
					say(fmt.Sprintf("the certificate at %s of %s does not cover %s", end.Address, p.Name, end.Host), "host", end.Host)
				}
			}),
		}, {
			ID: "certificate-alias", Severity: Error, Title: "A location's certificate does not cover the name that clients use", Needs: []need{needTLS, needAlias},
			Fix: "Have the certificate of {location} name {alias} too: TLS is not ended on the way, and clients refuse to connect after a failover.",
			check: ends(func(_ *estate, p *Place, end End, say say) {
				for _, name := range end.Misses {
					say(fmt.Sprintf("the certificate at %s of %s does not cover %s", end.Address, p.Name, name), "alias", name)
				}
			}),
		},
	}
}

// ends has a rule look at each certificate, whatever else a location says.
func ends(look func(e *estate, p *Place, end End, say say)) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		for i := range e.Places {
			p := &e.Places[i]
			for _, end := range p.Ends {
				look(e, p, end, collect(&all, "location", p.Name))
			}
		}
		return all
	}
}

// hosts are what a location is reached at.
func (p *Place) hosts() []string {
	var all []string
	for _, text := range slices.Concat(p.Admin, p.Doors) {
		if host := hostOf(text); host != "" && !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	return all
}

// shared is a host that two lists have; all of loopback is one.
func shared(a, b []string) string {
	for _, x := range a {
		for _, y := range b {
			if x == y || loopback(x) && loopback(y) {
				return x
			}
		}
	}
	return ""
}

// hostOf is the host of a URL or of HOST:PORT, in small letters.
func hostOf(text string) string {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text, _, _ = strings.Cut(rest, "/")
	}
	if _, after, ok := strings.Cut(text, "@"); ok {
		text = after
	}
	if strings.HasPrefix(text, "[") {
		host, _, _ := strings.Cut(text[1:], "]")
		return strings.ToLower(host)
	}
	if strings.Count(text, ":") == 1 {
		text, _, _ = strings.Cut(text, ":")
	}
	return strings.ToLower(text)
}

// loopback reports whether a host is the machine that says so itself.
func loopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "::1" || strings.HasPrefix(host, "127.") && numeric(host)
}

func numeric(host string) bool { return strings.Trim(host, "0123456789.") == "" }

// private reports whether an address means something within one network only.
func private(host string) bool {
	if strings.Contains(host, ":") {
		return strings.HasPrefix(host, "fc") || strings.HasPrefix(host, "fd") || strings.HasPrefix(host, "fe80:")
	}
	if !numeric(host) {
		return false
	}
	var a, b int
	if n, _ := fmt.Sscanf(host, "%d.%d.", &a, &b); n != 2 {
		return false
	}
	return a == 10 || a == 172 && b >= 16 && b < 32 || a == 192 && b == 168 || a == 169 && b == 254
}

// public reports whether a host is an address that is not private.
func public(host string) bool {
	return host != "" && !loopback(host) && !private(host) && (numeric(host) || strings.Contains(host, ":"))
}
