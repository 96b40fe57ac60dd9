package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// notes is an audit log in memory.
type notes struct {
	mu   sync.Mutex
	all  []string
	lost error
}

func (n *notes) Note(_ context.Context, e audit.Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost != nil && e.Outcome == audit.Succeeded {
		return n.lost
	}
	n.all = append(n.all, fmt.Sprintf("%s %s %s by %s at %s from %s: %s", e.Outcome, e.Action, e.Scope[strings.LastIndex(e.Scope, "/")+1:], e.Caller, e.Door, e.Peer, e.Code))
	if e.Correlation == "" || e.Outcome != audit.Succeeded && e.Reason == "" {
		n.all = append(n.all, fmt.Sprintf("something is missing: %+v", e))
	}
	return nil
}

func (n *notes) take() (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, n.all = n.all, nil
	return all
}

// reopen builds the bus anew, with other options.
func (h *house) reopen(change func(*Options)) {
	h.t.Helper()
	h.must(h.bus.Stop(h.within()))
	o := Options{Registry: local{h.registry}, Open: h.open, Node: "n1", Address: "here", Logger: h.log()}
	change(&o)
	h.bus = New(o)
	h.must(h.bus.Start(h.t.Context()))
	bus := h.bus
	h.t.Cleanup(func() { _ = bus.Stop(context.Background()) })
	h.await("readiness", func() bool {
		return h.bus.Ready() == nil && len(h.bus.Units()) == 1 && h.bus.all()[0].rules.Load() != nil && len(h.bus.all()[0].rules.Load().all) > 1
	})
}

const adminQueue = `<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml"><QueueDescription xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"/></content></entry>`

// asHTTP makes one request as a rule, and gives the status and what was said.
func (h *house) asHTTP(who, key, method, path, body string, headers ...string) (int, string) {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", h.token(who, key, path))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	w.Header().Set("x-ms-request-id", "ID")
	h.bus.ServeHTTP(w, r, Asked{Peer: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7}, Loopback: true})
	return w.Code, w.Body.String()
}

func TestAudited(t *testing.T) {
	h := newHouse(t)
	h.put(typeNamespace, "plenty", nil)
	h.put(typeNamespace+"/authorizationRules", "plenty/Sender", map[string]any{"rights": []any{"Send"}, "primaryKey": "sender-key"})
	log := &notes{}
	h.reopen(func(o *Options) { o.Audit = log })
	root := func(method, path, body string, headers ...string) int {
		status, _ := h.asHTTP("RootManageSharedAccessKey", "SAS_KEY_VALUE", method, path, body, headers...)
		return status
	}
	sender := func(method, path, body string) int {
		status, _ := h.asHTTP("Sender", "sender-key", method, path, body)
		return status
	}
	var want []string
	const by, entity = " by RootManageSharedAccessKey at atom from 127.0.0.1:7: ", "Microsoft.ServiceBus/namespaces/queues/"
	for _, c := range []struct {
		what   string
		status int
		got    int
		noted  string
	}{
		{"created", 201, root("PUT", "/orders?api-version=2021-05", adminQueue), "Succeeded " + entity + "write orders" + by},
		{"read", 200, root("GET", "/orders?api-version=2021-05", ""), ""},
		{"listed", 200, root("GET", "/$Resources/Queues?api-version=2021-05", ""), ""},
		{"created again", 409, root("PUT", "/orders?api-version=2021-05", adminQueue), "Failed " + entity + "write orders" + by + "AlreadyExists"},
		{"changed", 200, root("PUT", "/orders?api-version=2021-05", adminQueue, "If-Match", "*"), "Succeeded " + entity + "write orders" + by},
		{"changed without Manage", 401, sender("PUT", "/orders?api-version=2021-05", adminQueue), "Refused " + entity + "write orders by Sender at atom from 127.0.0.1:7: Forbidden"},
		{"read without Manage", 401, sender("GET", "/orders?api-version=2021-05", ""), "Refused " + entity + "read orders by Sender at atom from 127.0.0.1:7: Forbidden"},
		{"sent", 201, sender("POST", "/orders/messages", "x"), ""},
		{"received without Listen", 401, sender("POST", "/orders/messages/head", ""), "Refused Microsoft.ServiceBus/namespaces/messages/receive/action orders by Sender at rest from 127.0.0.1:7: Forbidden"},
		{"deleted", 200, root("DELETE", "/orders?api-version=2021-05", ""), "Succeeded " + entity + "delete orders" + by},
	} {
		if c.got != c.status {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.status)
		}
		want = append(want, c.noted)
	}
	want = slices.DeleteFunc(want, func(note string) bool { return note == "" })
	if got := log.take(); !slices.Equal(got, want) {
		t.Errorf("noted\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// What cannot be noted is not said to have been done.
	log.lost = errors.New("the disk is full")
	if status := root("PUT", "/other?api-version=2021-05", adminQueue); status != 503 {
		t.Errorf("a change that could not be noted is answered with %d", status)
	}
}

// What is locked, or another location's, is not changed through this door either.
func TestHeldAgainstTheAdminAPI(t *testing.T) {
	h := newHouse(t)
	h.put(typeNamespace, "plenty", nil)
	kept := h.put(typeQueue, "plenty/kept", nil)
	far := h.put(typeQueue, "plenty/far", nil)
	lock, err := kept.Extension(resource.TypeLock, "careful")
	h.must(err)
	_, err = h.registry.Put(h.within(), resource.Document{ID: lock, Properties: map[string]any{"level": "CanNotDelete"}}, resource.Condition{})
	h.must(err)
	h.reopen(func(o *Options) {
		o.Elsewhere = func(id resource.ID) error {
			if id.Equal(far) {
				return fault.New(fault.Conflict, "The other location decides about it.")
			}
			return nil
		}
	})
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"PUT", "/kept?api-version=2021-05", 200, ""},
		{"DELETE", "/kept?api-version=2021-05", 409, "are locked"},
		{"PUT", "/far?api-version=2021-05", 409, "The other location decides"},
		{"DELETE", "/far?api-version=2021-05", 409, "The other location decides"},
	} {
		status, said := h.asHTTP("RootManageSharedAccessKey", "SAS_KEY_VALUE", c.method, c.path, adminQueue, "If-Match", "*")
		if status != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, said)
		}
	}
}

// ownerOf is a provider of identities whose tokens all make their bearer the data owner
// of one scope.
type ownerOf string

func (ownerOf) Verify(context.Context, string, []string, identity.Peer, time.Time) (identity.Principal, error) {
	return identity.Principal{Kind: identity.Bearer, Subject: &identity.Subject{Object: "someone"}}, nil
}

func (o ownerOf) Allows(_ identity.Principal, action, scope string, data bool) bool {
	at, in := strings.ToLower(string(o)), strings.ToLower(scope)
	return data && strings.HasPrefix(action, "Microsoft.ServiceBus/") && (in == at || strings.HasPrefix(in, at+"/"))
}

// A role counts where it was given and below, for each kind of entity and list.
func TestRolesAtTheHTTPDoors(t *testing.T) {
	h := newHouse(t)
	ns := h.put(typeNamespace, "plenty", nil)
	h.put(typeQueue, "plenty/q", nil)
	h.put(typeTopic, "plenty/news", nil)
	sub := h.put(typeSubscription, "plenty/news/s", nil)
	h.put(typeSubscription, "plenty/news/other", nil)
	requests := []struct{ method, path, body string }{
		{"GET", "/$namespaceinfo?api-version=2021-05", ""}, {"GET", "/$Resources/Topics?api-version=2021-05", ""}, {"GET", "/q?api-version=2021-05", ""}, {"GET", "/news?api-version=2021-05", ""},
		{"GET", "/news/Subscriptions?api-version=2021-05", ""}, {"GET", "/news/Subscriptions/s?api-version=2021-05", ""}, {"GET", "/news/Subscriptions/other?api-version=2021-05", ""},
		{"GET", "/news/Subscriptions/s/Rules?api-version=2021-05", ""}, {"GET", "/news/Subscriptions/s/Rules/$Default?api-version=2021-05", ""},
		{"GET", "/news/Subscriptions/other/Rules/$Default?api-version=2021-05", ""}, {"POST", "/q/messages", "x"}, {"POST", "/news/messages", "x"},
		{"DELETE", "/news/subscriptions/s/messages/head?timeout=0", ""}, {"DELETE", "/q/messages/head?timeout=0", ""},
	}
	for _, c := range []struct {
		at   resource.ID
		want string
	}{{ns, "1111 1111 1111 11"}, {sub, "0000 0101 1000 10"}, {sub.Parent(), "0001 1111 1101 10"}} {
		h.reopen(func(o *Options) { o.Tokens = ownerOf(c.at.String()) })
		got := ""
		for i, one := range requests {
			r := httptest.NewRequest(one.method, one.path, strings.NewReader(one.body))
			r.Header.Set("Authorization", "eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln") // bare, as the Go SDK has it
			w := httptest.NewRecorder()
			h.bus.ServeHTTP(w, r, Asked{Loopback: true})
			if i > 0 && i%4 == 0 {
				got += " "
			}
			switch w.Code {
			case 401:
				got += "0"
			case 200, 201, 204:
				got += "1"
			default:
				t.Errorf("%s %s: %d %s", one.method, one.path, w.Code, w.Body)
			}
		}
		if got != c.want {
			t.Errorf("the owner of %s may %s, want %s", c.at.Name(), got, c.want)
		}
	}
}
