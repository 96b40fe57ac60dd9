// Package arm_test tries Azure's unmodified management clients for Go against a
// started server: armservicebus, armresources, armlocks and armsubscriptions.
package arm_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// stageTime bounds one test.
const stageTime = 2 * time.Minute

// stage is a started server as management clients see it.
type stage struct {
	*testing.T
	ctx     context.Context
	server  *server.Server
	token   string
	options *arm.ClientOptions
}

// The subscription and group of the default namespace.
const (
	defaultSubscription = "00000000-0000-0000-0000-000000000000"
	defaultGroup        = "weir"
	defaultNamespace    = "sbemulatorns"
)

func newStage(t *testing.T, needs ...server.Resource) *stage {
	t.Helper()
	return stageOf(t, servertest.Start(t, needs))
}

// stageOf is a stage over a server that runs.
func stageOf(t *testing.T, srv *server.Server) *stage {
	t.Helper()
	s := &stage{T: t, server: srv}
	ctx, cancel := context.WithTimeout(t.Context(), stageTime)
	t.Cleanup(cancel)
	s.ctx = ctx
	token, err := os.ReadFile(filepath.Join(s.server.Data(), "admin-token"))
	s.must(err)
	s.token = strings.TrimSpace(string(token))
	pem, err := s.server.CA(ctx)
	s.must(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the server's authority is no certificate")
	}
	endpoint := "https://" + s.server.HTTPSAddr()
	s.options = &arm.ClientOptions{ClientOptions: policy.ClientOptions{
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: endpoint, Audience: "https://management.azure.com/"},
		}},
		Transport: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}}
	return s
}

// GetToken shows the administration token, whatever it is asked for.
func (s *stage) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: s.token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// refused checks that work was refused with a status and a code, in words that hold a
// text.
func (s *stage) refused(err error, status int, code, words string) {
	s.Helper()
	var response *azcore.ResponseError
	if !errors.As(err, &response) || response.StatusCode != status || response.ErrorCode != code || !strings.Contains(err.Error(), words) {
		s.Errorf("%v\nwant %d %s with %q", err, status, code, words)
	}
}

func value[T any](s *stage) func(T, error) T {
	return func(v T, err error) T {
		s.Helper()
		s.must(err)
		return v
	}
}

// done waits for an operation that lasts.
func done[T any](s *stage, p *runtime.Poller[T], err error) T {
	s.Helper()
	s.must(err)
	result, err := p.PollUntilDone(s.ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
	s.must(err)
	return result
}

// all reads every page of a list.
func all[P, T any](s *stage, pager *runtime.Pager[P], items func(P) []*T) (found []*T) {
	s.Helper()
	for pager.More() {
		page, err := pager.NextPage(s.ctx)
		s.must(err)
		found = append(found, items(page)...)
	}
	return found
}

// names joins the names of what a list gave.
func names[T any](items []*T, name func(*T) *string) string {
	var found []string
	for _, one := range items {
		found = append(found, *name(one))
	}
	return strings.Join(found, " ")
}
