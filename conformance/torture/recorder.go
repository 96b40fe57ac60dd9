package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"weir/conformance/torture/ledger"
)

// recorder writes the history down, for all clients of a run.
type recorder struct {
	clock        atomic.Int64
	sends        atomic.Int64
	acknowledged atomic.Int64
	completed    atomic.Int64
	runs         atomic.Int64 // of workflows, that were accepted
	bus, flows   bool         // what is at work

	mu       sync.Mutex
	h        ledger.History
	holdings int
	behind   map[string]int // acknowledged and not completed, by target
	errors   map[string]Failure
}

// Failure is how often calls failed in one way, and what the first one said.
type Failure struct {
	Count int    `json:"count"`
	First string `json:"first"`
}

func newRecorder() *recorder {
	return &recorder{errors: map[string]Failure{}, behind: map[string]int{}, h: ledger.History{Places: []ledger.Place{
		{Name: plain, Target: plain},
		{Name: sessions, Target: sessions},
		{Name: scheduled, Target: scheduled},
		{Name: topic + "/one", Target: topic},
		{Name: topic + "/two", Target: topic},
		{Name: volatile, Target: volatile, Volatile: true, InFlight: volatileReceivers * receiveMax},
	}}}
}

// now is the next instant.
func (r *recorder) now() ledger.Instant { return ledger.Instant(r.clock.Add(1)) }

// progress says what was done up to now.
func (r *recorder) progress() string {
	var all []string
	if r.bus {
		all = append(all, fmt.Sprintf("%d acknowledged, %d completed", r.acknowledged.Load(), r.completed.Load()))
	}
	if r.flows {
		all = append(all, fmt.Sprintf("%d runs accepted", r.runs.Load()))
	}
	return strings.Join(all, ", ")
}

// sent writes down a send that has ended.
func (r *recorder) sent(err error, sends ...ledger.Send) {
	end := r.now()
	r.sends.Add(int64(len(sends)))
	if err == nil {
		r.acknowledged.Add(int64(len(sends)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range sends {
		s.End, s.Outcome = end, outcome(err)
		if err == nil {
			r.behind[s.Target]++
		}
		r.h.Sends = append(r.h.Sends, s)
	}
	r.blame("send", err)
}

func (r *recorder) cancelled(id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Cancels = append(r.h.Cancels, ledger.Cancel{ID: id, Outcome: outcome(err)})
	r.blame("cancel", err)
}

func (r *recorder) delivered(d ledger.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.At, d.Wall = r.now(), time.Now().UnixMilli()
	r.h.Deliveries = append(r.h.Deliveries, d)
}

func (r *recorder) settled(s ledger.Settle, err error) {
	s.End, s.Outcome = r.now(), outcome(err)
	if s.Verb == ledger.Complete && err == nil {
		r.completed.Add(1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Settles = append(r.h.Settles, s)
	if s.Verb == ledger.Complete && err == nil {
		r.behind[strings.TrimSuffix(s.Place, "/one")]--
	}
	r.blame("settle", err)
}

// held writes down that a session was given to a receiver.
func (r *recorder) held(place, session string, asked ledger.Instant) (holding int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holdings++
	r.h.Holdings = append(r.h.Holdings, ledger.Holding{ID: r.holdings, Place: place, Session: session, Asked: asked, Accepted: r.now()})
	return r.holdings
}

func (r *recorder) outage(o ledger.Outage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Outages = append(r.h.Outages, o)
}

// backlog is how many messages of a target are acknowledged and not completed.
func (r *recorder) backlog(target string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.behind[target]
}

// tail writes down what a location had alone.
func (r *recorder) tail(t ledger.Tail) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Tails = append(r.h.Tails, t)
}

// skewed writes down that a broker's clock is off from now on.
func (r *recorder) skewed(off time.Duration, pace float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Skews = append(r.h.Skews, ledger.Skew{Wall: time.Now().UnixMilli(), Ahead: off.Milliseconds(), Gains: pace - 1})
}

func (r *recorder) remaining(place string, ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.h.Places {
		if r.h.Places[i].Name == place {
			r.h.Places[i].Remaining = ids
		}
	}
}

// failed counts an error of a call that the ledger does not ask about.
func (r *recorder) failed(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blame(what, err)
}

func (r *recorder) blame(what string, err error) {
	if err == nil {
		return
	}
	kind := what + ": " + kindOf(err)
	f := r.errors[kind]
	if f.Count++; f.Count == 1 {
		f.First = fmt.Sprintf("%.200s", err)
	}
	r.errors[kind] = f
}

func (r *recorder) failures() map[string]Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.errors
}

func (r *recorder) history() *ledger.History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &r.h
}

// outcome is what a call's error says about whether it happened. Only a lost
// lock is a plain no; every other error leaves it open.
func outcome(err error) ledger.Outcome {
	var coded *azservicebus.Error
	switch {
	case err == nil:
		return ledger.Confirmed
	case errors.As(err, &coded) && coded.Code == azservicebus.CodeLockLost:
		return ledger.Refused
	default:
		return ledger.Unknown
	}
}

// kindOf names an error briefly, for the table of errors.
func kindOf(err error) string {
	var coded *azservicebus.Error
	var refused *amqp.Error
	switch {
	case errors.As(err, &coded):
		return string(coded.Code)
	case errors.As(err, &refused):
		return string(refused.Condition)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "out of time"
	default:
		return fmt.Sprintf("%.80s", err)
	}
}

// saveHistory writes a history to a file; nil is none.
func saveHistory[H any](path string, h *H) error {
	if h == nil {
		return nil
	}
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
