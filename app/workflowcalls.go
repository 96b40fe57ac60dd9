package app

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"

	"weir/internal/localca"
	webcalls "weir/service/workflow/connector/http"
)

// calling is how workflows of this node call over HTTP: whom, whom they believe, and as
// who.
func (p *Platform) calling() (o webcalls.Options, err error) {
	o.Tokens = workflowTokens{p}
	o.Agent = "weir-workflows/" + p.o.Version
	if o.Reach.Only, err = prefixes("workflow-reach", p.o.WorkflowReach); err != nil {
		return o, err
	}
	if o.Reach.Never, err = prefixes("workflow-reach-not", p.o.WorkflowReachNot); err != nil {
		return o, err
	}
	if o.Roots, err = x509.SystemCertPool(); err != nil {
		o.Roots = x509.NewCertPool() // there is none on this system
	}
	// Not there when the node has a certificate of its own.
	if pem, err := os.ReadFile(localca.CAFile(p.tlsDir())); err == nil {
		o.Roots.AppendCertsFromPEM(pem)
	}
	for _, name := range p.o.WorkflowCAs {
		pem, err := os.ReadFile(name)
		if err != nil {
			return o, fmt.Errorf("--workflow-ca: %w", err)
		}
		if !o.Roots.AppendCertsFromPEM(pem) {
			return o, fmt.Errorf("--workflow-ca: %s holds no certificate; it must be PEM", name)
		}
	}
	return o, nil
}

// prefixes reads addresses and ranges of them.
func prefixes(flag string, texts []string) (all []netip.Prefix, err error) {
	for _, text := range texts {
		if at, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(at, at.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--%s: %q is no address and no range of addresses, such as 10.0.0.0/8", flag, text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}
