package broker

// linked is a slab's item: it lends the slab a field for the list of free ones.
type linked[T any] interface {
	*T
	link() *uint32
}

const (
	slabBits  = 6
	slabItems = 1 << slabBits
	slabMask  = slabItems - 1
)

// slab keeps many small values of one type in blocks, by number from 1. Numbers
// are used again; a block whose items are all free goes back to the runtime, one
// is kept.
type slab[T any, P linked[T]] struct {
	blocks []*slabBlock[T]
	room   []uint32 // blocks that have free items; the last is taken from
	gone   []uint32 // places of blocks given back
	live   int
}

type slabBlock[T any] struct {
	used   uint32 // items in use
	fresh  uint32 // items that were in use at some time
	free   uint32 // list of freed items: place in the block plus one
	roomAt int32  // place in room, -1 when full
	items  [slabItems]T
}

// at returns the item with that number, which must be in use.
func (s *slab[T, P]) at(n uint32) *T {
	n--
	return &s.blocks[n>>slabBits].items[n&slabMask]
}

// add takes a zeroed item into use.
func (s *slab[T, P]) add() (uint32, *T) {
	if len(s.room) == 0 {
		s.grow()
	}
	at := s.room[len(s.room)-1]
	b := s.blocks[at]
	place := b.fresh
	if b.free != 0 {
		place = b.free - 1
		b.free = *P(&b.items[place]).link()
	} else {
		b.fresh++
	}
	var zero T
	b.items[place] = zero
	b.used++
	s.live++
	if b.used == slabItems {
		s.leaveRoom(b)
	}
	return at<<slabBits + place + 1, &b.items[place]
}

// drop gives the item back. Its number may be used again at once.
func (s *slab[T, P]) drop(n uint32) {
	n--
	at, place := n>>slabBits, n&slabMask
	b := s.blocks[at]
	var zero T
	b.items[place] = zero
	*P(&b.items[place]).link() = b.free
	b.free = place + 1
	b.used--
	s.live--
	if b.roomAt < 0 {
		s.enterRoom(at, b)
	}
	if b.used == 0 && len(s.room) > 1 {
		s.leaveRoom(b)
		s.blocks[at] = nil
		s.gone = append(s.gone, at)
	}
}

func (s *slab[T, P]) grow() {
	at := uint32(len(s.blocks))
	if n := len(s.gone); n > 0 {
		at = s.gone[n-1]
		s.gone = s.gone[:n-1]
	} else {
		s.blocks = append(s.blocks, nil)
	}
	b := &slabBlock[T]{}
	s.blocks[at] = b
	s.enterRoom(at, b)
}

func (s *slab[T, P]) enterRoom(at uint32, b *slabBlock[T]) {
	b.roomAt = int32(len(s.room))
	s.room = append(s.room, at)
}

func (s *slab[T, P]) leaveRoom(b *slabBlock[T]) {
	last := s.room[len(s.room)-1]
	s.room[b.roomAt] = last
	s.blocks[last].roomAt = b.roomAt
	s.room = s.room[:len(s.room)-1]
	b.roomAt = -1
}

// each calls fn with every item in use. fn may drop it.
func (s *slab[T, P]) each(fn func(n uint32, item *T)) {
	for at, b := range s.blocks {
		if b == nil || b.used == 0 {
			continue
		}
		free := uint64(0)
		for place := b.free; place != 0; place = *P(&b.items[place-1]).link() {
			free |= 1 << (place - 1)
		}
		for place := range b.fresh {
			if free>>place&1 == 0 {
				fn(uint32(at)<<slabBits+place+1, &b.items[place])
			}
		}
	}
}

// has returns the item with that number, or nil when its block is gone. An item
// that is free is all zero but for its link.
func (s *slab[T, P]) has(n uint32) *T {
	n--
	if at := n >> slabBits; int(at) < len(s.blocks) && s.blocks[at] != nil {
		return &s.blocks[at].items[n&slabMask]
	}
	return nil
}
