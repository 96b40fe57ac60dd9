package server

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Witness is one witness process.
type Witness struct {
	binary, dir, addr string
	inside            *Net
	disk              *Disk
	process           *process
}

// witnessDiskBytes is plenty for what a witness keeps.
const witnessDiskBytes = 8 << 20

func newWitness(o Options, inside *Net) (*Witness, error) {
	ports, err := freePorts(o.Host, 1)
	if err != nil {
		return nil, err
	}
	host := o.Host
	if inside != nil {
		host = inside.Addr()
	}
	w := &Witness{binary: o.Binary, dir: filepath.Join(o.Dir, "witness"), addr: net.JoinHostPort(host, fmt.Sprint(ports[0])), inside: inside}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return nil, err
	}
	if o.DiskBytes > 0 {
		w.disk, err = newDisk(w.data(), witnessDiskBytes)
	}
	return w, err
}

func (w *Witness) data() string { return filepath.Join(w.dir, "data") }

// Disk is the disk below its data directory; nil: it has none of its own.
func (w *Witness) Disk() *Disk { return w.disk }

// Addr is where it listens.
func (w *Witness) Addr() string { return w.addr }

// Start starts the process; it answers a moment later.
func (w *Witness) Start() (err error) {
	secret := filepath.Join(w.dir, "secret")
	if err := os.WriteFile(secret, []byte(pairSecret), 0o600); err != nil {
		return err
	}
	args := []string{"witness", "--listen", w.addr, "--data", w.data(), "--secret-file", secret}
	w.process, err = launch(w.binary, args, os.Environ(), w.log(), w.inside)
	return err
}

func (w *Witness) log() string { return filepath.Join(w.dir, "witness.log") }

// Kill ends it as a crash would.
func (w *Witness) Kill() error {
	if err := w.process.kill(); err != nil {
		return err
	}
	<-w.process.done
	return nil
}

// Stop ends it.
func (w *Witness) Stop() error {
	if w.process == nil || !w.process.running() {
		return nil
	}
	return w.Kill()
}
