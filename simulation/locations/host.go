package locations

import (
	"time"
)

// host is one process: a node of a location, or a witness.
type host struct {
	w    *world
	name string
	site *site

	life   int // counts restarts; what belongs to an earlier life is ignored
	alive  bool
	paused time.Time // stands still until then

	// Its clocks: one that runs at a rate of its own and shows what it likes, and that of
	// the wall, which is off and is put right, or wrong.
	rate   float64
	offset time.Duration
	wrong  time.Duration

	procs map[*proc]struct{}
	ends  []*end   // of its connections
	asked []func() // tell who waits for an answer that there is none

	voter *voter
	ctl   *controller
	units map[string]*unit
}

// mono is the clock that durations are measured by.
func (h *host) mono() time.Duration {
	return time.Duration(float64(h.w.Elapsed())*h.rate) + h.offset
}

// now is mono as the cores take it: an instant that means something here only.
func (h *host) now() time.Time { return time.Unix(0, int64(h.mono())) }

// wall is what the process takes for the time.
func (h *host) wall() time.Time {
	return noon.Add(time.Duration(float64(h.w.Elapsed())*h.rate) + h.wrong)
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// after lets fn happen in this life, when d has passed by the clock here.
func (h *host) after(d time.Duration, fn func()) {
	life := h.life
	h.w.After(time.Duration(float64(max(d, 0))/h.rate)+time.Microsecond, func() { h.arrive(life, fn) })
}

// arrive lets fn happen now, or when the process does not stand still any more.
func (h *host) arrive(life int, fn func()) {
	switch {
	case !h.alive || h.life != life:
	case h.w.Now().Before(h.paused):
		h.w.After(h.paused.Sub(h.w.Now()), func() { h.arrive(life, fn) })
	default:
		fn()
	}
}

// start begins a life.
func (h *host) start() {
	h.life++
	h.alive, h.paused = true, time.Time{}
	h.procs = map[*proc]struct{}{}
	h.tell() // who is still waiting for an earlier life
	h.ends, h.units = nil, nil
	h.voter = newVoter(h)
	if h.site.witness {
		return
	}
	h.w.Say("%s starts", h.name)
	h.units = map[string]*unit{}
	for _, name := range h.w.units {
		h.units[name] = newUnit(h, name)
	}
	h.ctl = newController(h)
	h.spawn("controller", h.ctl.run)
}

// crash ends the process. What it had sent is still under way; what it was storing is
// stored or not.
func (h *host) crash() {
	if !h.alive {
		return
	}
	h.w.Say("%s crashes", h.name)
	h.alive = false
	for p := range h.procs { // they do nothing but end: the order does not matter
		if p != h.w.running {
			p.done = true
			p.stop()
		}
	}
	h.procs = nil
	for _, e := range h.ends {
		e.abandon()
	}
	if h.w.Chance(50) { // else it is as if the machine was gone
		h.tell()
	}
	h.site.disk.lost(h)
	for _, u := range h.inOrder() {
		u.owning, u.taking = false, false
		u.disconnect()
	}
}

// tell tells who waits for an answer that there is none.
func (h *host) tell() {
	for _, broken := range h.asked {
		broken()
	}
	h.asked = nil
}

// inOrder are its units in the order of the group.
func (h *host) inOrder() []*unit {
	var all []*unit
	for _, name := range h.w.units {
		if u := h.units[name]; u != nil {
			all = append(all, u)
		}
	}
	return all
}
