package broker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestASalvagedTailIsAllThere lets histories part: what one owner recorded alone is
// brought into a history that stood still meanwhile, which must then hold the same
// messages, in the same places. In pieces it must come to the same, and a second time
// nothing may happen.
func TestASalvagedTailIsAllThere(t *testing.T) {
	compared := 0
	for n := range *seeds {
		m := newModel(t, uint64(n+1))
		m.play(*steps / 2)
		fork := len(m.log.facts)
		m.play(*steps / 4)
		rows := retrace(t, m.log, fork)
		there, verdicts := m.bringBack(fork, rows, n%7+1)
		for i, again := range there.b.Salvage(there.log, "west/1", salvageRows(m.log, rows)) {
			if again != Before {
				t.Fatalf("seed %d: row %d is %v the second time", m.seed, i+1, again)
			}
		}
		if err := there.b.sound(); err != nil {
			t.Fatalf("seed %d: %v", m.seed, err)
		}
		if verdicts[Resent]+verdicts[NoPlace] > 0 || m.limited() {
			continue // by design these differ
		}
		here := &past{b: there.log.follow(t, follower(), 0), log: there.log}
		whole := &past{b: m.log.follow(t, follower(), 0), log: m.log}
		got, want := here.settled(), whole.settled()
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("seed %d, %d rows, verdicts %v:\n%s\nwhere the tail's owner has\n%s\nrows\n%s", m.seed, len(rows), verdicts,
					strings.Join(missing(got, want), "\n"), strings.Join(missing(want, got), "\n"), tell(rows))
			}
		}
		compared++
	}
	if compared < *seeds/20 {
		t.Errorf("only %d of %d histories could be compared", compared, *seeds)
	}
}

// limited reports whether what is forwarded may end differently for a reason of its own:
// an entity has a quota, or dead letters come to duplicate detection again, which knows
// the messages that were brought back for longer.
func (m *model) limited() bool {
	windows := map[string]bool{}
	for _, e := range m.b.list {
		if e.def.DuplicateWindow > 0 {
			windows[e.def.Name], windows["t"] = true, true // what t forwards comes to any of them
		}
	}
	return slices.ContainsFunc(m.b.list, func(e *entity) bool {
		return e.def.MaxSizeBytes > 0 || windows[e.def.ForwardDeadLettersTo]
	})
}

// past is a broker and its journal.
type past struct {
	b   *Broker
	log *logbook
}

// retrace makes the rows of a tail.
func retrace(t *testing.T, log *logbook, fork int) []TailRow {
	t.Helper()
	b := follower()
	for _, f := range log.facts[:fork] {
		if err := b.Apply(f.ref, f.data); err != nil {
			t.Fatal(err)
		}
	}
	trace := b.Trace()
	for _, f := range log.facts[fork:] {
		if err := trace.Next(log.now); err != nil {
			t.Fatal(err)
		}
		if err := b.Apply(f.ref, f.data); err != nil {
			t.Fatal(err)
		}
	}
	return trace.Rows()
}

// salvageRows gives rows their messages.
func salvageRows(log *logbook, rows []TailRow) []SalvageRow {
	var out []SalvageRow
	for i, r := range rows {
		x := SalvageRow{Number: uint64(i + 1), Op: r.Op}
		if r.Op != nil && r.Payload.Len > 0 && (r.Op.State != nil || len(r.Op.Bring) > 0) {
			r.Op.Message = log.read(r.Payload)
			x.MessageID, x.PartitionKey = IDOf(r.Op.Message)
		}
		out = append(out, x)
	}
	return out
}

// bringBack brings rows into the history up to the fork, some at a time.
func (m *model) bringBack(fork int, rows []TailRow, atOnce int) (*past, [verdicts]int) {
	log := newLogbook()
	log.now = m.log.now
	log.facts = slices.Clone(m.log.facts[:fork])
	if fork > 0 {
		log.at = m.log.facts[fork-1].ref.At
	}
	h := &past{b: log.follow(m.t, follower(), 0), log: log}
	h.b.Own(100)
	for _, e := range m.b.list { // what is declared comes from elsewhere
		if err := h.b.Define(log, e.def); err != nil {
			m.t.Fatal(err)
		}
	}
	var counts [verdicts]int
	for part := range slices.Chunk(salvageRows(m.log, rows), atOnce) {
		for _, v := range h.b.Salvage(log, "west/1", part) {
			counts[v]++
		}
	}
	_, told := h.b.Salvaged("west/1")
	for v, n := range counts {
		if n > 0 && told[Verdict(v).String()] != uint64(n) {
			m.t.Fatalf("seed %d: told %v of %d %v", m.seed, told, n, Verdict(v))
		}
	}
	return h, counts
}

// settled lets everything happen whose time has come, and lists what is there.
func (h *past) settled() []string {
	h.b.Own(200)
	for range 1000 {
		for _, e := range h.b.Events(nil) {
			if e.Kind == Fetch {
				h.b.Fetched(h.log, e.Ref, h.log.read(e.Ref))
			}
		}
		if at := h.b.NextWake(); at.IsZero() || at.After(h.log.now) {
			break
		}
		h.b.Tick(h.log)
	}
	var out []string
	for _, e := range h.b.list {
		for _, m := range e.mailboxes() {
			for g := m.segments.from(0); g != nil; g = m.segments.after(g) {
				for set := g.used; set != 0; set &= set - 1 {
					s := g.at(g.lowest(set, 0))
					x := h.b.extraOf(s)
					edit := ""
					if x.edit != nil {
						edit = fmt.Sprint(x.edit.Application, x.edit.Removed)
					}
					out = append(out, fmt.Sprintf("%s: %s state %d session %q reason %d due %d x%d %s from %q", m.path(),
						nameOf(h.log.read(h.b.payloads.slab.at(s.payload).ref())), s.state, h.b.texts.get(s.session), s.reason, s.due, s.count, edit, h.b.texts.get(x.source)))
				}
			}
			if m.sessions == nil {
				continue
			}
			m.sessions.slab.each(func(_ uint32, s *session) {
				if s.state != 0 {
					out = append(out, fmt.Sprintf("%s: session %q is %q", m.path(), h.b.texts.get(s.id), h.log.read(h.b.payloads.slab.at(s.state).ref())))
				}
			})
		}
	}
	slices.Sort(out)
	return out
}

// missing are the lines of a that are not in b.
func missing(a, b []string) []string {
	var out []string
	for _, line := range a {
		if i := slices.Index(b, line); i >= 0 {
			b = slices.Delete(slices.Clone(b), i, i+1)
			continue
		}
		out = append(out, "  "+line)
	}
	return out
}

func tell(rows []TailRow) string {
	var b strings.Builder
	for i, r := range rows {
		fmt.Fprintf(&b, "  %d %s %s %s #%d", i+1, r.Kind, r.What, r.Path, r.Sequence)
		if r.Op != nil {
			fmt.Fprintf(&b, " take %+v bring %+v", r.Op.Take, r.Op.Bring)
		}
		fmt.Fprintf(&b, " payload %v why %s\n", r.Payload, r.Why)
	}
	return b.String()
}

// What both histories did with a message is not done twice, and what the sender sent
// again is left out.
func TestSalvageWhereBothWentOn(t *testing.T) {
	log := newLogbook()
	b := New(1)
	if err := b.Define(log, Definition{Name: "orders", Kind: Queue}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"done in both", "done here", "done there", "left"} {
		send(t, b, log, name, name)
	}
	fork := len(log.facts)
	there := &past{log: &logbook{now: log.now, keep: true, at: log.at, facts: slices.Clone(log.facts)}}
	there.b = there.log.follow(t, follower(), 0)
	there.b.Own(1 << 32)

	complete(t, b, log, "done in both", "done here")
	send(t, b, log, "only here", "")
	send(t, b, log, "resent", "r1")
	send(t, b, log, "in and out", "")
	complete(t, b, log, "in and out")

	complete(t, there.b, there.log, "done in both", "done there")
	send(t, there.b, there.log, "resent", "r1")
	send(t, there.b, there.log, "only there", "")

	arrived := map[string]bool{}
	for _, f := range there.log.facts[fork:] {
		if err := Arrivals(f.data, func(_ []uint32, encoded []byte) {
			id, _ := IDOf(encoded)
			arrived[id] = true
		}); err != nil {
			t.Fatal(err)
		}
	}
	rows := retrace(t, log, fork)
	brought := salvageRows(log, rows)
	for i := range brought {
		brought[i].Resent = brought[i].MessageID != "" && arrived[brought[i].MessageID]
	}
	var got []string
	for i, v := range there.b.Salvage(there.log, "west/1", brought) {
		got = append(got, fmt.Sprint(rows[i].What, ": ", v))
	}
	want := []string{"completed: gone there too", "completed: settled", "accepted: reinjected", "accepted: sent again", "accepted: nothing to do", "completed: nothing to do"}
	if !slices.Equal(got, want) {
		t.Errorf("verdicts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var names []string
	found, _ := there.b.Peek(there.log, "orders", 1, 100, nil)
	for _, x := range found {
		names = append(names, nameOf(there.log.read(x.Ref)))
	}
	if text := strings.Join(names, ", "); text != "left, resent, only there, only here" {
		t.Errorf("in the queue: %s", text)
	}
}

func send(t *testing.T, b *Broker, log *logbook, name, id string) {
	t.Helper()
	if err := b.Send(log, "orders", []Message{sample{name: name, id: id}.message()}, 0); err != nil {
		t.Fatal(err)
	}
}

// complete receives all there is, completes those named and gives the others back.
func complete(t *testing.T, b *Broker, log *logbook, names ...string) {
	t.Helper()
	const id = ReceiverID(77)
	if _, _, _, err := b.OpenReceiver(log, ReceiverSpec{ID: id, Path: "orders", Mode: PeekLock, WaitUntil: log.now.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	b.Credit(log, id, 100, false)
	for _, e := range b.Events(nil) {
		if e.Kind != Delivered {
			continue
		}
		what := Release
		if slices.Contains(names, nameOf(log.read(e.Delivery.Message.Ref))) {
			what = Complete
		}
		if err := b.Settle(log, Settlement{Path: "orders", Lock: e.Delivery.Lock, Disposition: what}); err != nil {
			t.Fatal(err)
		}
	}
	b.CloseReceiver(log, id)
	b.Events(nil)
}
