package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"weir/internal/localca"
	"weir/internal/rendezvous"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// record keeps what is written, for several goroutines.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) { r.mu.Lock(); defer r.mu.Unlock(); return r.b.Write(p) }
func (r *record) String() string              { r.mu.Lock(); defer r.mu.Unlock(); return r.b.String() }

// options are those of a node on free ports, with a data directory of its own.
func options(t testing.TB, log *record) Options {
	o := Defaults()
	o.Data = filepath.Join(t.TempDir(), "data")
	o.AMQP, o.AMQPS, o.HTTP, o.HTTPS, o.Admin = "localhost:0", doorOff, "localhost:0", doorOff, doorOff
	o.Version = "v0-test"
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return o
}

// start starts a node that ends in order with the test.
func start(t testing.TB, o Options) *Platform {
	t.Helper()
	p, err := New(o)
	if err == nil {
		err = p.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// get asks a door and returns status and body.
func get(t testing.TB, client *http.Client, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// trusting is a client that trusts the CA of a node.
func trusting(t testing.TB, o Options) (*http.Client, *tls.Config) {
	t.Helper()
	pem, err := os.ReadFile(localca.CAFile(filepath.Join(o.Data, "tls")))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: pool}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	t.Cleanup(client.CloseIdleConnections)
	return client, config
}

var sasl = []byte("AMQP\x03\x01\x00\x00")

// greets checks that a connection answers the SASL header of AMQP.
func greets(t testing.TB, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	if _, err := conn.Write(sasl); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 8)
	if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Equal(answer, sasl) {
		t.Errorf("%q %v", answer, err)
	}
}

func TestFirstStart(t *testing.T) {
	var log, talk record
	o := options(t, &log)
	o.Talk = &talk
	p := start(t, o)
	addr := p.Addrs()
	client, config := trusting(t, o)

	for _, door := range []string{"amqp", "http"} { // every door takes everything
		for _, scheme := range []string{"http", "https"} {
			if status, body := get(t, client, scheme+"://"+addr[door]+"/healthz/ready", ""); status != 200 || !strings.Contains(body, "servicebus-sbemulatorns") {
				t.Errorf("%s at the %s door: %d %s", scheme, door, status, body)
			}
		}
		plain, err := net.Dial("tcp", addr[door])
		if err != nil {
			t.Fatal(err)
		}
		greets(t, plain)
		named := config.Clone()
		named.ServerName = "sbemulatorns.servicebus.windows.net"
		secured, err := tls.Dial("tcp", addr[door], named)
		if err != nil {
			t.Fatal(err)
		}
		greets(t, secured)
		socket, _, err := websocket.Dial(t.Context(), "ws://"+addr[door]+"/$servicebus/websocket", &websocket.DialOptions{Subprotocols: []string{"AMQPWSB10"}})
		if err != nil {
			t.Fatal(err)
		}
		greets(t, websocket.NetConn(t.Context(), socket, websocket.MessageBinary))
	}
	if status, body := get(t, client, "http://"+addr["http"]+"/health", ""); status != 200 || body != `{"status":"healthy","message":"Service is healthy."}`+"\n" {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := get(t, client, "http://"+addr["http"]+"/status", ""); status != 401 {
		t.Errorf("status without a token: %d", status)
	}
	if status, body := get(t, client, "http://"+addr["http"]+"/status", p.Token()); status != 200 || !strings.Contains(body, `"name":"registry","role":"owner","owner":"n1"`) {
		t.Errorf("%d %s", status, body)
	}
	if _, body := get(t, client, "http://"+addr["http"]+"/metrics", ""); !strings.Contains(body, `weir_unit_owner{unit="servicebus-sbemulatorns"} 1`) {
		t.Error(body)
	}
	found, err := rendezvous.Find(o.Data)
	if err != nil || found.Admin != "http://"+addr["http"] || found.Doors["amqp"] != addr["amqp"] {
		t.Errorf("%+v %v", found, err)
	}
	for _, want := range []string{"Endpoint=sb://localhost:", "UseDevelopmentEmulator=true;", "weir deploy --data " + o.Data, filepath.Join("tls", "ca.crt")} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("nobody was told %q in %s", want, &talk)
		}
	}
}

func TestRestartKeepsKeysAndDeclarations(t *testing.T) {
	var log record
	o := options(t, &log)
	file := filepath.Join(t.TempDir(), "estate.yaml")
	const estate = "type: Microsoft.ServiceBus/namespaces/queues\nname: sbemulatorns/orders\nproperties: {lockDuration: PT30S}\n"
	if err := os.WriteFile(file, []byte(estate), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Deploy = []string{file}
	id := DefaultScope.String() + "/providers/Microsoft.ServiceBus/namespaces/sbemulatorns"
	keys := func() (string, string) {
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer p.Stop(context.Background())
		answer, err := p.registry.Act(t.Context(), resource.MustID(id+"/authorizationRules/"+identity.EmulatorKeyName), "listKeys", nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := get(t, http.DefaultClient, "http://"+p.Addrs()["http"]+id+"/queues/orders", p.Token()); status != 200 || !strings.Contains(body, "PT30S") {
			t.Errorf("%d %s", status, body)
		}
		return answer["primaryKey"].(string), p.Token()
	}
	key, token := keys()
	again, tokenAgain := keys()
	if key != again || token != tokenAgain || len(key) < 40 || key == identity.EmulatorKey {
		t.Errorf("keys %q and %q, tokens %q and %q", key, again, token, tokenAgain)
	}
	if !strings.Contains(log.String(), "applied estate.yaml\" created=1 updated=0 unchanged=0") || !strings.Contains(log.String(), "created=0 updated=0 unchanged=1") {
		t.Error(log.String())
	}
}

func TestEndIsTheStartBackwards(t *testing.T) {
	var log record
	o := options(t, &log)
	p := start(t, o)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	amqp, err := net.Dial("tcp", p.Addrs()["amqp"])
	if err != nil {
		t.Fatal(err)
	}
	defer amqp.Close()
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, match := range regexp.MustCompile(`msg=ending step=(\S+)`).FindAllStringSubmatch(log.String(), -1) {
		steps = append(steps, match[1])
	}
	want := []string{"announcement", "names", "accepting", "deployments", "continuity", "workflows", "messages", "bus", "identity", "auditing", "audit", "registry", "journal", "web", "doors", "metrics"}
	if !slices.Equal(steps, want) {
		t.Errorf("ended %v, want %v", steps, want)
	}
	if ready, parts := p.health.Ready(); ready || parts[0].Reason == "" {
		t.Error("ready after the end")
	}
	if _, err := net.Dial("tcp", p.Addrs()["amqp"]); err == nil {
		t.Error("a door is open after the end")
	}
	if _, err := amqp.Read(make([]byte, 1)); err == nil {
		t.Error("a silent connection outlived its door")
	}
	if _, err := rendezvous.Find(o.Data); err == nil {
		t.Error("still announced")
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error("the second Stop:", err)
	}
}

func TestWhatCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	mistake := filepath.Join(t.TempDir(), "mistake.yaml")
	if err := os.WriteFile(mistake, []byte("type: Microsoft.ServiceBus/namespaces/queues\nname: sbemulatorns/q\nproperties: {lokDuration: PT1M}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"a taken port", func(o *Options) { o.HTTP = taken.Addr().String() }, "another address with --http HOST:PORT, or close this door with --http off"},
		{"an address without port", func(o *Options) { o.AMQP = "localhost" }, "Write its address as --amqp HOST:PORT"},
		{"somebody else's address", func(o *Options) { o.AMQPS = "192.0.2.1:5671" }, "--amqps HOST:PORT"},
		{"no door", func(o *Options) { o.AMQP, o.HTTP = doorOff, doorOff }, "every door is off"},
		{"a mistake in a file", func(o *Options) { o.Deploy = []string{mistake} }, "lokDuration"},
		{"no such file", func(o *Options) { o.Deploy = []string{mistake + "x"} }, "(--deploy)"},
		{"a bad name", func(o *Options) { o.Namespace = "x" }, "x"},
		{"half a certificate", func(o *Options) { o.TLSCert = mistake }, "come together"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var log record
			o := options(t, &log)
			c.change(&o)
			p, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			err = p.Start(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if len(p.undo.list) > 0 {
				t.Errorf("left open: %v", p.undo.list)
			}
		})
	}
}

func TestWhatIsRefusedBeforeAStart(t *testing.T) {
	cases := []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Data = "" }, "--data"},
		{func(o *Options) { o.Node = "" }, "--node"},
		{func(o *Options) { o.ClusterPeers = map[string]string{"n2": "h:1"} }, "--cluster-listen"},
		{func(o *Options) { o.ClusterListen = "127.0.0.1:1" }, "--cluster-secret-file"},
		{func(o *Options) { o.ClusterListen, o.NATS = "127.0.0.1:1", "nats://h" }, "one of them"},
		{func(o *Options) { o.ClusterSecret, o.SecretFile = "s", "f" }, "not both"},
		{func(o *Options) { o.SecretFile = "/no/such/file" }, "cluster's secret"},
		{func(o *Options) { o.Logger, o.LogFormat = nil, "xml" }, "log format"},
	}
	for _, c := range cases {
		var log record
		o := options(t, &log)
		c.change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q: %v", c.want, err)
		}
	}
}

func TestOpenToOthersOnlyWithAKey(t *testing.T) {
	var log record
	o := options(t, &log)
	o.HTTP = "0.0.0.0:0"
	p := start(t, o) // its namespace has a random key
	if got := p.doors.foreign(); len(got) != 1 || !strings.HasPrefix(got[0], "--http ") {
		t.Error(got)
	}
	space := DefaultScope.String() + "/providers/" + typeNamespace + "/orders"
	namespace := resource.Document{ID: resource.MustID(space)}
	rule := func(key string) resource.Document {
		return resource.Document{ID: resource.MustID(space + "/authorizationRules/r"), Properties: map[string]any{"primaryKey": key}}
	}
	if withoutKey([]resource.Document{namespace, rule("a real one")}) != "" || withoutKey(nil) != "" {
		t.Error("a real key is not enough")
	}
	for _, docs := range [][]resource.Document{{namespace}, {namespace, rule(identity.EmulatorKey)}, {namespace, rule("")}} {
		if withoutKey(docs) != "orders" {
			t.Errorf("%v passes", docs)
		}
	}
}

func TestEverySettingIsDeclaredOnce(t *testing.T) {
	o := Defaults()
	set := Settings(&o)
	for _, one := range set.List() {
		if one.Help == "" || !strings.HasSuffix(one.Help, ".") || one.Unit == "" {
			t.Errorf("--%s is not documented: %+v", one.Name, one)
		}
	}
	env := map[string]string{"WEIR_AMQP": "127.0.0.1:7", "WEIR_LEASE_TIMEOUT": "9s", "WEIR_CACHE": "1GiB", "WEIR_CLUSTER_PEERS": "n1=a:1,n2=b:2", "WEIR_PPROF": "true"}
	if err := set.Load(func(k string) (string, bool) { v, ok := env[k]; return v, ok }, ""); err != nil {
		t.Fatal(err)
	}
	if o.AMQP != "127.0.0.1:7" || o.LeaseTimeout.Seconds() != 9 || o.Cache != 1<<30 || o.ClusterPeers["n2"] != "b:2" || !o.Pprof {
		t.Errorf("%+v", o)
	}
}
