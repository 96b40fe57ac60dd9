package server

import (
	"fmt"
	"os"
	"syscall"
)

func mountDisk(dir string, bytes int64) error {
	if err := syscall.Mount("weir-torture", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		return fmt.Errorf("mount a disk on %s: %w", dir, err)
	}
	return nil
}

// unmountDisk takes the disk away, also when somebody still has a file open there.
func unmountDisk(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }

func freeOn(dir string) (int64, error) {
	var fs syscall.Statfs_t
	err := syscall.Statfs(dir, &fs)
	return int64(fs.Bavail) * int64(fs.Bsize), err
}

// grow makes a file longer by some bytes that are really there.
func grow(path string, bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	end, err := f.Seek(0, 2)
	if err != nil {
		return err
	}
	return syscall.Fallocate(int(f.Fd()), 0, end, bytes)
}
