package broker

import (
	"fmt"
	"testing"
	"time"
)

// What the machine keeps must follow what is there, not what there has been. Each
// test makes much of something, undoes it, and looks at what is left.

func at(b *Broker, path string) *mailbox {
	m, _ := b.find(path)
	return m
}

func atMost(t *testing.T, what string, got, most int) {
	t.Helper()
	if got > most {
		t.Errorf("%s: %d, at most %d expected", what, got, most)
	}
}

func soundly(t *testing.T, b *Broker) {
	t.Helper()
	if err := b.sound(); err != nil {
		t.Error(err)
	}
}

func TestOneOldMessageHoldsOneSegment(t *testing.T) {
	b, turn := filled(t, 1, Definition{})
	c := newConsumer(t, b, turn, ReceiverSpec{ID: 1, Path: "q"})
	c.limit++
	b.Credit(turn, 1, c.limit, false)
	b.Events(nil) // the first message stays locked, all that follow come and go
	msgs := []Message{kilobyte("")}
	for range 50_000 {
		must(t, b.Send(turn, "q", msgs, 0))
		c.next(1)
	}
	m := at(b, "q")
	atMost(t, "segments", m.segments.live, 2)
	atMost(t, "places for segments", cap(m.segments.refs), 128)
	atMost(t, "payload blocks", len(b.payloads.slab.blocks), 3)
	atMost(t, "lock blocks", len(b.locks.blocks), 2)
	soundly(t, b)
}

func TestBacklogGoesAndLeavesNothing(t *testing.T) {
	b, turn := filled(t, 100_000, Definition{DefaultTTL: time.Hour})
	c := newConsumer(t, b, turn, ReceiverSpec{ID: 1, Path: "q"})
	for range 1000 {
		c.next(100)
	}
	blocks := 0
	for _, block := range b.payloads.slab.blocks {
		if block != nil {
			blocks++
		}
	}
	m := at(b, "q")
	atMost(t, "segments", m.segments.live, 1)
	atMost(t, "spare segments", len(b.spare), spareSegments)
	atMost(t, "payload blocks", blocks, 2)
	// They were completed long before they expire: nothing waits for that any more.
	atMost(t, "segments that expire", len(m.expiry.items), 1)
	soundly(t, b)
}

func TestMessagesThatComeBackAgainAndAgain(t *testing.T) {
	b, turn := filled(t, 1000, Definition{MaxDeliveryCount: 1 << 30})
	c := newConsumer(t, b, turn, ReceiverSpec{ID: 1, Path: "q"})
	for range 200 {
		c.limit += 500
		b.Credit(turn, 1, c.limit, false)
		for _, e := range b.Events(nil) {
			must(t, b.Settle(turn, Settlement{Path: "q", Lock: e.Delivery.Lock, Disposition: Abandon}))
		}
	}
	atMost(t, "returned numbers", at(b, "q").returned.len(), 2*1000+64)
	soundly(t, b)
}

func TestCreditInDrops(t *testing.T) {
	b, turn := filled(t, 0, Definition{})
	for id := range ReceiverID(2) {
		newConsumer(t, b, turn, ReceiverSpec{ID: id + 1, Path: "q"})
	}
	for n := range uint32(10_000) {
		b.Credit(turn, ReceiverID(1+n%2), 1+n/2, false)
	}
	places := 0
	for g := at(b, "q").line.first; g != nil; g = g.next {
		places++
	}
	atMost(t, "places in line", places, 2*grantsPerReceiver)
	soundly(t, b)
}

func TestDuplicateDetectionForgets(t *testing.T) {
	b, turn := filled(t, 0, Definition{DuplicateWindow: 20 * time.Second})
	for n := range 100_000 {
		turn.now = turn.now.Add(10 * time.Millisecond)
		m := kilobyte("")
		m.MessageID = fmt.Sprint(n)
		must(t, b.Send(turn, "q", []Message{m}, 0))
	}
	h := &at(b, "q").entity.history
	atMost(t, "ids of 20 s at 100 a second", len(h.times), 2001)
	atMost(t, "line of ids", cap(h.line), 3*2001)
	for range 100 {
		if at := b.NextWake(); !at.IsZero() {
			turn.now = at
			b.Tick(turn)
		}
	}
	atMost(t, "ids after the window", len(h.times)+cap(h.line), 0)
}

func TestLockDurationChangesManyTimes(t *testing.T) {
	b, turn := filled(t, 2000, Definition{})
	held := []LockToken{}
	for n := range 100 { // each change closes the receiver and leaves its locks
		must(t, b.Define(turn, Definition{Name: "q", Kind: Queue, LockDuration: time.Duration(100-n) * time.Second}))
		id := ReceiverID(n + 1)
		newConsumer(t, b, turn, ReceiverSpec{ID: id, Path: "q"})
		b.Credit(turn, id, 10, false)
		for _, e := range b.Events(nil) {
			if e.Kind == Delivered {
				held = append(held, e.Delivery.Lock)
			}
		}
	}
	if lanes := len(at(b, "q").lanes); lanes != 100 {
		t.Fatalf("%d lanes", lanes)
	}
	if len(held) != 1000 {
		t.Fatalf("%d messages came", len(held))
	}
	for _, lock := range held {
		must(t, b.Settle(turn, Settlement{Path: "q", Lock: lock}))
	}
	atMost(t, "lanes", len(at(b, "q").lanes), 1)
	soundly(t, b)
}

func TestRemovedEntityGoesBitByBit(t *testing.T) {
	b, turn := filled(t, 100_000, Definition{})
	must(t, b.Remove(turn, "q"))
	if left := b.payloads.slab.live; left < 90_000 {
		t.Errorf("removing has touched all messages but %d at once", left)
	}
	ticks := 0
	for ; b.payloads.slab.live > 0; ticks++ {
		if at := b.NextWake(); at.IsZero() || at.After(turn.now) {
			t.Fatalf("it sleeps until %v with %d messages to bury", at, b.payloads.slab.live)
		}
		b.Tick(turn)
	}
	atMost(t, "ticks", ticks, 100_000/segmentSlots/buryPerTick+2)
	soundly(t, b)
}

// TestNoGarbage: in a steady state a message makes none.
func TestNoGarbage(t *testing.T) {
	b, turn := filled(t, 1000, Definition{DefaultTTL: time.Hour})
	c := newConsumer(t, b, turn, ReceiverSpec{ID: 1, Path: "q"})
	msgs := []Message{kilobyte("")}
	loop := func() {
		must(t, b.Send(turn, "q", msgs, 0))
		c.next(1)
	}
	for range 1000 {
		loop()
	}
	if n := testing.AllocsPerRun(1000, loop); n != 0 {
		t.Errorf("sending, receiving and completing a message allocates %v times", n)
	}
}
