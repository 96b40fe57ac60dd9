// Package drill rehearses the loss of a location on a running pair: synthetic orders go
// through the group, it is switched, isolated or promoted by force, what that cost is
// measured by clients and added up, and everything goes back to where it was. The
// evidence is a signed record and a page with a picture.
//
// Promises:
//
//  1. A drill begins only when the group is at rest, and ends where it began; when it can
//     not, it says where things stand and which command brings them home.
//  2. Isolation ends by itself, also when the drill dies.
//  3. What the record says was measured in that drill; each claim has the figure beside it.
//
// It refuses to kill processes, and to touch messages that are not its own.
package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/internal/groups"
	"weir/operate/evidence"
	"weir/operate/orders"
)

// Kinds of drills.
const (
	Switch    = "switch"    // planned, there and back
	Isolation = "isolation" // the primary hears of nobody; the other one takes over by itself
	Forced    = "forced"    // the same, and an operator promotes
)

// Kinds lists them.
var Kinds = []string{Switch, Isolation, Forced}

// Place is a location as a drill needs it; *groups.Location is one.
type Place interface {
	Show(ctx context.Context, group string) (groups.Status, error)
	Switch(ctx context.Context, group, to string) (groups.Change, error)
	Expect(ctx context.Context, group string) (groups.Expected, error)
	Promote(ctx context.Context, group string, force bool) (groups.Change, error)
	Isolate(ctx context.Context, group string, d time.Duration) error
	Tail(ctx context.Context, group string, rows int) (groups.Salvaged, error)
	Salvage(ctx context.Context, group, choice string, resent bool) (groups.Salvaged, error)
}

// Traffic is what clients do meanwhile; *orders.Run is.
type Traffic interface {
	Counts() orders.Counts
	Took(id string) bool
	Look(fn func(*orders.Book))
	Drain(ctx context.Context) orders.Account
}

// Options say what is rehearsed.
type Options struct {
	Group   string
	Kind    string
	Places  map[string]Place // the two locations by name
	Traffic Traffic
	Steady  time.Duration // traffic before, between and after; 5 s
	Force   bool          // Forced, without a majority of voters
	Limit   time.Duration // for each wait; a minute
	Host    string
	Version string
	Say     func(evidence.Event) // hears of events; nil: nobody
}

const (
	steadyDefault = 5 * time.Second
	limitDefault  = time.Minute
	lookEvery     = 20 * time.Millisecond
	askEvery      = 500 * time.Millisecond // for a promotion that has no majority yet
	// isolationFor is longer than a drill waits for a take-over, and ends by itself.
	isolationFor = 2 * time.Minute
	undoWithin   = 10 * time.Second
	sliceEach    = 100 * time.Millisecond
	rowsRead     = 10_000
)

// drill is one under way.
type drill struct {
	Options
	r                evidence.Record
	from, to         string // names
	isolated         bool
	primaries        map[uint64]string // who said it was primary, by term
	twice            string            // a term with two
	settled, willing groups.Status     // of the primary and the secondary when it began
}

// Run rehearses. The record is there when anything was measured, also with an error,
// which then says how to bring the group home.
func Run(ctx context.Context, o Options) (*evidence.Record, error) {
	if o.Steady == 0 {
		o.Steady = steadyDefault
	}
	if o.Limit == 0 {
		o.Limit = limitDefault
	}
	if !slices.Contains(Kinds, o.Kind) {
		return nil, fmt.Errorf("a drill is a %s, %s or %s one, not %q", Switch, Isolation, Forced, o.Kind)
	}
	d := &drill{Options: o, primaries: map[uint64]string{}}
	if err := d.atRest(ctx); err != nil {
		return nil, err
	}
	d.r = evidence.Record{
		Group: o.Group, Kind: o.Kind, Began: time.Now(), Host: o.Host, Version: o.Version, From: d.from, To: d.to, Mode: d.settled.Mode,
		Config: evidence.Config(d.settled), TermFrom: d.settled.Term, Automatic: d.settled.Automatic,
	}
	err := d.play(ctx)
	if err != nil {
		err = errors.Join(err, d.undo(context.WithoutCancel(ctx)))
	}
	d.reckon(context.WithoutCancel(ctx))
	return &d.r, err
}

// atRest finds who is what, and refuses to begin when something is going on.
func (d *drill) atRest(ctx context.Context) error {
	said := map[string]groups.Status{}
	for name, p := range d.Places {
		s, err := p.Show(ctx, d.Group)
		if err != nil {
			return fmt.Errorf("%s does not say how the group %s is: %w", name, d.Group, err)
		}
		said[name] = s
		switch s.Standing {
		case groups.Primary:
			d.from, d.settled = name, s
		case groups.Secondary:
			d.to, d.willing = name, s
		}
	}
	switch {
	case len(said) != 2 || d.from == "" || d.to == "":
		return fmt.Errorf("the group %s has no primary and secondary to rehearse with: %s", d.Group, stand(said))
	case d.settled.Term != d.willing.Term || d.settled.Phase != "" || d.willing.Phase != "":
		return fmt.Errorf("the group %s is changing: %s", d.Group, stand(said))
	case !connected(d.settled) || !connected(d.willing):
		return fmt.Errorf("%s does not follow %s at the moment: a drill would be the real thing. See \"weir group show %s\"", d.to, d.from, d.Group)
	case d.Kind == Isolation && !d.settled.Automatic:
		return fmt.Errorf("the group %s is not automatic: nobody would take over. Rehearse a forced promotion (--kind %s)", d.Group, Forced)
	}
	return nil
}

func stand(said map[string]groups.Status) string {
	text := ""
	for name, s := range said {
		text += fmt.Sprintf("%s is %s in term %d %s; ", name, s.Standing, s.Term, s.Phase)
	}
	return text
}

func connected(s groups.Status) bool {
	for _, u := range s.Units {
		if !u.Connected || u.Degraded {
			return false
		}
	}
	return len(s.Units) > 0
}

// happened writes something down.
func (d *drill) happened(format string, args ...any) time.Time {
	e := evidence.Event{At: time.Now(), What: fmt.Sprintf(format, args...)}
	d.r.Events = append(d.r.Events, e)
	if d.Say != nil {
		d.Say(e)
	}
	return e.At
}

// play is the drill itself.
func (d *drill) play(ctx context.Context) error {
	d.happened("%s is the primary in term %d, %s follows (%s)", d.from, d.settled.Term, d.to, d.settled.Mode)
	if err := sleep(ctx, d.Steady); err != nil {
		return err
	}
	if d.Kind == Switch {
		if err := d.change(ctx, d.from, d.to, true); err != nil {
			return err
		}
	} else if err := d.lose(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, d.Steady); err != nil {
		return err
	}
	if err := d.change(ctx, d.to, d.from, false); err != nil {
		return err
	}
	return sleep(ctx, d.Steady)
}

// change is a planned switch, waited for until clients are acknowledged again and the
// other location follows. The first one of a drill is the one that is measured.
func (d *drill) change(ctx context.Context, from, to string, measured bool) error {
	at := d.happened("a planned switch from %s to %s", from, to)
	c, err := d.Places[from].Switch(ctx, d.Group, to)
	if err != nil {
		return fmt.Errorf("the switch to %s: %w", to, err)
	}
	if err := d.served(ctx, time.Now()); err != nil {
		return err
	}
	d.happened("%s is the primary in term %d: the switch took %.2f s, clients were acknowledged again after %.2f s", to, c.Term, c.Seconds, time.Since(at).Seconds())
	if measured {
		d.r.At, d.r.TermTo, d.r.Change = at, c.Term, &c
	}
	return d.follows(ctx, from)
}

// lose isolates the primary until the other location has taken over, and brings it back.
func (d *drill) lose(ctx context.Context) error {
	d.r.At = d.happened("%s is isolated", d.from)
	if err := d.Places[d.from].Isolate(ctx, d.Group, isolationFor); err != nil {
		return err
	}
	d.isolated = true
	if err := d.takeOver(ctx); err != nil {
		return err
	}
	if err := d.served(ctx, time.Now()); err != nil {
		return err
	}
	d.happened("clients are acknowledged again, %.1f s after the isolation", time.Since(d.r.At).Seconds())
	if err := sleep(ctx, d.Steady); err != nil {
		return err
	}
	if err := d.Places[d.from].Isolate(ctx, d.Group, 0); err != nil {
		return err
	}
	d.isolated = false
	d.happened("the isolation ends")
	return d.follows(ctx, d.from)
}

// takeOver waits until the other location is primary, promoting it where that is asked.
func (d *drill) takeOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.Limit)
	defer cancel()
	asked, last := false, error(nil)
	var tried time.Time
	for {
		s, err := d.Places[d.to].Show(ctx, d.Group)
		d.look(d.to, s, err)
		if err == nil && d.r.DetectionSeconds == 0 && !s.PeerReachable {
			d.r.DetectionSeconds = d.happened("%s can not reach %s", d.to, d.from).Sub(d.r.At).Seconds()
			if d.Kind == Forced && !asked {
				asked = true
				if e, err := d.Places[d.to].Expect(ctx, d.Group); err == nil && e.Loss != nil {
					d.happened("expected loss: %d messages and settlements, %.1f s", e.Loss.Messages, e.Loss.Seconds)
				}
			}
		}
		if err == nil && s.Standing == groups.Primary && s.Term > d.settled.Term {
			d.r.TermTo, d.r.Change = s.Term, s.LastChange
			d.happened("%s is the primary in term %d", d.to, s.Term)
			return nil
		}
		if d.Kind == Forced && asked && time.Since(tried) >= askEvery {
			tried = time.Now()
			_, last = d.Places[d.to].Promote(ctx, d.Group, d.Force)
		}
		if sleep(ctx, lookEvery) != nil {
			return errors.Join(fmt.Errorf("%s did not take over within %s", d.to, d.Limit), last)
		}
	}
}

// look writes down who says it is primary in which term.
func (d *drill) look(name string, s groups.Status, err error) {
	if err != nil || s.Standing != groups.Primary {
		return
	}
	if who, known := d.primaries[s.Term]; known && who != name {
		d.twice = fmt.Sprintf("%s and %s in term %d", who, name, s.Term)
	}
	d.primaries[s.Term] = name
}

// served waits for a send that was acknowledged after a moment.
func (d *drill) served(ctx context.Context, after time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, d.Limit)
	defer cancel()
	for !d.Traffic.Counts().LastIn.After(after) {
		if sleep(ctx, lookEvery) != nil {
			return fmt.Errorf("no send was acknowledged within %s", d.Limit)
		}
	}
	return nil
}

// follows waits until a location follows, and salvages what it has alone.
func (d *drill) follows(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, d.Limit)
	defer cancel()
	p := d.Places[name]
	for {
		s, err := p.Show(ctx, d.Group)
		d.look(name, s, err)
		switch {
		case err != nil:
		case s.Standing == groups.Salvage:
			if err := d.salvage(ctx, name); err != nil {
				return err
			}
		case s.Standing == groups.Secondary && s.Phase == "" && connected(s):
			d.happened("%s follows", name)
			return nil
		}
		if sleep(ctx, lookEvery) != nil {
			return fmt.Errorf("%s did not follow within %s (it is %s)", name, d.Limit, s.Standing)
		}
	}
}

// salvage brings back what a location has alone.
func (d *drill) salvage(ctx context.Context, name string) error {
	p := d.Places[name]
	tail, err := p.Tail(ctx, d.Group, rowsRead)
	if err != nil {
		return err
	}
	for _, row := range tail.Rows {
		if row.Kind == "message" && row.Entity == orders.Queue && d.Traffic.Took(row.MessageID) {
			d.r.RPOMessages++
		}
	}
	d.happened("%s has %d messages and %d settlements alone, %d of them acknowledged orders", name, tail.Tally.Counts["message"], tail.Tally.Counts["settlement"], d.r.RPOMessages)
	done, err := p.Salvage(ctx, d.Group, groups.Reinject, false)
	if err != nil {
		return err
	}
	d.r.Salvaged = &groups.Salvaged{Choice: done.Choice, Tally: done.Tally}
	d.happened("they are brought back: %d rows", done.Tally.Rows)
	return nil
}

// undo ends what a broken drill left, and says what is left to do.
func (d *drill) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, undoWithin)
	defer cancel()
	var errs []error
	if d.isolated {
		if err := d.Places[d.from].Isolate(ctx, d.Group, 0); err != nil {
			errs = append(errs, fmt.Errorf("the isolation of %s could not be ended, it ends by itself within %s: %w", d.from, isolationFor, err))
		} else {
			d.isolated = false
		}
	}
	for name, p := range d.Places {
		s, err := p.Show(ctx, d.Group)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s does not say how it is: %w", name, err))
		case s.Standing == groups.Salvage:
			errs = append(errs, fmt.Errorf("%s has records alone: \"weir salvage %s --reinject\" there brings them back", name, d.Group))
		case s.Standing == groups.Primary && name != d.from:
			errs = append(errs, fmt.Errorf("%s is the primary now: \"weir switch %s --to %s\" brings it home", name, d.Group, d.from))
		}
	}
	return errors.Join(errs...)
}

// reckon adds everything up.
func (d *drill) reckon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.Limit)
	defer cancel()
	r := &d.r
	r.Account = d.Traffic.Drain(ctx)
	r.Ended, r.Repeated, r.LostAfterSalvage, r.SliceMs = time.Now(), r.Account.Repeated, r.Account.Lost, sliceEach.Milliseconds()
	d.Traffic.Look(func(b *orders.Book) {
		r.Slices = b.Slices(r.Began, sliceEach)
		if !r.At.IsZero() {
			r.RTOSeconds = b.Silence(r.At.Add(-time.Second), r.At.Add(d.Limit)).Seconds()
		}
	})
	hold := func(what string, held bool, format string, args ...any) {
		r.Invariants = append(r.Invariants, evidence.Invariant{What: what, Held: held, Was: fmt.Sprintf(format, args...)})
	}
	hold("every acknowledged order was processed in the end", r.Account.Lost == 0, "%d missing", r.Account.Lost)
	hold("every event came to every subscriber", r.Account.Missing == 0, "%d missing", r.Account.Missing)
	hold("one location at most was primary in a term", d.twice == "", "%d terms were seen %s", len(d.primaries), d.twice)
	if d.settled.Mode == "sync" || d.Kind == Switch {
		hold("nothing was missing at any time", r.RPOMessages == 0, "%d missing until the salvage", r.RPOMessages)
	}
	if d.Kind == Switch {
		hold("nothing that was completed came again", r.Account.Repeated == 0, "%d came again", r.Account.Repeated)
	}
	if rto := d.settled.RTOSeconds; rto > 0 {
		hold(fmt.Sprintf("clients were served within the declared %d s", rto), r.RTOSeconds <= float64(rto), "%.1f s", r.RTOSeconds)
	}
	hold("the group is where it was", d.home(ctx), "%s is to be the primary", d.from)
}

// home reports whether the group is back.
func (d *drill) home(ctx context.Context) bool {
	s, err := d.Places[d.from].Show(ctx, d.Group)
	return err == nil && s.Standing == groups.Primary
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
