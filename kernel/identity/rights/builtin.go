package rights

import "strings"

// Ids of built-in roles that the program itself names.
const (
	Owner                = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	Contributor          = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	Reader               = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	UserAccess           = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
	AccessControl        = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
	ServiceBusDataOwner  = "090c5cfd-751d-490a-894a-3ce6f1109419"
	ServiceBusDataSend   = "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"
	ServiceBusDataListen = "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"
)

// Builtin are Azure's roles for what Weir serves, by their real ids.
func Builtin() []Role { return append([]Role(nil), builtin...) }

// BuiltinRole finds one by its id.
func BuiltinRole(id string) (Role, bool) {
	for _, r := range builtin {
		if strings.EqualFold(r.ID, id) {
			return r, true
		}
	}
	return Role{}, false
}

// The parts of a permission that many roles share.
var (
	lookAround = []string{"Microsoft.Authorization/*/read", "Microsoft.Insights/alertRules/*", "Microsoft.Resources/deployments/*", "Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Support/*"}
	lookBrief  = []string{"Microsoft.Authorization/*/read", "Microsoft.Resources/subscriptions/resourceGroups/read"}
)

func control(id, name, description string, actions ...string) Role {
	return Role{ID: id, Name: name, Description: description, Permissions: []Permission{{Actions: actions}}, Assignable: []string{"/"}}
}

func data(id, name, description string, actions, dataActions []string) Role {
	return Role{ID: id, Name: name, Description: description, Permissions: []Permission{{Actions: actions, DataActions: dataActions}}, Assignable: []string{"/"}}
}

func with(list []string, more ...string) []string {
	return append(append([]string(nil), more...), list...)
}

func (r Role) without(actions ...string) Role {
	r.Permissions[0].NotActions = actions
	return r
}

// builtin is written from Azure's published list of built-in roles.
var builtin = []Role{
	control(Owner, "Owner", "Everything, the assignment of roles included.", "*"),
	control(Contributor, "Contributor", "Everything but the assignment of roles.", "*").without(
		"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action",
		"Microsoft.Blueprint/blueprintAssignments/write", "Microsoft.Blueprint/blueprintAssignments/delete",
		"Microsoft.Compute/galleries/share/action", "Microsoft.Purview/consents/write", "Microsoft.Purview/consents/delete",
		"Microsoft.Resources/deploymentStacks/manageDenySetting/action", "Microsoft.Subscription/cancel/action", "Microsoft.Subscription/enable/action"),
	control(Reader, "Reader", "Looking at everything, keys excepted.", "*/read"),
	control(UserAccess, "User Access Administrator", "Deciding about the access of others.", "*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
	control(AccessControl, "Role Based Access Control Administrator", "Assigning roles, and nothing else that decides about access.",
		"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read", "Microsoft.Support/*"),

	data(ServiceBusDataOwner, "Azure Service Bus Data Owner", "Everything in Service Bus: entities and messages.",
		[]string{"Microsoft.ServiceBus/*"}, []string{"Microsoft.ServiceBus/*"}),
	data(ServiceBusDataListen, "Azure Service Bus Data Receiver", "Receiving messages.",
		[]string{"Microsoft.ServiceBus/*/queues/read", "Microsoft.ServiceBus/*/topics/read", "Microsoft.ServiceBus/*/topics/subscriptions/read"}, []string{"Microsoft.ServiceBus/*/receive/action"}),
	data(ServiceBusDataSend, "Azure Service Bus Data Sender", "Sending messages.",
		[]string{"Microsoft.ServiceBus/*/queues/read", "Microsoft.ServiceBus/*/topics/read", "Microsoft.ServiceBus/*/topics/subscriptions/read"}, []string{"Microsoft.ServiceBus/*/send/action"}),

	data("f526a384-b230-433a-b45c-95f59c4a2dec", "Azure Event Hubs Data Owner", "Everything in Event Hubs: entities and events.",
		[]string{"Microsoft.EventHub/*"}, []string{"Microsoft.EventHub/*"}),
	data("a638d3c7-ab3a-418d-83e6-5f17a39d4fde", "Azure Event Hubs Data Receiver", "Receiving events.",
		[]string{"Microsoft.EventHub/*/eventhubs/consumergroups/read"}, []string{"Microsoft.EventHub/*/receive/action"}),
	data("2b629674-e913-4c01-ae53-ef4638d8f975", "Azure Event Hubs Data Sender", "Sending events.",
		[]string{"Microsoft.EventHub/*/eventhubs/read"}, []string{"Microsoft.EventHub/*/send/action"}),
	data("5dffeca3-4936-4216-b2bc-10343a5abb25", "Schema Registry Contributor (Preview)", "Reading, writing and deleting schema groups and schemas.",
		[]string{"Microsoft.EventHub/namespaces/schemagroups/*"}, []string{"Microsoft.EventHub/namespaces/schemas/*"}),
	data("2c56ea50-c6b3-40a6-83c0-9d98858bc7d2", "Schema Registry Reader (Preview)", "Reading schema groups and schemas.",
		[]string{"Microsoft.EventHub/namespaces/schemagroups/read"}, []string{"Microsoft.EventHub/namespaces/schemas/read"}),

	control("1e241071-0855-49ea-94dc-649edcd759de", "EventGrid Contributor", "Managing Event Grid.", with(lookAround, "Microsoft.EventGrid/*")...),
	control("428e0ff0-5e57-4d9c-a221-2c70d0e0a443", "EventGrid EventSubscription Contributor", "Managing event subscriptions.",
		with(lookAround, "Microsoft.EventGrid/eventSubscriptions/*", "Microsoft.EventGrid/systemTopics/eventsubscriptions/*", "Microsoft.EventGrid/partnerTopics/eventSubscriptions/*",
			"Microsoft.EventGrid/topicTypes/eventSubscriptions/read", "Microsoft.EventGrid/locations/eventSubscriptions/read", "Microsoft.EventGrid/locations/topicTypes/eventSubscriptions/read")...),
	control("2414bbcf-6497-4faf-8c65-045460748405", "EventGrid EventSubscription Reader", "Looking at event subscriptions.",
		with(lookBrief, "Microsoft.EventGrid/eventSubscriptions/read", "Microsoft.EventGrid/topicTypes/eventSubscriptions/read",
			"Microsoft.EventGrid/locations/eventSubscriptions/read", "Microsoft.EventGrid/locations/topicTypes/eventSubscriptions/read")...),
	data("d5a91429-5739-47e2-a06b-3470a27159e7", "EventGrid Data Sender", "Sending events.",
		with(lookBrief, "Microsoft.EventGrid/topics/read", "Microsoft.EventGrid/domains/read", "Microsoft.EventGrid/partnerNamespaces/read", "Microsoft.EventGrid/namespaces/read"),
		[]string{"Microsoft.EventGrid/events/send/action"}),
	data("78cbd9e7-9798-4e2e-9b5a-547d9ebb31fb", "EventGrid Data Receiver", "Receiving events of namespace topics.",
		with(lookBrief, "Microsoft.EventGrid/namespaces/read", "Microsoft.EventGrid/namespaces/topics/read", "Microsoft.EventGrid/namespaces/topics/eventSubscriptions/read"),
		[]string{"Microsoft.EventGrid/events/receive/action"}),
	data("1d8c3fe3-8864-474b-8749-01e3783e8157", "EventGrid Data Contributor", "Sending and receiving events of namespace topics.",
		with(lookBrief, "Microsoft.EventGrid/topics/read", "Microsoft.EventGrid/domains/read", "Microsoft.EventGrid/partnerNamespaces/read", "Microsoft.EventGrid/namespaces/read",
			"Microsoft.EventGrid/namespaces/topics/read", "Microsoft.EventGrid/namespaces/topics/eventSubscriptions/read"),
		[]string{"Microsoft.EventGrid/events/send/action", "Microsoft.EventGrid/events/receive/action"}),
	data("a12b0b94-b317-4dcd-84a8-502ce99884c6", "EventGrid TopicSpaces Publisher", "Publishing to topic spaces by MQTT.",
		with(lookBrief, "Microsoft.EventGrid/namespaces/read", "Microsoft.EventGrid/namespaces/topicSpaces/read"), []string{"Microsoft.EventGrid/topicSpaces/publish/action"}),
	data("4b0f2fd7-60b4-4eca-896f-4435034f8bf5", "EventGrid TopicSpaces Subscriber", "Subscribing to topic spaces by MQTT.",
		with(lookBrief, "Microsoft.EventGrid/namespaces/read", "Microsoft.EventGrid/namespaces/topicSpaces/read"), []string{"Microsoft.EventGrid/topicSpaces/subscribe/action"}),

	control("87a39d53-fc1b-424a-814c-f7e04687dc9e", "Logic App Contributor", "Managing logic apps, not access to them.",
		with(lookAround, "Microsoft.ClassicStorage/storageAccounts/listKeys/action", "Microsoft.ClassicStorage/storageAccounts/read", "Microsoft.Insights/diagnosticSettings/*", "Microsoft.Insights/logdefinitions/*", "Microsoft.Insights/metricDefinitions/*", "Microsoft.Logic/*",
			"Microsoft.Resources/subscriptions/operationresults/read", "Microsoft.Storage/storageAccounts/listkeys/action", "Microsoft.Storage/storageAccounts/read",
			"Microsoft.Web/connectionGateways/*", "Microsoft.Web/connections/*", "Microsoft.Web/customApis/*", "Microsoft.Web/serverFarms/join/action", "Microsoft.Web/serverFarms/read", "Microsoft.Web/sites/functions/listSecrets/action")...),
	control("515c2055-d9d4-4321-b1b9-bd0c9a0f79fe", "Logic App Operator", "Reading, enabling and disabling logic apps, not editing them.",
		"Microsoft.Authorization/*/read", "Microsoft.Insights/alertRules/*/read", "Microsoft.Insights/diagnosticSettings/*/read", "Microsoft.Insights/metricDefinitions/*/read", "Microsoft.Logic/*/read", "Microsoft.Logic/workflows/disable/action", "Microsoft.Logic/workflows/enable/action", "Microsoft.Logic/workflows/validate/action",
		"Microsoft.Resources/deployments/operations/read", "Microsoft.Resources/subscriptions/operationresults/read", "Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Support/*",
		"Microsoft.Web/connectionGateways/*/read", "Microsoft.Web/connections/*/read", "Microsoft.Web/customApis/*/read", "Microsoft.Web/serverFarms/read"),

	control("312a565d-c81f-4fd8-895a-4e21e48d571c", "API Management Service Contributor", "Managing the service and its APIs.", with(lookAround, "Microsoft.ApiManagement/service/*", "Microsoft.ResourceHealth/availabilityStatuses/read")...),
	control("e022efe7-f5ba-4159-bbe4-b44f577e9b61", "API Management Service Operator Role", "Managing the service, not its APIs.",
		with(lookAround, "Microsoft.ApiManagement/service/*/read", "Microsoft.ApiManagement/service/backup/action", "Microsoft.ApiManagement/service/delete", "Microsoft.ApiManagement/service/managedeployments/action", "Microsoft.ApiManagement/service/read", "Microsoft.ApiManagement/service/restore/action",
			"Microsoft.ApiManagement/service/updatecertificate/action", "Microsoft.ApiManagement/service/updatehostname/action", "Microsoft.ApiManagement/service/write", "Microsoft.ResourceHealth/availabilityStatuses/read")...).without("Microsoft.ApiManagement/service/users/keys/read"),
	control("71522526-b88f-4d52-b57f-d31fc3546d0d", "API Management Service Reader Role", "Looking at the service and its APIs.",
		with(lookAround, "Microsoft.ApiManagement/service/*/read", "Microsoft.ApiManagement/service/read", "Microsoft.ResourceHealth/availabilityStatuses/read")...).without("Microsoft.ApiManagement/service/users/keys/read"),

	control("8cf5e20a-e4b2-4e9d-b3a1-5ceb692c2761", "SignalR/Web PubSub Contributor", "Managing Web PubSub.", with(lookAround, "Microsoft.SignalRService/*")...),
	data("12cf5a90-567b-43ae-8102-96cf46c7d9b4", "Web PubSub Service Owner", "Everything in Web PubSub.", nil, []string{"Microsoft.SignalRService/WebPubSub/*"}),
	data("bfb1c7d2-fb1a-466b-b2ba-aee63b92deaf", "Web PubSub Service Reader", "Looking at what is in Web PubSub.", nil, []string{"Microsoft.SignalRService/WebPubSub/*/read"}),

	control("e40ec5ca-96e0-45a2-b4ff-59039f2c2b59", "Managed Identity Contributor", "Making and removing user-assigned identities.",
		with(lookAround, "Microsoft.ManagedIdentity/userAssignedIdentities/read", "Microsoft.ManagedIdentity/userAssignedIdentities/write", "Microsoft.ManagedIdentity/userAssignedIdentities/delete", "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/*", "Microsoft.ManagedIdentity/userAssignedIdentities/revokeTokens/action")...),
	control("f1a07417-d97a-45cb-824c-7a7467783830", "Managed Identity Operator", "Reading and assigning user-assigned identities.",
		with(lookAround, "Microsoft.ManagedIdentity/userAssignedIdentities/*/read", "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action")...),
}
