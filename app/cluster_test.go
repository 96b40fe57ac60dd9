package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/bus"
)

// freeAddresses are loopback addresses nobody listens on.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var all []string
	for range n {
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		all = append(all, socket.Addr().String())
	}
	return all
}

// threeNodes starts a location of three nodes.
func threeNodes(t *testing.T) []*Platform {
	t.Helper()
	peers := map[string]string{}
	for i, address := range freeAddresses(t, 3) {
		peers[fmt.Sprintf("n%d", i+1)] = address
	}
	nodes := make([]*Platform, len(peers))
	errs := make([]error, len(peers))
	var starting sync.WaitGroup
	for i := range nodes {
		o := options(t, &record{})
		o.Node = fmt.Sprintf("n%d", i+1)
		o.ClusterListen, o.ClusterPeers, o.ClusterSecret = peers[o.Node], peers, "between the three of us"
		starting.Go(func() {
			if nodes[i], errs[i] = New(o); errs[i] == nil {
				errs[i] = nodes[i].Start(t.Context())
			}
		})
	}
	starting.Wait()
	t.Cleanup(func() { // at once: the last of three could save nothing alone
		atOnce, cancel := context.WithCancel(context.Background())
		cancel()
		for _, node := range nodes {
			_ = node.Stop(atOnce)
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return nodes
}

func TestEveryNodeServesEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("three nodes take seconds to find each other")
	}
	nodes := threeNodes(t)
	owners := 0
	for _, node := range nodes {
		if node.registry.unit.Ownership().Self {
			owners++
		}
	}
	if owners != 1 {
		t.Fatalf("%d nodes own the registry", owners)
	}
	for i, node := range nodes { // over HTTP, with the token of that node
		queue := fmt.Sprintf("q%d", i)
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+node.Addrs()["http"]+"/deploy",
			strings.NewReader(`{"type":"Microsoft.ServiceBus/namespaces/queues","name":"sbemulatorns/`+queue+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+node.Token())
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Errorf("deploy through n%d: %s", i+1, answer.Status)
		}
		id := resource.MustID(DefaultScope.String() + "/providers/" + typeNamespace + "/sbemulatorns/queues/" + queue)
		changeAsService(t, node, id)
	}
	for _, node := range nodes {
		if err := node.registry.Fresh(t.Context()); err != nil {
			t.Errorf("%s: %v", node.o.Node, err)
		}
		for i := range nodes {
			queue := fmt.Sprintf("%s/providers/%s/sbemulatorns/queues/q%d", DefaultScope, typeNamespace, i)
			if _, err := node.registry.Get(t.Context(), resource.MustID(queue)); err != nil {
				t.Errorf("%s is fresh and lacks q%d: %v", node.o.Node, i, err)
			}
		}
	}
	for i, node := range nodes { // over HTTP to the Service Bus, through any two nodes
		first, second := emulated(t, node.Addrs()["amqp"]), emulated(t, nodes[(i+1)%len(nodes)].Addrs()["http"])
		overHTTP(first, second, fmt.Sprintf("h%d", i))
	}
	for i, door := range nodes { // over AMQP, through any node
		connection := fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;", door.Addrs()["amqp"])
		client, err := azservicebus.NewClientFromConnectionString(connection, nil)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, client, "q0", fmt.Sprintf("through n%d", i+1))
		if err := client.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	requestsOutliveTheirOwner(t, nodes)
}

// requestsOutliveTheirOwner kills the node that owns the namespace: a request that comes
// to another one is held until there is a new owner, and then answered; where that takes
// longer than a request is held, it is asked to come again.
func requestsOutliveTheirOwner(t *testing.T, nodes []*Platform) {
	t.Helper()
	owner := slices.IndexFunc(nodes, func(node *Platform) bool {
		return slices.ContainsFunc(node.bus.Units(), func(u bus.UnitStatus) bool { return u.Role == "owner" })
	})
	if owner < 0 {
		t.Fatal("nobody owns the namespace")
	}
	atOnce, cancel := context.WithCancel(context.Background())
	cancel()
	_ = nodes[owner].Stop(atOnce) // as a crash would
	first, second := nodes[(owner+1)%len(nodes)], nodes[(owner+2)%len(nodes)]
	answered := func(door, method, path, body string, want int) string {
		var status int
		var said string
		until(t, func() string { return fmt.Sprintf("%s %s: %d %s", method, path, status, said) }, func() bool {
			if status, said, _ = emulated(t, door).try(method, path, body); status != want && status != http.StatusServiceUnavailable {
				t.Fatalf("%s %s: %d %s", method, path, status, said)
			}
			return status == want
		})
		return said
	}
	answered(first.Addrs()["amqp"], "POST", "/h0/messages", "held", 201)
	if got := answered(second.Addrs()["http"], "DELETE", "/h0/messages/head?timeout=5", "", 200); got != "held" {
		t.Errorf("got %q", got)
	}
}

// changeAsService changes the registry the way a service on the node does.
func changeAsService(t *testing.T, node *Platform, queue resource.ID) {
	t.Helper()
	child := resource.MustID(queue.String() + "/authorizationRules/mine")
	d := resource.Document{ID: child, Properties: map[string]any{"rights": []any{"Send"}}}
	result, err := node.registry.Put(t.Context(), d, resource.Condition{IfNoneMatch: true})
	if err != nil || !result.Created || !result.Document.ID.Equal(child) {
		t.Errorf("%s: %+v %v", node.o.Node, result, err)
	}
	if _, err = node.registry.Put(t.Context(), d, resource.Condition{IfNoneMatch: true}); !fault.Is(err, fault.PreconditionFailed) {
		t.Errorf("%s: put twice: %v", node.o.Node, err)
	}
	if outcomes, err := node.registry.PutAll(t.Context(), []resource.Document{d}); err != nil || outcomes[0].Outcome != "unchanged" {
		t.Errorf("%s: %+v %v", node.o.Node, outcomes, err)
	}
	if err := node.registry.Delete(t.Context(), child, resource.Condition{}); err != nil {
		t.Errorf("%s: %v", node.o.Node, err)
	}
	if err := node.registry.Delete(t.Context(), child, resource.Condition{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("%s: deleted twice: %v", node.o.Node, err)
	}
}

func roundTrip(t *testing.T, client *azservicebus.Client, queue, text string) {
	t.Helper()
	sender, err := client.NewSender(queue, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.SendMessage(t.Context(), &azservicebus.Message{Body: []byte(text)}, nil); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	receiver, err := client.NewReceiverForQueue(queue, nil)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := receiver.ReceiveMessages(t.Context(), 1, nil)
	if err != nil || len(messages) != 1 || string(messages[0].Body) != text {
		t.Fatalf("%s: %v %v", text, messages, err)
	}
	if err := receiver.CompleteMessage(t.Context(), messages[0], nil); err != nil {
		t.Errorf("%s: %v", text, err)
	}
}
