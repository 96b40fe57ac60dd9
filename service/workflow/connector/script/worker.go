package script

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"time"
)

// How a worker ends itself.
const (
	exitMemory = 41
	// heapEvery is how often a worker looks at its heap.
	heapEvery = 5 * time.Millisecond
	// jobsMax is how many scripts a worker runs before another takes its place.
	jobsMax = 1000
	// lateness is how much longer than the script's time a worker is waited for before it is
	// killed: a script that can be interrupted has said so by then.
	lateness = 250 * time.Millisecond
	// restTime is how long a worker may have nothing to do.
	restTime = 5 * time.Minute
	// startTime is how long a worker may take to begin.
	startTime = 30 * time.Second
)

// order is what a worker is told with every script.
type order struct {
	job
	Limits Limits `json:"limits"`
}

// Serve is what a worker does: it runs the scripts that it is sent, one after another, until
// there are no more. It ends the process when a script takes too much memory.
func Serve(in io.Reader, out io.Writer) error {
	r := bufio.NewReader(in)
	if _, err := out.Write([]byte{0}); err != nil { // it has begun
		return err
	}
	watching := false
	for {
		data, err := readFrame(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var o order
		if err := json.Unmarshal(data, &o); err != nil {
			return err
		}
		l := o.Limits.whole()
		if !watching {
			watching = true
			confine(l.MemoryBytesMax)
			// Garbage is collected before it counts.
			debug.SetMemoryLimit(l.MemoryBytesMax / 4 * 3)
			go watch(l.MemoryBytesMax)
		}
		answer, err := json.Marshal(perform(context.Background(), o.job, l))
		if err != nil {
			return err
		}
		if err := writeFrame(out, answer); err != nil {
			return err
		}
	}
}

// watch ends the process when its heap is larger than it may be. It lives as long as that.
func watch(most int64) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for range time.Tick(heapEvery) {
		if metrics.Read(samples); samples[0].Value.Uint64() > uint64(most) {
			os.Exit(exitMemory)
		}
	}
}

// frameBytesMax bounds what passes between a worker and who asks it.
const frameBytesMax = 256 << 20

func writeFrame(w io.Writer, data []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > frameBytesMax {
		return nil, fmt.Errorf("a message of %d bytes is too large", n)
	}
	data := make([]byte, n)
	_, err := io.ReadFull(r, data)
	return data, err
}

// pool keeps workers that have nothing to do.
type pool struct {
	command []string
	limits  Limits
	mu      sync.Mutex
	idle    []*worker
	closed  bool
	// rest is how long a worker may have nothing to do; sweeper ends those that had longer.
	rest    time.Duration
	sweeper *time.Timer
}

// worker is a process that runs scripts.
type worker struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	said    *tail
	jobs    int
	since   time.Time // when it had nothing to do
}

// tail keeps the end of what a worker complains of.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.data = append(t.data, b...); len(t.data) > 4096 {
		t.data = t.data[len(t.data)-4096:]
	}
	return len(b), nil
}

func (t *tail) has(s string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.data, []byte(s))
}

// memory reports whether a worker ended for want of memory.
func (t *tail) memory() bool {
	for _, words := range []string{"out of memory", "cannot allocate", "failed to allocate", "cannot map pages", "cannot reserve"} {
		if t.has(words) {
			return true
		}
	}
	return false
}

func (p *pool) take() (*worker, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errors.New("the node stops")
	}
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return w, nil
	}
	p.mu.Unlock()
	w := &worker{said: &tail{}}
	w.process = exec.Command(p.command[0], p.command[1:]...)
	w.process.Env = []string{"GOMAXPROCS=2", "GOTRACEBACK=none", "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
	w.process.Stderr = w.said
	in, err := w.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := w.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.process.Start(); err != nil {
		return nil, err
	}
	w.in, w.out = in, bufio.NewReader(out)
	begun := time.AfterFunc(startTime, func() { _ = w.process.Process.Kill() })
	_, err = w.out.ReadByte()
	begun.Stop()
	if err != nil {
		w.end()
		return nil, errors.New("it ended before it began")
	}
	return w, nil
}

func (p *pool) give(w *worker) {
	p.mu.Lock()
	if !p.closed && w.jobs < jobsMax && len(p.idle) < p.limits.AtOnce {
		w.since = time.Now()
		p.idle = append(p.idle, w)
		if p.sweeper == nil {
			p.sweeper = time.AfterFunc(p.rest, p.sweep)
		}
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	w.end()
}

// sweep ends workers that have had nothing to do for long.
func (p *pool) sweep() {
	p.mu.Lock()
	var over []*worker
	p.idle = slices.DeleteFunc(p.idle, func(w *worker) bool {
		if time.Since(w.since) < p.rest {
			return false
		}
		over = append(over, w)
		return true
	})
	p.sweeper = nil
	if len(p.idle) > 0 && !p.closed {
		p.sweeper = time.AfterFunc(p.rest, p.sweep)
	}
	p.mu.Unlock()
	for _, w := range over {
		w.end()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	if p.sweeper != nil {
		p.sweeper.Stop()
	}
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, w := range idle {
		w.end()
	}
}

// end kills a worker and waits until it is gone.
func (w *worker) end() int {
	_ = w.in.Close()
	_ = w.process.Process.Kill()
	_ = w.process.Wait()
	return w.process.ProcessState.ExitCode()
}

// run runs a script in a worker, which is killed when the time is over. One that has died
// while it had nothing to do is replaced.
func (p *pool) run(ctx context.Context, j job) done {
	text, err := json.Marshal(order{j, p.limits})
	if err != nil {
		return done{Code: codeBroken, Message: err.Error()}
	}
	for {
		w, err := p.take()
		if err != nil {
			return done{Code: codeBroken, Message: "a process for it cannot be started: " + err.Error(), Again: true}
		}
		w.jobs++
		if d, asked := p.with(ctx, w, text); asked || w.jobs == 1 {
			return d
		}
	}
}

// with runs a script in this worker; asked says that it got to know the script.
func (p *pool) with(ctx context.Context, w *worker, text []byte) (d done, asked bool) {
	over := time.AfterFunc(p.limits.Time+lateness, func() { _ = w.process.Process.Kill() })
	off := context.AfterFunc(ctx, func() { _ = w.process.Process.Kill() })
	answer, asked, err := w.ask(text)
	killed, left := !over.Stop(), !off()
	if err == nil {
		if err = json.Unmarshal(answer, &d); err == nil && !killed && !left {
			p.give(w)
			return d, true
		}
		w.end()
		return d, true
	}
	code := w.end()
	switch {
	case code == exitMemory, w.said.memory():
		return done{Code: codeMemory, Message: fmt.Sprintf("it took more than %d MB of memory", p.limits.MemoryBytesMax>>20)}, true
	case left:
		return done{Code: codeTimeout, Message: "it was given up", Again: true}, true
	case killed:
		return late(p.limits), true
	}
	return done{Code: codeBroken, Message: "the process that ran it ended before it did", Again: true}, asked
}

// ask sends a script and reads what came of it.
func (w *worker) ask(text []byte) (answer []byte, asked bool, err error) {
	if err := writeFrame(w.in, text); err != nil {
		return nil, false, err
	}
	answer, err = readFrame(w.out)
	return answer, true, err
}
