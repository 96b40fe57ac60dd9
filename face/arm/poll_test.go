package arm

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

// aToken is a credential that shows the same token always.
type aToken struct{}

func (aToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "sesame", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// Azure's own poller follows what lasts to its end, and reads the result.
func TestClientsPoll(t *testing.T) {
	s := newStage(t, nil)
	server := httptest.NewTLSServer(s.door)
	defer server.Close()
	client, err := armresources.NewClient("s", aToken{}, &azarm.ClientOptions{ClientOptions: policy.ClientOptions{
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: server.URL, Audience: "https://management.azure.com/"},
		}},
		Transport: server.Client(), Retry: policy.RetryOptions{MaxRetries: -1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	poll := func(p interface {
		Poll(context.Context) (*http.Response, error)
		Done() bool
	}) {
		t.Helper()
		for range 3 {
			if _, err := p.Poll(ctx); err != nil || p.Done() {
				t.Fatalf("over before it was: %v", err)
			}
		}
		s.settled = true
		if _, err := p.Poll(ctx); err != nil || !p.Done() {
			t.Fatalf("not over when it was: %v", err)
		}
	}
	s.settled = false
	put, err := client.BeginCreateOrUpdateByID(ctx, shop, "2026-01-01", armresources.GenericResource{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	poll(put)
	made, err := put.Result(ctx)
	if err != nil || made.Properties.(map[string]any)["provisioningState"] != "Succeeded" || *made.ID != shop {
		t.Errorf("%+v (%v)", made, err)
	}
	s.settled = false
	gone, err := client.BeginDeleteByID(ctx, shop, "2026-01-01", nil)
	if err != nil {
		t.Fatal(err)
	}
	poll(gone)
	if _, err := gone.Result(ctx); err != nil {
		t.Error(err)
	}
}
