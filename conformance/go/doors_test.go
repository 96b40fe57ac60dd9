package go_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/coder/websocket"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

// TestDoors goes through every door of one server: the same queue stands behind
// each.
func TestDoors(t *testing.T) {
	srv := servertest.Start(t, append([]server.Resource{server.Queue("behind-doors", nil)}, keys...))
	pem, err := srv.CA(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("weir ca printed no certificate: %q", pem)
	}
	trust := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	secured := func(addr string) string {
		return fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=All;SharedAccessKey=%s", addr, allKey)
	}
	emulated := func(addr string) string { return server.EmulatorAt(addr, server.RootKeyName, emulatorKey) }
	for _, door := range []struct {
		name, connection string
		options          azservicebus.ClientOptions
	}{
		{"AMQP", emulated(srv.Addr()), azservicebus.ClientOptions{}},
		{"AMQP at the HTTP door", emulated(srv.HTTPAddr()), azservicebus.ClientOptions{}},
		{"AMQPS", secured(srv.TLSAddr()), azservicebus.ClientOptions{TLSConfig: trust}},
		{"AMQPS at the plain AMQP door", secured(strings.Replace(srv.Addr(), "127.0.0.1", "localhost", 1)), azservicebus.ClientOptions{TLSConfig: trust}},
		{"WebSocket over TLS", secured(srv.HTTPSAddr()), azservicebus.ClientOptions{NewWebSocketConn: webSocket(trust, "wss", "AMQPWSB10")}},
		{"WebSocket over TLS, named amqp", secured(srv.HTTPSAddr()), azservicebus.ClientOptions{NewWebSocketConn: webSocket(trust, "wss", "amqp")}},
		{"WebSocket at the plain AMQP door", emulated(srv.Addr()), azservicebus.ClientOptions{NewWebSocketConn: webSocket(nil, "ws", "AMQPWSB10")}},
	} {
		t.Run(door.name, func(t *testing.T) {
			s := newStage(t, srv)
			door.options.RetryOptions = once
			s.client = s.dial(door.connection, &door.options)
			body := bytes.Repeat([]byte(door.name), 5000)
			s.send("behind-doors", &azservicebus.Message{Body: body})
			r := s.queue("behind-doors")
			m := s.receiveOne(r)
			equal(s, "the body came back whole", bytes.Equal(m.Body, body), true)
			s.complete(r, m)
		})
	}
	t.Run("a client that does not know our CA is safe", func(t *testing.T) {
		s := newStage(t, srv)
		stranger := s.dial(secured(srv.TLSAddr()), &azservicebus.ClientOptions{RetryOptions: once, TLSConfig: &tls.Config{ServerName: "localhost"}})
		if err := trySend(s, stranger, "behind-doors", text("a")); err == nil || !strings.Contains(err.Error(), "certificate") {
			s.Errorf("sent with: %v, want a certificate error", err)
		}
	})
}

// webSocket is what users of the SDK write to go through a WebSocket.
func webSocket(trust *tls.Config, scheme, protocol string) func(context.Context, azservicebus.NewWebSocketConnArgs) (net.Conn, error) {
	return func(ctx context.Context, args azservicebus.NewWebSocketConnArgs) (net.Conn, error) {
		_, rest, _ := strings.Cut(args.Host, "://")
		conn, _, err := websocket.Dial(ctx, scheme+"://"+rest, &websocket.DialOptions{
			Subprotocols: []string{protocol},
			HTTPClient:   &http.Client{Transport: &http.Transport{TLSClientConfig: trust}},
		})
		if err != nil {
			return nil, err
		}
		return websocket.NetConn(context.Background(), conn, websocket.MessageBinary), nil
	}
}
