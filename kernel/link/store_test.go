package link_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"weir/kernel/journal"
	"weir/kernel/link"
)

// site is a location: a store of its own.
type site struct {
	store *journal.Store
	log   *journal.Journal
	snaps *journal.Snapshots
}

func openSite(t *testing.T, generation int, seed *journal.Snapshot) *site {
	t.Helper()
	s, err := journal.Open(t.Context(), journal.Options{Dir: t.TempDir(), Sync: journal.SyncMayLoseLastSecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	if seed != nil {
		if err := s.Seed(t.Context(), "u", generation, *seed); err != nil {
			t.Fatal(err)
		}
	}
	at := &site{store: s}
	if at.log, err = s.Journal(t.Context(), "u", generation); err != nil {
		t.Fatal(err)
	}
	if at.snaps, err = s.Snapshots(t.Context(), "u", generation); err != nil {
		t.Fatal(err)
	}
	return at
}

// append appends n batches and tells the sender, as an owner does.
func (a *site) append(t *testing.T, s *link.Sender, tail journal.Tail, sizes []int) journal.Tail {
	t.Helper()
	under := make(chan *journal.Pending, 64)
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for p := range under {
			if err := p.Wait(context.Background()); err != nil {
				failed <- err
				return
			}
			s.Appended(p.Next().Last, 100, 1)
		}
	}()
	for _, n := range sizes {
		p := a.log.Append(t.Context(), tail, 1, bytes.Repeat([]byte{byte(n)}, n))
		tail = p.Next()
		under <- p
	}
	close(under)
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	return tail
}

// records reads what a log holds behind a mark, up to a position.
func records(t *testing.T, j *journal.Journal, after journal.Mark, upTo journal.Position) [][]byte {
	t.Helper()
	var all [][]byte
	enough := errors.New("enough")
	err := j.Records(t.Context(), after, func(recs [][]byte, _ journal.Position) error {
		if all = append(all, recs...); after.At+journal.Position(len(all)) >= upTo {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	return all
}

func same(t *testing.T, a, b *site, after journal.Mark) {
	t.Helper()
	end, err := a.log.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.log.Mark(t.Context()); err != nil || got != end {
		t.Fatalf("one log ends at %+v, the other at %+v, %v", end, got, err)
	}
	one, two := records(t, a.log, after, end.At), records(t, b.log, after, end.At)
	if len(one) != len(two) {
		t.Fatalf("%d records, %d records", len(one), len(two))
	}
	for i := range one {
		if !bytes.Equal(one[i], two[i]) {
			t.Fatalf("record %d behind %d differs", i+1, after.At)
		}
	}
}

// awaitCovered waits until a position is durable in both.
func awaitCovered(t *testing.T, s *link.Sender, at journal.Position) {
	t.Helper()
	limit := time.After(60 * time.Second)
	for wait := s.Covered(at); wait != nil; wait = s.Covered(at) {
		select {
		case <-wait:
		case <-limit:
			t.Fatalf("position %d is not covered, lag %+v", at, s.Lag())
		}
	}
}

// TestStoresAreEqual copies ten thousand batches from one embedded store into
// another over loopback while they are appended and connections are cut, and
// after a trim begins anew with a snapshot.
func TestStoresAreEqual(t *testing.T) {
	west, east := openSite(t, 1, nil), openSite(t, 1, nil)
	s := link.NewSender(link.SenderOptions{Unit: "u", Location: "west", Log: west.log, Snapshots: west.snaps})
	s.Configure(watched(link.Sync, link.Stop))
	s.Opened(1, 0)
	way := newLoopback(t, s)
	seeds := make(chan journal.Snapshot, 1)
	r := link.NewReceiver(link.ReceiverOptions{Unit: "u", Location: "east", Term: term, Dial: way.dialTCP,
		Seeded: func(_ context.Context, s journal.Snapshot) error {
			seeds <- s
			return nil
		}})
	stop := copying(t, r, east.log)

	rnd := rand.New(rand.NewPCG(3, 4))
	batches := 10_000
	if testing.Short() {
		batches = 2000
	}
	var tail journal.Tail
	for done := 0; done < batches; done += 500 {
		sizes := make([]int, 500)
		for i := range sizes {
			sizes[i] = rnd.IntN(400)
		}
		sizes[rnd.IntN(500)] = 5 << 19
		tail = west.append(t, s, tail, sizes)
		if rnd.IntN(2) == 0 {
			way.cut()
		}
	}
	awaitCovered(t, s, tail.Last)
	same(t, west, east, journal.Mark{})
	if n := way.dials.Load(); n < 2 {
		t.Errorf("%d connections: nothing was cut", n)
	}
	stop()

	cut := tail
	tail = west.append(t, s, tail, make([]int, 100))
	if err := west.snaps.Save(t.Context(), tail, []byte("the state")); err != nil {
		t.Fatal(err)
	}
	if err := west.log.Trim(t.Context(), tail.Last-10); err != nil {
		t.Fatal(err)
	}
	if lag := s.Lag(); lag.Messages != 100 || lag.Acked != cut.Last {
		t.Errorf("lag %+v", lag)
	}
	stop = copying(t, r, east.log)
	seed := <-seeds
	if seed.At != tail || string(seed.Data) != "the state" {
		t.Fatalf("seed %+v", seed)
	}
	stop()
	anew := openSite(t, 2, &seed)
	copying(t, r, anew.log)
	tail = west.append(t, s, tail, []int{1, 2, 3, 3 << 19})
	awaitCovered(t, s, tail.Last)
	same(t, west, anew, journal.Mark{At: seed.At.Last, Sum: seed.At.Sum})
}

// newLoopback is a road over TCP.
func newLoopback(t *testing.T, s *link.Sender) *loopback {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	way := &loopback{road: road{sender: s}, l: l}
	way.accepts.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			way.serve(conn)
		}
	})
	t.Cleanup(func() {
		l.Close()
		way.accepts.Wait()
		way.cut()
		way.ends.Wait()
	})
	return way
}

type loopback struct {
	road
	l       net.Listener
	accepts sync.WaitGroup
}

func (b *loopback) dialTCP(ctx context.Context) (net.Conn, error) {
	b.dials.Add(1)
	var d net.Dialer
	return d.DialContext(ctx, "tcp", b.l.Addr().String())
}
