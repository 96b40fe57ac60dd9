package linear

import (
	"testing"

	"weir/conformance/torture/ledger"
)

// good is a session that two receivers held in turn, with three messages.
func good() *ledger.History {
	h := &ledger.History{Holdings: []ledger.Holding{
		{ID: 1, Place: "q", Session: "s", Asked: 1, Accepted: 10},
		{ID: 2, Place: "q", Session: "s", Asked: 15, Accepted: 40},
	}}
	for n, at := range []ledger.Instant{2, 4, 6} {
		h.Sends = append(h.Sends, ledger.Send{ID: id(n), Target: "q", Session: "s", Number: int64(n), Start: at, End: at + 1, Outcome: ledger.Confirmed})
	}
	deliver := func(n, holding int, at ledger.Instant) {
		h.Deliveries = append(h.Deliveries, ledger.Delivery{Place: "q", Session: "s", ID: id(n), Holding: holding, At: at})
	}
	settle := func(n, holding int, at ledger.Instant) {
		h.Settles = append(h.Settles, ledger.Settle{Place: "q", ID: id(n), Holding: holding, Verb: ledger.Complete, Start: at, End: at + 1, Outcome: ledger.Confirmed})
	}
	deliver(0, 1, 20)
	deliver(1, 1, 21)
	settle(0, 1, 22)
	deliver(1, 2, 45) // again: the first holder lost it
	deliver(2, 2, 46)
	settle(1, 2, 47)
	settle(2, 2, 49)
	return h
}

func id(n int) string { return string(rune('a' + n)) }

func TestSessions(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(h *ledger.History)
		legal bool
	}{
		"good":                         {func(*ledger.History) {}, true},
		"an old holder settles":        {func(h *ledger.History) { h.Settles[2].Holding = 1 }, false},
		"overtaken":                    {func(h *ledger.History) { h.Deliveries[0].ID, h.Deliveries[1].ID = "b", "a" }, false},
		"overtaken, later":             {func(h *ledger.History) { h.Deliveries[1].ID, h.Deliveries[3].ID = "c", "b" }, false},
		"delivered before it was sent": {func(h *ledger.History) { h.Sends[1].Start, h.Sends[1].End = 30, 31 }, false},
		"a send without an answer":     {func(h *ledger.History) { h.Sends[2].Outcome = ledger.Unknown }, true},
		"in a tail": {func(h *ledger.History) {
			h.Deliveries[0].ID, h.Deliveries[1].ID = "b", "a"
			h.Tails = []ledger.Tail{{Rows: []ledger.Row{{ID: "a"}}}}
		}, true},
	} {
		h := good()
		c.spoil(h)
		if v := Check(h, "q", "q"); v.Good() != c.legal || v.Sessions != 1 {
			t.Errorf("%s: %v", what, v)
		}
	}
}
