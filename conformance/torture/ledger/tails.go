package ledger

// Tail is what a location had alone when the other one took over, as its own ledger
// says after it came back.
type Tail struct {
	From string
	Rows []Row
}

// Row is one message or settlement of a tail.
type Row struct {
	Settlement bool   // else a message that was accepted
	What       string // accepted, completed, dead-lettered, ...
	Place      string
	Dead       bool
	ID         string
	Sequence   int64
	// Places are where it came to lie in that location.
	Places []Spot
	// Lost: it was not brought back. Back: it was, as a message of its own.
	Lost, Back bool
}

// Spot is a message somewhere.
type Spot struct {
	Place    string
	Dead     bool
	Sequence int64
}

// Accounts is how what failovers cost compares with what the ledgers of the tails say.
type Accounts struct {
	Tails       int `json:"tails"`
	Messages    int `json:"messages"`    // rows of messages
	Settlements int `json:"settlements"` // rows of settlements
	Largest     int `json:"largest"`     // most rows of one tail
	Lost        int `json:"lost"`        // acknowledged, and lost as a ledger says
	Repeated    int `json:"repeated"`    // settled and delivered again, as a ledger says
	Back        int `json:"back"`        // brought back
}

// apart is added to sequence numbers that were given in a tail: the other location has
// given the same numbers to other messages.
const apart = int64(1) << 44

// explained is what tails explain of a history.
type explained struct {
	lost    map[string]bool // messages
	back    map[string]int  // messages, and how often they were brought back
	settled map[row]bool    // settlements the other location had not heard of
	ended   map[string]bool // messages that such a settlement was of
	born    map[string]bool // messages that were accepted in a tail
}

// row is a settlement as clients know it.
type row struct {
	place    string
	dead     bool
	sequence int64
	id       string
}

// explain reads the tails and returns the history with messages that were accepted in
// one told apart from those that got their numbers.
func explain(h *History, v *Verdict) (*History, explained) {
	x := explained{lost: map[string]bool{}, back: map[string]int{}, settled: map[row]bool{}, ended: map[string]bool{}, born: map[string]bool{}}
	if len(h.Tails) == 0 {
		return h, x
	}
	sent := map[string]bool{}
	for _, s := range h.Sends {
		sent[s.ID] = true
	}
	tried := map[row]bool{}
	for _, t := range h.Settles {
		if t.Outcome != Refused || h.disturbed(t.Start, t.End) {
			tried[row{t.Place, t.Dead, t.Sequence, t.ID}] = true
		}
	}
	v.Accounts.Tails = len(h.Tails)
	offsets := map[row]int64{}
	for i, t := range h.Tails {
		v.Accounts.Largest = max(v.Accounts.Largest, len(t.Rows))
		for _, r := range t.Rows {
			key := row{r.Place, r.Dead, r.Sequence, r.ID}
			for _, at := range r.Places {
				offsets[row{at.Place, at.Dead, at.Sequence, r.ID}] = int64(i+1) * apart
			}
			switch {
			case !r.Settlement:
				v.Accounts.Messages++
				x.born[r.ID] = true
				if !sent[r.ID] {
					v.blame(Forged, r.Place, r.ID, "the ledger of %s has a message that nobody sent", t.From)
				}
				x.lost[r.ID] = x.lost[r.ID] || r.Lost
				if r.Back {
					x.back[r.ID]++
					v.Accounts.Back++
				}
			default:
				v.Accounts.Settlements++
				x.settled[key], x.ended[r.ID] = true, true
				if len(r.Places) > 0 {
					x.back[r.ID]++ // it moved there, and does so here: a number in each
				}
				if r.What == "completed" && !tried[key] && !h.volatile(r.Place) && !h.cancelled(r.ID) {
					v.blame(Forged, r.Place, r.ID, "the ledger of %s has a completion of %d that nobody asked for", t.From, r.Sequence)
				}
			}
		}
	}
	told := *h
	told.Deliveries = append([]Delivery(nil), h.Deliveries...)
	for i := range told.Deliveries {
		d := &told.Deliveries[i]
		d.Sequence += offsets[row{d.Place, d.Dead, d.Sequence, d.ID}]
	}
	told.Settles = append([]Settle(nil), h.Settles...)
	for i := range told.Settles {
		t := &told.Settles[i]
		t.Sequence += offsets[row{t.Place, t.Dead, t.Sequence, t.ID}]
	}
	return &told, x
}

// Apart are the messages that were accepted in a tail.
func (h *History) Apart() map[string]bool {
	all := map[string]bool{}
	for _, t := range h.Tails {
		for _, r := range t.Rows {
			if !r.Settlement {
				all[r.ID] = true
			}
		}
	}
	return all
}

func (h *History) volatile(place string) bool {
	for _, p := range h.Places {
		if p.Name == place {
			return p.Volatile
		}
	}
	return false
}

func (h *History) cancelled(id string) bool {
	for _, c := range h.Cancels {
		if c.ID == id && c.Outcome != Refused {
			return true
		}
	}
	return false
}

// again reports whether a delivery after its settlement is one that a ledger explains:
// the settlement, or the whole message, was in a tail.
func (s *site) again(d Delivery) bool {
	return d.Sequence >= apart || s.tails.settled[row{d.Place, d.Dead, d.Sequence, d.ID}]
}
