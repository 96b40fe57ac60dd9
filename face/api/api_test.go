package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"weir/face/answer"
	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/resource"
)

// unit runs turns at once and forgets what they record.
type unit struct{ mu sync.Mutex }

func (u *unit) Call(_ context.Context, work func(resource.Turn)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	work(turn{})
	return nil
}

func (u *unit) View(fn func()) { u.mu.Lock(); defer u.mu.Unlock(); fn() }

type turn struct{}

func (turn) Now() time.Time            { return time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC) }
func (turn) Record([]byte) record.Ref  { return record.Ref{} }
func (turn) Reveal(fn func())          { fn() }
func theScope() resource.ID            { return resource.MustID("/subscriptions/s/resourceGroups/g") }
func at(path string) string            { return theScope().String() + "/providers/Test.Shop/shops" + path }
func keyed(d resource.Document) string { return d.String("key") }

// shop is a type with all the door has to deal with: a secret, a limit, children,
// an action.
func shop() []*resource.Type {
	return []*resource.Type{
		{
			Name: "Test.Shop/shops", NamePattern: "[a-z]+", NameHint: "small letters", NameRange: resource.Range{Min: 1, Max: 20},
			Fields: []resource.Field{
				{Name: "key", Kind: resource.Secret, Default: "hush"},
				{Name: "seats", Kind: resource.Int, Range: &resource.Range{Min: 1, Max: 10}, Default: int64(4)},
				{Name: "guests", Kind: resource.Int, ReadOnly: true},
			},
			Actions: []resource.Action{{Name: "listKeys", Run: func(_ resource.ActionContext, d resource.Document, _ map[string]any) (map[string]any, error) {
				return map[string]any{"primaryKey": keyed(d)}, nil
			}}},
		},
		{Name: "Test.Shop/shops/tables", NamePattern: "[a-z0-9~]+", NameHint: "small letters", NameRange: resource.Range{Min: 1, Max: 20}},
	}
}

func testDoor(t *testing.T, change func(*Options)) *httptest.Server {
	t.Helper()
	types, err := resource.NewTypes(shop()...)
	if err != nil {
		t.Fatal(err)
	}
	registry := resource.NewRegistry(types, nil)
	registry.Bind(&unit{})
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
	}
	o := Options{
		Registry: registry, Scope: theScope(), Token: "sesame", Version: "v0",
		Counts: func(d resource.Document) map[string]any { return map[string]any{"guests": int64(3)} },
		Status: func() Status { return Status{Node: "n1"} },
		Live:   say("live"), Ready: say("ready"), Health: say("health"), Metrics: say("metrics"),
	}
	if change != nil {
		change(&o)
	}
	server := httptest.NewServer(New(t.Context(), o))
	t.Cleanup(server.Close)
	return server
}

type given struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, server *httptest.Server, method, path, body string, header ...string) given {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sesame")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return given{got.StatusCode, got.Header, string(data)}
}

// step is one line of a conversation with the door.
type step struct {
	name, method, path, body string
	header                   []string
	status                   int
	has, hasNot              string
}

func converse(t *testing.T, server *httptest.Server, steps []step) {
	t.Helper()
	for _, s := range steps {
		got := ask(t, server, s.method, s.path, s.body, s.header...)
		if got.status != s.status || !strings.Contains(got.body, s.has) || s.hasNot != "" && strings.Contains(got.body, s.hasNot) {
			t.Errorf("%s: %d %s\n  want %d with %q, without %q", s.name, got.status, got.body, s.status, s.has, s.hasNot)
		}
		if got.header.Get("x-ms-request-id") == "" {
			t.Errorf("%s: no request id", s.name)
		}
	}
}

func TestResourcesByID(t *testing.T) {
	converse(t, testDoor(t, nil), []step{
		{"not there", "GET", at("/corner"), "", nil, 404, `"code":"ResourceNotFound"`, ""},
		{"made", "PUT", at("/corner?api-version=2024-01-01"), `{"properties":{"seats":2}}`, nil, 201, `"guests":3`, "hush"},
		{"made again", "PUT", at("/corner"), `{"id":"` + at("/CORNER") + `","name":"corner","properties":{"seats":2}}`, nil, 200, `"seats":2`, ""},
		{"made only if new", "PUT", at("/corner"), `{}`, []string{"If-None-Match", "*"}, 412, `"code":"PreconditionFailed"`, ""},
		{"odd condition", "PUT", at("/corner"), `{}`, []string{"If-None-Match", `"1"`}, 400, "may only be", ""},
		{"read", "GET", at("/corner"), "", nil, 200, `"etag":`, "hush"},
		{"patched", "PATCH", at("/corner"), `{"properties":{"seats":3}}`, nil, 200, `"seats":3`, "hush"},
		{"patched in vain", "PATCH", at("/other"), `{}`, nil, 404, "ResourceNotFound", ""},
		{"matched in vain", "PATCH", at("/corner"), `{}`, []string{"If-Match", `"77"`}, 412, "has changed", ""},
		{"all wrong", "PUT", at("/corner"), `{"properties":{"seats":99,"stool":1}}`, nil, 400, `"details":[{`, ""},
		{"wrong id", "PUT", at("/corner"), `{"id":"` + at("/else") + `"}`, nil, 400, "the path says", ""},
		{"no object", "PUT", at("/corner"), `[1]`, nil, 400, "one JSON object", ""},
		{"nested", "PUT", at("/corner"), `{"resources":[{"type":"tables","name":"t1"}]}`, nil, 400, "POST /deploy", ""},
		{"child", "PUT", at("/corner/tables/t1"), `{}`, nil, 201, `"type":"Test.Shop/shops/tables"`, ""},
		{"children", "GET", at("/corner/tables"), "", nil, 200, `"name":"t1"`, "nextLink"},
		{"children of nothing", "GET", at("/none/tables"), "", nil, 404, "ResourceNotFound", ""},
		{"all in the group", "GET", at("/")[:len(at("/"))-1], "", nil, 200, `"name":"corner"`, "hush"},
		{"all in the subscription", "GET", "/subscriptions/S/providers/test.shop/Shops", "", nil, 200, `"name":"corner"`, "tables"},
		{"everything", "GET", theScope().String() + "/resources", "", nil, 200, `"name":"corner"`, `"name":"t1"`},
		{"keys", "POST", at("/corner/listKeys"), "", nil, 200, `"primaryKey":"hush"`, ""},
		{"no keys by GET", "GET", at("/corner/listKeys"), "", nil, 404, "no resource type Test.Shop/shops/listKeys", "hush"},
		{"no such action", "POST", at("/corner/dance"), "", nil, 404, `no action \"dance\"`, ""},
		{"bad action body", "POST", at("/corner/listKeys"), "x", nil, 400, "one JSON object", ""},
		{"deleted", "DELETE", at("/corner"), "", nil, 200, "", "x"},
		{"deleted twice", "DELETE", at("/corner"), "", nil, 204, "", "x"},
		{"gone with its child", "GET", at("/corner/tables/t1"), "", nil, 404, "", ""},
	})
}

func TestWhatIsNoResource(t *testing.T) {
	converse(t, testDoor(t, nil), []step{
		{"strange version", "GET", at("/a?api-version=latest"), "", nil, 400, "write one as 2024-01-01", ""},
		{"unknown type", "GET", "/subscriptions/s/resourceGroups/g/providers/Test.Shop/malls/x", "", nil, 404, "there are Test.Shop/shops", ""},
		{"unknown collection", "GET", at("/a/chairs"), "", nil, 404, "no resource type Test.Shop/shops/chairs", ""},
		{"escaped slash", "GET", at("/a/tables/x%2Fy"), "", nil, 400, "write '~'", ""},
		{"no provider", "GET", "/subscriptions/s/resourceGroups/g/shops/x", "", nil, 404, "Nothing is served at", ""},
		{"all subscriptions", "GET", "/subscriptions", "", nil, 200, `"subscriptionId":"s"`, ""},
		{"a scope", "GET", theScope().String(), "", nil, 200, `"type":"Microsoft.Resources/resourceGroups"`, ""},
		{"wrong method", "TRACE", at("/a"), "", nil, 405, "MethodNotAllowed", ""},
		{"wrong method on a list", "DELETE", at("/a/tables"), "", nil, 405, "MethodNotAllowed", ""},
		{"bad page", "GET", at("?$top=-1"), "", nil, 400, "$top must be", ""},
		{"nothing", "GET", "/nowhere", "", nil, 404, "GET / says what is", ""},
		{"too large", "PUT", at("/a"), strings.Repeat(" ", bodyBytesMax+1), nil, 413, "RequestEntityTooLarge", ""},
	})
}

func TestListsComeInPages(t *testing.T) {
	server := testDoor(t, nil)
	ask(t, server, "PUT", at("/a"), `{}`)
	for _, name := range []string{"t1", "t2", "t3"} {
		ask(t, server, "PUT", at("/a/tables/"+name), `{}`)
	}
	var names []string
	for next := at("/a/tables?$top=2"); next != ""; {
		var page struct {
			Value    []struct{ Name string }
			NextLink string
		}
		if err := json.Unmarshal([]byte(ask(t, server, "GET", next, "").body), &page); err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Value {
			names = append(names, one.Name)
		}
		next = strings.TrimPrefix(page.NextLink, server.URL)
	}
	if strings.Join(names, " ") != "t1 t2 t3" {
		t.Error(names)
	}
}

func TestDeploy(t *testing.T) {
	foreign := func(data []byte) ([]resource.Document, bool, error) {
		return nil, bytes.HasPrefix(data, []byte("FOREIGN")), fault.New(fault.Invalid, "Line 3 is foreign.")
	}
	server := testDoor(t, func(o *Options) { o.Importers = []resource.Importer{foreign} })
	const estate = "type: Test.Shop/shops\nname: corner\nresources:\n- {type: tables, name: t1}\n"
	converse(t, server, []step{
		{"yaml", "POST", "/deploy", estate, nil, 200, `"name":"corner/t1","outcome":"created"`, ""},
		{"again", "POST", "/deploy", estate, nil, 200, `"outcome":"unchanged"`, "created"},
		{"changed", "POST", "/deploy", `{"type":"Test.Shop/shops","name":"corner","properties":{"seats":9}}`, nil, 200, `"outcome":"updated"`, ""},
		{"mistake", "POST", "/deploy?name=estate.yaml", "type: Test.Shop/shops\nname: corner\nproperties:\n  stool: 1\n", nil, 400, `"target":"estate.yaml"`, ""},
		{"mistake with its line", "POST", "/deploy", "type: Test.Shop/shops\nname: corner\nproperties:\n  stool: 1\n", nil, 400, "line 4", ""},
		{"foreign", "POST", "/deploy", "FOREIGN", nil, 400, "Line 3 is foreign.", ""},
		{"nothing", "GET", "/deploy", "", nil, 404, "", ""},
	})
}

func TestManagementNeedsTheToken(t *testing.T) {
	server := testDoor(t, func(o *Options) {
		o.Pprof = true
		o.FromNode = func(r *http.Request) bool { return r.Header.Get("X-Test-Node") != "" }
	})
	for _, path := range []string{"/status", "/deploy", at("/a"), "/subscriptions", "/debug/pprof/", "/debug/pprof/heap"} {
		method := "GET"
		if path == "/deploy" {
			method = "POST"
		}
		for given, hint := range map[string]string{"": "admin-token", "Bearer wrong": "not the administration token", "Basic c2VzYW1l": "Bearer TOKEN", "Bearer": "Bearer TOKEN"} {
			got := ask(t, server, method, path, "", "Authorization", given)
			if got.status != 401 || !strings.Contains(got.body, hint) || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s with %q: %d %s", path, given, got.status, got.body)
			}
		}
		if got := ask(t, server, method, path, ""); got.status == 401 {
			t.Errorf("%s refuses the token", path)
		}
	}
	if got := ask(t, server, "GET", "/status", "", "Authorization", "", "X-Test-Node", "1", OwnHeader, "1"); got.status != 200 {
		t.Errorf("from a node: %d", got.status)
	}
	for _, path := range []string{"/", "/healthz/live", "/healthz/ready", "/health", "/metrics"} {
		if got := ask(t, server, "GET", path, "", "Authorization", ""); got.status != 200 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	locked := testDoor(t, func(o *Options) { o.Token = "" })
	if got := ask(t, locked, "GET", "/status", "", "Authorization", "Bearer "); got.status != 401 {
		t.Errorf("an empty token opens: %d", got.status)
	}
}

// way is a transport to a node that says who it is.
type way struct{ handler http.HandlerFunc }

func (w way) RoundTrip(r *http.Request) (*http.Response, error) {
	out := httptest.NewRecorder()
	w.handler(out, r)
	return out.Result(), nil
}

func TestOwnerAnswers(t *testing.T) {
	var owner http.RoundTripper = way{func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("this node's token was passed on")
		}
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "the owner, for "+r.URL.Path)
	}}
	var err error
	server := testDoor(t, func(o *Options) {
		o.Owner = func(context.Context) (http.RoundTripper, error) { return owner, err }
	})
	if got := ask(t, server, "POST", "/deploy", ""); got.body != "the owner, for /deploy" || got.status != http.StatusTeapot {
		t.Error(got)
	}
	if got := ask(t, server, "GET", "/status", ""); !strings.Contains(got.body, `"node":"n1"`) {
		t.Error(got)
	}
	if got := ask(t, server, "GET", at("/a"), "", "Authorization", ""); got.status != 401 {
		t.Error("passed on without a token")
	}
	err = fault.Wrap(fault.Unavailable, errors.New("private"), "No node has taken over yet.")
	got := ask(t, server, "GET", at("/a"), "")
	if got.status != 503 || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "private") {
		t.Error(got)
	}
	header := http.Header{}
	header.Set("x-ms-error-code", got.header.Get("x-ms-error-code"))
	if back := answer.FaultOf(got.status, header, []byte(got.body)); !fault.Is(back, fault.Unavailable) || fault.Sentence(back) != "No node has taken over yet." {
		t.Error(back)
	}
}

func TestStartingAnswersHealthAndAsksForPatience(t *testing.T) {
	say := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "health") }
	server := httptest.NewServer(Starting(Options{Live: say, Ready: say, Health: say, Metrics: http.HandlerFunc(say)}))
	defer server.Close()
	if got := ask(t, server, "GET", "/healthz/ready", ""); got.body != "health" {
		t.Error(got)
	}
	got := ask(t, server, "POST", "/deploy", "")
	if got.status != 503 || !fault.Is(answer.FaultOf(got.status, got.header, []byte(got.body)), fault.Unavailable) || !strings.Contains(got.body, "/healthz/ready") {
		t.Error(got)
	}
}

func TestPanicIsAnAnswer(t *testing.T) {
	var log bytes.Buffer
	server := testDoor(t, func(o *Options) {
		o.Status = func() Status { panic("secret detail") }
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	got := ask(t, server, "GET", "/status", "")
	if got.status != 500 || strings.Contains(got.body, "secret") || !strings.Contains(got.body, got.header.Get("x-ms-request-id")) || !strings.Contains(log.String(), "secret detail") {
		t.Error(got, log.String())
	}
}

// socket opens a WebSocket and says what the server thought of it.
func socket(t *testing.T, server *httptest.Server, origin string, protocols ...string) (*websocket.Conn, string) {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	conn, refused, err := websocket.Dial(t.Context(), server.URL+amqpPath, &websocket.DialOptions{Subprotocols: protocols, HTTPHeader: header})
	if err == nil {
		return conn, ""
	}
	if refused == nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(refused.Body)
	return nil, refused.Status + " " + string(body)
}

func TestProxiedPeerIsNotFromThisMachine(t *testing.T) {
	r := httptest.NewRequest("GET", amqpPath, nil)
	r.RemoteAddr = "127.0.0.1:4711"
	if got := PeerOf(r).String(); got != "127.0.0.1:4711" {
		t.Error(got)
	}
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	if got := PeerOf(r).(*net.TCPAddr); got.IP.IsLoopback() {
		t.Error(got)
	}
}

func TestAMQPOverWebSockets(t *testing.T) {
	server := testDoor(t, func(o *Options) {
		o.WebOrigins = []string{"https://app.example"}
		o.ServeAMQP = func(_ context.Context, conn net.Conn, state *tls.ConnectionState) {
			defer conn.Close()
			if _, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || state != nil {
				t.Errorf("from %v, %v", conn.RemoteAddr(), state)
			}
			head := make([]byte, 8)
			io.ReadFull(conn, head)
			conn.Write(bytes.ToLower(head))
		}
	})
	for _, origin := range []string{"", "http://localhost:3000", "http://127.0.0.1", "https://app.example"} {
		conn, refusal := socket(t, server, origin, "other", "AMQPWSB10")
		if conn == nil {
			t.Errorf("%s: %s", origin, refusal)
			continue
		}
		if conn.Subprotocol() != "AMQPWSB10" {
			t.Error(conn.Subprotocol())
		}
		stream := websocket.NetConn(t.Context(), conn, websocket.MessageBinary)
		io.WriteString(stream, "AMQP")
		io.WriteString(stream, "more")
		got, err := io.ReadAll(stream)
		if string(got) != "amqpmore" || err != nil {
			t.Errorf("%q %v", got, err)
		}
	}
	if conn, refusal := socket(t, server, "", "amqp"); conn == nil || conn.Subprotocol() != "amqp" {
		t.Error(refusal)
	}
	refusals := []struct{ origin, protocol, want string }{
		{"https://evil.example", "AMQPWSB10", "may not connect"},
		{server.URL[:4] + "://rebound.example", "AMQPWSB10", "may not connect"},
		{"", "mqtt", "must be AMQPWSB10; offered: mqtt"},
		{"", "", "must be AMQPWSB10; offered: nothing"},
	}
	for _, r := range refusals {
		var protocols []string
		if r.protocol != "" {
			protocols = []string{r.protocol}
		}
		if _, got := socket(t, server, r.origin, protocols...); !strings.Contains(got, r.want) {
			t.Errorf("%+v: %s", r, got)
		}
	}
	if got := ask(t, server, "GET", amqpPath, ""); got.status != 400 || !strings.Contains(got.body, "ask for an upgrade") {
		t.Error(got)
	}
}

// A change is answered behind what it brings about; of a file, once for each
// resource at the top.
func TestChangesAreInForceWhenAnswered(t *testing.T) {
	var mu sync.Mutex
	var waited []string
	server := testDoor(t, func(o *Options) {
		o.Applied = func(_ context.Context, id resource.ID) error {
			mu.Lock()
			defer mu.Unlock()
			waited = append(waited, strings.Join(id.Names(), "/"))
			return errors.New("in vain, which the client does not hear")
		}
	})
	converse(t, server, []step{
		{"put", "PUT", at("/corner"), `{}`, nil, 201, "", ""},
		{"patch", "PATCH", at("/corner"), `{"properties":{"seats":2}}`, nil, 200, "", ""},
		{"read", "GET", at("/corner"), "", nil, 200, "", ""},
		{"refused", "PUT", at("/corner"), `{"properties":{"seats":99}}`, nil, 400, "", ""},
		{"deploy", "POST", "/deploy", "type: Test.Shop/shops\nname: other\nresources:\n- {type: tables, name: t1}\n- {type: tables, name: t2}\n", nil, 200, "", ""},
		{"delete", "DELETE", at("/corner"), "", nil, 200, "", ""},
	})
	if got := strings.Join(waited, " "); got != "corner corner other corner" {
		t.Errorf("waited for %q", got)
	}
}
