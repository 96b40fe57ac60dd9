package core

import "weir/kernel/journal/record"

// Ready is what the driver must do now, in this order: end what was lost, submit
// the append and say Submitted, run the reveals.
type Ready struct {
	// Append is one batch to append, nil for none.
	Append *Append
	// Reveals are to be run, in order.
	Reveals []func()
	// Gained is the epoch of an ownership that has begun, or 0.
	Gained uint64
	// Lost is the ownership that has ended, or nil.
	Lost *Loss
}

// Append is one batch for the log.
type Append struct {
	// ID names it in Submitted, Appended and AppendFailed. IDs grow.
	ID uint64
	// After is the tail the log must have.
	After record.Tail
	// Epoch is the ownership it belongs to.
	Epoch uint64
	// Facts counts what is in it.
	Facts int
	// Data is the batch. It is used again after Submitted: copy what must last.
	Data []byte
}

// Loss tells how an ownership ended.
type Loss struct {
	Epoch uint64
	Why   Why
	// Err is the append's error, or nil.
	Err error
}

// Why says what ended an ownership.
type Why uint8

const (
	// LeaseEnded: the lease ran out, was taken, or was given up.
	LeaseEnded Why = iota
	// AppendLost: an append was fenced or its outcome is unknown.
	AppendLost
)

// String names the reason.
func (w Why) String() string { return [...]string{"lease ended", "append failed"}[w] }

// flight is a batch under way.
type flight struct {
	id        uint64
	kind      kind
	epoch     uint64
	bytes     int
	data      []byte      // until it is submitted
	next      record.Tail // behind it, once it is submitted
	submitted bool
	reveals   []func()
}

// Ready returns what must be done since the last call. The open batch leaves if
// none is in flight and it is not kept, or if it is large and there is room in the
// pipeline.
func (r *Replica) Ready() Ready {
	if r.open.count > 0 && r.role == Owner && (r.sealing || r.Full() || len(r.flight) == 0 && !r.kept) {
		r.send(facts, r.epoch)
	}
	out := r.ready
	r.ready = Ready{}
	return out
}

// Full reports that the open batch should leave before the next turn: the driver
// calls Ready between turns then, not only after all that is waiting.
func (r *Replica) Full() bool {
	return len(r.open.data) >= eagerBytes && len(r.flight) < inFlightMax
}

// Blocked reports that the open batch is as large as it may get and can not
// leave: the next turn has to wait for an append.
func (r *Replica) Blocked() bool {
	return len(r.open.data) >= gatherBytesMax && len(r.flight) >= inFlightMax
}

// Seal makes the open batch leave with the next Ready whatever is in flight: for
// a snapshot, which needs a boundary, and for a drain.
func (r *Replica) Seal() { r.sealing = r.open.count > 0 }

// Keep lets the open batch stay although none is in flight, or no longer so: more
// turns are about to come. The driver bounds for how long.
func (r *Replica) Keep(on bool) { r.kept = on }

// Gathered is how many facts the open batch holds.
func (r *Replica) Gathered() int { return int(r.open.count) }

// Urgent reports that a turn which recorded nothing waits for the open batch: it
// asks for what is there already, and would be held up by facts of others.
func (r *Replica) Urgent() bool { return r.open.urgent }

// Idle reports that all that was recorded is durable.
func (r *Replica) Idle() bool { return r.open.count == 0 && len(r.flight) == 0 }

// send puts the open batch under way.
func (r *Replica) send(k kind, epoch uint64) {
	must(r.ready.Append == nil && !r.unsubmitted(), "an append was not submitted")
	r.open.seal(k, r.clock.last)
	r.ids++
	f := &flight{id: r.ids, kind: k, epoch: epoch, bytes: len(r.open.data), data: r.open.data, reveals: r.open.reveals}
	r.flight = append(r.flight, f)
	r.ready.Append = &Append{ID: f.id, After: r.next, Epoch: epoch, Facts: int(r.open.count), Data: r.open.data}
	r.open, r.sealing = batch{}, false
}

func (r *Replica) unsubmitted() bool {
	n := len(r.flight)
	return n > 0 && !r.flight[n-1].submitted
}

// Submitted says that the append is on its way, that the log has a copy of its
// data, and what the log's tail will be behind it. It must be called before the
// next turn: the places of the facts that follow depend on it.
func (r *Replica) Submitted(id uint64, next record.Tail) {
	if n := len(r.flight); n > 0 && r.flight[n-1].id == id {
		f := r.flight[n-1]
		f.next, f.submitted = next, true
		r.next = next
		if r.spare = f.data[:0]; cap(r.spare) > spareBytesMax {
			r.spare = nil
		}
		f.data = nil
	}
}

// Appended says that an append is durable. Answers come in the order of the
// appends; one that belongs to a lost ownership is ignored.
func (r *Replica) Appended(id uint64) {
	if !r.flying(id) {
		return
	}
	f := r.flight[0]
	must(f.id == id && f.submitted, "appended: answers must come in order")
	r.flight = append(r.flight[:0], r.flight[1:]...)
	r.tail = f.next
	r.logged += f.bytes
	if f.kind == opening {
		r.role, r.epoch, r.ready.Gained = Owner, f.epoch, f.epoch
	}
	if r.ready.Reveals == nil {
		r.ready.Reveals = f.reveals
	} else {
		r.ready.Reveals = append(r.ready.Reveals, f.reveals...)
	}
}

// AppendFailed says that an append was fenced or that nobody knows what became of
// it. An owner loses everything it has not revealed; a candidate folds on and may
// open again.
func (r *Replica) AppendFailed(id uint64, err error) {
	if !r.flying(id) {
		return
	}
	if r.role == Owner {
		r.lose(AppendLost, err)
		return
	}
	r.unopen()
}

func (r *Replica) flying(id uint64) bool {
	for _, f := range r.flight {
		if f.id == id {
			return true
		}
	}
	return false
}

// lose ends the ownership: nothing that was not revealed ever will be.
func (r *Replica) lose(why Why, err error) {
	r.ready = Ready{Lost: &Loss{Epoch: r.epoch, Why: why, Err: err}}
	r.role = Follower
	r.drop()
}
