//go:build !linux

package journal_test

import (
	"os"
	"time"
)

func datasync(f *os.File) error { return f.Sync() }

func cpuTime() time.Duration { return 0 }
