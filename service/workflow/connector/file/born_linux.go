package file

import (
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// touchedAt is when a file was last written to, moved or given another time: what its
// owner can not set back.
func touchedAt(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctim.Unix())
	}
	return info.ModTime()
}

// bornAt is when a file was made, as far as it is known.
func bornAt(info fs.FileInfo) time.Time { return info.ModTime() }

// birth tells a file apart from another one of the same name before it; ok says whether
// the system can.
func birth(dir uintptr, name string) (id [2]uint64, ok bool) {
	var s unix.Statx_t
	if err := unix.Statx(int(dir), name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &s); err != nil {
		return id, false
	}
	id[0] = s.Ino
	if s.Mask&unix.STATX_BTIME != 0 {
		id[1] = uint64(s.Btime.Sec)*1e9 + uint64(s.Btime.Nsec)
	}
	return id, true
}
