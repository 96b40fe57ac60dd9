package bus

import (
	"fmt"
	"slices"
	"strings"

	"weir/internal/iso8601"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// The resource types of the Service Bus; typeNamespace is the namespace's.
const (
	typeQueue        = typeNamespace + "/queues"
	typeTopic        = typeNamespace + "/topics"
	typeSubscription = typeTopic + "/subscriptions"
	typeRule         = typeSubscription + "/rules"
	authorization    = "/authorizationRules" // behind a namespace, a queue or a topic
)

// apiVersions are those of ARM that these types follow, the newest first.
var apiVersions = []string{"2024-01-01", "2023-01-01-preview", "2022-10-01-preview", "2022-01-01-preview", "2021-11-01", "2021-06-01-preview", "2021-01-01-preview", "2018-01-01-preview", "2017-04-01"}

// Limits of what may be declared, as the quota page states them.
const (
	namespacesMax     = 1000
	entitiesMax       = 10_000 // queues and topics in a namespace, Basic and Standard
	entitiesPerUnit   = 1_000  // in a Premium namespace, for each messaging unit
	subscriptionsMax  = 2_000  // of a topic
	sqlRulesMax       = 2_000  // of a topic
	correlationsMax   = 100_000
	accessRulesMax    = 12
	standardMessageKB = 256
	premiumMessageKB  = 1024
	largestMessageKB  = 102_400
	userMetadataMax   = 1024
)

// kindEmulator marks a namespace that came from the emulator's Config.json, which
// allows a shorter window of duplicate detection.
const kindEmulator = "Emulator"

// duplicateWindowMin is the shortest window outside such a namespace.
const duplicateWindowMin = 20 * iso8601.Second

// Types declares the resource types of the Service Bus.
func Types() []*resource.Type {
	types := []*resource.Type{
		namespaceType(), queueType(), topicType(), subscriptionType(), ruleType(),
		accessRuleType(typeNamespace, "a namespace and everything in it"), accessRuleType(typeQueue, "one queue"), accessRuleType(typeTopic, "one topic and its subscriptions"),
		networkRuleType(),
	}
	return append(types, absentTypes()...)
}

func namespaceType() *resource.Type {
	return &resource.Type{
		Name: typeNamespace, APIVersions: apiVersions,
		Description: "A Service Bus namespace: the entities that share a name on the network, transactions and one journal.",
		NamePattern: `[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?`, NameRange: resource.Range{Min: 6, Max: 50},
		NameHint: "letters, digits and hyphens, a letter first, a letter or digit last",
		SKUs:     []string{"Standard", "Basic", "Premium"}, Located: true, Unique: true, SiblingsMax: namespacesMax,
		Fields: []resource.Field{
			{Name: "disableLocalAuth", Kind: resource.Bool, Default: false, Description: "Refuses shared access keys and tokens signed with them."},
			{Name: "minimumTlsVersion", Kind: resource.Enum, Values: []string{"1.0", "1.1", "1.2"}, Default: "1.2", Description: "Kept for templates; TLS 1.2 is the oldest that is ever accepted."},
			{Name: "publicNetworkAccess", Kind: resource.Enum, Values: []string{"Enabled", "Disabled", "SecuredByPerimeter"}, Default: "Enabled", Description: "Disabled: not reached through doors for other networks (--external-amqps, --external-https)."},
			{Name: "zoneRedundant", Kind: resource.Bool, Immutable: true, Description: "Kept for templates; redundancy comes from the nodes of the location."},
			{Name: "premiumMessagingPartitions", Kind: resource.Int, Immutable: true, Range: &resource.Range{Min: 0, Max: 4}, Description: "Kept for templates."},
			{Name: "alternateName", Kind: resource.String, Range: &resource.Range{Min: 0, Max: 50}, Description: "The namespace's own name where an alias has it."},
			encryptionField(),
			{Name: "privateEndpointConnections", Kind: resource.List, Element: &resource.Field{Name: "connection", Kind: resource.Map}, ReadOnly: true, Description: "Connections through private endpoints."},
			{Name: "status", Kind: resource.String, ReadOnly: true, Description: "Active, once the namespace serves."},
			{Name: "provisioningState", Kind: resource.String, ReadOnly: true, Description: "Succeeded, once the namespace is declared."},
			{Name: "serviceBusEndpoint", Kind: resource.String, ReadOnly: true, Description: "Where clients connect."},
			{Name: "metricId", Kind: resource.String, ReadOnly: true, Description: "The namespace's name in metrics."},
			timeField("createdAt"), timeField("updatedAt"),
			former("createACSNamespace")[0],
		},
		Check: checkNamespace,
		Companions: func(d resource.Document) []resource.Document {
			return companion(d, "authorizationRules", "RootManageSharedAccessKey", map[string]any{"rights": []any{"Manage", "Listen", "Send"}})
		},
	}
}

func encryptionField() resource.Field {
	text := func(name, description string) resource.Field {
		return resource.Field{Name: name, Kind: resource.String, Description: description}
	}
	return resource.Field{Name: "encryption", Kind: resource.Object, Description: "Kept for templates.", Fields: []resource.Field{
		{Name: "keySource", Kind: resource.Enum, Values: []string{"Microsoft.KeyVault"}, Description: "Where the key is."},
		{Name: "requireInfrastructureEncryption", Kind: resource.Bool, Description: "Encrypts twice."},
		{Name: "keyVaultProperties", Kind: resource.List, Description: "The keys.", Element: &resource.Field{Name: "key", Kind: resource.Object, Fields: []resource.Field{
			text("keyName", "The key's name."), text("keyVaultUri", "The vault."), text("keyVersion", "The key's version."),
			{Name: "identity", Kind: resource.Object, Description: "Who reads the vault.", Fields: []resource.Field{text("userAssignedIdentity", "The identity's id.")}},
		}}},
	}}
}

func timeField(name string) resource.Field {
	return resource.Field{Name: name, Kind: resource.Time, ReadOnly: true, Description: "Said by the service."}
}

// companion is one child that comes with a new resource.
func companion(d resource.Document, typ, name string, properties map[string]any) []resource.Document {
	id, err := d.ID.Child(typ, name)
	if err != nil {
		return nil
	}
	return []resource.Document{{ID: id, Properties: properties}}
}

func checkNamespace(d resource.Document, _ resource.View) (p resource.Problems) {
	sku := d.SKU
	partitions := max(d.Int("premiumMessagingPartitions"), 1)
	switch units := sku.Capacity / partitions; {
	case sku.Capacity == 0:
	case sku.Name != "Premium" && sku.Capacity == 1: // templates say so, and it means nothing
	case sku.Name != "Premium":
		p = problem(p, d, "sku.capacity", "Only a Premium namespace has a capacity: leave it out.")
	case sku.Capacity%partitions != 0 || !slices.Contains([]int64{1, 2, 4, 8, 16}, units):
		p = problem(p, d, "sku.capacity", "It is %d and must be 1, 2, 4, 8 or 16 times premiumMessagingPartitions.", sku.Capacity)
	}
	return p
}

// problem adds one problem of a document, found at a path.
func problem(p resource.Problems, d resource.Document, path, format string, args ...any) resource.Problems {
	return append(p, resource.Problem{Path: path, Line: d.Line(path), Sentence: fmt.Sprintf(format, args...)})
}

// Names of queues and topics have '/' outside, which an id writes '~'.
const (
	entityPattern = `[A-Za-z0-9](?:[A-Za-z0-9._~-]*[A-Za-z0-9])?`
	entityHint    = "letters, digits, '.', '-', '_' and '~' (which stands for the '/' of a path), a letter or digit first and last"
)

// entityFields are the properties queues, topics and subscriptions share.
func entityFields(of ...resource.Field) []resource.Field {
	fields := []resource.Field{
		{Name: "status", Kind: resource.Enum, Values: []string{"Active", "Disabled", "SendDisabled", "ReceiveDisabled"}, Default: "Active", Description: "Which sides are open."},
		{Name: "defaultMessageTimeToLive", Kind: resource.Duration, Default: resource.Unlimited, Range: resource.Durations("PT1S", resource.Unlimited), Description: "How long a message lives at most; it caps what messages ask for."},
		{Name: "autoDeleteOnIdle", Kind: resource.Duration, Default: resource.Unlimited, Range: resource.Durations("PT5M", resource.Unlimited), Description: "Deletes the entity after it was not used for so long."},
		{Name: "enableBatchedOperations", Kind: resource.Bool, Default: true, Description: "Kept for templates; operations are always batched."},
		{Name: "userMetadata", Kind: resource.String, Range: &resource.Range{Min: 0, Max: userMetadataMax}, Description: "Text for its owners.", Since: "2026-01-01"},
		{Name: "countDetails", Kind: resource.Map, ReadOnly: true, Description: "Numbers of messages, by state."},
		timeField("createdAt"), timeField("updatedAt"), timeField("accessedAt"),
	}
	return append(of, fields...)
}

// storeFields are those of entities that take messages from senders.
func storeFields() []resource.Field {
	return []resource.Field{
		{Name: "maxSizeInMegabytes", Kind: resource.Int, Default: int64(1024), Range: &resource.Range{Min: 1024, Max: 81920}, Description: "How much it may hold."},
		{Name: "maxMessageSizeInKilobytes", Kind: resource.Int, Range: &resource.Range{Min: standardMessageKB, Max: largestMessageKB}, Description: "The largest message it takes: 256, or in a Premium namespace from 1024, which is the default there.", Since: "2021-06-01-preview"},
		{Name: "requiresDuplicateDetection", Kind: resource.Bool, Default: false, Immutable: true, Description: "Drops a message whose id came before."},
		{Name: "duplicateDetectionHistoryTimeWindow", Kind: resource.Duration, Default: "PT10M", Range: resource.Durations("PT5S", "P7D"), Description: "How long ids are remembered; at least PT20S, but in a namespace declared by an emulator's configuration."},
		{Name: "enablePartitioning", Kind: resource.Bool, Default: false, Immutable: true, Description: "Makes message ids unique for each partition key only."},
		{Name: "enableExpress", Kind: resource.Bool, Default: false, Description: "Kept for templates; messages are always on disk."},
		{Name: "sizeInBytes", Kind: resource.Int, ReadOnly: true, Description: "How much it holds."},
	}
}

// receiveFields are those of entities that give messages to receivers.
func receiveFields() []resource.Field {
	return []resource.Field{
		{Name: "lockDuration", Kind: resource.Duration, Default: "PT1M", Range: resource.Durations("PT5S", "PT5M"), Description: "How long a receiver has a message to itself."},
		{Name: "requiresSession", Kind: resource.Bool, Default: false, Immutable: true, Description: "Groups messages into sessions, each for one receiver at a time."},
		{Name: "deadLetteringOnMessageExpiration", Kind: resource.Bool, Default: false, Description: "Moves messages whose time is over to the dead-letter queue."},
		{Name: "maxDeliveryCount", Kind: resource.Int, Default: int64(10), Range: &resource.Range{Min: 1, Max: 2000}, Description: "Deliveries before a message is moved to the dead-letter queue."},
		{Name: "forwardTo", Kind: resource.String, Range: &resource.Range{Min: 0, Max: 300}, Description: "The path of the queue or topic that gets every message."},
		{Name: "forwardDeadLetteredMessagesTo", Kind: resource.String, Range: &resource.Range{Min: 0, Max: 300}, Description: "The path of the queue or topic that gets the dead letters."},
		{Name: "messageCount", Kind: resource.Int, ReadOnly: true, Description: "How many messages it holds."},
	}
}

// former are properties of api-versions before 2017. They are taken and have no effect.
func former(names ...string) []resource.Field {
	var fields []resource.Field
	for _, name := range names {
		kind := resource.Bool
		if name == "path" {
			kind = resource.String
		}
		fields = append(fields, resource.Field{Name: name, Kind: kind, ReadOnly: true, Description: "Of api-versions before 2017; taken from templates, and of no effect."})
	}
	return fields
}

func queueType() *resource.Type {
	return &resource.Type{
		Name: typeQueue, APIVersions: apiVersions, AnswersOK: true, Description: "A queue.",
		NamePattern: entityPattern, NameHint: entityHint, NameRange: resource.Range{Min: 1, Max: 260},
		Fields:  entityFields(slices.Concat(receiveFields(), storeFields(), former("path", "supportOrdering", "isAnonymousAccessible", "isExpress"))...),
		Prepare: prepareStore,
		Check: func(d resource.Document, v resource.View) resource.Problems {
			return slices.Concat(checkStore(d, v), checkReceive(d, v))
		},
	}
}

func topicType() *resource.Type {
	fields := append(append(storeFields(), former("path", "enableFilteringMessagesBeforePublishing", "filteringMessagesBeforePublishing", "isAnonymousAccessible", "isExpress", "enableSubscriptionPartitioning")...),
		resource.Field{Name: "supportOrdering", Kind: resource.Bool, Default: true, Description: "Kept for templates; messages are always in order."},
		resource.Field{Name: "subscriptionCount", Kind: resource.Int, ReadOnly: true, Description: "How many subscriptions it has."})
	return &resource.Type{
		Name: typeTopic, APIVersions: apiVersions, AnswersOK: true, Description: "A topic: each of its subscriptions gets a copy of the messages its rules choose.",
		NamePattern: entityPattern, NameHint: entityHint, NameRange: resource.Range{Min: 1, Max: 260},
		Fields:  entityFields(fields...),
		Prepare: prepareStore, Check: checkStore,
	}
}

func subscriptionType() *resource.Type {
	fields := append(receiveFields(),
		resource.Field{Name: "deadLetteringOnFilterEvaluationExceptions", Kind: resource.Bool, Default: true, Description: "Moves messages a rule could not judge to the dead-letter queue."},
		resource.Field{Name: "duplicateDetectionHistoryTimeWindow", Kind: resource.Duration, Range: resource.Durations("PT5S", "P7D"), Description: "Kept for templates; topics detect duplicates."},
		resource.Field{Name: "isClientAffine", Kind: resource.Bool, Immutable: true, Description: "Kept for templates; it belongs to JMS."},
		resource.Field{Name: "clientAffineProperties", Kind: resource.Object, Immutable: true, Description: "Kept for templates; it belongs to JMS.", Fields: []resource.Field{
			{Name: "clientId", Kind: resource.String, Description: "The client."},
			{Name: "isDurable", Kind: resource.Bool, Description: "Whether it outlives its client."},
			{Name: "isShared", Kind: resource.Bool, Description: "Whether several clients share it."},
		}})
	return &resource.Type{
		Name: typeSubscription, APIVersions: apiVersions, AnswersOK: true, Description: "A subscription of a topic: a queue of the copies its rules choose.",
		NamePattern: entityPattern, NameHint: entityHint, NameRange: resource.Range{Min: 1, Max: 50}, SiblingsMax: subscriptionsMax,
		Fields: entityFields(fields...),
		Check:  checkReceive,
		Companions: func(d resource.Document) []resource.Document {
			return companion(d, "rules", "$Default", map[string]any{"filterType": "TrueFilter", "sqlFilter": map[string]any{"sqlExpression": "1=1"}})
		},
	}
}

// namespaceOf finds the namespace an entity lies in.
func namespaceOf(id resource.ID, v resource.View) (resource.Document, bool) {
	for !id.IsZero() && !strings.EqualFold(id.Type(), typeNamespace) {
		id = id.Parent()
	}
	return v.Get(id)
}

func isPremium(ns resource.Document) bool { return ns.SKU != nil && ns.SKU.Name == "Premium" }

// prepareStore writes down the largest message: its default depends on the sku.
func prepareStore(d *resource.Document, old *resource.Document, c resource.PrepareContext) error {
	if d.Properties["maxMessageSizeInKilobytes"] != nil {
		return nil
	}
	d.Properties["maxMessageSizeInKilobytes"] = int64(standardMessageKB)
	if old != nil {
		d.Properties["maxMessageSizeInKilobytes"] = old.Int("maxMessageSizeInKilobytes")
	} else if ns, ok := namespaceOf(d.ID, c.View); ok && isPremium(ns) {
		d.Properties["maxMessageSizeInKilobytes"] = int64(premiumMessageKB)
	}
	return nil
}

// checkStore checks queues and topics.
func checkStore(d resource.Document, v resource.View) (p resource.Problems) {
	ns, ok := namespaceOf(d.ID, v)
	if !ok {
		return nil
	}
	size := d.Int("maxMessageSizeInKilobytes")
	switch {
	case isPremium(ns) && size < premiumMessageKB:
		p = problem(p, d, "properties.maxMessageSizeInKilobytes", "It is %d and must be at least %d in a Premium namespace.", size, premiumMessageKB)
	case !isPremium(ns) && size > standardMessageKB:
		p = problem(p, d, "properties.maxMessageSizeInKilobytes", "It is %d and must be %d: only a Premium namespace takes larger messages.", size, standardMessageKB)
	}
	window, err := iso8601.Parse(d.String("duplicateDetectionHistoryTimeWindow"))
	if err == nil && window < duplicateWindowMin && ns.Kind != kindEmulator {
		p = problem(p, d, "properties.duplicateDetectionHistoryTimeWindow", "It is %s and must be at least %s.", window, duplicateWindowMin)
	}
	if ns.SKU != nil && ns.SKU.Name == "Basic" {
		p = checkBasic(p, d)
	}
	return slices.Concat(p, checkPlace(d, ns, v))
}

// checkBasic refuses what a Basic namespace does not have.
func checkBasic(p resource.Problems, d resource.Document) resource.Problems {
	if strings.EqualFold(d.Type(), typeTopic) {
		p = problem(p, d, "", "A Basic namespace has no topics: declare the namespace with the sku Standard.")
	}
	for _, name := range []string{"requiresSession", "requiresDuplicateDetection"} {
		if d.Bool(name) {
			p = problem(p, d, "properties."+name, "A Basic namespace does not have this: declare it with the sku Standard.")
		}
	}
	for _, name := range []string{"forwardTo", "forwardDeadLetteredMessagesTo"} {
		if d.String(name) != "" {
			p = problem(p, d, "properties."+name, "A Basic namespace does not forward: declare it with the sku Standard.")
		}
	}
	return p
}

// checkPlace finds another entity of that path, and too many entities.
func checkPlace(d, ns resource.Document, v resource.View) (p resource.Problems) {
	other := "queues"
	if strings.EqualFold(d.Type(), typeQueue) {
		other = "topics"
	}
	if id, err := ns.ID.Child(other, d.Name()); err == nil {
		if _, taken := v.Get(id); taken {
			p = append(p, resource.Problem{Line: d.Line("name"), Kind: fault.Conflict, Sentence: fmt.Sprintf("There is one of the %s with this path: choose another name.", other)})
		}
	}
	most := entitiesMax
	if isPremium(ns) {
		most = entitiesPerUnit * int(max(ns.SKU.Capacity, 1))
	}
	if n := v.Count(ns.ID, typeQueue) + v.Count(ns.ID, typeTopic); n > most {
		p = append(p, resource.Problem{Line: d.Line(""), Kind: fault.QuotaExceeded, Sentence: fmt.Sprintf("There would be %d queues and topics in the namespace, and there may be %d at most.", n, most)})
	}
	return p
}

// checkReceive checks queues and subscriptions.
func checkReceive(d resource.Document, v resource.View) (p resource.Problems) {
	ns, ok := namespaceOf(d.ID, v)
	if !ok {
		return nil
	}
	if d.Bool("requiresSession") && d.String("forwardTo") != "" {
		p = problem(p, d, "properties.forwardTo", "An entity with sessions cannot forward its messages: leave out one of the two.")
	}
	for _, name := range []string{"forwardTo", "forwardDeadLetteredMessagesTo"} {
		target := forwardPath(d.String(name))
		if target == "" {
			continue
		}
		_, err := entityID(ns.ID, target, func(id resource.ID) bool { _, ok := v.Get(id); return ok })
		switch own := entityPath(d.ID); {
		case strings.EqualFold(target, own), strings.EqualFold(target, topicOf(own)):
			p = problem(p, d, "properties."+name, "It would forward to itself: name another queue or topic.")
		case err != nil:
			p = problem(p, d, "properties."+name, "The namespace has no queue or topic %q: declare it too.", target)
		}
	}
	return p
}
