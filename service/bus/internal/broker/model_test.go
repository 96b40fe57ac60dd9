package broker

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"weir/kernel/fault"
)

var (
	seeds = flag.Int("seeds", 300, "random histories to play")
	seed  = flag.Uint64("seed", 0, "the one history to play")
	steps = flag.Int("steps", 250, "commands in a history")
)

// TestModel plays random histories to the broker and to the oracle, which must say
// the same of each command. Meanwhile and at the end replicas that fold the facts,
// and ones that were restored from a snapshot on the way, must be in the state of
// the broker, and the broker must be sound within.
func TestModel(t *testing.T) {
	if *seed != 0 {
		newModel(t, *seed).play(*steps)
		return
	}
	for n := range *seeds {
		newModel(t, uint64(n+1)).play(*steps)
		if t.Failed() {
			return
		}
	}
}

// model is one history.
type model struct {
	t      *testing.T
	seed   uint64
	rnd    *rand.Rand
	b      *Broker
	o      *oracle
	log    *logbook
	paths  []string
	queues []string
	held   []*oLock // locks that were given, also those that are lost
	opened []ReceiverID
	specs  map[ReceiverID]ReceiverSpec
	given  map[ReceiverID]uint32
	limits map[ReceiverID]uint32
	txns   map[int]TxnID
	names  int
	epoch  uint64
	saved  []byte // a snapshot, and how many facts it holds
	savedN int
	story  []string
}

func ofMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return dawn.Add(time.Duration(ms) * time.Millisecond)
}

func millisOf(t time.Time) int64 { return t.Sub(dawn).Milliseconds() }

func storedText(body string, s Stored) string {
	text := fmt.Sprintf("%s #%d/%d at %d x%d %d session %v %q from %q expires %d due %d", body, s.Sequence, s.EnqueuedSequence,
		millisOf(s.Enqueued), s.DeliveryCount, s.State, s.HasSession, s.SessionID, s.DeadLetterSource, millisOf(s.Expires), millisOf(s.ScheduledAt))
	if s.Edit != nil {
		for _, p := range s.Edit.Application {
			text += fmt.Sprintf(" %s=%v", p.Name, p.Value)
		}
	}
	return text
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), b: New(1), epoch: 1, o: newOracle(), log: newLogbook(),
		specs: map[ReceiverID]ReceiverSpec{}, given: map[ReceiverID]uint32{}, limits: map[ReceiverID]uint32{}, txns: map[int]TxnID{},
	}
	m.b.Tick(m.log)
	m.declareAll()
	return m
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	last := m.story[max(0, len(m.story)-12):]
	text := ""
	for _, line := range last {
		text += "\n  " + line
	}
	m.t.Fatalf("seed %d: %s\nafter%s", m.seed, fmt.Sprintf(format, args...), text)
}

func (m *model) tell(format string, args ...any) {
	m.story = append(m.story, fmt.Sprintf("%8d ", m.o.now)+fmt.Sprintf(format, args...))
}

func (m *model) chance(percent int) bool { return m.rnd.IntN(100) < percent }

func pick[T any](m *model, from ...T) T { return from[m.rnd.IntN(len(from))] }

// declareAll makes the entities of this history.
func (m *model) declareAll() {
	ms := func(values ...int) time.Duration { return time.Duration(pick(m, values...)) * time.Millisecond }
	queue := func(name string) Definition {
		return Definition{
			Name: name, Kind: Queue, LockDuration: ms(0, 5003, 9001, 30011), DefaultTTL: ms(0, 0, 20011, 60013),
			MaxDeliveryCount: pick[uint32](m, 0, 1, 2, 3), DuplicateWindow: ms(0, 0, 15013), DeadLetterOnExpiration: m.chance(60),
		}
	}
	plain, held, graves, hop := queue("plain"), queue("held"), queue("graves"), queue("hop")
	plain.MaxSizeBytes = pick[int64](m, 0, 0, 900)
	plain.ForwardDeadLettersTo = pick(m, "", "graves", "t", "plain")
	held.RequiresSession = true
	held.ForwardDeadLettersTo = pick(m, "", "graves")
	graves.MaxSizeBytes = pick[int64](m, 0, 400)
	hop.ForwardTo = pick(m, "plain", "held", "t", "hop")
	topic := Definition{Name: "t", Kind: Topic, DefaultTTL: ms(0, 31019), DuplicateWindow: ms(0, 15013)}
	a, bb, c := queue("t/Subscriptions/a"), queue("t/Subscriptions/b"), queue("t/Subscriptions/c")
	for _, s := range []*Definition{&a, &bb, &c} {
		s.Kind, s.DuplicateWindow = Subscription, 0
		s.DeadLetterOnFilterErrors = m.chance(50)
	}
	a.ForwardDeadLettersTo = pick(m, "", "graves", "t")
	bb.RequiresSession = m.chance(50)
	c.ForwardTo = pick(m, "", "plain", "hop", "held")
	rules := m.rules(&a, &bb, &c)
	for i, d := range []Definition{plain, held, graves, hop, topic, a, bb, c} {
		if err := m.b.Define(m.log, d); err != nil {
			m.t.Fatal(err)
		}
		m.o.define(d, rules[i])
		m.paths = append(m.paths, d.Name, d.Name+deadLetterSuffix)
	}
	m.paths = append(m.paths, "hop"+transferSuffix, "plain"+transferSuffix, "t/Subscriptions/a"+transferSuffix)
	m.queues = []string{"plain", "held", "graves", "hop", "t"}
	m.b.Events(nil)
}

// rules gives the subscriptions rules over the property n.
func (m *model) rules(subs ...*Definition) map[int][]oRule {
	out := map[int][]oRule{}
	for i, d := range subs {
		for k := range m.rnd.IntN(3) + 1 {
			name := fmt.Sprint("r", k)
			n := int64(m.rnd.IntN(10))
			r := Rule{Name: name, Created: dawn, Filter: Filter{Kind: SQLFilter, Expression: fmt.Sprintf("n > %d", n)}}
			o := oRule{name: name, match: func(x int64) bool { return x > n }}
			switch m.rnd.IntN(6) {
			case 0:
				r.Filter = Filter{}
				o.match, o.always = func(int64) bool { return true }, true
			case 1:
				r.Filter = Filter{Kind: CorrelationFilter, Correlation: &Correlation{Properties: []Property{{"n", n}}}}
				o.match = func(x int64) bool { return x == n }
			case 2:
				r.Filter.Expression = "sys.Nothing = 1"
				o.fails = true
			}
			if m.chance(30) {
				o.color = pick(m, "red", "blue")
				r.Action = "SET color = '" + o.color + "'"
			}
			d.Rules = append(d.Rules, r)
			out[5+i] = append(out[5+i], o)
		}
	}
	return out
}

// play plays that many commands.
func (m *model) play(steps int) {
	for range steps {
		m.advance()
		m.step()
		m.compare()
		if *seed != 0 {
			m.compareAll()
		}
		if m.crowded() {
			break // some chains multiply messages: their histories grow without end
		}
	}
	m.compareAll()
	m.replicas()
}

func (m *model) crowded() bool {
	n := 0
	for _, b := range m.o.boxes() {
		n += len(b.msgs)
	}
	return n > 300
}

// advance lets time pass, with a tick whenever the broker asks for one.
func (m *model) advance() {
	target := m.o.now + int64(pick(m, 1, 7, 100, 900, 3500, 8000))
	for {
		at := m.b.NextWake()
		if at.IsZero() || millisOf(at) > target {
			break
		}
		m.o.now = max(m.o.now, millisOf(at))
		m.log.now = ofMillis(m.o.now)
		if m.o.now == 0 {
			m.log.now = dawn
		}
		m.tell("tick")
		m.b.Tick(m.log)
		m.o.tick()
		m.compare()
	}
	m.o.now = target
	m.log.now = ofMillis(target)
}

// same holds an error against the kind that the oracle expects.
func (m *model) same(what string, err error, want fault.Kind) bool {
	m.t.Helper()
	if got := fault.KindOf(err); got != want {
		m.fail("%s: %v (%v), the oracle says %v", what, got, err, want)
	}
	return err == nil
}

// compare holds what the broker has said against what the oracle would say.
func (m *model) compare() {
	m.t.Helper()
	got := map[ReceiverID][]string{}
	for {
		wanted := m.hear(got)
		if len(wanted) == 0 {
			break
		}
		for _, e := range wanted {
			m.b.Fetched(m.log, e.Ref, m.log.read(e.Ref))
			m.o.fetched(nameOf(m.log.read(e.Ref)))
		}
	}
	ids := map[ReceiverID]bool{}
	for id := range got {
		ids[id] = true
	}
	for id := range m.o.said {
		ids[id] = true
	}
	for id := range ids {
		m.equal(fmt.Sprintf("receiver %d (%s)", id, m.specs[id].Path), got[id], m.o.said[id])
	}
	m.o.said = map[ReceiverID][]string{}
}

// hear takes the broker's events and returns the bytes it wants to see.
func (m *model) hear(got map[ReceiverID][]string) (wanted []Event) {
	for _, e := range m.b.Events(nil) {
		text := ""
		switch e.Kind {
		case Fetch:
			wanted = append(wanted, e)
			continue
		case Delivered:
			d := e.Delivery
			text = "gets " + storedText(nameOf(m.log.read(d.Message.Ref)), d.Message)
			if d.Lock != (LockToken{}) {
				text += fmt.Sprintf(" until %d", millisOf(d.Message.LockedUntil))
				m.learn(m.specs[e.Receiver].Path, d)
			}
			m.given[e.Receiver]++
		case Drained:
			text = "drained"
			m.given[e.Receiver] = m.limits[e.Receiver]
		case SessionAccepted:
			text = fmt.Sprintf("session %q until %d", e.Session, millisOf(e.Until))
		case Refused:
			text = fmt.Sprintf("refused %v", fault.KindOf(e.Err))
		case Closed:
			text = fmt.Sprintf("closed %v", fault.KindOf(e.Err))
		}
		got[e.Receiver] = append(got[e.Receiver], text)
	}
	return wanted
}

// learn gives the oracle's lock the token that the broker has for it.
func (m *model) learn(path string, d Delivery) {
	if x := m.o.box(path).find(d.Message.Sequence); x != nil && x.lock != nil {
		x.lock.token = d.Lock
		m.held = append(m.held, x.lock)
	}
}

// equal holds a list against the oracle's and shows where they part.
func (m *model) equal(what string, got, want []string) {
	m.t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			m.fail("%s, number %d of %d:\n  %s\nthe oracle, of %d:\n  %s", what, i+1, len(got), g, len(want), w)
		}
	}
}

// compareAll holds all mailboxes against the oracle's.
func (m *model) compareAll() {
	m.t.Helper()
	for _, path := range m.paths {
		box := m.o.box(path)
		if !box.entity.readable() {
			continue
		}
		found, _ := m.b.Peek(m.log, path, 1, 1000, nil)
		var got, want []string
		for _, x := range found {
			got = append(got, storedText(nameOf(m.log.read(x.Ref)), x))
		}
		for _, x := range box.msgs {
			want = append(want, x.text())
		}
		m.equal(path, got, want)
		if box.sessions() {
			m.compareSessions(path, box)
		}
	}
	for _, name := range m.queues {
		c, _ := m.b.Counts(name)
		if e := m.o.entity(name); e.def.Kind == Queue && c.SizeBytes != e.size() {
			m.fail("%s has %d bytes, the oracle %d", name, c.SizeBytes, e.size())
		}
	}
}

func (m *model) compareSessions(path string, box *oBox) {
	m.t.Helper()
	names, err := m.b.Sessions(path, time.Time{}, 0, 1000)
	if err != nil || !slices.Equal(names, box.listed) && len(names)+len(box.listed) > 0 {
		m.fail("%s has sessions %q (%v), the oracle %q", path, names, err, box.listed)
	}
	for _, name := range append(slices.Clone(names), "nobody") {
		ref, ok, err := m.b.SessionState(path, name)
		want, has := box.states[name]
		if err != nil || ok != has || ok && string(m.log.read(ref)) != want {
			m.fail("%s: the state of %q is %v (%v), the oracle says %q", path, name, ref, err, want)
		}
	}
}

// replicas holds followers and a restored replica against the broker.
func (m *model) replicas() {
	m.t.Helper()
	want := m.b.Snapshot(nil)
	if got := m.log.follow(m.t, follower(), 0).Snapshot(nil); !bytes.Equal(got, want) {
		m.fail("a replica that folded the facts is in another state")
	}
	if m.saved != nil {
		if got := m.restored().Snapshot(nil); !bytes.Equal(got, want) {
			m.fail("a replica that was restored on the way is in another state")
		}
	}
	if err := m.b.sound(); err != nil {
		m.fail("the broker is not sound: %v", err)
	}
	m.saved, m.savedN = want, len(m.log.facts)
}

// restored is a replica from the last snapshot and the facts since.
func (m *model) restored() *Broker {
	b := follower()
	if err := b.Restore(m.saved); err != nil {
		m.fail("a snapshot does not restore: %v", err)
	}
	return m.log.follow(m.t, b, m.savedN)
}
