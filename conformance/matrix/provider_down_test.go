package matrix_test

import (
	"net/http"
	"testing"

	"weir/kernel/identity/jwt"
)

// The provider changes its keys, and goes away: who has a token of a key it published is
// let in all the same, and nobody with one that it did not.
func TestProviderRotatesAndGoesAway(t *testing.T) {
	s := newStage(t)
	read := func(text string) outcome {
		return arm(http.MethodGet, queueID, "")(s, credential{make: func(*stage, string) string { return text }})
	}
	if o := read(s.provider.token(t, "reader", armAudience, nil)); o.refused != "" {
		t.Fatal(o)
	}
	second := s.provider.rotate(t, "k2")
	fresh := sign(t, "k2", second, s.provider.claims("reader", armAudience, nil))
	if o := read(fresh); o.refused == "forbidden" {
		t.Error(o) // believed, or not yet: keys are fetched at most every ten seconds
	}
	old := s.server
	s.must(old.Stop())
	s.must(old.Start(s.ctx)) // with no keys in memory: they are fetched
	if o := read(fresh); o.refused != "" {
		t.Error(o)
	}
	s.provider.Close()
	s.must(old.Stop())
	s.must(old.Start(s.ctx)) // with the keys it had
	if o := read(fresh); o.refused != "" {
		t.Errorf("the provider is away: %v", o)
	}
	if o := read(sign(t, "k3", newKey(t), s.provider.claims("reader", armAudience, func(c *jwt.Claims) { c.Roles = jwt.Texts{"Owner"} }))); o.refused != "unauthorized" {
		t.Errorf("by an invented key: %v", o)
	}
}
