package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"weir/internal/wall"
	"weir/kernel/journal"
	"weir/kernel/journal/record"
	"weir/kernel/link/core"
)

// chunkBytes is how much of a seed goes into a frame.
const chunkBytes = 1 << 20

// serving is one session of a sender.
type serving struct {
	s       *Sender
	w       *wire
	session uint64
	after   journal.Mark
	seed    bool
	room    chan struct{} // pulses when more may be sent
	end     context.CancelCauseFunc
}

// Serve serves one secondary until the connection ends, a newer one replaces it,
// the terms change or ctx ends, and closes it. The error says why; it is never nil.
func (s *Sender) Serve(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	v := &serving{s: s, w: newWire(conn), room: make(chan struct{}, 1), end: end}
	defer s.left(v)
	peer, err := v.greet(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	s.log.Info("the other location copies the unit", "peer", peer, "after", v.after.At, "seed", v.seed)
	err = ended(ctx, v.run(ctx))
	s.log.Info("the other location does not copy the unit any more", "peer", peer, "reason", err)
	return err
}

// present makes a session the present one, in place of another, or of none.
func (s *Sender) present(v *serving) {
	if s.serving != nil {
		s.serving.end(ErrStale)
	}
	if was := s.serving != nil; was != (v != nil) {
		s.watch.Connected(v != nil)
	}
	s.serving = v
}

// left tells that a session's connection has ended, if it has become one.
func (s *Sender) left(v *serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core.Gone(v.session, wall.Now())
	if s.serving == v {
		s.present(nil)
	}
}

// ended returns why a context was ended by us, rather than what that broke.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// greet reads the hello, answers it, and returns the name of the other location.
func (v *serving) greet(ctx context.Context) (peer string, err error) {
	s := v.s
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Limits.HelloTimeout, fmt.Errorf("%w: no hello in time", ErrSilent))
	defer cancel()
	defer context.AfterFunc(ctx, func() { v.w.conn.Close() })()
	k, body, err := v.w.read()
	if err != nil {
		return "", ended(ctx, err)
	}
	if k != core.KindHello {
		return "", fmt.Errorf("%w: frame of kind %d instead of a hello", ErrProtocol, k)
	}
	h, err := core.ParseHello(body)
	if err != nil {
		return "", err
	}
	a, lost := v.answer(ctx, h)
	if lost > 0 {
		s.log.Error("ALARM: the other location has less than it had acknowledged", "peer", h.Location, "after", h.After.At, "lost", lost)
	}
	if _, err := v.w.write(core.KindAnswer, a.Append); err != nil {
		return "", ended(ctx, err)
	}
	if a.Verdict != core.OK && a.Verdict != core.SeedFirst {
		s.log.Warn("the other location is refused", "peer", h.Location, "verdict", a.Verdict, "reason", a.Reason)
		return "", &Refusal{Verdict: a.Verdict, Reason: a.Reason}
	}
	return h.Location, nil
}

// answer decides on a hello; with a good answer this session is the present one.
func (v *serving) answer(ctx context.Context, h core.Hello) (core.Answer, uint64) {
	s := v.s
	s.mu.Lock()
	a, refused := s.core.Refuse(h, wall.Now())
	s.mu.Unlock()
	if refused {
		return a, 0
	}
	found, extent := s.find(ctx, h.After, h.Chained)
	s.mu.Lock()
	defer s.mu.Unlock()
	a, session, lost := s.core.Hello(h, found, extent, wall.Now())
	if session == 0 {
		return a, lost
	}
	v.session, v.after, v.seed = session, h.After, a.Verdict == core.SeedFirst
	s.present(v)
	s.stir()
	return a, lost
}

// find asks the log for a mark, and whether the copy has come to it by the same way: of
// two histories that have parted one may hold a record that a writer of the other left.
func (s *Sender) find(ctx context.Context, m journal.Mark, chained uint64) (core.Found, core.Extent) {
	extent, err := s.extent(ctx)
	stands := false
	if err == nil {
		stands, err = s.o.Log.Stands(ctx, m)
	}
	if stands && err == nil && chained != 0 {
		var here uint64
		here, err = s.o.Log.ChainedAt(ctx, m.At)
		stands = here == 0 || here == chained
	}
	if d, ok := errors.AsType[*journal.Damage](err); ok && (d.Finding == record.Fork || d.Finding == record.Lost) {
		stands, err = false, nil
	}
	switch {
	case errors.Is(err, journal.ErrTrimmed):
		return core.Trimmed, extent
	case err != nil:
		s.log.Warn("the log can not be asked for the place of the other location", "at", m.At, "error", err)
		return core.Unread, extent
	case !stands:
		return core.Parted, extent
	}
	return core.Stands, extent
}

// run is the session behind its hello.
func (v *serving) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context) error{v.hear, v.send, v.beat, v.look} {
		g.Go(func() error {
			err := part(ctx)
			v.w.bye(err.Error())
			v.w.conn.Close()
			return err
		})
	}
	return g.Wait()
}

// hear takes what the secondary says.
func (v *serving) hear(context.Context) error {
	s := v.s
	for {
		k, body, err := v.w.read()
		if err != nil {
			return err
		}
		switch k {
		case core.KindAck:
			m, err := core.ParseAck(body)
			if err != nil {
				return err
			}
			s.mu.Lock()
			before := s.core.Lag(wall.Now()).Acked
			err = s.core.Ack(v.session, m, wall.Now())
			lag := s.core.Lag(wall.Now())
			s.stir()
			s.mu.Unlock()
			if err != nil {
				return err
			}
			if lag.Acked != before {
				s.watch.Acknowledged(lag)
				pulse(v.room)
			}
		case core.KindBye:
			return farewell(body)
		default:
			return fmt.Errorf("%w: frame of kind %d from a secondary", ErrProtocol, k)
		}
	}
}

// farewell is the error of a peer that has said why it goes.
func farewell(body []byte) error {
	reason, err := core.ParseBye(body)
	if err != nil {
		return err
	}
	return fmt.Errorf("link: the other side has ended the connection: %s", reason)
}

func pulse(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// send sends the records, or the seed when what follows was trimmed away.
func (v *serving) send(ctx context.Context) error {
	if !v.seed {
		err := v.s.o.Log.Records(ctx, v.after, func(recs [][]byte, end journal.Position) error {
			return v.records(ctx, recs, end)
		})
		if !errors.Is(err, journal.ErrTrimmed) {
			return err
		}
		v.s.mu.Lock()
		v.s.core.Seeding(v.session)
		v.s.mu.Unlock()
	}
	return v.sendSeed(ctx)
}

// records sends consecutive records, as the window allows.
func (v *serving) records(ctx context.Context, recs [][]byte, end journal.Position) error {
	s := v.s
	for len(recs) > 0 {
		if err := v.awaitRoom(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		d, rest, err := s.core.Send(v.session, recs, end, wall.Now())
		s.mu.Unlock()
		if err != nil {
			return err
		}
		n, err := v.w.write(core.KindData, d.Append)
		if err != nil {
			return err
		}
		bytes := 0
		for _, rec := range d.Records {
			bytes += len(rec)
		}
		s.watch.Sent(len(d.Records), bytes, n)
		recs = rest
	}
	return nil
}

func (v *serving) awaitRoom(ctx context.Context) error {
	for {
		v.s.mu.Lock()
		room, live := v.s.core.Room(v.session), v.s.core.Live(v.session)
		v.s.mu.Unlock()
		switch {
		case !live:
			return ErrStale
		case room:
			return nil
		}
		select {
		case <-v.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sendSeed sends the newest snapshot, and then nothing more: the secondary begins
// anew with it.
func (v *serving) sendSeed(ctx context.Context) error {
	if v.s.o.Snapshots == nil {
		return errors.New("link: the log was trimmed and nobody keeps snapshots")
	}
	snap, ok, err := v.s.o.Snapshots.Latest(ctx)
	if err != nil {
		return fmt.Errorf("read the snapshot to begin with: %w", err)
	}
	if !ok {
		return errors.New("link: the log was trimmed and there is no snapshot to begin with")
	}
	v.s.log.Info("the other location is sent a snapshot to begin with", "at", snap.At.Last, "bytes", len(snap.Data))
	head := core.Seed{At: snap.At, Time: snap.Time, Bytes: uint64(len(snap.Data)), Sum: xxhash.Sum64(snap.Data)}
	if _, err := v.w.write(core.KindSeed, head.Append); err != nil {
		return err
	}
	for off := 0; off < len(snap.Data); off += chunkBytes {
		c := core.Chunk{Offset: uint64(off), Data: snap.Data[off:min(off+chunkBytes, len(snap.Data))]}
		if _, err := v.w.write(core.KindChunk, c.Append); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// beat says regularly where the log ends.
func (v *serving) beat(ctx context.Context) error {
	return each(ctx, v.s.o.Limits.BeatEvery, func() error {
		v.s.mu.Lock()
		b := v.s.core.Beat(wall.Now())
		v.s.mu.Unlock()
		_, err := v.w.write(core.KindBeat, b.Append)
		return err
	})
}

// look watches the clock. It writes nothing, so that a peer that does not read can
// not hold it up.
func (v *serving) look(ctx context.Context) error {
	return each(ctx, v.s.o.Limits.BeatEvery/2, func() error {
		v.s.mu.Lock()
		defer v.s.mu.Unlock()
		v.s.core.Heard(v.session, v.w.lastHeard())
		err := v.s.core.Tick(v.session, wall.Now())
		v.s.stir()
		return err
	})
}

// each calls fn in intervals until it fails or ctx ends.
func each(ctx context.Context, every time.Duration, fn func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := fn(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
