// Package locations plays a continuity group under one seed: two locations of one or
// two nodes each, their witnesses and the lines between them, with clients, on a clock
// that only the seed moves. Lines lose, delay, repeat and reorder, and are cut one way
// or both; processes crash between any two steps, stand still, and have clocks that run
// up to half as fast again as others; disks are slow or full; operators switch, promote,
// both at once, again and again.
//
// Promises:
//
//  1. One seed is one history: the same seed gives the same trace, to the byte.
//  2. What decides is the code that runs: the cores of packages replica, link, ballot
//     and operate/continuity, and the broker. What is around them is a model: the journal
//     and the shells, with a process that may end between any two steps. Rules.Today says
//     where that and the platform differ.
//  3. Everything clients were told is held against everything they did, and against
//     where the records are that it rests on.
//
// Refuses: goroutines, clocks, sockets. What is done step by step is a coroutine that
// only the queue of events resumes.
//
// A long soak, and one history told:
//
//	go test ./simulation/locations -run TestLocations -seeds 20000 -first 1000 -timeout 0
//	go test ./simulation/locations -run TestLocations -seed 4711 -v
package locations

import (
	"cmp"
	"fmt"
	"time"

	link "weir/kernel/link/core"
	"weir/service/bus/bustest"
	"weir/simulation"
)

// Options of one history.
type Options struct {
	Seed uint64
	// Length is how long faults and changes happen; peace comes after.
	Length time.Duration
	Rules  Rules
	Slant  Slant
	// Tell, if not nil, gets every line of the trace.
	Tell func(string)
}

// Slant makes some of what is drawn so, to see more of it. The zero value leaves it to the
// dice.
type Slant struct {
	Witnesses int // Without for none
	Nodes     int // of each location
	Sync      bool
	Automatic bool
	Hasty     bool   // operators ask for something all the time
	EndAt     string // a point at which processes end
}

// Without is no witness.
const Without = -1

// Rules break what the platform does, to see that it is noticed. The zero value is how
// it should be.
type Rules struct {
	SkipPermit      bool // reveal without the permit of the voters
	RelyOnAll       bool // rely on a grant for all of its time
	RevealUncovered bool // sync: reveal what the other location does not have
	PassBeforeReady bool // pass the term on before the copies are whole
	NoFloor         bool // open epochs that do not say their term
	VoterForgets    bool // a voter that starts again takes grants for run out
	StandFirst      bool // a unit may own before its link has terms
	UncoversFirst   bool // a location that gives way waits for the other one no more before it stops
	CopiesOnGaps    bool // a copy goes on behind a record of the primary's that it has come to by another way
	PartedPromotes  bool // a location whose log has parted may be promoted
	ForkedPromotes  bool // a log that is known to have parted may be promoted until that is noted
	PromotesUnborn  bool // a location that has no note of the group yet may be promoted
	HalfCopies      bool // a copy that was never whole may be promoted
	UndoAfterPass   bool // a term that was perhaps passed on is used again
	UndoAfterTake   bool // without voters: likewise, when the other location may have taken it
	OneVoteDeposes  bool // one voter that knows of a later term ends the present one
	SharedTerms     bool // both locations may come to the same number for a term
	LaterEpochs     bool // a promotion does not heed what terms the log has seen
	NoSecondBirth   bool // the location that is to be the first primary waits for term 1 for ever
	BareSeeds       bool // a copy that lacks payloads of its seed counts as whole
	OldForkParts    bool // what a journal that was given up had heard counts for the new one
	OpensUnasked    bool // a node that gets the lease opens an epoch without a look at the note
	ServesUnowned   bool // a node that lost a unit goes on serving its link
}

// Today are the rules as the platform has them where it is not as it should be: nothing
// that is known of.
var Today = Rules{}

// world is one history.
type world struct {
	*simulation.World
	rules     Rules
	slant     Slant
	terms     link.Terms // what was agreed, but for the term
	automatic bool
	doubtful  bool // without voters, somebody was promoted by hand
	units     []string

	sites   []*site // west, east, and the witnesses
	voters  []*site // none: the group has no witness
	hosts   []*host // of the locations
	lines   *lines
	judge   *judge
	running *proc
	mine    func(h *host) bool // ends a process at one of its points
	ended   int                // how often that happened at the point of the slant

	ids       int
	receivers map[bustest.ReceiverID]*receiver
	calm      bool
}

// Play plays one history.
func Play(o Options) simulation.Result {
	w := &world{World: simulation.NewWorld(o.Seed, o.Tell), rules: o.Rules, slant: o.Slant, receivers: map[bustest.ReceiverID]*receiver{}}
	w.lines = &lines{w: w}
	w.agree()
	w.judge = newJudge(w)
	w.build()
	w.people()
	w.trouble()
	w.operators()
	w.Run(w.Now().Add(o.Length))
	w.peace()
	w.Run(w.Now().Add(peaceMax))
	w.judge.settlesDown()
	w.Run(w.Now().Add(drainMax))
	w.judge.verdict()
	for _, h := range w.hosts {
		for p := range h.procs {
			p.end()
		}
	}
	trace, lines := w.Trace()
	return simulation.Result{Seed: o.Seed, Trace: trace, Lines: lines, Violations: w.judge.violations, Tail: w.judge.tail, Counts: w.judge.counts}
}

const (
	// peaceMax is how long after the last fault the group may take to be whole again.
	peaceMax = 75 * time.Second
	drainMax = 15 * time.Second
)

// agree draws how the group is declared.
func (w *world) agree() {
	w.terms = link.Terms{Mode: link.Async, Watched: true, WhenAway: link.Stop}
	switch w.Pick(4) {
	case 0, 1:
		w.terms.Mode = link.Sync
	case 2:
		w.terms.Mode, w.terms.WhenAway = link.Sync, link.Degrade
	case 3:
		w.terms.LagMessages = []uint64{0, 60}[w.Pick(2)]
	}
	if w.Chance(20) {
		w.terms.Mode = link.Async
	}
	if w.slant.Sync {
		w.terms.Mode, w.terms.WhenAway = link.Sync, link.Stop
	}
	w.units = []string{"orders", "claims"}[:1+w.Pick(4)/3]
}

// build makes the places and starts their processes.
func (w *world) build() {
	witnesses := []int{0, 1, 1, 1, 1, 3, 3}[w.Pick(7)]
	if w.slant.Witnesses != 0 {
		witnesses = max(w.slant.Witnesses, 0)
	}
	w.automatic = witnesses > 0 && (w.Chance(80) || w.slant.Automatic)
	nodes, clocks := cmp.Or(w.slant.Nodes, 1+w.Pick(3)/2), w.Pick(3)
	for place := range 2 + witnesses {
		s := &site{w: w, place: place, witness: place > 1, generations: map[string]int{}, shelves: map[string]map[int]*shelf{}, leases: map[string]*lease{}}
		s.disk = &disk{w: w, site: s}
		s.name = []string{"west", "east", "wit1", "wit2", "wit3"}[place]
		s.refuses = w.Chance(50)
		w.sites = append(w.sites, s)
		if witnesses > 0 {
			w.voters = append(w.voters, s)
		}
		for i := range nodes {
			if s.witness && i > 0 {
				break
			}
			h := &host{w: w, name: fmt.Sprintf("%s%d", s.name, i+1), site: s, offset: w.Between(time.Hour, 1000*time.Hour)}
			switch h.rate = 1 + float64(w.Pick(499))/1000; {
			case clocks == 1:
				h.rate = []float64{1, 1.499}[w.Pick(2)]
			case clocks == 2: // whoever has the group counts slowly what all others count fast
				h.rate = []float64{1, 1.499}[min(place, 1)]
			}
			s.hosts = append(s.hosts, h)
			if !s.witness {
				w.hosts = append(w.hosts, h)
			}
		}
	}
	w.Say("%d witnesses, %d nodes, %s %s, automatic %v, units %v, lag %d", witnesses, nodes, w.terms.Mode, w.terms.WhenAway, w.automatic, w.units, w.terms.LagMessages)
	for _, s := range w.sites {
		for _, h := range s.hosts {
			w.After(w.Between(0, 2*time.Second), func() {
				if !h.alive {
					h.start()
				}
			})
		}
	}
}

// peer is the other location.
func (s *site) peer() *site { return s.w.sites[1-s.place] }
