package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"weir/internal/secrethash"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
	"weir/kernel/identity/rights"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
	"weir/kernel/resource/access/accesstest"
)

var update = flag.Bool("update", false, "write the reference page anew")

const (
	group   = "/subscriptions/s/resourceGroups/g"
	people  = group + "/providers/Weir.Identity/"
	grants  = "/providers/Microsoft.Authorization/roleAssignments/"
	roles   = "/providers/Microsoft.Authorization/roleDefinitions/"
	managed = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"

	guid1 = "11111111-1111-4111-8111-111111111111"
	guid2 = "22222222-2222-4222-8222-222222222222"
	guid3 = "33333333-3333-4333-8333-333333333333"

	write = "Microsoft.ServiceBus/namespaces/write"
)

func bearer(object string, groups ...string) identity.Principal {
	return identity.Principal{Kind: identity.Bearer, Subject: &identity.Subject{Object: object, Groups: groups}}
}

// The story of an assignment: nobody may, somebody may, below and not beside, nobody
// may any more.
func TestAssignments(t *testing.T) {
	s, x := accesstest.New(t, access.Options{})
	if x.Allows(bearer(guid1), write, group, false) || x.Allows(identity.Principal{Kind: identity.SharedAccess, Claims: identity.Manage}, write, group, false) {
		t.Error("somebody may, whom nobody let")
	}
	if !x.Allows(identity.Principal{Kind: identity.Administrator}, write, group, false) {
		t.Error("the administrator may not")
	}
	id := group + grants + guid2
	s.Declare(id, map[string]any{"roleDefinitionId": "/subscriptions/s" + roles + rights.Contributor, "principalId": strings.ToUpper(guid1), "principalType": "User"})
	s.Declare(id, map[string]any{"roleDefinitionId": roles + rights.Contributor, "principalId": guid1, "principalType": "User"}) // the same in other words
	s.Settle(x)
	if !x.Allows(bearer(guid1), write, group+"/providers/a.b/c/d", false) || !x.Allows(bearer(guid3, guid1), write, group, false) {
		t.Error("who was let may not")
	}
	if x.Allows(bearer(guid1), write, "/subscriptions/s/resourceGroups/h", false) {
		t.Error("somebody may in another group")
	}
	err := x.Authorize(bearer(guid3), write, group)
	if !fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), "with object id '"+guid3+"' does not have authorization to perform action '"+write+"' over scope '"+group+"'") {
		t.Errorf("refused with %v", err)
	}
	if x.Authorize(bearer(guid3), "Microsoft.Authorization/roleDefinitions/read", "/subscriptions/s"+roles+rights.Owner) != nil || x.Authorize(bearer(guid3), "Microsoft.Authorization/roleDefinitions/read", "/subscriptions/s"+roles+guid3) == nil ||
		x.Authorize(bearer(guid3), "Microsoft.Authorization/roleDefinitions/write", "/subscriptions/s"+roles+rights.Owner) == nil {
		t.Error("a built-in role cannot be read by everybody, or another can")
	}
	s.Remove(id)
	s.Settle(x)
	if x.Allows(bearer(guid1), write, group, false) {
		t.Error("somebody may, whose role was taken away")
	}
}

// What is assigned at a resource goes with it.
func TestDeletedScope(t *testing.T) {
	s, x := accesstest.New(t, access.Options{})
	m := s.Declare(managed+"worker", nil)
	s.Declare(managed+"worker"+grants+guid2, map[string]any{"roleDefinitionId": roles + rights.Owner, "principalId": guid1})
	s.Settle(x)
	if !x.Allows(bearer(guid1), "Microsoft.ManagedIdentity/userAssignedIdentities/write", managed+"worker", false) || !x.Knows(m.String("principalId")) {
		t.Error("it has not begun")
	}
	s.Remove(managed + "worker")
	s.Declare(managed+"worker", nil)
	s.Settle(x)
	if x.Allows(bearer(guid1), "Microsoft.ManagedIdentity/userAssignedIdentities/write", managed+"worker", false) || x.Knows(m.String("principalId")) {
		t.Error("what went came back under the same name")
	}
}

// A role of the same GUID, declared by somebody else elsewhere, is another role.
func TestRolesElsewhere(t *testing.T) {
	s, x := accesstest.New(t, access.Options{})
	role := func(at, actions string) {
		s.Declare(at+roles+guid1, map[string]any{"roleName": "Role of " + at, "permissions": []any{map[string]any{"actions": []any{actions}}}})
	}
	role(group, "Microsoft.ServiceBus/namespaces/read")
	s.Declare(group+grants+guid2, map[string]any{"roleDefinitionId": group + roles + guid1, "principalId": guid3})
	role("/subscriptions/s/resourceGroups/a", "*")
	role("/subscriptions/s/resourceGroups/z", "*")
	s.Declare(managed+"worker", nil)
	role(managed+"worker", "*")
	s.Settle(x)
	if !x.Allows(bearer(guid3), "Microsoft.ServiceBus/namespaces/read", group, false) || x.Allows(bearer(guid3), write, group, false) {
		t.Error("a role of the same GUID grants here what it was declared to grant elsewhere")
	}
}

func TestCustomRoles(t *testing.T) {
	s, x := accesstest.New(t, access.Options{})
	s.Declare("/subscriptions/s"+roles+guid1, map[string]any{"roleName": "Writer", "assignableScopes": []any{"/subscriptions/s"}, "permissions": []any{map[string]any{"actions": []any{"Microsoft.ServiceBus/*"}, "notActions": []any{"*/delete"}}}})
	s.Declare(group+grants+guid2, map[string]any{"roleDefinitionId": roles + guid1, "principalId": guid3}) // declared above the assignment
	s.Settle(x)
	if !x.Allows(bearer(guid3), write, group, false) || x.Allows(bearer(guid3), "Microsoft.ServiceBus/namespaces/delete", group, false) {
		t.Error("the custom role is not what it says")
	}
	list, err := (access.Roles{Index: x}).List(t.Context(), resource.MustID(group), "roleName eq 'writer'")
	if err != nil || len(list) != 1 || list[0].Name() != guid1 {
		t.Errorf("listed %v, %v", list, err)
	}
}

// What cannot be declared, and why.
func TestRefusals(t *testing.T) {
	s, _ := accesstest.New(t, access.Options{})
	s.Declare(group+grants+guid1, map[string]any{"roleDefinitionId": roles + rights.Reader, "principalId": guid1})
	s.Declare(group+roles+guid3, map[string]any{"roleName": "Here", "permissions": []any{map[string]any{"actions": []any{"*/read"}}}})
	s.Declare(people+"users/ann", map[string]any{"objectId": guid1, "password": "correct horse"})
	for name, c := range map[string]struct {
		id         string
		properties map[string]any
		words      string
	}{
		"no such role":          {group + grants + guid2, map[string]any{"roleDefinitionId": roles + guid1, "principalId": guid1}, "does not exist"},
		"not a role":            {group + grants + guid2, map[string]any{"roleDefinitionId": group, "principalId": guid1}, "does not exist"},
		"a condition":           {group + grants + guid2, map[string]any{"roleDefinitionId": roles + rights.Owner, "principalId": guid1, "condition": "@Resource[x] == 1"}, "not evaluated"},
		"no GUID":               {group + grants + "mine", map[string]any{"roleDefinitionId": roles + rights.Owner, "principalId": guid1}, "36 characters"},
		"no principal":          {group + grants + guid2, map[string]any{"roleDefinitionId": roles + rights.Owner, "principalId": "ann"}, "GUID"},
		"twice":                 {group + grants + guid2, map[string]any{"roleDefinitionId": "/subscriptions/s" + roles + rights.Reader, "principalId": guid1}, "already exists"},
		"another principal":     {group + grants + guid1, map[string]any{"roleDefinitionId": roles + rights.Reader, "principalId": guid2}, "cannot change"},
		"beside its scopes":     {"/subscriptions/s/resourceGroups/h" + grants + guid2, map[string]any{"roleDefinitionId": group + roles + guid3, "principalId": guid1}, "may be assigned at"},
		"a built-in role":       {group + roles + rights.Owner, map[string]any{"roleName": "Mine", "permissions": []any{map[string]any{}}}, "built-in role"},
		"said to be built in":   {group + roles + guid2, map[string]any{"roleName": "Mine", "type": "BuiltInRole", "permissions": []any{map[string]any{}}}, "CustomRole"},
		"foreign scope":         {group + roles + guid2, map[string]any{"roleName": "Mine", "assignableScopes": []any{"/subscriptions/other"}, "permissions": []any{map[string]any{}}}, "nothing to do with"},
		"same name":             {group + roles + guid2, map[string]any{"roleName": "here", "permissions": []any{map[string]any{}}}, "exists already"},
		"short password":        {people + "users/bob", map[string]any{"password": "short"}, "10 to 256"},
		"no hash":               {people + "users/bob", map[string]any{"passwordHash": "plain"}, "is no hash"},
		"somebody else's id":    {people + "users/bob", map[string]any{"objectId": guid1}, "has this objectId"},
		"issuer without TLS":    {people + "issuers/x", map[string]any{"issuer": "http://login.example"}, "https://"},
		"no key":                {people + "applications/a/keys/k", map[string]any{"publicKey": strings.Repeat("x", 60)}, "PEM"},
		"a role at no resource": {group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/none" + grants + guid2, map[string]any{"roleDefinitionId": roles + rights.Owner, "principalId": guid1}, "does not exist"},
	} {
		_, err := s.Put(t.Context(), resource.Document{ID: resource.MustID(c.id), Properties: c.properties}, resource.Condition{})
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want the words %q", name, err, c.words)
		}
	}
}

// Passwords and secrets are kept as hashes, stay when they are left out, and are shown
// by nothing.
func TestSecretsAreHashed(t *testing.T) {
	s, x := accesstest.New(t, access.Options{})
	s.Declare(people+"groups/staff", map[string]any{"objectId": guid3})
	d := s.Declare(people+"users/ann", map[string]any{"password": "correct horse", "groups": []any{"Staff", guid2}})
	if text, _ := json.Marshal(d); strings.Contains(string(text), "correct horse") || !secrethash.Matches(d.String("passwordHash"), "correct horse") {
		t.Errorf("kept as %s", text)
	}
	again := s.Declare(people+"users/ann", map[string]any{"password": "correct horse", "groups": []any{"Staff", guid2}})
	if again.ETag != d.ETag {
		t.Error("the same password made another hash: putting what is there changed something")
	}
	again = s.Declare(people+"users/ann", map[string]any{"displayName": "Ann"})
	if again.String("passwordHash") != d.String("passwordHash") || again.String("objectId") != d.String("objectId") {
		t.Error("password or object id went away when something else was put")
	}
	s.Declare(people+"users/ann", map[string]any{"groups": []any{"Staff", guid2}})
	s.Settle(x)
	u, ok := x.Directory().User("ANN")
	if !ok || strings.Join(u.Groups, " ") != guid3+" "+guid2 || !u.Enabled {
		t.Errorf("%+v", u)
	}

	s.Declare(people+"applications/shop", nil)
	answer, err := s.Act(t.Context(), resource.MustID(people+"applications/shop"), "addSecret", map[string]any{"name": "one", "expires": "2027-01-01T00:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	s.Settle(x)
	a, ok := x.Directory().App(answer["clientId"].(string))
	if !ok || len(a.Secrets) != 1 || !secrethash.Matches(a.Secrets[0].Hash, answer["secret"].(string)) || a.Secrets[0].Expires.Year() != 2027 {
		t.Errorf("%+v", a)
	}
	for _, typ := range access.Types() {
		for _, f := range typ.Fields {
			if name := strings.ToLower(f.Name); f.Kind != resource.Secret && (strings.HasPrefix(name, "password") || strings.HasPrefix(name, "secret") || name == "workloadkey" || name == "privatekey") {
				t.Errorf("%s %s is shown", typ.Name, f.Name)
			}
		}
	}
}

// Nobody chooses to be somebody.
func TestManagedIdentities(t *testing.T) {
	s, x := accesstest.New(t, access.Options{})
	d := s.Declare(managed+"worker", map[string]any{"principalId": guid1, "clientId": guid2, "tenantId": guid3})
	if d.String("principalId") == guid1 || d.String("clientId") == guid2 || d.String("tenantId") != access.TenantID {
		t.Errorf("made as %v", d.Properties)
	}
	again := s.Declare(managed+"worker", map[string]any{"principalId": guid1, "workloadKey": "a key of somebody's choice"})
	if again.ETag != d.ETag {
		t.Error("putting it again changed it")
	}
	answer, err := s.Act(t.Context(), d.ID, "regenerateWorkloadKey", nil)
	if err != nil || answer["workloadKey"] == d.String("workloadKey") {
		t.Fatal(answer, err)
	}
	s.Settle(x)
	if _, old := x.Directory().ByWorkloadKey(d.String("workloadKey")); old {
		t.Error("the old key is good")
	}
	if m, ok := x.Directory().ByWorkloadKey(answer["workloadKey"].(string)); !ok || m.Object != d.String("principalId") {
		t.Errorf("%+v %t", m, ok)
	}
	if _, empty := x.Directory().ByWorkloadKey(""); empty {
		t.Error("no key is a key")
	}
}

func TestDefaultIdentity(t *testing.T) {
	_, x := accesstest.New(t, access.Options{Default: true})
	queue := group + "/providers/Microsoft.ServiceBus/namespaces/n/queues/q"
	p := bearer(access.DefaultObjectID)
	for _, c := range []struct {
		action string
		data   bool
		at     string
		want   bool
	}{
		{"Microsoft.ServiceBus/namespaces/messages/send/action", true, queue, true}, {write, false, group, true}, {write, false, "/subscriptions/s", false},
		{"Microsoft.Authorization/roleAssignments/write", false, group, false}, {"Weir.Identity/users/write", false, group, false},
	} {
		if x.Allows(p, c.action, c.at, c.data) != c.want {
			t.Errorf("%s at %s: %t", c.action, c.at, !c.want)
		}
	}
	if _, off := accesstest.New(t, access.Options{}); off.Allows(p, write, group, false) || off.Knows(access.DefaultObjectID) {
		t.Error("it is there when it is off")
	}
}

// Tokens of the issuer are for those who are there.
func TestIssued(t *testing.T) {
	s, x := accesstest.New(t, access.Options{})
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	now := time.Now()
	s.Declare(people+"signingKeys/k", map[string]any{"privateKey": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "signsFrom": now.Add(-time.Hour).Format(time.RFC3339), "goodUntil": now.Add(time.Hour).Format(time.RFC3339)})
	s.Declare(people+"users/ann", map[string]any{"objectId": guid1})
	s.Declare(people+"users/bob", map[string]any{"objectId": guid2, "enabled": false})
	s.Settle(x)
	if _, ok := x.SigningKey("k", now); !ok {
		t.Fatal("the key is not known")
	}
	good := jwt.Claims{Issuer: "https://x/" + access.TenantID + "/v2.0", Tenant: access.TenantID, Object: guid1}
	for name, c := range map[string]struct {
		change func(*jwt.Claims)
		want   bool
	}{
		"good": {nil, true}, "a refresh token": {func(c *jwt.Claims) { c.Use = "refresh" }, false}, "disabled": {func(c *jwt.Claims) { c.Object = guid2 }, false},
		"nobody": {func(c *jwt.Claims) { c.Object = "" }, false}, "another tenant": {func(c *jwt.Claims) { c.Tenant = guid3 }, false},
	} {
		claims := good
		if c.change != nil {
			c.change(&claims)
		}
		if err := x.Issued(&claims); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, old := x.SigningKey("k", now.Add(2*time.Hour)); old {
		t.Error("an old key is believed")
	}
	if k, ok := x.Directory().Signer(now); !ok || k.ID != "k" {
		t.Error("it does not sign")
	}
	if _, ok := x.Directory().Signer(now.Add(-2 * time.Hour)); ok {
		t.Error("it signs before its time")
	}
}

func TestListing(t *testing.T) {
	s, x := accesstest.New(t, access.Options{})
	at := map[string]string{"tenant": "", "group": group, "below": managed + "mine", "beside": "/subscriptions/s/resourceGroups/h"}
	s.Declare(managed+"mine", nil)
	s.Declare(people+"groups/staff", map[string]any{"objectId": guid3})
	s.Declare(people+"users/ann", map[string]any{"objectId": guid1, "groups": []any{"staff"}})
	n := byte('1')
	for _, where := range []string{"tenant", "group", "below", "beside"} {
		for _, who := range []string{guid1, guid3} {
			s.Declare(at[where]+grants+strings.Repeat(string(n), 8)+guid1[8:], map[string]any{"roleDefinitionId": roles + rights.Reader, "principalId": who, "description": where + " " + who[:1]})
			n++
		}
	}
	s.Settle(x)
	for filter, want := range map[string]string{
		"":                               "tenant 1, tenant 3, group 1, group 3, below 1, below 3",
		"atScope()":                      "tenant 1, tenant 3, group 1, group 3",
		"principalId eq '" + guid3 + "'": "tenant 3, group 3, below 3",
		"assignedTo('" + guid1 + "')":    "tenant 1, tenant 3, group 1, group 3, below 1, below 3",
		"atScope() and assignedTo('" + guid3 + "')": "tenant 3, group 3",
	} {
		list, err := (access.Assignments{Index: x}).List(t.Context(), resource.MustID(group), filter)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, d := range list {
			found[d.String("description")] = true
			if d.String("scope") == "" {
				t.Error("an assignment does not say where it is")
			}
		}
		wanted := strings.Split(want, ", ")
		for _, w := range wanted {
			if !found[w] {
				t.Errorf("%q: %q is missing", filter, w)
			}
		}
		if len(found) != len(wanted) {
			t.Errorf("%q: %v", filter, found)
		}
	}
	for _, bad := range []string{"x eq 'y'", "atScope() or 1", "principalId ne 'x'"} {
		if _, err := (access.Assignments{Index: x}).List(t.Context(), resource.MustID(group), bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if d, ok, _ := (access.Roles{Index: x}).Get(t.Context(), resource.MustID(group+roles+rights.Owner)); !ok || d.String("roleName") != "Owner" {
		t.Errorf("%+v", d)
	}
}

// The reference page is generated from the schemas: go test ./kernel/resource/access -update.
func TestReference(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Identity and access\n\nGenerated from the schemas. See [the guide](../identity.md).\n")
	for _, typ := range access.Types() {
		page.WriteString("\n" + resource.Markdown(typ))
	}
	const file = "../../../docs/reference/identity.md"
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || string(have) != page.String() {
		t.Errorf("%s is not what the schemas say (%v): go test ./kernel/resource/access -update", file, err)
	}
}
