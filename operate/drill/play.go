package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weir/internal/groups"
)

// play is the drill itself.
func (d *drill) play(ctx context.Context) error {
	d.happened("%s is the primary in term %d, %s follows (%s)", d.from, d.settled.Term, d.to, d.settled.Mode)
	if err := d.steady(ctx); err != nil {
		return err
	}
	if d.Kind == Switch {
		if err := d.change(ctx, d.from, d.to, true); err != nil {
			return err
		}
	} else if err := d.lose(ctx); err != nil {
		return err
	}
	if err := d.steady(ctx); err != nil {
		return err
	}
	if err := d.change(ctx, d.to, d.from, false); err != nil {
		return err
	}
	return d.steady(ctx)
}

var errInterrupted = errors.New("interrupted")

// steady lets traffic go on undisturbed.
func (d *drill) steady(ctx context.Context) error {
	if sleep(ctx, d.Steady) != nil {
		return errInterrupted
	}
	return nil
}

// change is a planned switch, waited for until clients are acknowledged again and the
// other location follows. The first one of a drill is the one that is measured.
func (d *drill) change(ctx context.Context, from, to string, measured bool) error {
	at := d.happened("a planned switch from %s to %s", from, to)
	if measured {
		d.r.At = at // from here on something was done, whatever comes of it
	}
	c, err := d.Places[from].Switch(ctx, d.Group, to)
	if err != nil {
		return fmt.Errorf("the switch to %s: %w", to, err)
	}
	first, err := d.served(ctx, time.Now(), d.Limit)
	if err != nil {
		return err
	}
	if measured {
		d.r.TermTo, d.r.Change, d.answered = c.Term, &c, first
	}
	d.happened("%s is the primary in term %d: the switch took %.2f s, clients were acknowledged again after %.2f s", to, c.Term, c.Seconds, first.Sub(at).Seconds())
	return d.follows(ctx, from)
}

// lose isolates the primary until the other location has taken over, and brings it back.
func (d *drill) lose(ctx context.Context) error {
	d.r.At = d.happened("%s is isolated", d.from)
	// Written down before it is asked for: an answer that is lost says nothing about
	// whether it was done.
	d.isolated = d.r.At.Add(isolationFor)
	if err := d.Places[d.from].Isolate(ctx, d.Group, isolationFor); err != nil {
		return fmt.Errorf("isolate %s: %w", d.from, err)
	}
	if err := d.takeOver(ctx); err != nil {
		return err
	}
	from := time.Now()
	first, err := d.servedAlone(ctx, from)
	if err != nil {
		return err
	}
	if !first.IsZero() {
		d.back(first)
		if err := d.steady(ctx); err != nil {
			return err
		}
	}
	if err := d.reconnect(ctx); err != nil {
		return err
	}
	if err := d.follows(ctx, d.from); err != nil || !first.IsZero() {
		return err
	}
	if first, err = d.served(ctx, from, d.Limit); err != nil {
		return err
	}
	d.back(first)
	return nil
}

// servedAlone waits until the new primary acknowledges. In sync mode it may be declared
// to wait for the other location; then clients come back only when that one follows, and
// what it has alone comes before that. To go on without it would be nothing but an
// outage: then the moment is zero.
func (d *drill) servedAlone(ctx context.Context, from time.Time) (time.Time, error) {
	within := d.Limit
	if d.settled.Mode == "sync" {
		within = min(within, syncServedWithin)
	}
	first, err := d.served(ctx, from, within)
	if err != nil && d.settled.Mode == "sync" && ctx.Err() == nil {
		d.happened("%s acknowledges nothing while %s is away, as sync mode does with \"whenAway: stop\"", d.to, d.from)
		return time.Time{}, nil
	}
	return first, err
}

// back writes down that clients are acknowledged again.
func (d *drill) back(first time.Time) {
	d.answered = first
	d.happened("clients are acknowledged again, %.1f s after the isolation", first.Sub(d.r.At).Seconds())
}

// reconnect ends the isolation.
func (d *drill) reconnect(ctx context.Context) error {
	if err := d.Places[d.from].Isolate(ctx, d.Group, 0); err != nil {
		return fmt.Errorf("end the isolation of %s: %w", d.from, err)
	}
	d.isolated = time.Time{}
	d.happened("the isolation ends")
	return nil
}

// takeOver waits until the other location is primary, promoting it where that is asked.
func (d *drill) takeOver(asked context.Context) error {
	ctx, cancel := context.WithTimeout(asked, d.Limit)
	defer cancel()
	expected, last := false, error(nil)
	var tried time.Time
	for {
		began := time.Now()
		s, err := d.Places[d.to].Show(ctx, d.Group)
		d.looks.saw(d.to, s, err)
		taken := err == nil && s.Standing == groups.Primary && s.Term > d.settled.Term
		if err == nil && d.r.DetectionSeconds == 0 && (!s.PeerReachable || s.Phase != "" || taken) {
			d.r.DetectionSeconds = d.happened("%s noticed that %s is away", d.to, d.from).Sub(d.r.At).Seconds()
		}
		if d.r.DetectionSeconds > 0 && d.Kind == Forced && !expected && !taken {
			expected = true
			if e, err := d.Places[d.to].Expect(ctx, d.Group); err == nil && e.Loss != nil {
				d.happened("expected loss: %d messages and settlements that %s had said it has, and what it took in the %.1f s since", e.Loss.Messages, d.from, e.Loss.Seconds)
			}
		}
		if taken {
			d.r.TermTo, d.r.Change = s.Term, s.LastChange
			how := ""
			if s.LastChange != nil && s.LastChange.Term == s.Term {
				how = " (" + s.LastChange.Kind + ")"
			}
			d.happened("%s is the primary in term %d%s", d.to, s.Term, how)
			return nil
		}
		if err == nil {
			d.before = began
		}
		if expected && time.Since(tried) >= askEvery {
			tried = time.Now()
			_, last = d.Places[d.to].Promote(ctx, d.Group, d.Force)
		}
		if sleep(ctx, lookEvery) != nil {
			return late(asked, errors.Join(fmt.Errorf("%s did not take over within %s", d.to, d.Limit), last))
		}
	}
}

// late is the error of a wait that came to nothing: nobody waited that long when whoever
// asked for the drill did not want it any more.
func late(asked context.Context, err error) error {
	if asked.Err() != nil {
		return errInterrupted
	}
	return err
}

// served waits for a send that was acknowledged after a moment, and says when that was.
func (d *drill) served(asked context.Context, after time.Time, within time.Duration) (time.Time, error) {
	ctx, cancel := context.WithTimeout(asked, within)
	defer cancel()
	for {
		if last := d.Traffic.Counts().LastIn; last.After(after) {
			return last, nil
		}
		if sleep(ctx, lookEvery) != nil {
			return time.Time{}, late(asked, fmt.Errorf("no send was acknowledged within %s", within))
		}
	}
}

// follows waits until a location follows, and salvages what it has alone.
func (d *drill) follows(asked context.Context, name string) error {
	ctx, cancel := context.WithTimeout(asked, d.Limit)
	defer cancel()
	p := d.Places[name]
	for {
		s, err := p.Show(ctx, d.Group)
		d.looks.saw(name, s, err)
		switch {
		case err != nil:
		case s.Standing == groups.Salvage:
			if err := d.salvage(ctx, name); err != nil {
				return fmt.Errorf("salvage what %s has alone: %w", name, err)
			}
		case s.Standing == groups.Secondary && s.Phase == "" && connected(s):
			d.happened("%s follows", name)
			return nil
		}
		if sleep(ctx, lookEvery) != nil {
			return late(asked, fmt.Errorf("%s did not follow within %s (it is %s)", name, d.Limit, s.Standing))
		}
	}
}
