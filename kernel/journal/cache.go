package journal

import (
	"container/list"
	"sync"
)

// cache keeps recent records of all journals of a store, up to a number of bytes.
// The least recently used go first. Records in it are verified, or our own.
type cache struct {
	bytesMax int

	mu    sync.Mutex
	bytes int
	order list.List // of *cached, the newest in front
	at    map[cacheKey]*list.Element
}

type cacheKey struct {
	of *stream
	at Position
}

type cached struct {
	key cacheKey
	rec []byte
	// ahead is where reading ahead should go on once this record is used; 0 is not.
	ahead Position
}

func newCache(bytesMax int) *cache {
	return &cache{bytesMax: bytesMax, at: map[cacheKey]*list.Element{}}
}

// get returns a record, and where to read ahead when this is the moment to.
func (c *cache) get(of *stream, at Position) (rec []byte, ahead Position, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[cacheKey{of, at}]
	if !ok {
		return nil, 0, false
	}
	c.order.MoveToFront(e)
	entry := e.Value.(*cached)
	ahead, entry.ahead = entry.ahead, 0
	return entry.rec, ahead, true
}

// has reports whether a record is there, without using it.
func (c *cache) has(of *stream, at Position) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.at[cacheKey{of, at}]
	return ok
}

// add puts one record in.
func (c *cache) add(of *stream, at Position, rec []byte, ahead Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(&cached{cacheKey{of, at}, rec, ahead})
}

// addAll puts the records of one append in, unless they would push out most of
// what is there.
func (c *cache) addAll(of *stream, first Position, records [][]byte) {
	total := 0
	for _, rec := range records {
		total += cap(rec)
	}
	if total > c.bytesMax/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, rec := range records {
		c.put(&cached{cacheKey{of, first + Position(i)}, rec, 0})
	}
}

func (c *cache) put(entry *cached) {
	if old, ok := c.at[entry.key]; ok {
		c.remove(old)
	}
	c.at[entry.key] = c.order.PushFront(entry)
	c.bytes += cap(entry.rec)
	for c.bytes > c.bytesMax {
		c.remove(c.order.Back())
	}
}

// drop takes one record out.
func (c *cache) drop(of *stream, at Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.at[cacheKey{of, at}]; ok {
		c.remove(e)
	}
}

func (c *cache) remove(e *list.Element) {
	entry := c.order.Remove(e).(*cached)
	delete(c.at, entry.key)
	c.bytes -= cap(entry.rec)
}
