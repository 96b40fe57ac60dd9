// Package server starts real weir processes for other people's clients to be
// tried on, and does to them what the world does: stops, kills and freezes them.
//
// Promises:
//  1. A Server keeps its ports and its data directory over restarts, so a
//     client's connection string stays good.
//  2. Start returns when the server says it is ready; it fails with the tail of
//     the server's own log when that does not come.
//  3. No process outlives the one that started it.
//  4. The log of every start is kept in one file per node, in order.
//
// It refuses to look inside: it knows the command line and the doors of weir,
// none of its packages.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// readyWithin bounds the wait for a server to become ready.
const readyWithin = 60 * time.Second

// stopWithin bounds the wait for a server to drain and end after SIGTERM.
const stopWithin = 45 * time.Second

// Options say what to start.
type Options struct {
	Binary string   // the weir executable
	Dir    string   // where data and logs go; made when it is missing
	Deploy string   // resource file given at every start; empty for none
	Args   []string // further flags of weir serve
	Env    []string // further environment, "NAME=value"
	Ports  Ports    // zero picks free ones
	Host   string   // address to listen on; empty is 127.0.0.1
	Clock  bool     // the process has a wall clock of its own: see SetClock
	// DiskBytes puts the data directory on a disk of its own, of that size, that can be
	// filled (see Disk); 0 does not.
	DiskBytes int64
	// Inside is the network the process is in; nil: the machine's.
	Inside *Net
}

// Server is one weir process that can be stopped, killed and started again.
type Server struct {
	name    string
	options Options
	ports   Ports
	member  []string // flags that make it a node of a cluster

	disk *Disk

	mu      sync.Mutex
	process *process
}

// New prepares a server and makes its directory; nothing runs yet.
func New(o Options) (*Server, error) { return newNode("node", o, nil) }

func newNode(name string, o Options, member []string) (*Server, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Ports == (Ports{}) {
		ports, err := FreePorts(o.Host)
		if err != nil {
			return nil, err
		}
		o.Ports = ports
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the server's directory: %w", err)
	}
	s := &Server{name: name, options: o, ports: o.Ports, member: member}
	if o.Clock {
		if err := s.SetClock(0, 1); err != nil {
			return nil, err
		}
	}
	if o.DiskBytes > 0 {
		var err error
		if s.disk, err = newDisk(s.Data(), o.DiskBytes); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Disk is the disk below the data directory; nil: it has none of its own.
func (s *Server) Disk() *Disk { return s.disk }

// Start starts the process and waits until it is ready.
func (s *Server) Start(ctx context.Context) error {
	if err := s.Launch(); err != nil {
		return err
	}
	return s.WaitReady(ctx)
}

// Launch starts the process and does not wait.
func (s *Server) Launch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.running() {
		return errors.New("the server runs already")
	}
	p, err := launch(s.options.Binary, s.args(), s.environment(), s.LogFile(), s.options.Inside)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.options.Binary, err)
	}
	s.process = p
	return nil
}

// args is the command line of weir serve.
func (s *Server) args() []string {
	a := []string{"serve", "--data", s.Data(), "--admin", "off"}
	for _, door := range s.ports.doors() {
		a = append(a, "--"+door.flag, net.JoinHostPort(s.options.Inside.listenOn(s.options.Host), fmt.Sprint(door.port)))
	}
	if s.options.Deploy != "" {
		a = append(a, "--deploy", s.options.Deploy)
	}
	return append(append(a, s.member...), s.options.Args...)
}

// Stop asks the server to drain and end, and waits for it.
func (s *Server) Stop() error {
	p := s.current()
	if p == nil || !p.running() {
		return nil
	}
	if err := p.interrupt(); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.exit()
	case <-time.After(stopWithin):
		_ = p.kill()
		<-p.done
		return fmt.Errorf("the server did not end within %s of SIGTERM\n%s", stopWithin, s.LogTail())
	}
}

// Kill ends the process at once, as a crash would, and waits until it is gone.
func (s *Server) Kill() error {
	p := s.current()
	if p == nil || !p.running() {
		return nil
	}
	if err := p.kill(); err != nil {
		return err
	}
	<-p.done
	return nil
}

// Pause freezes the process; Resume lets it go on.
func (s *Server) Pause() error { return s.signal((*process).pause) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return s.signal((*process).resume) }

func (s *Server) signal(send func(*process) error) error {
	p := s.current()
	if p == nil || !p.running() {
		return errors.New("the server does not run")
	}
	return send(p)
}

func (s *Server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// Running reports whether the process is there.
func (s *Server) Running() bool {
	p := s.current()
	return p != nil && p.running()
}

// PID is the process id of the last start.
func (s *Server) PID() int {
	if p := s.current(); p != nil {
		return p.pid
	}
	return 0
}

// Name is the node's name in its cluster.
func (s *Server) Name() string { return s.name }

// Data is the server's data directory.
func (s *Server) Data() string { return filepath.Join(s.options.Dir, "data") }

// LogFile is where the server's output goes.
func (s *Server) LogFile() string { return filepath.Join(s.options.Dir, s.name+".log") }

// logTailBytes is how much of a log is shown when something fails.
const logTailBytes = 8 << 10

// LogTail is the end of the server's log.
func (s *Server) LogTail() string {
	data, err := os.ReadFile(s.LogFile())
	if err != nil {
		return err.Error()
	}
	if over := len(data) - logTailBytes; over > 0 {
		data = data[over:]
	}
	return fmt.Sprintf("--- %s\n%s", s.LogFile(), strings.TrimRight(string(data), "\n"))
}
