package core

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"weir/internal/groups"
	ballot "weir/kernel/ballot/core"
	"weir/kernel/journal/record"
	link "weir/kernel/link/core"
)

// paper is a location on paper: hands that do as they are told, until they are to fail.
type paper struct {
	g      Group
	n      Note
	peer   *paper
	votes  map[string]*ballot.Voter // by place; nil: nobody votes
	silent map[string]bool
	copies map[string]Copy
	lacks  map[string]bool
	failAt string // a step at which the process ends
	told   []string
}

// ended unwinds a process that has ended.
type ended struct{}

var errAway = errors.New("nobody answers")

// twoLocations share a group: west has it in term 1.
func twoLocations(witness bool) (west, east *paper) {
	var votes map[string]*ballot.Voter
	if witness {
		votes = map[string]*ballot.Voter{"west": {}, "east": {}, "witness": {}}
	}
	at := func(here, there string) *paper {
		p := &paper{
			g:     Group{Name: "all", Here: here, Peer: there, Node: here + "1", First: "west", Voters: len(votes), Automatic: witness, FailedProbes: 3},
			votes: votes, silent: map[string]bool{}, lacks: map[string]bool{},
			n: Note{Term: 1, Holder: "west", Units: map[string]Unit{"orders": {Caught: true}}, Revision: 1},
		}
		state := link.Received{Mark: record.Mark{At: 9, Sum: 9}, PrimaryEnd: 9, PrimaryTerm: 1, LastHeard: time.Unix(1, 0)}
		p.copies = map[string]Copy{"orders": {State: state, Position: 9, Epoch: 1}}
		return p
	}
	west, east = at("west", "east"), at("east", "west")
	west.peer, east.peer = east, west
	if witness {
		if _, err := west.Acquire(1); err != nil {
			panic(err)
		}
	}
	return west, east
}

func (p *paper) Change(fn func(*Note) bool) (Note, error) {
	n := p.n.Clone()
	if fn(&n) {
		n.Revision++
		p.n = n
	}
	return p.n.Clone(), nil
}
func (p *paper) KeepGeneration(string, int) error     { return nil }
func (p *paper) Begin(c groups.Change) *groups.Change { return &c }
func (p *paper) Did(_ *groups.Change, step string) {
	p.told = append(p.told, step)
	if step == p.failAt {
		p.failAt = ""
		panic(ended{})
	}
}
func (p *paper) Status() (groups.Status, error) {
	if p.peer == nil {
		return groups.Status{}, errAway
	}
	return p.peer.status(), nil
}
func (p *paper) status() groups.Status {
	s := groups.Status{Term: p.n.Term, Holder: p.n.Holder, Standing: groups.Secondary, Units: []groups.Unit{{Unit: "orders", Connected: true}}}
	if p.n.Holder == p.g.Here {
		if s.Standing = groups.Halted; p.n.Phase == None {
			s.Standing = groups.Primary
		}
	}
	return s
}
func (p *paper) Ready(Marks) error {
	if p.peer == nil {
		return errAway
	}
	return nil
}
func (p *paper) Take(c groups.Change) error {
	if p.peer == nil {
		return errAway
	}
	return Taken(p.peer, p.peer.g, p.peer.n.Clone(), c)
}
func (p *paper) Decline(term uint64) error {
	if p.peer == nil {
		return errAway
	}
	n, _ := p.peer.Change(Decline(term))
	if n.Term >= term {
		return errors.New("it has taken it")
	}
	return nil
}
func (p *paper) Carry(string) error { return nil }
func (p *paper) round(r ballot.Request) ballot.Poll {
	poll := ballot.Poll{Voters: len(p.votes), Location: p.g.Here}
	r.Location, r.For = p.g.Here, time.Second
	for _, place := range []string{"west", "east", "witness"} {
		if !p.silent[place] {
			next, a := p.votes[place].Decide(0, r)
			*p.votes[place] = next
			poll.Answers = append(poll.Answers, a)
		}
	}
	return poll
}
func (p *paper) Look(func(ballot.Poll) bool) ballot.Poll {
	return p.round(ballot.Request{Verb: ballot.Look})
}
func (p *paper) Acquire(term uint64) (ballot.Poll, error) {
	if look := p.Look(nil); look.Willing(term) < look.Majority() {
		return look, errors.New("no majority")
	}
	poll := p.round(ballot.Request{Verb: ballot.Hold, Term: term})
	if !poll.Won() {
		return poll, errors.New("no majority")
	}
	return poll, nil
}
func (p *paper) Pass(term uint64) error {
	if poll := p.round(ballot.Request{Verb: ballot.Pass, Term: term, To: p.g.Peer}); !poll.Won() {
		return errors.New("no majority")
	}
	return nil
}
func (p *paper) Revoke()                         {}
func (p *paper) Halt(Note) (Marks, error)        { return Marks{"orders": {At: 9, Sum: 9}}, nil }
func (p *paper) Serve(Note) error                { return nil }
func (p *paper) Ends() Marks                     { return Marks{"orders": {At: 9, Sum: 9}} }
func (p *paper) Copies() map[string]Copy         { return p.copies }
func (p *paper) Whole(unit string) (bool, error) { return !p.lacks[unit], nil }
func (p *paper) Loss() *groups.Loss              { return nil }

// forget lets all grants run out.
func (p *paper) forget() {
	for _, v := range p.votes {
		*v = ballot.Reading(ballot.Ballot{Term: v.Ballot.Term, Holder: v.Ballot.Holder}, 0)
	}
}

// tick lets a location do what there is to do next, having asked the other one.
func (p *paper) tick(t *testing.T) Doing {
	t.Helper()
	v := View{Note: p.n.Clone(), Copies: p.copies, Asked: true, Idle: true, Failed: 3}
	if said, err := p.Status(); err == nil {
		v.Said, v.Failed = &said, 0
	}
	if p.votes != nil && p.n.Holder == p.g.Here {
		h := Listen(p.n.Term, p.round(ballot.Request{Verb: ballot.Hold, Term: p.n.Term}))
		if v.Doubt = h.Doubt; h.Over {
			if err := GiveUp(p, h.Term, h.Holder); err != nil {
				t.Fatal(err)
			}
			return Yield
		}
	}
	s := Next(p.g, v)
	if err := Do(p, p.g, v, s); err != nil {
		p.told = append(p.told, err.Error())
	}
	return s.Do
}

// dies runs something that may end at the step where the process is to.
func dies(fn func()) (died bool) {
	defer func() {
		if r := recover(); r == any(ended{}) {
			died = true
		} else if r != nil {
			panic(r)
		}
	}()
	fn()
	return false
}

// The two locations never come to the same number, whatever they have heard of.
func TestTermsOfTwoLocationsNeverMeet(t *testing.T) {
	west, east := twoLocations(false)
	for behind := range uint64(100) {
		w, e := west.g.NextTerm(behind), east.g.NextTerm(behind)
		if w == e || w <= behind || e <= behind || w > behind+2 || e > behind+2 || w%2 != 1 || e%2 != 0 {
			t.Errorf("behind %d: west %d, east %d", behind, w, e)
		}
	}
}

// Without a witness both are forced: the terms differ, and the later one counts.
func TestBothForcedPromotionsAreToldApart(t *testing.T) {
	west, east := twoLocations(false)
	west.n.Phase = HandOver
	if _, err := Promote(east, east.g, east.n, "promote", true); err != nil {
		t.Fatal(err)
	}
	if _, err := Promote(west, west.g, west.n, "promote", true); err != nil {
		t.Fatal(err)
	}
	if west.n.Term == east.n.Term {
		t.Fatalf("both have term %d", west.n.Term)
	}
	for range 3 {
		west.tick(t)
		east.tick(t)
	}
	if west.n.Holder != east.n.Holder || west.n.Term != east.n.Term {
		t.Errorf("west %+v, east %+v", west.n, east.n)
	}
}

func TestWhoMayBePromoted(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(p *paper)
		says   string
		forced bool // it is with --force
	}{
		{"a copy that is whole", func(*paper) {}, "", true},
		{"a location without its first note", func(p *paper) { p.n = Note{} }, "not set up", false},
		{"a log that has parted", func(p *paper) { p.n.Phase = Parted }, "has parted", false},
		{"a log of which the link says so", func(p *paper) {
			c := p.copies["orders"]
			c.State.Refused = "fork"
			p.copies["orders"] = c
		}, "has parted", false},
		{"a tail that is undecided", func(p *paper) { p.n.Tails = map[string]Tail{"orders": {}} }, "weir salvage", true},
		{"a copy that was never complete", func(p *paper) { p.n.Units = map[string]Unit{"orders": {}} }, "never complete", true},
		{"a copy that lacks what is older than its seed", func(p *paper) { p.lacks["orders"] = true }, "lacks messages", true},
		{"without a majority", func(p *paper) { p.silent["west"], p.silent["witness"] = true, true }, "No majority", true},
	} {
		for _, force := range []bool{false, true} {
			_, east := twoLocations(true)
			east.forget()
			c.change(east)
			_, err := Promote(east, east.g, east.n, "promote", force)
			switch want := c.says == "" || force && c.forced; {
			case want && (err != nil || east.n.Holder != "east" || east.n.Term != 2):
				t.Errorf("%s, force %v: %v, %+v", c.what, force, err, east.n)
			case !want && (err == nil || !strings.Contains(err.Error(), c.says) || east.n.Holder == "east"):
				t.Errorf("%s, force %v: %v, %+v", c.what, force, err, east.n)
			}
			if len(east.n.Tails) > 0 != strings.Contains(c.what, "tail") {
				t.Errorf("%s: the undecided tail is %v", c.what, east.n.Tails)
			}
		}
	}
}

// A copy that was begun anew since the switch began is not switched to.
func TestASwitchWantsWholeCopies(t *testing.T) {
	_, east := twoLocations(true)
	anew := Note{Units: map[string]Unit{"orders": {Generation: 1}}}
	if err := Complete(east, anew, "orders"); err != nil {
		t.Error(err)
	}
	east.lacks["orders"] = true
	if err := Complete(east, east.n, "orders"); err != nil {
		t.Errorf("it was complete before: %v", err)
	}
	if err := Complete(east, anew, "orders"); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Error(err)
	}
}

// A promotion that takes so long that a new copy has begun takes nothing.
func TestAPromotionIsOfTheJournalsItLookedAt(t *testing.T) {
	_, east := twoLocations(true)
	east.forget()
	old := east.n.Clone()
	east.n.Units["orders"] = Unit{Generation: 1}
	if _, err := Promote(east, east.g, old, "automatic", false); err == nil || east.n.Holder == "east" {
		t.Errorf("%v, %+v", err, east.n)
	}
}

// Several nodes of a secondary promote at once: the later ones take the term of the first.
func TestNodesThatPromoteAtOnceShareATerm(t *testing.T) {
	_, east := twoLocations(true)
	east.forget()
	old := east.n.Clone()
	for node := range 4 {
		east.g.Node = fmt.Sprintf("east%d", node)
		if _, err := Promote(east, east.g, old, "automatic", false); err != nil || east.n.Term != 2 {
			t.Errorf("node %d: %v, %+v", node, err, east.n)
		}
	}
}

func TestTheFirstNote(t *testing.T) {
	t.Run("term 1", func(t *testing.T) {
		west, _ := twoLocations(true)
		west.n, west.votes = Note{}, map[string]*ballot.Voter{"west": {}, "east": {}, "witness": {}}
		if err := Birth(west, west.g, []string{"orders"}); err != nil || west.n.Term != 1 || west.n.Holder != "west" || !west.n.Units["orders"].Caught {
			t.Errorf("%v, %+v", err, west.n)
		}
	})
	for _, witness := range []bool{true, false} {
		west, east := twoLocations(witness)
		east.forget()
		if _, err := Promote(east, east.g, east.n, "promote", true); err != nil {
			t.Fatal(err)
		}
		west.n = Note{}
		if err := Birth(west, west.g, []string{"orders"}); err != nil || west.n.Holder != "east" || west.n.Term != 0 || west.n.Generation("orders") != 1 {
			t.Errorf("witness %v, after the other one was promoted: %v, %+v", witness, err, west.n)
		}
		if did := west.tick(t); did != Learn || west.n.Term != 2 {
			t.Errorf("witness %v: then it did %q, %+v", witness, did, west.n)
		}
	}
	t.Run("a candidate lost", func(t *testing.T) {
		west, _ := twoLocations(true)
		west.n, west.votes = Note{}, map[string]*ballot.Voter{"west": {}, "east": {Ballot: ballot.Ballot{Term: 4, Holder: "east"}}, "witness": {}}
		west.silent["witness"] = true
		if err := Birth(west, west.g, []string{"orders"}); err != nil || west.n.Term != 5 || west.n.Holder != "west" {
			t.Errorf("%v, %+v", err, west.n)
		}
	})
	t.Run("a log of an earlier group of that name", func(t *testing.T) {
		west, _ := twoLocations(false)
		west.n, west.peer, west.copies = Note{}, nil, map[string]Copy{"orders": {Epoch: 6<<32 + 3}}
		if err := Birth(west, west.g, []string{"orders"}); err != nil || west.n.Term != 7 {
			t.Errorf("%v, %+v", err, west.n)
		}
	})
}

// Voters are beyond the term that was passed on, because somebody asked for one in vain.
func TestAClaimGoesBeyondWhatVotersKnow(t *testing.T) {
	west, east := twoLocations(true)
	west.n.Term, west.n.Holder = 2, "east"
	for _, v := range west.votes {
		*v = ballot.Reading(ballot.Ballot{Term: 5, Holder: "west"}, 0)
	}
	if did := east.tick(t); did != Claim || east.n.Holder != "east" || east.n.Term != 6 {
		t.Errorf("it did %q, %+v, %v", did, east.n, east.told)
	}
}

// A copy that was never complete was not passed anything.
func TestAHalfCopyClaimsNothing(t *testing.T) {
	west, east := twoLocations(true)
	west.n.Term, west.n.Holder = 2, "east"
	east.n.Units["orders"] = Unit{Generation: 1}
	east.forget()
	if east.tick(t); east.n.Holder != "west" {
		t.Errorf("%+v", east.n)
	}
}

// What a receiver of an older generation, or in an older term, heard of a fork says nothing
// about the log that is copied now.
func TestAForkIsOfOneLog(t *testing.T) {
	n := Note{Term: 3, Units: map[string]Unit{"orders": {Generation: 2}}}
	for want, c := range map[string]Copy{
		"":       {Generation: 1, State: link.Received{PrimaryTerm: 3, Refused: "fork"}},
		"orders": {Generation: 2, State: link.Received{PrimaryTerm: 3, Refused: "fork"}},
	} {
		if got := parted(n, map[string]Copy{"orders": c}); got != want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if got := parted(n, map[string]Copy{"orders": {Generation: 2, State: link.Received{PrimaryTerm: 1, Refused: "fork"}}}); got != "" {
		t.Errorf("of an older term: %q", got)
	}
}

// A switch ends at any step, on the primary or the secondary; then both go on, and the
// group is in one place, in a term that nobody else had.
func TestASwitchThatEndsAnywhere(t *testing.T) {
	steps := map[string]bool{}
	for _, witness := range []bool{true, false} {
		for _, at := range []string{"", "check", "note the switch", "stop taking work", "wait for the last records", "note that it is passed on", "pass the term on", "acquire a term that was passed on", "note a term that was passed on", "take over"} {
			for _, peerGone := range []bool{false, true} {
				west, east := twoLocations(witness)
				west.failAt, east.failAt = at, at
				died := dies(func() { _, _ = Switch(west, west.g, west.n) })
				if died != (at != "") && (witness || !strings.HasPrefix(at, "acquire")) {
					t.Fatalf("%q: died %v", at, died)
				}
				west.failAt, east.failAt = "", ""
				if peerGone {
					west.peer = nil
				}
				for range 6 {
					west.tick(t)
					if !peerGone {
						east.tick(t)
					}
					west.forget()
				}
				for _, step := range append(west.told, east.told...) {
					steps[step] = true
				}
				has := map[bool]string{true: "west", false: "east"}[west.n.Holder == "west"]
				switch {
				case peerGone && !witness && west.n.Phase == Passing, peerGone && west.n.Holder == "east":
					// it may have been passed on, and nobody knows: a person decides
				case peerGone && (west.n.Holder != "west" || west.n.Phase != None):
					t.Errorf("witness %v, ended at %q, the other one gone: %+v", witness, at, west.n)
				case !peerGone && (west.n.Holder != east.n.Holder || west.n.Term != east.n.Term || west.n.Phase != None):
					t.Errorf("witness %v, ended at %q: west %+v, east %+v", witness, at, west.n, east.n)
				case !peerGone && (has == "west") != (west.n.Term%2 == 1):
					t.Errorf("witness %v, ended at %q: %s has term %d", witness, at, has, west.n.Term)
				}
			}
		}
	}
	for _, step := range []string{"have it declined", "win a later term of its own", "win a term that is claimed"} {
		if !steps[step] {
			t.Errorf("nothing came to %q", step)
		}
	}
}

// A hand-over that another node is at is left to it, until that takes too long.
func TestAnotherNodesSwitchIsLeftToIt(t *testing.T) {
	west, _ := twoLocations(true)
	west.n.Phase, west.n.By = HandOver, "west2"
	said := west.peer.status()
	v := View{Note: west.n, Copies: west.copies, Asked: true, Said: &said, Idle: true}
	for want, change := range map[Doing]func(v *View){
		Nothing: func(v *View) {},
		Undo:    func(v *View) { v.Late = true },
	} {
		now := v
		change(&now)
		if got := Next(west.g, now).Do; got != want {
			t.Errorf("%+v: %q, want %q", now, got, want)
		}
	}
	v.Note.By = "west1"
	if got := Next(west.g, v).Do; got != Undo {
		t.Errorf("its own, from an earlier life: %q", got)
	}
	v.Idle = false
	if got := Next(west.g, v).Do; got != Nothing {
		t.Errorf("its own, that it is at: %q", got)
	}
}

func TestWhatUnitsAreTold(t *testing.T) {
	g := Group{Here: "west", Peer: "east", First: "west", Voters: 3}
	alone := g
	alone.Voters = 0
	for what, c := range map[string]struct {
		g      Group
		n      Note
		adrift bool
		want   Orders
	}{
		"primary":          {g, Note{Holder: "west", Term: 3}, false, Orders{Stand: Primary, Floor: 3 << 32, Below: 4 << 32, Keep: 3, Linked: true}},
		"first primary":    {g, Note{Holder: "west", Term: 1}, false, Orders{Stand: Primary, Keep: 1, Linked: true}},
		"without voters":   {alone, Note{Holder: "west", Term: 1}, false, Orders{Stand: Primary, Keep: 1, Permit: Lift, Linked: true}},
		"adrift":           {g, Note{Holder: "west", Term: 3}, true, Orders{Stand: Halted, Keep: 3, Permit: Revoke, Linked: true}},
		"handing over":     {g, Note{Holder: "west", Term: 3, Phase: Passing}, false, Orders{Stand: Halted, Keep: 3, Linked: true}},
		"secondary":        {g, Note{Holder: "east", Term: 2}, false, Orders{Stand: Secondary, Permit: Revoke}},
		"parted":           {g, Note{Holder: "east", Term: 2, Phase: Parted}, false, Orders{Stand: Halted, Permit: Revoke}},
		"before its birth": {g, Note{Holder: "east"}, false, Orders{Stand: Halted, Permit: Revoke}},
	} {
		if got := Stand(c.g, c.n, c.adrift); got != c.want {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

func TestWhichJournalsAreSpent(t *testing.T) {
	whole := Note{Revision: 9, Term: 4, Units: map[string]Unit{"orders": {Generation: 5, Caught: true, Own: true}}}
	for what, c := range map[string]struct {
		change func(n *Note)
		keep   int
		want   string
	}{
		"one is kept":               {func(*Note) {}, 1, "[0 2 3]"},
		"none is kept":              {func(*Note) {}, 0, "[0 2 3 4]"},
		"more than there are":       {func(*Note) {}, 9, "[]"},
		"a tail is undecided":       {func(n *Note) { n.Tails = map[string]Tail{"orders": {}} }, 1, "[]"},
		"it has parted":             {func(n *Note) { n.Phase = Parted }, 1, "[]"},
		"the copy is on its way":    {func(n *Note) { n.Units["orders"] = Unit{Generation: 5, Own: true} }, 1, "[]"},
		"it was secondary at first": {func(n *Note) { n.Units["orders"] = Unit{Generation: 5, Caught: true} }, 1, "[2 3]"},
		"no note":                   {func(n *Note) { *n = Note{} }, 1, "[]"},
	} {
		n := whole.Clone()
		c.change(&n)
		if got := fmt.Sprint(n.Spent("orders", []int{0, 2, 3, 4, 5, 6}, c.keep)); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

// A copy counts as complete when it came to the primary's end in this term and is whole.
func TestWhenACopyIsComplete(t *testing.T) {
	_, east := twoLocations(true)
	complete := maps.Clone(east.copies)
	for what, c := range map[string]struct {
		change func(c *Copy)
		want   bool
	}{
		"at the end":             {func(*Copy) {}, true},
		"behind":                 {func(c *Copy) { c.State.Mark.At = 8 }, false},
		"not folded yet":         {func(c *Copy) { c.Position = 8 }, false},
		"nothing was ever heard": {func(c *Copy) { c.State = link.Received{} }, false},
		"of an older term":       {func(c *Copy) { c.State.PrimaryTerm = 0 }, false},
		"of another generation":  {func(c *Copy) { c.Generation = 7 }, false},
	} {
		east.n.Units = map[string]Unit{"orders": {}}
		now := complete["orders"]
		c.change(&now)
		east.copies = map[string]Copy{"orders": now}
		if err := Settle(east, east.n); err != nil || east.n.Units["orders"].Caught != c.want {
			t.Errorf("%s: %v, %+v", what, err, east.n.Units)
		}
	}
}
