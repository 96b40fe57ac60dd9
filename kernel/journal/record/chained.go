package record

// ChainedAt returns the checksum of the newest record at or before a position that is of
// the chain: what the Tail of a reader says that has come there. Two logs that hold the
// same record at a position may have come to it by different ways, when the record is one
// that a fenced writer left in one of them; then they differ in this. first is the oldest
// position that is stored, and header reads what a record says of itself. 0: it can not be
// told.
func ChainedAt(at, first Position, header func(Position) (Header, error)) (uint64, error) {
	for at >= first && at > 0 {
		newest, err := header(at)
		if err != nil {
			return 0, err
		}
		begin, stray, err := strays(newest, first, header)
		if err != nil || !stray {
			return newest.Sum, err
		}
		at = begin - 1
	}
	return 0, nil
}

// strays walks back from a record over those that continue each other, and reports
// whether they are a fenced writer's and where they begin: the first of them continues
// nothing that is stored. A run that is longer than such may be is of the chain.
func strays(h Header, first Position, header func(Position) (Header, error)) (begin Position, stray bool, err error) {
	for range StragglersMax {
		if h.At <= first {
			return 0, false, nil
		}
		before, err := header(h.At - 1)
		if err != nil {
			return 0, false, err
		}
		if before.Sum == h.Before {
			h = before
			continue
		}
		low := max(first, h.At-min(h.At-1, StragglersMax+1))
		for at := h.At - 2; at >= low && at > 0; at-- { // passed over such records?
			earlier, err := header(at)
			if err != nil || earlier.Sum == h.Before {
				return 0, false, err
			}
		}
		if low == first && first > 1 {
			return 0, false, nil // what it continues may have been trimmed away
		}
		return h.At, true, nil
	}
	return 0, false, nil
}
