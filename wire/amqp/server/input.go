package server

import (
	"net"
)

const (
	slabBytesMin = 4 << 10
	slabBytesMax = 64 << 10
	// readBytesMin is the room under which a read is not worth its call.
	readBytesMin = 2 << 10
)

// input reads into slabs, in which frames are parsed in place. A slab that a
// payload refers to is pinned: it is filled to its end and then left to whoever
// holds the payloads, never written again. Slabs grow with use, so that a quiet
// connection costs little.
type input struct {
	conn   net.Conn
	slab   []byte
	r, w   int // slab[r:w] is not parsed yet
	pinned bool
}

// unread returns the bytes not parsed yet.
func (in *input) unread() []byte { return in.slab[in.r:in.w] }

// fill reads once, with room for need unparsed bytes in a row.
func (in *input) fill(need int) error {
	in.makeRoom(need)
	n, err := in.conn.Read(in.slab[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

// makeRoom moves the unparsed bytes when the slab has too little room after them.
func (in *input) makeRoom(need int) {
	if in.r == in.w && !in.pinned {
		in.r, in.w = 0, 0
	}
	missing := max(need-(in.w-in.r), 1)
	if free := len(in.slab) - in.w; free >= missing && free >= min(readBytesMin, len(in.slab)/2) {
		return
	}
	unread := in.unread()
	if in.pinned || len(in.slab)-len(unread) < missing || len(in.slab) < slabBytesMax {
		size := min(max(len(in.slab)*4, slabBytesMin), slabBytesMax)
		in.slab = make([]byte, max(size, need))
		in.pinned = false
	}
	in.w = copy(in.slab, unread)
	in.r = 0
}
