//go:build !linux

package server

import (
	"os"
	"os/exec"
	"syscall"
)

// Where there is no way to freeze a process, freezing it fails politely: the
// signal below is refused by the system.
var (
	terminate os.Signal = syscall.SIGTERM
	freeze    os.Signal = syscall.Signal(-1)
	thaw      os.Signal = syscall.Signal(-1)
)

// endWithParent does nothing here: the system has no such tie.
func endWithParent(*exec.Cmd) {}
