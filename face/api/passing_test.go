package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
)

// noted keeps what is noted.
type noted struct{ entries []audit.Entry }

func (n *noted) Note(_ context.Context, e audit.Entry) error {
	n.entries = append(n.entries, e)
	return nil
}

// A node that passes a request on says who asked, and the owner believes it from a node
// and from nobody else.
func TestTheOwnerKnowsWhoAsked(t *testing.T) {
	var asked []identity.Principal
	log := &noted{}
	rights := func(p identity.Principal, action, _ string) error {
		asked = append(asked, p)
		if p.Name != "ada" && p.Kind != identity.Administrator {
			return fault.New(fault.Forbidden, "%s may not %s.", p.Name, action)
		}
		return nil
	}
	who := func(r *http.Request) (identity.Principal, error) {
		if r.Header.Get("X-Test-Who") == "" {
			return identity.Principal{}, fault.New(fault.Unauthorized, "Who are you?")
		}
		return identity.Principal{Kind: identity.SharedAccess, Name: r.Header.Get("X-Test-Who")}, nil
	}
	var owner *httptest.Server
	owner = testDoor(t, func(o *Options) {
		o.Caller, o.Authorize, o.Audit = who, rights, log
		o.FromNode = func(r *http.Request) bool { return r.Header.Get("X-Test-Node") != "" }
	})
	node := testDoor(t, func(o *Options) {
		o.Caller, o.Audit = who, log
		o.Owner = func(context.Context) (http.RoundTripper, error) {
			return way{func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("X-Test-Node", "1") // as the connection between nodes proves it
				r.Header.Del("X-Test-Who")
				owner.Config.Handler.ServeHTTP(w, r)
			}}, nil
		}
	})
	if got := ask(t, node, "PUT", at("/a"), `{}`, "X-Test-Who", "ada"); got.status != 201 {
		t.Errorf("ada: %d %s", got.status, got.body)
	}
	if got := ask(t, node, "DELETE", at("/a"), "", "X-Test-Who", "bob"); got.status != 403 || !strings.Contains(got.body, "bob may not") {
		t.Errorf("bob: %d %s", got.status, got.body)
	}
	if len(asked) != 2 || asked[0].Name != "ada" || asked[1].Name != "bob" {
		t.Errorf("asked about %+v", asked)
	}
	for i, e := range log.entries {
		if e.Peer == "" || strings.HasPrefix(e.Peer, ":") {
			t.Errorf("entry %d has no peer: %+v", i, e)
		}
	}
	if len(log.entries) != 2 || log.entries[0].Caller != "ada" || log.entries[1].Outcome != audit.Refused {
		t.Errorf("noted %+v", log.entries)
	}
	ask(t, node, "PUT", at("/b"), `{}`, "X-Test-Who", "ada")
	ask(t, node, "PUT", at("/c"), `{}`, "X-Test-Who", "ada")
	secure := httptest.NewTLSServer(node.Config.Handler)
	defer secure.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", secure.URL+at("?$top=1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Test-Who", "ada")
	page, err := secure.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	if body, _ := io.ReadAll(page.Body); !strings.Contains(string(body), `"nextLink":"`+secure.URL) {
		t.Errorf("the link does not lead back to the node, in TLS: %s", body)
	}
	forged := "eyJwcmluY2lwYWwiOnsiS2luZCI6MiwiTmFtZSI6ImFkYSJ9fQ==" // the administrator, by the name of ada
	if got := ask(t, owner, "DELETE", at("/a"), "", "X-Test-Who", "mallory", callerHeader, forged); got.status != 403 {
		t.Errorf("a forged caller: %d %s", got.status, got.body)
	}
	if got := ask(t, node, "DELETE", at("/a"), "", "X-Test-Who", "mallory", callerHeader, forged); got.status != 403 {
		t.Errorf("a forged caller that was passed on: %d %s", got.status, got.body)
	}
	if got := ask(t, owner, "GET", at("/a"), "", "X-Test-Who", "", callerHeader, forged); got.status != 401 {
		t.Errorf("nobody, with a forged caller: %d %s", got.status, got.body)
	}
	if got := ask(t, owner, "GET", at("/a"), "", "X-Test-Who", "", "X-Test-Node", "1", callerHeader, "!"); got.status != 401 {
		t.Errorf("a node that says it wrongly: %d %s", got.status, got.body)
	}
	if got := ask(t, owner, "GET", at("/a"), "", "X-Test-Who", "", OwnHeader, "1"); got.status != 401 {
		t.Errorf("a stranger that says it is a node: %d %s", got.status, got.body)
	}
	if got := ask(t, owner, "GET", at("/a"), "", "X-Test-Who", "", "X-Test-Node", "1"); got.status != 401 {
		t.Errorf("a node that says nothing good: %d %s", got.status, got.body)
	}
}
