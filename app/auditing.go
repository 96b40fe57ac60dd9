package app

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/operate/audit"
	"weir/operate/continuity"
)

// openAudit opens the audit log of the location.
func (p *Platform) openAudit(ctx context.Context) error {
	var unit *replica.Unit
	log := audit.New(audit.Options{
		Location: p.o.Location, Logger: p.log.With("part", "audit"),
		Way:   func(ctx context.Context) (http.RoundTripper, error) { return p.wayToOwner(ctx, unit) },
		Peers: p.peers,
	})
	err := persist(ctx, func() (err error) { // nodes that start together are in each other's way
		unit, err = p.openUnit(ctx, replica.Options{Unit: audit.Unit, Node: p.o.Node, Address: p.address(), Machine: log.Machine(), Logger: p.log})
		return err
	})
	if err != nil {
		return err
	}
	unit.Start()
	p.undo.push("audit", unit.Stop)
	if _, err := unit.WaitOwner(ctx); err != nil {
		return fmt.Errorf("wait for the audit log: %w", err)
	}
	log.Start(unit)
	p.auditUnit = unit
	p.audit.Store(log)
	p.undo.push("auditing", log.Stop)
	return nil
}

// wayToOwner gives the transport to the node of this location that owns a unit; nil when
// this one does.
func (p *Platform) wayToOwner(ctx context.Context, unit *replica.Unit) (http.RoundTripper, error) {
	owner, err := unit.WaitOwner(ctx)
	if err != nil || owner.Self {
		return nil, err
	}
	if len(p.secret) == 0 {
		return nil, fault.New(fault.Unavailable, "The node %s owns it, and this node has no cluster secret to reach it with.", owner.Node)
	}
	return hopTransport(owner.Address, p.secret), nil
}

// peers are the ways to the locations this one is paired with.
func (p *Platform) peers() map[string]http.RoundTripper {
	docs, _, err := p.registry.ListUnder(p.life, resource.ID{}, continuity.TypePairing)
	if err != nil {
		p.log.Debug("pairings can not be read", "error", err)
	}
	ways := map[string]http.RoundTripper{}
	for _, d := range docs {
		to := continuity.PairingOf(d)
		ways[to.Peer] = &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
				err = fmt.Errorf("the pairing with %s has no endpoint", to.Peer)
				for _, address := range to.Endpoints {
					if conn, err = p.dialLocation(ctx, to, address, continuity.DialHTTP, ""); err == nil {
						break
					}
				}
				return conn, err
			},
		}
	}
	return ways
}

// answerAudit answers what other nodes and locations have to do with the audit log, and
// says whether it did.
func (p *Platform) answerAudit(w http.ResponseWriter, r *http.Request, peer string) bool {
	log := p.audit.Load()
	switch {
	case log == nil:
		return false
	case peer != "" && r.URL.Path == audit.PeerPath:
		log.PeerHandler().ServeHTTP(w, r)
		return true
	case fromNode(r) && r.URL.Path == audit.EntriesPath:
		log.NodeHandler().ServeHTTP(w, r)
		return true
	}
	return false
}
