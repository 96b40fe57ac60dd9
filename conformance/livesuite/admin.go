package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"weir/conformance/server"
)

// admin is a double of the admin API: just enough of its Atom for tests to make,
// change and remove queues, topics and subscriptions. It keeps descriptions as
// they came and declares them at the server's resource door.
type admin struct {
	server *server.Server

	mu       sync.Mutex
	entities map[string]entity
}

// entity is one description: its element's name and what was in it.
type entity struct {
	element string
	fields  []field
}

type field struct {
	XMLName xml.Name
	Text    string  `xml:",chardata"`
	Inner   string  `xml:",innerxml"`
	Parts   []field `xml:",any"`
}

type entry struct {
	Content struct {
		Description []field `xml:",any"`
	} `xml:"content"`
}

func (a *admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.Trim(r.URL.Path, "/")
	switch r.Method {
	case http.MethodPut:
		a.put(w, r, path)
	case http.MethodDelete:
		a.remove(w, r, path)
	case http.MethodGet:
		a.get(w, path)
	default:
		http.Error(w, "the double has no such method", http.StatusMethodNotAllowed)
	}
}

func (a *admin) put(w http.ResponseWriter, r *http.Request, path string) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var e entry
	if err == nil {
		err = xml.Unmarshal(body, &e)
	}
	if err != nil || len(e.Content.Description) != 1 {
		http.Error(w, fmt.Sprint("no description in the entry: ", err), http.StatusBadRequest)
		return
	}
	described := e.Content.Description[0]
	kept := entity{element: described.XMLName.Local, fields: described.Parts}
	if err := a.declare(r, path, kept); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status := http.StatusOK
	if _, there := a.entities[path]; !there {
		status = http.StatusCreated
	}
	a.entities[path] = kept
	answer(w, status, path, kept)
}

// declare puts the entity at the server.
func (a *admin) declare(r *http.Request, path string, e entity) error {
	p := server.Properties{}
	for _, f := range e.fields {
		if name, ok := properties[f.XMLName.Local]; ok && f.Text != "" {
			p[name] = scalar(f.Text)
		}
	}
	var resource server.Resource
	switch e.element {
	case "QueueDescription":
		resource = server.Queue(path, p)
	case "TopicDescription":
		resource = server.Topic(path, p)
	case "SubscriptionDescription":
		topic, name, _ := strings.Cut(path, "/Subscriptions/")
		resource = server.Subscription(topic, name, p)
	default:
		return fmt.Errorf("the double does not know a %s", e.element)
	}
	body, err := json.Marshal(resource)
	if err != nil {
		return err
	}
	code, said, err := a.server.Ask(r.Context(), http.MethodPost, "/deploy", body)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("the server answered %d: %s", code, said)
	}
	return err
}

// properties maps elements of a description to properties of a resource.
var properties = map[string]string{
	"LockDuration": "lockDuration", "MaxSizeInMegabytes": "maxSizeInMegabytes", "RequiresDuplicateDetection": "requiresDuplicateDetection",
	"RequiresSession": "requiresSession", "DefaultMessageTimeToLive": "defaultMessageTimeToLive", "MaxDeliveryCount": "maxDeliveryCount",
	"DeadLetteringOnMessageExpiration": "deadLetteringOnMessageExpiration", "DuplicateDetectionHistoryTimeWindow": "duplicateDetectionHistoryTimeWindow",
	"DeadLetteringOnFilterEvaluationExceptions": "deadLetteringOnFilterEvaluationExceptions", "Status": "status", "AutoDeleteOnIdle": "autoDeleteOnIdle",
	"MaxMessageSizeInKilobytes": "maxMessageSizeInKilobytes",
}

// scalar reads the text of an element as the JSON value it stands for.
func scalar(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		return v
	}
	return text
}

func (a *admin) remove(w http.ResponseWriter, r *http.Request, path string) {
	code, said, err := a.server.Ask(r.Context(), http.MethodDelete, a.id(path), nil)
	if err != nil || code >= 300 {
		http.Error(w, fmt.Sprintf("the server answered %d: %s %v", code, said, err), http.StatusNotFound)
		return
	}
	delete(a.entities, path)
	w.WriteHeader(http.StatusOK)
}

// id is the resource id of an entity.
func (a *admin) id(path string) string {
	id := server.Scope + "/providers/Microsoft.ServiceBus/namespaces/" + server.Namespace
	topic, subscription, isSubscription := strings.Cut(path, "/Subscriptions/")
	switch {
	case isSubscription:
		return id + "/topics/" + topic + "/subscriptions/" + subscription
	case a.entities[path].element == "TopicDescription":
		return id + "/topics/" + path
	default:
		return id + "/queues/" + path
	}
}

func (a *admin) get(w http.ResponseWriter, path string) {
	if e, ok := a.entities[path]; ok {
		answer(w, http.StatusOK, path, e)
		return
	}
	w.Header().Set("Content-Type", "application/atom+xml")
	fmt.Fprint(w, `<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Publicly Listed Services</title></feed>`)
}

// answer writes the entry of an entity, its description as it came.
func answer(w http.ResponseWriter, status int, path string, e entity) {
	w.Header().Set("Content-Type", "application/atom+xml;type=entry;charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<entry xmlns="http://www.w3.org/2005/Atom"><id>https://%s/%s</id><title type="text">%s</title><content type="application/xml">`, host, path, path)
	fmt.Fprintf(w, `<%s xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect">`, e.element)
	for _, f := range e.fields {
		fmt.Fprintf(w, "<%s>%s</%s>", f.XMLName.Local, f.Inner, f.XMLName.Local)
	}
	fmt.Fprintf(w, "</%s></content></entry>", e.element)
}
