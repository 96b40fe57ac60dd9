package link_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/journal"
	"weir/kernel/link"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

// home is a unit in one location, with both sides of the link.
type home struct {
	*replica.Unit
	shelf    *replicatest.Shelf
	sender   *link.Sender
	receiver *link.Receiver
	way      *road // to the other location's sender
}

func newHome(t *testing.T, name string, term *atomic.Uint64, standing replica.Standing) *home {
	t.Helper()
	l := replicatest.NewLocation()
	h := &home{shelf: &replicatest.Shelf{}, way: &road{}}
	h.sender = link.NewSender(link.SenderOptions{Unit: "unit", Location: name, Log: l.Log.Node(), Snapshots: l.Snapshots})
	h.receiver = link.NewReceiver(link.ReceiverOptions{Unit: "unit", Location: name, Term: term.Load,
		Dial: func(ctx context.Context) (net.Conn, error) { return h.way.dial(ctx) }})
	o := l.Options(name, h.shelf)
	o.Standing, o.Barrier, o.Source = standing, h.sender, h.receiver
	h.Unit = replica.New(o)
	return h
}

func (h *home) mark(t *testing.T) journal.Mark {
	t.Helper()
	m, err := h.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestUnitsInSyncMode: what a call in the primary was answered is in the secondary's
// log, through cuts and switches there and back.
func TestUnitsInSyncMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var term atomic.Uint64
		term.Store(1)
		west := newHome(t, "west", &term, replica.Standing{Mode: replica.Primary, Floor: 1 << 32})
		east := newHome(t, "east", &term, replica.Standing{Mode: replica.Secondary})
		west.way.sender, east.way.sender = east.sender, west.sender
		homes := []*home{west, east}
		for _, h := range homes {
			h.Start()
		}
		for round := range 4 {
			here, there := homes[round%2], homes[(round+1)%2]
			here.sender.Configure(link.Terms{Mode: link.Sync, WhenAway: link.Stop, Term: term.Load(), Watched: true})
			if o, err := here.WaitOwner(t.Context()); err != nil || !o.Self {
				t.Fatal(o, err)
			}
			for i := range 40 {
				if i%10 == 5 {
					there.way.cut()
				}
				key := fmt.Sprint(round, " ", i)
				if err := here.Call(t.Context(), func(turn *replica.Turn) { here.shelf.Put(turn, key, []byte("payload")) }); err != nil {
					t.Fatal(err)
				}
				if a, b := here.mark(t), there.mark(t); a != b {
					t.Fatalf("round %d, call %d was answered: the log ends at %+v, the copy at %+v", round, i, a, b)
				}
			}
			if lag := here.sender.Lag(); lag.Messages != 0 || lag.Estimated || lag.End != here.mark(t).At {
				t.Errorf("round %d: lag %+v", round, lag)
			}
			here.Stand(replica.Standing{Mode: replica.Halted})
			<-here.Settled()
			time.Sleep(time.Second) // of the bubble: what is to be copied is
			if a, b := here.mark(t), there.mark(t); a != b || there.receiver.State().Mark != a {
				t.Fatalf("round %d: halted at %+v, the copy ends at %+v, its receiver says %+v", round, a, b, there.receiver.State())
			}
			here.sender.Configure(link.Terms{})
			t2 := term.Add(1)
			there.Stand(replica.Standing{Mode: replica.Primary, Floor: t2 << 32})
			here.Stand(replica.Standing{Mode: replica.Secondary})
		}
		for _, h := range homes {
			h.way.cuts.Store(true)
			h.way.cut()
		}
		for _, h := range homes {
			h.Abort()
			h.way.ends.Wait()
		}
	})
}
