package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// clientPendingBytesMax is how much the server may have waiting for our own
	// connection. Reads ask for far less at a time.
	clientPendingBytesMax = 256 << 20
	// memoryStoreBytesMax bounds what JetStream keeps in memory streams; we have none.
	memoryStoreBytesMax = 64 << 20
	// fileStoreBytesMax is beyond any disk: a full disk refuses appends by itself.
	fileStoreBytesMax = 1 << 60

	// routeErrorEvery is how many failed attempts, one a second, to reach another
	// node are told of once.
	routeErrorEvery = 60

	serverReadyWithin = 30 * time.Second
	relaxedSyncEvery  = time.Second
)

// embedded is the NATS server inside this process. It may be started again: the
// address and the password of our connection stay.
type embedded struct {
	mu         sync.Mutex
	server     *server.Server
	user, pass string
}

// InProcessConn gives our connection its way to the server that runs now.
func (e *embedded) InProcessConn() (net.Conn, error) { return e.running().InProcessConn() }

func (e *embedded) running() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server
}

// startServer starts a server on o.Dir. Alone it listens nowhere and is reached
// within the process only. With others it must listen for clients too (a server
// that does not never starts its routes), so it does on a loopback port of the
// kernel's choice, with a password nobody is told.
func startServer(ctx context.Context, o Options, log *slog.Logger, trouble func(string)) (*embedded, error) {
	e := &embedded{}
	if o.Cluster != nil {
		e.user, e.pass = "weir", rand.Text()
	}
	if err := e.run(ctx, o, log, trouble); err != nil {
		return nil, err
	}
	return e, nil
}

// run starts the server; trouble is told each of its error lines.
func (e *embedded) run(ctx context.Context, o Options, log *slog.Logger, trouble func(string)) error {
	opts := &server.Options{
		ServerName:         o.Node,
		NoSigs:             true,
		DontListen:         true,
		JetStream:          true,
		JetStreamMaxMemory: memoryStoreBytesMax,
		JetStreamMaxStore:  fileStoreBytesMax,
		StoreDir:           filepath.Clean(o.Dir),
		MaxPending:         clientPendingBytesMax,
		SyncAlways:         o.Sync == SyncAlways,

		DisableJetStreamBanner: true,
	}
	if o.Sync != SyncAlways {
		opts.SyncInterval = relaxedSyncEvery
	}
	if o.Cluster != nil {
		if err := clusterOptions(opts, o, e); err != nil {
			return err
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("configure the embedded server: %w", err)
	}
	s.SetLoggerV2(serverLog{log, trouble}, false, false, false)
	e.mu.Lock()
	e.server = s
	e.mu.Unlock()
	s.Start()
	if !s.ReadyForConnections(timeLeft(ctx, serverReadyWithin)) || !s.JetStreamEnabled() {
		e.stop()
		return errors.New("the embedded server did not become ready; its log lines say why")
	}
	return nil
}

// clusterOptions adds what a server with peers needs.
func clusterOptions(opts *server.Options, o Options, e *embedded) error {
	host, port, err := splitHostPort(o.Cluster.Listen)
	if err != nil {
		return fmt.Errorf("cluster address %q: %w", o.Cluster.Listen, err)
	}
	if o.Cluster.Secret == "" {
		return errors.New("a cluster needs a secret that all its nodes share")
	}
	opts.DontListen, opts.Host, opts.Port = false, "127.0.0.1", server.RANDOM_PORT
	opts.Username, opts.Password = e.user, e.pass
	opts.Cluster = server.ClusterOpts{
		Name: "weir", Host: host, Port: port,
		Username: "weir", Password: o.Cluster.Secret,
		AuthTimeout: 5, TLSConfig: o.Cluster.TLS, TLSTimeout: 5,
	}
	opts.Routes = routesTo(o.Cluster)
	opts.ConnectErrorReports, opts.ReconnectErrorReports = routeErrorEvery, routeErrorEvery
	return nil
}

// routesTo lists every peer, in a stable order. The list includes this node when
// the peers do: the server counts its routes to learn how many nodes there will
// be, and drops the one to itself.
func routesTo(c *ClusterOptions) []*url.URL {
	var routes []*url.URL
	for _, address := range c.Peers {
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: address, User: url.UserPassword("weir", c.Secret)})
	}
	slices.SortFunc(routes, func(a, b *url.URL) int {
		if a.Host < b.Host {
			return -1
		}
		return 1
	})
	return routes
}

func splitHostPort(address string) (string, int, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.Atoi(text)
	if err == nil && port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, err
}

// connect opens a connection inside the process.
func (e *embedded) connect(options []nats.Option) (*nats.Conn, error) {
	options = append(options, nats.InProcessServer(e))
	if e.user != "" {
		options = append(options, nats.UserInfo(e.user, e.pass))
	}
	return nats.Connect("", options...)
}

// stop shuts the server down, handing over what it leads, and waits for it.
func (e *embedded) stop() {
	s := e.running()
	s.Shutdown()
	s.WaitForShutdown()
}

// timeLeft is the time until ctx ends, at most longest.
func timeLeft(ctx context.Context, longest time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(longest, time.Until(deadline))
	}
	return longest
}
