package broker

import (
	"math/bits"
	"sort"
)

// state says what a slot holds. The number is stored.
type state uint8

const (
	empty     state = 0
	active    state = 1 // ready or locked
	deferred  state = 2
	scheduled state = 3
)

// slot is one message of a mailbox: all that memory keeps of it beside its payload.
type slot struct {
	enqueued int64  // when it was accepted, ms
	due      int64  // when it expires (0 never), or becomes active if scheduled; ms
	payload  uint32 //
	session  uint32 // text; 0 when the message has no session id
	extra    uint32 // what few messages have
	lock     uint32 // the owner's; not part of the state
	count    uint32 // failed deliveries
	state    state
	reason   reason
	hops     uint8
}

const (
	segmentBits  = 6
	segmentSlots = 1 << segmentBits
	segmentMask  = segmentSlots - 1
)

// segment is 64 consecutive sequence numbers of a mailbox.
type segment struct {
	links   *[segmentSlots]link // of mailboxes with sessions
	num     int64               // sequence number / 64
	used    uint64              // bit for each slot that holds a message
	ready   uint64              // bit for each message that may be delivered
	expiry  due                 // no later than the earliest expiry of its ready messages
	opening due                 // no later than the earliest activation of its scheduled messages
	slots   [segmentSlots]slot
}

// due is a time at which a segment wants to be looked at, and its place in the
// mailbox's heap of such times.
type due struct {
	at    int64 // ms; 0 none
	place int32 // in the heap plus one; 0 not in it
}

// link places a message in its session: sequence numbers, 0 none.
type link struct {
	prev, next int64
	session    uint32
}

// segments finds segments by sequence number and walks them in order. Segments
// without messages are not kept, so that one old message holds one segment, not
// all that came after it.
type segments struct {
	refs []segmentRef // ascending; those before head and those without segment are gone
	head int
	live int
}

type segmentRef struct {
	num     int64
	segment *segment
}

// place returns where the segment with that number is, or where the next one
// after it would be.
func (s *segments) place(num int64) int {
	n := len(s.refs)
	if s.head == n || num <= s.refs[s.head].num {
		return s.head
	}
	// Most of the time there are no holes.
	if i := s.head + int(min(num-s.refs[s.head].num, int64(n))); i < n && s.refs[i].num == num {
		return i
	}
	if num > s.refs[n-1].num {
		return n
	}
	return s.head + sort.Search(n-s.head, func(i int) bool { return s.refs[s.head+i].num >= num })
}

// find returns the segment that holds a sequence number, nil when there is none.
func (s *segments) find(seq int64) *segment {
	num := seq >> segmentBits
	if i := s.place(num); i < len(s.refs) && s.refs[i].num == num {
		return s.refs[i].segment
	}
	return nil
}

// from returns the first segment that holds a message with a sequence number of
// at least seq, or the one in which seq itself lies; nil when there is none.
func (s *segments) from(seq int64) *segment {
	for i := s.place(seq >> segmentBits); i < len(s.refs); i++ {
		if s.refs[i].segment != nil {
			return s.refs[i].segment
		}
	}
	return nil
}

// after returns the next segment, nil behind the last.
func (s *segments) after(g *segment) *segment { return s.from((g.num + 1) << segmentBits) }

// get returns the message with that sequence number, nil when it is not there.
func (s *segments) get(seq int64) (*segment, *slot) {
	g := s.find(seq)
	if g == nil || g.used>>(uint64(seq)&segmentMask)&1 == 0 {
		return nil, nil
	}
	return g, &g.slots[seq&segmentMask]
}

// open returns the segment for a sequence number that is higher than all before,
// made from spare memory when there is some.
func (s *segments) open(seq int64, spare *[]*segment) *segment {
	num := seq >> segmentBits
	if n := len(s.refs); n > s.head && s.refs[n-1].num == num && s.refs[n-1].segment != nil {
		return s.refs[n-1].segment
	}
	var g *segment
	if n := len(*spare); n > 0 {
		g = (*spare)[n-1]
		*spare = (*spare)[:n-1]
	} else {
		g = &segment{}
	}
	g.num = num
	if n := len(s.refs); n > s.head && s.refs[n-1].num == num {
		s.refs[n-1].segment = g
	} else {
		s.refs = append(s.refs, segmentRef{num, g})
	}
	s.live++
	return g
}

// close forgets a segment that holds no message any more.
func (s *segments) close(g *segment) {
	i := s.place(g.num)
	s.refs[i].segment = nil
	s.live--
	for s.head < len(s.refs) && s.refs[s.head].segment == nil {
		s.head++
	}
	if len(s.refs) > 2*s.live+16 {
		s.compact()
	}
}

// compact drops the places of gone segments; it has been paid for by as many
// closings.
func (s *segments) compact() {
	kept := s.refs[:0]
	for _, r := range s.refs[s.head:] {
		if r.segment != nil {
			kept = append(kept, r)
		}
	}
	clear(s.refs[len(kept):])
	s.refs, s.head = kept, 0
	if cap(s.refs) > 4*len(s.refs)+64 {
		s.refs = append(make([]segmentRef, 0, 2*len(s.refs)+16), s.refs...)
	}
}

// lowest returns the first sequence number of a set of slots at or above from, 0
// when there is none in this segment.
func (g *segment) lowest(set uint64, from int64) int64 {
	if from>>segmentBits == g.num {
		set &= ^uint64(0) << (uint64(from) & segmentMask)
	}
	if set == 0 {
		return 0
	}
	return g.num<<segmentBits + int64(bits.TrailingZeros64(set))
}

// seq returns the sequence number of a slot by its place.
func (g *segment) seq(place int) int64 { return g.num<<segmentBits + int64(place) }

// dueHeap orders the segments of a mailbox by one of their times.
type dueHeap struct {
	items []*segment
	of    func(*segment) *due
}

func expiryOf(g *segment) *due  { return &g.expiry }
func openingOf(g *segment) *due { return &g.opening }

// first returns the earliest time, 0 when there is none.
func (h *dueHeap) first() int64 {
	if len(h.items) == 0 {
		return 0
	}
	return h.of(h.items[0]).at
}

// want makes sure that the segment is looked at no later than at.
func (h *dueHeap) want(g *segment, at int64) {
	d := h.of(g)
	if d.place != 0 && d.at <= at {
		return
	}
	d.at = at
	if d.place == 0 {
		h.items = append(h.items, g)
		d.place = int32(len(h.items))
	}
	h.up(int(d.place) - 1)
}

// set gives the segment a new time; 0 takes it out.
func (h *dueHeap) set(g *segment, at int64) {
	d := h.of(g)
	if at != 0 {
		if d.place == 0 {
			h.want(g, at)
			return
		}
		d.at = at
		h.down(h.up(int(d.place) - 1))
		return
	}
	if d.place == 0 {
		return
	}
	i, last := int(d.place)-1, len(h.items)-1
	h.swap(i, last)
	h.items[last] = nil
	h.items = h.items[:last]
	*d = due{}
	if i < last {
		h.down(h.up(i))
	}
}

// before orders segments by their time, and by their number where that is the same.
func (h *dueHeap) before(i, j int) bool {
	a, b := h.items[i], h.items[j]
	if x, y := h.of(a).at, h.of(b).at; x != y {
		return x < y
	}
	return a.num < b.num
}

func (h *dueHeap) up(i int) int {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			break
		}
		h.swap(i, parent)
		i = parent
	}
	return i
}

func (h *dueHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			return
		}
		if r := child + 1; r < len(h.items) && h.before(r, child) {
			child = r
		}
		if !h.before(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}

func (h *dueHeap) swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.of(h.items[i]).place = int32(i + 1)
	h.of(h.items[j]).place = int32(j + 1)
}
