package server

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
)

// Resource is one declared thing, in the shape of an ARM template's resource.
type Resource struct {
	Type       string            `json:"type"`
	Name       string            `json:"name"`
	SKU        map[string]string `json:"sku,omitempty"`
	Properties map[string]any    `json:"properties"`
}

// Properties are a resource's properties by their ARM names.
type Properties map[string]any

// Namespace is the name of the namespace that clients without a host name of
// their own get to.
const Namespace = "sbemulatorns"

// Scope is where resources are declared whose files name no scope.
const Scope = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/weir"

const busType = "Microsoft.ServiceBus/namespaces"

// NamespaceID is the resource id of Namespace.
const NamespaceID = Scope + "/providers/" + busType + "/" + Namespace

// Queue declares a queue.
func Queue(name string, p Properties) Resource { return declare("/queues", name, p) }

// Topic declares a topic.
func Topic(name string, p Properties) Resource { return declare("/topics", name, p) }

// Subscription declares a subscription of a topic.
func Subscription(topic, name string, p Properties) Resource {
	return declare("/topics/subscriptions", topic+"/"+name, p)
}

// SQLRule declares a rule with an SQL filter and, when action is not empty, an
// SQL action.
func SQLRule(topic, subscription, name, filter, action string) Resource {
	p := Properties{"filterType": "SqlFilter", "sqlFilter": map[string]any{"sqlExpression": filter}}
	if action != "" {
		p["action"] = map[string]any{"sqlExpression": action}
	}
	return declare("/topics/subscriptions/rules", topic+"/"+subscription+"/"+name, p)
}

// CorrelationRule declares a rule with a correlation filter, given by its ARM
// names.
func CorrelationRule(topic, subscription, name string, filter map[string]any) Resource {
	return declare("/topics/subscriptions/rules", topic+"/"+subscription+"/"+name,
		Properties{"filterType": "CorrelationFilter", "correlationFilter": filter})
}

// Key declares an authorization rule of the namespace with a key of the test's
// choosing and some of the rights Send, Listen and Manage.
func Key(name, key string, rights ...string) Resource {
	return declare("/authorizationRules", name, Properties{"rights": rights, "primaryKey": key})
}

// QueueKey is Key for one queue.
func QueueKey(queue, name, key string, rights ...string) Resource {
	return declare("/queues/authorizationRules", queue+"/"+name, Properties{"rights": rights, "primaryKey": key})
}

func declare(kind, name string, p Properties) Resource {
	properties := map[string]any{}
	maps.Copy(properties, p)
	return Resource{Type: busType + kind, Name: Namespace + "/" + name, Properties: properties}
}

// PremiumNamespace declares a namespace of the tier that takes large messages.
func PremiumNamespace(name string) Resource {
	return Resource{Type: busType, Name: name, SKU: map[string]string{"name": "Premium"}, Properties: map[string]any{}}
}

// Under puts resources that were declared for Namespace into another one.
func Under(namespace string, resources ...Resource) []Resource {
	var moved []Resource
	for _, r := range resources {
		r.Name = namespace + strings.TrimPrefix(r.Name, Namespace)
		moved = append(moved, r)
	}
	return moved
}

// WriteEstate writes a resource file that declares the given resources.
func WriteEstate(path string, resources []Resource) error {
	data, err := json.MarshalIndent(resources, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
