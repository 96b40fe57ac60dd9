package node_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

// TestIdentity plays the scenarios without keys: the server gives the tokens.
func TestIdentity(t *testing.T) {
	dir := install(t)
	srv := servertest.Start(t, plainQueues("by-default", "of-worker"))
	ask := func(method, id string, properties map[string]any) map[string]any {
		t.Helper()
		body, err := json.Marshal(map[string]any{"properties": properties})
		if err != nil {
			t.Fatal(err)
		}
		code, said, err := srv.Ask(t.Context(), method, server.Scope+"/providers/"+id+"?api-version=2022-04-01", body)
		if err != nil || code >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, id, code, said, err)
		}
		var answer struct {
			Properties map[string]any
			Secret     string
		}
		if err := json.Unmarshal(said, &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Secret != "" {
			return map[string]any{"secret": answer.Secret}
		}
		return answer.Properties
	}
	const app = "Weir.Identity/applications/shop"
	worker, shop := ask(http.MethodPut, "Microsoft.ManagedIdentity/userAssignedIdentities/worker", nil), ask(http.MethodPut, app, nil)
	for name, id := range map[string]any{"1": worker["principalId"], "2": shop["objectId"]} {
		ask(http.MethodPut, "Microsoft.ServiceBus/namespaces/"+server.Namespace+"/queues/of-worker/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-00000000000"+name, map[string]any{
			"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", "principalId": id, "principalType": "ServicePrincipal"})
	}
	secret := ask(http.MethodPost, app+"/addSecret", nil)["secret"].(string)
	play(t, dir, "identity.test.mjs", append(environment(t, srv),
		"IDENTITY_ENDPOINT=http://"+srv.HTTPAddr()+"/msi/token", "IDENTITY_HEADER=weir", "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://"+srv.HTTPAddr(),
		"WEIR_WORKER="+worker["clientId"].(string), "WEIR_APP="+shop["clientId"].(string), "WEIR_SECRET="+secret, "WEIR_TENANT=57656972-0000-4000-8000-000000000001"))
}
