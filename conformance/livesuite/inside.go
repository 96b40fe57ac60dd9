package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"weir/conformance/server"
)

// host is where the tests find their namespace, premiumHost the one of the Premium tier.
// Neither is 127.0.0.1: one test needs port 5671 closed there.
const (
	host        = "127.0.0.2"
	premiumHost = "127.0.0.3"
)

// key is the key of every rule.
const key = "bGl2ZS1zdWl0ZS1rZXktb2YtdGhlLWNvbmZvcm1hbmM="

// rules are the rules whose connection strings the tests ask for.
var rules = []server.Resource{
	server.Key("SuiteRoot", key, "Manage", "Send", "Listen"),
	server.Key("NoManage", key, "Send", "Listen"),
	server.Key("SendOnly", key, "Send"),
	server.Key("ListenOnly", key, "Listen"),
	server.Queue("testQueue", server.Properties{"lockDuration": "PT5M"}),
	server.Queue("testQueueWithSessions", server.Properties{"lockDuration": "PT5M", "requiresSession": true}),
}

// runInside starts the servers in the private network and runs the tests against them.
func runInside(ctx context.Context, dir, run string) error {
	if err := raiseLoopback(); err != nil {
		return err
	}
	standard, err := startServer(ctx, dir, "standard", host, rules)
	if err != nil {
		return err
	}
	defer standard.Stop()
	premium, err := startServer(ctx, dir, "premium", premiumHost, append([]server.Resource{server.PremiumNamespace(server.Namespace)}, rules...))
	if err != nil {
		return err
	}
	defer premium.Stop()
	trusted := filepath.Join(dir, "trusted.pem")
	if err := writeTrusted(ctx, trusted, standard, premium); err != nil {
		return err
	}
	identity := httptest.NewServer(http.HandlerFunc(giveToken))
	defer identity.Close()
	region, err := openRegion(ctx)
	if err != nil {
		return err
	}
	defer region.Close()
	return runTests(ctx, dir, run, func(host string) []string { return environment(trusted, identity.URL, host) })
}

// startServer starts a server at an address, on the ports that clients of the cloud use.
func startServer(ctx context.Context, dir, name, address string, estate []server.Resource) (*server.Server, error) {
	deploy := filepath.Join(dir, name+".json")
	if err := server.WriteEstate(deploy, estate); err != nil {
		return nil, err
	}
	s, err := server.New(server.Options{
		Binary: weirBinary(dir), Dir: filepath.Join(dir, name), Deploy: deploy, Host: address,
		Args:  []string{"--tls-names", distantHost},
		Ports: server.Ports{AMQP: 5672, AMQPS: 5671, HTTP: 8080, HTTPS: 443},
	})
	if err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// writeTrusted writes the certificates of the authorities that clients are to trust.
func writeTrusted(ctx context.Context, path string, servers ...*server.Server) error {
	var all []byte
	for _, s := range servers {
		ca, err := s.CA(ctx)
		if err != nil {
			return err
		}
		all = append(all, ca...)
	}
	return os.WriteFile(path, all, 0o644)
}

// environment is what the SDK's tests read, their namespace being at host.
func environment(trusted, identity, host string) []string {
	connect := func(host, rule string) string {
		return fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=%s;SharedAccessKey=%s", host, rule, key)
	}
	return []string{
		"AZURE_RECORD_MODE=live",
		"SSL_CERT_FILE=" + trusted,
		"SERVICEBUS_ENDPOINT=" + host,
		"SERVICEBUS_ENDPOINT_PREMIUM=" + premiumHost,
		"SERVICEBUS_CONNECTION_STRING=" + connect(host, "SuiteRoot"),
		"SERVICEBUS_CONNECTION_STRING_PREMIUM=" + connect(premiumHost, "SuiteRoot"),
		"SERVICEBUS_CONNECTION_STRING_NO_MANAGE=" + connect(host, "NoManage"),
		"SERVICEBUS_CONNECTION_STRING_SEND_ONLY=" + connect(host, "SendOnly"),
		"SERVICEBUS_CONNECTION_STRING_LISTEN_ONLY=" + connect(host, "ListenOnly"),
		"AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential",
		"IDENTITY_ENDPOINT=" + identity,
		"IDENTITY_HEADER=suite",
	}
}

// giveToken is a double: it answers as the managed identity endpoint of App Service does.
// The token is a shared access signature, good for the whole of either namespace: a path
// without a host.
func giveToken(w http.ResponseWriter, r *http.Request) {
	expires := time.Now().Add(24 * time.Hour)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"expires_on":"%d","resource":%q,"token_type":"Bearer","client_id":"suite"}`,
		sign("/", "SuiteRoot", expires), expires.Unix(), r.URL.Query().Get("resource"))
}
