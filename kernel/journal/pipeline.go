package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weir/internal/wall"
	"weir/kernel/journal/record"
)

const (
	// windowBytesMax and windowRecordsMax bound what is sent and not acknowledged.
	windowBytesMax   = 8 << 20
	windowRecordsMax = record.StragglersMax
	// queueBytesMax bounds what waits to be sent; one batch may go over it.
	queueBytesMax = 32 << 20

	tickEvery   = 50 * time.Millisecond
	resendAfter = 2 * time.Second
)

// pipeline sends the records of one writer in order and learns what became of
// each. Every record names the position it must follow, so sending one again is
// harmless: the log takes it once or refuses it, and whether a refused one is in
// fact there is seen by reading it. That is how an append outlives the change of
// a stream's leader.
type pipeline struct {
	l        *stream
	address  string
	uncached bool // records are not kept for Read

	mu     sync.Mutex
	queue  []*sending // from the oldest whose fate is not known
	sent   int        // queue[:sent] have been sent
	window int        // bytes of queue[:sent]
	bytes  int        // bytes of queue
	next   Tail       // behind the queue
	failed error      // why the chain that ends in next failed
	room   chan struct{}
	timer  *time.Timer
	asking bool      // somebody reads the log to learn the fate of queue[0]
	since  time.Time // when queue[0] became the oldest
	last   time.Time // when something was sent again, or the oldest changed
	closed bool
}

// sending is one record on its way.
type sending struct {
	at      Position
	rec     []byte
	batch   *Pending // set in the last record of a batch
	tries   int      // how often it was sent
	stored  bool
	refused error // the answer to the last try, when it was not that it is stored
}

func newPipeline(l *stream) *pipeline {
	p := &pipeline{l: l, room: make(chan struct{})}
	p.address = l.store.replies.open(p.answer)
	p.timer = time.AfterFunc(time.Hour, p.tick)
	p.timer.Stop()
	return p
}

// append sends batch behind expect.
func (p *pipeline) append(ctx context.Context, expect Tail, epoch uint64, batch []byte) *Pending {
	records, next := record.Split(expect, epoch, wall.Now(), batch)
	pending := NewPending(expect.Last+1, next)
	if err := p.enqueue(ctx, expect, records, pending); err != nil {
		pending.Resolve(err)
	}
	return pending
}

// enqueue waits for room and puts the records in the queue; an error means that
// none was.
func (p *pipeline) enqueue(ctx context.Context, expect Tail, records [][]byte, pending *Pending) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.bytes > queueBytesMax && !p.closed {
		room := p.room
		p.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
		p.mu.Lock()
		if ctx.Err() != nil {
			return fmt.Errorf("%w: no room in the pipeline: %w", ErrRefused, ctx.Err())
		}
	}
	if err := p.continues(expect, pending.next.Epoch); err != nil {
		return err
	}
	if err := p.l.store.room.refuses(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	for i, rec := range records {
		p.queue = append(p.queue, &sending{at: expect.Last + 1 + Position(i), rec: rec})
		p.bytes += len(rec)
	}
	p.queue[len(p.queue)-1].batch = pending
	p.next, p.failed = pending.next, nil
	if !p.uncached {
		p.l.store.cache.addAll(p.l, expect.Last+1, records)
	}
	p.pump()
	return nil
}

// continues reports why nothing may be appended to expect. A higher epoch has read
// the journal again: it begins a new chain, also where a failed one ended.
func (p *pipeline) continues(expect Tail, epoch uint64) error {
	switch {
	case p.closed:
		return fmt.Errorf("%w: the store is closed", ErrRefused)
	case len(p.queue) > 0 && expect.Sum != p.next.Sum:
		return fmt.Errorf("%w: appends of another chain are under way", ErrRefused)
	case p.failed != nil && expect.Sum == p.next.Sum && epoch == p.next.Epoch:
		return p.failed
	}
	return nil
}

// pump sends what the window has room for.
func (p *pipeline) pump() {
	if p.sent == 0 && len(p.queue) > 0 {
		p.since = time.Now()
		p.last = p.since
		p.timer.Reset(tickEvery)
	}
	for p.sent < len(p.queue) && p.sent < windowRecordsMax {
		s := p.queue[p.sent]
		if p.sent > 0 && p.window+len(s.rec) > windowBytesMax {
			return
		}
		p.sent++
		p.window += len(s.rec)
		p.send(s)
	}
}

// errUnsent: there is no connection at the moment. The tick tries again.
var errUnsent = errors.New("not connected to the log")

// send publishes one record.
func (p *pipeline) send(s *sending) {
	m := nats.NewMsg(p.l.subject)
	m.Reply = p.address + "." + strconv.FormatUint(uint64(s.at), 10)
	m.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(uint64(s.at-1), 10)}
	m.Data = s.rec
	s.refused = nil
	if err := p.l.store.nc.PublishMsg(m); err != nil {
		s.refused = fmt.Errorf("%w: %w", errUnsent, err)
		return
	}
	s.tries++
}

// errWrongLast: the log does not end where the record must go.
var errWrongLast = errors.New("the journal ends elsewhere")

const wrongLastSequence = 10071

// answer takes what the log says of one record.
func (p *pipeline) answer(position string, m *nats.Msg) {
	at, err := strconv.ParseUint(position, 10, 64)
	if err != nil {
		return
	}
	verdict := verdictOf(m, at)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 || Position(at) < p.queue[0].at {
		return // decided already: this answers a record that was sent twice
	}
	i := int(Position(at) - p.queue[0].at)
	if i >= p.sent {
		return
	}
	s := p.queue[i]
	s.stored, s.refused = s.stored || verdict == nil, verdict
	if i == 0 {
		p.advance()
	}
}

// verdictOf reads an answer: nil when the record is stored at its position.
func verdictOf(m *nats.Msg, at uint64) error {
	if m.Header.Get("Status") == "503" {
		return nats.ErrNoResponders
	}
	var ack struct {
		Seq   uint64              `json:"seq"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return fmt.Errorf("answer of the log: %w", err)
	}
	switch {
	case ack.Error != nil && ack.Error.ErrorCode == wrongLastSequence:
		return errWrongLast
	case ack.Error != nil:
		return ack.Error
	case ack.Seq != at:
		return errWrongLast
	}
	return nil
}

// advance takes stored records off the front, then judges the first that is not.
func (p *pipeline) advance() {
	n := 0
	for n < p.sent && p.queue[n].stored {
		s := p.queue[n]
		p.window -= len(s.rec)
		p.bytes -= len(s.rec)
		if s.batch != nil {
			p.done(s.batch)
		}
		p.queue[n] = nil
		n++
	}
	if n > 0 {
		p.queue, p.sent = p.queue[n:], p.sent-n
		p.since = time.Now()
		p.last = p.since
		p.freed()
		p.pump()
	}
	if len(p.queue) == 0 {
		p.queue = nil
		p.timer.Stop()
		return
	}
	p.judge()
}

// done tells the writer of a batch that it is stored.
func (p *pipeline) done(batch *Pending) {
	if p.l.mark != nil {
		p.l.mark.note(batch.next)
	}
	batch.Resolve(nil)
}

// freed tells those who wait for room.
func (p *pipeline) freed() {
	if p.bytes <= queueBytesMax {
		close(p.room)
		p.room = make(chan struct{})
	}
}

// judge decides over a refusal of the oldest record: wait and send it again, look
// whether it is stored after all, or give up.
func (p *pipeline) judge() {
	s := p.queue[0]
	switch {
	case s.refused == nil || p.asking || errors.Is(s.refused, errUnsent) || leaderless(s.refused):
		// The tick goes on.
	case errors.Is(s.refused, errWrongLast) || s.tries > 1:
		p.asking = true
		p.l.store.background(func(ctx context.Context) { p.look(ctx, s) })
	default:
		p.fail(fmt.Errorf("%w: %w", ErrRefused, s.refused))
	}
}

// leaderless reports whether a refusal only says that nobody could decide: no
// leader is elected, or the leader has too much to do.
func leaderless(err error) bool {
	const storeFailed, insufficientResources = 10077, 10023
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code == 429 || api.Code == 503 && api.ErrorCode != storeFailed && api.ErrorCode != insufficientResources
	}
	return errors.Is(err, nats.ErrNoResponders)
}

// look learns from the stream's leader what is at the position of s.
func (p *pipeline) look(ctx context.Context, s *sending) {
	ctx, cancel := context.WithTimeout(ctx, p.l.store.o.AppendTimeout)
	defer cancel()
	rec, err := p.l.fromLeader(ctx, s.at)
	var last Position
	if errors.Is(err, errNotStored) {
		var size Size
		size, err = p.l.size(ctx)
		last = size.Last
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asking = false
	if len(p.queue) == 0 || p.queue[0] != s || s.stored {
		return
	}
	switch {
	case err != nil: // the tick ends it
	case rec != nil && bytes.Equal(rec, s.rec):
		s.stored = true
		p.advance()
	case rec == nil && last == s.at-1:
		p.resend()
	case rec == nil:
		p.fail(fmt.Errorf("%w: it ends at %d, the append expects %d", ErrFenced, last, s.at-1))
	default:
		p.fail(fmt.Errorf("%w: position %d is taken", ErrFenced, s.at))
	}
}

// resend sends again all that was sent and is not stored.
func (p *pipeline) resend() {
	p.last = time.Now()
	for _, s := range p.queue[:p.sent] {
		if !s.stored {
			p.send(s)
		}
	}
}

// tick looks after the oldest record while nothing is heard of it.
func (p *pipeline) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return
	}
	now := time.Now()
	wait := resendAfter
	if err := p.queue[0].refused; err != nil && !errors.Is(err, errWrongLast) {
		wait = retryEvery
	}
	switch {
	case now.Sub(p.since) > p.l.store.o.AppendTimeout:
		p.fail(fmt.Errorf("%w: no answer within %v (last: %v)", ErrUnknown, p.l.store.o.AppendTimeout, p.queue[0].refused))
		return
	case !p.asking && now.Sub(p.last) > wait:
		p.resend()
	}
	p.timer.Reset(tickEvery)
}

// fail ends the whole queue with err.
func (p *pipeline) fail(err error) {
	p.timer.Stop()
	for _, s := range p.queue {
		p.l.store.cache.drop(p.l, s.at)
		if s.batch != nil {
			s.batch.Resolve(err)
		}
	}
	p.queue, p.sent, p.window, p.bytes, p.failed = nil, 0, 0, 0, err
	p.freed()
}

// giveUp ends what is under way: the log will say nothing of it.
func (p *pipeline) giveUp(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) > 0 {
		p.fail(why)
	}
}

// close ends the pipeline: what is under way is unknown for ever.
func (p *pipeline) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.fail(fmt.Errorf("%w: the store was closed", ErrUnknown))
	p.l.store.replies.shut(p.address)
}
