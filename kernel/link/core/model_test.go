package core_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/link/core"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// model is both sides of a link, a network that delays and cuts, two logs, and a
// naive oracle that knows them.
type model struct {
	t    *testing.T
	rnd  *rand.Rand
	now  time.Time
	send *core.Sender
	recv *core.Receiver

	tail    record.Tail
	log     [][]byte // the primary's records
	batches []batch
	copied  [][]byte // what is durable in the secondary
	given   []core.Copy
	degrade bool
	open    core.Terms

	session uint64
	cursor  int      // records sent in this session
	there   []flying // frames under way to the secondary
	back    [][]byte // frames under way to the primary
	acked   record.Position
	known   bool

	word   flying   // the primary's last word that arrived
	coming []flying // what belongs to given
	has    uint64   // messages in what the secondary has, as the primary counted them
}

// flying is a frame on its way, and what the oracle knew when it left.
type flying struct {
	bytes     []byte
	end       record.Position
	all, upTo uint64 // messages told to the primary's side: all, and up to the frame's last record
}

// fly puts a frame on its way.
func (m *model) fly(k core.Kind, body []byte, last record.Position) {
	m.there = append(m.there, m.knowing(frame(k, body), last))
}

func (m *model) knowing(b []byte, last record.Position) flying {
	f := flying{bytes: b}
	for _, b := range m.batches {
		if !b.told {
			break
		}
		f.end, f.all = b.at, f.all+uint64(b.facts)
		if b.at <= last {
			f.upTo = f.all
		}
	}
	return f
}

type batch struct {
	at           record.Position
	bytes, facts int
	told         bool
	time         time.Time
}

func frame(k core.Kind, body []byte) []byte {
	b := append(make([]byte, core.HeadBytes), body...)
	core.Seal(b, k, 0)
	return b
}

func parse(t *testing.T, b []byte) (core.Kind, []byte) {
	t.Helper()
	head := [core.HeadBytes]byte(b)
	h, err := core.ParseHead(&head)
	if err == nil {
		err = h.Verify(&head, b[core.HeadBytes:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return h.Kind, b[core.HeadBytes:]
}

// append is a batch that becomes durable in the primary.
func (m *model) append() {
	data := make([]byte, m.rnd.IntN(200))
	if m.rnd.IntN(40) == 0 {
		data = make([]byte, record.PartBytes+m.rnd.IntN(1000))
	}
	recs, next := record.Split(m.tail, 1, m.now, data)
	m.tail, m.log = next, append(m.log, recs...)
	m.batches = append(m.batches, batch{at: next.Last, bytes: len(data), facts: 1 + m.rnd.IntN(9)})
}

// tell tells the sender of the oldest batch it does not know.
func (m *model) tell() {
	for i := range m.batches {
		if b := &m.batches[i]; !b.told {
			b.told, b.time = true, m.now
			m.send.Appended(b.at, b.bytes, b.facts, m.now)
			return
		}
	}
}

func (m *model) mark() core.Mark {
	if len(m.copied) == 0 {
		return core.Mark{}
	}
	at := record.Position(len(m.copied))
	h, _, err := record.Decode(at, m.copied[at-1])
	if err != nil {
		m.t.Fatal(err)
	}
	return core.Mark{At: at, Sum: h.Sum}
}

// dial begins a session, whose answer comes at once.
func (m *model) dial() {
	m.cut()
	h := m.recv.Hello(m.mark(), 0, 1, m.now)
	k, body := parse(m.t, frame(core.KindHello, h.Append(nil)))
	h, err := core.ParseHello(body)
	if k != core.KindHello || err != nil {
		m.t.Fatal(k, err)
	}
	a, session, lost := m.send.Hello(h, core.Stands, core.Extent{End: m.tail.Last}, m.now)
	if lost > 0 || a.Verdict != core.OK {
		m.t.Fatalf("answer %v, lost %d", a, lost)
	}
	if err := m.recv.Answer(a, m.now); err != nil {
		m.t.Fatal(err)
	}
	m.session, m.cursor, m.acked, m.known = session, int(h.After.At), h.After.At, true
	m.word = m.knowing(nil, h.After.At)
	m.has = m.word.upTo
}

// cut ends the connection. What is being stored is stored, or is not from some
// place on, as a log that fails.
func (m *model) cut() {
	m.send.Gone(m.session, m.now)
	m.recv.Gone()
	for len(m.given) > 0 && m.rnd.IntN(3) > 0 {
		m.store()
	}
	m.given, m.coming, m.there, m.back = nil, nil, nil, nil
}

func (m *model) transmit() {
	if m.cursor == len(m.log) || !m.send.Room(m.session) {
		return
	}
	n := min(len(m.log)-m.cursor, 1+m.rnd.IntN(8))
	d, rest, err := m.send.Send(m.session, m.log[m.cursor:m.cursor+n], m.tail.Last, m.now)
	if err != nil {
		if !m.send.Live(m.session) && errors.Is(err, core.ErrStale) {
			return
		}
		m.t.Fatal(err)
	}
	m.cursor += n - len(rest)
	m.fly(core.KindData, d.Append(nil), record.Position(m.cursor))
}

func (m *model) arrive() {
	if len(m.there) == 0 {
		return
	}
	m.word = m.there[0]
	k, body := parse(m.t, m.word.bytes)
	m.there = m.there[1:]
	switch k {
	case core.KindData:
		d, err := core.ParseData(body)
		if err != nil {
			m.t.Fatal(err)
		}
		m.word.end = max(m.word.end, d.Said.End) // the log may be known to be longer
		c, err := m.recv.Data(d, m.now)
		if err != nil {
			m.t.Fatal(err)
		}
		m.given, m.coming = append(m.given, c), append(m.coming, m.word)
	case core.KindBeat:
		s, err := core.ParseBeat(body)
		if err == nil {
			err = m.recv.Beat(s, m.now)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// store makes the oldest copy durable: it must follow exactly.
func (m *model) store() {
	if len(m.given) == 0 {
		return
	}
	c := m.given[0]
	m.given = m.given[1:]
	if c.After != m.mark() {
		m.t.Fatalf("a copy behind %d, the log ends at %d", c.After.At, len(m.copied))
	}
	m.copied = append(m.copied, c.Records...)
	m.has, m.coming = m.coming[0].upTo, m.coming[1:]
	if err := m.recv.Stored(c.Last); err != nil {
		m.t.Fatal(err)
	}
	if m.recv.Ack() != m.mark() {
		m.t.Fatalf("%+v is acknowledged, %+v is durable", m.recv.Ack(), m.mark())
	}
	m.back = append(m.back, frame(core.KindAck, core.AppendAck(nil, m.recv.Ack())))
}

func (m *model) acknowledge() {
	if len(m.back) == 0 {
		return
	}
	_, body := parse(m.t, m.back[0])
	m.back = m.back[1:]
	ack, err := core.ParseAck(body)
	if err == nil {
		err = m.send.Ack(m.session, ack, m.now)
	}
	if err != nil && !errors.Is(err, core.ErrStale) {
		m.t.Fatal(err)
	}
	if err == nil {
		m.acked = ack.At
	}
}

// check holds what both sides say against what the oracle knows.
func (m *model) check() {
	lag := m.send.Lag(m.now)
	var messages, count uint64
	var end record.Position
	var oldest time.Time
	for _, b := range m.batches {
		if !b.told {
			break
		}
		end = b.at
		if b.at > m.acked {
			messages += uint64(b.facts)
			count += uint64(b.bytes)
			if oldest.IsZero() {
				oldest = b.time
			}
		}
	}
	var age time.Duration
	if !oldest.IsZero() {
		age = m.now.Sub(oldest)
	}
	if lag.Messages != messages || lag.Bytes != count || lag.End != end || lag.Acked != m.acked || lag.Time != age || lag.Estimated {
		m.t.Fatalf("lag %+v, want %d messages, %d bytes, %s, acknowledged %d of %d", lag, messages, count, age, m.acked, end)
	}
	if m.acked > record.Position(len(m.copied)) {
		m.t.Fatalf("%d is acknowledged, %d is durable", m.acked, len(m.copied))
	}
	for at := record.Position(1); at <= m.tail.Last; at += 1 + record.Position(m.rnd.IntN(5)) {
		if m.send.Covered(at, m.now) != (at <= m.acked && m.known || m.send.Degraded(m.now)) {
			m.t.Fatalf("position %d covered: %t, acknowledged %d, degraded %t", at, !(at <= m.acked), m.acked, m.send.Degraded(m.now))
		}
	}
	if m.send.Degraded(m.now) && !m.degrade {
		m.t.Fatal("degraded, which the terms do not allow")
	}
	s, behind := m.recv.State(), m.word.all-min(m.has, m.word.all)
	if s.Mark.At >= m.word.end {
		behind = 0
	}
	if s.Mark != m.mark() || m.known && (s.Lag.Messages != behind || s.PrimaryEnd != m.word.end) {
		m.t.Fatalf("the secondary says %+v, durable is %+v, %d messages behind %d", s, m.mark(), behind, m.word.end)
	}
}

func (m *model) step() {
	switch m.rnd.IntN(20) {
	case 0, 1, 2:
		m.append()
	case 3, 4, 5:
		m.tell()
	case 6, 7, 8:
		m.transmit()
	case 9, 10, 11:
		m.arrive()
	case 12, 13:
		m.store()
	case 14, 15:
		m.acknowledge()
	case 16:
		m.fly(core.KindBeat, m.send.Beat(m.now).Append(nil), 0)
		if !m.send.Live(m.session) {
			m.there = nil
		}
	case 17:
		m.now = m.now.Add(time.Duration(m.rnd.IntN(300)) * time.Millisecond)
		if m.rnd.IntN(20) == 0 {
			m.now = m.now.Add(5 * time.Second)
		}
		if m.send.Tick(m.session, m.now) != nil || m.recv.Tick(1, m.now) != nil {
			m.cut()
		}
	case 18:
		if m.rnd.IntN(10) == 0 {
			m.cut()
		}
	case 19:
		if !m.send.Live(m.session) || m.rnd.IntN(30) == 0 {
			m.dial()
		}
	}
}

// TestRandomHistories plays random histories: appends, delays, cuts, silence,
// logs that stop storing. At every step what both sides say is what the oracle
// knows; at the end the logs are equal.
func TestRandomHistories(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{t: t, rnd: rand.New(rand.NewPCG(uint64(seed), 9)), now: noon, degrade: seed%2 == 0}
			limits := core.Limits{WindowBytes: uint64(1) << (8 + seed%14)}
			m.send, m.recv = core.NewSender("u", "west", limits), core.NewReceiver("u", "east", limits)
			terms := core.Terms{Mode: core.Sync, WhenAway: core.Stop, Term: 1, Watched: true}
			if m.degrade {
				terms.WhenAway = core.Degrade
			}
			m.send.Configure(terms, m.now)
			m.send.Opened(1, 0, m.now)
			for range 600 {
				m.step()
				m.check()
			}
			for n := 0; len(m.copied) < len(m.log) || m.acked < m.tail.Last; n++ {
				if n > 100*len(m.log) {
					t.Fatalf("%d of %d records are copied, %d acknowledged, and nothing moves", len(m.copied), len(m.log), m.acked)
				}
				if !m.send.Live(m.session) {
					m.dial()
				}
				m.tell()
				m.transmit()
				m.arrive()
				m.store()
				m.acknowledge()
			}
			m.tell()
			for i := range m.log {
				if !bytes.Equal(m.log[i], m.copied[i]) {
					t.Fatalf("record %d differs", i+1)
				}
			}
		})
	}
}
