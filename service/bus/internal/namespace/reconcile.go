package namespace

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/service/bus/internal/broker"
)

// Catalog is where the entities of one namespace are declared. Its answers come
// from this node's memory; what was just declared elsewhere may come a moment
// later, and Watch then says so.
type Catalog interface {
	// Entities returns every queue, topic and subscription that is declared. What can
	// not be read is left out and named in the error.
	Entities(ctx context.Context) ([]broker.Definition, error)
	// Gone says whether an entity that Entities left out is certainly declared no
	// more. On its word messages are lost for good: it takes its time, or fails.
	Gone(ctx context.Context, path string) (bool, error)
	// Watch calls changed after every change until ctx ends.
	Watch(ctx context.Context, changed func()) error
	// Delete removes the declaration of an entity.
	Delete(ctx context.Context, path string) error
	// PutRule and DeleteRule change one rule of a subscription. PutRule refuses a
	// name that is taken with AlreadyExists, DeleteRule one that is not with NotFound.
	PutRule(ctx context.Context, subscription string, rule broker.Rule) error
	DeleteRule(ctx context.Context, subscription, rule string) error
}

const (
	retryPause    = time.Second      // after a comparison that failed
	deleteTimeout = 10 * time.Second // for one idle entity
)

// reconciler makes comparisons one after the other and tells who waits.
type reconciler struct {
	asked chan struct{}

	mu    sync.Mutex
	begun uint64 // comparisons that have begun
	ended uint64 // the newest one that has ended
	turn  chan struct{}
	idle  []string
}

func (r *reconciler) init() {
	r.asked = make(chan struct{}, 1)
	r.turn = make(chan struct{})
}

// ask wants a comparison that begins after now. Asking twice is asking once.
func (r *reconciler) ask() {
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

// Start gives the namespace its unit and compares until ctx ends. It returns at
// once; the returned function waits for the end.
func (n *Namespace) Start(ctx context.Context, unit Unit) (wait func()) {
	n.unit = unit
	var running sync.WaitGroup
	running.Go(func() { n.watch(ctx) })
	running.Go(func() { n.compareAll(ctx) })
	running.Go(func() { n.fetchAll(ctx) })
	n.reconcile.ask()
	return running.Wait
}

func (n *Namespace) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := n.catalog.Watch(ctx, n.reconcile.ask); err != nil && ctx.Err() == nil {
			n.log.Error("the catalog can not be watched", "namespace", n.name, "error", fault.Detail(err))
			pause(ctx)
		}
	}
}

// compareAll is the reconciler's goroutine.
func (n *Namespace) compareAll(ctx context.Context) {
	again := time.AfterFunc(time.Hour, n.reconcile.ask)
	defer again.Stop()
	again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.reconcile.asked:
		}
		number := n.reconcile.begin()
		n.deleteIdle(ctx)
		err := n.compare(ctx)
		n.reconcile.end(number)
		if err != nil && ctx.Err() == nil && !fault.Is(err, fault.NotOwner) {
			n.log.Error("entities do not match their declarations yet", "namespace", n.name, "error", fault.Detail(err))
			again.Reset(retryPause)
		}
	}
}

func pause(ctx context.Context) {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Reconcile waits for a comparison that begins now or later.
func (n *Namespace) Reconcile(ctx context.Context) error {
	r := &n.reconcile
	r.mu.Lock()
	want := r.begun + 1
	r.mu.Unlock()
	r.ask()
	for {
		r.mu.Lock()
		ended, turn := r.ended, r.turn
		r.mu.Unlock()
		if ended >= want {
			return nil
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "The entities of the namespace %q are still being defined.", n.name)
		}
	}
}

func (r *reconciler) begin() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun++
	return r.begun
}

func (r *reconciler) end(number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = number
	close(r.turn)
	r.turn = make(chan struct{})
}

// compare makes the broker's entities those of the catalog.
func (n *Namespace) compare(ctx context.Context) error {
	declared, unread := n.catalog.Entities(ctx)
	// Topics come before their subscriptions, and a removed topic takes its own along.
	slices.SortFunc(declared, func(a, b broker.Definition) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	if !n.Ownership().Self {
		return nil
	}
	var failed []error
	var others []string
	if err := n.Call(ctx, func(t *Turn) { failed, others = n.define(t, declared) }); err != nil {
		return err // the turn may still run: what it writes is not to be read
	}
	if unread != nil {
		return errors.Join(append(failed, unread)...) // what was not read is not gone
	}
	return errors.Join(append(failed, n.removeGone(ctx, others))...)
}

// define is the turn of a comparison. It returns the entities that are not declared.
func (n *Namespace) define(t *Turn, declared []broker.Definition) (failed []error, others []string) {
	wanted := make(map[string]bool, len(declared))
	for _, d := range declared {
		key := strings.ToLower(d.Name)
		wanted[key] = true
		if was, done := n.applied[key]; done && reflect.DeepEqual(was, d) {
			continue
		}
		was, exists := t.Broker.Definition(d.Name)
		if err := t.Broker.Define(t, d); err != nil {
			failed = append(failed, err)
			continue
		}
		n.applied[key] = d
		if now, _ := t.Broker.Definition(d.Name); exists && !sameButRules(was, now) {
			t.Reveal(func() { n.announce(d.Name, nil) })
		}
	}
	for _, d := range t.Broker.Definitions() {
		if !wanted[strings.ToLower(d.Name)] {
			others = append(others, d.Name)
		}
	}
	return failed, others
}

// removeGone removes those entities that are certainly declared no more.
func (n *Namespace) removeGone(ctx context.Context, paths []string) error {
	var failed []error
	for _, path := range paths {
		gone, err := n.catalog.Gone(ctx, path)
		if err == nil && gone {
			err = n.remove(ctx, path)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (n *Namespace) remove(ctx context.Context, path string) error {
	var failed error
	err := n.Call(ctx, func(t *Turn) {
		failed = t.Broker.Remove(t, path)
		delete(n.applied, strings.ToLower(path))
		t.Reveal(func() { n.announce(path, goneFault(path)) })
	})
	if err == nil && !fault.Is(failed, fault.NotFound) { // a topic takes its subscriptions along
		err = failed
	}
	return err
}

// Clear removes every entity, for a namespace that was deleted.
func (n *Namespace) Clear(ctx context.Context) error {
	var all []broker.Definition
	if err := n.Call(ctx, func(t *Turn) { all = t.Broker.Definitions() }); err != nil {
		return err
	}
	var failed []error
	for _, d := range all {
		failed = append(failed, n.remove(ctx, d.Name))
	}
	return errors.Join(failed...)
}

// goneFault is what links of a removed entity are told.
func goneFault(path string) error {
	return fault.New(fault.NotFound, "The messaging entity '%s' could not be found.", path)
}

// sameButRules compares what the links of an entity depend on: new rules apply to
// the next message and end no link.
func sameButRules(a, b broker.Definition) bool {
	a.Rules, b.Rules = nil, nil
	return reflect.DeepEqual(a, b)
}

// expire notes an entity whose idle time ran out. Its declaration is removed, and
// the comparison that follows removes it here.
func (n *Namespace) expire(t *replica.Turn, path string) {
	t.Reveal(func() {
		r := &n.reconcile
		r.mu.Lock()
		r.idle = append(r.idle, path)
		r.mu.Unlock()
		r.ask()
	})
}

func (n *Namespace) deleteIdle(ctx context.Context) {
	r := &n.reconcile
	r.mu.Lock()
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	for _, path := range idle {
		ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
		err := n.catalog.Delete(ctx, path)
		cancel()
		switch {
		case err == nil:
			n.log.Info("idle entity removed", "namespace", n.name, "entity", path)
		case !fault.Is(err, fault.NotFound):
			n.log.Error("an idle entity could not be removed", "namespace", n.name, "entity", path, "error", fault.Detail(err))
		}
	}
}

// PutRule declares a rule of a subscription and waits until it is in force.
func (n *Namespace) PutRule(ctx context.Context, subscription string, rule broker.Rule) error {
	if err := n.catalog.PutRule(ctx, subscription, rule); err != nil {
		return err
	}
	return n.Reconcile(ctx)
}

// DeleteRule removes a rule of a subscription and waits until it is gone.
func (n *Namespace) DeleteRule(ctx context.Context, subscription, rule string) error {
	if err := n.catalog.DeleteRule(ctx, subscription, rule); err != nil {
		return err
	}
	return n.Reconcile(ctx)
}
