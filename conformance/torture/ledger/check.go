package ledger

import (
	"slices"
	"sort"
)

// Check judges a history.
func Check(h *History) Verdict {
	v := Verdict{Outages: len(h.Outages), Counts: map[Kind]int{}}
	for _, k := range Kinds {
		v.Counts[k] = 0
	}
	h, tails := explain(h, &v)
	sends := map[string]*Send{}
	for i := range h.Sends {
		sends[h.Sends[i].ID] = &h.Sends[i]
	}
	cancels := map[string]Outcome{}
	for _, c := range h.Cancels {
		cancels[c.ID] = c.Outcome
	}
	for _, p := range h.Places {
		s := survey(h, p, sends, cancels)
		s.tails = tails
		s.checkDeliveries(&v)
		s.checkSends(&v)
		s.checkStamps(&v)
		s.checkSessions(&v)
		for _, id := range p.Remaining {
			v.blame(Undrained, p.Name, id, "a last look found it")
		}
		v.Places = append(v.Places, s.tally)
	}
	checkStrays(h, &v)
	return v
}

// checkStrays finds deliveries at places nobody declared.
func checkStrays(h *History, v *Verdict) {
	known := map[string]bool{}
	for _, p := range h.Places {
		known[p.Name] = true
	}
	for _, d := range h.Deliveries {
		if !known[d.Place] {
			v.blame(Phantom, d.Place, d.ID, "no such place")
		}
	}
}

// site is one place with everything that happened there.
type site struct {
	Place
	h          *History
	sends      map[string]*Send
	cancels    map[string]Outcome
	deliveries []Delivery
	copies     map[string]map[int64]bool // by message: its sequence numbers outside the dead-letter queue
	owner      map[int64]string          // by sequence number: the message first seen with it
	settles    map[int64][]Settle        // by sequence number, the dead-letter queue apart
	deadEnds   map[int64][]Settle        // the same in the dead-letter queue
	deadCopies map[string]map[int64]bool
	left       map[string]bool // still there
	tails      explained
	tally      Tally
}

func survey(h *History, p Place, sends map[string]*Send, cancels map[string]Outcome) *site {
	s := &site{
		Place: p, h: h, sends: sends, cancels: cancels,
		copies: map[string]map[int64]bool{}, deadCopies: map[string]map[int64]bool{},
		owner: map[int64]string{}, settles: map[int64][]Settle{}, deadEnds: map[int64][]Settle{},
		left: map[string]bool{}, tally: Tally{Place: p.Name},
	}
	for _, id := range p.Remaining {
		s.left[id] = true
	}
	for _, d := range h.Deliveries {
		if d.Place == p.Name {
			s.deliveries = append(s.deliveries, d)
		}
	}
	sort.SliceStable(s.deliveries, func(i, j int) bool { return s.deliveries[i].At < s.deliveries[j].At })
	for _, t := range h.Settles {
		if t.Place != p.Name {
			continue
		}
		if t.Outcome == Refused && h.disturbed(t.Start, t.End) {
			t.Outcome = Unknown // an earlier try of the same call may have happened
		}
		if t.Dead {
			s.deadEnds[t.Sequence] = append(s.deadEnds[t.Sequence], t)
		} else {
			s.settles[t.Sequence] = append(s.settles[t.Sequence], t)
		}
		if t.Verb == Complete && t.Outcome == Confirmed {
			s.tally.Settled++
		}
	}
	return s
}

// checkDeliveries looks at each delivery by itself and at what came before it.
func (s *site) checkDeliveries(v *Verdict) {
	seen := map[int64]bool{}
	for _, d := range s.deliveries {
		s.tally.Delivered++
		s.checkOrigin(v, d)
		if d.Dead {
			s.checkDead(v, d)
			continue
		}
		if first, ok := s.owner[d.Sequence]; ok && first != d.ID {
			v.blame(Reused, s.Name, d.ID, "sequence number %d also names %s", d.Sequence, first)
		} else {
			s.owner[d.Sequence] = d.ID
		}
		if seen[d.Sequence] {
			s.tally.Redelivered++
			if s.Volatile && s.again(d) {
				v.Accounts.Repeated++
			} else if s.Volatile {
				v.blame(Repeated, s.Name, d.ID, "sequence number %d", d.Sequence)
			}
		}
		seen[d.Sequence] = true
		add(s.copies, d.ID, d.Sequence)
		s.checkResurrected(v, d)
	}
}

// checkStamps asks that time did not go back from message to message. Scheduled ones
// get their number before their time, and where a location had a tail it had numbers,
// and a time, of its own.
func (s *site) checkStamps(v *Verdict) {
	if len(s.h.Tails) > 0 {
		return
	}
	var all []Delivery
	for _, d := range s.deliveries {
		if send := s.sends[d.ID]; send != nil && send.Due == 0 && d.Stamp != 0 && !d.Dead {
			all = append(all, d)
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Sequence < all[j].Sequence })
	for i := 1; i < len(all); i++ {
		if before, d := all[i-1], all[i]; d.Stamp < before.Stamp {
			v.blame(Backwards, s.Name, d.ID, "sequence number %d was enqueued %d ms before number %d", d.Sequence, before.Stamp-d.Stamp, before.Sequence)
		}
	}
}

// checkOrigin compares a delivery with the send it came from.
func (s *site) checkOrigin(v *Verdict, d Delivery) {
	send := s.sends[d.ID]
	switch {
	case send == nil || send.Target != s.Target:
		v.blame(Phantom, s.Name, d.ID, "sequence number %d: nobody sent this to %s", d.Sequence, s.Target)
		return
	case send.Start >= d.At:
		v.blame(Phantom, s.Name, d.ID, "sequence number %d came before it was sent", d.Sequence)
	case !d.Intact || send.Session != d.Session:
		v.blame(Corrupt, s.Name, d.ID, "sequence number %d", d.Sequence)
	}
	if early := send.Due - d.Wall; early > 0 {
		v.EarliestMs = max(v.EarliestMs, early)
		if ahead := s.h.ahead(d.Wall); early > ahead {
			v.blame(Early, s.Name, d.ID, "%d ms too soon, clocks explain %d", early, ahead)
		}
	}
	if s.cancels[d.ID] == Confirmed && !s.h.disturbed(send.Start, send.End) && !s.tails.ended[d.ID] {
		v.blame(Uncancelled, s.Name, d.ID, "sequence number %d", d.Sequence)
	}
}

// checkResurrected finds a delivery after a settlement that ended the message.
func (s *site) checkResurrected(v *Verdict, d Delivery) {
	for _, t := range s.settles[d.Sequence] {
		if t.Verb != Abandon && t.Outcome == Confirmed && t.End < d.At {
			if s.again(d) {
				v.Accounts.Repeated++
				return
			}
			if s.stale(d, s.settles[d.Sequence]) {
				return
			}
			v.blame(Resurrected, s.Name, d.ID, "sequence number %d: settled at %d, delivered at %d", d.Sequence, t.End, d.At)
			return
		}
	}
}

// stale reports whether a delivery may have been on its way for long: a client that is
// cut off from its broker still has what came before, and shows it when it is asked, be
// it after another one has had the message and settled it. Nobody takes its own
// settlement then; where it does not try, nobody sees the message again. A message that
// really came back stays until a settlement is taken.
func (s *site) stale(d Delivery, settles []Settle) bool {
	tried := false
	for _, t := range settles {
		if t.Start <= d.At {
			continue
		}
		if t.Outcome == Confirmed || !s.h.disturbed(d.At, t.End) {
			return false
		}
		tried = true
	}
	return tried || s.h.disturbed(d.At, d.At) && !s.seenAfter(d)
}

// seenAfter reports whether the message of a delivery was delivered once more.
func (s *site) seenAfter(d Delivery) bool {
	return slices.ContainsFunc(s.deliveries, func(e Delivery) bool {
		return e.At > d.At && e.Sequence == d.Sequence && e.Dead == d.Dead && e.ID == d.ID
	})
}

// checkDead looks at a delivery from the dead-letter queue: somebody must have
// put it there, and what ended there stays ended.
func (s *site) checkDead(v *Verdict, d Delivery) {
	add(s.deadCopies, d.ID, d.Sequence)
	for _, t := range s.deadEnds[d.Sequence] {
		if t.Verb == Complete && t.Outcome == Confirmed && t.End < d.At {
			if s.again(d) {
				v.Accounts.Repeated++
				return
			}
			if s.stale(d, s.deadEnds[d.Sequence]) {
				return
			}
			v.blame(Resurrected, s.Name, d.ID, "dead letter %d: completed at %d, delivered at %d", d.Sequence, t.End, d.At)
			return
		}
	}
	for n := range s.copies[d.ID] {
		for _, t := range s.settles[n] {
			if t.Verb == Bury && t.Outcome != Refused && t.Start < d.At {
				return
			}
		}
	}
	v.blame(Buried, s.Name, d.ID, "dead letter %d", d.Sequence)
}

// checkSends asks for every send what became of it here.
func (s *site) checkSends(v *Verdict) {
	missing := 0
	for i := range s.h.Sends {
		send := &s.h.Sends[i]
		if send.Target != s.Target {
			continue
		}
		s.tally.Sent++
		if send.Outcome == Confirmed {
			s.tally.Acknowledged++
		}
		s.checkCopies(v, send)
		if send.Outcome != Confirmed || s.accounted(send) {
			continue
		}
		if s.tails.lost[send.ID] {
			v.Accounts.Lost++
			continue
		}
		if s.Volatile {
			missing++
			continue
		}
		v.blame(Missing, s.Name, send.ID, "acknowledged at %d", send.End)
	}
	s.tally.LostInFlight = missing
	if over := missing - len(s.h.Outages)*s.InFlight; over > 0 {
		v.blame(Missing, s.Name, "", "%d more than the %d outages can have cost", over, len(s.h.Outages))
	}
}

// checkCopies counts how often one send was stored.
func (s *site) checkCopies(v *Verdict, send *Send) {
	extra := max(len(s.copies[send.ID]), len(s.deadCopies[send.ID])) - 1 - s.tails.back[send.ID]
	if extra <= 0 {
		return
	}
	if send.Outcome == Confirmed && !s.h.disturbed(send.Start, send.End) {
		v.blame(Duplicated, s.Name, send.ID, "%d times", extra+1)
		return
	}
	s.tally.Duplicates += extra
}

// accounted reports whether an acknowledged message came to an end that a
// client asked for, or is still there.
func (s *site) accounted(send *Send) bool {
	if c, ok := s.cancels[send.ID]; ok && c != Refused {
		return true
	}
	if s.left[send.ID] {
		return true
	}
	if s.Volatile {
		return len(s.copies[send.ID]) > 0
	}
	for n := range s.copies[send.ID] {
		if completed(s.settles[n]) {
			return true
		}
	}
	for n := range s.deadCopies[send.ID] {
		if completed(s.deadEnds[n]) {
			return true
		}
	}
	return false
}

// completed reports whether somebody may have completed the message.
func completed(settles []Settle) bool {
	for _, t := range settles {
		if t.Verb == Complete && t.Outcome != Refused {
			return true
		}
	}
	return false
}

func add(m map[string]map[int64]bool, id string, n int64) {
	if m[id] == nil {
		m[id] = map[int64]bool{}
	}
	m[id][n] = true
}
