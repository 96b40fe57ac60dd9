package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"weir/internal/wall"
	"weir/kernel/journal"
	"weir/kernel/link/core"
	"weir/kernel/replica"
)

// session is one connection of a receiver.
type session struct {
	r     *Receiver
	w     *wire
	into  replica.CopyLog
	after journal.Mark
	// chained is the checksum of the newest record of the chain there.
	chained uint64

	copies  chan core.Copy // what came, to be stored
	under   chan storing   // what is being stored, in order
	durable chan struct{}  // pulses when more is
	live    chan struct{}  // closed when the hello was answered well
	served  bool
	seed    *journal.Snapshot
}

// storing is a copy under way.
type storing struct {
	last    journal.Mark
	pending *journal.Pending
}

// errSeed ends a session that has brought a seed.
var errSeed = errors.New("link: a snapshot to begin with has come")

// session dials the primary and copies until the connection ends.
func (r *Receiver) session(ctx context.Context, into replica.CopyLog) (*session, error) {
	s := &session{
		r: r, into: into,
		copies:  make(chan core.Copy, core.FramesInFlightMax),
		under:   make(chan storing, core.FramesInFlightMax),
		durable: make(chan struct{}, 1),
		live:    make(chan struct{}),
	}
	after, err := into.Mark(ctx)
	if err != nil {
		return s, local(fmt.Errorf("ask where the copy ends: %w", err))
	}
	if s.chained, err = into.ChainedAt(ctx, after.At); err != nil {
		return s, local(fmt.Errorf("ask how the copy comes to its end: %w", err))
	}
	s.after = after
	dialing, cancel := context.WithTimeout(ctx, r.o.Limits.HelloTimeout)
	conn, err := r.o.Dial(dialing)
	cancel()
	if err != nil {
		return s, err
	}
	defer conn.Close()
	s.w = newWire(conn)
	return s, s.run(ctx)
}

// run is the session on its connection. The part that stores outlives the parts
// that hear and speak: what was begun has an outcome when run returns.
func (s *session) run(ctx context.Context) error {
	r := s.r
	r.mu.Lock()
	hello := r.core.Hello(s.after, s.chained, r.o.Term(), wall.Now())
	r.mu.Unlock()

	var stores errgroup.Group
	g, connected := errgroup.WithContext(ctx)
	defer context.AfterFunc(connected, func() { s.w.conn.Close() })()
	say := func(part func(context.Context) error) {
		g.Go(func() error {
			err := part(connected)
			if err != nil {
				s.w.bye(err.Error())
			}
			return err
		})
	}
	say(func(context.Context) error {
		_, err := s.w.write(core.KindHello, hello.Append)
		return err
	})
	say(s.look)
	say(s.acknowledge)
	say(func(ctx context.Context) error {
		defer close(s.copies)
		return s.hear(ctx)
	})
	stores.Go(func() error {
		s.copy(ctx, connected)
		return nil
	})
	failed, fail := context.WithCancelCause(connected)
	stores.Go(func() error { return s.await(ctx, fail) })
	g.Go(func() error {
		<-failed.Done()
		return context.Cause(failed)
	})
	there := g.Wait()
	here := stores.Wait()
	r.mu.Lock()
	r.core.Gone()
	r.mu.Unlock()
	fail(nil)
	return cmp.Or(here, there)
}

// hear takes what the primary says.
func (s *session) hear(ctx context.Context) error {
	for {
		k, body, err := s.w.read()
		if err != nil {
			return err
		}
		if k == core.KindBye {
			return farewell(body)
		}
		c, err := s.take(k, body)
		if err != nil {
			return err
		}
		if c.Records == nil {
			continue
		}
		select {
		case s.copies <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take gives one frame to core. What is to be stored is returned.
func (s *session) take(k core.Kind, body []byte) (c core.Copy, err error) {
	r, now := s.r, wall.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch k {
	case core.KindAnswer:
		var a core.Answer
		if a, err = core.ParseAnswer(body); err == nil {
			err = s.answered(a, now)
		}
	case core.KindData:
		var d core.Data
		if d, err = core.ParseData(body); err == nil {
			c, err = r.core.Data(d, now)
		}
	case core.KindBeat:
		var said core.Said
		if said, err = core.ParseBeat(body); err == nil {
			err = r.core.Beat(said, now)
		}
	case core.KindSeed:
		var seed core.Seed
		if seed, err = core.ParseSeed(body); err == nil {
			err = r.core.Seed(seed, now)
		}
		if err == nil {
			err = s.whole()
		}
	case core.KindChunk:
		var chunk core.Chunk
		if chunk, err = core.ParseChunk(body); err == nil {
			err = r.core.Chunk(chunk, now)
		}
		if err == nil {
			err = s.whole()
		}
	default:
		err = fmt.Errorf("%w: frame of kind %d from a primary", ErrProtocol, k)
	}
	return c, err
}

func (s *session) answered(a core.Answer, now time.Time) error {
	r := s.r
	if err := r.core.Answer(a, now); err != nil {
		return err
	}
	s.served = true
	r.told = ""
	r.log.Info("the unit is copied", "primary", a.Location, "after", s.after.At, "end", a.Said.End)
	close(s.live)
	return nil
}

// whole ends the session when all of a seed has come.
func (s *session) whole() error {
	saved := s.r.core.SeedTime()
	at, data, whole, err := s.r.core.Seeded()
	if err != nil || !whole {
		return err
	}
	s.seed = &journal.Snapshot{At: at, Data: data, Time: saved}
	return errSeed
}

// copy gives what came to the log, in order, until the connection has ended. All
// that was given gets to await.
func (s *session) copy(ctx, connected context.Context) {
	defer close(s.under)
	for c := range s.copies {
		if connected.Err() != nil {
			continue // it will be sent again
		}
		s.under <- storing{c.Last, s.into.Copy(ctx, c.After, c.Records)}
	}
}

// await waits for what is being stored, in order, and tells what is durable. The
// first failure ends the session; what was begun is awaited nevertheless.
func (s *session) await(ctx context.Context, fail func(error)) (failed error) {
	for u := range s.under {
		err := s.outcome(ctx, u.pending)
		if failed != nil {
			continue
		}
		if err == nil {
			s.r.mu.Lock()
			err = s.r.core.Stored(u.last)
			s.r.mu.Unlock()
		}
		if err != nil {
			failed = local(fmt.Errorf("store the copy up to position %d: %w", u.last.At, err))
			fail(failed)
			continue
		}
		pulse(s.durable)
	}
	return failed
}

// outcome waits for the outcome of a copy; for a while also after ctx has ended.
func (s *session) outcome(ctx context.Context, p *journal.Pending) error {
	select {
	case <-p.Done():
		return p.Err()
	case <-ctx.Done():
	}
	limit := time.NewTimer(s.r.o.Limits.HelloTimeout)
	defer limit.Stop()
	select {
	case <-p.Done():
		return p.Err()
	case <-limit.C:
		return journal.ErrUnknown
	}
}

// acknowledge says what is durable: when it has become more, and regularly.
func (s *session) acknowledge(ctx context.Context) error {
	select {
	case <-s.live:
	case <-ctx.Done():
		return ctx.Err()
	}
	beat := time.NewTicker(s.r.o.Limits.BeatEvery)
	defer beat.Stop()
	for {
		select {
		case <-s.durable:
		case <-beat.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.r.mu.Lock()
		m := s.r.core.Ack()
		s.r.mu.Unlock()
		if _, err := s.w.write(core.KindAck, func(b []byte) []byte { return core.AppendAck(b, m) }); err != nil {
			return err
		}
	}
}

// look watches the clock and the term. It writes nothing, so that a peer that does
// not read can not hold it up.
func (s *session) look(ctx context.Context) error {
	return each(ctx, s.r.o.Limits.BeatEvery/2, func() error {
		term := s.r.o.Term()
		s.r.mu.Lock()
		defer s.r.mu.Unlock()
		s.r.core.Heard(s.w.lastHeard())
		return s.r.core.Tick(term, wall.Now())
	})
}
