package host

import (
	"container/list"
	"context"
	"sync"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/expression"
)

// values are what runs have recorded: a cache of the newest, then the log. What was just
// recorded is in the cache before it is durable.
type values struct {
	h *Host

	mu    sync.Mutex
	used  int64
	by    map[record.Ref]*list.Element
	order list.List // the one used last is the first
}

type cached struct {
	ref   record.Ref
	value any
	bytes int64
}

// valueFactor is how many bytes of memory a byte of JSON takes, about, and valueBytes what
// an entry of the cache takes beside.
const (
	valueFactor = 4
	valueBytes  = 200
)

func newValues(h *Host) *values { return &values{h: h, by: map[record.Ref]*list.Element{}} }

// put remembers a value.
func (c *values) put(ref record.Ref, value any) {
	bytes := valueBytes + valueFactor*int64(ref.Len)
	if bytes > c.h.limits.ValuesBytes/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[ref] != nil {
		return
	}
	c.by[ref] = c.order.PushFront(&cached{ref, value, bytes})
	c.used += bytes
	for c.used > c.h.limits.ValuesBytes {
		last := c.order.Back()
		x := c.order.Remove(last).(*cached)
		delete(c.by, x.ref)
		c.used -= x.bytes
	}
}

func (c *values) get(ref record.Ref) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.by[ref]
	if e == nil {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).value, true
}

// forget empties the cache: what an ownership remembered that was lost may not be so.
func (c *values) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.by)
	c.order.Init()
	c.used = 0
}

// load gives a value of the log.
func (c *values) load(ctx context.Context, ref record.Ref) (any, error) {
	if v, ok := c.get(ref); ok {
		return v, nil
	}
	data, err := c.h.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	v, err := expression.ParseJSON(string(data))
	if err == nil {
		c.put(ref, v)
	}
	return v, err
}

// bytes gives a value as it was recorded, without reading the log when it is remembered.
func (c *values) bytes(ctx context.Context, ref record.Ref) ([]byte, error) {
	if v, ok := c.get(ref); ok {
		if data := expression.AppendJSON(nil, v); len(data) == int(ref.Len) {
			return data, nil
		}
	}
	return c.h.read(ctx, ref)
}

// loader is the values as a run asks for them.
type loader struct {
	ctx context.Context
	c   *values
}

// Load gives a value.
func (l loader) Load(ref record.Ref) (any, error) { return l.c.load(l.ctx, ref) }
