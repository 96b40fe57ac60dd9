package ledger

import (
	"math"
	"slices"
	"sort"
)

// never is an instant no history reaches.
const never = Instant(math.MaxInt64)

// track is one session of one place.
type track struct {
	name       string
	deliveries []Delivery        // in the order they were made
	sequences  []int64           // ascending
	done       map[int64]Instant // when somebody first tried to end the message
}

// checkSessions checks the order inside each session and that one holder at a
// time settles there.
func (s *site) checkSessions(v *Verdict) {
	for _, t := range s.tracks() {
		s.checkSendOrder(v, t)
		s.checkDeliveryOrder(v, t)
	}
	s.checkHolders(v)
}

func (s *site) tracks() []*track {
	byName := map[string]*track{}
	for _, d := range s.deliveries {
		if d.Holding == 0 || d.Dead || s.tails.born[d.ID] {
			continue // what was brought back comes behind what was sent since
		}
		t := byName[d.Session]
		if t == nil {
			t = &track{name: d.Session, done: map[int64]Instant{}}
			byName[d.Session] = t
		}
		if _, known := t.done[d.Sequence]; !known {
			t.done[d.Sequence] = s.doneAt(d.Sequence)
			t.sequences = append(t.sequences, d.Sequence)
		}
		t.deliveries = append(t.deliveries, d)
	}
	var all []*track
	for _, t := range byName {
		slices.Sort(t.sequences)
		all = append(all, t)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all
}

// doneAt is when somebody first tried to take the message out of its session.
func (s *site) doneAt(sequence int64) Instant {
	at := never
	for _, t := range s.settles[sequence] {
		if t.Verb != Abandon && t.Outcome != Refused {
			at = min(at, t.Start)
		}
	}
	return at
}

// checkSendOrder checks that messages sent one after the other, each confirmed
// before the next, lie in that order.
func (s *site) checkSendOrder(v *Verdict, t *track) {
	stored := map[string]bool{}
	last := int64(math.MinInt64)
	var before string
	for _, n := range t.sequences {
		id := s.owner[n]
		send := s.sends[id]
		if stored[id] || send == nil || send.Outcome != Confirmed {
			continue
		}
		stored[id] = true
		if send.Number < last {
			v.blame(Disordered, s.Name, id, "session %s: stored after %s, which was sent later", t.name, before)
		}
		last, before = max(last, send.Number), id
	}
}

// checkDeliveryOrder checks that whatever was handed out came after everything
// before it in the session: each earlier message was delivered earlier in the
// same holding, or somebody had by then tried to end it.
func (s *site) checkDeliveryOrder(v *Verdict, t *track) {
	low := 0 // everything below was ended before the delivery at hand
	got := map[int]map[int64]bool{}
	for _, d := range t.deliveries {
		for low < len(t.sequences) && t.done[t.sequences[low]] < d.At {
			low++
		}
		if got[d.Holding] == nil {
			got[d.Holding] = map[int64]bool{}
		}
		for i := low; i < len(t.sequences) && t.sequences[i] < d.Sequence; i++ {
			n := t.sequences[i]
			if t.done[n] > d.At && !got[d.Holding][n] {
				v.blame(Disordered, s.Name, d.ID, "session %s: %d was delivered while %d waited", t.name, d.Sequence, n)
				break
			}
		}
		got[d.Holding][d.Sequence] = true
	}
}

// checkHolders checks that nobody settles in a session after somebody else has
// been given it.
func (s *site) checkHolders(v *Verdict) {
	accepted := map[int]Holding{}
	bySession := map[string][]Holding{}
	for _, h := range s.h.Holdings {
		if h.Place == s.Name {
			accepted[h.ID] = h
			bySession[h.Session] = append(bySession[h.Session], h)
		}
	}
	for _, h := range bySession {
		sort.Slice(h, func(i, j int) bool { return h[i].Accepted < h[j].Accepted })
	}
	for _, t := range s.h.Settles {
		if t.Place != s.Name || t.Holding == 0 || t.Outcome != Confirmed {
			continue
		}
		mine := accepted[t.Holding]
		all := bySession[mine.Session]
		next := sort.Search(len(all), func(i int) bool { return all[i].Accepted > mine.Accepted })
		if next < len(all) && all[next].Accepted < t.Start {
			v.blame(Shared, s.Name, "", "session %s: holding %d settled %d after holding %d began", mine.Session, t.Holding, t.Sequence, all[next].ID)
		}
	}
}
