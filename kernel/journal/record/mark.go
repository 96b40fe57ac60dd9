package record

// Mark is the newest record that a journal stores, whether it chains or not: all
// that is needed to go on copying behind it. The zero Mark is an empty journal.
type Mark struct {
	At  Position `json:"at"`
	Sum uint64   `json:"sum"`
}

// MarkOf verifies a run of records that are stored from position at on, and returns
// the mark behind them and the epoch of the last. An empty run is refused.
func MarkOf(at Position, recs [][]byte) (m Mark, epoch uint64, err error) {
	if len(recs) == 0 {
		return Mark{}, 0, damaged(at, Lost, "there is no record in the run")
	}
	for i, rec := range recs {
		h, _, err := Decode(at+Position(i), rec)
		if err != nil {
			return Mark{}, 0, err
		}
		m, epoch = Mark{At: h.At, Sum: h.Sum}, h.Epoch
	}
	return m, epoch, nil
}
