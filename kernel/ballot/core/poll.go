package core

import "fmt"

// Poll is one request as the voters of a group answered it, counted. Who did not answer
// counts for nothing and is not in it.
type Poll struct {
	Voters   int    // how many were asked
	Location string // who asks
	Answers  []Answer
}

// Majority is how many of the voters decide.
func (p *Poll) Majority() int { return Majority(p.Voters) }

// Silent is how many voters did not answer.
func (p *Poll) Silent() int { return p.Voters - len(p.Answers) }

// Granted is how many granted the request.
func (p *Poll) Granted() int { return p.count(func(a Answer) bool { return a.Granted }) }

// Won reports whether a majority did.
func (p *Poll) Won() bool { return p.Granted() >= p.Majority() }

// Newest is the latest term that was heard of, its holder, and how many voters know it.
func (p *Poll) Newest() (term uint64, holder string, know int) {
	for _, a := range p.Answers {
		if a.Term > term {
			term, holder = a.Term, a.Holder
		}
	}
	return term, holder, p.count(func(a Answer) bool { return a.Term == term })
}

// Beyond reports whether a majority knows of later terms than one, of other locations: it
// is over then, and the newest of them is returned. Of fewer voters that says nothing: a
// candidate that lost leaves votes behind, and so does the holder itself.
func (p *Poll) Beyond(term uint64) (later uint64, holder string, over bool) {
	know := p.count(func(a Answer) bool {
		is := a.Term > term && a.Holder != p.Location
		if is && a.Term > later {
			later, holder = a.Term, a.Holder
		}
		return is
	})
	return later, holder, know >= p.Majority()
}

// Willing is how many would grant a term to who asks.
func (p *Poll) Willing(term uint64) int {
	return p.count(func(a Answer) bool { return p.Reluctant(a, term) == "" })
}

// Reluctant says why a voter would not grant a term to who asks; empty: it would.
func (p *Poll) Reluctant(a Answer, term uint64) string {
	switch {
	case a.Term > term || a.Term == term && a.Holder != p.Location:
		return fmt.Sprintf("%s holds term %d", a.Holder, a.Term)
	case a.Holder != "" && a.Holder != p.Location && a.Left > 0:
		return fmt.Sprintf("%s holds term %d and was heard of; its grant lasts another %s", a.Holder, a.Term, a.Left.Round(1e6))
	}
	return ""
}

func (p *Poll) count(is func(Answer) bool) (n int) {
	for _, a := range p.Answers {
		if is(a) {
			n++
		}
	}
	return n
}
