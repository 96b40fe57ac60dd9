//go:build linux || darwin

package journal

import "syscall"

// diskRoom tells how much of the disk below dir is free for this process, and how
// large it is.
func diskRoom(dir string) (free, size uint64, known bool) {
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil {
		return 0, 0, false
	}
	return fs.Bavail * uint64(fs.Bsize), fs.Blocks * uint64(fs.Bsize), true
}
