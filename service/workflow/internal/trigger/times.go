package trigger

import (
	"errors"
	"fmt"
	"time"

	"weir/internal/dotnet"
	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/schedule"
)

// shareBase is where shares without a start time count from: the same in all locations.
var shareBase = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// windowsMax is how many windows one step fires.
const windowsMax = 20

// recur fires a Recurrence when its time has come.
func (w *watch) recur(d *declared, mem *memory) (time.Time, error) {
	switch {
	case d.view.Disabled:
		return time.Time{}, w.off(mem)
	case d.broken != nil:
		return time.Time{}, w.fails("InvalidShare", "%s", fault.Sentence(d.broken))
	}
	now := w.clock()
	spec, _, failed := d.trigger.Recurs(w.env(d))
	if failed != nil {
		return time.Time{}, w.note(*failed)
	}
	rule, due, fresh, err := w.when(d, mem, spec, now)
	if err != nil {
		return time.Time{}, w.fails(fire.CodeTemplate, "The recurrence of the trigger '%s' cannot be kept: %s.", w.trigger, err)
	}
	if due.IsZero() || due.After(now) {
		if fresh {
			mem.Next = due
			_, err = w.commit(host.Firing{}, mem, due)
		}
		return due, err
	}
	next, _ := rule.Next(now, d.share)
	mem.Next = next.At
	v := d.trigger.Decide(w.env(d), fire.Input{Outputs: &expression.Object{}})
	f := w.firing(v, nil)
	f.Scheduled = due
	_, err = w.commit(f, mem, next.At)
	return next.At, err
}

// when says when a Recurrence is due, zero for never, and whether that is something that
// its memory does not say yet.
func (w *watch) when(d *declared, mem *memory, spec schedule.Spec, now time.Time) (*schedule.Rule, time.Time, bool, error) {
	shared := d.share.Of > 1
	rulePrint := fmt.Sprintf("%+v %+v", spec, d.share)
	first := mem.Print != rulePrint
	if first {
		known := !mem.empty()
		mem.Print, mem.Base, mem.Next = rulePrint, now, time.Time{}
		if shared {
			mem.Base = shareBase
		}
		rule, err := schedule.Make(spec, mem.Base, dotnet.Zone)
		if err != nil {
			return nil, time.Time{}, false, err
		}
		// The former location may have fired at once already, and be gone before it came over.
		taken := !known && w.taken() && d.view.Created.Before(w.t.owner.Since)
		if spec.StartTime == "" && !shared && !taken && !mem.Off {
			return rule, now, true, nil
		}
		mem.Off = false
		next, _ := rule.Next(now, d.share)
		return rule, next.At, true, nil
	}
	rule, err := schedule.Make(spec, mem.Base, dotnet.Zone)
	if err != nil {
		return nil, time.Time{}, false, err
	}
	skip := func(after time.Time) (*schedule.Rule, time.Time, bool, error) {
		next, _ := rule.Next(after, d.share)
		return rule, next.At, true, nil
	}
	switch {
	case mem.Off:
		mem.Off = false
		return skip(now)
	case mem.Next.IsZero():
		return rule, time.Time{}, false, nil
	case mem.Location != w.t.here() && !mem.Next.After(w.t.owner.Since):
		return skip(w.t.owner.Since)
	}
	return rule, mem.Next, false, nil
}

// taken says that another location decided before this one.
func (w *watch) taken() bool {
	return w.t.owner.Before != "" && w.t.owner.Before != w.t.here()
}

// off remembers that a trigger is disabled, so that what was due meanwhile is not fired
// when it is enabled.
func (w *watch) off(mem *memory) error {
	if mem.Off || mem.empty() {
		return nil
	}
	mem.Off = true
	_, err := w.commit(host.Firing{}, mem, time.Time{})
	return err
}

// windows fires a SlidingWindow for each window that has ended, in their order.
func (w *watch) windows(d *declared, mem *memory) (time.Time, error) {
	if d.view.Disabled {
		return time.Time{}, nil
	}
	now := w.clock()
	in, failed := d.trigger.Evaluate(w.env(d))
	spec, _, bad := d.trigger.Recurs(w.env(d))
	if failed == nil {
		failed = bad
	}
	if failed != nil {
		return time.Time{}, w.note(*failed)
	}
	delay, err := fire.Delay(in)
	if err != nil {
		return time.Time{}, w.fails(fire.CodeTemplate, "The trigger '%s': %s.", w.trigger, err)
	}
	if rulePrint := fmt.Sprintf("%+v", spec); mem.Print != rulePrint {
		// Another rule goes on where the windows of the former one end.
		if mem.Print, mem.Base = rulePrint, mem.End; mem.End.IsZero() {
			mem.Base = now
		}
		if _, err := w.commit(host.Firing{}, mem, now); err != nil {
			return time.Time{}, err
		}
	}
	rule, err := schedule.Make(spec, mem.Base, dotnet.Zone)
	if err != nil {
		return time.Time{}, w.fails(fire.CodeTemplate, "The recurrence of the trigger '%s' cannot be kept: %s.", w.trigger, err)
	}
	all := schedule.WindowsOf(rule, delay)
	if mem.End.IsZero() {
		mem.End = rule.Base()
	}
	for _, one := range all.DueBy(mem.End, now, windowsMax) {
		if err := w.window(d, mem, one, in); err != nil {
			return time.Time{}, err
		}
	}
	next, ok := all.After(mem.End)
	if !ok {
		return time.Time{}, nil
	}
	return next.Due, nil
}

func (w *watch) window(d *declared, mem *memory, one schedule.Window, in any) error {
	mem.End = one.End
	f := host.Firing{}
	if d.share.Of <= 1 || one.Number%d.share.Of == d.share.Index {
		outputs := expression.NewObject("windowStartTime", one.Start.UTC().Format(time.RFC3339Nano), "windowEndTime", one.End.UTC().Format(time.RFC3339Nano))
		v := d.trigger.Decide(w.env(d), fire.Input{Inputs: in, Outputs: outputs})
		if v.Status == run.Failed {
			// It is tried again with the next declaration; later windows wait, for their order.
			return w.stuck(v)
		}
		f = w.firing(v, in)
		f.Scheduled = one.Due
	}
	_, err := w.commit(f, mem, one.Due)
	return err
}

// errStuck is of what cannot be fired as it is declared. It stays where it is, and is
// noted whenever it is tried again.
var errStuck = errors.New("the trigger cannot fire what it has")

// stuck notes why something cannot be fired.
func (w *watch) stuck(v fire.Verdict) error {
	if err := w.note(v); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s: %s", errStuck, v.Code, v.Message)
}
