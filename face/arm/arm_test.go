package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// Promise 2: each operation is asked about under Azure's name for it, at its scope,
// before anything is done; who may not learns nothing and is noted.
func TestEveryOperationIsAskedAbout(t *testing.T) {
	const lock = group + locks + "/keep"
	for _, c := range []struct{ method, path, body, action, scope string }{
		{"GET", shop, "", "Test.Shop/shops/read", shop},
		{"HEAD", shop, "", "Test.Shop/shops/read", shop},
		{"PUT", shop, "{}", "Test.Shop/shops/write", shop},
		{"PATCH", shop, "{}", "Test.Shop/shops/write", shop},
		{"DELETE", shop, "", "Test.Shop/shops/delete", shop},
		{"POST", shop + "/listkeys", "", "Test.Shop/shops/listKeys/action", shop},
		{"GET", shop + "/TABLES", "", "Test.Shop/shops/tables/read", shop},
		{"PUT", shop + "/tables/t", "{}", "Test.Shop/shops/tables/write", shop + "/tables/t"},
		{"GET", shops, "", "Test.Shop/shops/read", group},
		{"GET", "/subscriptions/s/providers/Test.Shop/shops", "", "Test.Shop/shops/read", "/subscriptions/s"},
		{"GET", group + "/resources", "", "Microsoft.Resources/subscriptions/resources/read", group},
		{"GET", group, "", "Microsoft.Resources/subscriptions/resourceGroups/read", group},
		{"PUT", group, "{}", "Microsoft.Resources/subscriptions/resourceGroups/write", group},
		{"DELETE", group, "", "Microsoft.Resources/subscriptions/resourceGroups/delete", group},
		{"GET", "/subscriptions/s", "", "Microsoft.Resources/subscriptions/read", "/subscriptions/s"},
		{"GET", "/subscriptions/s/resourceGroups", "", "Microsoft.Resources/subscriptions/resourceGroups/read", "/subscriptions/s"},
		{"GET", "/subscriptions/s/locations", "", "Microsoft.Resources/subscriptions/locations/read", "/subscriptions/s"},
		{"GET", "/subscriptions/s/tagNames", "", "Microsoft.Resources/subscriptions/tagNames/read", "/subscriptions/s"},
		{"GET", "/subscriptions/s/providers", "", "Microsoft.Resources/subscriptions/providers/read", "/subscriptions/s"},
		{"GET", "/providers/Test.Shop", "", "Microsoft.Resources/subscriptions/providers/read", "/"},
		{"GET", "/providers/Test.Shop/operations", "", "Microsoft.Resources/subscriptions/providers/read", "/"},
		{"POST", "/subscriptions/s/providers/Test.Shop/register", "", "Test.Shop/register/action", "/subscriptions/s"},
		{"POST", "/subscriptions/s/providers/Test.Shop/checkNameAvailability", `{"name":"x"}`, "Test.Shop/checkNameAvailability/action", "/subscriptions/s"},
		{"GET", "/tenants", "", "Microsoft.Resources/tenants/read", "/"},
		{"PUT", lock, `{"properties":{"level":"ReadOnly"}}`, "Microsoft.Authorization/locks/write", lock},
		{"GET", shop + locks, "", "Microsoft.Authorization/locks/read", shop},
		{"GET", shop + "/providers/Microsoft.Resources/tags/default", "", "Microsoft.Resources/tags/read", shop},
		{"PUT", group + "/providers/Microsoft.Resources/tags/default", `{}`, "Microsoft.Resources/tags/write", group},
		{"DELETE", group + "/providers/Microsoft.Resources/tags/default", "", "Microsoft.Resources/tags/delete", group},
		{"PUT", group + "/providers/Microsoft.Resources/deployments/d", "{}", "Microsoft.Resources/deployments/write", group + "/providers/Microsoft.Resources/deployments/d"},
		{"GET", "/providers/Microsoft.Resources/deployments/d", "", "Microsoft.Resources/deployments/read", "/providers/Microsoft.Resources/deployments/d"},
		{"POST", group + "/providers/Microsoft.Resources/deployments/d/whatIf", "{}", "Microsoft.Resources/deployments/whatIf/action", group + "/providers/Microsoft.Resources/deployments/d"},
		{"GET", group + "/deployments/d/operations", "", "Microsoft.Resources/deployments/operations/read", group + "/providers/Microsoft.Resources/deployments/d"},
		{"POST", group + "/exportTemplate", "{}", "Microsoft.Resources/subscriptions/resourceGroups/exportTemplate/action", group},
	} {
		s := newStage(t, func(o *Options) { o.Deployments = &deployments{} })
		s.make(shop)
		before, _, _ := s.registry.ListUnder(t.Context(), resource.Tenant, "")
		s.deny = func(string, string) bool { return true }
		g := s.ask(c.method, c.path, c.body)
		if want := c.action + " " + c.scope; len(s.asked) == 0 || s.asked[0] != want {
			t.Errorf("%s %s asked %q, want %q", c.method, c.path, s.asked, want)
		}
		if g.status != 403 || g.header.Get("x-ms-error-code") != "AuthorizationFailed" || strings.Contains(g.body, "hush") || strings.Contains(g.body, `"seats"`) {
			t.Errorf("%s %s: %d %s", c.method, c.path, g.status, g.body)
		}
		after, _, _ := s.registry.ListUnder(t.Context(), resource.Tenant, "")
		if len(before) != len(after) || after[0].ETag != before[0].ETag {
			t.Errorf("%s %s changed something", c.method, c.path)
		}
		if len(s.noted) != 1 || s.noted[0].Outcome != audit.Refused || s.noted[0].Action != c.action || s.noted[0].Scope != c.scope || s.noted[0].Caller != "administrator" {
			t.Errorf("%s %s noted %+v", c.method, c.path, s.noted)
		}
	}
}

// What changes or reveals is noted with how it ended; what only reads is not.
func TestNotes(t *testing.T) {
	s := newStage(t, nil)
	s.gets(201, "", "PUT", shop, `{}`, "x-ms-correlation-request-id", "story")
	s.gets(200, "", "GET", shop, "")
	s.gets(200, "hush", "POST", shop+"/listKeys", "")
	s.gets(400, "", "PUT", shop, `{"properties":{"seats":99}}`)
	s.gets(200, "", "DELETE", shop, "")
	s.gets(404, "", "GET", shop, "")
	var got []string
	for _, e := range s.noted {
		got = append(got, fmt.Sprintf("%s %s %s", e.Action[strings.LastIndex(strings.TrimSuffix(e.Action, "/action"), "/")+1:], e.Outcome, e.Code))
		if e.Door != "arm" || e.Peer == "" || e.Scope != shop || strings.Contains(fmt.Sprint(e), "hush") {
			t.Errorf("noted %+v", e)
		}
	}
	if want := "write Succeeded , listKeys/action Succeeded , write Failed BadRequest, delete Succeeded "; strings.Join(got, ", ") != want {
		t.Errorf("%q", got)
	}
	if s.noted[0].Correlation != "story" {
		t.Errorf("the correlation is %q", s.noted[0].Correlation)
	}
}

// failing is a log that cannot be written.
type failing struct{}

func (failing) Note(context.Context, audit.Entry) error { return errors.New("the disk is full") }

func TestWhatCannotBeNotedIsSaid(t *testing.T) {
	s := newStage(t, func(o *Options) { o.Audit = failing{} })
	g := s.gets(503, "audit log could not take it down", "PUT", shop, `{}`)
	if strings.Contains(g.body, "disk") {
		t.Error(g.body)
	}
	s.gets(200, "", "GET", shop, "")
}

func TestNobodyComesIn(t *testing.T) {
	s := newStage(t, func(o *Options) {
		o.Caller = func(*http.Request) (identity.Principal, error) {
			return identity.Principal{}, fault.New(fault.Unauthorized, "Who are you?")
		}
	})
	s.gets(401, "Who are you?", "GET", shop, "")
	if len(s.asked) != 0 || len(s.noted) != 1 || s.noted[0].Outcome != audit.Refused || s.noted[0].Caller != "" {
		t.Errorf("asked %v, noted %+v", s.asked, s.noted)
	}
}

// Lists show what the caller may see. Who may see nothing is refused, but for the list
// of subscriptions, which everybody may ask for.
func TestListsShowWhatMayBeSeen(t *testing.T) {
	s := newStage(t, nil)
	const other = "/subscriptions/t/resourceGroups/g/providers/Test.Shop/shops/far"
	s.make(shop, shops+"/second", other)
	s.deny = func(_, scope string) bool { return scope != shop && scope != "/subscriptions/s" }
	if got := s.gets(200, "", "GET", shops, ""); values(got.body) != "corner" {
		t.Errorf("shops: %s", got.body)
	}
	if got := s.gets(200, "", "GET", "/subscriptions", ""); values(got.body) != "s" {
		t.Errorf("subscriptions: %s", got.body)
	}
	s.gets(403, "AuthorizationFailed", "GET", "/subscriptions/t/providers/Test.Shop/shops", "")
	s.deny = func(string, string) bool { return true }
	if got := s.gets(200, "", "GET", "/subscriptions", ""); values(got.body) != "" {
		t.Errorf("subscriptions of a stranger: %s", got.body)
	}
}

// A list that is asked for whole has everything at any depth, as it would be shown alone:
// no secret, and nothing that the caller may not read by itself.
func TestListsAreWholeWhenAskedFor(t *testing.T) {
	s := newStage(t, nil)
	s.make(shop, shop+"/tables/one", shops+"/second")
	if got := s.gets(200, "", "GET", group+"/resources", ""); strings.Contains(got.body, "seats") || values(got.body) != "corner second" {
		t.Errorf("as ARM has it: %s", got.body)
	}
	const whole = group + "/resources?$expand=createdTime,Whole"
	got := s.gets(200, `"seats":4`, "GET", whole, "")
	if values(got.body) != "corner one second" || strings.Contains(got.body, "hush") {
		t.Errorf("whole: %s", got.body)
	}
	s.deny = func(action, scope string) bool {
		return strings.HasPrefix(action, "Test.Shop/shops/tables/") || scope == shops+"/second" && action == "Test.Shop/shops/read"
	}
	if got := s.gets(200, "", "GET", whole, ""); values(got.body) != "corner" {
		t.Errorf("of who may read less: %s", got.body)
	}
}

// Promise 3: what is not in force yet is answered with where to ask, and what is said
// there is what is.
func TestOperationsThatLast(t *testing.T) {
	s := newStage(t, nil)
	s.settled = false
	g := s.gets(201, `"provisioningState":"Creating"`, "PUT", shop+"?api-version=2026-01-01", `{}`)
	at := g.header.Get("Azure-AsyncOperation")
	if !strings.HasPrefix(at, "http://weir.example:8080/subscriptions/s/operationStatuses/") || !strings.HasSuffix(at, "?api-version=2026-01-01") || g.header.Get("Retry-After") == "" || g.header.Get("ETag") == "" {
		t.Fatalf("headers %v", g.header)
	}
	at = strings.TrimPrefix(at, "http://weir.example:8080")
	if g := s.gets(200, `"status":"InProgress"`, "GET", at, ""); g.header.Get("Retry-After") == "" {
		t.Error("nobody says when to ask again")
	}
	s.settled = true
	s.gets(200, `"status":"Succeeded"`, "GET", at, "")
	s.gets(200, `"provisioningState":"Succeeded"`, "GET", shop, "")

	s.settled = false
	g = s.gets(202, "", "DELETE", shop, "")
	status, result := strings.TrimPrefix(g.header.Get("Azure-AsyncOperation"), "http://weir.example:8080"), strings.TrimPrefix(g.header.Get("Location"), "http://weir.example:8080")
	s.gets(200, `"status":"InProgress"`, "GET", status, "")
	s.gets(202, "", "GET", result, "")
	s.settled = true
	s.gets(200, `"status":"Succeeded"`, "GET", status, "")
	s.gets(204, "", "GET", result, "")
	s.gets(200, `"status":"Canceled"`, "GET", at, "")
	s.deny = func(action, scope string) bool { return action == "Test.Shop/shops/read" && scope == shop }
	s.gets(403, "", "GET", status, "")
	for _, bad := range []string{"x", "cHV0IC9zdWJzY3JpcHRpb25zL290aGVyL3Jlc291cmNlR3JvdXBzL2cvcHJvdmlkZXJzL1Rlc3QuU2hvcC9zaG9wcy94"} {
		s.gets(404, "There is no operation", "GET", "/subscriptions/s/operationStatuses/"+bad, "")
	}
	s.gets(405, "GET", "DELETE", status, "")
}

func TestConditions(t *testing.T) {
	s := newStage(t, nil)
	tag := s.gets(201, "", "PUT", shop, `{}`, "If-None-Match", "*").header.Get("ETag")
	s.gets(412, "PreconditionFailed", "PUT", shop, `{}`, "If-None-Match", "*")
	s.gets(304, "", "GET", shop, "", "If-None-Match", tag)
	s.gets(200, "", "PATCH", shop, `{"properties":{"seats":2}}`, "If-Match", tag)
	s.gets(412, "has changed", "PATCH", shop, `{"properties":{"seats":3}}`, "If-Match", tag)
	s.gets(412, "", "DELETE", shop, "", "If-Match", tag)
	s.gets(400, "may only be", "PUT", shop, `{}`, "If-None-Match", tag)
	s.gets(200, "", "DELETE", shop, "", "If-Match", "*")
	s.gets(204, "", "DELETE", shop, "")
}

// A page names the last resource before it, so that what is made and deleted meanwhile
// neither repeats nor loses what stays.
func TestPagesHoldStill(t *testing.T) {
	s := newStage(t, nil)
	s.make(shop)
	for _, name := range []string{"b", "d", "f", "h"} {
		s.make(shop + "/tables/" + name)
	}
	follow := func(g given) string {
		_, link, found := strings.Cut(g.body, `"nextLink":"http://weir.example:8080`)
		if !found {
			t.Fatalf("no link: %s", g.body)
		}
		link, _, _ = strings.Cut(link, `"`)
		return strings.ReplaceAll(link, `\u0026`, "&")
	}
	first := s.gets(200, "", "GET", shop+"/tables?$top=2&api-version=2026-01-01", "")
	s.make(shop+"/tables/a", shop+"/tables/e")
	s.gets(200, "", "DELETE", shop+"/tables/d", "")
	second := s.gets(200, "", "GET", follow(first), "")
	third := s.gets(200, "", "GET", follow(second), "")
	if got := values(first.body) + "," + values(second.body) + "," + values(third.body); got != "b d,e f,h" || strings.Contains(third.body, "nextLink") {
		t.Errorf("pages %s", got)
	}
	s.gets(200, `"value":[]`, "GET", shop+"/tables?$skip=100", "")
	for _, bad := range []string{"$top=-1", "$skip=x", "$skiptoken=!"} {
		s.gets(400, "BadRequest", "GET", shop+"/tables?"+bad, "")
	}
}

func TestWhatIsNotServed(t *testing.T) {
	s := newStage(t, nil)
	s.make(shop)
	for _, c := range []struct {
		status             int
		has                string
		method, path, body string
	}{
		{404, "ResourceNotFound", "GET", shops + "/none", ""},
		{404, "ResourceGroupNotFound", "GET", "/subscriptions/s/resourceGroups/none/providers/Test.Shop/shops/x", ""},
		{404, "ParentResourceNotFound", "PUT", shops + "/none/tables/t", "{}"},
		{404, "ParentResourceNotFound", "GET", shops + "/none/tables", ""},
		{404, "InvalidResourceType", "GET", group + "/providers/Test.Shop/malls/x", ""},
		{404, "InvalidResourceNamespace", "GET", group + "/providers/Test.Mall/malls/x", ""},
		{404, "no action", "POST", shop + "/dance", ""},
		{404, "no action", "POST", shop, ""},
		{404, "Nothing is served", "GET", group + "/shops/corner", ""},
		{400, "which is no name", "GET", "/providers/a/b/c/d/../..", ""},
		{405, "neither", "TRACE", shop + "/tables", ""},
		{400, "InvalidApiVersionParameter", "GET", shop + "?api-version=new", ""},
		{400, "InvalidRequestContent", "PUT", shop, "[]"},
		{400, "InvalidRequestContent", "POST", shop + "/listKeys", "[]"},
		{400, `"message":"Test.Shop/shops corner, properties.seats: It is 0`, "PUT", shop, `{"properties":{"seats":0}}`},
		{400, "the path says", "PUT", shop, `{"name":"other"}`},
		{400, "write '~'", "GET", shop + "/tables/a%2Fb", ""},
		{501, "Put tables upstairs.", "PUT", shop + "/cellars/c", "{}"},
		{501, "Put tables upstairs.", "POST", shop + "/cellars/c", "{}"},
		{501, "Put tables upstairs.", "POST", shop + "/cellars/c/dig", "{}"},
		{200, `"value":[]`, "GET", shop + "/cellars", ""},
		{404, "ResourceNotFound", "GET", shop + "/cellars/c", ""},
		{501, "deploys no templates", "PUT", group + "/providers/Microsoft.Resources/deployments/d", "{}"},
		{501, "do not move", "POST", group + "/moveResources", "{}"},
		{409, "is taken", "PUT", "/subscriptions/s/resourceGroups/h/providers/Test.Shop/shops/corner", "{}"},
		{409, "ScopeLocked", "DELETE", shop, ""},
	} {
		if c.has == "ScopeLocked" {
			s.gets(201, "", "PUT", shop+locks+"/keep", `{"properties":{"level":"CanNotDelete"}}`)
		}
		if c.has == "neither" {
			c.has = "takes GET, POST"
		}
		s.gets(c.status, c.has, c.method, c.path, c.body)
	}
	if got := s.ask("TRACE", shop, ""); got.header.Get("Allow") != "GET, HEAD, PUT, PATCH, DELETE" {
		t.Errorf("Allow is %q", got.header.Get("Allow"))
	}
}

// Clients write ids in any case, with slashes doubled, and whole scopes as one segment.
func TestPathsAsClientsWriteThem(t *testing.T) {
	s := newStage(t, nil)
	s.make(shop)
	for _, path := range []string{
		strings.ToUpper(shop), strings.ReplaceAll(shop, "/providers/", "//providers//"), shop + "/",
		"/subscriptions%2Fs%2FresourceGroups%2Fg/providers/Test.Shop/shops/corner",
	} {
		s.gets(200, `"id":"`+shop+`"`, "GET", path, "")
		if !Owns(path) && !strings.Contains(path, "%2F") {
			t.Errorf("%s is not this door's", path)
		}
	}
	if Owns("/status") || Owns("/") || Owns("/subscriptionsx") || !Owns("/Tenants") {
		t.Error("Owns is wrong")
	}
}

// The name by which a caller came is what actions tell others.
func TestActionsKnowWhereTheyWereCalled(t *testing.T) {
	s := newStage(t, func(o *Options) {
		o.Host = func(called string, id resource.ID) string { return id.Name() + "." + called }
	})
	s.make(shop)
	s.gets(200, `"host":"corner.weir.example:8080"`, "POST", shop+"/listKeys", "")
}

// FuzzPath: whatever a stranger asks for is answered, in JSON or with nothing, and never
// with a failure of ours.
func FuzzPath(f *testing.F) {
	for _, path := range []string{shop, shop + "/tables?$top=1&$filter=name eq 'x'", group + locks + "/x", "/subscriptions%2Fs/providers/a.b/c", "/providers//x/y/z/providers", "/subscriptions/s/operationStatuses/cHV0IC8", "/tenants/", shop + "/providers/Microsoft.Resources/tags/default", "/subscriptions/s/resourceGroups/g/deployments/d/operations/1"} {
		for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
			f.Add(method, path, `{"properties":{"tags":{"a":"b"}}}`)
		}
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r, err := http.NewRequest(method, "http://weir.example/"+strings.TrimPrefix(path, "/"), strings.NewReader(body))
		if err != nil || !Owns(r.URL.Path) {
			return
		}
		s := newStage(t, func(o *Options) { o.Deployments = &deployments{state: "Succeeded"} })
		s.make(shop)
		w := httptest.NewRecorder()
		s.door.ServeHTTP(w, r)
		if w.Code < 200 || w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s: %s", method, path, w.Body)
		}
	})
}
