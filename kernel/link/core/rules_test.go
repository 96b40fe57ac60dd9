package core_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/link/core"
)

// pair is a sender with a secondary that has everything up to position 10 of 10.
type pair struct {
	t       *testing.T
	s       *core.Sender
	now     time.Time
	tail    record.Tail
	session uint64
}

func newPair(t *testing.T, terms core.Terms) *pair {
	t.Helper()
	p := &pair{t: t, s: core.NewSender("u", "west", core.Limits{}), now: noon}
	terms.Watched = true
	p.s.Configure(terms, p.now)
	for range 10 {
		p.record()
	}
	p.s.Opened(1, 10, p.now)
	p.hello(core.Mark{At: 10, Sum: p.tail.Sum})
	return p
}

func (p *pair) record() [][]byte {
	recs, next := record.Split(p.tail, 1, p.now, []byte("x"))
	p.tail = next
	return recs
}

func (p *pair) hello(after core.Mark) core.Answer {
	p.t.Helper()
	a, session, _ := p.s.Hello(core.Hello{Version: core.Version, Unit: "u", Location: "east", After: after, Window: 1 << 20},
		core.Stands, core.Extent{End: p.tail.Last, Average: 100}, p.now)
	p.session = session
	return a
}

// append appends n batches of 3 facts and 1000 bytes and sends them.
func (p *pair) append(n int) (last core.Mark) {
	p.t.Helper()
	for range n {
		recs := p.record()
		p.s.Appended(p.tail.Last, 1000, 3, p.now)
		if p.s.Live(p.session) {
			if _, _, err := p.s.Send(p.session, recs, p.tail.Last, p.now); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	return core.Mark{At: p.tail.Last, Sum: p.tail.Sum}
}

func (p *pair) pass(d time.Duration) { p.now = p.now.Add(d) }

func (p *pair) ack(m core.Mark) {
	p.t.Helper()
	if err := p.s.Ack(p.session, m, p.now); err != nil {
		p.t.Fatal(err)
	}
}

// TestAsyncIsBounded: below half of a bound work is free, then it is slowed down,
// at the bound it is refused with numbers.
func TestAsyncIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		terms core.Terms
		says  string
	}{
		"messages": {core.Terms{Mode: core.Async, LagMessages: 300}, "300 messages behind, 300 are allowed"},
		"bytes":    {core.Terms{Mode: core.Async, LagBytes: 100_000}, "100000 bytes behind, 100000 are allowed"},
		"time":     {core.Terms{Mode: core.Async, LagTime: 10 * time.Second}, "10.0 s behind, 10.0 s are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, c.terms)
			more := func(percent int) {
				p.append(percent)
				p.pass(time.Duration(percent) * 100 * time.Millisecond)
			}
			want := func(pause time.Duration, says string) {
				t.Helper()
				got, err := p.s.Admit(p.now)
				if (got-pause).Abs() > time.Millisecond || (err != nil) != (says != "") {
					t.Fatalf("pause %s, %v; want %s, %q", got, err, pause, says)
				}
				if err != nil && (!fault.Is(err, fault.Busy) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "east")) {
					t.Fatal(err)
				}
			}
			want(0, "")
			more(49)
			want(0, "")
			more(26)
			want(25*time.Millisecond, "")
			more(24)
			want(49*time.Millisecond, "")
			more(1)
			want(0, c.says)
			p.ack(p.append(1))
			want(0, "")
		})
	}
}

// TestLagCountsFromTheOldest: the age of the lag is that of the oldest batch that
// is not acknowledged, also when nobody ever connected.
func TestLagCountsFromTheOldest(t *testing.T) {
	s := core.NewSender("u", "west", core.Limits{})
	s.Configure(core.Terms{Mode: core.Async, LagTime: time.Minute, Watched: true}, noon)
	s.Opened(1, 500, noon)
	if lag := s.Lag(noon.Add(time.Hour)); lag.Messages != 0 || lag.Time != 0 {
		t.Fatalf("nothing was appended, lag %+v", lag)
	}
	s.Appended(501, 10, 2, noon.Add(time.Hour))
	s.Appended(502, 10, 2, noon.Add(2*time.Hour))
	lag := s.Lag(noon.Add(3 * time.Hour))
	if lag.Messages != 4 || lag.Bytes != 20 || lag.Time != 2*time.Hour || lag.Connected {
		t.Fatalf("lag %+v", lag)
	}
}

// TestABacklogIsEstimated: what was appended before this owner is counted by
// records, and said to be an estimate until it is acknowledged.
func TestABacklogIsEstimated(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Async})
	p.hello(core.Mark{At: 4, Sum: 1})
	p.s.Appended(11, 1000, 3, p.now)
	lag := p.s.Lag(p.now)
	if lag.Messages != 6+3 || lag.Bytes != 6*100+1000 || !lag.Estimated {
		t.Fatalf("lag %+v", lag)
	}
	p.tail.Last = 11
	p.hello(core.Mark{At: 10, Sum: 1})
	if lag := p.s.Lag(p.now); lag.Messages != 3 || lag.Estimated {
		t.Fatalf("lag %+v", lag)
	}
}

// TestALongBacklogStaysBounded: batches beyond what is remembered one by one are
// counted together; nothing is lost from the sum, and it is said.
func TestALongBacklogStaysBounded(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Async})
	p.s.Gone(p.session, p.now)
	for i := range 200_000 {
		p.s.Appended(record.Position(11+i), 10, 1, p.now)
	}
	lag := p.s.Lag(p.now)
	if lag.Messages != 200_000 || lag.Bytes != 2_000_000 || !lag.Estimated {
		t.Fatalf("lag %+v", lag)
	}
	p.tail.Last = 200_010
	p.hello(core.Mark{At: 100_000, Sum: 1})
	if lag := p.s.Lag(p.now); lag.Messages < 100_010 || lag.Messages > 110_000 {
		t.Fatalf("half is acknowledged, lag %+v", lag)
	}
	p.hello(core.Mark{At: 200_000, Sum: 1})
	if lag := p.s.Lag(p.now); lag.Messages != 10 || lag.Estimated {
		t.Fatalf("all but ten are acknowledged, lag %+v", lag)
	}
}

// TestSyncStops: while the other location is away nothing is covered and after a
// while no work is taken.
func TestSyncStops(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Sync, WhenAway: core.Stop})
	last := p.append(1)
	if p.s.Covered(11, p.now) {
		t.Fatal("covered before it is acknowledged")
	}
	p.ack(last)
	if !p.s.Covered(11, p.now) {
		t.Fatal("not covered although it is acknowledged")
	}
	p.s.Gone(p.session, p.now)
	p.append(1)
	p.pass(2 * time.Second)
	if _, err := p.s.Admit(p.now); err != nil {
		t.Fatal(err)
	}
	p.pass(time.Hour)
	if p.s.Covered(12, p.now) || p.s.Degraded(p.now) {
		t.Fatal("covered while the other location is away")
	}
	if _, err := p.s.Admit(p.now); !fault.Is(err, fault.Busy) {
		t.Fatalf("work is taken that can not be answered: %v", err)
	}
	if _, ever := p.s.Wake(); ever {
		t.Fatal("time alone changes nothing, and is waited for")
	}
}

// TestSyncDegrades: after AwayAfter it goes on alone, and is whole again when the
// other location has caught up, not when it is back.
func TestSyncDegrades(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Sync, WhenAway: core.Degrade})
	p.s.Gone(p.session, p.now)
	p.append(5)
	at, ever := p.s.Wake()
	if p.s.Covered(15, p.now) || !ever || at.Before(p.now.Add(3*time.Second)) {
		t.Fatalf("covered at once, or at %s", at.Sub(p.now))
	}
	if p.s.Covered(15, at.Add(-time.Millisecond)) {
		t.Fatal("covered too early")
	}
	if !p.s.Covered(15, at) || !p.s.Degraded(at) {
		t.Fatal("not degraded when it said it would be")
	}
	p.now = at
	h := core.Mark{At: 10}
	p.hello(h)
	if !p.s.Degraded(p.now) {
		t.Fatal("whole again before it has caught up")
	}
	p.tail = record.Tail{Last: 10}
	recs, _ := record.Split(p.tail, 1, p.now, []byte("y"))
	if _, _, err := p.s.Send(p.session, recs, 15, p.now); err != nil {
		t.Fatal(err)
	}
	head, _, _ := record.Decode(11, recs[0])
	p.ack(core.Mark{At: 11, Sum: head.Sum})
	if !p.s.Degraded(p.now) {
		t.Fatal("whole again with four batches to go that are old")
	}
	p.hello(core.Mark{At: 15, Sum: 1})
	if p.s.Degraded(p.now) || !p.s.Covered(15, p.now) {
		t.Fatal("still degraded after it has caught up")
	}
	p.s.Appended(16, 1, 1, p.now)
	if p.s.Covered(16, p.now) {
		t.Fatal("covered alone after it is whole again")
	}
}

// TestNobodyGoesOnAloneUnconfirmed: an ownership that lasts may not outlive the silence
// that sync mode degrades after, or both locations answer what the other has not.
func TestNobodyGoesOnAloneUnconfirmed(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Sync, WhenAway: core.Degrade, Patience: 7 * time.Second})
	p.s.Gone(p.session, p.now)
	p.append(5)
	at, ever := p.s.Wake()
	if early := p.now.Add(7 * time.Second); !ever || at.Before(early) || p.s.Covered(15, early) {
		t.Fatalf("alone after %s", at.Sub(p.now))
	}
	if !p.s.Covered(15, at) {
		t.Fatal("not degraded when it said it would be")
	}
}

// TestAPeerThatBeatsAndStoresNothingIsAway: sync mode must not hang on a location
// whose disk does.
func TestAPeerThatBeatsAndStoresNothingIsAway(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Sync, WhenAway: core.Degrade})
	beat := core.Mark{At: 10, Sum: p.tail.Sum}
	p.pass(time.Minute)
	p.ack(beat)
	if p.s.Degraded(p.now) {
		t.Fatal("degraded although nothing waits")
	}
	p.append(1)
	for range 14 {
		p.pass(200 * time.Millisecond)
		p.ack(beat)
	}
	if p.s.Degraded(p.now) {
		t.Fatal("degraded too early")
	}
	p.pass(300 * time.Millisecond)
	p.ack(beat)
	if !p.s.Degraded(p.now) {
		t.Fatal("not degraded although nothing is stored there for 3.1 s")
	}
}

// TestAPeerThatComesAgainAndAgainAndStoresNothingIsAway: one whose disk is full connects
// anew every other second, as far as it was before. That is not to get on.
func TestAPeerThatComesAgainAndAgainAndStoresNothingIsAway(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Sync, WhenAway: core.Degrade})
	stood := core.Mark{At: p.tail.Last, Sum: p.tail.Sum}
	recs := p.record()
	p.s.Appended(p.tail.Last, 1000, 3, p.now)
	for range 2 {
		p.pass(2 * time.Second)
		p.s.Gone(p.session, p.now)
		p.hello(stood)
	}
	if !p.s.Degraded(p.now) {
		t.Fatal("not degraded although nothing is stored there for 4 s")
	}
	if _, _, err := p.s.Send(p.session, recs, p.tail.Last, p.now); err != nil {
		t.Fatal(err)
	}
	p.ack(core.Mark{At: p.tail.Last, Sum: p.tail.Sum})
	if p.s.Degraded(p.now) {
		t.Fatal("still degraded after it has caught up")
	}
}

// TestALocationThatCatchesUpIsNotAway: however long it takes, as long as more is
// acknowledged.
func TestALocationThatCatchesUpIsNotAway(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Sync, WhenAway: core.Degrade})
	var marks []core.Mark
	for range 20 {
		marks = append(marks, p.append(1))
	}
	for _, m := range marks {
		p.pass(2 * time.Second)
		p.s.Heard(p.session, p.now)
		p.ack(m)
		if p.s.Degraded(p.now) {
			t.Fatalf("degraded at position %d", m.At)
		}
	}
}

// TestAcknowledgementsAreHeldAgainstWhatWasSent: nothing is believed that was not
// sent, has another checksum, or comes from an earlier session.
func TestAcknowledgementsAreHeldAgainstWhatWasSent(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Sync})
	old, last := p.session, p.append(2)
	for name, m := range map[string]core.Mark{
		"not sent": {At: 13, Sum: 1}, "another history": {At: 12, Sum: last.Sum + 1}, "back": {At: 9, Sum: 1},
	} {
		if err := p.s.Ack(p.session, m, p.now); !errors.Is(err, core.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.hello(core.Mark{At: 10, Sum: 1})
	if err := p.s.Ack(old, last, p.now); !errors.Is(err, core.ErrStale) {
		t.Errorf("an earlier session: %v", err)
	}
	if p.s.Covered(11, p.now) {
		t.Error("covered by a refused acknowledgement")
	}
}

// TestHellosAreRefusedByName: who must not copy is told why.
func TestHellosAreRefusedByName(t *testing.T) {
	good := core.Hello{Version: core.Version, Unit: "u", Location: "east", Term: 7}
	for want, c := range map[core.Verdict]struct {
		change func(*core.Hello)
		found  core.Found
		terms  core.Terms
	}{
		core.OK:         {},
		core.SeedFirst:  {found: core.Trimmed},
		core.Fork:       {found: core.Parted},
		core.Away:       {found: core.Unread},
		core.Term:       {change: func(h *core.Hello) { h.Term = 8 }},
		core.BadVersion: {change: func(h *core.Hello) { h.Version = 99 }},
		core.NotPrimary: {change: func(h *core.Hello) { h.Location = "west" }},
	} {
		s := core.NewSender("u", "west", core.Limits{})
		s.Configure(core.Terms{Watched: true, Term: 7}, noon)
		h := good
		if c.change != nil {
			c.change(&h)
		}
		a, session, _ := s.Hello(h, c.found, core.Extent{}, noon)
		served := want == core.OK || want == core.SeedFirst
		if a.Verdict != want || (session > 0) != served || s.Live(session) != served || (a.Reason == "") != served {
			t.Errorf("want %s, answer %+v, session %d", want, a, session)
		}
	}
	s := core.NewSender("u", "west", core.Limits{})
	if a, _, _ := s.Hello(good, core.Stands, core.Extent{}, noon); a.Verdict != core.NotPrimary {
		t.Errorf("without terms: %+v", a)
	}
	r := core.NewReceiver("u", "east", core.Limits{})
	r.Hello(core.Mark{}, 0, 8, noon)
	var refusal *core.Refusal
	if err := r.Answer(core.Answer{Verdict: core.OK, Term: 7, Location: "west"}, noon); !errors.As(err, &refusal) || refusal.Verdict != core.Term {
		t.Errorf("a primary of an older term: %v", err)
	}
	if got := r.State(); got.Refused != "term" || got.Connected {
		t.Errorf("state %+v", got)
	}
}

// TestLostAcknowledgementsAreNoticed: a location that comes back with less than it
// had acknowledged is an alarm.
func TestLostAcknowledgementsAreNoticed(t *testing.T) {
	p := newPair(t, core.Terms{Mode: core.Sync})
	p.ack(p.append(5))
	_, _, lost := p.s.Hello(core.Hello{Version: core.Version, Unit: "u", Location: "east", After: core.Mark{At: 12}}, core.Stands, core.Extent{}, p.now)
	if lost != 3 {
		t.Errorf("lost %d, want 3", lost)
	}
}

// TestAnotherNodesEpochEndsTheSession: a node that does not own sends the secondary
// to the one that does.
func TestAnotherNodesEpochEndsTheSession(t *testing.T) {
	for _, told := range []bool{false, true} {
		p := newPair(t, core.Terms{})
		recs, next := record.Split(p.tail, 2, p.now, []byte("opened elsewhere"))
		if _, _, err := p.s.Send(p.session, recs, next.Last, p.now); err != nil {
			t.Fatal(err)
		}
		if told { // it was this node, which is told only now
			p.s.Opened(2, next.Last, p.now)
		}
		for range 12 {
			p.pass(100 * time.Millisecond)
			p.s.Heard(p.session, p.now)
		}
		if err := p.s.Tick(p.session, p.now); errors.Is(err, core.ErrMoved) == told {
			t.Errorf("told %t: %v", told, err)
		}
	}
}

// TestTheReceiverTakesNothingOutOfTurn: gaps, duplicates, changed records and more
// than the window end the session.
func TestTheReceiverTakesNothingOutOfTurn(t *testing.T) {
	one, next := record.Split(record.Tail{}, 1, noon, []byte("one"))
	two, _ := record.Split(next, 1, noon, make([]byte, 500))
	changed := append([]byte(nil), one[0]...)
	changed[len(changed)-1] ^= 1
	fresh := func() *core.Receiver {
		r := core.NewReceiver("u", "east", core.Limits{WindowBytes: 10})
		r.Hello(core.Mark{}, 0, 1, noon)
		if err := r.Answer(core.Answer{Verdict: core.OK, Term: 1}, noon); err != nil {
			t.Fatal(err)
		}
		return r
	}
	var damage *record.Damage
	if _, err := fresh().Data(core.Data{First: 2, Records: two}, noon); !errors.Is(err, core.ErrProtocol) {
		t.Error("a gap:", err)
	}
	if _, err := fresh().Data(core.Data{First: 1, Records: [][]byte{changed}}, noon); !errors.As(err, &damage) {
		t.Error("a changed record:", err)
	}
	r := fresh()
	if _, err := r.Data(core.Data{First: 1, Records: one}, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Data(core.Data{First: 1, Records: one}, noon); !errors.Is(err, core.ErrProtocol) {
		t.Error("a duplicate:", err)
	}
	if _, err := r.Data(core.Data{First: 2, Records: two}, noon); !errors.Is(err, core.ErrProtocol) {
		t.Error("more than the window:", err)
	}
	if err := r.Stored(core.Mark{At: 1, Sum: 1}); err == nil {
		t.Error("something else was stored than came")
	}
}

// TestAForkIsCalledWhenTheTermIsOpened: behind the end of a log that may still grow by what
// was copied, nothing has parted yet.
func TestAForkIsCalledWhenTheTermIsOpened(t *testing.T) {
	s := core.NewSender("u", "west", core.Limits{})
	s.Configure(core.Terms{Mode: core.Async, Watched: true, Term: 3}, noon)
	hello := core.Hello{Version: core.Version, Unit: "u", Location: "east", Term: 3, After: core.Mark{At: 12, Sum: 1}}
	for _, c := range []struct {
		what  string
		end   core.Extent
		opens uint64
		want  core.Verdict
	}{
		{"behind the end, not opened", core.Extent{End: 11}, 0, core.Away},
		{"before the end, not opened", core.Extent{End: 12}, 0, core.Fork},
		{"behind the end, opened in an earlier term", core.Extent{End: 11}, 1<<32 + 4, core.Away},
		{"behind the end, opened", core.Extent{End: 11}, 3 << 32, core.Fork},
	} {
		if c.opens > 0 {
			s.Opened(c.opens, 11, noon)
		}
		if a, _, _ := s.Hello(hello, core.Parted, c.end, noon); a.Verdict != c.want {
			t.Errorf("%s: %s, want %s", c.what, a.Verdict, c.want)
		}
	}
}
