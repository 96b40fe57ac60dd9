package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"weir/face/api"
	"weir/internal/localca"
	"weir/internal/rendezvous"
	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/operate/audit"
	"weir/operate/telemetry"
)

// parts are what readiness depends on: the registry and every namespace.
func (p *Platform) parts() []telemetry.Part {
	registry := p.registryStatus()
	log := unitStatus(audit.Unit, p.auditUnit)
	parts := []telemetry.Part{{Name: registry.Name, Ready: registry.Ready, Reason: registry.Reason}, {Name: log.Name, Ready: log.Ready, Reason: log.Reason}}
	units := p.unitsOfServices()
	for _, u := range units {
		parts = append(parts, telemetry.Part{Name: u.Unit, Ready: u.Ready, Reason: u.Reason})
	}
	if err := p.servicesReady(); err != nil && len(units) == 0 {
		parts = append(parts, telemetry.Part{Name: "services", Reason: fault.Sentence(err)})
	}
	return parts
}

func (p *Platform) registryStatus() api.Unit { return unitStatus(registryUnit, p.registry.unit) }

// unitStatus is what is said of a unit of the location itself.
func unitStatus(name string, unit *replica.Unit) api.Unit {
	role, epoch := unit.Status()
	owner := unit.Ownership()
	u := api.Unit{
		Name: name, Role: role.String(), Owner: owner.Node, OwnerAddress: owner.Address, Epoch: epoch, Ready: true,
		Position: uint64(unit.Position()),
	}
	if err := unit.Ready(); err != nil {
		u.Ready, u.Reason = false, fault.Sentence(err)
	} else if owner.Node == "" && !owner.Self {
		u.Ready, u.Reason = false, "Nobody owns it yet."
	}
	return u
}

// status is what the node says of itself.
func (p *Platform) status() api.Status {
	ready, _ := p.health.Ready()
	s := api.Status{
		Version: p.o.Version, Node: p.o.Node, Started: p.started.UTC(), Ready: ready, Doors: p.Addrs(),
		Location: p.o.Location, Scope: DefaultScope.String(), Namespace: p.o.Namespace, Units: []api.Unit{p.registryStatus(), unitStatus(audit.Unit, p.auditUnit)},
	}
	if revision, err := p.registry.revision(context.Background()); err == nil {
		s.Revision = revision
	}
	for _, u := range p.unitsOfServices() {
		s.Units = append(s.Units, api.Unit{
			Name: u.Unit, Role: u.Role, Owner: u.Node, OwnerAddress: u.Address, Epoch: u.Epoch, Position: u.Position, Ready: u.Ready, Reason: u.Reason,
		})
	}
	return s
}

// announce lets commands on this machine find the server, and tells a person what
// to do next.
func (p *Platform) announce(context.Context) error {
	addrs := p.Addrs()
	err := rendezvous.Announce(p.o.Data, rendezvous.Server{PID: os.Getpid(), Node: p.o.Node, Admin: adminURL(addrs), Doors: addrs})
	if err != nil {
		return fmt.Errorf("say where the server listens: %w", err)
	}
	p.undo.push("announcement", func(context.Context) error { return rendezvous.Withdraw(p.o.Data) })
	if p.o.Talk != nil && p.o.LogFormat == "text" {
		p.talk(p.o.Talk, addrs)
		return nil
	}
	p.log.Info("ready", "doors", addrs) // a program reads this
	return nil
}

// adminURL is where this machine reaches the HTTP side of a door.
func adminURL(addrs map[string]string) string {
	for _, name := range []string{"http", "admin", "amqp", "https", "amqps"} {
		if address, ok := addrs[name]; ok {
			return "http://" + local(address)
		}
	}
	return ""
}

// local turns an address that means every interface into one that can be dialled.
func local(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !wildcard(host) {
		return address
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// endpoint is the URL of a namespace: its first label names it, unless it is the
// default one.
func (p *Platform) endpoint(namespace string) string {
	address, ok := p.Addrs()["https"]
	if !ok {
		address = p.Addrs()["http"]
	}
	host, port, err := net.SplitHostPort(local(address))
	if err != nil {
		return ""
	}
	if host == "127.0.0.1" {
		host = "localhost"
	}
	if !strings.EqualFold(namespace, p.o.Namespace) && net.ParseIP(host) == nil {
		host = namespace + "." + host
	}
	return "https://" + net.JoinHostPort(host, port) + "/"
}

// hostOf is the host and port by which clients reach the namespace a resource lies in,
// when this server was called by that name: the first label says which namespace, but
// the default one needs none. An address has no labels: it leads to the default one.
func (p *Platform) hostOf(called string, id resource.ID) string {
	names := id.Names()
	if len(names) == 0 || strings.EqualFold(names[0], p.o.Namespace) {
		return called
	}
	host, port, err := net.SplitHostPort(called)
	if err != nil {
		host, port = called, ""
	}
	ip := net.ParseIP(host)
	switch first, rest, _ := strings.Cut(host, "."); {
	case ip != nil && ip.IsLoopback(), strings.EqualFold(host, "localhost"):
		host = names[0] + ".localhost"
	case ip != nil, strings.EqualFold(first, names[0]):
	case p.bus.Serves(first):
		host = names[0] + "." + rest
	default:
		host = names[0] + "." + host
	}
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// emulatorString is what any SDK reaches this node with from this machine.
func emulatorString(addrs map[string]string) string {
	endpoint := "localhost"
	if address := local(addrs["amqp"]); address != "" {
		if host, port, err := net.SplitHostPort(address); err == nil {
			if host != "127.0.0.1" {
				endpoint = host
			}
			if port != "5672" {
				endpoint = net.JoinHostPort(endpoint, port)
			}
		}
	}
	return "Endpoint=sb://" + endpoint + ";SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;"
}

func (p *Platform) talk(w io.Writer, addrs map[string]string) {
	var doors []string
	for _, d := range p.doors.list {
		doors = append(doors, d.name+" "+d.Addr())
	}
	flag := ""
	if p.o.Data != rendezvous.DefaultDir() {
		flag = " --data " + p.o.Data
	}
	fmt.Fprintf(w, `
Weir is ready: node %s, %s

Connect any Azure Service Bus SDK from this machine with
  %s
%s
Next
  declare a queue    echo '{"type":"%s/queues","name":"%s/orders"}' | weir deploy%s -
  look at it         weir queue show orders%s
  real keys          weir keys%s
  TLS                let clients trust %s
  metrics, health    %s/metrics, %s/healthz/ready
Ctrl-C ends it in order.

`, p.o.Node, strings.Join(doors, ", "), emulatorString(addrs), p.withoutKeys(addrs), typeNamespace, p.o.Namespace, flag, flag, flag,
		p.caFile(), adminURL(addrs), adminURL(addrs))
}

func (p *Platform) caFile() string {
	if p.o.TLSCert != "" {
		return "the authority that signed " + p.o.TLSCert
	}
	return localca.CAFile(p.tlsDir())
}
