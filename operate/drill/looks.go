package drill

import (
	"context"
	"fmt"
	"sync"
	"time"

	"weir/internal/groups"
)

// looks are what locations said of themselves while a drill went on.
type looks struct {
	mu        sync.Mutex
	primaries map[uint64]string // who said it was primary, by term
	twice     string            // a term with two
}

func newLooks() *looks { return &looks{primaries: map[uint64]string{}} }

// saw writes down who says it is primary in which term.
func (l *looks) saw(name string, s groups.Status, err error) {
	if err != nil || s.Standing != groups.Primary {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if who, known := l.primaries[s.Term]; known && who != name {
		l.twice = fmt.Sprintf("%s and %s in term %d", who, name, s.Term)
	}
	l.primaries[s.Term] = name
}

// verdict says how many terms were seen, and which of them had two primaries.
func (l *looks) verdict() (terms int, twice string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.primaries), l.twice
}

// both looks at every place until stop is called, also while a call to one of them
// takes its time: that is when two could believe that they own the group.
func (l *looks) both(ctx context.Context, group string, places map[string]Place) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for name, p := range places {
		all.Go(func() {
			for sleep(ctx, lookBothEvery) == nil {
				one, done := context.WithTimeout(ctx, time.Second)
				s, err := p.Show(one, group)
				done()
				l.saw(name, s, err)
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}
