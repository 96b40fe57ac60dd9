package arm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	sb "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/servicebus/armservicebus"
)

// The story of an estate, told by armservicebus: everything the client can say is said
// once, or refused by name.
func TestServiceBus(t *testing.T) {
	s := newStage(t)
	f := value[*sb.ClientFactory](s)(sb.NewClientFactory("contoso", s, s.options))
	const group, ns = "shop", "shop-orders"

	t.Run("namespace", func(t *testing.T) { namespaces(s.on(t), f, group, ns) })
	t.Run("entities", func(t *testing.T) { entities(s.on(t), f, group, ns) })
	t.Run("rules", func(t *testing.T) { rules(s.on(t), f, group, ns) })
	t.Run("keys", func(t *testing.T) { keys(s.on(t), f, group, ns) })
	t.Run("network", func(t *testing.T) { network(s.on(t), f, group, ns) })
	t.Run("refused", func(t *testing.T) { refusals(s.on(t), f, group, ns) })
	t.Run("deleted", func(t *testing.T) { deleted(s.on(t), f, group, ns) })
}

func (s *stage) on(t *testing.T) *stage {
	other := *s
	other.T = t
	return &other
}

func namespaces(s *stage, f *sb.ClientFactory, group, ns string) {
	c := f.NewNamespacesClient()
	free := value[sb.NamespacesClientCheckNameAvailabilityResponse](s)
	if got := free(c.CheckNameAvailability(s.ctx, sb.CheckNameAvailability{Name: &ns}, nil)); !*got.NameAvailable || *got.Reason != sb.UnavailableReasonNone {
		s.Errorf("a free name: %v %v", *got.NameAvailable, *got.Reason)
	}
	p, err := c.BeginCreateOrUpdate(s.ctx, group, ns, sb.SBNamespace{
		Location: to.Ptr("west"), Tags: map[string]*string{"env": to.Ptr("test")},
		SKU:        &sb.SBSKU{Name: to.Ptr(sb.SKUNameStandard), Tier: to.Ptr(sb.SKUTierStandard)},
		Properties: &sb.SBNamespaceProperties{DisableLocalAuth: to.Ptr(false)},
	}, nil)
	made := done(s, p, err)
	if *made.Name != ns || *made.Properties.ProvisioningState != "Succeeded" || *made.Properties.Status != "Active" || made.Properties.CreatedAt.IsZero() ||
		!strings.HasPrefix(*made.Properties.ServiceBusEndpoint, "https://"+ns) || *made.Properties.MetricID != "contoso:"+ns || *made.Tags["env"] != "test" {
		s.Errorf("made %+v %+v", made.SBNamespace, made.Properties)
	}
	if got := free(c.CheckNameAvailability(s.ctx, sb.CheckNameAvailability{Name: to.Ptr(strings.ToUpper(ns))}, nil)); *got.NameAvailable || *got.Reason != sb.UnavailableReasonNameInUse {
		s.Errorf("a taken name: %v %v", *got.NameAvailable, *got.Reason)
	}
	if got := free(c.CheckNameAvailability(s.ctx, sb.CheckNameAvailability{Name: to.Ptr("9")}, nil)); *got.Reason != sb.UnavailableReasonInvalidName || *got.Message == "" {
		s.Errorf("a wrong name: %v", *got.Reason)
	}
	updated := value[sb.NamespacesClientUpdateResponse](s)(c.Update(s.ctx, group, ns, sb.SBNamespaceUpdateParameters{Tags: map[string]*string{"env": to.Ptr("prod")}}, nil))
	if *updated.Tags["env"] != "prod" || *updated.Location != "west" {
		s.Errorf("updated %v %v", *updated.Tags["env"], *updated.Location)
	}
	got := value[sb.NamespacesClientGetResponse](s)(c.Get(s.ctx, group, ns, nil))
	if *got.SKU.Name != sb.SKUNameStandard || *got.Properties.DisableLocalAuth {
		s.Errorf("read %+v", got.SBNamespace)
	}
	byName := func(n *sb.SBNamespace) *string { return n.Name }
	inGroup := all(s, c.NewListByResourceGroupPager(group, nil), func(p sb.NamespacesClientListByResourceGroupResponse) []*sb.SBNamespace { return p.Value })
	inSubscription := all(s, c.NewListPager(nil), func(p sb.NamespacesClientListResponse) []*sb.SBNamespace { return p.Value })
	if names(inGroup, byName) != ns || names(inSubscription, byName) != ns {
		s.Errorf("listed %s and %s", names(inGroup, byName), names(inSubscription, byName))
	}
	operations := all(s, f.NewOperationsClient().NewListPager(nil), func(p sb.OperationsClientListResponse) []*sb.Operation { return p.Value })
	if !strings.Contains(names(operations, func(o *sb.Operation) *string { return o.Name }), "Microsoft.ServiceBus/namespaces/queues/write") {
		s.Error("the operations lack queues/write")
	}
}

func entities(s *stage, f *sb.ClientFactory, group, ns string) {
	queues, topics, subscriptions := f.NewQueuesClient(), f.NewTopicsClient(), f.NewSubscriptionsClient()
	made := value[sb.QueuesClientCreateOrUpdateResponse](s)(queues.CreateOrUpdate(s.ctx, group, ns, "orders", sb.SBQueue{Properties: &sb.SBQueueProperties{
		LockDuration: to.Ptr("PT30S"), MaxDeliveryCount: to.Ptr[int32](7), RequiresSession: to.Ptr(true),
	}}, nil))
	if *made.Properties.LockDuration != "PT30S" || *made.Properties.MaxDeliveryCount != 7 || *made.Properties.Status != sb.EntityStatusActive || *made.Properties.MaxSizeInMegabytes != 1024 {
		s.Errorf("a queue: %+v", made.Properties)
	}
	got := value[sb.QueuesClientGetResponse](s)(queues.Get(s.ctx, group, ns, "ORDERS", nil))
	if *got.Properties.MessageCount != 0 || *got.Properties.CountDetails.ActiveMessageCount != 0 || got.Properties.CreatedAt.IsZero() {
		s.Errorf("its counts: %+v", got.Properties)
	}
	for i := range 7 {
		value[sb.QueuesClientCreateOrUpdateResponse](s)(queues.CreateOrUpdate(s.ctx, group, ns, fmt.Sprintf("more-%d", i), sb.SBQueue{}, nil))
	}
	byName := func(q *sb.SBQueue) *string { return q.Name }
	of := func(p sb.QueuesClientListByNamespaceResponse) []*sb.SBQueue { return p.Value }
	paged := all(s, queues.NewListByNamespacePager(group, ns, &sb.QueuesClientListByNamespaceOptions{Top: to.Ptr[int32](3)}), of)
	if got := names(paged, byName); got != "more-0 more-1 more-2 more-3 more-4 more-5 more-6 orders" {
		s.Errorf("in pages of three: %s", got)
	}
	skipped := all(s, queues.NewListByNamespacePager(group, ns, &sb.QueuesClientListByNamespaceOptions{Top: to.Ptr[int32](3), Skip: to.Ptr[int32](4)}), of)
	if got := names(skipped, byName); got != "more-4 more-5 more-6 orders" {
		s.Errorf("four left out: %s", got)
	}
	for range 2 { // the second finds nothing and is fine
		value[sb.QueuesClientDeleteResponse](s)(queues.Delete(s.ctx, group, ns, "more-0", nil))
	}
	value[sb.TopicsClientCreateOrUpdateResponse](s)(topics.CreateOrUpdate(s.ctx, group, ns, "news", sb.SBTopic{Properties: &sb.SBTopicProperties{SupportOrdering: to.Ptr(true)}}, nil))
	sub := value[sb.SubscriptionsClientCreateOrUpdateResponse](s)(subscriptions.CreateOrUpdate(s.ctx, group, ns, "news", "all", sb.SBSubscription{Properties: &sb.SBSubscriptionProperties{
		ForwardDeadLetteredMessagesTo: to.Ptr("more-1"), DeadLetteringOnMessageExpiration: to.Ptr(true),
	}}, nil))
	if *sub.Properties.ForwardDeadLetteredMessagesTo != "more-1" || !*sub.Properties.DeadLetteringOnMessageExpiration {
		s.Errorf("a subscription: %+v", sub.Properties)
	}
	topic := value[sb.TopicsClientGetResponse](s)(topics.Get(s.ctx, group, ns, "news", nil))
	if *topic.Properties.SubscriptionCount != 1 {
		s.Errorf("%d subscriptions", *topic.Properties.SubscriptionCount)
	}
	listed := all(s, subscriptions.NewListByTopicPager(group, ns, "news", nil), func(p sb.SubscriptionsClientListByTopicResponse) []*sb.SBSubscription { return p.Value })
	if got := names(listed, func(s *sb.SBSubscription) *string { return s.Name }); got != "all" {
		s.Errorf("subscriptions: %s", got)
	}
}

func rules(s *stage, f *sb.ClientFactory, group, ns string) {
	c := f.NewRulesClient()
	made := value[sb.RulesClientCreateOrUpdateResponse](s)(c.CreateOrUpdate(s.ctx, group, ns, "news", "all", "big", sb.Rule{Properties: &sb.Ruleproperties{
		FilterType: to.Ptr(sb.FilterTypeSQLFilter), SQLFilter: &sb.SQLFilter{SQLExpression: to.Ptr("size > 5")}, Action: &sb.Action{SQLExpression: to.Ptr("SET seen = 1")},
	}}, nil))
	if *made.Properties.SQLFilter.SQLExpression != "size > 5" || *made.Properties.Action.SQLExpression != "SET seen = 1" {
		s.Errorf("a rule: %+v", made.Properties)
	}
	value[sb.RulesClientCreateOrUpdateResponse](s)(c.CreateOrUpdate(s.ctx, group, ns, "news", "all", "red", sb.Rule{Properties: &sb.Ruleproperties{
		FilterType: to.Ptr(sb.FilterTypeCorrelationFilter), CorrelationFilter: &sb.CorrelationFilter{Label: to.Ptr("red"), Properties: map[string]*string{"shade": to.Ptr("dark")}},
	}}, nil))
	got := value[sb.RulesClientGetResponse](s)(c.Get(s.ctx, group, ns, "news", "all", "red", nil))
	if *got.Properties.CorrelationFilter.Label != "red" || *got.Properties.CorrelationFilter.Properties["shade"] != "dark" {
		s.Errorf("read %+v", got.Properties.CorrelationFilter)
	}
	value[sb.RulesClientDeleteResponse](s)(c.Delete(s.ctx, group, ns, "news", "all", "$Default", nil))
	listed := all(s, c.NewListBySubscriptionsPager(group, ns, "news", "all", nil), func(p sb.RulesClientListBySubscriptionsResponse) []*sb.Rule { return p.Value })
	if got := names(listed, func(r *sb.Rule) *string { return r.Name }); got != "big red" {
		s.Errorf("rules: %s", got)
	}
}

func keys(s *stage, f *sb.ClientFactory, group, ns string) {
	c, queues, topics := f.NewNamespacesClient(), f.NewQueuesClient(), f.NewTopicsClient()
	send := sb.SBAuthorizationRule{Properties: &sb.SBAuthorizationRuleProperties{Rights: []*sb.AccessRights{to.Ptr(sb.AccessRightsSend)}}}
	value[sb.NamespacesClientCreateOrUpdateAuthorizationRuleResponse](s)(c.CreateOrUpdateAuthorizationRule(s.ctx, group, ns, "sender", send, nil))
	value[sb.QueuesClientCreateOrUpdateAuthorizationRuleResponse](s)(queues.CreateOrUpdateAuthorizationRule(s.ctx, group, ns, "orders", "sender", send, nil))
	value[sb.TopicsClientCreateOrUpdateAuthorizationRuleResponse](s)(topics.CreateOrUpdateAuthorizationRule(s.ctx, group, ns, "news", "sender", send, nil))

	root := value[sb.NamespacesClientListKeysResponse](s)(c.ListKeys(s.ctx, group, ns, "RootManageSharedAccessKey", nil))
	if *root.KeyName != "RootManageSharedAccessKey" || len(*root.PrimaryKey) != 44 || !strings.Contains(*root.PrimaryConnectionString, *root.PrimaryKey) || !strings.Contains(*root.PrimaryConnectionString, "//"+ns+".localhost:") {
		s.Errorf("the root keys: %s", *root.PrimaryConnectionString)
	}
	again := value[sb.NamespacesClientRegenerateKeysResponse](s)(c.RegenerateKeys(s.ctx, group, ns, "RootManageSharedAccessKey", sb.RegenerateAccessKeyParameters{KeyType: to.Ptr(sb.KeyTypePrimaryKey)}, nil))
	if *again.PrimaryKey == *root.PrimaryKey || *again.SecondaryKey != *root.SecondaryKey {
		s.Error("not just the primary key changed")
	}
	queueKeys := value[sb.QueuesClientListKeysResponse](s)(queues.ListKeys(s.ctx, group, ns, "orders", "sender", nil))
	if !strings.Contains(*queueKeys.PrimaryConnectionString, "EntityPath=orders") {
		s.Errorf("a queue's keys: %s", *queueKeys.PrimaryConnectionString)
	}
	value[sb.TopicsClientListKeysResponse](s)(topics.ListKeys(s.ctx, group, ns, "news", "sender", nil))
	value[sb.TopicsClientRegenerateKeysResponse](s)(topics.RegenerateKeys(s.ctx, group, ns, "news", "sender", sb.RegenerateAccessKeyParameters{KeyType: to.Ptr(sb.KeyTypeSecondaryKey), Key: to.Ptr("a key of my own choice")}, nil))
	value[sb.QueuesClientRegenerateKeysResponse](s)(queues.RegenerateKeys(s.ctx, group, ns, "orders", "sender", sb.RegenerateAccessKeyParameters{KeyType: to.Ptr(sb.KeyTypeSecondaryKey)}, nil))

	listed := all(s, c.NewListAuthorizationRulesPager(group, ns, nil), func(p sb.NamespacesClientListAuthorizationRulesResponse) []*sb.SBAuthorizationRule { return p.Value })
	if got := names(listed, func(r *sb.SBAuthorizationRule) *string { return r.Name }); got != "RootManageSharedAccessKey sender" {
		s.Errorf("rules: %s", got)
	}
	if n := len(all(s, queues.NewListAuthorizationRulesPager(group, ns, "orders", nil), func(p sb.QueuesClientListAuthorizationRulesResponse) []*sb.SBAuthorizationRule { return p.Value })); n != 1 {
		s.Errorf("%d rules of the queue", n)
	}
	value[sb.QueuesClientGetAuthorizationRuleResponse](s)(queues.GetAuthorizationRule(s.ctx, group, ns, "orders", "sender", nil))
	value[sb.QueuesClientDeleteAuthorizationRuleResponse](s)(queues.DeleteAuthorizationRule(s.ctx, group, ns, "orders", "sender", nil))
	value[sb.TopicsClientDeleteAuthorizationRuleResponse](s)(topics.DeleteAuthorizationRule(s.ctx, group, ns, "news", "sender", nil))
	value[sb.NamespacesClientDeleteAuthorizationRuleResponse](s)(c.DeleteAuthorizationRule(s.ctx, group, ns, "sender", nil))
}

func network(s *stage, f *sb.ClientFactory, group, ns string) {
	c := f.NewNamespacesClient()
	got := value[sb.NamespacesClientGetNetworkRuleSetResponse](s)(c.GetNetworkRuleSet(s.ctx, group, ns, nil))
	if *got.Properties.DefaultAction != sb.DefaultActionAllow || *got.Name != "default" {
		s.Errorf("at first: %+v", got.Properties)
	}
	value[sb.NamespacesClientCreateOrUpdateNetworkRuleSetResponse](s)(c.CreateOrUpdateNetworkRuleSet(s.ctx, group, ns, sb.NetworkRuleSet{Properties: &sb.NetworkRuleSetProperties{
		DefaultAction: to.Ptr(sb.DefaultActionAllow), IPRules: []*sb.NWRuleSetIPRules{{IPMask: to.Ptr("10.1.0.0/16"), Action: to.Ptr(sb.NetworkRuleIPActionAllow)}},
	}}, nil))
	listed := all(s, c.NewListNetworkRuleSetsPager(group, ns, nil), func(p sb.NamespacesClientListNetworkRuleSetsResponse) []*sb.NetworkRuleSet { return p.Value })
	if len(listed) != 1 || *listed[0].Properties.IPRules[0].IPMask != "10.1.0.0/16" {
		s.Errorf("listed %d", len(listed))
	}
	_, err := c.CreateOrUpdateNetworkRuleSet(s.ctx, group, ns, sb.NetworkRuleSet{Properties: &sb.NetworkRuleSetProperties{IPRules: []*sb.NWRuleSetIPRules{{IPMask: to.Ptr("home")}}}}, nil)
	s.refused(err, 400, "BadRequest", "is no address")
	if n := len(all(s, f.NewPrivateEndpointConnectionsClient().NewListPager(group, ns, nil), func(p sb.PrivateEndpointConnectionsClientListResponse) []*sb.PrivateEndpointConnection {
		return p.Value
	})); n != 0 {
		s.Errorf("%d private endpoints", n)
	}
	value[sb.PrivateLinkResourcesClientGetResponse](s)(f.NewPrivateLinkResourcesClient().Get(s.ctx, group, ns, nil))
}

func refusals(s *stage, f *sb.ClientFactory, group, ns string) {
	queues := f.NewQueuesClient()
	_, err := queues.Get(s.ctx, group, ns, "nowhere", nil)
	s.refused(err, 404, "ResourceNotFound", "was not found")
	_, err = queues.Get(s.ctx, "no-group", ns, "orders", nil)
	s.refused(err, 404, "ResourceGroupNotFound", "Resource group 'no-group' could not be found.")
	_, err = queues.CreateOrUpdate(s.ctx, group, "no-namespace", "orders", sb.SBQueue{}, nil)
	s.refused(err, 404, "ParentResourceNotFound", "declare it first")
	_, err = queues.CreateOrUpdate(s.ctx, group, ns, "wrong", sb.SBQueue{Properties: &sb.SBQueueProperties{LockDuration: to.Ptr("PT1H"), MaxDeliveryCount: to.Ptr[int32](0)}}, nil)
	s.refused(err, 400, "BadRequest", "properties.maxDeliveryCount: It is 0 and must be at least 1.")
	s.refused(err, 400, "BadRequest", "properties.lockDuration: It is PT1H and must be at most PT5M.")
	_, err = f.NewNamespacesClient().BeginCreateOrUpdate(s.ctx, "other", strings.ToUpper(ns), sb.SBNamespace{Location: to.Ptr("west")}, nil)
	s.refused(err, 409, "Conflict", "is taken")
	recovery := f.NewDisasterRecoveryConfigsClient()
	_, err = recovery.CreateOrUpdate(s.ctx, group, ns, "alias", sb.ArmDisasterRecovery{}, nil)
	s.refused(err, 501, "NotImplemented", "Weir.Continuity/groups")
	_, err = recovery.FailOver(s.ctx, group, ns, "alias", nil)
	s.refused(err, 501, "NotImplemented", "Weir.Continuity/groups")
	_, err = recovery.CheckNameAvailability(s.ctx, group, ns, sb.CheckNameAvailability{Name: to.Ptr("alias")}, nil)
	s.refused(err, 501, "NotImplemented", "Weir.Continuity/groups")
	if n := len(all(s, recovery.NewListPager(group, ns, nil), func(p sb.DisasterRecoveryConfigsClientListResponse) []*sb.ArmDisasterRecovery { return p.Value })); n != 0 {
		s.Errorf("%d aliases", n)
	}
	_, err = f.NewMigrationConfigsClient().BeginCreateAndStartMigration(s.ctx, group, ns, sb.MigrationConfigurationNameDefault, sb.MigrationConfigProperties{}, nil)
	s.refused(err, 501, "NotImplemented", "change its sku")
}

func deleted(s *stage, f *sb.ClientFactory, group, ns string) {
	c := f.NewNamespacesClient()
	p, err := c.BeginDelete(s.ctx, group, ns, nil)
	done(s, p, err)
	_, err = c.Get(s.ctx, group, ns, nil)
	s.refused(err, 404, "ResourceGroupNotFound", "could not be found")
	if got := value[sb.NamespacesClientCheckNameAvailabilityResponse](s)(c.CheckNameAvailability(s.ctx, sb.CheckNameAvailability{Name: &ns}, nil)); !*got.NameAvailable {
		s.Error("its name is not free again")
	}
}

// The connection string that listKeys gives is good as it is, and what is sent with it
// is counted where the management client looks.
func TestKeysLeadToTheNamespace(t *testing.T) {
	s := newStage(t)
	f := value[*sb.ClientFactory](s)(sb.NewClientFactory(defaultSubscription, s, s.options))
	value[sb.QueuesClientCreateOrUpdateResponse](s)(f.NewQueuesClient().CreateOrUpdate(s.ctx, defaultGroup, defaultNamespace, "in", sb.SBQueue{}, nil))
	found := value[sb.NamespacesClientListKeysResponse](s)(f.NewNamespacesClient().ListKeys(s.ctx, defaultGroup, defaultNamespace, "RootManageSharedAccessKey", nil))
	client := value[*azservicebus.Client](s)(azservicebus.NewClientFromConnectionString(*found.PrimaryConnectionString, nil))
	defer client.Close(s.ctx)
	sender := value[*azservicebus.Sender](s)(client.NewSender("in", nil))
	s.must(sender.SendMessage(s.ctx, &azservicebus.Message{Body: []byte("hello")}, nil))
	got := value[sb.QueuesClientGetResponse](s)(f.NewQueuesClient().Get(s.ctx, defaultGroup, defaultNamespace, "in", nil))
	if *got.Properties.CountDetails.ActiveMessageCount != 1 || *got.Properties.SizeInBytes == 0 {
		t.Errorf("counted %+v", got.Properties.CountDetails)
	}
}
