package server

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"weir/internal/wall"
)

// SetClock sets the wall clock of this process off, from now on and also after a
// restart, and gives it a pace: 1.01 gains a hundredth. It must have been started with
// a clock of its own (Options.Clock).
func (s *Server) SetClock(off time.Duration, pace float64) error {
	next := s.clockFile() + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%f %f", off.Seconds(), pace), 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.clockFile())
}

func (s *Server) clockFile() string { return filepath.Join(s.options.Dir, "clock") }

// environment is what the process is started with.
func (s *Server) environment() []string {
	env := append(os.Environ(), s.options.Env...)
	if s.options.Clock {
		env = append(env, wall.Env+"="+s.clockFile())
	}
	return env
}
