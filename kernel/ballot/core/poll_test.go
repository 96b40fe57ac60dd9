package core_test

import (
	"testing"
	"time"

	"weir/kernel/ballot/core"
)

// What a round of voters comes to, for west that holds term 3.
func TestWhatVotersComeTo(t *testing.T) {
	mine := core.Answer{Granted: true, Term: 3, Holder: "west", Left: 5 * time.Second}
	later := core.Answer{Term: 4, Holder: "east"}
	held := core.Answer{Term: 2, Holder: "east", Left: time.Second}
	for what, c := range map[string]struct {
		answers         []core.Answer
		won, beyond     bool
		willing, silent int
		newest          uint64
	}{
		"all grant it":                            {[]core.Answer{mine, mine, mine}, true, false, 3, 0, 3},
		"one knows a later one":                   {[]core.Answer{mine, mine, later}, true, false, 2, 0, 4},
		"one knows a later one and one is silent": {[]core.Answer{mine, later}, false, false, 1, 1, 4},
		"two know a later one":                    {[]core.Answer{mine, later, later}, false, true, 1, 0, 4},
		"one still has heard of another":          {[]core.Answer{mine, held, {}}, false, false, 2, 0, 3},
		"it asked for a later one in vain":        {[]core.Answer{{Term: 5, Holder: "west"}, later, mine}, false, false, 1, 0, 5},
		"nobody answers":                          {nil, false, false, 0, 3, 0},
	} {
		p := core.Poll{Voters: 3, Location: "west", Answers: c.answers}
		newest, _, _ := p.Newest()
		_, _, over := p.Beyond(3)
		if p.Won() != c.won || over != c.beyond || p.Willing(3) != c.willing || p.Silent() != c.silent || newest != c.newest {
			t.Errorf("%s: won %v, over %v, willing %d, silent %d, newest %d; want %+v", what, p.Won(), over, p.Willing(3), p.Silent(), newest, c)
		}
	}
}
