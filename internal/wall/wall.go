// Package wall is where the shells read the wall clock.
//
// Now is time.Now. For tests, a process can be told to follow a file that says how
// far its wall clock is off and how fast it runs, so that a torture can step the
// clock of one process without touching the machine's: start it with Env set to the
// path of the file. What counts by the monotonic clock does not move, as it would not
// when somebody sets the clock of a machine: times that Now gives are apart by what
// has passed, however the wall clock was stepped in between.
//
// Promises:
//  1. A process without Env reads the machine's clock, and nothing else.
//  2. Only the wall reading is shifted. Timers, deadlines, grants and leases that
//     count by the monotonic clock go on undisturbed.
//
// It refuses a file that it does not understand, and does not run timers at another
// rate: no program can change the pace of its own monotonic clock.
package wall

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// Env names the environment variable with the path of the file to follow. The file
// holds one line: seconds to add to the wall clock, then, not necessarily, how many
// seconds it passes in one second of the machine's: "-600 1.02".
const Env = "WEIR_TEST_WALL_CLOCK"

// skew is how far off the wall clock is.
type skew struct {
	since  time.Time // when this was read
	offset time.Duration
	drift  float64 // gained in each second since
}

var follows atomic.Pointer[skew]

// Now is the time: its wall reading as this process is to see it.
func Now() time.Time {
	now := time.Now()
	if s := follows.Load(); s != nil {
		return shift(now, s.at(now))
	}
	return now
}

func (s *skew) at(now time.Time) time.Duration {
	return s.offset + time.Duration(s.drift*float64(now.Sub(s.since)))
}

// lookEvery is how often the file is read.
const lookEvery = 50 * time.Millisecond

// Follow has the wall clock of this process follow a file until ctx ends. Without a
// path it does nothing.
func Follow(ctx context.Context, path string) error {
	if path == "" {
		return nil
	}
	if now := time.Now(); shift(now, time.Hour).Sub(now) != 0 || shift(now, time.Hour).UnixNano()-now.UnixNano() != int64(time.Hour) {
		return fmt.Errorf("%s can not be used: this version of Go keeps times in another form", Env)
	}
	last, err := read(path, "")
	if err != nil {
		return err
	}
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if text, err := read(path, last); err == nil {
					last = text
				}
			}
		}
	}()
	return nil
}

// read takes over what the file says when that has changed since last.
func read(path, last string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return last, fmt.Errorf("read the file that %s names: %w", Env, err)
	}
	text := string(data)
	if text == last {
		return last, nil
	}
	s, err := parse(text)
	if err != nil {
		return last, fmt.Errorf("the file that %s names: %w", Env, err)
	}
	s.since = time.Now()
	follows.Store(&s)
	return text, nil
}

func parse(text string) (skew, error) {
	fields := strings.Fields(text)
	if len(fields) < 1 || len(fields) > 2 {
		return skew{}, fmt.Errorf("want seconds and perhaps a rate (-600 1.02), not %q", text)
	}
	seconds, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return skew{}, fmt.Errorf("seconds: %w", err)
	}
	rate := 1.0
	if len(fields) == 2 {
		if rate, err = strconv.ParseFloat(fields[1], 64); err != nil {
			return skew{}, fmt.Errorf("rate: %w", err)
		}
	}
	return skew{offset: time.Duration(seconds * float64(time.Second)), drift: rate - 1}, nil
}

// shift moves the wall reading of a time and leaves its monotonic one.
//
// Package time offers no way to set the clock of a Time that has both. The first word
// of one holds a flag, 33 bits of seconds and 30 of nanoseconds; Follow makes sure that
// it still does, and nothing calls this in a process that follows no file.
func shift(t time.Time, d time.Duration) time.Time {
	const flag, nanoBits = uint64(1) << 63, 30
	word := (*uint64)(unsafe.Pointer(&t))
	if *word&flag == 0 {
		return t.Add(d)
	}
	total := int64(*word&^flag>>nanoBits)*int64(time.Second) + int64(*word&(1<<nanoBits-1)) + int64(d)
	*word = flag | uint64(total/int64(time.Second))<<nanoBits | uint64(total%int64(time.Second))
	return t
}
