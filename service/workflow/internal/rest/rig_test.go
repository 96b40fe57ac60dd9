package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
	"weir/kernel/resource"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/callback"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/trigger"
)

// world answers what workflows call: a path of /fail with 500, /held never, all else with
// what was sent.
type world struct{ subscribed chan *connector.Call }

func (w *world) Handles() []string                 { return []string{"Http", "HttpWebhook"} }
func (w *world) Operations() []connector.Operation { return nil }

func (w *world) Do(ctx context.Context, c *connector.Call) connector.Answer {
	in, _ := c.Inputs.(*expression.Object)
	if c.Step == connector.Subscribe && w.subscribed != nil {
		w.subscribed <- c
		return connector.Answer{Status: 200}
	}
	uri, body := "", any(nil)
	if in != nil {
		u, _ := in.Get("uri")
		uri = expression.Text(u)
		body, _ = in.Get("body")
	}
	switch {
	case strings.HasSuffix(uri, "/held"):
		<-ctx.Done()
		return connector.Refusal("Canceled", "nobody answered")
	case strings.HasSuffix(uri, "/fail"):
		return connector.Answer{Status: 400, Body: "no"}
	}
	return connector.Answer{Status: 200, Headers: expression.NewObject("Content-Type", "application/json"), Body: body}
}

const (
	group  = "/subscriptions/s/resourceGroups/g"
	prefix = group + "/providers/Microsoft.Logic/workflows/"
	siteID = group + "/providers/Microsoft.Web/sites/shop"
)

// stage is a front end over a unit of workflows on a log in memory.
type stage struct {
	*testing.T
	host    *host.Host
	manager *trigger.Manager
	world   *world
	door    *Door
	server  *httptest.Server
	allows  func(part string, from netip.Addr) bool
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, world: &world{}}
	set, err := host.NewSet(s.world)
	s.must(err)
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s.host = host.New(host.Options{Unit: "unit", Scope: group, Location: "here", Connectors: set, Logger: log, CallbackURL: s.actionURL})
	s.manager = trigger.New(trigger.Options{Host: s.host, Connectors: set, Location: "here", Logger: log})
	o := replicatest.NewLocation().Options("n1", s.host.Machine())
	o.OnGain, o.OnWake = s.host.Gained, s.host.Woken
	unit := replica.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	wait := s.host.Start(ctx, unit)
	unit.Start()
	quiet := s.manager.Start(ctx)
	s.door = New(Options{
		At: func(_ context.Context, id resource.ID) (*Flow, error) { return s.flow(id.Name(), id) },
		ByID: func(_ context.Context, id string) (*Flow, error) {
			for _, v := range s.host.Workflows() {
				for _, at := range []string{prefix + v.Name, siteID + "/workflows/" + v.Name} {
					if callback.ID(at) == id {
						return s.flow(v.Name, resource.MustID(at))
					}
				}
			}
			return nil, fault.New(fault.NotFound, "The workflow '%s' could not be found.", id)
		},
		InApp: func(_ context.Context, app, name string) (*Flow, error) {
			if app != "" && app != "shop" {
				return nil, fault.New(fault.NotFound, "There is no site %s.", app)
			}
			return s.flow(name, resource.MustID(siteID+"/workflows/"+name))
		},
		List: func(_ context.Context, site resource.ID) (all []*Flow, err error) {
			for _, v := range s.host.Workflows() {
				f, err := s.flow(v.Name, resource.MustID(site.String()+"/workflows/"+v.Name))
				if err != nil {
					return nil, err
				}
				all = append(all, f)
			}
			return all, nil
		},
		Validate: func(d resource.Document) error {
			if d.Raw("definition") == "" && d.Properties["definition"] == nil {
				return resource.Problems{{Path: "properties.definition", Sentence: "The property is required.", Code: "InvalidTemplate"}}.Fault()
			}
			return nil
		},
		Refuse: refuseWith, Location: "west",
		Logger: log,
	})
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.server.CloseClientConnections()
		unit.Abort()
		cancel()
		quiet()
		wait()
		s.server.Close()
	})
	for changed := s.host.Changed(); ; changed = s.host.Changed() {
		if _, owned := s.host.Owned(); owned {
			return s
		}
		select {
		case <-changed:
		case <-s.within().Done():
			t.Fatal("the unit is not owned")
		}
	}
}

func (s *stage) flow(name string, id resource.ID) (*Flow, error) {
	v, ok := s.host.Workflow(name)
	if !ok {
		return nil, noWorkflow(name)
	}
	f := &Flow{ID: id, Name: v.Name, Runs: s.host, Triggers: s.manager, Allows: s.allows}
	if strings.Contains(id.String(), "/sites/") {
		f.App = "shop"
	}
	return f, nil
}

// actionURL is where an action that waits is called back.
func (s *stage) actionURL(c host.Callback) string {
	signer := callback.Signer{Secret: c.Secret, Primary: c.Keys.Primary, Secondary: c.Keys.Secondary, Workflow: callback.ID(c.Workflow)}
	return callback.Caller{Signer: signer, Endpoint: s.server.URL}.Action(c.Run, c.Action, callback.Place{Frame: c.At.Frame, Node: c.At.Node}).String()
}

// serve is the door above: it finds the resource and asks Operation.
func (s *stage) serve(w http.ResponseWriter, r *http.Request) {
	if Takes(r) {
		s.door.ServeHTTP(w, r)
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	const toResource = 8 // subscriptions, s, resourceGroups, g, providers, P, types, name
	if len(parts) <= toResource {
		refuseWith(w, r, fault.New(fault.NotFound, "Nothing is served at %s.", r.URL.Path))
		return
	}
	id := resource.MustID("/" + strings.Join(parts[:toResource], "/"))
	if Operation(r.Method, id, parts[toResource:]) == "" {
		refuseWith(w, r, fault.New(fault.NotFound, "Nothing is served at %s.", r.URL.Path))
		return
	}
	if err := s.door.Manage(w, r, id, parts[toResource:]); err != nil {
		refuseWith(w, r, err)
	}
}

var statuses = map[fault.Kind]int{
	fault.Invalid: 400, fault.Unauthorized: 401, fault.Forbidden: 403, fault.NotFound: 404, fault.MethodNotAllowed: 405, fault.Conflict: 409, fault.TooLarge: 413,
	fault.TooManyRequests: 429, fault.Unsupported: 501, fault.Unavailable: 503,
}

func refuseWith(w http.ResponseWriter, _ *http.Request, err error) {
	status, code := statuses[fault.KindOf(err)], fault.KindOf(err).String()
	if status == 0 {
		status = 500
	}
	var c interface{ Code() string }
	if as(err, &c) {
		code = c.Code()
	}
	writeJSON(w, status, object{"error": object{"code": code, "message": err.Error()}})
}

func as(err error, into *interface{ Code() string }) bool {
	for err != nil {
		if c, ok := err.(interface{ Code() string }); ok {
			*into = c
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.Cleanup(cancel)
	return ctx
}

const schema = `{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0", `

const manual = `"triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}}}, `

// put deploys a workflow whose definition goes on so.
func (s *stage) put(name, rest string) {
	s.Helper()
	s.must(s.host.Put(s.within(), host.Declared{Name: name, ID: prefix + name, Location: "west", Definition: []byte(schema + rest + "}")}))
	// The triggers learn of it by themselves.
	for deadline := s.within(); ; {
		_, err := s.manager.Request(s.within(), name, "no such trigger", trigger.Incoming{})
		var refused *trigger.Refusal
		if r, ok := err.(*trigger.Refusal); ok {
			refused = r
		}
		if refused != nil && refused.Code == "WorkflowTriggerNotFound" {
			return
		}
		select {
		case <-deadline.Done():
			s.Fatalf("the triggers do not know %s: %v", name, err)
		case <-time.After(time.Millisecond):
		}
	}
}

// given is an answer.
type given struct {
	status int
	header http.Header
	body   string
}

func (s *stage) ask(method, at, body string, header ...string) given {
	s.Helper()
	if !strings.HasPrefix(at, "http") {
		at = s.server.URL + at
	}
	r, err := http.NewRequestWithContext(s.within(), method, at, strings.NewReader(body))
	s.must(err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	s.must(err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	s.must(err)
	return given{answer.StatusCode, answer.Header, string(data)}
}

// gets is ask for an answer of a status that holds a text.
func (s *stage) gets(status int, has, method, at, body string, header ...string) given {
	s.Helper()
	g := s.ask(method, at, body, header...)
	if g.status != status || !strings.Contains(g.body, has) {
		s.Errorf("%s %s: %d %s\nwant %d with %q", method, at, g.status, g.body, status, has)
	}
	return g
}

// json is ask for a JSON object.
func (s *stage) json(method, at, body string) map[string]any {
	s.Helper()
	g := s.gets(200, "", method, at, body)
	var o map[string]any
	if err := json.Unmarshal([]byte(g.body), &o); err != nil {
		s.Fatalf("%s %s: %s: %v", method, at, g.body, err)
	}
	return o
}

// callURL asks where a trigger is called.
func (s *stage) callURL(name, trigger string) string {
	s.Helper()
	u, _ := s.json("POST", prefix+name+"/triggers/"+trigger+"/listCallbackUrl", "")["value"].(string)
	return u
}

// start calls a workflow's trigger and gives the name of the run.
func (s *stage) start(name, body string) string {
	s.Helper()
	g := s.ask("POST", s.callURL(name, "manual"), body)
	if g.status >= 300 {
		s.Fatalf("called: %d %s", g.status, g.body)
	}
	return g.header.Get("x-ms-workflow-run-id")
}

// ended waits until a run has ended.
func (s *stage) ended(name, runName string) map[string]any {
	s.Helper()
	for deadline := s.within(); ; {
		o := s.json("GET", prefix+name+"/runs/"+runName, "")
		if status := at(o, "properties", "status"); status != "Running" && status != "Waiting" {
			return o
		}
		select {
		case <-deadline.Done():
			s.Fatalf("the run goes on: %v", o)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// at digs in an answer.
func at(v any, path ...any) any {
	for _, p := range path {
		switch step := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

// fetch reads a content by its link.
func (s *stage) fetch(link any) string {
	s.Helper()
	uri, _ := at(link, "uri").(string)
	if uri == "" {
		s.Errorf("no link in %v", link)
		return ""
	}
	g := s.gets(200, "", "GET", uri, "")
	if size, ok := at(link, "contentSize").(float64); ok && int(size) != len(g.body) {
		s.Errorf("the content has %d bytes, not %v: %s", len(g.body), size, g.body)
	}
	return g.body
}

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

func indented(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v)
	return b.String()
}

var _ Runs = (*host.Host)(nil)
var _ Triggers = (*trigger.Manager)(nil)
var _ = run.Running

func mustID(text string) resource.ID { return resource.MustID(text) }

func mustRequest(at string) *http.Request {
	r := httptest.NewRequest("GET", at, nil)
	r.TLS = nil
	return r
}

// hook is the address that a webhook action of a run was subscribed with, once it is there.
func (s *stage) hook(name, run, action string) string {
	s.Helper()
	for deadline := s.within(); ; {
		a := s.json("GET", prefix+name+"/runs/"+run+"/actions/"+action, "")
		if at(a, "properties", "inputsLink") != nil {
			in := s.fetch(at(a, "properties", "inputsLink"))
			if _, rest, ok := strings.Cut(in, `"body":"`); ok {
				return strings.ReplaceAll(rest[:strings.Index(rest, `"`)], `\u0026`, "&")
			}
		}
		select {
		case <-deadline.Done():
			s.Fatalf("the action %s was not subscribed", action)
		case <-time.After(time.Millisecond):
		}
	}
}
