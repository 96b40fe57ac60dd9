package identity_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"

	"weir/conformance/server"
)

const (
	subscription = "00000000-0000-0000-0000-000000000000"
	group        = "weir"
	roleOwner    = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
)

// management are the options of management clients.
func (s *stage) management() *arm.ClientOptions {
	o := s.https()
	o.Cloud.Services = map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: "https://" + s.server.HTTPSAddr(), Audience: "https://management.azure.com/"}}
	return &arm.ClientOptions{ClientOptions: o, DisableRPRegistration: true}
}

// app declares an application and gives its object id and a credential of it.
func (s *stage) app(name string) (object string, cred azcore.TokenCredential) {
	s.Helper()
	id := server.Scope + "/providers/Weir.Identity/applications/" + name
	made := s.put(id, nil)
	secret := s.ask(http.MethodPost, id+"/addSecret", nil)["secret"].(string)
	cred, err := azidentity.NewClientSecretCredential(tenant, made["clientId"].(string), secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: s.https(), DisableInstanceDiscovery: true})
	s.must(err)
	return made["objectId"].(string), cred
}

// forbidden checks that a management client was refused for want of a right.
func (s *stage) forbidden(err error) {
	s.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != http.StatusForbidden || e.ErrorCode != "AuthorizationFailed" {
		s.Errorf("refused with %v, want AuthorizationFailed", err)
	}
}

// Azure's own clients for roles and managed identities: an application that owns the
// group makes a role, an identity, and an assignment of one to the other.
func TestAuthorizationClients(t *testing.T) {
	s := newStage(t, []server.Resource{server.Queue("q", nil)})
	object, cred := s.app("owner")
	definitions, err := armauthorization.NewRoleDefinitionsClient(cred, s.management())
	s.must(err)
	assignments, err := armauthorization.NewRoleAssignmentsClient(subscription, cred, s.management())
	s.must(err)
	identities, err := armmsi.NewUserAssignedIdentitiesClient(subscription, cred, s.management())
	s.must(err)

	_, err = identities.CreateOrUpdate(s.ctx, group, "worker", armmsi.Identity{Location: to.Ptr("local")}, nil)
	s.forbidden(err)
	s.assign(roleOwner, object, server.Scope)
	worker, err := identities.CreateOrUpdate(s.ctx, group, "worker", armmsi.Identity{Location: to.Ptr("local"), Tags: map[string]*string{"team": to.Ptr("orders")}}, nil)
	s.must(err)
	if worker.Properties == nil || worker.Properties.PrincipalID == nil || *worker.Properties.TenantID != tenant {
		t.Fatalf("made %+v", worker.Properties)
	}
	found := 0
	for pages := identities.NewListByResourceGroupPager(group, nil); pages.More(); {
		page, err := pages.NextPage(s.ctx)
		s.must(err)
		found += len(page.Value)
	}
	if found != 1 {
		t.Errorf("%d identities are listed", found)
	}

	builtin := map[string]bool{}
	for pages := definitions.NewListPager(server.Scope, &armauthorization.RoleDefinitionsClientListOptions{Filter: to.Ptr("type eq 'BuiltInRole'")}); pages.More(); {
		page, err := pages.NextPage(s.ctx)
		s.must(err)
		for _, d := range page.Value {
			builtin[*d.Properties.RoleName] = true
		}
	}
	if !builtin["Azure Service Bus Data Sender"] || !builtin["Contributor"] {
		t.Errorf("the built-in roles are %v", builtin)
	}
	sender, err := definitions.GetByID(s.ctx, "/subscriptions/"+subscription+"/providers/Microsoft.Authorization/roleDefinitions/"+roleSender, nil)
	if s.must(err); *sender.Properties.RoleName != "Azure Service Bus Data Sender" || *sender.Properties.RoleType != "BuiltInRole" {
		t.Errorf("%+v", sender.Properties)
	}
	name := guid(s)
	own, err := definitions.CreateOrUpdate(s.ctx, server.Scope, name, armauthorization.RoleDefinition{Properties: &armauthorization.RoleDefinitionProperties{
		RoleName: to.Ptr("Only sends"), RoleType: to.Ptr("CustomRole"), AssignableScopes: []*string{to.Ptr(server.Scope)},
		Permissions: []*armauthorization.Permission{{DataActions: []*string{to.Ptr("Microsoft.ServiceBus/*/send/action")}}},
	}}, nil)
	s.must(err)

	given, err := assignments.Create(s.ctx, namespace+"/queues/q", guid(s), armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
		RoleDefinitionID: own.ID, PrincipalID: worker.Properties.PrincipalID, PrincipalType: to.Ptr(armauthorization.PrincipalTypeServicePrincipal),
	}}, nil)
	s.must(err)
	if !strings.EqualFold(*given.Properties.Scope, namespace+"/queues/q") {
		t.Errorf("the assignment is at %s", *given.Properties.Scope)
	}
	_, err = assignments.Create(s.ctx, namespace+"/queues/q", guid(s), armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{RoleDefinitionID: own.ID, PrincipalID: worker.Properties.PrincipalID}}, nil)
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != http.StatusConflict || e.ErrorCode != "RoleAssignmentExists" {
		t.Errorf("a second one: %v", err)
	}
	mine := 0
	for pages := assignments.NewListForScopePager(namespace, &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: to.Ptr("assignedTo('" + *worker.Properties.PrincipalID + "')")}); pages.More(); {
		page, err := pages.NextPage(s.ctx)
		s.must(err)
		mine += len(page.Value)
	}
	if mine != 1 {
		t.Errorf("%d assignments of the worker are listed", mine)
	}
	t.Setenv("IDENTITY_ENDPOINT", "http://"+s.server.HTTPAddr()+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "any")
	as, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(*worker.Properties.ClientID)})
	s.must(err)
	s.must(s.send(s.client(as), "q"))
	s.refused(s.receive(s.client(as), "q"), "'Listen' claim(s) are required")
	_, err = assignments.DeleteByID(s.ctx, *given.ID, nil)
	s.must(err)
	s.refused(s.send(s.client(as), "q"), "'Send' claim(s) are required")
	_, err = definitions.Delete(s.ctx, server.Scope, name, nil)
	s.must(err)
	_, err = identities.Delete(s.ctx, group, "worker", nil)
	s.must(err)
}
