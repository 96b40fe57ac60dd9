package trigger

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/host"
)

// key names a trigger of the unit.
type key struct{ workflow, trigger string }

// tenure is one ownership of the unit: the watches, and the lanes they wait in.
type tenure struct {
	m     *Manager
	ctx   context.Context
	owner host.Owner
	began time.Time
	wait  sync.WaitGroup
	poked chan struct{}
	// unread are workflows whose triggers cannot be read, and why; the loop's own.
	unread map[string]string

	adopting sync.Mutex // one workflow is adopted at a time

	mu      sync.Mutex
	watches map[key]*watch
	known   map[string]host.View
	steps   lane
	looks   lane
}

func newTenure(m *Manager, ctx context.Context) *tenure {
	return &tenure{m: m, ctx: ctx, owner: m.Host.Owner(), began: m.Now(), poked: make(chan struct{}, 1), unread: map[string]string{}, watches: map[key]*watch{}, known: map[string]host.View{},
		steps: lane{free: m.limits.Steps}, looks: lane{free: m.limits.Looks}}
}

// here is the location that decides.
func (t *tenure) here() string {
	if t.m.Location != "" {
		return t.m.Location
	}
	return t.owner.Location
}

// loop aligns the watches with what is declared and lets those go whose time has come.
func (t *tenure) loop() {
	for t.ctx.Err() == nil {
		changed := t.m.Host.Changed()
		retry := t.align()
		for more := true; more; {
			wait := time.Hour
			if next := t.release(); !next.IsZero() {
				wait = min(wait, next.Sub(t.m.Now()))
			}
			if retry {
				wait = min(wait, time.Second)
			}
			timer := time.NewTimer(max(wait, 0))
			select {
			case <-changed:
				more = false
			case <-t.poked:
			case <-timer.C:
				more = !retry
			case <-t.ctx.Done():
				more = false
			}
			timer.Stop()
		}
	}
}

// align makes the watches those of the triggers that are declared. It says whether some
// could not be had, and it is to be tried again.
func (t *tenure) align() (again bool) {
	there := map[string]bool{}
	for _, v := range t.m.Host.Workflows() {
		there[v.Name] = true
		err := t.adopt(v)
		if again = again || err != nil; err == nil {
			delete(t.unread, v.Name)
		} else if why := fault.Detail(err); t.unread[v.Name] != why { // once, while it is the same
			t.unread[v.Name] = why
			t.m.log.Warn("the triggers of a workflow cannot be read; they stay as they were", "workflow", v.Name, "error", why)
		}
		if t.release(); t.ctx.Err() != nil {
			return false
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, w := range t.watches {
		if !there[k.workflow] {
			t.drop(w)
		}
	}
	maps.DeleteFunc(t.known, func(name string, _ host.View) bool { return !there[name] })
	return again
}

// adopt makes the watches of one workflow those of the version that is declared.
func (t *tenure) adopt(v host.View) error {
	if t.adopted(v) {
		return nil
	}
	t.adopting.Lock()
	defer t.adopting.Unlock()
	if t.adopted(v) {
		return nil
	}
	all, err := t.read(v)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, d := range all {
		kept[d.trigger.Name] = true
		t.set(key{v.Name, d.trigger.Name}, d)
	}
	t.left(v, all)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[v.Name] = v
	for k, w := range t.watches {
		d := w.declared.Load()
		switch {
		case k.workflow != v.Name || kept[k.trigger] || d.gone:
		case w.step == stepHook: // its subscription is ended first
			left := *d
			left.gone = true
			w.declared.Store(&left)
			t.poke(w, t.m.Now())
		default:
			t.drop(w)
		}
	}
	return nil
}

// adopted says that the watches of a workflow are those of a view of it.
func (t *tenure) adopted(v host.View) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, known := t.known[v.Name]
	return known && old.Version == v.Version && old.Disabled == v.Disabled && old.Keys == v.Keys && old.Created.Equal(v.Created)
}

// drop ends a watch. The caller holds the lock.
func (t *tenure) drop(w *watch) {
	delete(t.watches, w.key)
	t.laneOf(w).remove(w)
	w.end()
}

// left finds triggers that the definition has no more whose subscriptions go on.
func (t *tenure) left(v host.View, all []*declared) {
	infos, err := t.m.Host.Triggers(v.Name)
	if err != nil {
		return // it was removed meanwhile
	}
	for _, info := range infos {
		if strings.Contains(info.Name, slotMark) {
			continue
		}
		mem, err := decode(info.Memory)
		if err != nil || mem.Hook == nil || slices.ContainsFunc(all, func(d *declared) bool { return d.trigger.Name == info.Name }) {
			continue
		}
		k := key{v.Name, info.Name}
		t.mu.Lock()
		if t.watches[k] == nil {
			w := t.newWatch(k)
			w.step = stepHook
			w.declared.Store(&declared{view: v, gone: true})
			t.poke(w, t.m.Now())
		}
		t.mu.Unlock()
	}
}

func (t *tenure) newWatch(k key) *watch {
	w := &watch{key: k, t: t, index: -1}
	w.ctx, w.end = context.WithCancel(t.ctx)
	t.watches[k] = w
	return w
}

func (t *tenure) each(workflow string, f func(*watch)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, w := range t.watches {
		if k.workflow == workflow {
			f(w)
		}
	}
}

// read compiles the triggers of a workflow.
func (t *tenure) read(v host.View) ([]*declared, error) {
	plan, parameters, err := t.m.Host.Plan(t.ctx, v.Name, v.Version)
	if err != nil {
		return nil, err
	}
	about, err := t.m.Host.Definition(t.ctx, v.Name, v.Version)
	if err != nil {
		return nil, err
	}
	v.ID, v.Kind, v.Location, v.Tags = about.ID, about.Kind, about.Location, about.Tags
	share, err := ShareOf(v.Tags[ShareTag])
	if err != nil {
		t.m.log.Error("the share of a workflow is not understood; its recurrences do not fire", "workflow", v.Name, "error", err)
	}
	var all []*declared
	for _, one := range plan.Definition.Triggers {
		d := &declared{view: v, trigger: fire.Compile(plan.Definition, one), parameters: parameters, share: share, broken: err}
		d.print = print(d)
		all = append(all, d)
	}
	return all, nil
}

// set makes a watch, or tells it what is declared now.
func (t *tenure) set(k key, d *declared) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.watches[k]
	if w == nil {
		w = t.newWatch(k)
		w.step = stepOf(d.trigger)
	} else if stepOf(d.trigger) != w.step {
		t.laneOf(w).remove(w)
		w.step = stepOf(d.trigger)
	}
	w.declared.Store(d)
	if w.looking != nil {
		w.looking()
	}
	t.poke(w, t.m.Now())
}

// find gives a watch that is declared.
func (t *tenure) find(workflow, trigger string) *watch {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.watches[key{workflow, trigger}]; w != nil {
		return w
	}
	for k, w := range t.watches {
		if k.workflow == workflow && sameName(k.trigger, trigger) {
			return w
		}
	}
	return nil
}

// sameName reports whether two names mean the same: case is not told apart, and designers
// write _ for a space.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, " ", "_"), strings.ReplaceAll(b, " ", "_"))
}

// poke wants a step of a watch at a time, or earlier. The caller holds the lock.
func (t *tenure) poke(w *watch, at time.Time) {
	if w.running {
		if w.again.IsZero() || at.Before(w.again) {
			w.again = at
		}
		return
	}
	if w.ctx.Err() != nil {
		return
	}
	if w.index < 0 || at.Before(w.next) {
		t.laneOf(w).put(w, at)
	}
	select {
	case t.poked <- struct{}{}:
	default:
	}
}

// Poke wants a step of a watch now.
func (t *tenure) now(w *watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.poke(w, t.m.Now())
}

// release begins the steps whose time has come, as many as may be under way, and says
// when the next one is due; zero, none is.
func (t *tenure) release() (next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range []*lane{&t.steps, &t.looks} {
		for l.free > 0 && len(l.queue) > 0 {
			w := l.queue[0]
			if w.next.After(t.m.Now()) {
				if next.IsZero() || w.next.Before(next) {
					next = w.next
				}
				break
			}
			l.remove(w)
			l.free--
			w.running, w.again = true, time.Time{}
			t.wait.Add(1)
			go t.carryOut(w, l)
		}
	}
	return next
}

// carryOut takes one step of a watch and puts it back into its lane.
func (t *tenure) carryOut(w *watch, l *lane) {
	defer t.wait.Done()
	next, err := w.take()
	switch {
	case w.ctx.Err() != nil:
		next = time.Time{}
	case fault.Is(err, fault.TooManyRequests):
		next = t.m.Now().Add(t.m.limits.Pause)
	case err != nil:
		w.failures++
		next = t.m.Now().Add(min(time.Second<<min(w.failures, 6), time.Minute))
		if !errors.Is(err, context.Canceled) {
			t.m.log.Warn("a trigger could not do what was due; it tries again", "workflow", w.workflow, "trigger", w.trigger, "error", fault.Detail(err))
		}
	default:
		w.failures = 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l.free++
	w.running = false
	if again := w.again; !again.IsZero() && (next.IsZero() || again.Before(next)) {
		next = again
	}
	w.again = time.Time{}
	if !next.IsZero() {
		t.poke(w, next)
	}
	select {
	case t.poked <- struct{}{}:
	default:
	}
}

func (t *tenure) laneOf(w *watch) *lane {
	if w.step == stepLook {
		return &t.looks
	}
	return &t.steps
}
