// Package drill rehearses the loss of a location on a running pair: synthetic orders go
// through the group, it is switched, isolated or promoted by force, what that cost is
// measured by clients and added up, and everything goes back to where it was. The
// evidence is a signed record and a page with a picture.
//
// Promises:
//
//  1. A drill begins only when the group is at rest, and ends where it began; when it can
//     not, it says where things stand and which command brings them home.
//  2. Isolation ends by itself, also when the drill dies; a drill that fails ends it
//     first, also when nobody said that it had begun.
//  3. What the record says was measured in that drill; each claim has the figure beside
//     it. A drill that did not get to its end never says that everything held, and one
//     that was over before it did anything leaves no record.
//  4. Both locations are looked at for as long as it lasts, not only when it waits.
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
	lookBothEvery = 200 * time.Millisecond
	askEvery      = 500 * time.Millisecond // for a promotion that has no majority yet
	// isolationFor is longer than a drill waits for a take-over, and ends by itself.
	isolationFor = 2 * time.Minute
	undoWithin   = 15 * time.Second
	undoEvery    = 250 * time.Millisecond
	// syncServedWithin is how long a new primary in sync mode may acknowledge nothing
	// until it is taken for one that waits for the isolated location (whenAway: stop).
	// One that goes on without it does so after 3 s.
	syncServedWithin = 6 * time.Second
	sliceEach        = 100 * time.Millisecond
	rowsRead         = 10_000
)

// drill is one under way.
type drill struct {
	Options
	r                evidence.Record
	from, to         string        // names
	settled, willing groups.Status // of the primary and the secondary when it began
	looks            *looks
	isolated         time.Time       // until when it may be, as far as was asked; zero: it is not
	before           time.Time       // the last moment at which nobody had taken over
	answered         time.Time       // first acknowledged send after the change that is measured
	missing          map[string]bool // acknowledged orders that a former primary had alone
	oldest, newest   time.Time       // of those, when it took them, by its own clock
	unread           uint64          // rows of what it had alone that were not shown
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
	d := &drill{Options: o, looks: newLooks(), missing: map[string]bool{}}
	if err := d.atRest(ctx); err != nil {
		return nil, err
	}
	d.r = evidence.Record{
		Group: o.Group, Kind: o.Kind, Began: time.Now(), Host: o.Host, Version: o.Version, From: d.from, To: d.to, Mode: d.settled.Mode,
		Config: evidence.Config(d.settled), TermFrom: d.settled.Term, Automatic: d.settled.Automatic,
	}
	stopLooking := d.looks.both(context.WithoutCancel(ctx), o.Group, o.Places)
	defer stopLooking()
	failed := d.play(ctx)
	if failed == nil {
		d.reckon(context.WithoutCancel(ctx), nil)
		return &d.r, nil
	}
	left := d.undo(context.WithoutCancel(ctx))
	if d.r.At.IsZero() { // nothing was done to the group: nothing is known of it
		return nil, errors.Join(failed, left)
	}
	d.reckon(context.WithoutCancel(ctx), failed)
	return &d.r, errors.Join(failed, left)
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
