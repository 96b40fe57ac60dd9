package ledger

import (
	"reflect"
	"slices"
	"testing"
)

func TestAKeptWordIsGood(t *testing.T) {
	for seed := range uint64(200) {
		s := tell(seed, 600)
		v := Check(&s.h)
		if !v.Good() {
			t.Fatalf("seed %d: %v", seed, v.Findings)
		}
	}
}

// What a client had from a broker that was then lost, and shows when another one has
// settled it since, did not come back: nobody takes its settlement.
func TestWhatWasOnItsWayIsStale(t *testing.T) {
	s := tell(7, 600)
	_, d, e := s.undisturbed(t, "plain")
	late, end := s.h.Deliveries[d], s.h.Settles[e]
	s.h.Outages = append(s.h.Outages, Outage{Start: s.tick()})
	late.At, end.Start, end.End, end.Outcome = s.tick(), s.tick(), s.tick(), Unknown
	s.h.Outages[len(s.h.Outages)-1].End = s.tick()
	s.h.Deliveries, s.h.Settles = append(s.h.Deliveries, late), append(s.h.Settles, end)
	if v := Check(&s.h); !v.Good() {
		t.Error(v.Findings)
	}
}

// The same when its client does not try to settle it, and nobody sees it again.
func TestWhatWasOnItsWayAndForgottenIsStale(t *testing.T) {
	s := tell(7, 600)
	_, d, _ := s.undisturbed(t, "plain")
	late := s.h.Deliveries[d]
	s.h.Outages = append(s.h.Outages, Outage{Start: s.tick()})
	late.At = s.tick()
	s.h.Outages[len(s.h.Outages)-1].End = s.tick()
	s.h.Deliveries = append(s.h.Deliveries, late)
	if v := Check(&s.h); !v.Good() {
		t.Error(v.Findings)
	}
}

// A clock that was set off explains a scheduled message that came that much too soon.
func TestAClockThatIsOffExplains(t *testing.T) {
	s := tell(7, 600)
	send, d, _ := s.undisturbed(t, "plain")
	s.h.Deliveries[d].Wall, send.Due = 5000, 7000
	s.h.Skews = []Skew{{Wall: 3000, Ahead: -9000}, {Wall: 4000, Ahead: 1000, Gains: 1}}
	if v := Check(&s.h); !v.Good() || v.EarliestMs != 2000 {
		t.Errorf("%d ms too soon, findings %v", v.EarliestMs, v.Findings)
	}
}

func TestTheTaleIsRich(t *testing.T) {
	s := tell(7, 4000)
	v := Check(&s.h)
	for _, p := range v.Places {
		if p.Acknowledged < 100 || p.Delivered < 100 {
			t.Errorf("%+v: too little happened to prove anything", p)
		}
	}
	plain, volatile := v.Places[0], v.Places[4]
	if plain.Redelivered == 0 || plain.Duplicates == 0 || volatile.LostInFlight == 0 {
		t.Errorf("no redelivery, duplicate or loss in flight to tell from violations: %+v %+v", plain, volatile)
	}
}

func TestTheSameHistoryGivesTheSameVerdict(t *testing.T) {
	a, b := tell(3, 900), tell(3, 900)
	breakSome(a)
	breakSome(b)
	if va, vb := Check(&a.h), Check(&b.h); !reflect.DeepEqual(va, vb) {
		t.Fatalf("two verdicts on one history:\n%v\n%v", va, vb)
	}
}

func breakSome(s *story) {
	for i := range s.h.Deliveries {
		if i%17 == 0 {
			s.h.Deliveries[i].Intact = false
		}
	}
	s.h.Settles = s.h.Settles[:len(s.h.Settles)/2]
}

// undisturbed returns the last message of target that was confirmed, delivered
// live once and completed at once, with no outage near.
func (s *story) undisturbed(t *testing.T, target string) (send *Send, delivery, settle int) {
	t.Helper()
	for i := len(s.h.Sends) - 1; i >= 0; i-- {
		send = &s.h.Sends[i]
		if send.Target != target || send.Outcome != Confirmed || s.h.disturbed(send.Start, send.End) {
			continue
		}
		at := indexes(s.h.Deliveries, func(d Delivery) bool { return d.ID == send.ID })
		if len(at) != 1 {
			continue
		}
		d := s.h.Deliveries[at[0]]
		end := indexes(s.h.Settles, func(x Settle) bool { return x.Place == d.Place && x.Sequence == d.Sequence && !x.Dead })
		if len(end) == 1 && s.h.Settles[end[0]].Verb == Complete && s.h.Settles[end[0]].Outcome == Confirmed {
			return send, at[0], end[0]
		}
	}
	t.Fatalf("the story has no plain message of %s", target)
	return nil, 0, 0
}

func indexes[T any](of []T, is func(T) bool) (at []int) {
	for i, x := range of {
		if is(x) {
			at = append(at, i)
		}
	}
	return at
}

// breaks is one way each to turn a good history bad.
var breaks = []struct {
	name string
	want Kind
	how  func(t *testing.T, s *story)
}{
	{"an acknowledged message never comes", Missing, func(t *testing.T, s *story) {
		_, d, e := s.undisturbed(t, "plain")
		s.h.Deliveries = slices.Delete(s.h.Deliveries, d, d+1)
		s.h.Settles = slices.Delete(s.h.Settles, e, e+1)
	}},
	{"an acknowledged message comes, is refused its completion and is gone", Missing, func(t *testing.T, s *story) {
		_, _, e := s.undisturbed(t, "plain")
		s.h.Settles[e].Outcome = Refused
	}},
	{"one subscription never gets its copy", Missing, func(t *testing.T, s *story) {
		id := ""
		for _, send := range s.h.Sends {
			if send.Target == "topic" && send.Outcome == Confirmed {
				id = send.ID
			}
		}
		s.h.Deliveries = slices.DeleteFunc(s.h.Deliveries, func(d Delivery) bool { return d.ID == id && d.Place == "topic/b" })
	}},
	{"more is lost in flight than the outages can cost", Missing, func(t *testing.T, s *story) {
		s.h.Places[4].InFlight = 1
		s.h.Outages = s.h.Outages[:3]
		s.h.Deliveries = slices.DeleteFunc(s.h.Deliveries, func(d Delivery) bool { return d.Place == "volatile" })
	}},
	{"completed, confirmed, and delivered again", Resurrected, func(t *testing.T, s *story) {
		_, d, _ := s.undisturbed(t, "plain")
		again := s.h.Deliveries[d]
		again.At = s.tick()
		s.h.Deliveries = append(s.h.Deliveries, again)
	}},
	{"completed, delivered again, and completed again", Resurrected, func(t *testing.T, s *story) {
		_, d, e := s.undisturbed(t, "plain")
		again, end := s.h.Deliveries[d], s.h.Settles[e]
		s.h.Outages = append(s.h.Outages, Outage{Start: s.tick()})
		again.At, end.Start, end.End = s.tick(), s.tick(), s.tick()
		s.h.Outages[len(s.h.Outages)-1].End = s.tick()
		s.h.Deliveries, s.h.Settles = append(s.h.Deliveries, again), append(s.h.Settles, end)
	}},
	{"completed, delivered again while a line is cut, and once more", Resurrected, func(t *testing.T, s *story) {
		_, d, _ := s.undisturbed(t, "plain")
		s.h.Outages = append(s.h.Outages, Outage{Start: s.tick()})
		for range 2 {
			again := s.h.Deliveries[d]
			again.At = s.tick()
			s.h.Deliveries = append(s.h.Deliveries, again)
		}
		s.h.Outages[len(s.h.Outages)-1].End = s.tick()
	}},
	{"a dead letter completed and delivered again", Resurrected, func(t *testing.T, s *story) {
		for _, x := range s.h.Settles {
			at := indexes(s.h.Deliveries, func(d Delivery) bool { return d.Dead && d.Place == x.Place && d.Sequence == x.Sequence })
			if x.Dead && x.Verb == Complete && x.Outcome == Confirmed && len(at) > 0 {
				again := s.h.Deliveries[at[0]]
				again.At = s.tick()
				s.h.Deliveries = append(s.h.Deliveries, again)
				return
			}
		}
		t.Fatal("no dead letter was completed")
	}},
	{"a message nobody sent", Phantom, func(t *testing.T, s *story) {
		s.h.Deliveries = append(s.h.Deliveries, Delivery{Place: "plain", ID: "ghost", Sequence: 1 << 40, Intact: true, At: s.tick()})
	}},
	{"a message of another queue", Phantom, func(t *testing.T, s *story) {
		_, d, _ := s.undisturbed(t, "plain")
		astray := s.h.Deliveries[d]
		astray.Place, astray.Sequence, astray.At = "topic/a", 1<<40, s.tick()
		s.h.Deliveries = append(s.h.Deliveries, astray)
	}},
	{"a place nobody declared", Phantom, func(t *testing.T, s *story) {
		s.h.Deliveries = append(s.h.Deliveries, Delivery{Place: "elsewhere", ID: "m1", Sequence: 1, Intact: true, At: s.tick()})
	}},
	{"delivered before it was sent", Phantom, func(t *testing.T, s *story) {
		send, _, _ := s.undisturbed(t, "plain")
		send.Start = s.tick()
		send.End = s.tick()
	}},
	{"a changed body", Corrupt, func(t *testing.T, s *story) {
		_, d, _ := s.undisturbed(t, "plain")
		s.h.Deliveries[d].Intact = false
	}},
	{"a message in another session", Corrupt, func(t *testing.T, s *story) {
		_, d, _ := s.undisturbed(t, "plain")
		s.h.Deliveries[d].Session = "red"
	}},
	{"stored twice without an outage", Duplicated, func(t *testing.T, s *story) {
		_, d, e := s.undisturbed(t, "plain")
		twin, end := s.h.Deliveries[d], s.h.Settles[e]
		twin.Sequence, twin.At = 1<<40, s.tick()
		end.Sequence, end.Start, end.End = 1<<40, s.tick(), s.tick()
		s.h.Deliveries = append(s.h.Deliveries, twin)
		s.h.Settles = append(s.h.Settles, end)
	}},
	{"a later message of a session comes first", Disordered, func(t *testing.T, s *story) {
		a, b := neighbours(t, s)
		a.ID, b.ID = b.ID, a.ID
		a.Sequence, b.Sequence = b.Sequence, a.Sequence
	}},
	{"a session stores messages against the order of its sender", Disordered, func(t *testing.T, s *story) {
		a, b := neighbours(t, s)
		a.ID, b.ID = b.ID, a.ID
	}},
	{"a session is begun in the middle", Disordered, func(t *testing.T, s *story) {
		skipFirst(t, s)
	}},
	{"two holders of one session", Shared, func(t *testing.T, s *story) {
		_, d, e := s.undisturbed(t, "sessions")
		at := s.h.Settles[e].Start
		s.h.Holdings = append(s.h.Holdings, Holding{ID: 1 << 20, Place: "sessions", Session: s.h.Deliveries[d].Session, Accepted: at - 1})
	}},
	{"one number for two messages", Reused, func(t *testing.T, s *story) {
		_, d, _ := s.undisturbed(t, "plain")
		for i := range s.h.Deliveries {
			if x := &s.h.Deliveries[i]; x.Place == "plain" && i != d && !x.Dead {
				x.Sequence = s.h.Deliveries[d].Sequence
				return
			}
		}
	}},
	{"a dead letter nobody made", Buried, func(t *testing.T, s *story) {
		_, d, _ := s.undisturbed(t, "plain")
		s.h.Deliveries[d].Dead = true
	}},
	{"delivered before it was due", Early, func(t *testing.T, s *story) {
		send, d, _ := s.undisturbed(t, "plain")
		send.Due = s.h.Deliveries[d].Wall + 1
	}},
	{"delivered sooner than a clock that was set off explains", Early, func(t *testing.T, s *story) {
		send, d, _ := s.undisturbed(t, "plain")
		at := &s.h.Deliveries[d]
		at.Wall, send.Due = 5000, 7002
		s.h.Skews = []Skew{{Wall: 4000, Ahead: 1000, Gains: 1}, {Wall: 5001, Ahead: 1 << 40}}
	}},
	{"enqueued before one that was there already", Backwards, func(t *testing.T, s *story) {
		for i := range s.h.Deliveries {
			s.h.Deliveries[i].Stamp = 1000 + s.h.Deliveries[i].Sequence
		}
		_, d, _ := s.undisturbed(t, "plain")
		s.h.Deliveries[d].Stamp = 1
	}},
	{"a message in a salvage ledger that nobody sent", Forged, func(t *testing.T, s *story) {
		s.h.Tails = append(s.h.Tails, Tail{From: "west", Rows: []Row{{What: "accepted", Place: "plain", ID: "nobody's"}}})
	}},
	{"cancelled and delivered", Uncancelled, func(t *testing.T, s *story) {
		send, _, _ := s.undisturbed(t, "plain")
		s.h.Cancels = append(s.h.Cancels, Cancel{ID: send.ID, Outcome: Confirmed})
	}},
	{"deleted on receipt and delivered again", Repeated, func(t *testing.T, s *story) {
		at := indexes(s.h.Deliveries, func(d Delivery) bool { return d.Place == "volatile" })
		again := s.h.Deliveries[at[0]]
		again.At = s.tick()
		s.h.Deliveries = append(s.h.Deliveries, again)
	}},
	{"something is left", Undrained, func(t *testing.T, s *story) { s.h.Places[0].Remaining = []string{"m1"} }},
}

// neighbours returns two deliveries of one session that followed each other in
// one holding.
func neighbours(t *testing.T, s *story) (a, b *Delivery) {
	t.Helper()
	for i := 1; i < len(s.h.Deliveries); i++ {
		a, b := &s.h.Deliveries[i-1], &s.h.Deliveries[i]
		if a.Holding != 0 && a.Holding == b.Holding && a.Sequence < b.Sequence && s.plain(a) && s.plain(b) {
			return a, b
		}
	}
	t.Fatal("no two neighbours in one holding")
	return nil, nil
}

// plain reports whether the delivery is the only one of a confirmed send.
func (s *story) plain(d *Delivery) bool {
	n := indexes(s.h.Deliveries, func(x Delivery) bool { return x.ID == d.ID })
	sent := indexes(s.h.Sends, func(x Send) bool { return x.ID == d.ID && x.Outcome == Confirmed })
	return len(n) == 1 && len(sent) == 1
}

// skipFirst makes a holding begin with its second message: the first is given
// to nobody until later.
func skipFirst(t *testing.T, s *story) {
	t.Helper()
	x, _ := neighbours(t, s)
	a := *x
	at := indexes(s.h.Deliveries, func(d Delivery) bool { return d.ID == a.ID })[0]
	s.h.Deliveries = slices.Delete(s.h.Deliveries, at, at+1)
	a.At, a.Holding = s.tick(), s.holding+1
	s.h.Deliveries = append(s.h.Deliveries, a)
	for i := range s.h.Settles {
		if x := &s.h.Settles[i]; x.Place == a.Place && x.Sequence == a.Sequence {
			x.Start, x.End, x.Holding = s.tick(), s.tick(), a.Holding
		}
	}
	s.h.Holdings = append(s.h.Holdings, Holding{ID: a.Holding, Place: a.Place, Session: a.Session, Accepted: a.At - 1})
}

func TestEachViolationIsCaught(t *testing.T) {
	for _, b := range breaks {
		t.Run(b.name, func(t *testing.T) {
			s := tell(11, 1500)
			b.how(t, s)
			v := Check(&s.h)
			if v.Counts[b.want] == 0 {
				t.Fatalf("%q was not found; found: %v", b.want, v.Findings)
			}
		})
	}
}

func TestEveryKindIsShown(t *testing.T) {
	for _, k := range Kinds {
		if !slices.ContainsFunc(breaks, func(b struct {
			name string
			want Kind
			how  func(t *testing.T, s *story)
		}) bool {
			return b.want == k
		}) {
			t.Errorf("no test breaks a history so that it shows %q", k)
		}
	}
}

func TestTheUnknownIsNotBlamed(t *testing.T) {
	s := tell(5, 900)
	send, d, e := s.undisturbed(t, "plain")
	send.Outcome = Unknown
	s.h.Deliveries = slices.Delete(s.h.Deliveries, d, d+1)
	s.h.Settles = slices.Delete(s.h.Settles, e, e+1)
	if v := Check(&s.h); !v.Good() {
		t.Fatalf("a send without an answer may be missing: %v", v.Findings)
	}
	s.h.Settles = append(s.h.Settles, Settle{Place: "plain", Sequence: 1 << 40, Verb: Complete, Outcome: Unknown, Start: s.tick(), End: s.tick()})
	if v := Check(&s.h); !v.Good() {
		t.Fatalf("a settlement without an answer proves nothing: %v", v.Findings)
	}
}
