package server

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Router is the network between namespaces: every packet from one to another passes
// here, where it is late, lost, or ends because the line is cut, one way or both.
type Router struct {
	ends  []*Net
	lines [][]*line // from, to
	work  sync.WaitGroup
}

// line leads one way from one namespace to another.
type line struct {
	to    *Net
	cut   atomic.Bool
	delay atomic.Int64 // nanoseconds
	loss  atomic.Int64 // of a million packets
	under chan parcel
}

// lineBytesMax is the longest packet on a line.
const lineBytesMax = 60_000

// packetsMax bounds what is under way on one line; what comes beyond it is lost, as on
// a real one.
const packetsMax = 8192

// NewRouter makes a namespace for each name, all on one net.
func NewRouter(names ...string) (*Router, error) {
	r := &Router{}
	prefix := fmt.Sprintf("10.%d.%d.", 64+rand.IntN(64), rand.IntN(256)) // seen inside alone
	for i, name := range names {
		n, err := newNet(name, prefix+fmt.Sprint(i+1))
		if err != nil {
			_ = r.close()
			return nil, err
		}
		r.ends = append(r.ends, n)
	}
	for range r.ends {
		var ways []*line
		for _, to := range r.ends {
			ways = append(ways, &line{to: to, under: make(chan parcel, packetsMax)})
		}
		r.lines = append(r.lines, ways)
	}
	for i, from := range r.ends {
		r.work.Go(func() { r.pass(from, r.lines[i]) })
	}
	return r, nil
}

// Net is the one of a name.
func (r *Router) Net(name string) *Net { return r.ends[r.index(name)] }

func (r *Router) index(name string) int {
	for i, n := range r.ends {
		if n.name == name {
			return i
		}
	}
	panic("no namespace " + name) // names are given by this package
}

func (r *Router) line(from, to string) *line { return r.lines[r.index(from)][r.index(to)] }

// Mute lets nothing pass from one to another, though it may come back; or again.
func (r *Router) Mute(from, to string, cut bool) { r.line(from, to).cut.Store(cut) }

// Delay makes everything from one to another arrive so much later.
func (r *Router) Delay(from, to string, d time.Duration) { r.line(from, to).delay.Store(int64(d)) }

// Lose loses a share of the packets from one to another.
func (r *Router) Lose(from, to string, share float64) {
	r.line(from, to).loss.Store(int64(share * 1e6))
}

// Mend ends all cuts and losses; delays stay.
func (r *Router) Mend() {
	for _, ways := range r.lines {
		for _, l := range ways {
			l.cut.Store(false)
			l.loss.Store(0)
		}
	}
}

// pass takes what leaves a namespace and puts it on the line it is for.
func (r *Router) pass(from *Net, ways []*line) {
	var carriers sync.WaitGroup
	for _, l := range ways {
		carriers.Go(l.carry)
	}
	packet := make([]byte, lineBytesMax+100)
	for {
		n, err := from.receive(packet)
		if err != nil {
			break
		}
		const version4, shortest, lastOfDestination = 4, 20, 19
		if n < shortest || packet[0]>>4 != version4 {
			continue
		}
		to := int(packet[lastOfDestination]) - 1
		if to < 0 || to >= len(ways) || ways[to].drops() {
			continue
		}
		select {
		case ways[to].under <- parcel{append([]byte(nil), packet[:n]...), time.Now().Add(time.Duration(ways[to].delay.Load()))}:
		default:
		}
	}
	for _, l := range ways {
		close(l.under)
	}
	carriers.Wait()
}

func (l *line) drops() bool {
	loss := l.loss.Load()
	return l.cut.Load() || loss > 0 && rand.Int64N(1e6) < loss
}

// carry has packets arrive, in order, each when it is due. What is under way when the
// line is cut is lost.
func (l *line) carry() {
	for p := range l.under {
		if wait := time.Until(p.due); wait > 0 {
			time.Sleep(wait)
		}
		if !l.cut.Load() {
			_ = l.to.send(p.data) // a namespace that is gone hears nothing
		}
	}
}

// close ends the lines. The namespaces end with the processes in them.
func (r *Router) close() error {
	var first error
	for _, n := range r.ends {
		if err := n.close(); err != nil && first == nil {
			first = err
		}
	}
	r.work.Wait()
	return first
}
