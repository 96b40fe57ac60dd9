package cli

import (
	"strings"
	"testing"
)

const (
	inScope    = "/subscriptions/s/resourceGroups/g/providers/"
	statusText = `{"scope":"/subscriptions/s/resourceGroups/g","namespace":"ns","doors":{"https":"127.0.0.1:8443"}}`
	annObject  = "11111111-1111-4111-8111-111111111111"
	aRole      = "22222222-2222-4222-8222-222222222222"
)

func TestIdentityAssign(t *testing.T) {
	const queue = inScope + "Microsoft.ServiceBus/namespaces/ns/queues/orders"
	by := map[string]string{
		"GET /status": statusText,
		"GET " + inScope + "Weir.Identity/users/ann":                          `{"properties":{"objectId":"` + annObject + `"}}`,
		"GET " + inScope + "Weir.Identity/users/twice":                        `{"properties":{"objectId":"` + annObject + `"}}`,
		"GET " + inScope + "Weir.Identity/groups/twice":                       `{"properties":{"objectId":"` + aRole + `"}}`,
		"GET " + queue + "/providers/Microsoft.Authorization/roleDefinitions": `{"value":[{"name":"` + aRole + `","properties":{"roleName":"Sender of Things"}}]}`,
	}
	server, asked := answers(t, by)
	run(t, server, "identity", "assign", "sender of things", "ann", "--at", "queues/orders")
	put := (*asked)[len(*asked)-1]
	id, body, _ := strings.Cut(strings.TrimPrefix(put, "PUT "), " ")
	if !strings.HasPrefix(id, queue+"/providers/Microsoft.Authorization/roleAssignments/") || !strings.Contains(body, `"principalId":"`+annObject+`"`) || !strings.Contains(body, aRole) || !strings.Contains(body, `"principalType":"User"`) {
		t.Errorf("asked %s", put)
	}
	by["PUT "+id] = `{"properties":{}}` // the id is the same each time
	by["DELETE "+id] = ``
	if status, _, talk := run(t, server, "identity", "assign", "sender of things", "ann", "--at", "queues/orders"); status != 0 || !strings.Contains(talk, "ann has the role") {
		t.Errorf("%d %s", status, talk)
	}
	if status, _, talk := run(t, server, "identity", "assign", aRole, strings.ToUpper(annObject), "--at", "queues/orders", "--remove"); status != 0 {
		t.Errorf("%d %s", status, talk)
	}
	for words, args := range map[string][]string{
		"nobody is called": {"identity", "assign", aRole, "eve"}, "name of several": {"identity", "assign", aRole, "twice"}, "no role is called": {"identity", "assign", "nothing", "ann", "--at", "queues/orders"},
	} {
		if status, _, talk := run(t, server, args...); status == 0 || !strings.Contains(talk, words) {
			t.Errorf("%v: %d %s", args, status, talk)
		}
	}
}

func TestIdentityUserAndApp(t *testing.T) {
	const user, app = inScope + "Weir.Identity/users/ann", inScope + "Weir.Identity/applications/shop"
	server, asked := answers(t, map[string]string{
		"GET /status": statusText, "GET " + user: `{"properties":{"displayName":"Ann","objectId":"` + annObject + `"}}`, "PUT " + user: `{"properties":{"objectId":"` + annObject + `"}}`,
		"PUT " + app: `{"properties":{"clientId":"c","objectId":"o"}}`, "POST " + app + "/addSecret": `{"secret":"hush"}`,
	})
	status, out, _ := run(t, server, "identity", "user", "ann")
	if password := strings.TrimSpace(out); status != 0 || len(password) < 20 || !strings.Contains((*asked)[len(*asked)-1], `"displayName":"Ann","objectId":"`+annObject+`","password":"`+password+`"`) {
		t.Errorf("%d %s asked %s", status, out, (*asked)[len(*asked)-1])
	}
	status, out, _ = run(t, server, "identity", "user", "ann", "--password-stdin")
	if status != 0 || out != "" || !strings.Contains((*asked)[len(*asked)-1], `"password":"from standard input"`) {
		t.Errorf("%d %q asked %s", status, out, (*asked)[len(*asked)-1])
	}
	status, out, _ = run(t, server, "identity", "app", "shop")
	if status != 0 || !strings.Contains(out, "AZURE_CLIENT_ID=c\nAZURE_CLIENT_SECRET=hush\nAZURE_AUTHORITY_HOST=https://127.0.0.1:8443/\n") {
		t.Errorf("%d %s", status, out)
	}
}
