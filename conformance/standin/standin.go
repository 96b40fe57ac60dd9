// Package standin is the world outside a workflow: an HTTP service that actions call,
// that hooks subscribe at and that triggers poll, and that writes down every call.
//
// It stands in for the services that workflows integrate, outside the process that is
// tried: what it was called for is what was done, whatever the process says.
//
// Promises:
//  1. A call is written down when it comes, and how it was answered before the first byte
//     of the answer goes out: what the caller does next comes later.
//  2. It refuses calls when it is told to, with the share and the kinds that it is told:
//     late, 500, a connection that ends without an answer.
//  3. An item that was offered stays: a poller that asks with the same cursor gets the same.
//
// Addresses:
//
//	POST /call/{workflow}/{action}?token=&run=&item=    carried out; {"token", "item", "run"}
//	POST /slow/{workflow}/{action}?...                  the same, later: 202, Location
//	POST /hook/{workflow}/{action}?...&callback=        a subscription: the callback is called
//	POST /leave/{workflow}/{action}?...                 its end, never refused
//	POST /call/bench                                    carried out, and nothing is written down
//	GET  /items/{source}?after=N                        [{"n": N+1}, ...] and Location, or 202
//
// It does not know what a workflow is: the key of a call and the number of its attempt are
// headers.
package standin

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"weir/conformance/torture/ledger"
)

// Headers of a call.
const (
	KeyHeader     = "Weir-Idempotency-Key"
	AttemptHeader = "Weir-Attempt"
)

// Options say how it behaves.
type Options struct {
	// Now gives the instants of calls. Nil counts by itself.
	Now func() ledger.Instant
	// Failing and Dropping are the share of calls, of a thousand, that are answered 500 and
	// not at all; Slow is that of calls that take up to SlowMost.
	Failing, Dropping, Slow int
	SlowMost                time.Duration
	Seed                    uint64
	// Call calls a callback back; nil does it as it is written.
	Call func(url string, body []byte) (status int, answer string, err error)
}

// bodyBytesMax bounds what is read of a request.
const bodyBytesMax = 1 << 20

// itemsMax bounds what a poller gets at once.
const itemsMax = 20

// Service is the stand-in.
type Service struct {
	options Options
	server  *http.Server
	done    chan struct{}
	hooks   sync.WaitGroup
	quick   atomic.Int64
	count   atomic.Int64

	mu     sync.Mutex
	random *rand.Rand
	calls  []*ledger.Call
	slow   map[string]*later
	items  map[string]int
	odd    map[string]int // requests that are no good, by what is wrong with them
}

// New makes one; Serve has it answer.
func New(o Options) *Service {
	s := &Service{
		options: o, done: make(chan struct{}), random: rand.New(rand.NewPCG(o.Seed, 3)),
		slow: map[string]*later{}, items: map[string]int{}, odd: map[string]int{},
	}
	if s.options.Now == nil {
		s.options.Now = func() ledger.Instant { return ledger.Instant(s.count.Add(1)) }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /call/bench", s.bench)
	mux.HandleFunc("POST /call/{workflow}/{action}", s.call)
	mux.HandleFunc("POST /slow/{workflow}/{action}", s.begin)
	mux.HandleFunc("GET /slow/{id}", s.ask)
	mux.HandleFunc("POST /hook/{workflow}/{action}", s.hook)
	mux.HandleFunc("POST /leave/{workflow}/{action}", s.leave)
	mux.HandleFunc("GET /items/{source}", s.poll)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.wrong(fmt.Sprintf("%s %s", r.Method, r.URL.Path))
		http.Error(w, "the stand-in has no such address", http.StatusNotFound)
	})
	s.server = &http.Server{Handler: mux}
	return s
}

// Serve answers what comes to some listeners, until Stop.
func (s *Service) Serve(listeners ...net.Listener) {
	for _, l := range listeners {
		go func() { _ = s.server.Serve(l) }()
	}
}

// Stop ends it.
func (s *Service) Stop() {
	close(s.done)
	_ = s.server.Close()
	s.hooks.Wait()
}

// Calls are all calls that were written down, in the order they came.
func (s *Service) Calls() []ledger.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]ledger.Call, len(s.calls))
	for i, c := range s.calls {
		all[i] = *c
	}
	return all
}

// Count is how many calls were written down.
func (s *Service) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// Quick is how many calls of /call/bench were answered.
func (s *Service) Quick() int64 { return s.quick.Load() }

// Odd are requests that could not be understood, and how often each came.
func (s *Service) Odd() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	odd := map[string]int{}
	for what, n := range s.odd {
		odd[what] = n
	}
	return odd
}

// oddMax bounds what is remembered of requests that are no good.
const oddMax = 100

func (s *Service) wrong(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.odd) < oddMax || s.odd[what] > 0 {
		s.odd[what]++
	}
}

func (s *Service) bench(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, bodyBytesMax))
	s.quick.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
}

// record writes a call down; its answer comes with said.
func (s *Service) record(r *http.Request) *ledger.Call {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, bodyBytesMax))
	q := r.URL.Query()
	attempt, err := strconv.Atoi(r.Header.Get(AttemptHeader))
	if err != nil || r.Header.Get(KeyHeader) == "" {
		s.wrong(fmt.Sprintf("%s without %s and %s", r.URL.Path, KeyHeader, AttemptHeader))
	}
	c := &ledger.Call{
		Workflow: r.PathValue("workflow"), Action: r.PathValue("action"),
		Token: q.Get("token"), Run: q.Get("run"), Item: q.Get("item"), Key: r.Header.Get(KeyHeader), Attempt: attempt,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.At, c.Wall = s.options.Now(), time.Now().UnixMilli()
	s.calls = append(s.calls, c)
	return c
}

// said writes down how a call is answered.
func (s *Service) said(c *ledger.Call, said ledger.Said) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.End, c.Said = s.options.Now(), said
}

// fault draws what goes wrong with a call, and how much later it is answered.
func (s *Service) fault() (said ledger.Said, late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.random.IntN(1000) < s.options.Slow && s.options.SlowMost > 0 {
		late = time.Duration(s.random.Int64N(int64(s.options.SlowMost)))
	}
	switch n := s.random.IntN(1000); {
	case n < s.options.Failing:
		return ledger.Failed, late
	case n < s.options.Failing+s.options.Dropping:
		return ledger.Lost, late
	}
	return ledger.Done, late
}

// answers carries out a call, or not, and reports whether it did.
func (s *Service) answers(w http.ResponseWriter, r *http.Request) (c *ledger.Call, done bool) {
	c = s.record(r)
	said, late := s.fault()
	if late > 0 {
		select {
		case <-time.After(late):
		case <-r.Context().Done():
		case <-s.done:
		}
	}
	switch said {
	case ledger.Failed:
		s.said(c, said)
		http.Error(w, "the stand-in was told to fail", http.StatusInternalServerError)
	case ledger.Lost:
		s.said(c, said)
		panic(http.ErrAbortHandler)
	}
	return c, said == ledger.Done
}

func (s *Service) call(w http.ResponseWriter, r *http.Request) {
	if c, done := s.answers(w, r); done {
		s.said(c, ledger.Done)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"token":%q,"item":%q,"run":%q}`, c.Token, c.Item, c.Run)
	}
}

// Offer has a source have so many items.
func (s *Service) Offer(source string, items int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[source] = items
}

// poll gives what comes after a cursor, which is the number of the last item before it.
func (s *Service) poll(w http.ResponseWriter, r *http.Request) {
	source := r.PathValue("source")
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		s.wrong(fmt.Sprintf("/items/%s after %q", source, r.URL.Query().Get("after")))
		http.Error(w, "after must be a number", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	there := s.items[source]
	s.mu.Unlock()
	last := min(there, after+itemsMax)
	next := max(after, last)
	again := "1"
	if last < there {
		again = "0" // at once: there is more
	}
	w.Header().Set("Location", fmt.Sprintf("http://%s/items/%s?after=%d", r.Host, source, next))
	w.Header().Set("Retry-After", again)
	w.Header().Set("Content-Type", "application/json")
	if next == after {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	fmt.Fprint(w, "[")
	for n := after + 1; n <= last; n++ {
		if n > after+1 {
			fmt.Fprint(w, ",")
		}
		fmt.Fprintf(w, `{"n":%d,"token":"%s-%d"}`, n, source, n)
	}
	fmt.Fprint(w, "]")
}
