package app

import (
	"io"
	"log/slog"
	"time"

	"weir/internal/rendezvous"
	"weir/internal/settings"
	"weir/operate/telemetry"
)

// Options are everything a platform can be told. Settings declares those an
// operator sets; the rest is for programs.
type Options struct {
	Data      string // directory of everything the node keeps
	Namespace string // the namespace clients reach that name none; made on the first start

	AMQP, AMQPS, HTTP, HTTPS, Admin string // door addresses; see listen
	ExternalAMQPS, ExternalHTTPS    string // of doors for other networks

	DefaultIdentity string // who has the default managed identity
	IssuerURL       string // of the local identity provider

	TLSCert, TLSKey string   // files that take the place of the local CA
	TLSNames        []string // further names for the local CA's certificate

	Node          string
	Location      string // what other locations call this one
	Advertise     string // where other nodes reach this one's doors
	ClusterListen string
	ClusterPeers  map[string]string
	ClusterSecret string
	SecretFile    string
	KeyFile       string // seals secrets; empty: see sealing
	NATS          string // URL of an external cluster that keeps the journals

	Sync          string // see syncModes
	SnapshotEvery int64  // bytes of journal between snapshots
	Cache         int64  // bytes of recent journal kept in memory
	LeaseTimeout  time.Duration
	RunRetention  time.Duration // how long runs of workflows are kept after they began

	Deploy     []string // files applied at start
	WebOrigins []string
	Pprof      bool
	LogFormat  string
	LogLevel   string
	Drain      time.Duration // how long Stop may take to end in order

	WorkflowReach    []string // addresses that Http actions may call, and no others
	WorkflowReachNot []string // addresses that they may not call
	WorkflowCAs      []string // files with authorities that they believe

	// ScriptWorker is the command line of a process that runs the scripts of workflows and
	// can be killed; empty: they run in this process.
	ScriptWorker []string
	// WorkflowFiles are the directories in which workflows may use files; none: any but Data.
	WorkflowFiles []string

	// Talk is where a person reads what to do next; nil: nowhere.
	Talk io.Writer
	// Logger replaces the one LogFormat and LogLevel describe.
	Logger *slog.Logger
	// Version is shown by the status and the page.
	Version string
}

// Values of Options.Sync.
const (
	syncAlways        = "always"
	syncMayLoseSecond = "may-lose-last-second-on-power-cut"
)

var syncModes = []string{syncAlways, syncMayLoseSecond}

// Defaults are the options of a platform nobody told anything.
func Defaults() Options {
	return Options{
		Data:            rendezvous.DefaultDir(),
		Namespace:       "sbemulatorns",
		AMQP:            "localhost:5672",
		AMQPS:           "localhost:5671",
		HTTP:            "localhost:8080",
		HTTPS:           "localhost:8443",
		Admin:           "localhost:5300",
		ExternalAMQPS:   doorOff,
		ExternalHTTPS:   doorOff,
		DefaultIdentity: identityLoopback,
		Node:            "n1",
		Location:        "local",
		Sync:            syncAlways,
		SnapshotEvery:   64 << 20,
		Cache:           64 << 20,
		LeaseTimeout:    4 * time.Second,
		RunRetention:    90 * 24 * time.Hour,
		LogFormat:       "text",
		LogLevel:        "info",
		Drain:           30 * time.Second,
		Version:         "unknown",
	}
}

// Settings declares what an operator can set in o; what stands there is the default.
func Settings(o *Options) *settings.Set {
	set := settings.New("WEIR")
	g := set.Group("General")
	g.Text(&o.Data, "data", "DIR", "Directory of everything this node keeps: journals, keys, certificates.")
	g.Strings(&o.Deploy, "deploy", "FILE", "Resource files to apply at every start (YAML, JSON, or the emulator's Config.json); what is there already stays as it is.")
	g.Text(&o.Namespace, "namespace", "NAME", "Namespace of clients whose host name names none; made when it does not exist.")

	g = set.Group("Doors")
	const form = "HOST:PORT|off"
	g.Text(&o.AMQP, "amqp", form, "AMQP door. Every door tells TLS, AMQP and HTTP apart and takes them all. The host localhost is 127.0.0.1 and ::1; an empty host is every interface; port 0 is any free one.")
	g.Text(&o.AMQPS, "amqps", form, "AMQP door where clients expect TLS.")
	g.Text(&o.HTTP, "http", form, "HTTP door: resources, health, metrics, AMQP over WebSockets.")
	g.Text(&o.HTTPS, "https", form, "HTTP door where clients expect TLS.")
	g.Text(&o.Admin, "admin", form, "The door the Service Bus emulator has for administration and health.")
	g.Text(&o.ExternalAMQPS, "external-amqps", form, "AMQP door for other networks: it speaks TLS only, its peers are never taken for this machine's, and namespaces whose publicNetworkAccess is Disabled are not reached through it.")
	g.Text(&o.ExternalHTTPS, "external-https", form, "HTTP door for other networks, with the same rules.")
	g.Strings(&o.WebOrigins, "web-origins", "ORIGIN", "Origins (https://app.example.com) whose web pages may use AMQP over WebSockets, beside those of this machine; * is all.")

	g = set.Group("Identity")
	g.Choice(&o.DefaultIdentity, "default-identity", []string{identityLoopback, identityOff}, "Who gets tokens of managed identities by asking: programs on this machine, as long as no door can be reached from another one, which also have a default identity with the roles Azure Service Bus Data Owner and Contributor; or nobody without a workload key.")
	g.Text(&o.IssuerURL, "issuer-url", "URL", "Address of the local identity provider, as its tokens name it: https://login.example. Not given: the one a client asked at.")

	g = set.Group("TLS")
	g.Text(&o.TLSCert, "tls-cert", "FILE", "Certificate chain (PEM) to use in place of the local CA's. Changes are picked up.")
	g.Text(&o.TLSKey, "tls-key", "FILE", "Key (PEM) of that certificate.")
	g.Strings(&o.TLSNames, "tls-names", "NAME", "Further host names and addresses for the local CA's certificate.")

	g = set.Group("Several nodes")
	g.Text(&o.Node, "node", "NAME", "Name of this node: unique in the location and the same after a restart.")
	g.Text(&o.Location, "location", "NAME", "Name of this location: what a pairing in another location calls it.")
	g.Text(&o.Advertise, "advertise", "HOST:PORT", "Where other nodes reach a door of this one, to pass connections on. Not given: the AMQP door; when that listens on every interface, with the host of --cluster-listen.")
	g.Text(&o.ClusterListen, "cluster-listen", "HOST:PORT", "Where the journals of the nodes speak to each other; makes this node one of several.")
	g.Pairs(&o.ClusterPeers, "cluster-peers", "NODE=HOST:PORT", "The cluster-listen address of every node of the location.")
	g.Secret(&o.ClusterSecret, "cluster-secret", "Secret the nodes share, at least 16 random characters between machines.")
	g.Text(&o.SecretFile, "cluster-secret-file", "FILE", "File with that secret.")
	g.Text(&o.NATS, "nats", "URL", "External NATS cluster with JetStream that keeps the journals, in place of the embedded one.")
	g.Duration(&o.LeaseTimeout, "lease-timeout", "How long the owner of a unit may be silent before another node takes over. The same on all nodes.")

	g = set.Group("Storage")
	g.Text(&o.KeyFile, "secrets-key-file", "FILE", "Keys that seal the secrets in the journal (shared access keys, passwords): 32 random bytes as base64 on each line. The first one seals, all open. The same on all nodes. Not given: secrets-key in the data directory, made on the first start; where nodes share a secret, a key derived from that.")
	g.Choice(&o.Sync, "sync", syncModes, "When an acknowledged write is safe on disk: always before it is acknowledged, or up to a second later.")
	g.Size(&o.SnapshotEvery, "snapshot-every", "Journal written between two snapshots of a unit, at least.")
	g.Size(&o.Cache, "cache", "Newest part of the journals kept in memory for reading.")
	g.Duration(&o.RunRetention, "run-retention", "How long the history of a workflow's run is kept after it ended. The same on all nodes.")

	g = set.Group("Workflows")
	g.Strings(&o.WorkflowReach, "workflow-reach", "CIDR", "Addresses that workflows may call over HTTP, and no others: 10.0.0.0/8. Not given: all but those that are link-local or where clouds tell machines their secrets.")
	g.Strings(&o.WorkflowReachNot, "workflow-reach-not", "CIDR", "Further addresses that they may not call.")
	g.Strings(&o.WorkflowCAs, "workflow-ca", "FILE", "Certificates (PEM) of authorities that they believe, beside the system's and the local CA.")

	g = set.Group("Operation")
	g.Choice(&o.LogFormat, "log-format", telemetry.Formats, "How logs look, on standard error.")
	g.Choice(&o.LogLevel, "log-level", []string{"debug", "info", "warn", "error"}, "Least severe log that is written.")
	g.Bool(&o.Pprof, "pprof", "Offer Go profiles at /debug/pprof/ to who has the administration token.")
	g.Duration(&o.Drain, "drain", "How long an orderly end may take; what is left then ends as in a crash, which loses nothing acknowledged.")
	g.Strings(&o.WorkflowFiles, "workflow-files", "DIR", "Directories in which file system connections of workflows may lie. Not given: any but this node's own --data.")
	return set
}
