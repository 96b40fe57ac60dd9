package locations_test

import (
	"flag"
	"testing"
	"time"

	"weir/simulation/locations"
)

var tries = flag.Int("tries", 120, "how many histories each flaw may take to be found")

// flaw is a rule that is broken on purpose. A history that shows it is near the seed that
// it is looked for from; when the code has changed and it is not, -tries 5000 finds
// another one to begin with.
type flaw struct {
	name  string
	rules locations.Rules
	from  uint64
	slant locations.Slant
}

var flaws = []flaw{
	{"shows without the permit", locations.Rules{SkipPermit: true}, 0, locations.Slant{}},
	{"relies on all of a grant", locations.Rules{RelyOnAll: true}, 9, locations.Slant{Hasty: true}},
	{"shows what only one location has", locations.Rules{RevealUncovered: true}, 2, locations.Slant{Sync: true}},
	{"passes on before the copies are whole", locations.Rules{PassBeforeReady: true}, 35, locations.Slant{Hasty: true}},
	{"epochs do not say their term", locations.Rules{NoFloor: true}, 0, locations.Slant{}},
	{"voters forget when they died", locations.Rules{VoterForgets: true}, 19, locations.Slant{Witnesses: 1, Automatic: true}},
	{"stands before its link has terms", locations.Rules{StandFirst: true}, 11, locations.Slant{Sync: true}},
	{"uncovers before it stops", locations.Rules{UncoversFirst: true}, 20, locations.Slant{Sync: true, Hasty: true}},
	{"promotes what has parted", locations.Rules{PartedPromotes: true}, 1, locations.Slant{Hasty: true}},
	{"promotes what the link says has parted", locations.Rules{ForkedPromotes: true}, 45, locations.Slant{Hasty: true, Automatic: true}},
	{"promotes what has no note yet", locations.Rules{PromotesUnborn: true}, 3, locations.Slant{Hasty: true}},
	{"promotes half copies", locations.Rules{HalfCopies: true}, 133, locations.Slant{Hasty: true, Automatic: true, Witnesses: 1}},
	{"uses a term again that it passed on", locations.Rules{UndoAfterPass: true}, 174, locations.Slant{Hasty: true}},
	{"undoes what was taken", locations.Rules{UndoAfterTake: true}, 8, locations.Slant{Witnesses: locations.Without, Nodes: 1, Hasty: true}},
	{"one vote deposes", locations.Rules{OneVoteDeposes: true}, 68, locations.Slant{}},
	{"both come to one term", locations.Rules{SharedTerms: true}, 0, locations.Slant{Witnesses: locations.Without, Hasty: true}},
	{"heeds no later epochs", locations.Rules{LaterEpochs: true}, 338, locations.Slant{Hasty: true}},
	{"waits for term 1 for ever", locations.Rules{NoSecondBirth: true}, 46, locations.Slant{Hasty: true, Witnesses: 1}},
	{"a copy without payloads is whole", locations.Rules{BareSeeds: true}, 1, locations.Slant{Hasty: true}},
	{"a fork of an older log parts", locations.Rules{OldForkParts: true}, 0, locations.Slant{Hasty: true}},
	{"opens unasked", locations.Rules{OpensUnasked: true}, 11, locations.Slant{Nodes: 2, Hasty: true}},
	{"copies on gaps", locations.Rules{CopiesOnGaps: true}, 80361, locations.Slant{Hasty: true}},
	{"serves a link that another node owns", locations.Rules{ServesUnowned: true}, 406, locations.Slant{Nodes: 2, Sync: true, Witnesses: 1}},
}

// TestFlawsAreFound: each rule that is broken is noticed, or the judge would not be worth
// much.
func TestFlawsAreFound(t *testing.T) {
	for _, f := range flaws {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for seed := f.from; seed < f.from+uint64(*tries); seed++ {
				r := locations.Play(locations.Options{Seed: seed, Length: 60 * time.Second, Rules: f.rules, Slant: f.slant})
				if len(r.Violations) > 0 {
					t.Logf("seed %d: %.160s", seed, r.Violations[0])
					return
				}
			}
			t.Errorf("not found in %d histories from %d on", *tries, f.from)
		})
	}
}
