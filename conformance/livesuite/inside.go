package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"weir/conformance/server"
)

// host is where the tests find their namespace. It is not 127.0.0.1: one test
// needs port 5671 closed there.
const host = "127.0.0.2"

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

// runInside starts the server and its doubles in the private network and runs
// the tests against them.
func runInside(ctx context.Context, dir, run string) error {
	if err := raiseLoopback(); err != nil {
		return err
	}
	deploy := filepath.Join(dir, "estate.json")
	if err := server.WriteEstate(deploy, rules); err != nil {
		return err
	}
	s, err := server.New(server.Options{
		Binary: weirBinary(dir), Dir: filepath.Join(dir, "server"), Deploy: deploy, Host: host,
		Ports: server.Ports{AMQP: 5672, AMQPS: 5671, HTTP: 8080, HTTPS: 8443},
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
	front, err := startFront(s)
	if err != nil {
		return err
	}
	defer front.Close()
	trusted := filepath.Join(dir, "trusted.pem")
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(trusted, append(ca, own...), 0o644); err != nil {
		return err
	}
	identity := httptest.NewServer(http.HandlerFunc(giveToken))
	defer identity.Close()
	return runTests(ctx, dir, run, environment(trusted, identity.URL))
}

// environment is what the SDK's tests read.
func environment(trusted, identity string) []string {
	connect := func(rule string) string {
		return fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=%s;SharedAccessKey=%s", host, rule, key)
	}
	return []string{
		"AZURE_RECORD_MODE=live",
		"SSL_CERT_FILE=" + trusted,
		"SERVICEBUS_ENDPOINT=" + host,
		"SERVICEBUS_ENDPOINT_PREMIUM=" + host,
		"SERVICEBUS_CONNECTION_STRING=" + connect("SuiteRoot"),
		"SERVICEBUS_CONNECTION_STRING_PREMIUM=" + connect("SuiteRoot"),
		"SERVICEBUS_CONNECTION_STRING_NO_MANAGE=" + connect("NoManage"),
		"SERVICEBUS_CONNECTION_STRING_SEND_ONLY=" + connect("SendOnly"),
		"SERVICEBUS_CONNECTION_STRING_LISTEN_ONLY=" + connect("ListenOnly"),
		"AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential",
		"IDENTITY_ENDPOINT=" + identity,
		"IDENTITY_HEADER=suite",
	}
}

// startFront listens where the tests look for the admin API and for WebSockets:
// admin requests go to the double, the rest to the server.
func startFront(s *server.Server) (*httptest.Server, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "443"))
	if err != nil {
		return nil, err
	}
	back := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.HTTPAddr()})
	admin := &admin{server: s, entities: map[string]entity{}}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/$servicebus/") {
			back.ServeHTTP(w, r)
			return
		}
		admin.ServeHTTP(w, r)
	}))
	certificate, err := selfSigned(net.ParseIP(host))
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	front.Listener = listener
	front.TLS = certificate
	front.StartTLS()
	return front, nil
}

// giveToken answers as the managed identity endpoint of App Service does. The
// token is a shared access signature for the whole namespace.
func giveToken(w http.ResponseWriter, r *http.Request) {
	expires := time.Now().Add(24 * time.Hour)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"expires_on":"%d","resource":%q,"token_type":"Bearer","client_id":"suite"}`,
		sign("sb://"+host+"/", "SuiteRoot", expires), expires.Unix(), r.URL.Query().Get("resource"))
}
