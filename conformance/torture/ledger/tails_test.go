package ledger

import "testing"

// failover is a history in which west accepted b and completed a, both alone, and east
// gave the number of b to c.
func failover() *History {
	h := &History{
		Places: []Place{{Name: "plain", Target: "plain"}},
		Sends: []Send{
			{ID: "a", Target: "plain", Start: 1, End: 2, Outcome: Confirmed},
			{ID: "b", Target: "plain", Start: 3, End: 4, Outcome: Confirmed},
			{ID: "c", Target: "plain", Start: 11, End: 12, Outcome: Confirmed},
		},
		Outages: []Outage{{Start: 9, End: 10}},
		Tails: []Tail{{From: "west", Rows: []Row{
			{What: "accepted", Place: "plain", ID: "b", Sequence: 2, Places: []Spot{{"plain", false, 2}}},
			{Settlement: true, What: "completed", Place: "plain", ID: "a", Sequence: 1},
		}}},
	}
	h.took("a", 1, 5)
	h.took("a", 1, 13)
	h.took("c", 2, 15)
	return h
}

// took is a delivery that was completed.
func (h *History) took(id string, sequence int64, at Instant) {
	h.Deliveries = append(h.Deliveries, Delivery{Place: "plain", ID: id, Sequence: sequence, Intact: true, At: at})
	h.Settles = append(h.Settles, Settle{Place: "plain", ID: id, Sequence: sequence, Verb: Complete, Start: at, End: at + 1, Outcome: Confirmed})
}

func TestTailsExplainWhatAFailoverCost(t *testing.T) {
	const fine = Kind("")
	for _, c := range []struct {
		name  string
		spoil func(h *History)
		want  Kind
	}{
		{"b was given up, as the ledger says", func(h *History) { h.Tails[0].Rows[0].Lost = true }, fine},
		{"b came back", func(h *History) { h.Tails[0].Rows[0].Back = true; h.took("b", 3, 17) }, fine},
		{"b was delivered by west, and came back", func(h *History) {
			h.Tails[0].Rows[0].Back = true
			h.took("b", 2, 7)
			h.took("b", 3, 17)
		}, fine},
		{"b is gone, and the ledger says it came back", func(h *History) { h.Tails[0].Rows[0].Back = true }, Missing},
		{"c is gone, and no ledger has it", func(h *History) {
			h.Tails[0].Rows[0].Lost = true
			h.Deliveries, h.Settles = h.Deliveries[:2], h.Settles[:2]
		}, Missing},
		{"a comes again, and no ledger has its completion", func(h *History) {
			h.Tails[0].Rows = h.Tails[0].Rows[:1]
			h.Tails[0].Rows[0].Lost = true
		}, Resurrected},
		{"c comes again", func(h *History) { h.Tails[0].Rows[0].Lost = true; h.took("c", 2, 17) }, Resurrected},
		{"b came back twice", func(h *History) {
			h.Tails[0].Rows[0].Back = true
			h.took("b", 3, 17)
			h.took("b", 4, 19)
			h.took("b", 5, 21)
		}, Duplicated},
		{"the ledger has a message that nobody sent", func(h *History) {
			h.Tails[0].Rows[0].Lost = true
			h.Tails[0].Rows = append(h.Tails[0].Rows, Row{What: "accepted", Place: "plain", ID: "x"})
		}, Forged},
		{"the ledger has a completion that nobody asked for", func(h *History) {
			h.Tails[0].Rows[0].Lost = true
			h.Tails[0].Rows = append(h.Tails[0].Rows, Row{Settlement: true, What: "completed", Place: "plain", ID: "c", Sequence: 9})
		}, Forged},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := failover()
			c.spoil(h)
			v := Check(h)
			if c.want == fine {
				if !v.Good() || v.Accounts.Repeated != 1 || v.Accounts.Messages != 1 || v.Accounts.Settlements != 1 {
					t.Errorf("%+v", v)
				}
				return
			}
			if v.Counts[c.want] == 0 {
				t.Errorf("not found: %+v", v)
			}
		})
	}
}
