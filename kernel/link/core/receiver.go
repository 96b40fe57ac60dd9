package core

import (
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"weir/kernel/journal/record"
)

// Receiver is the secondary's side of the link of one unit.
type Receiver struct {
	unit, location string
	limits         Limits

	term     uint64
	live     bool // the hello was answered with OK or SeedFirst
	greeted  bool // a hello is under way
	stored   Mark
	taken    Mark // behind what came; it is being stored
	flight   []came
	inFlight uint64

	said     Said
	tally    Tally     // at stored
	newest   time.Time // when the record at stored was appended, by the primary's clock; zero: not known
	heard    time.Time
	asked    time.Time // when this session's hello was said
	primary  string
	knows    uint64 // the primary's term
	refused  Verdict
	reason   string
	anything bool // the primary said something at some time

	seed   *Seed
	seeded []byte
}

// came is a frame of records that is being stored.
type came struct {
	last   Mark
	tally  Tally
	bytes  uint64
	oldest time.Time // when its first record was appended
	newest time.Time
}

// Refusal is the error of a secondary that the primary does not serve, or that
// does not want to be served by it.
type Refusal struct {
	Verdict Verdict
	Reason  string
}

// Error names the verdict and gives the reason.
func (r *Refusal) Error() string {
	return fmt.Sprintf("link: refused: %s: %s", r.Verdict, r.Reason)
}

// NewReceiver returns a receiver that has said nothing yet.
func NewReceiver(unit, location string, limits Limits) *Receiver {
	return &Receiver{unit: unit, location: location, limits: limits.Defaults()}
}

// Hello begins a session behind the newest record that is stored here. chained is what the
// log says of the chain there.
func (r *Receiver) Hello(after Mark, chained, term uint64, now time.Time) Hello {
	if after != r.stored {
		r.newest = time.Time{}
	}
	r.term, r.stored, r.taken = term, after, after
	r.flight, r.inFlight, r.seed, r.seeded = nil, 0, nil, nil
	r.live, r.greeted, r.asked = false, true, now
	return Hello{Version: Version, Term: term, After: after, Chained: chained, Window: r.limits.WindowBytes, Unit: r.unit, Location: r.location}
}

// Answer takes the answer to the hello. The error is a *Refusal.
func (r *Receiver) Answer(a Answer, now time.Time) error {
	if !r.greeted || r.live {
		return fmt.Errorf("%w: an answer that nothing was asked for", ErrProtocol)
	}
	if a.Term < r.term && (a.Verdict == OK || a.Verdict == SeedFirst) {
		a.Verdict, a.Reason = Term, fmt.Sprintf("%s is still in term %d, this location is in term %d", a.Location, a.Term, r.term)
	}
	r.primary, r.knows = a.Location, a.Term
	r.refused, r.reason = a.Verdict, a.Reason
	if a.Verdict != OK && a.Verdict != SeedFirst {
		return &Refusal{a.Verdict, a.Reason}
	}
	r.live, r.tally = true, a.Tally
	r.says(a.Said, now)
	return nil
}

// says takes what the primary tells of itself.
func (r *Receiver) says(s Said, now time.Time) {
	r.said, r.heard, r.anything = s, now, true
}

// Copy is what is to be stored next, behind After; Last is the mark of its last record.
type Copy struct {
	After, Last Mark
	Records     [][]byte
}

// Data takes records: they must follow what came before, each sound. The error is
// a *record.Damage, or of a peer that breaks the protocol.
func (r *Receiver) Data(d Data, now time.Time) (Copy, error) {
	switch {
	case !r.live || r.seed != nil:
		return Copy{}, fmt.Errorf("%w: records out of turn", ErrProtocol)
	case d.First != r.taken.At+1:
		return Copy{}, fmt.Errorf("%w: records from position %d on, behind %d", ErrProtocol, d.First, r.taken.At)
	case r.inFlight > r.limits.WindowBytes || len(r.flight) >= FramesInFlightMax:
		return Copy{}, fmt.Errorf("%w: more than the window of %d bytes under way", ErrProtocol, r.limits.WindowBytes)
	}
	c := Copy{After: r.taken, Last: r.taken, Records: d.Records}
	f := came{tally: d.Tally}
	for i, rec := range d.Records {
		h, _, err := record.Decode(c.Last.At+1, rec)
		if err != nil {
			return Copy{}, err
		}
		c.Last = Mark{At: h.At, Sum: h.Sum}
		f.bytes += uint64(len(rec))
		f.newest = time.Unix(0, h.Time)
		if i == 0 {
			f.oldest = f.newest
		}
	}
	f.last, r.taken = c.Last, c.Last
	r.flight = append(r.flight, f)
	r.inFlight += f.bytes
	r.says(d.Said, now)
	return c, nil
}

// Stored tells that a copy is durable. Copies are told of in order; one that was
// given out in an earlier session is not told of any more.
func (r *Receiver) Stored(last Mark) error {
	if len(r.flight) == 0 || r.flight[0].last != last {
		return fmt.Errorf("link: position %d is said to be durable out of turn", last.At)
	}
	f := r.flight[0]
	r.flight = append(r.flight[:0], r.flight[1:]...)
	r.inFlight -= f.bytes
	r.stored, r.tally, r.newest = f.last, f.tally, f.newest
	return nil
}

// Ack is what the secondary says is durable: after it became more, and as its beat.
func (r *Receiver) Ack() Mark { return r.stored }

// Beat takes what the primary says when it has nothing else to say.
func (r *Receiver) Beat(s Said, now time.Time) error {
	if !r.live {
		return fmt.Errorf("%w: a beat out of turn", ErrProtocol)
	}
	r.says(s, now)
	return nil
}

// Seed takes the announcement of a snapshot. What it replaces is not stored.
func (r *Receiver) Seed(s Seed, now time.Time) error {
	if !r.live || r.seed != nil || s.Bytes > SeedBytesMax {
		return fmt.Errorf("%w: a seed out of turn", ErrProtocol)
	}
	r.seed, r.seeded, r.heard = &s, nil, now
	r.refused, r.reason = SeedFirst, "the records that follow what is stored here were trimmed away"
	return nil
}

// Chunk takes a part of the snapshot.
func (r *Receiver) Chunk(c Chunk, now time.Time) error {
	if r.seed == nil || c.Offset != uint64(len(r.seeded)) || len(c.Data) == 0 || uint64(len(c.Data)) > r.seed.Bytes-c.Offset {
		return fmt.Errorf("%w: a part of a seed out of turn", ErrProtocol)
	}
	r.seeded, r.heard = append(r.seeded, c.Data...), now
	return nil
}

// Seeded returns the snapshot when all of it has come. The error: what came is not
// what was announced.
func (r *Receiver) Seeded() (at record.Tail, data []byte, whole bool, err error) {
	if r.seed == nil || uint64(len(r.seeded)) < r.seed.Bytes {
		return record.Tail{}, nil, false, nil
	}
	s, data := *r.seed, r.seeded
	r.seed, r.seeded = nil, nil
	if xxhash.Sum64(data) != s.Sum {
		return record.Tail{}, nil, false, fmt.Errorf("%w: the seed was changed on its way", ErrProtocol)
	}
	return s.At, data, true, nil
}

// SeedTime is when the snapshot that is coming was saved.
func (r *Receiver) SeedTime() time.Time {
	if r.seed == nil {
		return time.Time{}
	}
	return r.seed.Time
}

// Heard tells that bytes came.
func (r *Receiver) Heard(at time.Time) {
	if at.After(r.heard) {
		r.heard = at
	}
}

// Tick looks at the clock and at the term of this location. The error says why the
// session must end.
func (r *Receiver) Tick(term uint64, now time.Time) error {
	patience := r.limits.DeadAfter
	if !r.live {
		patience = r.limits.HelloTimeout
	}
	switch {
	case !r.greeted:
		return nil
	case term != r.term:
		return fmt.Errorf("link: the term has changed from %d to %d", r.term, term)
	case now.Sub(later(r.asked, r.heard)) > patience:
		return fmt.Errorf("%w for %s", ErrSilent, now.Sub(later(r.asked, r.heard)))
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Gone tells that the connection has ended.
func (r *Receiver) Gone() { r.live, r.greeted, r.seed, r.seeded = false, false, nil, nil }

// Received is what a secondary knows.
type Received struct {
	Mark        Mark            // durable here, as far as this side has stored it
	PrimaryEnd  record.Position // of the primary's log, by its last word
	PrimaryTime time.Time       // of that word, by the primary's clock
	PrimaryTerm uint64          // as it answered last
	LastHeard   time.Time       // when anything came, by the clock here; zero: never
	Connected   bool
	// Refused is the verdict that keeps records from coming, "" when there is none, and
	// Reason says it in words.
	Refused, Reason string
	// Lag is how far this location is behind the primary's last word: what would be
	// lost if nothing was appended since.
	Lag Lag
}

// State returns what is known.
func (r *Receiver) State() Received {
	s := Received{Mark: r.stored, PrimaryEnd: r.said.End, PrimaryTime: r.said.Time, PrimaryTerm: r.knows, Connected: r.live}
	if r.anything {
		s.LastHeard = r.heard
	}
	if r.refused != OK && r.refused != 0 {
		s.Refused, s.Reason = r.refused.String(), r.reason
	}
	s.Lag = Lag{Connected: r.live, Acked: r.stored.At, End: r.said.End, Peer: r.primary}
	if !r.anything || r.stored.At >= r.said.End {
		return s
	}
	t := r.said.Tally.minus(r.tally)
	s.Lag.Messages, s.Lag.Bytes = t.Messages, t.Bytes
	since := r.newest
	if len(r.flight) > 0 {
		since = r.flight[0].oldest
	}
	if !since.IsZero() {
		s.Lag.Time = max(r.said.Time.Sub(since), 0)
	}
	return s
}
