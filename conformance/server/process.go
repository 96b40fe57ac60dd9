package server

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// process is one run of the binary.
type process struct {
	cmd  *exec.Cmd
	pid  int
	done chan struct{} // closed when the process has ended and was waited for
	err  error         // how it ended; read after done
}

// launch starts the binary with its output appended to a log file.
//
// The thread that starts it stays until the child has ended: the system ends the
// child with the thread it came from, and that is what keeps a test run that
// was cut short from leaving servers behind.
func launch(binary string, args, env []string, logFile string, inside *Net) (*process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "--- start: %s %v\n", binary, args)
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	endWithParent(cmd)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		if inside == nil {
			defer runtime.UnlockOSThread() // else the thread ends with the goroutine
		}
		defer out.Close()
		err := inside.enter()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// exit is how the process ended; done must be closed.
func (p *process) exit() error { return p.err }

func (p *process) kill() error      { return ignoreEnded(p.cmd.Process.Kill()) }
func (p *process) interrupt() error { return ignoreEnded(p.cmd.Process.Signal(terminate)) }
func (p *process) pause() error     { return p.cmd.Process.Signal(freeze) }
func (p *process) resume() error    { return p.cmd.Process.Signal(thaw) }

// ignoreEnded forgives a signal that came too late.
func ignoreEnded(err error) error {
	if err == os.ErrProcessDone {
		return nil
	}
	return err
}
