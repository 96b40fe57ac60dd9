package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// partner is the world outside the locations: somebody who drops orders as files, and the
// HTTP service that charges for them. It knows nothing of locations: it counts.
type partner struct {
	dir     string // with in and out
	server  *http.Server
	address string

	mu      sync.Mutex
	dropped int
	charges map[string]map[string]int // calls, by order and by key
	calls   int
	last    time.Time // a charge was made
	gap     time.Duration
	gapFrom time.Time // from when on gaps count
}

// chargeTakes is how long the service thinks about a charge, so that some are always under
// way.
const chargeTakes = 100 * time.Millisecond

func newPartner(dir string) (*partner, error) {
	p := &partner{dir: dir, charges: map[string]map[string]int{}}
	for _, name := range []string{"in", "out"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		return nil, err
	}
	p.address = "http://" + l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", p.charge)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = p.server.Serve(l) }() // ends with stop
	return p, nil
}

func (p *partner) stop() { _ = p.server.Close() }

// charge charges for an order. A call with a key that it knows is the same call again: it
// gets the same answer, and nothing is charged.
func (p *partner) charge(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Order string `json:"order"`
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil || json.Unmarshal(data, &order) != nil || order.Order == "" {
		http.Error(w, `{"message": "this is no order"}`, http.StatusBadRequest)
		return
	}
	p.note(order.Order, r.Header.Get("Weir-Idempotency-Key"))
	select {
	case <-time.After(chargeTakes):
	case <-r.Context().Done(): // who asked is gone
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"charge": "charge-for-%s"}`, order.Order)
}

// note writes a call down.
func (p *partner) note(order, key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	keys := p.charges[order]
	if keys == nil {
		keys = map[string]int{}
		p.charges[order] = keys
	}
	if keys[key]++; keys[key] > 1 {
		return
	}
	now := time.Now()
	if !p.gapFrom.IsZero() && !p.last.IsZero() {
		p.gap = max(p.gap, now.Sub(p.last))
	}
	p.last = now
}

// drop puts orders into the folder, some a second, until ctx ends. A file has its name when
// it is whole.
func (p *partner) drop(ctx context.Context, rate int) error {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := 1; ; n++ {
		name := fmt.Sprintf("order-%05d", n)
		text := fmt.Sprintf(`{"order": %q, "amount": %d}`, name, n%100+1)
		hidden, whole := filepath.Join(p.dir, name+".part"), filepath.Join(p.dir, "in", name+".json")
		if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
			return err
		}
		if err := os.Rename(hidden, whole); err != nil {
			return err
		}
		p.mu.Lock()
		p.dropped = n
		p.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// watchGap counts the longest silence between two charges from now on.
func (p *partner) watchGap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gapFrom, p.gap = time.Now(), 0
}

// count is how the orders are, seen from outside.
type count struct {
	Dropped  int // files that were put there
	Waiting  int // files that are still there
	Charged  int // orders that were charged for
	Twice    int // that were charged for more than once
	Results  int // result files
	Repeated int // calls that came again with their key
	Gap      time.Duration
	Last     time.Time
}

// ended reports whether every order was charged for and has its result.
func (c count) ended() bool {
	return c.Charged == c.Dropped && c.Results == c.Dropped && c.Waiting == 0
}

func (p *partner) count() count {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := count{Dropped: p.dropped, Charged: len(p.charges), Gap: p.gap, Last: p.last, Waiting: files(filepath.Join(p.dir, "in")), Results: files(filepath.Join(p.dir, "out"))}
	for _, keys := range p.charges {
		if len(keys) > 1 {
			c.Twice++
		}
		for _, n := range keys {
			c.Repeated += n - 1
		}
	}
	return c
}

// files counts those of orders in a folder.
func files(dir string) int {
	all, err := filepath.Glob(filepath.Join(dir, "order-*.json"))
	if err != nil {
		return 0
	}
	return len(all)
}
