package schedule

import "time"

// Window is one stretch of time of a sliding window: from Start up to End, due at Due.
// Each begins where the one before it ends.
type Window struct {
	Number     int64
	Start, End time.Time
	Due        time.Time
}

// Windows are the windows of a rule: the stretches between its occurrences, each due
// a while after it has ended.
type Windows struct {
	rule  *Rule
	delay time.Duration
}

// WindowsOf makes the windows of a rule.
func WindowsOf(r *Rule, delay time.Duration) Windows { return Windows{r, delay} }

// After gives the window that begins at or after an instant: the base for the first
// one, the end of a window for the one that follows it. However late it is asked for,
// it is the next one.
func (w Windows) After(end time.Time) (Window, bool) {
	start, ok := w.rule.Next(end.Add(-1), Share{})
	if !ok {
		return Window{}, false
	}
	stop, ok := w.rule.Next(start.At, Share{})
	if !ok {
		return Window{}, false
	}
	return Window{Number: start.Number, Start: start.At, End: stop.At, Due: stop.At.Add(w.delay)}, true
}

// First gives the first window.
func (w Windows) First() (Window, bool) { return w.After(w.rule.base) }

// DueBy lists the windows that follow the one that ended at end and are due by now, at
// most as many as said: none is left out, so what is over the bound comes next time.
func (w Windows) DueBy(end, now time.Time, most int) []Window {
	var all []Window
	for len(all) < most {
		next, ok := w.After(end)
		if !ok || next.Due.After(now) {
			break
		}
		all = append(all, next)
		end = next.End
	}
	return all
}
