package main

import (
	"fmt"
	"net"
	"path/filepath"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	schema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
)

const (
	loopback  = "127.0.0.1"
	namespace = "bench"
	only      = "only" // the one cluster there is
)

// pragmas make the file durable: what was committed is on disk.
var pragmas = map[string]string{"mode": "rwc", "journal_mode": "WAL", "synchronous": "FULL"}

// raise starts all of Temporal's services in this process, on a SQLite file, and
// returns the address of its front.
func raise(dir string, inMemory bool) (temporal.Server, string, error) {
	ports, err := freePorts(8)
	if err != nil {
		return nil, "", err
	}
	store := &config.SQL{PluginName: sqlite.PluginName, DatabaseName: filepath.Join(dir, "temporal.db"), ConnectAttributes: pragmas}
	if inMemory {
		store.DatabaseName = "bench"
		store.ConnectAttributes = map[string]string{"mode": "memory", "cache": "shared"}
	} else if err := schema.SetupSchema(store); err != nil {
		return nil, "", fmt.Errorf("set up the file: %w", err)
	}
	ns, err := schema.NewNamespaceConfig(only, namespace, false, nil)
	if err != nil {
		return nil, "", err
	}
	if err := schema.CreateNamespaces(store, ns); err != nil {
		return nil, "", fmt.Errorf("create the namespace: %w", err)
	}
	c := settings(store, ports)
	authorizer, err := authorization.GetAuthorizerFromConfig(&c.Global.Authorization)
	if err != nil {
		return nil, "", err
	}
	s, err := temporal.NewServer(
		temporal.WithConfig(c),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithLogger(log.NewNoopLogger()),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithDynamicConfigClient(unlimited()),
	)
	if err != nil {
		return nil, "", err
	}
	return s, c.PublicClient.HostPort, s.Start()
}

// unlimited lifts the limits on requests, which are not what is measured.
func unlimited() dynamicconfig.StaticClient {
	const many = 1_000_000
	return dynamicconfig.StaticClient{
		dynamicconfig.FrontendRPS.Key():                        many,
		dynamicconfig.FrontendMaxNamespaceRPSPerInstance.Key(): many,
		dynamicconfig.HistoryRPS.Key():                         many,
		dynamicconfig.MatchingRPS.Key():                        many,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():           many,
		dynamicconfig.FrontendPersistenceMaxQPS.Key():          many,
		dynamicconfig.MatchingPersistenceMaxQPS.Key():          many,
	}
}

// settings are those of a development server: one of each service, one shard.
func settings(store *config.SQL, ports []int) *config.Config {
	front := fmt.Sprintf("%s:%d", loopback, ports[0])
	c := &config.Config{}
	c.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}
	c.Persistence = config.Persistence{
		DefaultStore: sqlite.PluginName, VisibilityStore: sqlite.PluginName, NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{sqlite.PluginName: {SQL: store}},
	}
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10, MasterClusterName: only, CurrentClusterName: only,
		ClusterInformation: map[string]cluster.ClusterInformation{only: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: front}},
	}
	c.DCRedirectionPolicy = config.DCRedirectionPolicy{Policy: "noop"}
	c.Services = map[string]config.Service{}
	for i, name := range []string{"frontend", "history", "matching", "worker"} {
		c.Services[name] = config.Service{RPC: config.RPC{GRPCPort: ports[2*i], MembershipPort: ports[2*i+1], BindOnIP: loopback}}
	}
	off := "disabled"
	c.Archival.History.State, c.Archival.Visibility.State = off, off
	c.NamespaceDefaults.Archival.History.State, c.NamespaceDefaults.Archival.Visibility.State = off, off
	c.PublicClient = config.PublicClient{HostPort: front}
	return c
}

// freePorts finds ports that nothing listens on now.
func freePorts(n int) (all []int, err error) {
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
		if err != nil {
			return nil, err
		}
		defer l.Close()
		all = append(all, l.Addr().(*net.TCPAddr).Port)
	}
	return all, nil
}
