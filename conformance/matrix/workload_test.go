package matrix_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

// TestWorkloadIdentity has a program of a Kubernetes cluster, which is the test's own
// provider, be a managed identity by the token that the cluster puts into a file.
func TestWorkloadIdentity(t *testing.T) {
	s := newStage(t)
	const id = server.Scope + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker"
	s.put(id, nil)
	s.put(id+"/federatedIdentityCredentials/cluster", map[string]any{"issuer": s.provider.URL, "subject": "system:serviceaccount:shop:worker"})
	client, object := s.identity(id)
	s.put(queueID+"/providers/Microsoft.Authorization/roleAssignments/77777777-0000-4000-8000-000000000000", map[string]any{
		"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", "principalId": object})
	file := filepath.Join(t.TempDir(), "token")
	s.must(os.WriteFile(file, []byte(s.provider.token(t, "system:serviceaccount:shop:worker", "api://AzureADTokenExchange", nil)), 0o600))
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
	t.Setenv("AZURE_CLIENT_ID", client)
	t.Setenv("AZURE_TENANT_ID", "57656972-0000-4000-8000-000000000001")
	cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{DisableInstanceDiscovery: true, ClientOptions: azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: "https://" + s.server.HTTPSAddr() + "/"},
		Transport: &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls}}, Retry: policy.RetryOptions{MaxRetries: -1},
	}})
	s.must(err)
	bus, err := azservicebus.NewClient(s.server.TLSAddr(), cred, &azservicebus.ClientOptions{TLSConfig: s.tls})
	s.must(err)
	defer bus.Close(s.ctx)
	sender, err := bus.NewSender("q", nil)
	s.must(err)
	s.must(sender.SendMessage(s.ctx, &azservicebus.Message{Body: []byte("hello")}, nil))
}
