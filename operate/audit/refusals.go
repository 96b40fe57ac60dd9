package audit

import (
	"net"
	"sync"

	kernel "weir/kernel/audit"
)

// KindsMax is how many kinds of refusals a node tells apart in a second.
const KindsMax = 200

// refusals are those that have gathered since they were last taken.
type refusals struct {
	mu     sync.Mutex
	order  []kind // as they first came
	counts map[kind]*kernel.Entry
	others kernel.Entry // beyond KindsMax
}

// kind is what refusals share that are one entry.
type kind struct{ caller, object, action, scope, door, host, code string }

func kindOf(e kernel.Entry) kind {
	host, _, err := net.SplitHostPort(e.Peer) // each connection has a port of its own
	if err != nil {
		host = e.Peer
	}
	return kind{e.Caller, e.Object, e.Action, e.Scope, e.Door, host, e.Code}
}

func (r *refusals) add(e kernel.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := kindOf(e)
	switch have := r.counts[k]; {
	case have != nil:
		merge(have, e)
	case len(r.order) < KindsMax:
		if r.counts == nil {
			r.counts = map[kind]*kernel.Entry{}
		}
		r.order = append(r.order, k)
		r.counts[k] = &e
	default:
		more := kernel.Entry{Time: e.Time, Outcome: kernel.Refused, Code: "More", Reason: "Refusals of more kinds than are told apart in a second; the log of the process has each of them at the level debug."}
		if r.others.Time.IsZero() {
			r.others = more
		} else {
			merge(&r.others, more)
		}
	}
}

// merge counts one more in an entry.
func merge(have *kernel.Entry, e kernel.Entry) {
	if have.Count == 0 {
		have.First, have.Count = have.Time, 1
	}
	have.Count++
	have.Time = e.Time
}

// take gives what has gathered, and begins anew.
func (r *refusals) take() []kernel.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []kernel.Entry
	for _, k := range r.order {
		all = append(all, *r.counts[k])
	}
	if !r.others.Time.IsZero() {
		all = append(all, r.others)
	}
	r.order, r.counts, r.others = nil, nil, kernel.Entry{}
	return all
}
