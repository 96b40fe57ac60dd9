package core

import (
	"fmt"
	"time"

	"weir/kernel/fault"
)

// Admit says how work is taken: at once, after a pause, or not, with a fault of
// kind Busy. Up to half of every bound work is free; from there to the bound the
// pause grows to PauseMax.
func (s *Sender) Admit(now time.Time) (pause time.Duration, err error) {
	switch {
	case !s.terms.Watched:
		return 0, nil
	case s.terms.Mode == Sync:
		return 0, s.admitSync(now)
	}
	lag := s.Lag(now)
	most, err := 0.0, error(nil)
	for _, b := range []struct {
		have, bound float64
		says        func() error
	}{
		{float64(lag.Messages), float64(s.terms.LagMessages), func() error {
			return s.busy("%d messages behind, %d are allowed", lag.Messages, s.terms.LagMessages)
		}},
		{float64(lag.Bytes), float64(s.terms.LagBytes), func() error {
			return s.busy("%d bytes behind, %d are allowed", lag.Bytes, s.terms.LagBytes)
		}},
		{lag.Time.Seconds(), s.terms.LagTime.Seconds(), func() error {
			return s.busy("%.1f s behind, %.1f s are allowed", lag.Time.Seconds(), s.terms.LagTime.Seconds())
		}},
	} {
		if b.bound == 0 {
			continue
		}
		if most = max(most, b.have/b.bound); b.have >= b.bound {
			return 0, b.says()
		}
	}
	if most < 0.5 {
		return 0, nil
	}
	return time.Duration(float64(s.limits.PauseMax) * (most - 0.5) * 2), nil
}

// admitSync refuses work that could not be answered for a long time.
func (s *Sender) admitSync(now time.Time) error {
	if s.mayDegrade() || !s.away(now) {
		return nil
	}
	return fault.New(fault.Busy, "%s must be stored in %s as well before it is answered, which has not been possible for %.0f s: try again later.",
		s.unit, s.other(), now.Sub(s.good()).Seconds())
}

func (s *Sender) busy(format string, args ...any) error {
	return fault.New(fault.Busy, "The copy of %s in %s is %s: try again later.", s.unit, s.other(), fmt.Sprintf(format, args...))
}

func (s *Sender) other() string {
	if s.peer == "" {
		return "the other location"
	}
	return s.peer
}
