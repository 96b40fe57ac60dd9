//go:build unix

package journal

import (
	"os"
	"syscall"
)

// lockFile takes an exclusive lock that ends with the process. False: another
// process has it.
func lockFile(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}
