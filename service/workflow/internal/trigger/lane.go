package trigger

import (
	"container/heap"
	"time"
)

// lane is a queue of watches by the time of their next step, and how many more may take
// one at once.
type lane struct {
	queue byTime
	free  int
}

func (l *lane) put(w *watch, at time.Time) {
	w.next = at
	if w.index >= 0 {
		heap.Fix(&l.queue, w.index)
		return
	}
	heap.Push(&l.queue, w)
}

func (l *lane) remove(w *watch) {
	if w.index >= 0 {
		heap.Remove(&l.queue, w.index)
	}
}

type byTime []*watch

func (q byTime) Len() int           { return len(q) }
func (q byTime) Less(i, j int) bool { return q[i].next.Before(q[j].next) }
func (q byTime) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push and Pop are for package heap.
func (q *byTime) Push(x any) {
	w := x.(*watch)
	w.index = len(*q)
	*q = append(*q, w)
}

func (q *byTime) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	w.index = -1
	return w
}
