package run

import "weir/kernel/journal/record"

// Parts takes apart what Archive wrote: the state, as Adopt takes it, and the payloads.
// Archive writes runs that are under way just the same.
func Parts(archive []byte) (state, payloads []byte, err error) {
	r := reader{b: archive}
	n := r.count()
	if r.bad {
		return nil, nil, badFact("an archive is cut off")
	}
	return r.b[:n], r.b[n:], nil
}

// Adopt gives a state that was archived in another history, with its payloads at a place
// in this one. Whoever waited for an answer of it waits elsewhere.
func Adopt(state []byte, at record.Ref) (*State, error) {
	s := &State{}
	if err := s.Restore(state); err != nil {
		return nil, err
	}
	outside := false
	s.refs(func(r *record.Ref) {
		if r.Len == 0 {
			return
		}
		if r.At != archived || uint64(r.Off)+uint64(r.Len) > uint64(at.Len) {
			outside = true
			return
		}
		r.At, r.Off = at.At, at.Off+r.Off
	})
	if outside {
		return nil, badFact("a run is adopted that refers to what did not come with it")
	}
	if s.Caller == CallerWaits {
		s.Caller = CallerGone
	}
	return s, nil
}
