package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
)

// Reader reads payloads of a log; a *journal.Journal is one.
type Reader interface {
	Read(ctx context.Context, ref journal.Ref) ([]byte, error)
}

// Tail calls fn for each message and settlement that a log has behind a position, in
// the order of what happened. The rows carry what Salvage needs, messages included.
func Tail(ctx context.Context, unit string, past replica.Past, log Reader, after journal.Position, fn func(groups.Row) error) error {
	b := broker.New(0)
	b.Disown()
	var trace *broker.Trace
	err := past.Fold(ctx, b, after, func(batch journal.Batch, fold func() error) error {
		if trace == nil {
			trace = b.Trace()
		}
		if err := trace.Next(batch.Time); err != nil {
			return err
		}
		return fold()
	})
	if err != nil || trace == nil {
		return err
	}
	for i, r := range trace.Rows() {
		row, err := tailRow(ctx, log, r)
		if err != nil {
			return err
		}
		row.Unit, row.Number = unit, uint64(i+1)
		if err := fn(row); err != nil {
			return err
		}
	}
	return nil
}

// tailRow is a row of the broker's as it leaves this service.
func tailRow(ctx context.Context, log Reader, r broker.TailRow) (groups.Row, error) {
	row := groups.Row{
		Position: uint64(r.At.At), Kind: string(r.Kind), What: r.What, Entity: r.Path, Sequence: uint64(r.Sequence),
		Session: r.Session, At: r.Time, Bytes: int(r.Payload.Len), Why: r.Why,
	}
	for _, at := range r.Places {
		row.Places = append(row.Places, groups.Place{Entity: at.Path, Sequence: uint64(at.Sequence)})
	}
	needed := r.Op != nil && (r.Op.State != nil || len(r.Op.Bring) > 0)
	if r.Payload.Len > 0 {
		data, err := log.Read(ctx, r.Payload)
		if err != nil && needed {
			return row, fmt.Errorf("read what row %s of %s holds: %w", r.What, r.Path, err)
		}
		if err == nil && r.Kind != broker.TailState {
			row.MessageID, _ = broker.IDOf(data)
		}
		if needed {
			r.Op.Message = data
		}
	}
	if r.Op == nil {
		return row, nil
	}
	var err error
	row.Body, err = json.Marshal(r.Op)
	return row, err
}

// arrivals are the ids of messages that came to a namespace behind a position, by
// entity. They tell what senders have sent again.
type arrivals struct {
	source string
	ids    map[arrival]struct{}
}

type arrival struct {
	entity uint32
	id     string
}

// add takes a message that came.
func (a arrivals) add(entities []uint32, encoded []byte) {
	id, _ := broker.IDOf(encoded)
	if id == "" || len(a.ids) >= arrivalsMax {
		return
	}
	for _, e := range entities {
		a.ids[arrival{e, id}] = struct{}{}
	}
}

// arrivalsMax bounds them; about 100 bytes each.
const arrivalsMax = 1 << 22

// salvaging is what a bus keeps while tails are brought back.
type salvaging struct {
	mu     sync.Mutex
	byUnit map[string]arrivals
}

// Salvage brings rows of a tail, made by Tail in another location, into the namespace
// that a unit keeps; this node must own it. The rows of one call become durable
// together. They come back with their verdicts, and with them what became of all rows
// of that source so far. past is the unit's own log, after where the histories parted;
// what came since is compared by message id. resent brings messages also when a message
// of their id has come since. A call without rows ends it and only counts.
func (s *Service) Salvage(ctx context.Context, unit, source string, past replica.Past, after journal.Mark, resent bool, rows []groups.Row) ([]groups.Row, map[string]uint64, error) {
	var sp *space
	for _, one := range s.active() {
		if unitName(one.ns.Name()) == unit {
			sp = one
		}
	}
	if sp == nil {
		return nil, nil, fault.New(fault.NotFound, "No namespace is kept by the unit %s.", unit)
	}
	s.salvaging.mu.Lock()
	defer s.salvaging.mu.Unlock()
	if len(rows) == 0 {
		delete(s.salvaging.byUnit, unit)
	}
	came := arrivals{}
	var err error
	if len(rows) > 0 {
		if came, err = s.arrivals(ctx, unit, source, past, after); err != nil {
			return nil, nil, err
		}
	}
	in := make([]broker.SalvageRow, len(rows))
	for i, r := range rows {
		if in[i], err = salvageRow(r, came); err != nil {
			return nil, nil, err
		}
		in[i].Resent = in[i].Resent && !resent
	}
	rows = slices.Clone(rows)
	var counts map[string]uint64
	err = sp.ns.Call(ctx, func(t *namespace.Turn) {
		for i, v := range t.Broker.Salvage(t, source, in) {
			rows[i].Verdict = v.String()
		}
		_, counts = t.Broker.Salvaged(source)
	})
	return rows, counts, err
}

// salvageRow reads a row that came from another location.
func salvageRow(r groups.Row, came arrivals) (broker.SalvageRow, error) {
	in := broker.SalvageRow{Number: r.Number}
	if len(r.Body) == 0 {
		return in, nil
	}
	in.Op = &broker.Op{}
	if err := json.Unmarshal(r.Body, in.Op); err != nil {
		return in, fault.Wrap(fault.Invalid, err, "Row %d of the tail is not understood.", r.Number)
	}
	in.MessageID, in.PartitionKey = broker.IDOf(in.Op.Message)
	if in.MessageID == "" {
		return in, nil
	}
	for _, x := range in.Op.Bring {
		_, seen := came.ids[arrival{x.To.Entity, in.MessageID}]
		in.Resent = in.Resent || seen
	}
	return in, nil
}

// arrivals reads what came since the histories parted, once for each tail. Where that
// is not all kept any more, only what is left is compared.
func (s *Service) arrivals(ctx context.Context, unit, source string, past replica.Past, after journal.Mark) (arrivals, error) {
	if known, ok := s.salvaging.byUnit[unit]; ok && known.source == source {
		return known, nil
	}
	came := arrivals{source: source, ids: map[arrival]struct{}{}}
	from, err := past.Log.TailAt(ctx, after.At)
	if err == nil {
		_, err = past.Log.Replay(ctx, from, func(b journal.Batch) error {
			return replica.Facts(b, func(_ journal.Ref, fact []byte) error {
				return broker.Arrivals(fact, came.add)
			})
		})
	}
	if err != nil {
		s.log.Warn("what came since the histories parted can not all be read; messages that were sent again are not all recognized", "unit", unit, "error", err)
	}
	if s.salvaging.byUnit == nil {
		s.salvaging.byUnit = map[string]arrivals{}
	}
	s.salvaging.byUnit[unit] = came
	return came, ctx.Err()
}
