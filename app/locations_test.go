package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/internal/groups"
	"weir/kernel/journal"
	"weir/kernel/resource"
	"weir/operate/continuity"
	"weir/operate/witness"
)

// place is a location of one node.
type place struct {
	*Platform
	o     Options
	peer  *place
	log   *record
	ended bool
}

const (
	pairingSecret = "between west and east"
	ordersQueue   = "orders"
	patience      = time.Minute // for what takes a moment
)

// twoLocations starts west and east, which pair and share a group that holds the
// default namespace, and waits until east stands by. group has the properties that
// differ from test to test.
func twoLocations(t *testing.T, group map[string]any) (west, east *place) {
	t.Helper()
	if testing.Short() {
		t.Skip("two locations take seconds to settle")
	}
	places := map[string]*place{}
	for _, name := range []string{"west", "east"} {
		p := &place{log: &record{}}
		p.o = options(t, p.log)
		p.o.Location = name
		if every, ok := group["snapshotEvery"].(int64); ok {
			p.o.SnapshotEvery = every
		}
		p.launch(t)
		places[name] = p
	}
	west, east = places["west"], places["east"]
	west.peer, east.peer = east, west
	t.Cleanup(func() {
		for _, p := range places {
			p.abort()
		}
		if t.Failed() {
			t.Logf("west:\n%s\neast:\n%s", west.log, east.log)
		}
	})
	west.deploy(t, document("queues", "sbemulatorns/"+ordersQueue, nil))
	if before, ok := group["before"].(func(west *place)); ok {
		before(west)
	}
	group = maps.Clone(group)
	delete(group, "snapshotEvery")
	delete(group, "before")
	for name, p := range places {
		p.pair(t, name, group)
	}
	west.await(t, "west to be primary and east to copy from it", func(g groups.Status) bool {
		return g.Standing == "primary" && connected(g)
	})
	east.await(t, "east to stand by", func(g groups.Status) bool {
		return g.Standing == "secondary" && g.Term == 1 && connected(g)
	})
	return west, east
}

func connected(g groups.Status) bool {
	return len(g.Units) == 1 && g.Units[0].Connected && g.Phase == ""
}

// launch starts the node on the addresses it had, if it had any.
func (p *place) launch(t *testing.T) {
	t.Helper()
	var err error
	if p.Platform, err = New(p.o); err == nil {
		err = p.Start(t.Context())
	}
	if err != nil {
		t.Fatal(p.o.Location, err)
	}
	p.o.AMQP, p.o.HTTP, p.ended = p.Addrs()["amqp"], p.Addrs()["http"], false
}

// abort ends the node as a crash would.
func (p *place) abort() {
	if p.ended {
		return
	}
	p.ended = true
	atOnce, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.Stop(atOnce) // what it could not do in order is the point
}

// document is a resource below the scope of the tests.
func document(typ, name string, properties map[string]any) map[string]any {
	if typ == "queues" {
		typ = typeNamespace + "/queues"
	}
	return map[string]any{"type": typ, "name": name, "properties": properties}
}

// pair declares the other location, of which the first node is never there, and the
// group.
func (p *place) pair(t *testing.T, name string, group map[string]any) {
	t.Helper()
	properties := map[string]any{
		"pairing": "other", "primary": "west", "units": []string{DefaultScope.String() + "/providers/" + typeNamespace + "/sbemulatorns"},
	}
	for key, value := range group {
		properties[key] = value
	}
	p.deploy(t,
		document(continuity.TypePairing, "other", map[string]any{
			"peer": p.peer.o.Location, "endpoints": []string{"127.0.0.1:1", p.peer.Addrs()["amqp"]}, "secret": pairingSecret,
		}),
		document(continuity.TypeGroup, "all", properties))
}

func (p *place) deploy(t *testing.T, docs ...map[string]any) {
	t.Helper()
	if err := p.ask(t.Context(), "POST", "/deploy", docs, nil); err != nil {
		t.Fatal(p.o.Location, err)
	}
}

// ask is one call of an administrator.
func (p *place) ask(ctx context.Context, method, path string, body, result any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+p.Addrs()["http"]+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+p.Token())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, data)
	case result == nil:
		return nil
	}
	return json.Unmarshal(data, result)
}

const groupPath = "/continuity/groups/all"

// await looks at the group in this location until it is so.
func (p *place) await(t *testing.T, what string, so func(groups.Status) bool) {
	t.Helper()
	var g groups.Status
	until(t, func() string { return fmt.Sprintf("%s: %s says %+v", what, p.o.Location, g) }, func() bool {
		g = groups.Status{}
		return p.ask(t.Context(), "GET", groupPath, nil, &g) == nil && so(g)
	})
}

// until looks at something until it is so, for as long as patience lasts.
func until(t *testing.T, what func() string, so func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("waited in vain for " + what())
		}
	}
}

// client connects to this location as an application would that knows only its door.
func (p *place) client(t *testing.T) *azservicebus.Client {
	t.Helper()
	connection := fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;", p.Addrs()["amqp"])
	c, err := azservicebus.NewClientFromConnectionString(connection, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // its location may be gone
	return c
}

// send sends messages named by their numbers.
func send(t *testing.T, s *azservicebus.Sender, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := s.SendMessage(ctx, &azservicebus.Message{Body: fmt.Append(nil, i)}, nil)
		cancel()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

// take receives and completes n messages and returns their numbers in order. A message
// whose completion was lost comes again, which is no error: it is counted once.
func take(t *testing.T, r *azservicebus.Receiver, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := map[string]bool{}
	for len(seen) < n {
		messages, err := r.ReceiveMessages(ctx, n-len(seen), nil)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(seen), n, err)
		}
		for _, m := range messages {
			var lost *azservicebus.Error
			if err := r.CompleteMessage(ctx, m, nil); err != nil && (!errors.As(err, &lost) || lost.Code != azservicebus.CodeLockLost && lost.Code != azservicebus.CodeConnectionLost) {
				t.Fatalf("complete %s: %v", m.Body, err)
			} else if err == nil {
				seen[string(m.Body)] = true
			}
		}
	}
	var all []string
	for name := range seen {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func numbers(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	slices.Sort(all)
	return all
}

// counted is how many messages this location shows in the queue; -1: it does not know.
func (p *place) counted() int {
	id := resource.MustID(DefaultScope.String() + "/providers/" + typeNamespace + "/sbemulatorns/queues/" + ordersQueue)
	n, ok := p.bus.Counts(resource.Document{ID: id})["messageCount"].(int64)
	if !ok {
		return -1
	}
	return int(n)
}

func (p *place) shows(t *testing.T, n int) {
	t.Helper()
	until(t, func() string { return fmt.Sprintf("%d messages in %s, which shows %d", n, p.o.Location, p.counted()) }, func() bool { return p.counted() == n })
}

// role is what the namespace's unit is here, and whether it is ready.
func (p *place) role(t *testing.T) (string, bool) {
	t.Helper()
	units := p.bus.Units()
	if len(units) != 1 {
		t.Fatalf("%s has the units %+v", p.o.Location, units)
	}
	return units[0].Role, units[0].Ready
}

// TestLeaseOfADeadNodeGetsFree: a lease that nobody gives back is free when it was not
// renewed for as long as was agreed.
func TestLeaseOfADeadNodeGetsFree(t *testing.T) {
	p := start(t, options(t, &record{}))
	held, err := p.store.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const brief = 50 * time.Millisecond
	l := &leases{Leases: held, timeout: brief}
	free := func() bool {
		t.Helper()
		is, err := l.free(t.Context(), "unit")
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if !free() {
		t.Error("what nobody ever held is not free")
	}
	lease, _, err := held.Get(t.Context(), "unit")
	if err != nil {
		t.Fatal(err)
	}
	lease.Node, lease.Epoch = "n9", 1
	if lease, err = held.Acquire(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if free() {
		t.Error("free at first sight")
	}
	until(t, func() string { return "the lease of a dead node" }, free)
	if took := time.Since(began); took < brief {
		t.Errorf("free after %s", took)
	}
	if _, err = held.Renew(t.Context(), lease); !errors.Is(err, journal.ErrLeaseChanged) {
		t.Errorf("a node that stood still renews what was free: %v", err)
	}
	now, _, err := held.Get(t.Context(), "unit")
	if err != nil || now.Epoch != lease.Epoch {
		t.Fatalf("it is %+v, %v", now, err)
	}
	now.Node = "n9"
	if lease, err = held.Acquire(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if free() {
		t.Error("free although it was taken")
	}
	if err := held.Release(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	if !free() {
		t.Error("what was given back is not free")
	}
}

// TestReplacedMemberLetsGo: the log that a link read from is closed when the unit was
// opened again.
func TestReplacedMemberLetsGo(t *testing.T) {
	p := start(t, options(t, &record{}))
	var all members
	log := func(generation int) *linkLog { return &linkLog{store: p.store, unit: "unit", generation: generation} }
	first, second := &member{log: log(0)}, &member{log: log(1)}
	all.put("unit", first)
	if _, err := first.log.Size(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.put("unit", second)
	if _, err := first.log.Size(t.Context()); err == nil {
		t.Error("the replaced log is still read from")
	}
	if _, _, err := second.log.Latest(t.Context()); err != nil || all.get("unit") != second {
		t.Error("the new log is not", err)
	}
}

// TestGroupMovesUnderItsClients: a client that knows one door goes on through a
// planned switch and back, without an error and without losing or repeating a message.
func TestGroupMovesUnderItsClients(t *testing.T) {
	west, east := twoLocations(t, map[string]any{"mode": "sync"})
	client := west.client(t)
	sender, err := client.NewSender(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, sender, 0, 20)
	west.shows(t, 20)
	east.shows(t, 20)
	if role, ready := east.role(t); role != "standby" || !ready {
		t.Errorf("east is %s, ready: %v", role, ready)
	}
	// Through the door of the location that stands by, to the one that has it.
	far, err := east.client(t).NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := take(t, far, 5)
	here, there := west, east
	receiver, err := client.NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	sent := 20
	for term := uint64(2); term < 4; term++ {
		var change groups.Change
		if err := west.ask(t.Context(), "POST", groupPath+"/switch", map[string]any{"to": there.o.Location}, &change); err != nil {
			t.Fatal(err)
		}
		if change.To != there.o.Location || change.Term != term || len(change.Steps) == 0 {
			t.Errorf("the switch says %+v", change)
		}
		send(t, sender, sent, sent+10)
		sent += 10
		got = append(got, take(t, receiver, 5)...)
		there.await(t, "the new primary", func(g groups.Status) bool {
			return g.Standing == "primary" && g.Term == term && connected(g)
		})
		here.await(t, "the new secondary", func(g groups.Status) bool {
			return g.Standing == "secondary" && g.Term == term && connected(g)
		})
		if role, ready := here.role(t); role != "standby" || !ready {
			t.Errorf("%s is %s, ready: %v", here.o.Location, role, ready)
		}
		here.shows(t, there.counted())
		here, there = there, here
	}
	got = append(got, take(t, receiver, sent-len(got))...)
	slices.Sort(got)
	if want := numbers(0, sent); !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
	west.shows(t, 0)
	east.shows(t, 0)
}

// TestPromotionAfterALossOfTheLocation: without a witness nobody promotes but a person
// who says that the other location is gone.
func TestPromotionAfterALossOfTheLocation(t *testing.T) {
	west, east := twoLocations(t, nil)
	sender, err := west.client(t).NewSender(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, sender, 0, 20)
	east.shows(t, 20)
	receiver, err := east.client(t).NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	queue := DefaultScope.String() + "/providers/" + typeNamespace + "/sbemulatorns/queues/another"
	if err := east.ask(t.Context(), "PUT", queue, map[string]any{}, nil); err == nil || !strings.Contains(err.Error(), "which west has") {
		t.Errorf("a queue was declared where the namespace stands by: %v", err)
	}
	got := take(t, receiver, 3) // through west, as long as there is one
	east.shows(t, 17)
	west.abort()
	var expected struct{ ExpectedLoss *groups.Loss }
	if err := east.ask(t.Context(), "POST", groupPath+"/promote", map[string]any{"dryRun": true}, &expected); err != nil {
		t.Fatal(err)
	}
	if expected.ExpectedLoss == nil || !expected.ExpectedLoss.Known || expected.ExpectedLoss.Messages != 0 {
		t.Errorf("east expects to lose %+v", expected.ExpectedLoss)
	}
	if err := east.ask(t.Context(), "POST", groupPath+"/promote", map[string]any{}, nil); err == nil {
		t.Fatal("promoted without a vote and without force")
	}
	var change groups.Change
	if err := east.ask(t.Context(), "POST", groupPath+"/promote", map[string]any{"force": true}, &change); err != nil {
		t.Fatal(err)
	}
	if change.Term != 2 || change.To != "east" {
		t.Errorf("the promotion says %+v", change)
	}
	got = append(got, take(t, receiver, 17)...)
	slices.Sort(got)
	if want := numbers(0, 20); !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
}

// TestWitnessDecides: with a witness the secondary takes over by itself when the primary
// is gone, and a primary that comes back follows: its door leads to the new one.
func TestWitnessDecides(t *testing.T) {
	const secret = "known to the witness too"
	w, err := witness.Start(witness.Options{Listen: "127.0.0.1:0", Data: t.TempDir(), Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Stop(context.Background()) })
	west, east := twoLocations(t, map[string]any{
		"mode": "sync", "whenAway": "degrade", "automatic": true, "witnesses": []string{"http://" + w.Addr()}, "witnessSecret": secret,
	})
	sender, err := west.client(t).NewSender(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, sender, 0, 20)
	west.abort()
	east.await(t, "east to take over", func(g groups.Status) bool { return g.Standing == "primary" && g.Term >= 2 })
	receiver, err := east.client(t).NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := take(t, receiver, 10)
	west.launch(t)
	west.await(t, "west to see that it has lost the group", func(g groups.Status) bool {
		return g.Holder == "east" && g.Standing != "primary"
	})
	again, err := west.client(t).NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, take(t, again, 10)...)
	slices.Sort(got)
	if want := numbers(0, 20); !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
	if east.counted() != 0 {
		t.Errorf("east shows %d messages", east.counted())
	}
}
