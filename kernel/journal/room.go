package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrFull: the disk of the node has no room for more. It comes with ErrRefused, and
// goes away when there is room again: nothing has to be started anew by hand.
var ErrFull = errors.New("journal: no room left on the disk")

const (
	// A node that is alone takes no more appends when less than this is free: the
	// log never meets the end of the disk, and what is small (leases, notes, a last
	// snapshot's manifest) still has room. On a small disk it is a sixteenth of it.
	reserveBytes = 64 << 20
	reservePart  = 16
	// roomBack is how many times the reserve must be free before appends are taken
	// again, so that a disk that is nearly full is not a switch that flutters.
	roomBack = 2

	lookAfterRoomEvery = 100 * time.Millisecond
	// reviveAfter is how long an embedded server that failed to write, though there
	// is room, is left alone before it is started again; it doubles up to reviveMax.
	reviveAfter, reviveMax = time.Second, time.Minute
)

// room says whether the disk takes more.
type room struct {
	mu     sync.Mutex
	full   error // why appends are refused; nil: they are not
	broken error // what the embedded server could not write; it writes no more then
}

// refuses returns why nothing may be appended now.
func (r *room) refuses() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

func (r *room) set(full error) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed = (r.full == nil) != (full == nil)
	r.full = full
	return changed
}

// fails notes that the server could not write.
func (r *room) fails(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken == nil {
		r.broken = why
	}
}

func (r *room) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

// forget forgets the failure: a new server begins.
func (r *room) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = nil
}

// heard takes an error line of the embedded server. After a failed write it keeps a
// stream as it is, answers no append to it any more, and tells nobody but its log; or
// it gives up storing anything at all.
func (r *room) heard(line string) {
	lower := strings.ToLower(line)
	for _, word := range []string{"critical write error", "no space left", "will be disabled"} {
		if strings.Contains(lower, word) {
			r.fails(errors.New(line))
			return
		}
	}
}

// tend looks after the room and after a server that could not write, until ctx ends.
func (s *Store) tend(ctx context.Context) {
	tick := time.NewTicker(lookAfterRoomEvery)
	defer tick.Stop()
	w := watchman{s: s, patience: reviveAfter}
	for {
		select {
		case <-tick.C:
			w.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// watchman is what tend remembers from look to look.
type watchman struct {
	s        *Store
	broke    time.Time // since when the server writes no more; zero: it does
	patience time.Duration
}

func (w *watchman) look(ctx context.Context) {
	s := w.s
	free, size, known := diskRoom(s.o.Dir)
	reserve := min(uint64(reserveBytes), size/reservePart)
	if !s.server.running().JetStreamEnabled() {
		s.room.fails(errors.New("the embedded server has stopped storing"))
	}
	if why := s.room.failure(); why != nil {
		w.nurse(ctx, why, !known || free >= roomBack*reserve)
		return
	}
	switch full := s.room.refuses(); {
	case !known || s.o.Cluster != nil:
		// Nobody can say, or others may have room: an append is theirs to take.
	case full == nil && free < reserve:
		s.fill(fmt.Errorf("%w: %s has %d MB free, less than the %d MB that are kept for leases and notes", ErrFull, s.o.Dir, free>>20, reserve>>20))
	case full != nil && free >= roomBack*reserve:
		s.room.set(nil)
		s.log.Info("there is room on the disk again: appends are taken", "dir", s.o.Dir, "free_bytes", free)
	}
}

// nurse waits until it makes sense to start a server again that could not write, and
// does so.
func (w *watchman) nurse(ctx context.Context, why error, hasRoom bool) {
	s := w.s
	space := strings.Contains(strings.ToLower(why.Error()), "no space left")
	if w.broke.IsZero() {
		w.broke = time.Now()
		failed, advice := fmt.Errorf("the log can not be written: %w", why), "look after the disk; the node tries again by itself"
		if space {
			failed, advice = fmt.Errorf("%w: %w", ErrFull, why), "free some room; the node goes on by itself then"
		}
		s.log.Error("the log could not be written: nothing is appended until it can be", "dir", s.o.Dir, "error", why, "do", advice)
		if s.o.Cluster == nil {
			s.room.set(failed)
			s.abandon(fmt.Errorf("%w: %w", ErrUnknown, failed))
		}
	}
	if !hasRoom || !space && time.Since(w.broke) < w.patience {
		return
	}
	if err := s.revive(ctx); err != nil {
		s.log.Error("the embedded server can not be started again yet", "error", err)
		s.room.fails(err)
		w.broke, w.patience = time.Now(), min(2*w.patience, reviveMax)
		return
	}
	s.log.Info("the log can be written again", "dir", s.o.Dir, "after", time.Since(w.broke).Round(time.Millisecond))
	w.broke, w.patience = time.Time{}, reviveAfter
	if s.room.failure() == nil { // else it has failed again meanwhile
		s.room.set(nil)
	}
}

// fill refuses appends from now on.
func (s *Store) fill(why error) {
	if s.room.set(why) {
		s.log.Error("the disk is full: appends are refused until there is room", "error", why, "do", "free some room; the node goes on by itself then")
	}
}

// abandon ends what every writer has under way.
func (s *Store) abandon(why error) {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, p := range open {
		p.giveUp(why)
	}
}

// revive starts the embedded server again. What is stored stays as it is; our
// connection finds the new server by itself.
func (s *Store) revive(ctx context.Context) error {
	s.server.stop()
	s.room.forget()
	return s.server.run(ctx, s.o, s.log, s.room.heard)
}
