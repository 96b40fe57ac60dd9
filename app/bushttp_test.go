package app

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/internal/groups"
	"weir/kernel/identity"
)

// asker makes requests to the Service Bus at one door.
type asker struct {
	t    *testing.T
	door string
	name string // of the rule
	key  string
}

func emulated(t *testing.T, door string) asker {
	return asker{t, door, identity.EmulatorKeyName, identity.EmulatorKey}
}

// ask makes one request and checks its status.
func (a asker) ask(method, path, body string, status int, headers ...string) (string, http.Header) {
	a.t.Helper()
	got, data, header := a.try(method, path, body, headers...)
	if got != status {
		a.t.Fatalf("%s %s at %s: %d %s, want %d", method, path, a.door, got, data, status)
	}
	return data, header
}

// try makes one request.
func (a asker) try(method, path, body string, headers ...string) (int, string, http.Header) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+a.door+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", identity.SignToken("sb://"+a.door+"/", a.name, a.key, time.Now().Add(time.Hour)))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if answer.Header.Get("x-ms-request-id") == "" {
		a.t.Errorf("%s %s has no id", method, path)
	}
	return answer.StatusCode, string(data), answer.Header
}

const emptyQueue = `<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml"><QueueDescription xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"/></content></entry>`

// overHTTP makes a queue at one door, sends at it and takes at another, in one breath.
func overHTTP(first, second asker, queue string) {
	t := first.t
	t.Helper()
	first.ask("PUT", "/"+queue+"?api-version=2021-05", emptyQueue, 201)
	first.ask("POST", "/"+queue+"/messages", "through "+first.door, 201, "spelled-So", `"here"`)
	if told, _ := second.ask("GET", "/"+queue+"?api-version=2021-05", "", 200); !strings.Contains(told, "<MessageCount>1</MessageCount>") {
		t.Errorf("it tells %s", told)
	}
	got, header := second.ask("POST", "/"+queue+"/messages/head?timeout=5", "", 201)
	if got != "through "+first.door || header.Get("Spelled-So") != `"here"` {
		t.Errorf("got %q with %v", got, header)
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(header.Get("Location"), "http://"), "/")
	first.ask("DELETE", "/"+path, "", 200)
	second.ask("DELETE", "/"+queue+"/messages/head?timeout=0", "", 204)
}

// Through the door of a location that stands by, to the one that has the namespace; what
// is declared there comes back as a copy, and the changes of others are not accepted here.
func TestOverHTTPBetweenLocations(t *testing.T) {
	west, east := twoLocations(t, nil)
	near, far := emulated(t, west.Addrs()["amqp"]), emulated(t, east.Addrs()["http"])
	overHTTP(far, near, "from-east")
	overHTTP(near, far, "from-west")
	if err := west.ask(t.Context(), "POST", groupPath+"/switch", map[string]any{"to": "east"}, nil); err != nil {
		t.Fatal(err)
	}
	far.ask("POST", "/from-east/messages", "kept", 201)
	east.await(t, "the new primary", func(g groups.Status) bool { return g.Standing == "primary" && connected(g) })
	if got, _ := near.ask("DELETE", "/from-east/messages/head?timeout=5", "", 200); got != "kept" {
		t.Errorf("got %q", got)
	}
	overHTTP(near, far, "after")
}

// Entities whose names are paths of ours are the Service Bus's, when it is asked as its
// clients ask.
func TestQueuesCalledLikePathsOfOurs(t *testing.T) {
	p := start(t, options(t, &record{}))
	for _, door := range []string{"amqp", "http"} {
		a := emulated(t, p.Addrs()[door])
		for _, queue := range []string{"status", "health", "deploy", "subscriptions", "metrics", "continuity/x", "subscriptions/a/messages"} {
			overHTTP(a, a, queue+"-"+door)
			a.ask("PUT", "/"+queue+"?api-version=2021-05", emptyQueue, 201)
			a.ask("DELETE", "/"+queue+"?api-version=2021-05", "", 200)
		}
	}
	// Without a token they are what they were.
	answer, err := http.Get("http://" + p.Addrs()["http"] + "/health")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 200 || answer.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("health says %s", answer.Status)
	}
	for path, status := range map[string]int{"/nothing": 404, "/orders?api-version=2021-05": 401, "/orders/messages/head": 404} {
		answer, err := http.Get("http://" + p.Addrs()["http"] + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, answer.Status, status)
		}
	}
}
