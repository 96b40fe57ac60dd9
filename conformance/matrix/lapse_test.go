package matrix_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/kernel/identity/jwt"
)

// TestLinksLapse has receivers wait on an empty queue: one whose token ends, one whose
// role is taken away. Both are told within seconds, each in its own words.
func TestLinksLapse(t *testing.T) {
	s := newStage(t)
	wait := func(text string) <-chan error {
		client, err := azservicebus.NewClient(s.server.TLSAddr(), fixed(text), &azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{MaxRetries: -1}, TLSConfig: s.tls})
		s.must(err)
		t.Cleanup(func() { _ = client.Close(context.Background()) })
		r, err := client.NewReceiverForQueue("q", nil)
		s.must(err)
		_, err = r.PeekMessages(s.ctx, 1, nil) // it is let in
		s.must(err)
		ended := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
			defer cancel()
			_, err := r.ReceiveMessages(ctx, 1, nil)
			ended <- err
		}()
		return ended
	}
	ends := wait(s.provider.token(t, "receiver", busAudience, func(c *jwt.Claims) { c.Expires.Time = time.Now().Add(3 * time.Second) }))
	taken := wait(s.provider.token(t, "dataowner", busAudience, nil))
	code, said, err := s.server.Ask(s.ctx, http.MethodDelete, queueID+"/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000003?api-version=2022-04-01", nil)
	s.must(err)
	if code >= 300 {
		t.Fatalf("%d %s", code, said)
	}
	for _, c := range []struct {
		ended <-chan error
		words string
	}{{taken, "'Listen' claim(s) are required"}, {ends, "ExpiredToken"}} {
		err := <-c.ended
		var e *azservicebus.Error
		if !errors.As(err, &e) || e.Code != azservicebus.CodeUnauthorizedAccess || !strings.Contains(err.Error(), c.words) {
			t.Errorf("the link ended with %v, want unauthorized access and the words %q", err, c.words)
		}
	}
}
