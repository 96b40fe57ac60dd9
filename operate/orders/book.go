package orders

import (
	"slices"
	"time"
)

// ordersMax bounds the orders of one book, some 100 bytes each.
const ordersMax = 1 << 20

// Book is the account of a run: for each order what is known of it. It is pure; the
// times come with what happened.
type Book struct {
	subscribers []string
	orders      []order // by number
	acks        []time.Time
	out         []time.Time
	failed      uint64
	repeated    int
}

// order is one order.
type order struct {
	sent, acknowledged time.Time
	deliveries         int
	completed          time.Time // its completion was acknowledged
	done               []int64   // sequence numbers under which it was completed
	again              int       // deliveries of those afterwards
	first              int64     // sequence number it was delivered under first
	twice              bool      // it was stored under another one too
	published          bool      // the event about it was acknowledged
	events             uint32    // subscribers that got the event, by bit
}

// NewBook begins an account with the subscribers of the topic.
func NewBook(subscribers ...string) *Book { return &Book{subscribers: subscribers} }

// Send enters an order and returns its number; false: the book is full.
func (b *Book) Send(at time.Time) (int, bool) {
	if len(b.orders) == ordersMax {
		return 0, false
	}
	b.orders = append(b.orders, order{sent: at})
	return len(b.orders) - 1, true
}

// Acknowledged tells that the broker has taken an order.
func (b *Book) Acknowledged(n int, at time.Time) {
	b.orders[n].acknowledged = at
	b.acks = append(b.acks, at)
}

// Failed tells that a send had no answer, or no good one. It may still arrive.
func (b *Book) Failed() { b.failed++ }

// Delivered tells that an order came to the worker, under a sequence number; false:
// nobody sent it.
func (b *Book) Delivered(n int, sequence int64, at time.Time) bool {
	if n < 0 || n >= len(b.orders) {
		return false
	}
	o := &b.orders[n]
	o.deliveries++
	b.out = append(b.out, at)
	if o.deliveries == 1 {
		o.first = sequence
	}
	o.twice = o.twice || sequence != o.first
	if slices.Contains(o.done, sequence) {
		o.again++
		b.repeated++
	}
	return true
}

// Completed tells that the broker has taken the completion of an order.
func (b *Book) Completed(n int, sequence int64, at time.Time) {
	o := &b.orders[n]
	if o.completed.IsZero() {
		o.completed = at
	}
	o.done = append(o.done, sequence)
}

// Published tells that the broker has taken the event about an order.
func (b *Book) Published(n int) { b.orders[n].published = true }

// Heard tells that a subscriber got the event about an order.
func (b *Book) Heard(n int, subscriber string) {
	if i := slices.Index(b.subscribers, subscriber); i >= 0 && n >= 0 && n < len(b.orders) {
		b.orders[n].events |= 1 << i
	}
}

// Account is what became of the orders.
type Account struct {
	Sent         int `json:"sent"`
	Acknowledged int `json:"acknowledged"`
	Processed    int `json:"processed"` // delivered to the worker at least once
	Completed    int `json:"completed"`
	// Lost were acknowledged and never came; Missing subscribers' events were acknowledged
	// and did not come to all of them.
	Lost    int `json:"lost"`
	Missing int `json:"missingEvents"`
	// Repeated are deliveries of messages whose completion had been acknowledged;
	// Redelivered those of others that had been delivered before; Twice are orders that
	// came as two messages: their send had no answer and was tried again, or they were
	// brought back by a salvage.
	Repeated    int    `json:"repeated"`
	Twice       int    `json:"twice"`
	Redelivered int    `json:"redelivered"`
	Failed      uint64 `json:"failedSends"`
	LostOrders  []int  `json:"lostOrders,omitempty"` // at most 100 of them
}

const lostShown = 100

// Account adds everything up.
func (b *Book) Account() Account {
	a := Account{Sent: len(b.orders), Failed: b.failed}
	everybody := uint32(1)<<len(b.subscribers) - 1
	for n := range b.orders {
		o := &b.orders[n]
		if o.deliveries > 0 {
			a.Processed++
			a.Redelivered += o.deliveries - 1 - o.again
		}
		a.Repeated += o.again
		if o.twice {
			a.Twice++
		}
		if !o.completed.IsZero() {
			a.Completed++
		}
		if o.published && o.events != everybody {
			a.Missing++
		}
		if o.acknowledged.IsZero() {
			continue
		}
		a.Acknowledged++
		if o.deliveries == 0 {
			a.Lost++
			if len(a.LostOrders) < lostShown {
				a.LostOrders = append(a.LostOrders, n)
			}
		}
	}
	return a
}

// Gap is a time in which nothing was acknowledged (or delivered), seen by clients.
type Gap struct {
	From, To time.Time
}

// Seconds is how long it was.
func (g Gap) Seconds() float64 { return g.To.Sub(g.From).Seconds() }

// Silence returns the longest time without an acknowledged send that ended between two
// moments: what clients saw of an outage.
func (b *Book) Silence(from, to time.Time) Gap { return longest(b.acks, from, to) }

// Stillness is the same of deliveries.
func (b *Book) Stillness(from, to time.Time) Gap { return longest(b.out, from, to) }

func longest(times []time.Time, from, to time.Time) Gap {
	sorted := slices.Clone(times)
	slices.SortFunc(sorted, time.Time.Compare)
	var gap Gap
	for i := 1; i < len(sorted); i++ {
		if sorted[i].Before(from) || sorted[i-1].After(to) {
			continue
		}
		if sorted[i].Sub(sorted[i-1]) > gap.To.Sub(gap.From) {
			gap = Gap{sorted[i-1], sorted[i]}
		}
	}
	return gap
}

// Slice is how much happened in a stretch of time.
type Slice struct {
	In  int `json:"in"`  // acknowledged sends
	Out int `json:"out"` // deliveries
}

// Slices cuts the run into stretches of a length, from a moment on.
func (b *Book) Slices(from time.Time, each time.Duration) []Slice {
	var all []Slice
	count := func(times []time.Time, add func(*Slice)) {
		for _, at := range times {
			i := int(at.Sub(from) / each)
			if i < 0 || i > 1<<16 {
				continue
			}
			for len(all) <= i {
				all = append(all, Slice{})
			}
			add(&all[i])
		}
	}
	count(b.acks, func(s *Slice) { s.In++ })
	count(b.out, func(s *Slice) { s.Out++ })
	return all
}
