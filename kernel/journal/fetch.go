package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weir/kernel/journal/record"
)

const (
	// fetchRecordsMax and fetchBytesMax bound one request for records. The last
	// record may go over the bytes.
	fetchRecordsMax = 512
	fetchBytesMax   = 4 << 20

	// fetchAnswerWithin is how long the next record of an answer may take before
	// the request counts as lost and is sent again.
	fetchAnswerWithin = 2 * time.Second
)

// errNotStored: the log has no (readable) record at a position.
var errNotStored = errors.New("no record is stored there")

// stored is a record as the log has it, not verified.
type stored struct {
	at  Position
	rec []byte
}

// fetch reads up to n records, or until bytes are reached, from position from
// on, in order, as the nearest replica has them. There may be fewer, and none
// when the first can not be had; gaps show in the positions.
func (l *stream) fetch(ctx context.Context, from Position, n, bytes int) ([]stored, error) {
	for {
		got, err := l.fetchOnce(ctx, from, n, bytes)
		if !errors.Is(err, errLostAnswer) {
			return got, err
		}
		l.store.log.Warn("journal read was not answered, asking again", "stream", l.name, "position", from)
	}
}

// errLostAnswer: a request or a part of its answer got lost, say because a
// connection or a server ended.
var errLostAnswer = errors.New("no answer")

func (l *stream) fetchOnce(ctx context.Context, from Position, n, bytes int) ([]stored, error) {
	answers := make(chan *nats.Msg, n+1)
	address := l.store.replies.open(func(_ string, m *nats.Msg) {
		select {
		case answers <- m:
		default: // more than was asked for: not from this request
		}
	})
	defer l.store.replies.shut(address)
	request := fmt.Appendf(nil, `{"seq":%d,"batch":%d,"max_bytes":%d,"no_hdr":true}`, from, n, bytes)
	if err := l.store.nc.PublishRequest("$JS.API.DIRECT.GET."+l.name, address, request); err != nil {
		return nil, fmt.Errorf("read %s from %d: %w", l.name, from, err)
	}
	return l.gather(ctx, from, answers)
}

// gather takes the answers of one request until the last.
func (l *stream) gather(ctx context.Context, from Position, answers <-chan *nats.Msg) ([]stored, error) {
	var got []stored
	late := time.NewTimer(fetchAnswerWithin)
	defer late.Stop()
	for {
		select {
		case m := <-answers:
			if status := m.Header.Get("Status"); status != "" {
				return got, l.ended(ctx, status, m)
			}
			at := record.Locate(from, m.Data)
			got = append(got, stored{at, m.Data})
			from = at + 1
			late.Reset(fetchAnswerWithin)
		case <-late.C:
			return nil, errLostAnswer
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ended judges the message that ends an answer: 204 is its regular end, 404 says
// that there is nothing. Without any responder a leader is being elected.
func (l *stream) ended(ctx context.Context, status string, m *nats.Msg) error {
	switch status {
	case "204", "404":
		return nil
	case "503":
		if err := pause(ctx, retryEvery); err != nil {
			return err
		}
		return errLostAnswer
	}
	return fmt.Errorf("read %s: status %s %s", l.name, status, m.Header.Get("Description"))
}

// fromLeader reads one record from the stream's leader, which has every
// acknowledged one. Error: errNotStored.
func (l *stream) fromLeader(ctx context.Context, at Position) ([]byte, error) {
	var rec []byte
	err := l.store.retry(ctx, "read from the leader of "+l.name, func(ctx context.Context) error {
		m, err := l.ask(ctx, at)
		rec = m
		return err
	})
	return rec, err
}

// ask is one request to the leader for a record. The client library would use a
// direct get, which any replica may answer, so it is made by hand.
func (l *stream) ask(ctx context.Context, at Position) ([]byte, error) {
	var answer struct {
		Message *struct {
			Data []byte `json:"data"`
		} `json:"message"`
	}
	err := l.api(ctx, "STREAM.MSG.GET", fmt.Appendf(nil, `{"seq":%d}`, at), &answer)
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == noMessageFound {
		return nil, fmt.Errorf("%w (%s)", errNotStored, api.Description)
	}
	if err == nil && answer.Message == nil {
		return nil, fmt.Errorf("%w (empty answer)", errNotStored)
	}
	if err != nil {
		return nil, err
	}
	return answer.Message.Data, nil
}

const noMessageFound = 10037

// extent asks the leader how much the stream holds.
func (l *stream) extent(ctx context.Context) (Size, error) {
	var answer struct {
		State struct {
			First uint64 `json:"first_seq"`
			Last  uint64 `json:"last_seq"`
			Bytes uint64 `json:"bytes"`
		} `json:"state"`
	}
	if err := l.api(ctx, "STREAM.INFO", nil, &answer); err != nil {
		return Size{}, err
	}
	s := answer.State
	if s.Last == 0 {
		s.First = 1
	}
	return Size{Position(s.First), Position(s.Last), s.Bytes}, nil
}

// api makes one request about the stream and decodes the answer.
func (l *stream) api(ctx context.Context, verb string, request []byte, answer any) error {
	m, err := l.store.nc.RequestWithContext(ctx, "$JS.API."+verb+"."+l.name, request)
	if err != nil {
		return err
	}
	var failure struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &failure); err != nil {
		return fmt.Errorf("answer of JetStream: %w", err)
	}
	if failure.Error != nil {
		return failure.Error
	}
	return json.Unmarshal(m.Data, answer)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
