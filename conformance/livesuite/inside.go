package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"weir/conformance/server"
)

// The tests find their namespaces by the names that the cloud would give them, which
// lead to this machine in the private network. It is not 127.0.0.1: one test needs port
// 5671 closed there.
const (
	standard    = "standard.servicebus.windows.net"
	premium     = "premium.servicebus.windows.net"
	address     = "127.0.0.2"
	distant     = "standard.localhost" // by way of distantAddress
	hostsFormat = "127.0.0.1 localhost\n%s %s %s\n%s %s\n"
)

// key is the key of every rule.
const key = "bGl2ZS1zdWl0ZS1rZXktb2YtdGhlLWNvbmZvcm1hbmM="

// estate is what the tests expect to be there: rules whose connection strings they ask
// for, and two queues.
func estate() []server.Resource {
	rules := []server.Resource{
		server.Key("SuiteRoot", key, "Manage", "Send", "Listen"),
		server.Key("NoManage", key, "Send", "Listen"),
		server.Key("SendOnly", key, "Send"),
		server.Key("ListenOnly", key, "Listen"),
		server.Queue("testQueue", server.Properties{"lockDuration": "PT5M"}),
		server.Queue("testQueueWithSessions", server.Properties{"lockDuration": "PT5M", "requiresSession": true}),
	}
	all := append([]server.Resource{server.PremiumNamespace("premium")}, server.Under("standard", rules...)...)
	return append(all, server.Under("premium", rules...)...)
}

// runInside starts the server in the private network and runs the tests against it.
func runInside(ctx context.Context, dir, run string) error {
	if err := raiseLoopback(); err != nil {
		return err
	}
	hosts := filepath.Join(dir, "hosts")
	if err := os.WriteFile(hosts, fmt.Appendf(nil, hostsFormat, address, standard, premium, distantAddress, distant), 0o644); err != nil {
		return err
	}
	if err := useHosts(hosts); err != nil {
		return err
	}
	deploy := filepath.Join(dir, "estate.json")
	if err := server.WriteEstate(deploy, estate()); err != nil {
		return err
	}
	s, err := server.New(server.Options{
		Binary: weirBinary(dir), Dir: filepath.Join(dir, "server"), Deploy: deploy, Host: address, Args: []string{"--namespace", "standard"},
		Ports: server.Ports{AMQP: 5672, AMQPS: 5671, HTTP: 8080, HTTPS: 443},
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	defer s.Stop()
	ca, err := s.CA(ctx)
	if err != nil {
		return err
	}
	trusted := filepath.Join(dir, "trusted.pem")
	if err := os.WriteFile(trusted, ca, 0o644); err != nil {
		return err
	}
	region, err := openRegion(ctx)
	if err != nil {
		return err
	}
	defer region.Close()
	return runTests(ctx, dir, run, func(host string) []string { return environment(trusted, host) })
}

// environment is what the SDK's tests read, their namespace being at host. Tokens come
// from the server too, to whom asks as a managed identity does.
func environment(trusted, host string) []string {
	connect := func(host, rule string) string {
		return fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=%s;SharedAccessKey=%s", host, rule, key)
	}
	return []string{
		"AZURE_RECORD_MODE=live",
		"SSL_CERT_FILE=" + trusted,
		"SERVICEBUS_ENDPOINT=" + host,
		"SERVICEBUS_ENDPOINT_PREMIUM=" + premium,
		"SERVICEBUS_CONNECTION_STRING=" + connect(host, "SuiteRoot"),
		"SERVICEBUS_CONNECTION_STRING_PREMIUM=" + connect(premium, "SuiteRoot"),
		"SERVICEBUS_CONNECTION_STRING_NO_MANAGE=" + connect(host, "NoManage"),
		"SERVICEBUS_CONNECTION_STRING_SEND_ONLY=" + connect(host, "SendOnly"),
		"SERVICEBUS_CONNECTION_STRING_LISTEN_ONLY=" + connect(host, "ListenOnly"),
		"AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential",
		"IDENTITY_ENDPOINT=http://" + address + ":8080/msi/token",
		"IDENTITY_HEADER=suite",
	}
}
