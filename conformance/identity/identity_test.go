// Package identity_test has the unmodified credentials of Azure's SDK, azidentity, get
// tokens from a started server, and its Service Bus client use the server with them:
// no key is given to anybody.
package identity_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// What Azure calls the roles, and the directory.
const (
	roleSender   = "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"
	roleReceiver = "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"
	tenant       = "57656972-0000-4000-8000-000000000001"
	namespace    = server.Scope + "/providers/Microsoft.ServiceBus/namespaces/" + server.Namespace
)

// once makes a client say at once what went wrong.
var once = azservicebus.RetryOptions{MaxRetries: -1}

// stage is a server with what a test needs of it.
type stage struct {
	*testing.T
	ctx    context.Context
	server *server.Server
	tls    *tls.Config
}

func newStage(t *testing.T, needs []server.Resource, args ...string) *stage {
	srv := servertest.Start(t, needs, args...)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &stage{T: t, ctx: ctx, server: srv}
	ca, err := os.ReadFile(servertest.CAFile(t, srv))
	s.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	s.tls = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// put declares a resource and gives what the server made of its properties.
func (s *stage) put(id string, properties map[string]any) map[string]any {
	s.Helper()
	body, err := json.Marshal(map[string]any{"properties": properties})
	s.must(err)
	return s.ask(http.MethodPut, id, body)
}

func (s *stage) ask(method, path string, body []byte) map[string]any {
	s.Helper()
	code, said, err := s.server.Ask(s.ctx, method, path+"?api-version=2022-04-01", body)
	s.must(err)
	if code >= 300 {
		s.Fatalf("%s %s: %d %s", method, path, code, said)
	}
	var answer map[string]any
	if len(said) > 0 {
		s.must(json.Unmarshal(said, &answer))
	}
	if p, ok := answer["properties"].(map[string]any); ok {
		return p
	}
	return answer
}

// assign gives a role to somebody, and returns the id of the assignment.
func (s *stage) assign(role, principal, scope string) string {
	s.Helper()
	id := fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/%s", scope, guid(s))
	s.put(id, map[string]any{"roleDefinitionId": "/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/" + role, "principalId": principal, "principalType": "ServicePrincipal"})
	return id
}

func guid(s *stage) string {
	var b [16]byte
	_, err := rand.Read(b[:])
	s.must(err)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// client is the SDK's client with a credential, over TLS.
func (s *stage) client(cred azcore.TokenCredential) *azservicebus.Client {
	s.Helper()
	c, err := azservicebus.NewClient(s.server.TLSAddr(), cred, &azservicebus.ClientOptions{RetryOptions: once, TLSConfig: s.tls})
	s.must(err)
	s.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func (s *stage) send(c *azservicebus.Client, queue string) error {
	s.Helper()
	sender, err := c.NewSender(queue, nil)
	s.must(err)
	defer sender.Close(s.ctx)
	return sender.SendMessage(s.ctx, &azservicebus.Message{Body: []byte("hello")}, nil)
}

func (s *stage) receive(c *azservicebus.Client, queue string) error {
	s.Helper()
	r, err := c.NewReceiverForQueue(queue, nil)
	s.must(err)
	defer r.Close(s.ctx)
	messages, err := r.ReceiveMessages(s.ctx, 1, nil)
	if err == nil {
		err = r.CompleteMessage(s.ctx, messages[0], nil)
	}
	return err
}

// refused checks that a client was refused with the words given.
func (s *stage) refused(err error, words string) {
	s.Helper()
	var e *azservicebus.Error
	if !errors.As(err, &e) || e.Code != azservicebus.CodeUnauthorizedAccess || !strings.Contains(err.Error(), words) {
		s.Errorf("refused with %v, want unauthorized access and the words %q", err, words)
	}
}

// https reaches the server's HTTPS door with its authority trusted.
func (s *stage) https() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: "https://" + s.server.HTTPSAddr() + "/"},
		Transport: &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls}},
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}
}

// alone runs a test in a process of its own, and says whether this is it: the SDK
// remembers tokens of managed identities for the whole process, and each run has a
// server of its own.
func alone(t *testing.T) bool {
	t.Helper()
	const mark = "WEIR_TEST_ALONE"
	if os.Getenv(mark) != "" {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), mark+"=1", servertest.BinaryVariable+"="+servertest.Binary(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// The story of a laptop: two variables, and the credential everybody uses.
func TestDefaultCredential(t *testing.T) {
	if !alone(t) {
		return
	}
	s := newStage(t, []server.Resource{server.Queue("orders", nil)})
	t.Setenv("IDENTITY_ENDPOINT", "http://"+s.server.HTTPAddr()+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "weir")
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	s.must(err)
	c := s.client(cred)
	s.must(s.send(c, "orders"))
	s.must(s.receive(c, "orders"))
	_, err = cred.GetToken(s.ctx, policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	s.must(err)
}

// A managed identity that was declared does what its roles say, where they say it, and
// no longer than it has them.
func TestManagedIdentity(t *testing.T) {
	s := newStage(t, []server.Resource{server.Queue("in", nil), server.Queue("out", nil)})
	t.Setenv("IDENTITY_ENDPOINT", "http://"+s.server.HTTPAddr()+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "any")
	id := server.Scope + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker-" + guid(s)
	made := s.put(id, map[string]any{"principalId": "00000000-0000-0000-0000-000000000001"})
	if made["principalId"] == "00000000-0000-0000-0000-000000000001" || made["workloadKey"] != nil {
		t.Fatalf("the identity was made as %v", made)
	}
	for name, by := range map[string]azidentity.ManagedIDKind{
		"client id": azidentity.ClientID(made["clientId"].(string)), "object id": azidentity.ObjectID(made["principalId"].(string)), "resource id": azidentity.ResourceID(id),
	} {
		cred, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: by})
		s.must(err)
		if _, err := cred.GetToken(s.ctx, policy.TokenRequestOptions{Scopes: []string{"https://servicebus.azure.net/.default"}}); err != nil {
			t.Errorf("by %s: %v", name, err)
		}
	}
	cred, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ResourceID(id)})
	s.must(err)
	s.refused(s.send(s.client(cred), "out"), "'Send' claim(s) are required")
	assignment := s.assign(roleSender, made["principalId"].(string), namespace+"/queues/out")
	s.must(s.send(s.client(cred), "out"))
	s.refused(s.send(s.client(cred), "in"), "'Send' claim(s) are required")
	s.refused(s.receive(s.client(cred), "out"), "'Listen' claim(s) are required")
	s.assign(roleReceiver, made["principalId"].(string), namespace)
	s.must(s.receive(s.client(cred), "out"))
	s.ask(http.MethodDelete, assignment, nil)
	s.refused(s.send(s.client(cred), "out"), "'Send' claim(s) are required")

	stranger, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID("11111111-2222-3333-4444-555555555555")})
	s.must(err)
	if _, err := stranger.GetToken(s.ctx, policy.TokenRequestOptions{Scopes: []string{"https://servicebus.azure.net/.default"}}); err == nil {
		t.Error("an identity that nobody declared gets a token")
	}
}

// Where the default identity is off, a workload proves itself by its key.
func TestWorkloadKey(t *testing.T) {
	s := newStage(t, []server.Resource{server.Queue("q", nil)}, "--default-identity", "off")
	t.Setenv("IDENTITY_ENDPOINT", "http://"+s.server.HTTPAddr()+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "weir")
	scope := policy.TokenRequestOptions{Scopes: []string{"https://servicebus.azure.net/.default"}}
	asked, err := http.NewRequestWithContext(s.ctx, http.MethodGet, os.Getenv("IDENTITY_ENDPOINT")+"?api-version=2019-08-01&resource=https://servicebus.azure.net", nil)
	s.must(err)
	asked.Header.Set("X-IDENTITY-HEADER", "weir")
	answer, err := http.DefaultClient.Do(asked)
	s.must(err)
	if answer.Body.Close(); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("the default identity is off, and asking for it is answered with %s", answer.Status)
	}
	id := server.Scope + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker"
	made := s.put(id, nil)
	s.assign(roleSender, made["principalId"].(string), namespace)
	t.Setenv("IDENTITY_HEADER", s.ask(http.MethodPost, id+"/listWorkloadKey", nil)["workloadKey"].(string))
	mine, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(made["clientId"].(string))}) // by name, for the SDK remembers tokens without one for the whole process
	s.must(err)
	s.must(s.send(s.client(mine), "q"))
	other := s.put(server.Scope+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/other", nil)
	notMine, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(other["clientId"].(string))})
	s.must(err)
	if _, err := notMine.GetToken(s.ctx, scope); err == nil {
		t.Error("a workload got a token of another one")
	}
}

// Applications with a secret and with a certificate, at a namespace that takes no keys.
func TestApplications(t *testing.T) {
	s := newStage(t, []server.Resource{server.Queue("q", nil)})
	app := server.Scope + "/providers/Weir.Identity/applications/shop"
	made := s.put(app, map[string]any{"displayName": "The shop"})
	s.assign(roleSender, made["objectId"].(string), namespace)
	client := made["clientId"].(string)
	secret := s.ask(http.MethodPost, app+"/addSecret", []byte(`{"name":"first"}`))["secret"].(string)
	s.put(namespace, map[string]any{"disableLocalAuth": true})

	o := &azidentity.ClientSecretCredentialOptions{ClientOptions: s.https(), DisableInstanceDiscovery: true}
	good, err := azidentity.NewClientSecretCredential(tenant, client, secret, o)
	s.must(err)
	c := s.client(good)
	s.must(s.send(c, "q"))
	s.refused(s.receive(c, "q"), "'Listen' claim(s) are required")

	wrong, err := azidentity.NewClientSecretCredential(tenant, client, "x"+secret, o)
	s.must(err)
	if _, err := wrong.GetToken(s.ctx, policy.TokenRequestOptions{Scopes: []string{"https://servicebus.azure.net/.default"}}); err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("a wrong secret: %v", err)
	}

	cert, key := certificate(s)
	s.put(app+"/keys/laptop", map[string]any{"publicKey": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))})
	signed, err := azidentity.NewClientCertificateCredential(tenant, client, []*x509.Certificate{cert}, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: s.https(), DisableInstanceDiscovery: true})
	s.must(err)
	s.must(s.send(s.client(signed), "q"))

	s.ask(http.MethodDelete, app+"/secrets/first", nil)
	again, err := azidentity.NewClientSecretCredential(tenant, client, secret, o)
	s.must(err)
	if _, err := again.GetToken(s.ctx, policy.TokenRequestOptions{Scopes: []string{"https://servicebus.azure.net/.default"}}); err == nil {
		t.Error("a secret that was removed is good")
	}
	s.put(app, map[string]any{"enabled": false, "clientId": client, "objectId": made["objectId"]})
	fresh := s.client(good) // the credential still has its token
	if err := s.send(fresh, "q"); err == nil {
		t.Error("a disabled application is let in")
	}
}

func certificate(s *stage) (*x509.Certificate, crypto.PrivateKey) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	s.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	s.must(err)
	cert, err := x509.ParseCertificate(der)
	s.must(err)
	return cert, key
}
