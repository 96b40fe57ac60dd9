// Package matrix_test tries every door with every kind of credential: what is refused is
// refused in the documented way and changes nothing, nothing that is secret comes back,
// and what is allowed works. A door is one entry of doors, a credential one of
// credentials; the table says what is expected of each pair.
package matrix_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
	"weir/kernel/audit"
	"weir/kernel/identity/jwt"
	"weir/kernel/identity/oidc"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const (
	namespace = server.Scope + "/providers/Microsoft.ServiceBus/namespaces/" + server.Namespace
	queueID   = namespace + "/queues/q"

	busAudience = "https://servicebus.azure.net/"
	armAudience = "https://management.azure.com/"

	allKey   = "YWxsLXJpZ2h0cy1rZXktb2YtdGhlLWNvbmZvcm1hbmM="
	wrongKey = "d3Jvbmcta2V5LW9mLXRoZS1jb25mb3JtYW5jZS10ZXM="
)

// outcome is what a door does with a credential.
type outcome struct {
	refused string // kind: unauthorized (nobody known) or forbidden (known, may not); empty: it works
	words   string // that the refusal has
	text    string // of the refusal
}

// door is one thing to do at one door. It may be asked with a key's signature, a token
// of a provider, both, or neither.
type door struct {
	name     string
	keys     bool   // it takes signatures
	audience string // of tokens
	needs    string // what a credential must grant
	try      func(s *stage, c credential) outcome
}

var doors = []door{
	{"AMQP send", true, busAudience, "send", trySend},
	{"AMQP receive", true, busAudience, "listen", tryReceive},
	{"AMQP peek", true, busAudience, "listen", tryPeek},
	{"REST send", true, busAudience, "send", rest(http.MethodPost, "/q/messages", "hello")},
	{"REST receive", true, busAudience, "listen", rest(http.MethodDelete, "/q/messages/head?timeout=0", "")},
	{"ATOM read", true, busAudience, "read", rest(http.MethodGet, "/q?api-version=2021-05", "")},
	{"ATOM write", true, busAudience, "write", rest(http.MethodPut, "/q?api-version=2021-05", description)},
	{"ARM read", false, armAudience, "read", arm(http.MethodGet, queueID, "")},
	{"ARM write", false, armAudience, "write", arm(http.MethodPut, queueID, `{"properties":{"maxDeliveryCount":7}}`)},
	{"ARM keys", false, armAudience, "keys", arm(http.MethodPost, namespace+"/authorizationRules/All/listKeys", "")},
	{"ARM assign", false, armAudience, "assign", arm(http.MethodPut, queueID+"/providers/Microsoft.Authorization/roleAssignments/99999999-0000-4000-8000-000000000000",
		`{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":"99999999-0000-4000-8000-000000000000"}}`)},
	{"ARM identities", false, armAudience, "identities", arm(http.MethodPut, server.Scope+"/providers/Weir.Identity/users/eve", `{"properties":{"password":"correct horse"}}`)},
	{"deploy a file", false, armAudience, "identities", arm(http.MethodPost, "/deploy", `[{"type":"Weir.Identity/users","name":"mallory","properties":{"password":"correct horse"}}]`)},
	{"template with a queue", false, armAudience, "template", template(`{"type":"Microsoft.ServiceBus/namespaces/queues","apiVersion":"2021-11-01","name":"sbemulatorns/q","properties":{"maxDeliveryCount":7}}`, `0`)},
	{"template with a user", false, armAudience, "identities", template(`{"type":"Weir.Identity/users","apiVersion":"2026-11-01","name":"trudy","properties":{"password":"correct horse"}}`, `0`)},
	{"template with keys", false, armAudience, "keys", template(``, `listKeys(resourceId('Microsoft.ServiceBus/namespaces/authorizationRules','sbemulatorns','All'),'2021-11-01').primaryKey`)},
	{"status", false, armAudience, "status", arm(http.MethodGet, "/status", "")},
	{"continuity", false, armAudience, "administration", arm(http.MethodGet, "/continuity/groups", "")},
}

// credential is one thing to show.
type credential struct {
	name string
	// make gives it for an audience; nil: nothing is shown.
	make func(s *stage, audience string) string
	// signature says that it is one, for doors that take keys.
	signature bool
	grants    string // what it grants, by the words in needs
	words     string // of the refusal, where it proves nobody
}

func signature(name, key, rule, resource string, ends time.Duration, grants, words string) credential {
	return credential{name, func(*stage, string) string { return sas(resource, rule, key, time.Now().Add(ends)) }, true, grants, words}
}

// token is of a subject with one role; change spoils it.
func token(name, subject, grants, words string, change func(*jwt.Claims)) credential {
	return credential{name, func(s *stage, audience string) string { return s.provider.token(s.T, subject, audience, change) }, false, grants, words}
}

const resource = "sb://localhost/"

var credentials = []credential{
	{"none", nil, false, "", ""},
	{"something else", func(*stage, string) string { return "let-me-in" }, false, "", ""},
	{"the administration token", func(s *stage, audience string) string { return s.admin }, false, "read write keys assign identities status administration template", ""},
	signature("a signature by a wrong key", wrongKey, "All", resource, time.Hour, "", "InvalidSignature"),
	signature("a signature of an unknown rule", allKey, "Nobody", resource, time.Hour, "", "InvalidSignature"),
	signature("an expired signature", allKey, "All", resource, -time.Hour, "", "ExpiredToken"),
	signature("a signature for another queue", allKey, "All", resource+"other", time.Hour, "", "InvalidAudience"),
	signature("Listen", "listen-"+allKey, "ListenOnly", resource, time.Hour, "listen", ""),
	signature("Send", "send-"+allKey, "SendOnly", resource, time.Hour, "send", ""),
	signature("a rule of another queue", "other-"+allKey, "Other", resource, time.Hour, "", "InvalidSignature InvalidAudience"),
	signature("all rights", allKey, "All", resource, time.Hour, "send listen read write", ""),
	token("a token without a role", "nobody", "", "", nil),
	token("an expired token", "owner", "", "ExpiredToken", func(c *jwt.Claims) { c.Expires.Time = time.Now().Add(-time.Minute) }),
	token("a token from the future", "owner", "", "InvalidToken", func(c *jwt.Claims) { c.NotBefore.Time = time.Now().Add(time.Hour) }),
	token("a token that never ends", "owner", "", "InvalidToken", func(c *jwt.Claims) { c.Expires = jwt.Date{} }),
	token("a token for another audience", "owner", "", "InvalidAudience", func(c *jwt.Claims) { c.Audience = jwt.Texts{"https://storage.azure.com"} }),
	token("a token of another issuer", "owner", "", "InvalidIssuer", func(c *jwt.Claims) { c.Issuer += "/x" }),
	token("a token that says whom it is about", "nobody", "", "", func(c *jwt.Claims) { c.Object = "the owner's object id" }),
	{"a token by a wrong key", func(s *stage, audience string) string {
		return sign(s.T, "k1", newKey(s.T), s.provider.claims("owner", audience, nil))
	}, false, "", "InvalidSignature"},
	{"a token by nobody's key", func(s *stage, audience string) string {
		return sign(s.T, "k7", newKey(s.T), s.provider.claims("owner", audience, nil))
	}, false, "", "InvalidSignature"},
	{"an unsigned token", func(s *stage, audience string) string { return unsigned(s, audience) }, false, "", "InvalidSignature MalformedToken"},
	token("Data Sender", "sender", "send read", "", nil),
	token("Data Receiver", "receiver", "listen read", "", nil),
	token("Data Owner", "dataowner", "send listen read write", "", nil), // its control actions are Microsoft.ServiceBus/*
	token("Data Sender of another queue", "elsewhere", "", "", nil),
	token("Data Sender by a group", "member", "send read", "", func(c *jwt.Claims) { c.Groups = jwt.Texts{"senders"} }),
	token("Reader", "reader", "read status", "", nil),
	token("Contributor", "contributor", "read write keys status template", "", nil),
	token("Owner", "owner", "read write keys assign status template", "", nil),
	token("Owner of everything", "everything", "read write keys assign identities status template", "", nil),
	token("a role that deploys", "deployer", "read write status template", "", nil),
	token("User Access Administrator", "access", "read assign status", "", nil),
}

// deployer is a custom role: to deploy templates, and to change queues.
const deployer = "dddddddd-0000-4000-8000-000000000000"

// assignments are who has which role where.
var assignments = []struct{ subject, role, scope string }{
	{"sender", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", queueID},
	{"group senders", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", queueID},
	{"receiver", "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0", namespace},
	{"dataowner", "090c5cfd-751d-490a-894a-3ce6f1109419", queueID},
	{"elsewhere", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", namespace + "/queues/other"},
	{"reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", server.Scope},
	{"contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c", server.Scope},
	{"owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", server.Scope},
	{"everything", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", ""},
	{"deployer", deployer, server.Scope},
	{"access", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", server.Scope},
}

// stage is a server, and a provider it trusts.
type stage struct {
	*testing.T
	ctx      context.Context
	server   *server.Server
	provider *provider
	admin    string
	tls      *tls.Config
	secrets  []string // that must not come back
}

func newStage(t *testing.T) *stage {
	srv := servertest.Start(t, []server.Resource{
		server.Queue("q", server.Properties{"maxDeliveryCount": 3}), server.Queue("other", nil), server.Key("All", allKey, "Manage", "Send", "Listen"),
		server.Key("ListenOnly", "listen-"+allKey, "Listen"), server.Key("SendOnly", "send-"+allKey, "Send"), server.QueueKey("other", "Other", "other-"+allKey, "Listen", "Send"),
	})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &stage{T: t, ctx: ctx, server: srv, provider: newProvider(t)}
	admin, err := os.ReadFile(filepath.Join(srv.Data(), "admin-token"))
	s.must(err)
	ca, err := os.ReadFile(servertest.CAFile(t, srv))
	s.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	s.tls, s.admin = &tls.Config{RootCAs: pool, ServerName: "localhost"}, strings.TrimSpace(string(admin))
	s.secrets = []string{allKey, s.admin}
	s.put(server.Scope+"/providers/Weir.Identity/issuers/test", map[string]any{"issuer": s.provider.URL})
	s.put(server.Scope+"/providers/Microsoft.Authorization/roleDefinitions/"+deployer, map[string]any{"roleName": "Deployer", "permissions": []any{
		map[string]any{"actions": []any{"*/read", "Microsoft.Resources/deployments/*", "Microsoft.ServiceBus/namespaces/queues/*"}}}})
	for i, a := range assignments {
		s.put(fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-%012d", a.scope, i), map[string]any{
			"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + a.role, "principalId": oidc.ObjectID(s.provider.URL, a.subject), "principalType": "ServicePrincipal"})
	}
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) put(id string, properties map[string]any) {
	s.Helper()
	body, err := json.Marshal(map[string]any{"properties": properties})
	s.must(err)
	code, said, err := s.server.Ask(s.ctx, http.MethodPut, id+"?api-version=2022-04-01", body)
	s.must(err)
	if code >= 300 {
		s.Fatalf("put %s: %d %s", id, code, said)
	}
}

// identity gives the client id and object id of a managed identity.
func (s *stage) identity(id string) (client, object string) {
	s.Helper()
	_, said, err := s.server.Ask(s.ctx, http.MethodGet, id+"?api-version=2023-01-31", nil)
	s.must(err)
	var answer struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	s.must(json.Unmarshal(said, &answer))
	return answer.Properties.ClientID, answer.Properties.PrincipalID
}

// expected says what a door must do with a credential.
func expected(d door, c credential) outcome {
	for _, granted := range strings.Fields(c.grants) {
		if granted == d.needs && (c.signature == d.keys || !c.signature) && d.takes(c) {
			return outcome{}
		}
	}
	proves := c.words == "" && c.make != nil && c.name != "something else" && d.takes(c)
	if proves {
		return outcome{refused: "forbidden"}
	}
	return outcome{refused: "unauthorized", words: c.words}
}

// takes says whether a credential is of a kind the door knows.
func (d door) takes(c credential) bool {
	if c.name == "the administration token" {
		return !d.keys
	}
	return d.keys || !c.signature
}

func TestMatrix(t *testing.T) {
	s := newStage(t)
	s.must(s.fill())
	refused := 0
	for _, d := range doors {
		for _, c := range credentials {
			if expected(d, c).refused != "" && d.takes(c) {
				refused++
			}
			t.Run(d.name+" with "+c.name, func(t *testing.T) {
				one := *s
				one.T = t
				before := one.state()
				want, got := expected(d, c), d.try(&one, c)
				if got.refused != want.refused || want.refused == "unauthorized" && d.takes(c) && !hasOneOf(got.text, want.words) {
					t.Errorf("%q (%s), want %q with one of the words %q", got.refused, got.text, want.refused, want.words)
				}
				if want.refused == "" {
					one.put(queueID, map[string]any{"maxDeliveryCount": 3})
					return
				}
				if after := one.state(); after != before {
					t.Errorf("what was refused changed something: %s\nbefore %s", difference(before, after), difference(after, before))
				}
				shown := ""
				if c.make != nil {
					shown = c.make(&one, d.audience)
				}
				for _, secret := range append([]string{shown}, one.secrets...) {
					if secret != "" && secret != "let-me-in" && strings.Contains(got.text, secret) {
						t.Errorf("the refusal tells a secret: %s", got.text)
					}
				}
			})
		}
	}
	s.audited(refused)
}

// audited waits until the audit log has at least so many refusals, and looks for what it
// must not have.
func (s *stage) audited(least int) {
	s.Helper()
	within := time.After(20 * time.Second)
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		code, said, err := s.server.Ask(s.ctx, http.MethodGet, "/audit?outcome=Refused&top=1000", nil)
		s.must(err)
		var page audit.Page
		if err := json.Unmarshal(said, &page); err != nil || code != http.StatusOK {
			s.Fatalf("the audit log: %d %v", code, err)
		}
		found, doors := 0, map[string]int{}
		for _, e := range page.Entries {
			found += max(1, e.Count)
			doors[e.Door] += max(1, e.Count)
		}
		for _, secret := range s.secrets {
			if strings.Contains(string(said), secret) {
				s.Error("the audit log tells a secret")
			}
		}
		if found >= least && doors["amqp"] > 0 && doors["rest"] > 0 && doors["atom"] > 0 && doors["arm"] > 0 {
			return
		}
		select {
		case <-again.C:
		case <-within:
			s.Fatalf("%d refusals of at least %d are in the audit log, by door %v", found, least, doors)
		}
	}
}

// difference is where two texts part.
func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return b[max(0, i-40):min(len(b), i+80)]
}

func hasOneOf(text, words string) bool {
	if words == "" {
		return true
	}
	for _, word := range strings.Fields(words) {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// fill puts messages in, for those who may take them out.
func (s *stage) fill() error {
	c, err := azservicebus.NewClientFromConnectionString(s.server.Emulator(), nil)
	if err != nil {
		return err
	}
	defer c.Close(s.ctx)
	sender, err := c.NewSender("q", nil)
	if err != nil {
		return err
	}
	for range 20 {
		if err := sender.SendMessage(s.ctx, &azservicebus.Message{Body: []byte("m")}, nil); err != nil {
			return err
		}
	}
	return nil
}

// state is what refused requests must leave alone: how the queue is declared, what it
// holds, who is there.
func (s *stage) state() string {
	s.Helper()
	text := ""
	for _, path := range []string{queueID, queueID + "/providers/Microsoft.Authorization/roleAssignments", server.Scope + "/providers/Weir.Identity/users"} {
		_, said, err := s.server.Ask(s.ctx, http.MethodGet, path+"?api-version=2022-04-01", nil)
		s.must(err)
		text += string(said) + "\n"
	}
	return accessed.ReplaceAllString(text, "") // noted a moment after who was allowed came
}

var accessed = regexp.MustCompile(`"accessedAt":"[^"]*",?`)
