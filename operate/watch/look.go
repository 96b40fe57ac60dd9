package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"weir/internal/groups"
	"weir/operate/probe"
	"weir/operate/watch/core"
)

// look asks everybody at the same time.
func (w *Watchdog) look(ctx context.Context) sight {
	var s sight
	s.seen.Locations, s.seen.Peers = map[string]core.Location{}, map[string]core.Peer{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, l := range w.o.Locations {
		asking.Go(func() {
			at := w.ask(ctx, l)
			mu.Lock()
			defer mu.Unlock()
			s.seen.Locations[l.Name] = at
		})
	}
	for _, url := range w.o.Peers {
		asking.Go(func() {
			p := w.askPeer(ctx, url)
			mu.Lock()
			defer mu.Unlock()
			s.seen.Peers[url] = p
		})
	}
	if w.o.Probe != nil {
		asking.Go(func() {
			p := through(ctx, w.o.Probe)
			mu.Lock()
			defer mu.Unlock()
			s.message = p
		})
	}
	asking.Wait()
	w.mu.Lock()
	s.seen.Beat = w.beat
	w.mu.Unlock()
	return s
}

// ask looks at one location: whether it says that it is well, how its groups are, and
// whether a message goes through it.
func (w *Watchdog) ask(ctx context.Context, l groups.Location) (at core.Location) {
	var asking sync.WaitGroup
	asking.Go(func() { at.Health = (&probe.Health{Location: l, Within: askWithin}).Check(ctx).Error })
	var said probe.Result
	var all []groups.Status
	asking.Go(func() { said, all = (&probe.Groups{Location: l, Within: askWithin}).Look(ctx) })
	var data core.Probe
	if p := w.o.Data[l.Name]; p != nil {
		asking.Go(func() { data = through(ctx, p) })
	}
	asking.Wait()
	at.Err, at.Groups, at.Data = said.Error, all, data
	return at
}

// through sends a message.
func through(ctx context.Context, p probe.Probe) core.Probe {
	r := p.Check(ctx)
	if !r.OK && r.Error == "" {
		r.Error = "no reason was given"
	}
	return core.Probe{Asked: true, Stage: r.Stage, Err: r.Error, Seconds: r.Seconds}
}

// heardOf is when another watchdog was heard of last: that it answered, and that its own
// rounds went on.
type heardOf struct {
	name string
	at   time.Time
}

// askPeer asks another watchdog.
func (w *Watchdog) askPeer(ctx context.Context, url string) core.Peer {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	peer := groups.Location{Name: url, Admin: []string{url}, Client: w.o.Client}
	var said Shown
	err := peer.Do(ctx, http.MethodGet, watchPath, nil, &said)
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	before, known := w.heard[url]
	if !known {
		before.at = w.began
	}
	switch {
	case err != nil:
	case said.Instance == w.instance:
		err = errors.New("that is this watchdog itself: name another one (--peer)")
	case said.Began.IsZero():
		err = errors.New("what answers there is no watchdog")
	default:
		before = heardOf{said.Name, now.Add(-time.Duration(said.Silent * float64(time.Second)))}
	}
	w.heard[url] = before
	p := core.Peer{Name: before.name, Silent: now.Sub(before.at)}
	if err != nil {
		p.Err = hideURL(err).Error()
	}
	return p
}

// others are the watchdogs heard of.
func (w *Watchdog) others() map[string]heardOf {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.heard)
}

// callHome calls the address that somebody else watches. The one before may still be
// under way: then this one is left out.
func (w *Watchdog) callHome(ctx context.Context) {
	if w.o.Heartbeat == "" {
		return
	}
	select {
	case w.beating <- struct{}{}:
	default:
		return
	}
	w.watching.Go(func() {
		defer func() { <-w.beating }()
		err := w.callOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.beat = ""; err != nil {
			w.beat = hideURL(err).Error()
		}
	})
}

func (w *Watchdog) callOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.o.Heartbeat, nil)
	if err != nil {
		return err
	}
	answer, err := w.o.Client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerBytesMax)) // so that the connection is used again
	if answer.StatusCode >= 300 {
		return fmt.Errorf("it answered %s", answer.Status)
	}
	return nil
}

const answerBytesMax = 1 << 20

// hideURL leaves the address out of an error: those of webhooks and heartbeats are
// often secrets.
func hideURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// place is the part of an address that may be written down.
func place(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Scheme + "://" + u.Host
	}
	return "a webhook"
}
