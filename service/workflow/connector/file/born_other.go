//go:build !linux

package file

import (
	"io/fs"
	"time"
)

// touchedAt is when a file was last written to.
func touchedAt(info fs.FileInfo) time.Time { return info.ModTime() }

// bornAt is when a file was made, as far as it is known.
func bornAt(info fs.FileInfo) time.Time { return info.ModTime() }

// birth tells a file apart from another one of the same name before it; ok says whether
// the system can.
func birth(uintptr, string) (id [2]uint64, ok bool) { return id, false }
