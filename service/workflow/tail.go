package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"weir/internal/groups"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/service/workflow/internal/ledger"
	runs "weir/service/workflow/internal/run"
)

// Reader reads payloads of a log; a *journal.Journal is one.
type Reader interface {
	Read(ctx context.Context, ref journal.Ref) ([]byte, error)
}

// Kinds of rows in the tail of a unit of workflows.
const (
	tailRun      = "run"      // it began behind the position
	tailProgress = "progress" // it was there, and went on
	tailTrigger  = "trigger"  // it remembers something else
)

// tailBody is what of a run is needed to bring it back.
type tailBody struct {
	ledger.Adopted
	// First is the number that runs had from when the histories parted.
	First uint64
	Ended bool
}

// Tail calls fn for what a log has behind a position, run by run in the order in which
// they began: the runs that began there, with all that they came to; those that went on,
// with how often they called the outside; and the triggers that remember something else. The rows carry what Salvage needs.
func Tail(ctx context.Context, unit string, past replica.Past, log Reader, after journal.Position, fn func(groups.Row) error) error {
	l := ledger.New()
	t := &tail{ctx: ctx, log: log, l: l, unit: unit, began: map[uint64]journal.Position{}, went: map[uint64]*ledger.Told{}, looked: map[[2]string]seen{}}
	err := past.Fold(ctx, l, after, func(batch journal.Batch, fold func() error) error {
		if t.first == 0 {
			t.first = l.NextRun()
		}
		if err := replica.Facts(batch, t.tell(batch.Time)); err != nil {
			return err
		}
		return fold()
	})
	if err != nil || t.first == 0 {
		return err
	}
	return t.rows(fn)
}

// tail is a log that is gone through.
type tail struct {
	ctx    context.Context
	log    Reader
	l      *ledger.Ledger
	unit   string
	first  uint64 // number of the first run behind the position
	number uint64 // of rows
	began  map[uint64]journal.Position
	went   map[uint64]*ledger.Told
	looked map[[2]string]seen
}

// seen is where and when something was recorded.
type seen struct {
	at   journal.Position
	when time.Time
}

// tell notes what the facts of a batch are about.
func (t *tail) tell(when time.Time) func(ref journal.Ref, fact []byte) error {
	return func(ref journal.Ref, fact []byte) error {
		told := t.l.Tell(ref, fact)
		switch {
		case told.Trigger != "":
			t.looked[[2]string{told.Workflow, told.Trigger}] = seen{ref.At, when}
		case told.Run != 0:
			if sum := t.went[told.Run]; sum != nil {
				sum.Attempts, sum.Answers = sum.Attempts+told.Attempts, sum.Answers+told.Answers
				return nil
			}
			t.went[told.Run], t.began[told.Run] = &told, ref.At
		}
		return nil
	}
}

// rows gives what came of it.
func (t *tail) rows(fn func(groups.Row) error) error {
	give := func(r groups.Row) error {
		t.number++
		r.Unit, r.Number = t.unit, t.number
		return fn(r)
	}
	for _, w := range t.l.Workflows() {
		var all []*ledger.Run
		w.History(func(r *ledger.Run) bool {
			if r.Number >= t.first || t.went[r.Number] != nil {
				all = append(all, r)
			}
			return true
		})
		slices.Reverse(all)
		for _, r := range all {
			row, err := t.row(r)
			if err != nil {
				return err
			}
			if err := give(row); err != nil {
				return err
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(t.looked), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, name := range names {
		s := t.looked[name]
		err := give(groups.Row{Position: uint64(s.at), Kind: tailTrigger, What: "remembered", Entity: name[0] + "/" + name[1], At: s.when,
			Why: "the present primary looks on from what it remembers itself"})
		if err != nil {
			return err
		}
	}
	return nil
}

// row is a run as a row.
func (t *tail) row(r *ledger.Run) (groups.Row, error) {
	row := groups.Row{
		Position: uint64(t.began[r.Number]), Kind: tailRun, What: words[r.Status], Entity: r.Workflow().Name, Sequence: r.Number,
		MessageID: r.Name, Session: r.Tracking, At: time.UnixMicro(r.Created).UTC(),
	}
	if row.What == "" {
		row.What = "ended " + r.Status.String()
	}
	if told := t.went[r.Number]; told != nil && told.Attempts > 0 {
		row.Why = fmt.Sprintf("called the outside %d times", told.Attempts)
	}
	if r.Number < t.first {
		row.Kind = tailProgress
		return row, nil
	}
	row.Why = joined("started by "+r.Trigger, row.Why)
	body := tailBody{First: t.first, Ended: r.Status.Ended(), Adopted: ledger.Adopted{
		Workflow: r.Workflow().Name, Version: r.Version, Name: r.Name, Trigger: r.Trigger, Tracking: r.Tracking, Origin: r.Origin, Created: r.Created,
	}}
	if err := t.contents(r, &body); err != nil {
		return row, fmt.Errorf("read what the run %s of %s came to: %w", r.Name, row.Entity, err)
	}
	row.Bytes = len(body.Archive) + len(body.Payload)
	var err error
	row.Body, err = json.Marshal(body)
	return row, err
}

// contents reads what a run came to.
func (t *tail) contents(r *ledger.Run, body *tailBody) (err error) {
	read := func(ref journal.Ref) ([]byte, error) { return t.log.Read(t.ctx, ref) }
	ref, archived := r.Archive()
	switch {
	case archived:
		body.Archive, err = read(ref)
	case r.State() != nil:
		body.Archive, err = r.State().Archive(read)
	case r.Payload().Len > 0:
		body.Payload, err = read(r.Payload())
	default:
		err = errors.New("it began, and nothing of it was recorded")
	}
	return err
}

// words say how far a run is that has not ended.
var words = map[runs.Status]string{runs.NotStarted: "waited to begin", runs.Running: "under way", runs.Waiting: "under way"}

func joined(a, b string) string {
	if b == "" {
		return a
	}
	return a + ", " + b
}
