package link_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/kernel/journal"
	"weir/kernel/journal/journaltest"
	"weir/kernel/link"
	"weir/kernel/link/core"
	"weir/kernel/replica"
)

// road joins a sender and a receiver: connections that are counted and can be cut.
type road struct {
	sender *link.Sender
	wire   atomic.Int64 // bytes from the primary
	cuts   atomic.Bool  // nobody gets through
	dials  atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
	ends  sync.WaitGroup
	last  error // of Serve
}

var errClosed = errors.New("the road is closed")

type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// dial gives the receiver a connection to the sender, in memory.
func (r *road) dial(context.Context) (net.Conn, error) {
	if r.cuts.Load() {
		return nil, errClosed
	}
	r.dials.Add(1)
	here, there := net.Pipe()
	r.serve(there)
	return here, nil
}

// serve serves one end of a connection.
func (r *road) serve(there net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, there)
	r.ends.Go(func() {
		err := r.sender.Serve(context.Background(), counted{there, &r.wire})
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last = err
	})
}

// cut ends all connections.
func (r *road) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// copying runs a receiver until the test ends or stop is called.
func copying(t *testing.T, r *link.Receiver, into replica.CopyLog) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, into) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	t.Cleanup(func() { stop() })
	return stop
}

func term() uint64 { return 1 }

func watched(mode link.Mode, away string) link.Terms {
	return link.Terms{Mode: mode, WhenAway: away, Term: 1, Watched: true}
}

// newPair is a sender over one log and a receiver that reaches it.
func newPair(t *testing.T, from *shelf, snapshots link.Snapshots, terms link.Terms, o link.ReceiverOptions) (*road, *link.Receiver) {
	t.Helper()
	s := link.NewSender(link.SenderOptions{Unit: "u", Location: "west", Log: from, Snapshots: snapshots, Limits: o.Limits})
	s.Configure(terms)
	way := &road{sender: s}
	o.Unit, o.Location = "u", "east"
	if o.Dial == nil {
		o.Dial = way.dial
	}
	if o.Term == nil {
		o.Term = term
	}
	t.Cleanup(func() {
		way.cuts.Store(true)
		way.cut()
		way.ends.Wait()
	})
	return way, link.NewReceiver(o)
}

// eventually waits until something holds that nothing tells of.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited for too long: %s", what)
		}
	}
}

// TestCopiesWhileConnectionsAreCut appends while the connection is cut at random:
// the copy is the same, byte for byte, and everything is acknowledged.
func TestCopiesWhileConnectionsAreCut(t *testing.T) {
	from, to := newShelf(), newShelf()
	way, r := newPair(t, from, nil, watched(link.Sync, link.Stop), link.ReceiverOptions{Limits: link.Limits{WindowBytes: 64 << 10}})
	way.sender.Opened(1, 0)
	copying(t, r, to)
	rnd := rand.New(rand.NewPCG(1, 2))
	var last, cut journal.Position
	for i := range 10_000 {
		data := make([]byte, rnd.IntN(300))
		if i%500 == 0 {
			data = make([]byte, 3<<19)
		}
		last = from.append(1, data)
		way.sender.Appended(last, len(data), 1)
		if rnd.IntN(700) == 0 {
			to.await(t, min(cut+1, last))
			way.cut()
			to.mu.Lock()
			cut = to.tail.Last
			to.mu.Unlock()
		}
	}
	to.await(t, last)
	equal(t, from, to)
	if n := way.dials.Load(); n < 5 {
		t.Errorf("the copy took %d connections: nothing was cut", n)
	}
	for wait := way.sender.Covered(last); wait != nil; wait = way.sender.Covered(last) {
		select {
		case <-wait:
		case <-time.After(20 * time.Second):
			t.Fatal("never covered")
		}
	}
	if lag := way.sender.Lag(); lag.Messages != 0 || lag.Bytes != 0 || lag.Acked != last || lag.Peer != "east" {
		t.Errorf("lag %+v", lag)
	}
	eventually(t, "the secondary knows that it has everything", func() bool {
		s := r.State()
		return s.Mark == to.mark() && s.PrimaryEnd == last && s.Lag.Messages == 0 && s.Connected && !s.LastHeard.IsZero()
	})
}

// TestALongCutIsCaughtUp: what was appended in the meantime is counted on both
// sides, and copied afterwards.
func TestALongCutIsCaughtUp(t *testing.T) {
	from, to := newShelf(), newShelf()
	way, r := newPair(t, from, nil, watched(link.Async, ""), link.ReceiverOptions{})
	way.sender.Opened(1, 0)
	copying(t, r, to)
	put := func(n int) (last journal.Position) {
		for range n {
			last = from.append(1, make([]byte, 100))
			way.sender.Appended(last, 100, 2)
		}
		return last
	}
	to.await(t, put(10))
	eventually(t, "it is acknowledged", func() bool { return way.sender.Lag().Acked == 10 })
	way.cuts.Store(true)
	way.cut()
	eventually(t, "the cut is seen", func() bool { return !way.sender.Lag().Connected && !r.State().Connected })
	last := put(3000)
	if lag := way.sender.Lag(); lag.Messages != 6000 || lag.Bytes != 300_000 || lag.Estimated || lag.Acked != 10 {
		t.Errorf("lag %+v", lag)
	}
	way.cuts.Store(false)
	to.await(t, last)
	equal(t, from, to)
	eventually(t, "nothing is behind", func() bool { return way.sender.Lag().Messages == 0 })
}

// TestCompresses: text takes much less on the wire than in the log.
func TestCompresses(t *testing.T) {
	from, to := newShelf(), newShelf()
	var plain int64
	text := []byte(`{"order":"4711","customer":"a person","lines":[{"sku":"x","count":1},{"sku":"y","count":2}]}`)
	for range 5000 {
		from.append(1, text)
		plain += int64(len(text))
	}
	way, r := newPair(t, from, nil, watched(link.Async, ""), link.ReceiverOptions{})
	copying(t, r, to)
	to.await(t, 5000)
	equal(t, from, to)
	t.Logf("%d bytes of batches, %d on the wire", plain, way.wire.Load())
	if way.wire.Load() > plain*2/3 {
		t.Errorf("%d bytes of batches took %d on the wire", plain, way.wire.Load())
	}
}

// TestSeedsWhenTrimmed: a secondary whose next record is gone gets the newest
// snapshot, begins anew behind it, and copies on.
func TestSeedsWhenTrimmed(t *testing.T) {
	from, snapshots := newShelf(), &journaltest.MemorySnapshots{}
	for range 50 {
		from.append(1, make([]byte, 10))
	}
	state := make([]byte, 5<<19)
	for i := range state {
		state[i] = byte(i * i)
	}
	if err := snapshots.Save(t.Context(), from.tail, state); err != nil {
		t.Fatal(err)
	}
	last := from.append(1, make([]byte, 10))
	from.trim(40)
	seeds := make(chan journal.Snapshot, 1)
	way, r := newPair(t, from, snapshots, watched(link.Async, ""), link.ReceiverOptions{
		Seeded: func(_ context.Context, s journal.Snapshot) error {
			seeds <- s
			return nil
		}})
	stop := copying(t, r, newShelf())
	s := <-seeds
	if s.At.Last != 50 || s.At.Sum == 0 || string(s.Data) != string(state) || s.Time.IsZero() {
		t.Fatalf("a snapshot at %+v with %d bytes", s.At, len(s.Data))
	}
	stop()
	to := begun(s.At)
	copying(t, r, to)
	to.await(t, last)
	from.trim(51)
	equal(t, from, to)
	if way.sender.Lag().Peer != "east" {
		t.Error("the peer is not known")
	}
}

// TestAForkIsRefusedByName: a secondary with a history of its own copies nothing and
// is told so, once.
func TestAForkIsRefusedByName(t *testing.T) {
	from, to := newShelf(), newShelf()
	from.append(1, []byte("common"))
	to.append(1, []byte("not common"))
	before := to.mark()
	from.append(1, []byte("more"))
	var told atomic.Int64
	forks := make(chan journal.Mark, 100)
	var dials atomic.Int64
	var way *road
	var r *link.Receiver
	way, r = newPair(t, from, nil, watched(link.Sync, link.Stop), link.ReceiverOptions{
		Dial: func(ctx context.Context) (net.Conn, error) {
			dials.Add(1)
			return way.dial(ctx)
		},
		Forked: func(m journal.Mark) {
			told.Add(1)
			forks <- m
			_ = r.State() // not under a lock
		}})
	copying(t, r, to)
	if m := <-forks; m != before {
		t.Errorf("told of %+v", m)
	}
	eventually(t, "it dials again", func() bool { return dials.Load() >= 3 })
	s := r.State()
	if s.Refused != "fork" || s.Reason == "" || s.Connected || told.Load() != 1 || to.mark() != before {
		t.Errorf("%+v, told %d times", s, told.Load())
	}
	if way.sender.Lag().Connected {
		t.Error("a fork counts as connected")
	}
}

// TestANewerConnectionReplacesAnOlder: a secondary that moved to another node.
func TestANewerConnectionReplacesAnOlder(t *testing.T) {
	from, one, two := newShelf(), newShelf(), newShelf()
	way, r := newPair(t, from, nil, watched(link.Async, ""), link.ReceiverOptions{})
	stop := copying(t, r, one)
	one.await(t, from.append(1, []byte("a")))
	first := make(chan struct{})
	go func() {
		way.ends.Wait()
		close(first)
	}()
	here, there := net.Pipe()
	other := link.NewReceiver(link.ReceiverOptions{Unit: "u", Location: "east", Term: term, Dial: func(context.Context) (net.Conn, error) { return here, nil }})
	done := make(chan error, 1)
	go func() { done <- way.sender.Serve(t.Context(), there) }()
	way.cuts.Store(true)
	copying(t, other, two)
	select {
	case <-first:
	case <-time.After(20 * time.Second):
		t.Fatal("the older connection goes on")
	}
	way.mu.Lock()
	if !errors.Is(way.last, link.ErrStale) {
		t.Errorf("the older ended with %v", way.last)
	}
	way.mu.Unlock()
	stop()
	two.await(t, from.append(1, []byte("b")))
	if !way.sender.Lag().Connected {
		t.Error("the newer is not connected")
	}
	there.Close()
	<-done
}

// TestTermsEndConnections: other terms are agreed on anew, none end it.
func TestTermsEndConnections(t *testing.T) {
	from, to := newShelf(), newShelf()
	var now atomic.Uint64
	now.Store(1)
	way, r := newPair(t, from, nil, watched(link.Async, ""), link.ReceiverOptions{Term: now.Load})
	copying(t, r, to)
	to.await(t, from.append(1, []byte("a")))
	now.Store(5)
	eventually(t, "refused", func() bool { return r.State().Refused == "term" })
	terms := watched(link.Async, "")
	terms.Term = 5
	way.sender.Configure(terms)
	to.await(t, from.append(1, []byte("b")))
	if s := r.State(); s.Refused != "" || s.PrimaryTerm != 5 {
		t.Errorf("%+v", s)
	}
	way.sender.Configure(link.Terms{})
	eventually(t, "not served", func() bool { return r.State().Refused == "not-primary" && !way.sender.Lag().Connected })
	if way.sender.Covered(99) != nil {
		t.Error("a unit in no group waits")
	}
	if pause, err := way.sender.Admit(); pause != 0 || err != nil {
		t.Error("a unit in no group is bound")
	}
}

// TestALogThatFailsEndsRun: what the log here says is the unit's to judge.
func TestALogThatFailsEndsRun(t *testing.T) {
	from, to := newShelf(), newShelf()
	to.fails = journal.ErrRefused
	_, r := newPair(t, from, nil, watched(link.Async, ""), link.ReceiverOptions{})
	from.append(1, []byte("a"))
	if err := r.Run(t.Context(), to); !errors.Is(err, journal.ErrRefused) {
		t.Errorf("Run ended with %v", err)
	}
}

// TestRunAwaitsWhatItStores: when Run has returned, nothing more reaches the log.
func TestRunAwaitsWhatItStores(t *testing.T) {
	from, to := newShelf(), newShelf()
	stuck := make(chan struct{})
	to.stuck = stuck
	way, r := newPair(t, from, nil, watched(link.Sync, link.Stop), link.ReceiverOptions{})
	way.sender.Opened(1, 0)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, to) }()
	last := from.append(1, []byte("a"))
	way.sender.Appended(last, 1, 1)
	to.await(t, last)
	if way.sender.Covered(last) == nil {
		t.Error("covered before it is durable")
	}
	cancel()
	eventually(t, "the connection ends", func() bool { return !way.sender.Lag().Connected })
	select {
	case <-done:
		t.Fatal("Run returned with a copy under way")
	default:
	}
	close(stuck)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if r.State().Mark.At != last {
		t.Error("what became durable is not known")
	}
}

// TestStrangersAreSentAway: bytes that are no protocol, and peers that say nothing.
func TestStrangersAreSentAway(t *testing.T) {
	s := link.NewSender(link.SenderOptions{Unit: "u", Location: "west", Log: newShelf(), Limits: link.Limits{HelloTimeout: 50 * time.Millisecond}})
	s.Configure(watched(link.Async, ""))
	for name, text := range map[string]string{"another protocol": "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "silence": ""} {
		here, there := net.Pipe()
		go func() {
			io.WriteString(here, text)
			io.Copy(io.Discard, here)
		}()
		if err := s.Serve(t.Context(), there); err == nil || text == "" && !errors.Is(err, link.ErrSilent) {
			t.Errorf("%s: %v", name, err)
		}
		here.Close()
	}
}

// TestAPeerThatLeavesBeforeTheAnswerIsNotConnected: a session that began with a
// good hello ends with its connection, whatever came of the answer.
func TestAPeerThatLeavesBeforeTheAnswerIsNotConnected(t *testing.T) {
	s := link.NewSender(link.SenderOptions{Unit: "u", Location: "west", Log: newShelf()})
	s.Configure(watched(link.Sync, link.Stop))
	here, there := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context(), there) }()
	body := core.Hello{Version: core.Version, Unit: "u", Location: "east", Term: 1}.Append(make([]byte, core.HeadBytes))
	core.Seal(body, core.KindHello, 0)
	if _, err := here.Write(body); err != nil {
		t.Fatal(err)
	}
	here.Close()
	if err := <-done; err == nil {
		t.Error("Serve returned without a reason")
	}
	if s.Lag().Connected {
		t.Error("connected to nobody")
	}
}

// TestACopyThatCameByAnotherWayIsNotServed: its newest record is there, and what lies
// before it is not the same.
func TestACopyThatCameByAnotherWayIsNotServed(t *testing.T) {
	log := newShelf()
	log.append(1, []byte("one"))
	log.append(1, []byte("two"))
	s := link.NewSender(link.SenderOptions{Unit: "u", Location: "west", Log: log})
	s.Configure(watched(link.Async, ""))
	mark := log.mark()
	for want, chained := range map[core.Verdict]uint64{core.OK: mark.Sum, core.Fork: mark.Sum + 1} {
		here, there := net.Pipe()
		go s.Serve(t.Context(), there)
		body := core.Hello{Version: core.Version, Unit: "u", Location: "east", Term: 1, After: mark, Chained: chained}.Append(make([]byte, core.HeadBytes))
		core.Seal(body, core.KindHello, 0)
		if _, err := here.Write(body); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, core.HeadBytes+1)
		if _, err := io.ReadFull(here, head); err != nil {
			t.Fatal(err)
		}
		if got := core.Verdict(head[core.HeadBytes]); got != want {
			t.Errorf("chained %016x: %s, want %s", chained, got, want)
		}
		here.Close()
	}
}
