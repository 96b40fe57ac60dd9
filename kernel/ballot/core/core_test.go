package core_test

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"weir/kernel/ballot/core"
)

func TestWhatAVoterAnswers(t *testing.T) {
	const ttl = 5 * time.Second
	hold := func(location string, term uint64) core.Request {
		return core.Request{Location: location, Verb: core.Hold, Term: term, For: ttl}
	}
	v := core.Voter{}
	for i, c := range []struct {
		at      time.Duration
		r       core.Request
		granted bool
		term    uint64
		holder  string
	}{
		{0, core.Request{Verb: core.Look}, true, 0, ""},
		{0, hold("west", 1), true, 1, "west"},
		{1, hold("east", 1), false, 1, "west"}, // a term has one holder
		{1, hold("east", 2), false, 1, "west"}, // which was just heard of
		{1, hold("west", 0), false, 1, "west"}, // terms do not go back
		{4 * time.Second, hold("west", 1), true, 1, "west"},
		{8 * time.Second, hold("east", 2), false, 1, "west"},
		{9 * time.Second, hold("east", 2), true, 2, "east"}, // five seconds after the last grant
		{9 * time.Second, hold("west", 1), false, 2, "east"},
		{9 * time.Second, core.Request{Location: "west", Verb: core.Pass, Term: 1, For: ttl, To: "west"}, false, 2, "east"},
		{9 * time.Second, core.Request{Location: "west", Verb: core.Pass, Term: 2, For: ttl, To: "west"}, false, 2, "east"},
		{9 * time.Second, core.Request{Location: "east", Verb: core.Pass, Term: 2, For: ttl}, false, 2, "east"},
		{9 * time.Second, core.Request{Location: "east", Verb: core.Pass, Term: 3, For: ttl, To: "west"}, false, 2, "east"},
		{9 * time.Second, core.Request{Location: "east", Verb: core.Pass, Term: 2, For: ttl, To: "west"}, true, 3, "west"},
		{9 * time.Second, hold("east", 2), false, 3, "west"},
		{9 * time.Second, hold("east", 4), false, 3, "west"}, // it has a time-out to claim it
		{10 * time.Second, hold("west", 3), true, 3, "west"},
		{10 * time.Second, hold("west", 7), true, 7, "west"},
		{10 * time.Second, core.Request{Location: "west", Verb: "take", Term: 7, For: ttl}, false, 7, "west"},
		{10 * time.Second, core.Request{Location: "west", Verb: core.Hold, Term: 7, For: time.Hour}, false, 7, "west"},
		{10 * time.Second, core.Request{Verb: core.Hold, Term: 8, For: ttl}, false, 7, "west"},
	} {
		var a core.Answer
		v, a = v.Decide(c.at, c.r)
		if a.Granted != c.granted || a.Term != c.term || a.Holder != c.holder || a.Granted == (a.Reason != "") {
			t.Errorf("%d, %+v: %+v", i, c.r, a)
		}
	}
}

var (
	seeds = flag.Int("seeds", 2000, "how many histories of the vote are played")
	seed  = flag.Uint64("seed", 0, "play this one, and tell it")
)

// rules are what a mutation changes.
type rules struct {
	safe    func(time.Duration) time.Duration
	forgets bool // a voter that restarts takes grants for run out
}

var sound = rules{safe: core.SafeFor}

func TestTwoLocationsNeverRelyOnAMajorityAtOnce(t *testing.T) {
	if *seed != 0 {
		if w := play(*seed, sound, t.Logf); w.violation != "" {
			t.Error(w.violation)
		}
		return
	}
	terms := uint64(0)
	for s := uint64(1); s <= uint64(*seeds); s++ {
		w := play(s, sound, nil)
		if w.violation != "" {
			t.Fatalf("-seed %d: %s", s, w.violation)
		}
		terms += w.terms
	}
	if terms < uint64(*seeds)*5 {
		t.Errorf("%d terms in %d histories: too little happens in them", terms, *seeds)
	}
}

// A rule that is wrong is found: else the test above would show nothing.
func TestWrongRulesAreFound(t *testing.T) {
	for name, wrong := range map[string]rules{
		"relies on all of the time":    {safe: func(d time.Duration) time.Duration { return d }},
		"voters forget when they died": {safe: core.SafeFor, forgets: true},
	} {
		found := false
		for s := uint64(1); s <= 2000 && !found; s++ {
			found = play(s, wrong, nil).violation != ""
		}
		if !found {
			t.Errorf("%s: no history shows it", name)
		}
	}
}

// world is one history: two locations and some witnesses, all of them voters.
type world struct {
	rules
	r         *rand.Rand
	say       func(string, ...any)
	now       time.Duration // true time
	events    events
	order     int
	voters    []*voter
	locations []*location
	terms     uint64
	violation string
}

type voter struct {
	clock
	mind   core.Voter
	stored core.Ballot
	down   bool
}

// clock runs at a rate of its own, and shows what it likes.
type clock struct{ rate, offset float64 }

func (c clock) at(now time.Duration) time.Duration {
	return time.Duration(float64(now)*c.rate + c.offset)
}

// location wants the group.
type location struct {
	clock
	name    string
	term    uint64 // that it holds or asks for
	highest uint64 // that it has heard of
	round   int
	granted map[int]bool
	began   time.Duration // of the round, by its own clock
	until   time.Duration // it relies on its majority, by its own clock
	passing bool
}

const ttl = 5 * time.Second

func play(seed uint64, r rules, say func(string, ...any)) *world {
	w := &world{rules: r, r: rand.New(rand.NewPCG(seed, 1)), say: say}
	for i := range 2 + []int{1, 3}[seed%2] {
		v := &voter{clock: w.clock()}
		if i < 2 {
			l := &location{clock: v.clock, name: []string{"west", "east"}[i]}
			w.locations = append(w.locations, l)
			w.after(0, func() { w.act(l) })
		}
		w.voters = append(w.voters, v)
		w.after(w.within(20*time.Second), func() { w.crash(v) })
	}
	for w.violation == "" && w.now < 3*time.Minute && len(w.events) > 0 {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	return w
}

func (w *world) clock() clock {
	rate := 1 + w.r.Float64()/2
	if w.r.IntN(2) == 0 {
		rate = []float64{1, 1.499}[w.r.IntN(2)]
	}
	return clock{rate, w.r.Float64() * 1e12}
}

func (w *world) tell(format string, args ...any) {
	if w.say != nil {
		w.say("%8.3f %s", w.now.Seconds(), fmt.Sprintf(format, args...))
	}
}

// within is a time up to most, mostly short.
func (w *world) within(most time.Duration) time.Duration {
	f := w.r.Float64()
	return time.Duration(f * f * float64(most))
}

// act is a location's loop: renew, take over, pass on; sometimes it stands still.
func (w *world) act(l *location) {
	pause := ttl / 4
	if w.r.IntN(12) == 0 {
		pause = w.within(3 * ttl) // stopped, or swapping
	}
	w.after(time.Duration(float64(pause)/l.rate), func() { w.act(l) })
	holds := l.at(w.now) < l.until
	switch {
	case holds && w.r.IntN(15) == 0:
		w.pass(l)
	case holds || l.passing || l.term > 0 && l.term == l.highest:
		l.passing = false
		w.ask(l, l.term)
	case w.r.IntN(2) == 0:
		w.ask(l, l.highest+1)
	}
}

// ask begins a round of votes.
func (w *world) ask(l *location, term uint64) {
	l.term, l.granted, l.began = term, map[int]bool{}, l.at(w.now)
	l.round++
	w.send(l, core.Request{Location: l.name, Verb: core.Hold, Term: term, For: ttl})
}

func (w *world) pass(l *location) {
	to := w.locations[0]
	if to == l {
		to = w.locations[1]
	}
	w.tell("%s passes term %d on", l.name, l.term)
	l.round++ // answers that are under way mean nothing any more
	l.until = 0
	w.send(l, core.Request{Location: l.name, Verb: core.Pass, Term: l.term, For: ttl, To: to.name})
	l.highest = max(l.highest, l.term+1)
}

// send gives a request to every voter, late, never or twice.
func (w *world) send(l *location, r core.Request) {
	round := l.round
	for i, v := range w.voters {
		if w.r.IntN(6) == 0 {
			continue
		}
		for range 1 + w.r.IntN(10)/9 {
			w.after(w.delay(), func() { w.arrive(l, i, v, r, round) })
		}
	}
}

func (w *world) delay() time.Duration {
	if w.r.IntN(10) == 0 {
		return w.within(2 * ttl)
	}
	return w.within(100 * time.Millisecond)
}

// arrive is a request at a voter; the answer goes the same uncertain way.
func (w *world) arrive(l *location, i int, v *voter, r core.Request, round int) {
	if v.down {
		return
	}
	var a core.Answer
	v.mind, a = v.mind.Decide(v.at(w.now), r)
	v.stored = v.mind.Ballot
	if w.r.IntN(8) == 0 {
		return
	}
	w.after(w.delay(), func() { w.hear(l, i, a, r, round) })
}

// hear is an answer at the location that asked.
func (w *world) hear(l *location, i int, a core.Answer, r core.Request, round int) {
	l.highest = max(l.highest, a.Term)
	if a.Term > l.term && a.Holder != l.name {
		l.until = 0 // deposed
	}
	if a.Holder == l.name && a.Term > l.term {
		l.term = a.Term // it was passed on to here
	}
	if round != l.round || !a.Granted || r.Verb != core.Hold {
		return
	}
	l.granted[i] = true
	if len(l.granted) < core.Majority(len(w.voters)) {
		return
	}
	until := l.began + w.safe(ttl)
	if until <= l.at(w.now) || until <= l.until {
		return
	}
	if l.until == 0 {
		w.terms++
	}
	w.tell("%s relies on term %d for %s", l.name, r.Term, until-l.at(w.now))
	l.until = until
	for _, other := range w.locations {
		if other != l && other.at(w.now) < other.until {
			w.violation = fmt.Sprintf("at %s %s and %s both rely on a majority, in terms %d and %d", w.now, l.name, other.name, l.term, other.term)
		}
	}
}

// crash ends a voter and starts it again, with what it stored.
func (w *world) crash(v *voter) {
	v.down = true
	w.after(w.within(ttl), func() {
		v.down = false
		v.mind = core.Reading(v.stored, v.at(w.now))
		if w.forgets {
			v.mind = core.Reading(core.Ballot{Term: v.stored.Term, Holder: v.stored.Holder}, v.at(w.now))
		}
		w.after(w.within(40*time.Second), func() { w.crash(v) })
	})
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

func (w *world) after(d time.Duration, do func()) {
	w.order++
	heap.Push(&w.events, event{w.now + d, w.order, do})
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
