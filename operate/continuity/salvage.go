package continuity

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/operate/continuity/core"
)

const (
	bringRowsMax  = 256
	bringBytesMax = 4 << 20 // of bodies in one call, when there is more than one row
	// bringBodyMax bounds a call: the largest message there is, as JSON.
	bringBodyMax = 160 << 20
	tailRowsMax  = 10_000 // shown by one call
)

// bringOrder has the other location bring rows into a unit.
type bringOrder struct {
	Unit   string       `json:"unit"`
	Source string       `json:"source"`
	After  journal.Mark `json:"after"`
	Resent bool         `json:"resent"`
	Rows   []groups.Row `json:"rows"`
}

// brought is what became of them.
type brought struct {
	Verdicts []string          `json:"verdicts"`
	Counts   map[string]uint64 `json:"counts"`
}

// tailed returns a group of which this location has something alone, and where.
func (c *Controller) tailed(ctx context.Context, name string) (*group, map[string]tailNote, error) {
	g, err := c.group(name)
	if err != nil {
		return nil, nil, err
	}
	cfg, n := g.look()
	switch {
	case len(n.Tails) > 0:
		return g, n.Tails, nil
	case n.Phase != core.Parted:
		return nil, nil, fault.New(fault.Conflict, "%s has nothing of the group %s alone: there is nothing to salvage.", c.o.Location, g.name)
	}
	tails := map[string]tailNote{}
	for _, unit := range g.inOrder(cfg, n) {
		after, err := g.partingOf(ctx, cfg, n, unit)
		if err != nil {
			return nil, nil, err
		}
		tails[unit] = tailNote{Generation: n.Generation(unit), After: after}
	}
	return g, tails, nil
}

// Tail counts what this location has alone, and gives the first rows of it.
func (c *Controller) Tail(ctx context.Context, name string, rows int) (groups.Salvaged, error) {
	g, tails, err := c.tailed(ctx, name)
	if err != nil {
		return groups.Salvaged{}, err
	}
	cfg, n := g.look()
	var s groups.Salvaged
	for _, unit := range g.inOrder(cfg, n) {
		tail := tails[unit]
		err = c.o.Tail(ctx, unit, tail.Generation, tail.After.At, func(r groups.Row) error {
			s.Tally.Add(r)
			if r.Body = nil; len(s.Rows) < min(rows, tailRowsMax) {
				s.Rows = append(s.Rows, r)
			}
			return nil
		})
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// Salvage lets this location follow again, and brings back what it has alone, or gives it
// up. The ledger with every row stays here on disk. An interrupted salvage is called again
// and goes on.
func (c *Controller) Salvage(ctx context.Context, name, choice string, resent bool) (groups.Salvaged, error) {
	s := groups.Salvaged{Choice: choice}
	if choice != groups.Reinject && choice != groups.Drop {
		return s, fault.New(fault.Invalid, "Say what is to become of what %s has alone: %q brings it back, %q leaves it in the old journal and the ledger.", c.o.Location, groups.Reinject, groups.Drop)
	}
	g, tails, err := c.tailed(ctx, name)
	if err != nil {
		return s, err
	}
	if !g.changing.TryLock() {
		return s, g.underWay()
	}
	defer g.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), salvageLimit)
	defer cancel()
	cfg, n := g.look()
	h := g.hands(ctx)
	t := h.Begin(groups.Change{Kind: "salvage", From: c.o.Location, To: n.Holder, Term: n.Term})
	// It follows first: in sync mode the other location takes nothing alone, not what is
	// brought back either.
	if err := core.CopyAgain(h, n, tails); err != nil {
		return s, err
	}
	h.Did(t, "begin a new copy")
	if choice == groups.Reinject && n.Holder != c.o.Location {
		if err := g.followed(ctx, cfg, tails); err != nil {
			return s, err
		}
		h.Did(t, "follow")
	}
	for _, unit := range g.inOrder(cfg, n) {
		file, err := g.salvageUnit(ctx, cfg, tails[unit], unit, choice, resent, &s.Tally)
		if err != nil {
			return s, err
		}
		s.Files = append(s.Files, file)
		h.Did(t, unit)
	}
	t.Salvaged = &s.Tally
	s.Change = t
	_, err = g.change(ctx, func(now *note) bool {
		now.Tails = nil
		if now.Term == n.Term {
			now.Last = s.Change
		}
		return true
	})
	return s, err
}

// followed waits until the units are copied.
func (g *group) followed(ctx context.Context, cfg config, tails map[string]tailNote) error {
	ctx, cancel := context.WithTimeout(ctx, switchLimit)
	defer cancel()
	for unit := range tails {
		err := await(ctx, fmt.Sprintf("%s does not copy %s from %s", g.c.o.Location, unit, cfg.pairing.Peer), func() (bool, error) {
			return g.unitStatus(ctx, unit, false, wholeLocation).Connected, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inOrder are the units as they are promoted.
func (g *group) inOrder(cfg config, n note) []string {
	var all []string
	for _, id := range cfg.units {
		if unit, ok := g.c.o.UnitName(id); ok {
			if _, in := n.Units[unit]; in {
				all = append(all, unit)
			}
		}
	}
	return all
}

func (g *group) partingOf(ctx context.Context, cfg config, n note, unit string) (journal.Mark, error) {
	h, err := g.c.o.History(ctx, unit, n.Generation(unit))
	if err != nil {
		return journal.Mark{}, err
	}
	defer h.Close()
	return g.parting(ctx, cfg, unit, h)
}

// salvageUnit brings one unit's tail to the other location, or only writes it down.
func (g *group) salvageUnit(ctx context.Context, cfg config, tail tailNote, unit, choice string, resent bool, tally *groups.Tally) (string, error) {
	after := tail.After
	source := fmt.Sprintf("%s@%d-%016x", g.c.o.Location, after.At, after.Sum)
	l, err := openLedger(filepath.Join(g.c.o.Dir, "salvage", fmt.Sprintf("%s-%s-%d.jsonl", cfg.name, unit, after.At)))
	if err != nil {
		return "", err
	}
	defer l.close()
	var waiting []groups.Row
	size := 0
	flush := func() error {
		if len(waiting) == 0 {
			return nil
		}
		verdicts := make([]string, len(waiting))
		if choice == groups.Reinject {
			said, err := g.bringTo(ctx, cfg, bringOrder{unit, source, after, resent, waiting})
			if err != nil || len(said.Verdicts) != len(waiting) {
				return errors.Join(fmt.Errorf("bring back what %s has of %s alone (call again to go on): %w", g.c.o.Location, unit, err))
			}
			verdicts = said.Verdicts
		}
		for i, r := range waiting {
			if r.Verdict = verdicts[i]; r.Verdict == "" {
				r.Verdict = groups.VerdictDropped
			}
			if r, err = l.write(r); err != nil {
				return err
			}
			tally.Add(r)
		}
		waiting, size = waiting[:0], 0
		return nil
	}
	err = g.c.o.Tail(ctx, unit, tail.Generation, after.At, func(r groups.Row) error {
		if len(waiting) > 0 && (len(waiting) == bringRowsMax || size+len(r.Body) > bringBytesMax) {
			if err := flush(); err != nil {
				return err
			}
		}
		waiting, size = append(waiting, r), size+len(r.Body)
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil && choice == groups.Reinject {
		_, err = g.bringTo(ctx, cfg, bringOrder{Unit: unit, Source: source, After: after})
	}
	if err != nil {
		return "", err
	}
	return l.name, l.finish()
}

// bringTo has whoever owns a unit bring rows back: a node of the other location, or, when
// this location was promoted before it had decided about them, this one.
func (g *group) bringTo(ctx context.Context, cfg config, o bringOrder) (said brought, err error) {
	if _, n := g.look(); n.Holder != g.c.o.Location {
		return said, g.askOwner(ctx, cfg, o.Unit, http.MethodPost, "/salvage", o, &said)
	}
	if node, _, held := g.c.o.Holder(ctx, o.Unit); held && node != g.c.o.Node {
		return said, fault.New(fault.Conflict, "%s is owned by the node %s of this location: call again there.", o.Unit, node)
	}
	return g.bring(ctx, o)
}

// bring answers the former primary's order.
func (g *group) bring(ctx context.Context, o bringOrder) (brought, error) {
	_, n := g.look()
	if _, ok := n.Units[o.Unit]; !ok || n.Holder != g.c.o.Location || n.Phase != core.None {
		return brought{}, fault.New(fault.Conflict, "%s does not have %s at the moment.", g.c.o.Location, o.Unit)
	}
	rows, counts, err := g.bringPatiently(ctx, o)
	b := brought{Counts: counts}
	for _, r := range rows {
		b.Verdicts = append(b.Verdicts, r.Verdict)
	}
	return b, err
}

// ownerWait is how long rows wait for the unit to be owned: a group that has just been
// promoted is held before its units are.
const ownerWait = 10 * time.Second

// bringPatiently brings rows into a unit when somebody owns it. What was brought is a fact
// of the unit's journal, so that trying again repeats nothing.
func (g *group) bringPatiently(ctx context.Context, o bringOrder) (rows []groups.Row, counts map[string]uint64, err error) {
	enough := time.Now().Add(ownerWait)
	for {
		rows, counts, err = g.c.o.Bring(ctx, o.Unit, o.Source, o.After, o.Resent, o.Rows)
		switch fault.KindOf(err) {
		case fault.NotOwner, fault.Busy, fault.Unavailable:
		default:
			return rows, counts, err
		}
		if time.Now().After(enough) {
			return rows, counts, err
		}
		timer := time.NewTimer(stepEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return rows, counts, err
		}
	}
}

// ledger is a file with a line of JSON for each row of a tail, bodies included.
type ledger struct {
	name   string
	before map[uint64]string // verdicts of an interrupted salvage, by number
	file   *os.File
	out    *bufio.Writer
}

// openLedger begins a ledger; the verdicts of an earlier one of that name are known.
func openLedger(name string) (*ledger, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	l := &ledger{name: name, before: map[uint64]string{}}
	for _, old := range []string{name, name + ".part"} {
		if err := l.read(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	file, err := os.OpenFile(name+".part", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	l.file, l.out = file, bufio.NewWriter(file)
	return l, nil
}

// read takes the verdicts of a file; a line that was cut off is the end of it.
func (l *ledger) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for d := json.NewDecoder(bufio.NewReader(f)); ; {
		var r groups.Row
		if err := d.Decode(&r); err != nil {
			return nil
		}
		l.before[r.Number] = r.Verdict
	}
}

// write adds a row, with the verdict of the salvage that brought it.
func (l *ledger) write(r groups.Row) (groups.Row, error) {
	if before := l.before[r.Number]; r.Verdict == groups.VerdictBefore && before != "" {
		r.Verdict = before
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = l.out.Write(append(line, '\n'))
	}
	if err == nil && l.before[r.Number] == "" {
		err = l.out.Flush() // what is known must be known after an interruption too
	}
	return r, err
}

// finish makes it durable under its name.
func (l *ledger) finish() error {
	err := errors.Join(l.out.Flush(), l.file.Sync(), l.file.Close())
	l.file = nil
	if err != nil {
		return err
	}
	return os.Rename(l.name+".part", l.name)
}

func (l *ledger) close() {
	if l.file != nil {
		l.out.Flush()
		l.file.Close()
	}
}
