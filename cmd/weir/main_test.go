package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/internal/rendezvous"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weir": main})
}

// TestScripts runs the conversations in testdata/script with the real binary.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("HOME", e.WorkDir)
			e.Values[running{}] = &server{}
			return nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"serve": serve},
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
	})
}

// running is where a script's environment keeps its server.
type running struct{}

// server is the server of a script, at most one at a time.
type server struct {
	cmd  *exec.Cmd
	rest chan string // what it said after it was ready
}

// serve starts weir serve on free ports with the arguments given, and waits until
// it says that it is ready. What it said until then is the file served, and its
// addresses are in $AMQP, $HTTP and $HTTPS. "serve stop", and the end of the script,
// end it and check that it ended well; what it said then is the file ended.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("serve cannot be negated: exec weir serve fails in the foreground")
	}
	s := ts.Value(running{}).(*server)
	if len(args) == 1 && args[0] == "stop" {
		s.stop(ts)
		return
	}
	ts.Defer(func() { s.stop(ts) })
	ts.Check(os.WriteFile(ts.MkAbs("served"), []byte(s.start(ts, args)), 0o600))
	dir := filepath.Join(ts.Getenv("XDG_STATE_HOME"), "weir")
	if found, err := rendezvous.Find(dir); err == nil {
		for name, address := range found.Doors {
			ts.Setenv(strings.ToUpper(name), address)
		}
	}
}

// start returns what the server said until it was ready.
func (s *server) start(ts *testscript.TestScript, args []string) string {
	binary, err := exec.LookPath("weir")
	ts.Check(err)
	free := []string{"serve", "--amqp=localhost:0", "--amqps=off", "--http=localhost:0", "--https=localhost:0", "--admin=off"}
	s.cmd, s.rest = exec.Command(binary, append(free, args...)...), make(chan string, 1)
	s.cmd.Dir = ts.MkAbs(".")
	s.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+ts.Getenv("XDG_STATE_HOME"), "HOME="+ts.Getenv("HOME"))
	talk, err := s.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	var said strings.Builder
	lines := bufio.NewScanner(talk)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		said.WriteString(lines.Text() + "\n")
	}
	go func() {
		var b strings.Builder
		for lines.Scan() {
			b.WriteString(lines.Text() + "\n")
		}
		s.rest <- b.String()
	}()
	return said.String()
}

func (s *server) stop(ts *testscript.TestScript) {
	if s.cmd == nil {
		return
	}
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	ts.Check(os.WriteFile(ts.MkAbs("ended"), []byte(<-s.rest), 0o600))
	err := s.cmd.Wait()
	s.cmd = nil
	ts.Check(err)
}
