package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"weir/internal/groups"
	"weir/kernel/resource/access"
)

// grant asks a location's identity provider for a token of an application.
func (p *place) grant(t *testing.T, client, secret string) string {
	t.Helper()
	answer, err := http.PostForm("http://"+p.Addrs()["http"]+"/"+access.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}, "scope": {"https://management.azure.com/.default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		Token string `json:"access_token"`
	}
	data, err := io.ReadAll(answer.Body)
	if err != nil || json.Unmarshal(data, &body) != nil || body.Token == "" {
		t.Fatalf("%s gives no token: %s %s", p.o.Location, answer.Status, data)
	}
	return body.Token
}

// reads reports what a location's door says to a reader with a token.
func (p *place) reads(t *testing.T, token, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Addrs()["http"]+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// Who may do what moves with the group: a token that one location gave is good in the
// other one, for what its roles allow; and what moves is changed where the group is.
func TestAccessMovesWithTheGroup(t *testing.T) {
	west, east := twoLocations(t, map[string]any{"access": []any{DefaultScope.String()}})
	const app = "/providers/Weir.Identity/applications/shop"
	queue := DefaultScope.String() + "/providers/Microsoft.ServiceBus/namespaces/sbemulatorns/queues/" + ordersQueue
	var made struct {
		Properties struct{ ObjectID, ClientID string } `json:"properties"`
	}
	must := func(p *place, method, path string, body, result any) {
		t.Helper()
		if err := p.ask(t.Context(), method, path, body, result); err != nil {
			t.Fatal(err)
		}
	}
	must(west, http.MethodPut, DefaultScope.String()+app, map[string]any{"properties": map[string]any{}}, &made)
	var added struct{ Secret string }
	must(west, http.MethodPost, DefaultScope.String()+app+"/addSecret", map[string]any{"name": "first"}, &added)
	const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	must(west, http.MethodPut, DefaultScope.String()+"/providers/Microsoft.Authorization/roleAssignments/11111111-2222-3333-4444-555555555555", map[string]any{"properties": map[string]any{
		"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + reader, "principalId": made.Properties.ObjectID, "principalType": "ServicePrincipal",
	}}, nil)
	token := west.grant(t, made.Properties.ClientID, added.Secret)
	if got := west.reads(t, token, queue); got != http.StatusOK {
		t.Fatalf("west answers its own token with %d", got)
	}
	until(t, func() string { return fmt.Sprintf("a token of west: east says %d", east.reads(t, token, queue)) }, func() bool { return east.reads(t, token, queue) == http.StatusOK })
	if again := east.grant(t, made.Properties.ClientID, added.Secret); west.reads(t, again, queue) != http.StatusOK {
		t.Error("a token of east is not good in west")
	}
	err := east.ask(t.Context(), http.MethodPut, DefaultScope.String()+"/providers/Weir.Identity/groups/g", map[string]any{"properties": map[string]any{}}, nil)
	if err == nil || !strings.Contains(err.Error(), "changed here too") {
		t.Errorf("east changes what west has: %v", err)
	}
	west.abort()
	must(east, http.MethodPost, groupPath+"/promote", map[string]any{"force": true}, nil)
	east.await(t, "east to be primary", func(g groups.Status) bool { return g.Standing == "primary" })
	if got := east.reads(t, token, queue); got != http.StatusOK {
		t.Errorf("with west gone east says %d to its token", got)
	}
	must(east, http.MethodPut, DefaultScope.String()+"/providers/Weir.Identity/groups/g", map[string]any{"properties": map[string]any{}}, nil)
}
