// Package replica runs a unit of continuity on this node: it folds the unit's
// journal into a machine, competes for the unit's lease, and as the owner takes
// turns of work, appends what they record and reveals what they decided. What is
// decided here is decided by package core; this is the shell around it.
//
// Promises:
//
//  1. What package core promises: reveal after durable, in order; a turn is
//     durable as a whole; one failed append ends the ownership; time never runs
//     backwards; a batch that can not be folded stops the unit, with its place named.
//  2. Work that was accepted by Do runs in the ownership that accepted it, or not
//     at all. When that ownership ends, Lost closes, work that waits is dropped and
//     reveals that have not run never do.
//  3. The journal's fence alone keeps a second writer out. The lease keeps nodes
//     from fighting over it, and keeps an owner that was cut off from showing what
//     is not journaled (locks, credit): it stops revealing two thirds of the lease
//     time-out after its last renewal began, while others wait for the whole
//     time-out. That holds as long as no clock runs more than 1.5 times as fast as
//     another; clocks need not agree on the time.
//  4. A holder is given up on only while the lease store answers: when the store
//     itself was away, its silence starts anew.
//  5. A replica contends for the lease only after it has folded the log once, so a
//     cold replica does not take over from a warm one.
//  6. The log is trimmed only behind a snapshot that has a second, older one as its
//     fallback, and never from under a payload that was live when that was durable.
//  7. Start starts all goroutines of a unit; Stop and Abort end and await them.
//  8. A unit owns only where it stands as primary, and shows nothing while its
//     location's permit does not hold. When Settled says that it stands otherwise,
//     nothing of its ownership is under way any more.
//
// Refuses: to know what facts mean, to repair a damaged log, to choose which node
// should own, to pass work on to the owner (see the front ends).
package replica

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

// Options say what a unit is and where it is kept.
type Options struct {
	// Unit is the unit's name, Node this node's, Address where other nodes reach it.
	Unit, Node, Address string
	// Machine is the state. The unit alone calls it, and the work given to Do and
	// View.
	Machine Machine
	// Log, Snapshots and Leases are filled in by Open.
	Log       Log
	Snapshots Snapshots
	Leases    Leases
	// Generation numbers the logs of a unit (rule 10 of the journal); Open uses it.
	Generation int
	// Standing is what the unit is in this location at first: see Stand.
	Standing Standing
	// Permit says until when this location may show what is decided here; nil is
	// always.
	Permit *Permit
	// Barrier is what an owner heeds of another location; nil is nothing.
	Barrier Barrier
	// Source is where a secondary copies from; nil: it only folds what is there.
	Source Source

	// MayOwn is asked with the lease in hand, before each epoch is opened; nil: it may
	// always be. The answer must be no older than the question.
	MayOwn func(ctx context.Context) (bool, error)

	// OnGain runs as the first turn of each ownership of this replica.
	OnGain func(*Turn)
	// OnWake runs as a turn when a time asked for by Wake has come, and says when it
	// wants to run next; the zero time is never.
	OnWake func(*Turn) time.Time

	// LeaseTimeout is how long a holder may be silent; 0 is 4 s. All nodes of a
	// location must agree on it.
	LeaseTimeout time.Duration
	// SnapshotEveryBytes is how much log lies between two snapshots at least; 0 is
	// 64 MiB. A large state is written less often: see core.SnapshotDue.
	SnapshotEveryBytes int
	// CarryLogBytesMin is the size up to which the log is left alone even if little in
	// it is alive; 0 is 256 MiB. It concerns machines that are Compactors.
	CarryLogBytesMin uint64

	// Logger is told what an operator wants to know; nil discards.
	Logger *slog.Logger
	// Observer is told what happens, for metrics; nil is nobody.
	Observer Observer
}

const snapshotEveryBytesDefault = 64 << 20

func (o *Options) defaults() {
	if o.LeaseTimeout == 0 {
		o.LeaseTimeout = leaseTimeoutDefault
	}
	if o.SnapshotEveryBytes == 0 {
		o.SnapshotEveryBytes = snapshotEveryBytesDefault
	}
	if o.CarryLogBytesMin == 0 {
		o.CarryLogBytesMin = core.CarryLogBytesMin
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = Unobserved{}
	}
	if o.Barrier == nil {
		o.Barrier = unbarred{}
	}
}

// Unit is one unit's replica on this node.
type Unit struct {
	o     Options
	log   *slog.Logger
	watch Observer

	// core belongs to the main loop. state is held by it while the machine changes
	// and by others while they read it.
	core   *core.Replica
	state  sync.RWMutex
	bounds core.Bounds
	behind atomic.Uint64      // payloads up to here are to be carried forward, whatever that costs
	carry  chan struct{}      // pulsed when that has changed
	newest atomic.Uint64      // where the newest snapshot was taken
	placed bool               // core stands on a place in the log that is good to follow from
	held   *hold              // the lease, while it is held
	loose  []*journal.Pending // appends of an ownership that ended before their outcome
	idle   time.Time          // since when it is held without owning

	queue    *queue
	board    *ownerBoard
	standing *standingBoard
	leaser   *leaser
	waker    waker

	warm     chan struct{} // closed when the log was folded once
	finished chan struct{} // closed when the unit has ended
	health   atomic.Pointer[health]
	position atomic.Uint64 // of the newest record folded or durable

	stop    context.CancelFunc // end in order
	ending  context.Context    // over when the unit is to end
	abort   context.CancelFunc // end at once
	ends    sync.WaitGroup
	closers []func() // end the writers that Open opened
}

// Open returns a unit that is kept in store.
func Open(ctx context.Context, store *journal.Store, o Options) (*Unit, error) {
	log, err := store.Journal(ctx, o.Unit, o.Generation)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The journal of %s could not be opened.", o.Unit)
	}
	snapshots, err := store.Snapshots(ctx, o.Unit, o.Generation)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The snapshots of %s could not be opened.", o.Unit)
	}
	leases, err := store.Leases(ctx)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The leases could not be opened.")
	}
	o.Log, o.Snapshots, o.Leases = log, snapshots, leases
	u := New(o)
	u.closers = []func(){log.Close, snapshots.Close}
	return u, nil
}

// New returns a unit that is not started.
func New(o Options) *Unit {
	o.defaults()
	u := &Unit{
		carry:    make(chan struct{}, 1),
		o:        o,
		log:      o.Logger.With("unit", o.Unit),
		watch:    o.Observer,
		core:     core.New(o.Machine, o.Node),
		queue:    newQueue(o.Unit),
		board:    newOwnerBoard(o.Node, o.Standing),
		standing: newStandingBoard(o.Standing),
		warm:     make(chan struct{}),
		finished: make(chan struct{}),
	}
	u.leaser = newLeaser(u)
	u.waker.signal = make(chan struct{}, 1)
	u.health.Store(&health{Role: core.Follower, Err: fault.New(fault.Unavailable, "%s is still starting.", o.Unit)})
	return u
}

// Start begins to fold and, where the unit is primary, to compete for ownership.
// It does not wait: see WaitOwner and Ready.
func (u *Unit) Start() {
	live, abort := context.WithCancel(context.Background())
	seek, stop := context.WithCancel(live)
	candidacy, retire := context.WithCancel(live)
	u.abort, u.stop, u.ending = abort, stop, seek
	var loops sync.WaitGroup
	loops.Go(func() { u.leaser.run(live, candidacy) })
	u.ends.Go(func() { u.leaser.watch(live) })
	u.ends.Go(func() {
		u.run(live, seek)
		retire()
		loops.Wait()
		<-seek.Done() // one that met damage still tells who owns
		abort()
		for _, c := range u.closers {
			c()
		}
		close(u.finished)
	})
}

// Stop ends the unit in order: an owner takes no more work, finishes what it has
// accepted, saves a snapshot and gives the lease back, so that another takes over
// at once. When ctx ends before that, the rest is left to the next owner.
func (u *Unit) Stop(ctx context.Context) (err error) {
	if u.stop == nil {
		return nil // it was never started
	}
	u.stop()
	select {
	case <-u.finished:
	case <-ctx.Done():
		err = ctx.Err()
		u.abort()
	}
	u.ends.Wait()
	return err
}

// Abort ends the unit as a crash would: nothing is finished, saved or given back.
func (u *Unit) Abort() {
	if u.abort == nil {
		return // it was never started
	}
	u.abort()
	u.ends.Wait()
}

// Do queues work for the owner and returns. The work runs as one turn; a caller
// that has many commands gives them together. Do waits while the queue is full.
// The error is of kind NotOwner when this replica does not own. Not to be called
// from a turn, a reveal or a View: see Try.
func (u *Unit) Do(work func(*Turn)) error {
	if err := u.admit(context.Background()); err != nil {
		return err
	}
	_, err := u.queue.push(context.Background(), work)
	return err
}

// Try is Do that does not wait: it fails with kind Busy when the queue is full.
func (u *Unit) Try(work func(*Turn)) error {
	if _, err := u.o.Barrier.Admit(); err != nil {
		return err
	}
	return u.queue.try(work)
}

// Call is Do that waits until what work has recorded is durable and everything
// decided before it was revealed. Errors: NotOwner and Busy (it did not run),
// Unavailable (the ownership ended) and Timeout (ctx ended) when it may have run,
// and may be durable or not.
func (u *Unit) Call(ctx context.Context, work func(*Turn)) error {
	if err := u.admit(ctx); err != nil {
		return err
	}
	return u.call(ctx, work)
}

// admit holds work back as long as the other location is too far behind.
func (u *Unit) admit(ctx context.Context) error {
	pause, err := u.o.Barrier.Admit()
	if err != nil || pause <= 0 {
		return err
	}
	rest(ctx, pause)
	return nil
}

// call is Call for the unit's own work.
func (u *Unit) call(ctx context.Context, work func(*Turn)) error {
	revealed := make(chan struct{})
	t, err := u.queue.push(ctx, func(turn *Turn) {
		work(turn)
		turn.Reveal(func() { close(revealed) })
	})
	if err != nil {
		return err
	}
	select {
	case <-revealed:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "%s did not answer in time; the request may have taken effect.", u.o.Unit)
	case <-t.lost:
	}
	select {
	case <-revealed:
		return nil
	default:
		return fault.New(fault.Unavailable, "This node has lost %s; the request may have taken effect.", u.o.Unit)
	}
}

// View runs fn while the machine stands still, on any replica. fn only reads, and
// is quick: the unit waits for it. On an owner it sees decisions that are not
// durable yet; what must not be shown before is read in a turn and revealed. Not
// to be called from a turn.
func (u *Unit) View(fn func()) {
	u.state.RLock()
	defer u.state.RUnlock()
	fn()
}

// Read returns the bytes at ref, verified. They may be shared: do not write to
// them. Errors: PayloadMissing when they were trimmed, Damaged, Unavailable.
func (u *Unit) Read(ctx context.Context, ref journal.Ref) ([]byte, error) {
	data, err := u.o.Log.Read(ctx, ref)
	if err != nil {
		return nil, u.readFault(err)
	}
	return data, nil
}

// Wake asks for OnWake to run as soon as the unit's time is at least at. Of
// several times that were asked for the earliest counts, until OnWake runs; the
// zero time asks for nothing. It is cheap and may be called from anywhere.
func (u *Unit) Wake(at time.Time) { u.waker.ask(at) }
