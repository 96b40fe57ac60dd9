package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/internal/groups"
)

// TestWhatAFormerPrimaryHasAloneIsSalvaged: what west accepted and completed while nobody
// heard of it comes to east when west is back, once, and each of it is in the ledger.
func TestWhatAFormerPrimaryHasAloneIsSalvaged(t *testing.T) {
	west, east := twoLocations(t, nil)
	atWest, err := west.client(t).NewSender(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, atWest, 0, 20)
	east.shows(t, 20)
	if err := west.ask(t.Context(), "POST", groupPath+"/isolate", map[string]any{"seconds": 300}, nil); err != nil {
		t.Fatal(err)
	}
	east.await(t, "east to hear nothing from west", func(g groups.Status) bool { return !connected(g) })
	send(t, atWest, 20, 30)
	ours := "sent to both"
	if err := atWest.SendMessage(t.Context(), &azservicebus.Message{MessageID: &ours, Body: []byte("both")}, nil); err != nil {
		t.Fatal(err)
	}
	receiver, err := west.client(t).NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := take(t, receiver, 5), numbers(0, 5); !slices.Equal(got, want) {
		t.Fatalf("west gave %v, want %v", got, want)
	}
	if err := east.ask(t.Context(), "POST", groupPath+"/promote", map[string]any{"force": true}, nil); err != nil {
		t.Fatal(err)
	}
	atEast, err := east.client(t).NewSender(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := atEast.SendMessage(t.Context(), &azservicebus.Message{MessageID: &ours, Body: []byte("both")}, nil); err != nil {
		t.Fatal(err)
	}
	send(t, atEast, 100, 103)
	if err := west.ask(t.Context(), "POST", groupPath+"/isolate", map[string]any{"seconds": 0}, nil); err != nil {
		t.Fatal(err)
	}
	west.await(t, "west to see that it has records alone", func(g groups.Status) bool { return g.Standing == groups.Salvage })

	var listed groups.Salvaged
	if err := west.ask(t.Context(), "GET", groupPath+"/salvage?rows=100", nil, &listed); err != nil {
		t.Fatal(err)
	}
	if listed.Tally.Counts["message"] != 11 || listed.Tally.Counts["settlement"] != 5 || len(listed.Rows) != 16 {
		t.Errorf("west lists %+v", listed.Tally)
	}
	var done groups.Salvaged
	if err := west.ask(t.Context(), "POST", groupPath+"/salvage", map[string]any{"choice": "reinject"}, &done); err != nil {
		t.Fatal(err)
	}
	if c := done.Tally.Counts; c["message reinjected"] != 10 || c["message sent again"] != 1 || c["settlement settled"] != 5 || done.Tally.Rows != 16 {
		t.Errorf("salvaged %+v", done.Tally)
	}
	if data, err := os.ReadFile(done.Files[0]); err != nil || bytes.Count(data, []byte("\n")) != 16 {
		t.Errorf("the ledger: %v, %s", err, data)
	}
	west.await(t, "west to follow", func(g groups.Status) bool { return g.Standing == groups.Secondary && connected(g) })
	all, err := east.client(t).NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append(numbers(5, 30), numbers(100, 103)...), "both")
	slices.Sort(want)
	if got := take(t, all, len(want)); !slices.Equal(got, want) {
		t.Errorf("east gave %v, want %v", got, want)
	}
	east.shows(t, 0)
	west.shows(t, 0)
	if err := west.ask(t.Context(), "GET", groupPath+"/salvage", nil, nil); err == nil {
		t.Error("there is still something to salvage")
	}
}

// TestACopyThatBeganWithASnapshotGetsEverything: what a snapshot refers to lies before it
// in the primary's log. A copy that begins with one has none of that until the primary has
// recorded it again; then a switch loses nothing.
func TestACopyThatBeganWithASnapshotGetsEverything(t *testing.T) {
	const kept = 40
	before := func(west *place) {
		sender, err := west.client(t).NewSender(ordersQueue, nil)
		if err != nil {
			t.Fatal(err)
		}
		receiver, err := west.client(t).NewReceiverForQueue(ordersQueue, nil)
		if err != nil {
			t.Fatal(err)
		}
		churn := func() { // enough for several snapshots
			for range 40 {
				if err := sender.SendMessage(t.Context(), &azservicebus.Message{Body: make([]byte, 200<<10)}, nil); err != nil {
					t.Fatal(err)
				}
				got, err := receiver.ReceiveMessages(t.Context(), 1, nil)
				if err != nil || len(got) != 1 {
					t.Fatal(len(got), err)
				}
				if err := receiver.CompleteMessage(t.Context(), got[0], nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		churn()
		for i := range kept { // deferred, so that the churn passes them
			if err := sender.SendMessage(t.Context(), &azservicebus.Message{Body: fmt.Append(nil, i), ScheduledEnqueueTime: new(time.Now().Add(15 * time.Second))}, nil); err != nil {
				t.Fatal(err)
			}
		}
		for {
			churn()
			size, err := west.members.get("servicebus-sbemulatorns").log.Size(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if size.First > 1 {
				return // the beginning is trimmed away
			}
		}
	}
	west, east := twoLocations(t, map[string]any{"snapshotEvery": int64(1 << 20), "before": before})
	until(t, func() string { return "a snapshot for east to begin with, without which nothing is tested" }, func() bool {
		return strings.Contains(west.log.String(), "is sent a snapshot to begin with")
	})
	until(t, func() string { return "a switch to east" }, func() bool {
		return west.ask(t.Context(), "POST", groupPath+"/switch", map[string]any{"to": "east"}, nil) == nil
	})
	receiver, err := east.client(t).NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := take(t, receiver, kept), numbers(0, kept); !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
}

// TestASalvageInSyncModeWaitsForNobody: a primary that takes nothing alone takes back what
// the other location has, since that one follows first.
func TestASalvageInSyncModeWaitsForNobody(t *testing.T) {
	west, east := twoLocations(t, map[string]any{"mode": "sync"})
	sender, err := west.client(t).NewSender(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, sender, 0, 5)
	if err := west.ask(t.Context(), "POST", groupPath+"/isolate", map[string]any{"seconds": 300}, nil); err != nil {
		t.Fatal(err)
	}
	east.await(t, "east to hear nothing from west", func(g groups.Status) bool { return !connected(g) })
	vain, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := sender.SendMessage(vain, &azservicebus.Message{Body: []byte("alone")}, nil); err == nil {
		t.Fatal("west acknowledged alone")
	}
	if err := east.ask(t.Context(), "POST", groupPath+"/promote", map[string]any{"force": true}, nil); err != nil {
		t.Fatal(err)
	}
	if err := west.ask(t.Context(), "POST", groupPath+"/isolate", map[string]any{"seconds": 0}, nil); err != nil {
		t.Fatal(err)
	}
	west.await(t, "west to see that it has records alone", func(g groups.Status) bool { return g.Standing == groups.Salvage })
	var done groups.Salvaged
	if err := west.ask(t.Context(), "POST", groupPath+"/salvage", map[string]any{"choice": "reinject"}, &done); err != nil {
		t.Fatal(err)
	}
	if done.Tally.Counts["message reinjected"] != 1 {
		t.Errorf("salvaged %+v", done.Tally)
	}
	west.await(t, "west to follow", func(g groups.Status) bool { return g.Standing == groups.Secondary && connected(g) })
	receiver, err := east.client(t).NewReceiverForQueue(ordersQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := take(t, receiver, 6), append(numbers(0, 5), "alone"); !slices.Equal(got, want) {
		t.Errorf("east gave %v, want %v", got, want)
	}
}
