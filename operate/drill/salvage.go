package drill

import (
	"context"
	"time"

	"weir/internal/groups"
	"weir/operate/orders"
)

// salvage brings back what a location has alone.
func (d *drill) salvage(ctx context.Context, name string) error {
	p := d.Places[name]
	tail, err := p.Tail(ctx, d.Group, rowsRead)
	if err != nil {
		return err
	}
	for _, row := range tail.Rows {
		if row.Kind == "message" && row.Entity == orders.Queue && d.took(row.MessageID) {
			d.missing[row.MessageID] = true
			if d.oldest.IsZero() || row.At.Before(d.oldest) {
				d.oldest = row.At
			}
			if row.At.After(d.newest) {
				d.newest = row.At
			}
		}
	}
	d.unread = tail.Tally.Rows - min(tail.Tally.Rows, uint64(len(tail.Rows)))
	d.r.RPOMessages = uint64(len(d.missing))
	d.happened("%s has %d messages and %d settlements alone, %d of them acknowledged orders", name, tail.Tally.Counts["message"], tail.Tally.Counts["settlement"], d.r.RPOMessages)
	done, err := p.Salvage(ctx, d.Group, groups.Reinject, false)
	if err != nil {
		return err
	}
	d.r.Salvaged = &groups.Salvaged{Choice: done.Choice, Tally: done.Tally}
	d.happened("they are brought back: %d rows", done.Tally.Rows)
	return nil
}

// dated is traffic that knows when an order was acknowledged.
type dated interface {
	TookBy(id string, by time.Time) bool
}

// took reports whether the former primary has acknowledged an order. One whose send had
// no answer is in its log too; it was sent again, and the new primary acknowledged it:
// that is not missing. Traffic that does not know when it was makes the count too high,
// by the sends that were under way, and never too low.
func (d *drill) took(id string) bool {
	if t, ok := d.Traffic.(dated); ok {
		return t.TookBy(id, d.before)
	}
	return d.Traffic.Took(id)
}
