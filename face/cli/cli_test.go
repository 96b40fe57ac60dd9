package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"weir/face/answer"
	"weir/face/api"
	"weir/internal/settings"
	"weir/kernel/resource"
)

// program is a command line over two types, with a server that only says what it
// was told.
func program() (*Program, *string) {
	told := new(string)
	set := settings.New("WEIR")
	set.Group("General").Text(told, "node", "NAME", "Name of this node.")
	extra := &cobra.Command{Use: "torture", Short: "Hurt it", RunE: func(*cobra.Command, []string) error { return errors.New("it hurts") }}
	return &Program{
		Version: "v1", Serving: set, Commands: []*cobra.Command{extra, {Use: "workflow", Short: "Workflows"}},
		Serve: func(_ context.Context, talk io.Writer) error { fmt.Fprintln(talk, "serving", *told); return nil },
		Types: []*resource.Type{
			{Name: "Test.Shop/shops", Description: "A shop."},
			{Name: "Test.Shop/shops/tables", Fields: []resource.Field{
				{Name: "status", Kind: resource.Enum}, {Name: "guestCount", Kind: resource.Int, ReadOnly: true}, {Name: "seats", Kind: resource.Int},
			}},
			{Name: "Test.Shop/shops/tables/deskLamps"},
			{Name: "Test.Shop/shops/keys"}, {Name: "Test.Shop/shops/tables/keys"},
		},
	}, told
}

// run runs one command line against a server and returns all it said.
func run(t *testing.T, server *httptest.Server, args ...string) (status int, out, talk string) {
	t.Helper()
	p, _ := program()
	var o, e strings.Builder
	if server != nil {
		t.Setenv("WEIR_SERVER", server.URL)
		t.Setenv("WEIR_TOKEN", "sesame")
	}
	t.Setenv("WEIR_DATA", t.TempDir())
	status = Run(t.Context(), *p, Streams{In: strings.NewReader("from standard input"), Out: &o, Err: &e}, args...)
	return status, o.String(), e.String()
}

// answers is a server that answers by method and path, and keeps what it was asked.
func answers(t *testing.T, by map[string]string) (*httptest.Server, *[]string) {
	t.Helper()
	asked := &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key := r.Method + " " + r.URL.RequestURI()
		*asked = append(*asked, strings.TrimSpace(key+" "+string(body)))
		said, ok := by[key]
		if r.Header.Get("Authorization") != "Bearer sesame" {
			t.Errorf("%s without the token", key)
		}
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(answer.Body{Error: answer.Detail{Message: "There is no " + r.URL.Path + ".", Details: []answer.Detail{{Message: "Look elsewhere."}}}})
			return
		}
		io.WriteString(w, said)
	}))
	t.Cleanup(server.Close)
	return server, asked
}

const status = `{"scope":"/subscriptions/s","namespace":"corner","node":"n1","units":[{"name":"registry","role":"owner","owner":"n1","epoch":3,"position":9,"ready":false,"reason":"It folds."}]}`

func TestNounsFindTheirResources(t *testing.T) {
	const base = "GET /subscriptions/s/providers/Test.Shop/shops"
	server, _ := answers(t, map[string]string{
		"GET /status":                           status,
		base + "/corner/tables/a~b":             `{"name":"a~b","properties":{"guestCount":2,"note":"true"}}`,
		base + "/other/tables/t/deskLamps/bulb": `{"name":"bulb"}`,
		base:                                    `{"value":[]}`,
		base + "/corner/tables":                 `{"value":[{"name":"a~b","properties":{"status":"Set","guestCount":2}}],"nextLink":"http://elsewhere/next?$skip=1"}`,
		"GET /next?$skip=1":                     `{"value":[{"name":"c","properties":{}}]}`,
	})
	cases := []struct {
		args []string
		want string
	}{
		{[]string{"table", "show", "a/b"}, "name: a~b\nproperties:\n  guestCount: 2\n  note: \"true\"\n"},
		{[]string{"table", "show", "a/b", "--json"}, "{\n  \"name\": \"a~b\",\n  \"properties\": {\n    \"guestCount\": 2,\n    \"note\": \"true\"\n  }\n}\n"},
		{[]string{"desk-lamp", "show", "t/bulb", "--namespace=other"}, "name: bulb\n"},
		{[]string{"shop", "list"}, "NAME\n"},
		{[]string{"table", "list"}, "NAME  STATUS  GUEST COUNT\na/b   Set     2\nc     -       -\n"},
	}
	for _, c := range cases {
		if code, out, talk := run(t, server, c.args...); code != 0 || out != c.want {
			t.Errorf("%v: %d\n%s%s", c.args, code, out, talk)
		}
	}
	for _, args := range [][]string{{"desk-lamp", "show", "bulb"}, {"key", "list"}, {"shop", "show"}} {
		if code, out, _ := run(t, server, args...); code != exitUsage || out != "" {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
}

func TestDeployReadsFilesAndStandardInput(t *testing.T) {
	server, asked := answers(t, map[string]string{
		"POST /deploy?name=-": `{"resources":[{"id":"/x","type":"Test.Shop/shops","name":"corner","outcome":"created"}]}`,
	})
	code, out, talk := run(t, server, "deploy", "-")
	if code != 0 || out != "created    Test.Shop/shops  corner\n" || talk != "1 resource applied\n" || (*asked)[0] != "POST /deploy?name=- from standard input" {
		t.Errorf("%d %q %q %q", code, out, talk, *asked)
	}
	if code, _, talk := run(t, server, "deploy", "-", "missing.yaml"); code != exitFailed || !strings.Contains(talk, "missing.yaml: ") {
		t.Errorf("%d %q", code, talk)
	}
}

func TestRefusalsAreShownWhole(t *testing.T) {
	server, _ := answers(t, nil)
	code, out, talk := run(t, server, "get", "/no/such thing")
	if code != exitFailed || out != "" || talk != "weir: There is no /no/such thing.\n  Look elsewhere.\n" {
		t.Errorf("%d %q %q", code, out, talk)
	}
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }))
	defer stranger.Close()
	if code, _, talk := run(t, stranger, "status"); code != exitFailed || !strings.Contains(talk, "something else than a Weir server would") {
		t.Errorf("%d %q", code, talk)
	}
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	if code, _, talk := run(t, untrusted, "status"); code != exitFailed || !strings.Contains(talk, "is not trusted") {
		t.Errorf("%d %q", code, talk)
	}
}

func TestStatus(t *testing.T) {
	server, _ := answers(t, map[string]string{"GET /status": status})
	if code, out, _ := run(t, server, "status"); code != 0 || !strings.Contains(out, "not ready\n") || !strings.Contains(out, "registry  owner  n1     3      9         It folds.\n") {
		t.Errorf("%d\n%s", code, out)
	}
	var s api.Status
	if code, out, _ := run(t, server, "status", "--json"); code != 0 || json.Unmarshal([]byte(out), &s) != nil || s.Units[0].Epoch != 3 {
		t.Errorf("%d %s", code, out)
	}
}

func TestServeIsToldWhatTheSettingsSay(t *testing.T) {
	if code, _, talk := run(t, nil, "serve", "--node=n7"); code != 0 || talk != "serving n7\n" {
		t.Errorf("%d %q", code, talk)
	}
	if code, _, talk := run(t, nil, "serve", "--config=no-such-file"); code != exitUsage || !strings.Contains(talk, "no-such-file") {
		t.Errorf("%d %q", code, talk)
	}
	if code, _, talk := run(t, nil, "torture"); code != exitFailed || !strings.Contains(talk, "it hurts") {
		t.Errorf("%d %q", code, talk)
	}
}

func TestSingular(t *testing.T) {
	for step, want := range map[string]string{"queues": "queue", "networkRuleSets": "network-rule-set", "topologies": "topology", "topics": "topic"} {
		if got := singular(step); got != want {
			t.Errorf("%s: %s", step, got)
		}
	}
}

func TestValuesAreReadByTheirKinds(t *testing.T) {
	typ := &resource.Type{Name: "Test.Shop/shops", Fields: []resource.Field{
		{Name: "seats", Kind: resource.Int}, {Name: "open", Kind: resource.Bool}, {Name: "name", Kind: resource.String},
		{Name: "days", Kind: resource.List, Element: &resource.Field{Kind: resource.String}},
		{Name: "owner", Kind: resource.Object, Fields: []resource.Field{{Name: "age", Kind: resource.Int}}},
		{Name: "more", Kind: resource.Map},
	}}
	for given, want := range map[string]string{
		"":                           `{"properties":{}}`,
		"seats=5 OPEN=true name=a=b": `{"properties":{"name":"a=b","open":true,"seats":5}}`,
		"days=Mon,Tue":               `{"properties":{"days":["Mon","Tue"]}}`,
		`days=["a,b"]`:               `{"properties":{"days":["a,b"]}}`,
		"owner.age=7":                `{"properties":{"owner":{"age":7}}}`,
		`owner={"age":7}`:            `{"properties":{"owner":{"age":7}}}`,
		"seats=":                     `{"properties":{"seats":null}}`,
		"location=west sku=Small sku.capacity=2 tags.env=test tags.old=": `{"location":"west","sku":{"capacity":2,"name":"Small"},"tags":{"env":"test","old":null}}`,
		"sets=5": `{"properties":{"sets":"5"}}`, // the server says what was meant
	} {
		changes, err := assignments(typ, strings.Fields(given))
		got, _ := json.Marshal(changes)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s (%v), want %s", given, got, err, want)
		}
	}
	for given, want := range map[string]string{
		"seats": "write PROPERTY=VALUE", "=5": "write PROPERTY=VALUE", "seats=x": "no whole number", "open=maybe": "neither true nor false",
		"owner=me": "write it as JSON", `owner={"age"`: "is no JSON", "sku.capacity=x": "whole number",
	} {
		if _, err := assignments(typ, []string{given}); err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, new(usageError)) {
			t.Errorf("%s: %v, want %q", given, err, want)
		}
	}
}

// Each type has one word, and words that types would share say more.
func TestKinds(t *testing.T) {
	l := &line{program: Program{Types: append(resource.ScopeTypes(), resource.LockType(),
		&resource.Type{Name: "Test.Shop/shops"}, &resource.Type{Name: "Test.Shop/shops/keys"}, &resource.Type{Name: "Test.Shop/shops/tables"},
		&resource.Type{Name: "Test.Shop/shops/tables/keys"}, &resource.Type{Name: "Test.Shop/shops/subscriptions"}, &resource.Type{Name: "Test.Shop/shops/cellars", Absent: "None."},
	)}}
	var words []string
	for _, n := range l.kinds() {
		words = append(words, n.word)
	}
	if got := strings.Join(words, " "); got != "shop shop-key table table-key subscription resource-subscription resource-group" {
		t.Errorf("words: %s", got)
	}
	for given, want := range map[string]string{"Table": "Test.Shop/shops/tables", "tables": "Test.Shop/shops/tables", "test.shop/shops/tables/keys": "Test.Shop/shops/tables/keys"} {
		if n, err := l.kind(given); err != nil || n.typ.Name != want {
			t.Errorf("%s: %v %v", given, n, err)
		}
	}
}

// A shell that completes where no server answers is told nothing, and no error.
func TestCompletionIsSilent(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }))
	defer stranger.Close()
	for _, args := range [][]string{{"get", "table", "a"}, {"get", "tabel", "a"}, {"set", "table", "a", "seats="}, {"lock", "set", "x", "--on", "table/"}, {"table", "show", ""}} {
		code, out, _ := run(t, stranger, append([]string{"__complete"}, args...)...)
		if code != 0 || strings.Contains(out, "html") || !strings.HasPrefix(out[max(strings.LastIndexByte(strings.TrimSpace(out), ':'), 0):], ":") {
			t.Errorf("%v: %d %q", args, code, out)
		}
	}
	if _, out, _ := run(t, stranger, "__complete", "set", "table", "a", "se"); !strings.Contains(out, "seats=") || strings.Contains(out, "guestCount") {
		t.Errorf("properties: %q", out)
	}
}
