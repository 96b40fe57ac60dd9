package drill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weir/internal/groups"
	"weir/operate/evidence"
	"weir/operate/orders"
)

// reckon adds everything up. failed is why the drill did not get to its end.
func (d *drill) reckon(ctx context.Context, failed error) {
	within := d.Limit
	if failed != nil {
		within = min(within, undoWithin) // what is missing now may wait for an operator
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r := &d.r
	d.outage(time.Now())
	r.Account = d.Traffic.Drain(ctx)
	r.Ended, r.Repeated, r.LostAfterSalvage, r.SliceMs = time.Now(), r.Account.Repeated, r.Account.Lost, sliceEach.Milliseconds()
	d.Traffic.Look(func(b *orders.Book) { r.Slices = b.Slices(r.Began, sliceEach) })
	d.judge(ctx, failed)
}

// outage is how long clients saw no acknowledged send around the change that is measured.
// The return is not looked at. When they never saw one again it is how long it was when
// the drill gave up: at least that.
func (d *drill) outage(now time.Time) {
	from, to := d.r.At.Add(-time.Second), d.answered
	if to.IsZero() {
		to = now
	}
	var in, out orders.Gap
	d.Traffic.Look(func(b *orders.Book) { in, out = b.Silence(from, to), b.Stillness(from, to) })
	d.r.RTOSeconds = in.Seconds()
	if d.answered.IsZero() {
		since := d.Traffic.Counts().LastIn
		if since.IsZero() {
			since = d.r.At
		}
		d.r.RTOSeconds = max(in.Seconds(), now.Sub(since).Seconds())
		d.happened("no send was seen acknowledged by a new primary; when the drill gave up the longest time without any was %.1f s", d.r.RTOSeconds)
	}
	if s := out.Seconds(); s > 0 {
		d.happened("the longest time without a delivery at the change was %.2f s", s)
	}
}

// judge says of everything that was to hold whether it did.
func (d *drill) judge(ctx context.Context, failed error) {
	r := &d.r
	hold := func(what string, held bool, format string, args ...any) {
		r.Invariants = append(r.Invariants, evidence.Invariant{What: what, Held: held, Was: fmt.Sprintf(format, args...)})
	}
	how := "it did"
	if failed != nil {
		how, _, _ = strings.Cut(failed.Error(), "\n")
	}
	hold("the drill got to its end", failed == nil, "%s", how)
	hold("every acknowledged order was processed in the end", r.Account.Lost == 0, "%d missing", r.Account.Lost)
	hold("every event came to every subscriber", r.Account.Missing == 0, "%d missing", r.Account.Missing)
	terms, twice := d.looks.verdict()
	if twice != "" {
		hold("one location at most was primary in a term", false, "%s", twice)
	} else {
		hold("one location at most was primary in a term", true, "%d terms were seen", terms)
	}
	if r.Mode == "sync" || d.Kind == Switch {
		hold("nothing was missing at any time", r.RPOMessages == 0, "%d missing until the salvage", r.RPOMessages)
	}
	if rpo := d.settled.RPOSeconds; rpo > 0 && d.Kind != Switch {
		span := d.newest.Sub(d.oldest).Seconds()
		hold(fmt.Sprintf("what was missing was taken within the declared %d s", rpo), span <= float64(rpo), "%d orders of %.1f s", r.RPOMessages, span)
	}
	if d.unread > 0 {
		hold("everything that was alone was looked at for orders", false, "%d rows were not shown: more than %d orders may have been missing", d.unread, r.RPOMessages)
	}
	if d.Kind == Switch {
		hold("nothing that was completed came again", r.Account.Repeated == 0, "%d came again", r.Account.Repeated)
	}
	if rto := d.settled.RTOSeconds; rto > 0 {
		if d.answered.IsZero() {
			hold(fmt.Sprintf("clients were served within the declared %d s", rto), false, "not within %.1f s, when the drill gave up", r.RTOSeconds)
		} else {
			hold(fmt.Sprintf("clients were served within the declared %d s", rto), r.RTOSeconds <= float64(rto), "%.1f s", r.RTOSeconds)
		}
	}
	home, stands := d.home(ctx)
	hold("the group is where it was", home, "%s is to be the primary, %s to follow: %s", d.from, d.to, stands)
}

// home reports whether the group is as it was found.
func (d *drill) home(ctx context.Context) (bool, string) {
	said := map[string]groups.Status{}
	for name, p := range d.Places {
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		s, err := p.Show(one, d.Group)
		cancel()
		if err != nil {
			return false, fmt.Sprintf("%s does not say how it is", name)
		}
		said[name] = s
	}
	return calm(said) && said[d.from].Standing == groups.Primary && said[d.to].Standing == groups.Secondary, stand(said)
}
