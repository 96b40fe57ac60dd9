package locations

import (
	"bytes"
	"fmt"
	"sort"

	"weir/kernel/ballot/core"
	"weir/kernel/journal/record"
	link "weir/kernel/link/core"
	replica "weir/kernel/replica/core"
	"weir/service/bus/bustest"
)

// judge knows everything: what was stored where, who may show, what clients were told.
type judge struct {
	w          *world
	violations []string
	tail       []string
	counts     map[string]int

	units map[string]*history
	held  map[string]map[uint64]bool // by location: the terms it was ever noted to hold
	terms map[uint64]*term
}

// term is what became of one.
type term struct {
	shownIn  string                    // the location that showed something in it
	votes    map[string]map[*site]bool // who granted it, by holder
	own      map[string]map[*site]bool // of those, before anybody gave way to it, and not because it was passed on
	promoted string                    // the location that won it without the other one
	forced   bool                      // it did not win it
	half     bool                      // an operator took it with a copy that was not whole
	yielded  bool                      // somebody gave way to it
}

// history is that of one unit.
type history struct {
	term     uint64 // the newest in which an epoch was opened
	shelf    *shelf // where
	began    record.Position
	epochs   map[uint64]string // where each was opened
	newest   uint64
	items    []item // what was revealed
	tries    map[string]int
	acked    map[string]bool
	finished map[string]bool  // id#sequence that was settled for good
	seen     map[string]bool  // id that came out
	out      map[string]int64 // id → sequence it came out under last
	losses   int
	half     bool                // an operator went on with a copy that was not whole
	lag      map[string]link.Lag // shown by each location when it revealed last
}

// what clients are told that must last.
const (
	sent    = "sent"
	settled = "settled"
)

// item is something that a client was told, and the record that it rests on.
type item struct {
	kind, id string
	sequence int64
	at       record.Position
	sum      uint64
	in       *shelf
	weak     bool // sync mode was degraded
	lost     bool // the journal that goes on does not have it
}

func newJudge(w *world) *judge {
	j := &judge{w: w, counts: map[string]int{}, units: map[string]*history{}, held: map[string]map[uint64]bool{}, terms: map[uint64]*term{}}
	for _, unit := range w.units {
		j.units[unit] = &history{epochs: map[uint64]string{}, tries: map[string]int{}, acked: map[string]bool{},
			finished: map[string]bool{}, seen: map[string]bool{}, out: map[string]int64{}, lag: map[string]link.Lag{}}
	}
	return j
}

const violationsMax = 10

func (j *judge) violation(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	j.w.Say("VIOLATION %s", line)
	if len(j.violations) == 0 {
		j.tail = j.w.Tail()
	}
	if len(j.violations) < violationsMax {
		j.violations = append(j.violations, line)
	}
}

func (j *judge) of(t uint64) *term {
	if j.terms[t] == nil {
		j.terms[t] = &term{votes: map[string]map[*site]bool{}, own: map[string]map[*site]bool{}}
	}
	return j.terms[t]
}

func add(votes map[string]map[*site]bool, holder string, s *site) {
	if votes[holder] == nil {
		votes[holder] = map[*site]bool{}
	}
	votes[holder][s] = true
}

// voted tells of a ballot that became durable.
func (j *judge) voted(s *site, b core.Ballot, verb core.Verb) {
	t := j.of(b.Term)
	add(t.votes, b.Holder, s)
	if verb == core.Hold && !t.yielded {
		add(t.own, b.Holder, s)
	}
}

// givesUp tells that a location gives a term up because voters know of a later one.
func (j *judge) givesUp(c *controller, term, later uint64) {
	j.of(later).yielded = true
	has := 0
	for _, s := range j.w.voters {
		if b := s.ballot.ballot; b.Term == term && b.Holder == c.site.name {
			has++
		}
	}
	if has >= core.Majority(len(j.w.voters)) {
		j.violation("%s gives up term %d although %d of %d voters have it there: a term %d that nobody has was enough", c.h.name, term, has, len(j.w.voters), later)
	}
}

// parts tells that a location notes that its log has parted: some journal of it has.
func (j *judge) parts(c *controller) {
	j.counts["parted"]++
	peer := c.site.peer()
	for _, unit := range j.w.units {
		here, there := c.site.shelf(unit, c.site.note.Generation(unit)), peer.shelf(unit, peer.note.Generation(unit))
		for at := here.last(); at > 0; at-- { // the newest may be the same, when it came by another way
			if there.sum(at) != here.sum(at) {
				return
			}
		}
	}
	j.violation("%s notes that its log has parted, and what it copies now has not", c.h.name)
}

// lacks tells that the other location says that it has less than it had acknowledged. It
// is no alarm when another node of it has stored more since it looked, or when it begins
// anew.
func (j *judge) lacks(u *unit, h link.Hello, lost uint64) {
	door := u.h.site.peer().owner(u.name)
	if door == nil {
		return
	}
	if there := door.units[u.name].shelf; there.last() >= h.After.At+record.Position(lost) || h.After.At == there.base {
		j.counts["alarmed in vain"]++
		return
	}
	j.violation("%s has %d records less of %s than it had acknowledged: it ends at %d", h.Location, lost, u.name, h.After.At)
}

// promotes tells that a location takes a term without the other one.
func (j *judge) promotes(c *controller, term uint64, force, whole, parted bool) {
	t := j.of(term)
	t.half = !whole && force
	if parted {
		j.violation("%s takes term %d with a log that is known to have parted: what is over comes back", c.h.name, term)
	}
	t.promoted = c.site.name
	votes := len(t.votes[c.site.name])
	t.forced = force && votes < core.Majority(len(j.w.voters)) || len(j.w.voters) == 0
	j.counts["promoted"]++
}

// noted tells of a note that became durable.
func (j *judge) noted(s *site, n note) {
	if n.Units == nil {
		j.violation("%s notes term %d of %s before it has noted which units there are", s.name, n.Term, n.Holder)
	}
	if n.Holder == s.name {
		if j.held[s.name] == nil {
			j.held[s.name] = map[uint64]bool{}
		}
		j.held[s.name][n.Term] = true
	}
}

// termOf is the term that an epoch is of.
func termOf(epoch uint64) uint64 { return max(1, epoch>>32) }

// appended tells of a batch that became durable where it was decided. One that opens an
// epoch may begin a term.
func (j *judge) appended(l *shelf, b record.Batch) {
	if len(b.Data) < 2 || b.Data[1] == 0 {
		return
	}
	h, err := replica.DecodeBatch(b, func(record.Ref, []byte) error { return nil })
	if err != nil {
		j.violation("what was appended to %s in %s can not be read: %v", l.unit, l.site.name, err)
		return
	}
	y, t := j.units[l.unit], termOf(h.Epoch)
	if where, ok := y.epochs[h.Epoch]; ok {
		j.violation("epoch %x of %s was opened in %s and is opened in %s", h.Epoch, l.unit, where, l.site.name)
	}
	y.epochs[h.Epoch] = l.site.name
	y.newest = max(y.newest, h.Epoch)
	if !j.held[l.site.name][t] {
		j.violation("%s opens epoch %x of %s, of term %d that it never had: its epochs would meet those of another location", l.site.name, h.Epoch, l.unit, t)
	}
	switch {
	case y.term == t && y.shelf != l:
		j.violation("term %d of %s is opened in two journals, in %s and %s", t, l.unit, y.shelf.site.name, l.site.name)
	case y.term < t:
		j.begins(y, t, l, b.At)
	}
}

// begins holds what was revealed against the journal that goes on with it.
func (j *judge) begins(y *history, t uint64, l *shelf, at record.Position) {
	before := y.shelf
	y.term, y.shelf = t, l
	j.counts["terms"]++
	n := j.of(t)
	majority := core.Majority(len(j.w.voters))
	if len(j.w.voters) > 0 && !n.forced && len(n.votes[l.site.name]) < majority {
		j.violation("%s opens term %d that %d of %d voters granted it", l.site.name, t, len(n.votes[l.site.name]), len(j.w.voters))
	}
	alone := n.promoted == l.site.name || len(j.w.voters) > 0 && len(n.own[l.site.name]) >= majority
	y.began = at
	y.half = y.half || n.half
	lost := 0
	for i := range y.items {
		it := &y.items[i]
		is := y.has(*it)
		if !is && !it.lost {
			lost++
			j.loses(y, *it, alone, at)
		}
		it.lost = !is
		y.tell(*it)
	}
	if lost > 0 {
		j.counts["lost in async or degraded mode"] += lost
		j.bounded(y, l, before, uint64(lost))
	}
}

// has reports whether the journal that goes on has what something rests on.
func (y *history) has(it item) bool {
	if y.began > 0 && it.at >= y.began && it.in != y.shelf || y.shelf.sum(it.at) != it.sum {
		return false
	}
	return it.at == 0 || y.shelf.chained[it.at-1] == it.sum // else a fenced writer left it, and nobody folds it
}

// tell takes an item for so or for lost.
func (y *history) tell(it item) {
	if it.kind == settled {
		y.finished[key(it.id, it.sequence)] = !it.lost
		return
	}
	y.acked[it.id] = !it.lost
	y.losses += btoi(it.lost)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// loses judges one that is lost. alone: the location took the term without the other one.
func (j *judge) loses(y *history, it item, alone bool, at record.Position) {
	l := y.shelf
	switch {
	case j.of(y.term).half:
	case !alone:
		j.violation("%s takes term %d of %s as in order, and %s %s at %d is lost: its copy ends at %d", l.site.name, y.term, l.unit, it.id, it.kind, it.at, at-1)
	case j.w.terms.Mode == link.Sync && !it.weak:
		j.violation("%s of %s was %s in sync mode (position %d) and is lost in term %d of %s, which begins at %d", it.id, l.unit, it.kind, it.at, y.term, l.site.name, at)
	}
}

// bounded holds what was lost against what the former primary showed.
func (j *judge) bounded(y *history, l, before *shelf, lost uint64) {
	lag := y.lag[before.site.name]
	switch {
	case j.of(y.term).half:
	case lag.Acked == 0:
		j.counts["lost more than was known"]++ // since its last start it had not heard of the other location
	case lag.Estimated && (lost > lag.Messages || lost > j.w.terms.LagMessages+slackMax):
		j.counts["lost more than was estimated"]++ // what was there before its last start it counts by records
	case lost > lag.Messages:
		j.violation("%d messages and settlements of %s were lost, %s showed a lag of %d (acknowledged %d of %d)", lost, l.unit, before.site.name, lag.Messages, lag.Acked, lag.End)
	case j.w.terms.Mode == link.Async && j.w.terms.LagMessages > 0 && lost > j.w.terms.LagMessages+slackMax:
		j.violation("%d messages and settlements of %s were lost where %d may be", lost, l.unit, j.w.terms.LagMessages)
	}
}

// slackMax is what may be decided between one look at the lag and the next.
const slackMax = 40

func key(id string, sequence int64) string { return fmt.Sprintf("%s#%d", id, sequence) }

// permitted tells that a unit may show what it decides.
func (j *judge) permitted(u *unit) { j.alone(u) }

// alone: no process of the other location may show anything of the unit now.
func (j *judge) alone(u *unit) {
	if !u.owning || !u.mayShow() || j.w.doubtful {
		return
	}
	for _, h := range u.h.site.peer().hosts {
		if o := h.units[u.name]; h.alive && o != nil && o.owning && o.mayShow() {
			j.violation("%s (epoch %x) and %s (epoch %x) may both show what they decide of %s", u.h.name, u.opened, h.name, o.opened, u.name)
		}
	}
}

// shows tells that a unit reveals what rests on a position.
func (j *judge) shows(u *unit, at record.Position) {
	t := termOf(u.opened)
	n, y := j.of(t), j.units[u.name]
	if n.shownIn == "" {
		n.shownIn = u.h.site.name
	}
	if n.shownIn != u.h.site.name {
		j.violation("%s shows something in term %d, %s did too", u.h.site.name, t, n.shownIn)
	}
	if t < y.term && !j.of(y.term).forced {
		j.violation("%s shows something of %s in term %d, term %d has begun in %s", u.h.name, u.name, t, y.term, y.shelf.site.name)
	}
	j.alone(u)
	u.showing = at
	y.lag[u.h.site.name] = u.send.core.Lag(u.h.now())
}

func (j *judge) attempted(unit, id string) { j.units[unit].tries[id]++ }

// revealed tells what a client is told.
func (j *judge) revealed(u *unit, kind, id string, sequence int64) {
	y := j.units[u.name]
	j.counts[kind]++
	it := item{kind: kind, id: id, sequence: sequence, at: u.showing, sum: u.shelf.sum(u.showing), in: u.shelf, weak: u.send.core.Degraded(u.h.now())}
	if it.weak {
		j.counts["degraded"]++
	}
	if it.lost = !y.has(it); it.lost { // a later term may have it all the same: see verdict
		j.counts["revealed in a term that is over"]++
	}
	y.items = append(y.items, it)
	y.tell(it)
}

// delivered checks one message at the moment a receiver gets it.
func (j *judge) delivered(u *unit, path string, d bustest.Delivery) string {
	y := j.units[u.name]
	j.counts["delivered"]++
	payload := u.shelf.read(d.Message.Ref)
	if payload == nil && y.half {
		return "" // an operator went on with a copy that lacks it
	}
	id, err := name(payload)
	if err != nil {
		j.violation("%s/%s: the payload at %v can not be read", u.h.name, u.name, d.Message.Ref)
		return ""
	}
	y.seen[id] = true
	if y.shelf != u.shelf {
		return id // it is over there; that it shows anything was judged
	}
	was, again := y.out[id]
	is, confirmed := y.acked[id]
	y.out[id] = d.Message.Sequence
	switch {
	case y.tries[id] == 0:
		j.violation("%s comes out of %s and was never sent", id, u.name)
	case y.finished[key(id, d.Message.Sequence)]:
		j.violation("%s#%d of %s comes again in %s although it was settled", id, d.Message.Sequence, u.name, u.h.name)
	case y.tries[id] == 1 && confirmed && !is:
		j.violation("%s comes out of %s although it was lost", id, u.name)
	case path == "once" && again && was != d.Message.Sequence && y.losses == 0:
		j.violation("%s comes out of %s as %d and as %d although duplicates are detected", id, u.name, was, d.Message.Sequence)
	}
	return id
}

// verdict is given when all is quiet.
func (j *judge) verdict() {
	if len(j.violations) > 0 {
		return // what follows would only repeat them
	}
	for _, unit := range j.w.units {
		j.copies(unit)
		y := j.units[unit]
		for _, it := range y.items {
			if it.lost && !it.weak && j.w.terms.Mode == link.Sync && !y.half {
				j.violation("%s of %s was %s in %s in sync mode (position %d), where the term was over", it.id, unit, it.kind, it.in.site.name, it.at)
			}
		}
		for _, id := range keys(y.acked) {
			if y.acked[id] && !y.seen[id] && !y.half {
				j.violation("%s was confirmed by %s and never came out", id, unit)
			}
		}
	}
}

// copies: who copied the log has the bytes and the state of whoever wrote it.
func (j *judge) copies(unit string) {
	owner := j.w.find(unit)
	if owner == nil {
		j.violation("nobody has %s in peace", unit)
		return
	}
	for _, d := range entities {
		if c, err := owner.machine.Counts(d.Name); err != nil || c.Active+c.Scheduled+c.DeadLetter+c.Deferred != 0 {
			j.violation("%s of %s is not empty at the end: %+v %v", d.Name, unit, c, err)
		}
	}
	state := owner.machine.Snapshot(nil)
	for _, h := range j.w.hosts {
		u := h.units[unit]
		if u == owner {
			continue
		}
		for at := record.Position(1); at <= min(u.shelf.last(), owner.shelf.last()); at++ {
			if u.shelf.sum(at) != owner.shelf.sum(at) {
				j.violation("%s of %s and %s differ at %d", unit, h.name, owner.h.name, at)
				return
			}
		}
		if u.core.Tail().Last == owner.core.Next().Last && !bytes.Equal(state, u.machine.Snapshot(nil)) {
			j.violation("%s and %s hold different states of %s at %d", h.name, owner.h.name, unit, u.core.Tail().Last)
		}
		if u.shelf.last() != owner.shelf.last() {
			j.violation("%s of %s ends at %d, %s of %s at %d, in peace", unit, h.name, u.shelf.last(), unit, owner.h.name, owner.shelf.last())
		}
	}
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
