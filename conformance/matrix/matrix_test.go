// Package matrix_test tries every door with every kind of credential: what is refused is
// refused in the documented way and changes nothing, nothing that is secret comes back,
// and what is allowed works. A door is one entry of doors, a credential one of
// credentials; the table says what is expected of each pair.
package matrix_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

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
	{"the administration token", func(s *stage, audience string) string { return s.admin }, false, "read write keys assign identities status administration", ""},
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
	token("Contributor", "contributor", "read write keys status", "", nil),
	token("Owner", "owner", "read write keys assign identities status", "", nil),
	token("User Access Administrator", "access", "read assign status", "", nil),
}

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

// client shows a credential the way the SDK does; nil when nothing is shown.
func (s *stage) client(c credential) *azservicebus.Client {
	s.Helper()
	o := &azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{MaxRetries: -1}, TLSConfig: s.tls}
	var client *azservicebus.Client
	var err error
	if text := c.make(s, busAudience); c.signature {
		client, err = azservicebus.NewClientFromConnectionString("Endpoint=sb://"+s.server.TLSAddr()+";SharedAccessSignature="+text, o)
	} else {
		client, err = azservicebus.NewClient(s.server.TLSAddr(), fixed(text), o)
	}
	s.must(err)
	s.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}

// fixed is a credential that is one token.
type fixed string

func (f fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(f), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// ofBus reads a refusal of the SDK.
func ofBus(err error) outcome {
	if err == nil {
		return outcome{}
	}
	var e *azservicebus.Error
	o := outcome{text: err.Error()}
	switch {
	case strings.Contains(o.text, "claim(s) are required"):
		o.refused = "forbidden"
	case errors.As(err, &e) && e.Code == azservicebus.CodeUnauthorizedAccess:
		o.refused = "unauthorized"
	default:
		o.refused = "otherwise"
	}
	return o
}

func trySend(s *stage, c credential) outcome {
	if c.make == nil {
		return s.bare(func(session *amqp.Session) error {
			_, err := session.NewSender(s.ctx, "q", nil)
			return err
		})
	}
	sender, err := s.client(c).NewSender("q", nil)
	s.must(err)
	return ofBus(sender.SendMessage(s.ctx, &azservicebus.Message{Body: []byte("m")}, nil))
}

func tryReceive(s *stage, c credential) outcome {
	if c.make == nil {
		return s.bare(func(session *amqp.Session) error {
			_, err := session.NewReceiver(s.ctx, "q", nil)
			return err
		})
	}
	r, err := s.client(c).NewReceiverForQueue("q", nil)
	s.must(err)
	m, err := r.ReceiveMessages(s.ctx, 1, nil)
	if err == nil {
		err = r.AbandonMessage(s.ctx, m[0], nil)
	}
	return ofBus(err)
}

func tryPeek(s *stage, c credential) outcome {
	if c.make == nil {
		return s.bare(func(session *amqp.Session) error {
			_, err := session.NewSender(s.ctx, "q/$management", nil)
			return err
		})
	}
	r, err := s.client(c).NewReceiverForQueue("q", nil)
	s.must(err)
	_, err = r.PeekMessages(s.ctx, 1, nil)
	return ofBus(err)
}

// bare opens a session that shows nothing.
func (s *stage) bare(attach func(*amqp.Session) error) outcome {
	conn, err := amqp.Dial(s.ctx, "amqp://"+s.server.Addr(), &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	s.must(err)
	defer conn.Close()
	session, err := conn.NewSession(s.ctx, nil)
	s.must(err)
	err = attach(session)
	var e *amqp.Error
	switch {
	case err == nil:
		return outcome{}
	case errors.As(err, &e) && e.Condition == amqp.ErrCondUnauthorizedAccess:
		return outcome{refused: "unauthorized", text: err.Error()}
	}
	return outcome{refused: "otherwise", text: err.Error()}
}

// description is a queue as the admin API writes it.
const description = `<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml"><QueueDescription xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"><MaxDeliveryCount>7</MaxDeliveryCount></QueueDescription></content></entry>`

// rest is a request at the doors of the Service Bus that speak HTTP. The runtime API and
// the admin API refuse with 401 whether or not somebody is known; their texts tell.
func rest(method, path, body string) func(*stage, credential) outcome {
	return func(s *stage, c credential) outcome {
		s.Helper()
		r, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.server.HTTPAddr()+path, strings.NewReader(body))
		s.must(err)
		r.Header.Set("Content-Type", "application/atom+xml;type=entry;charset=utf-8")
		if method == http.MethodPut {
			r.Header.Set("If-Match", "*")
		}
		if c.make != nil {
			text := c.make(s, busAudience)
			if !c.signature {
				text = "Bearer " + text
			}
			r.Header.Set("Authorization", text)
		}
		answer, err := http.DefaultClient.Do(r)
		s.must(err)
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		s.must(err)
		o := outcome{text: answer.Status + " " + string(said)}
		switch {
		case answer.StatusCode < 300:
			return outcome{}
		case answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden:
			o.refused = "otherwise"
		case strings.Contains(o.text, "claim(s) are required") || strings.Contains(o.text, "claims required") || strings.Contains(o.text, "Authorization failed for specified action"):
			o.refused = "forbidden"
		default:
			o.refused = "unauthorized"
		}
		return o
	}
}

// arm is a request at the management door.
func arm(method, path, body string) func(*stage, credential) outcome {
	return func(s *stage, c credential) outcome {
		s.Helper()
		r, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.server.HTTPAddr()+path+"?api-version=2022-04-01", bytes.NewReader([]byte(body)))
		s.must(err)
		r.Header.Set("Content-Type", "application/json")
		if c.make != nil {
			scheme := "Bearer "
			if c.signature {
				scheme = "" // it has one of its own
			}
			r.Header.Set("Authorization", scheme+c.make(s, armAudience))
		}
		answer, err := http.DefaultClient.Do(r)
		s.must(err)
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		s.must(err)
		o := outcome{text: string(said)}
		switch {
		case c.signature: // leads to the Service Bus, which shares the door and has nothing of this name
			if strings.Contains(answer.Header.Get("Content-Type"), "json") && answer.StatusCode < 300 {
				s.Errorf("a signature is answered with %s", said)
			}
			o.refused = "unauthorized"
		case answer.StatusCode < 300:
			return outcome{}
		case answer.StatusCode == http.StatusUnauthorized:
			o.refused = "unauthorized"
			if answer.Header.Get("WWW-Authenticate") == "" {
				s.Error("the refusal does not say how to sign in (WWW-Authenticate)")
			}
		case answer.StatusCode == http.StatusForbidden:
			o.refused = "forbidden"
			if !strings.HasPrefix(path, "/continuity") && !strings.Contains(o.text, `"AuthorizationFailed"`) {
				s.Errorf("the refusal has another code: %s", said)
			}
		default:
			o.refused = "otherwise"
		}
		return o
	}
}

func sas(resource, rule, key string, ends time.Time) string {
	escaped, expiry := url.QueryEscape(resource), fmt.Sprint(ends.Unix())
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(escaped + "\n" + expiry))
	return "SharedAccessSignature sr=" + escaped + "&sig=" + url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))) + "&se=" + expiry + "&skn=" + rule
}

// unsigned says that it needs no signature.
func unsigned(s *stage, audience string) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		s.must(err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "none", "kid": "k1"}) + "." + part(map[string]any{
		"iss": s.provider.URL, "sub": "owner", "aud": audience, "exp": time.Now().Add(time.Hour).Unix()}) + ".AA"
}
