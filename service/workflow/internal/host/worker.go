package host

import (
	"context"
	"errors"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/replica"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// input is something for a run, and who wants to know when it is recorded.
type input struct {
	run.Input
	// start begins a run that waited for others, archive writes one that has ended.
	start, archive bool
	// done is told once: when what came of it is durable, or why nothing did. It must not
	// block.
	done func(error)
}

// errNothing says that an input changed nothing: what it was for has passed.
var errNothing = errors.New("nothing came of it")

// worker lets one run go on. Its mailbox belongs to the tenure's lock, the rest to who
// works on it: one goroutine at a time.
type worker struct {
	t       *tenure
	number  uint64
	inbox   []input
	queued  bool
	ticking bool
	flying  int     // calls that wait or are under way
	calls   []*call // those
	counted bool    // its copy counts among those kept
	tooLong bool    // what came of an input was too much for one turn

	state    *run.State
	moves    uint32
	name     string
	tracking string
	version  *deployed
	secret   []byte
	keys     Keys
}

// triesMax is how often an input is tried when a value cannot be had.
const triesMax = 5

// stepsShort is how many steps an Advance takes where as many as usual are more than a part
// of what may be recorded at once: others want to record, too.
const (
	stepsShort = 16
	turnParts  = 4
)

// take lets the run go on with an input, as far as it goes.
func (w *worker) take(in input) {
	if in.archive {
		w.archive(in)
		return
	}
	steps := 0
	w.tooLong = false
	for try := 1; ; {
		err := w.ready(&in)
		more := false
		if err == nil {
			more, err = w.advance(&in, steps)
		}
		switch {
		case err == nil && !more:
			in.tell(errNothing) // when nothing was recorded: else it is told when that is durable
			return
		case err == nil:
			in, try = input{Input: run.Input{Event: run.Go}, done: in.done}, 1
			continue
		case w.t.ctx.Err() != nil:
			in.tell(w.t.lost())
			return
		case errors.Is(err, errTooLong) && steps != 1:
			if steps = stepsShort; w.tooLong {
				steps = 1
			}
			w.tooLong = true
			w.letGo()
			continue
		case errors.Is(err, errTooLong):
			// What no limit of the run has stopped: it must not stop the unit.
			w.t.h.log.Error("a run wants to record more than can be recorded at once, and is ended", "unit", w.t.h.o.Unit, "run", w.name)
			w.letGo()
			in.tell(fault.New(fault.TooLarge, "The run '%s' wants to record more than can be recorded at once, and is ended.", w.name))
			in, steps = input{Input: run.Input{Event: run.Cancel}}, 0
			continue
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Conflict), fault.Is(err, fault.NotOwner):
			w.letGo()
			in.tell(err)
			return
		case try >= triesMax:
			w.t.h.log.Error("a run cannot go on", "unit", w.t.h.o.Unit, "run", w.name, "error", fault.Detail(err))
			w.letGo()
			in.tell(err)
			w.t.again(w.number, in)
			return
		}
		w.letGo()
		try++
		pause(w.t.ctx, time.Duration(try*try)*10*time.Millisecond)
	}
}

// tell tells who wants to know, if nobody has been told.
func (in *input) tell(err error) {
	if in.done != nil {
		in.done(err)
		in.done = nil
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// letGo throws the copy of the state away; the next is taken from the ledger.
func (w *worker) letGo() {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	w.t.drop(w)
}

// keep counts the copy among those kept.
func (w *worker) keep() {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	if !w.counted && w.state != nil && !w.t.ended {
		w.counted = true
		w.t.kept++
	}
}

// ready sees to a copy of the state and to the plan. For a run that waited for others it
// reads what began it.
func (w *worker) ready(in *input) error {
	h := w.t.h
	var workflow, version string
	var err error
	if w.state == nil {
		var state *run.State
		var payload record.Ref
		h.unit.View(func() {
			r := h.ledger.Run(w.number)
			switch {
			case r == nil:
				err = fault.New(fault.NotFound, "There is no such run; it may have been removed with its workflow.")
				return
			case r.Status.Ended():
				err = fault.New(fault.Conflict, "The run '%s' has ended.", r.Name)
				return
			case r.State() != nil:
				state = r.State().Clone()
			default:
				state, payload = &run.State{}, r.Payload()
			}
			w.name, w.tracking, w.moves = r.Name, r.Tracking, r.Moves
			workflow, version = r.Workflow().Name, r.Version
			w.secret, w.keys = h.ledger.Secret(), Keys(r.Workflow().Keys)
		})
		if err != nil {
			return err
		}
		if w.version == nil || w.version.Version != version {
			if w.version, err = h.version(w.t.ctx, workflow, version); err != nil {
				return unreadable(err)
			}
		}
		if payload.Len > 0 && (in.start || in.Event == run.Cancel) {
			v, err := h.values.load(w.t.ctx, payload)
			if err != nil {
				return unreadable(err)
			}
			in.Trigger, _ = v.(*expression.Object)
		}
		if in.Event == run.Go && !in.start {
			in.Event = run.Look // what a copy was about to do is lost with it
		}
		w.state = state
		w.keep()
	}
	if in.start {
		in.Event = run.Start
		w.t.mu.Lock()
		in.Waits = len(w.t.callers[w.number]) > 0 || nestedName(w.name)
		w.t.mu.Unlock()
	}
	return nil
}

// unreadable marks an error as one to try again, whatever its kind.
func unreadable(err error) error {
	return fault.Wrap(fault.Unavailable, err, "What a run needs cannot be read: %s", fault.Sentence(err))
}

// env is what the run knows beside its state.
func (w *worker) env(steps int) *run.Env {
	h, v := w.t.h, w.version
	limits := h.limits.Run
	if steps > 0 {
		limits.StepsPerAdvance = steps
	}
	e := &run.Env{
		Now: h.now(), Random: h.o.Random(), Run: w.name, ClientTracking: w.tracking, Workflow: v.of(w.name),
		Parameters: h.parametersOf(v), Values: loader{w.t.ctx, h.values}, Limits: limits,
	}
	if h.o.Setting != nil {
		e.Setting = func(name string) (any, bool) { return h.o.Setting(v.Name, name) }
	}
	if h.o.CallbackURL != nil {
		e.CallbackURL = func(at run.Place, key string) string {
			return h.o.CallbackURL(w.callback(at, key))
		}
	}
	return e
}

// callback is what the address is made of that resumes an action.
func (w *worker) callback(at run.Place, key string) Callback {
	return Callback{Secret: w.secret, Keys: w.keys, Workflow: w.version.ID, Run: w.name, Number: w.number, Action: w.version.plan.Name(at.Node), At: at, Key: key}
}

// errTooLong says that what was decided is too much for one turn.
var errTooLong = errors.New("too much for one turn")

// advance takes one Advance and records it; more says that Go has something to do. What
// is recorded is told when it is durable.
func (w *worker) advance(in *input, steps int) (more bool, err error) {
	e := w.env(steps)
	out := run.Advance(w.state, w.version.plan, e, in.Input)
	if out.Err != nil {
		return false, unreadable(out.Err)
	}
	if len(out.Facts) == 0 && len(out.Effects) == 0 {
		return out.More, nil
	}
	decided := ledger.Decide(out.Facts)
	if most := w.t.h.limits.TurnBytes; steps == 0 && decided.Bytes() > most/turnParts || decided.Bytes() > most {
		return false, errTooLong
	}
	if err := w.t.run(&step{w: w, out: out, decided: decided, at: e.Now.UnixMicro(), tell: in.done}); err != nil {
		return false, err
	}
	in.done = nil
	if w.state != nil && w.state.Status.Ended() {
		w.archive(input{})
		return false, nil
	}
	return out.More, nil
}

// step is what one Advance came to, on its way into the log.
type step struct {
	w       *worker
	out     run.Outcome
	decided ledger.Decided
	at      int64
	tell    func(error)
	err     error
	taken   chan struct{}
}

// run has a step recorded in a turn and returns when the turn was taken: its facts need
// not be durable for the run to go on, only for others to see what came of it.
func (t *tenure) run(s *step) error {
	s.taken = make(chan struct{})
	if err := t.do(func(rt *replica.Turn) {
		defer close(s.taken)
		s.err = s.record(rt)
	}); err != nil {
		return err
	}
	select {
	case <-s.taken:
		return s.err
	case <-t.ctx.Done():
		return t.lost()
	}
}

// record is the turn of a step: facts, the places of their payloads, and what is to be
// seen of it once it is durable.
func (s *step) record(rt *replica.Turn) error {
	w, h := s.w, s.w.t.h
	r := h.ledger.Run(w.number)
	if r == nil {
		return fault.New(fault.NotFound, "There is no such run; it may have been removed with its workflow.")
	}
	recorded, err := h.ledger.Record(rt, w.number, s.at, s.decided)
	if err != nil {
		return err
	}
	s.settle(recorded)
	if w.moves != r.Moves {
		w.letGo()
	}
	status, effects, tell := r.Status, s.out.Effects, s.tell
	ended := status.Ended()
	if ended {
		w.t.admit(rt, r.Workflow())
	}
	w.expect(effects)
	rt.Reveal(func() {
		w.t.carryOut(w, effects)
		if ended {
			w.t.over(w.number, w.name, status)
		}
		if tell != nil {
			tell(nil)
		}
	})
	return nil
}

// settle tells the copy of the state where payloads lie now, and remembers their values.
func (s *step) settle(recorded []*run.Fact) {
	values := s.w.t.h.values
	for k, f := range recorded {
		made := s.out.Facts[k]
		s.w.state.Settle(made, f)
		for _, p := range [][2]run.Payload{{made.Inputs, f.Inputs}, {made.Outputs, f.Outputs}, {made.Error, f.Error}} {
			if p[0].Given() && p[1].Ref.Len > 0 {
				values.put(p[1].Ref, p[0].Value)
			}
		}
	}
}
