package arm_test

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armlocks"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armsubscriptions"
)

const (
	namespaceType = "Microsoft.ServiceBus/namespaces"
	version       = "2024-01-01"
)

// Groups, resources by id, providers, tags, locks and subscriptions, as the clients
// that know no service see them.
func TestResources(t *testing.T) {
	s := newStage(t)
	f := value[*armresources.ClientFactory](s)(armresources.NewClientFactory("contoso", s, s.options))
	t.Run("groups", func(t *testing.T) { groups(s.on(t), f) })
	t.Run("by id", func(t *testing.T) { byID(s.on(t), f) })
	t.Run("lists", func(t *testing.T) { lists(s.on(t), f) })
	t.Run("tags", func(t *testing.T) { tags(s.on(t), f) })
	t.Run("providers", func(t *testing.T) { providers(s.on(t), f) })
	t.Run("locks", func(t *testing.T) { locks(s.on(t), f) })
	t.Run("subscriptions", func(t *testing.T) { subscriptions(s.on(t)) })
	t.Run("emptied", func(t *testing.T) { emptied(s.on(t), f) })
}

func groups(s *stage, f *armresources.ClientFactory) {
	c := f.NewResourceGroupsClient()
	exists := func(want bool) {
		s.Helper()
		if got := value[armresources.ResourceGroupsClientCheckExistenceResponse](s)(c.CheckExistence(s.ctx, "shop", nil)); got.Success != want {
			s.Errorf("exists: %v", got.Success)
		}
	}
	exists(false)
	_, err := c.Get(s.ctx, "shop", nil)
	s.refused(err, 404, "ResourceGroupNotFound", "Resource group 'shop' could not be found.")
	made := value[armresources.ResourceGroupsClientCreateOrUpdateResponse](s)(c.CreateOrUpdate(s.ctx, "shop", armresources.ResourceGroup{Location: to.Ptr("west"), Tags: map[string]*string{"env": to.Ptr("test")}}, nil))
	if *made.Name != "shop" || *made.ID != "/subscriptions/contoso/resourceGroups/shop" || *made.Location != "west" || *made.Properties.ProvisioningState != "Succeeded" {
		s.Errorf("made %+v", made.ResourceGroup)
	}
	exists(true)
	updated := value[armresources.ResourceGroupsClientUpdateResponse](s)(c.Update(s.ctx, "shop", armresources.ResourceGroupPatchable{Tags: map[string]*string{"env": to.Ptr("prod"), "team": to.Ptr("blue")}}, nil))
	if *updated.Tags["env"] != "prod" || *updated.Location != "west" {
		s.Errorf("updated %+v", updated.ResourceGroup)
	}
	value[armresources.ResourceGroupsClientCreateOrUpdateResponse](s)(c.CreateOrUpdate(s.ctx, "other", armresources.ResourceGroup{Location: to.Ptr("west")}, nil))
	of := func(p armresources.ResourceGroupsClientListResponse) []*armresources.ResourceGroup { return p.Value }
	name := func(g *armresources.ResourceGroup) *string { return g.Name }
	if got := names(all(s, c.NewListPager(nil), of), name); got != "other shop" {
		s.Errorf("groups: %s", got)
	}
	if got := names(all(s, c.NewListPager(&armresources.ResourceGroupsClientListOptions{Filter: to.Ptr("tagName eq 'team' and tagValue eq 'blue'")}), of), name); got != "shop" {
		s.Errorf("groups of the team: %s", got)
	}
	if got := names(all(s, c.NewListPager(&armresources.ResourceGroupsClientListOptions{Top: to.Ptr[int32](1)}), of), name); got != "other shop" {
		s.Errorf("one by one: %s", got)
	}
}

const shopID = "/subscriptions/contoso/resourceGroups/shop/providers/" + namespaceType + "/shop-bus"

func byID(s *stage, f *armresources.ClientFactory) {
	c := f.NewClient()
	p, err := c.BeginCreateOrUpdateByID(s.ctx, shopID, version, armresources.GenericResource{Location: to.Ptr("west"), SKU: &armresources.SKU{Name: to.Ptr("Standard")}}, nil)
	made := done(s, p, err)
	if *made.ID != shopID || *made.Type != namespaceType {
		s.Errorf("made %s %s", *made.ID, *made.Type)
	}
	q, err := c.BeginCreateOrUpdate(s.ctx, "shop", "Microsoft.ServiceBus", "namespaces/shop-bus", "queues", "orders", version, armresources.GenericResource{Properties: map[string]any{"lockDuration": "PT45S"}}, nil)
	queue := done(s, q, err)
	if got := queue.Properties.(map[string]any)["lockDuration"]; got != "PT45S" {
		s.Errorf("a queue: %v", got)
	}
	u, err := c.BeginUpdateByID(s.ctx, shopID+"/queues/orders", version, armresources.GenericResource{Properties: map[string]any{"maxDeliveryCount": 3}}, nil)
	if got := done(s, u, err).Properties.(map[string]any); got["maxDeliveryCount"] != 3.0 || got["lockDuration"] != "PT45S" {
		s.Errorf("updated: %v", got)
	}
	for id, want := range map[string]bool{shopID + "/queues/ORDERS": true, shopID + "/queues/none": false} {
		if got := value[armresources.ClientCheckExistenceByIDResponse](s)(c.CheckExistenceByID(s.ctx, id, version, nil)); got.Success != want {
			s.Errorf("%s exists: %v", id, got.Success)
		}
	}
	if got := value[armresources.ClientGetByIDResponse](s)(c.GetByID(s.ctx, shopID, version, nil)); *got.Location != "west" {
		s.Errorf("read %+v", got.GenericResource)
	}
	if got := value[armresources.ClientGetResponse](s)(c.Get(s.ctx, "shop", "Microsoft.ServiceBus", "", "namespaces", "shop-bus", version, nil)); *got.ID != shopID {
		s.Errorf("with nothing between two slashes: %s", *got.ID)
	}
	_, err = c.GetByID(s.ctx, "/subscriptions/contoso/resourceGroups/shop/providers/Microsoft.Storage/storageAccounts/x", version, nil)
	s.refused(err, 404, "InvalidResourceNamespace", "Microsoft.Storage")
	_, err = c.GetByID(s.ctx, "/subscriptions/contoso/resourceGroups/shop/providers/Microsoft.ServiceBus/relays/x", version, nil)
	s.refused(err, 404, "InvalidResourceType", "Microsoft.ServiceBus/namespaces")
	_, err = c.GetByID(s.ctx, shopID, "newest", nil)
	s.refused(err, 400, "InvalidApiVersionParameter", "write one as")
	_, err = c.BeginMoveResources(s.ctx, "shop", armresources.MoveInfo{}, nil)
	s.refused(err, 501, "NotImplemented", "do not move")
}

func lists(s *stage, f *armresources.ClientFactory) {
	c := f.NewClient()
	name := func(r *armresources.GenericResourceExpanded) *string { return r.Name }
	in := func(filter string) string {
		o := &armresources.ClientListOptions{Expand: to.Ptr("createdTime,provisioningState")}
		if filter != "" {
			o.Filter = &filter
		}
		return names(all(s, c.NewListPager(o), func(p armresources.ClientListResponse) []*armresources.GenericResourceExpanded {
			for _, r := range p.Value {
				if r.CreatedTime == nil || *r.ProvisioningState != "Succeeded" {
					s.Errorf("%s lacks what was asked for", *r.Name)
				}
			}
			return p.Value
		}), name)
	}
	for filter, want := range map[string]string{
		"": "shop-bus",
		"resourceType eq 'Microsoft.ServiceBus/namespaces/queues'": "orders",
		"resourceType eq 'Microsoft.ServiceBus/namespaces'":        "shop-bus",
		"name eq 'SHOP-BUS' and location eq 'west'":                "shop-bus",
		"substringof('bus', name)":                                 "shop-bus",
		"resourceGroup eq 'other'":                                 "",
	} {
		if got := in(filter); got != want {
			s.Errorf("%s: %s", filter, got)
		}
	}
	group := all(s, c.NewListByResourceGroupPager("shop", nil), func(p armresources.ClientListByResourceGroupResponse) []*armresources.GenericResourceExpanded {
		return p.Value
	})
	if got := names(group, name); got != "shop-bus" {
		s.Errorf("in the group: %s", got)
	}
	_, err := c.NewListPager(&armresources.ClientListOptions{Filter: to.Ptr("colour eq 'red'")}).NextPage(s.ctx)
	s.refused(err, 400, "BadRequest", "colour")
}

func tags(s *stage, f *armresources.ClientFactory) {
	c := f.NewTagsClient()
	tag := func(pairs ...string) *armresources.Tags {
		m := map[string]*string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = &pairs[i+1]
		}
		return &armresources.Tags{Tags: m}
	}
	show := func(t *armresources.Tags) string {
		var all []string
		for _, name := range []string{"a", "b", "c"} {
			if v := t.Tags[name]; v != nil {
				all = append(all, name+*v)
			}
		}
		return strings.Join(all, " ")
	}
	for _, scope := range []string{strings.TrimPrefix(shopID, "/"), "subscriptions/contoso/resourceGroups/shop", "subscriptions/contoso"} {
		value[armresources.TagsClientCreateOrUpdateAtScopeResponse](s)(c.CreateOrUpdateAtScope(s.ctx, scope, armresources.TagsResource{Properties: tag("a", "1", "b", "2")}, nil))
		patch := func(op armresources.TagsPatchOperation, t *armresources.Tags) string {
			return show(value[armresources.TagsClientUpdateAtScopeResponse](s)(c.UpdateAtScope(s.ctx, scope, armresources.TagsPatchResource{Operation: &op, Properties: t}, nil)).Properties)
		}
		if got := patch(armresources.TagsPatchOperationMerge, tag("b", "3", "c", "4")); got != "a1 b3 c4" {
			s.Errorf("%s merged: %s", scope, got)
		}
		if got := patch(armresources.TagsPatchOperationDelete, tag("a", "1")); got != "b3 c4" {
			s.Errorf("%s taken away: %s", scope, got)
		}
		if got := show(value[armresources.TagsClientGetAtScopeResponse](s)(c.GetAtScope(s.ctx, scope, nil)).Properties); got != "b3 c4" {
			s.Errorf("%s read: %s", scope, got)
		}
		if got := patch(armresources.TagsPatchOperationReplace, tag("c", "5")); got != "c5" {
			s.Errorf("%s replaced: %s", scope, got)
		}
	}
	if got := value[armresources.ClientGetByIDResponse](s)(f.NewClient().GetByID(s.ctx, shopID, version, nil)); *got.Tags["c"] != "5" {
		s.Errorf("on the resource: %v", got.Tags)
	}
	used := all(s, c.NewListPager(nil), func(p armresources.TagsClientListResponse) []*armresources.TagDetails { return p.Value })
	if len(used) != 1 || *used[0].TagName != "c" || *used[0].Count.Value != 2 {
		s.Errorf("in use: %+v", used)
	}
	value[armresources.TagsClientDeleteAtScopeResponse](s)(c.DeleteAtScope(s.ctx, strings.TrimPrefix(shopID, "/"), nil))
}

func providers(s *stage, f *armresources.ClientFactory) {
	c := f.NewProvidersClient()
	listed := all(s, c.NewListPager(nil), func(p armresources.ProvidersClientListResponse) []*armresources.Provider { return p.Value })
	if got := names(listed, func(p *armresources.Provider) *string { return p.Namespace }); !strings.Contains(got, "Microsoft.Resources Microsoft.ServiceBus") {
		s.Errorf("providers: %s", got)
	}
	bus := value[armresources.ProvidersClientGetResponse](s)(c.Get(s.ctx, "microsoft.servicebus", nil))
	types := names(bus.ResourceTypes, func(t *armresources.ProviderResourceType) *string { return t.ResourceType })
	if *bus.RegistrationState != "Registered" || !strings.Contains(types, "namespaces/topics/subscriptions/rules") || strings.Contains(types, "disasterRecovery") {
		s.Errorf("%s: %s", *bus.RegistrationState, types)
	}
	value[armresources.ProvidersClientRegisterResponse](s)(c.Register(s.ctx, "Microsoft.ServiceBus", nil))
	value[armresources.ProvidersClientGetAtTenantScopeResponse](s)(c.GetAtTenantScope(s.ctx, "Microsoft.ServiceBus", nil))
	if got := value[armresources.ProviderResourceTypesClientListResponse](s)(f.NewProviderResourceTypesClient().List(s.ctx, "Microsoft.ServiceBus", nil)); len(got.Value) != len(bus.ResourceTypes) {
		s.Errorf("%d types", len(got.Value))
	}
	_, err := c.Get(s.ctx, "Microsoft.Storage", nil)
	s.refused(err, 404, "InvalidResourceNamespace", "Microsoft.ServiceBus")
}

func locks(s *stage, f *armresources.ClientFactory) {
	c := value[*armlocks.ManagementLocksClient](s)(armlocks.NewManagementLocksClient("contoso", s, s.options))
	resources := f.NewClient()
	lock := func(level armlocks.LockLevel) armlocks.ManagementLockObject {
		return armlocks.ManagementLockObject{Properties: &armlocks.ManagementLockProperties{Level: &level, Notes: to.Ptr("hands off")}}
	}
	made := value[armlocks.ManagementLocksClientCreateOrUpdateAtResourceLevelResponse](s)(c.CreateOrUpdateAtResourceLevel(s.ctx, "shop", "Microsoft.ServiceBus", "namespaces/shop-bus", "queues", "orders", "keep", lock(armlocks.LockLevelCanNotDelete), nil))
	if *made.Name != "keep" || *made.ID != shopID+"/queues/orders/providers/Microsoft.Authorization/locks/keep" || *made.Properties.Level != armlocks.LockLevelCanNotDelete {
		s.Errorf("made %s %s", *made.ID, *made.Properties.Level)
	}
	for _, id := range []string{shopID + "/queues/orders", shopID} {
		_, err := resources.BeginDeleteByID(s.ctx, id, version, nil)
		s.refused(err, 409, "ScopeLocked", "following scope(s) are locked: '"+shopID+"/queues/orders'")
	}
	_, err := f.NewResourceGroupsClient().BeginDelete(s.ctx, "shop", nil)
	s.refused(err, 409, "ScopeLocked", "cannot perform delete operation")
	p, err := resources.BeginUpdateByID(s.ctx, shopID+"/queues/orders", version, armresources.GenericResource{Properties: map[string]any{"maxDeliveryCount": 4}}, nil)
	done(s, p, err)

	value[armlocks.ManagementLocksClientCreateOrUpdateAtResourceGroupLevelResponse](s)(c.CreateOrUpdateAtResourceGroupLevel(s.ctx, "shop", "frozen", lock(armlocks.LockLevelReadOnly), nil))
	_, err = resources.BeginUpdateByID(s.ctx, shopID+"/queues/orders", version, armresources.GenericResource{Properties: map[string]any{"maxDeliveryCount": 5}}, nil)
	s.refused(err, 409, "ScopeLocked", "cannot perform write operation")
	name := func(l *armlocks.ManagementLockObject) *string { return l.Name }
	under := all(s, c.NewListAtSubscriptionLevelPager(nil), func(p armlocks.ManagementLocksClientListAtSubscriptionLevelResponse) []*armlocks.ManagementLockObject {
		return p.Value
	})
	here := all(s, c.NewListAtResourceGroupLevelPager("shop", &armlocks.ManagementLocksClientListAtResourceGroupLevelOptions{Filter: to.Ptr("atScope()")}), func(p armlocks.ManagementLocksClientListAtResourceGroupLevelResponse) []*armlocks.ManagementLockObject {
		return p.Value
	})
	if names(under, name) != "frozen keep" || names(here, name) != "frozen" {
		s.Errorf("locks under: %s, here: %s", names(under, name), names(here, name))
	}
	if got := value[armlocks.ManagementLocksClientGetByScopeResponse](s)(c.GetByScope(s.ctx, strings.TrimPrefix(shopID, "/")+"/queues/orders", "keep", nil)); *got.Properties.Notes != "hands off" {
		s.Errorf("read %s", *got.Properties.Notes)
	}
	value[armlocks.ManagementLocksClientDeleteAtResourceGroupLevelResponse](s)(c.DeleteAtResourceGroupLevel(s.ctx, "shop", "frozen", nil))
	value[armlocks.ManagementLocksClientDeleteByScopeResponse](s)(c.DeleteByScope(s.ctx, strings.TrimPrefix(shopID, "/")+"/queues/orders", "keep", nil))
	d, err := resources.BeginDeleteByID(s.ctx, shopID+"/queues/orders", version, nil)
	done(s, d, err)
}

func subscriptions(s *stage) {
	c := value[*armsubscriptions.Client](s)(armsubscriptions.NewClient(s, s.options))
	listed := all(s, c.NewListPager(nil), func(p armsubscriptions.ClientListResponse) []*armsubscriptions.Subscription { return p.Value })
	if got := names(listed, func(s *armsubscriptions.Subscription) *string { return s.SubscriptionID }); got != defaultSubscription+" contoso" {
		s.Errorf("subscriptions: %s", got)
	}
	got := value[armsubscriptions.ClientGetResponse](s)(c.Get(s.ctx, "contoso", nil))
	if *got.ID != "/subscriptions/contoso" || *got.State != armsubscriptions.SubscriptionStateEnabled || *got.Tags["c"] != "5" {
		s.Errorf("read %+v", got.Subscription)
	}
	if n := len(all(s, c.NewListLocationsPager("contoso", nil), func(p armsubscriptions.ClientListLocationsResponse) []*armsubscriptions.Location { return p.Value })); n != 1 {
		s.Errorf("%d locations", n)
	}
	tenants := value[*armsubscriptions.TenantsClient](s)(armsubscriptions.NewTenantsClient(s, s.options))
	if got := all(s, tenants.NewListPager(nil), func(p armsubscriptions.TenantsClientListResponse) []*armsubscriptions.TenantIDDescription {
		return p.Value
	}); len(got) != 1 || *got[0].TenantID == "" {
		s.Errorf("tenants: %v", got)
	}
}

func emptied(s *stage, f *armresources.ClientFactory) {
	c := f.NewResourceGroupsClient()
	p, err := c.BeginDelete(s.ctx, "shop", nil)
	done(s, p, err)
	if got := value[armresources.ResourceGroupsClientCheckExistenceResponse](s)(c.CheckExistence(s.ctx, "shop", nil)); got.Success {
		s.Error("the group is there after it was deleted")
	}
	_, err = f.NewClient().GetByID(s.ctx, shopID, version, nil)
	s.refused(err, 404, "ResourceGroupNotFound", "'shop'")
	_, err = c.BeginDelete(s.ctx, "shop", nil)
	s.refused(err, 404, "ResourceGroupNotFound", "'shop'")
}
