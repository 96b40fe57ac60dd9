package amqp

import (
	"math"
	"time"

	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

// Annotations the broker writes. What a client sent under these names is dropped.
const (
	annSequenceNumber   = "x-opt-sequence-number"
	annEnqueuedTime     = "x-opt-enqueued-time"
	annLockedUntil      = "x-opt-locked-until"
	annEnqueuedSequence = "x-opt-enqueue-sequence-number"
	annMessageState     = "x-opt-message-state"
	annDeadLetterSource = "x-opt-deadletter-source"

	annLockToken = "x-opt-lock-token" // a delivery annotation
)

var brokerAnnotations = []string{
	annSequenceNumber, annEnqueuedTime, annLockedUntil, annEnqueuedSequence, annMessageState, annDeadLetterSource,
}

// showing is how a message is shown: delivered on a link, fetched or peeked.
type showing struct {
	lock     broker.LockToken // zero: not locked
	peeked   bool             // always tell the state
	omitBody bool
}

// renderer turns stored messages into the bytes of a transfer. The bare message
// is sent as it was received; what stands around it is made anew. It is not safe
// for concurrent use, and each message is good until the next.
type renderer struct {
	buf   []byte
	pairs wire.Pairs
	parts [2][]byte
}

// render returns the message in parts that belong one behind the other.
func (r *renderer) render(encoded []byte, m *broker.Stored, how showing) ([][]byte, error) {
	s, err := wire.ScanMessage(encoded)
	if err != nil {
		return nil, err
	}
	if m.Edit != nil {
		if s, err = edited(s, m.Edit); err != nil {
			return nil, err
		}
	}
	if how.omitBody {
		s.Bare = s.Bare[:len(s.Bare)-len(s.Body)]
	}
	r.buf = r.buf[:0]
	if err := r.header(s.Header, m); err != nil {
		return nil, err
	}
	if err := r.deliveryAnnotations(s.DeliveryAnnotations, how); err != nil {
		return nil, err
	}
	if err := r.messageAnnotations(s.MessageAnnotations, m, how); err != nil {
		return nil, err
	}
	head := len(r.buf)
	if len(s.Footer) == 0 {
		r.parts = [2][]byte{r.buf[:head], s.Bare}
		return r.parts[:], nil
	}
	return [][]byte{r.buf[:head], s.Bare, s.Footer}, nil
}

// header keeps durability and priority and writes the rest: the time to live as
// the entity capped it, and how many deliveries failed, 0 included.
func (r *renderer) header(section []byte, m *broker.Stored) error {
	durable, priority := []byte{wire.CodeNull}, []byte{wire.CodeNull}
	ttl := wire.Optional[uint32]{}
	err := eachField(section, func(i int, value []byte) error {
		switch i {
		case 0:
			if value[0] == wire.CodeTrue || value[0] == wire.CodeFalse || value[0] == wire.CodeBool {
				durable = value
			}
		case 1:
			if value[0] == wire.CodeUbyte {
				priority = value
			}
		case headerTTL:
			if v, _, err := wire.ReadValue(value); err == nil {
				ttl.Value, ttl.Set = v.(uint32)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !m.Expires.IsZero() {
		ms := max(0, m.Expires.Sub(m.Enqueued)/time.Millisecond)
		ttl = wire.Some(uint32(min(ms, math.MaxUint32)))
	}
	// A list8: descriptor, code, size and count come first, then five fields.
	r.buf = append(r.buf, wire.CodeDescribed, wire.CodeSmallUlong, byte(wire.DescHeader), wire.CodeList8, 0, 5)
	r.buf = append(r.buf, durable...)
	r.buf = append(r.buf, priority...)
	if ttl.Set {
		r.buf = wire.AppendUint(r.buf, ttl.Value)
	} else {
		r.buf = append(r.buf, wire.CodeNull)
	}
	r.buf = append(r.buf, wire.CodeFalse) // first-acquirer: Azure never claims it
	r.buf = wire.AppendUint(r.buf, m.DeliveryCount)
	r.buf[4] = byte(len(r.buf) - 5)
	return nil
}

// deliveryAnnotations keeps the sender's and adds the lock token, where the Go
// client looks for it in messages fetched by number.
func (r *renderer) deliveryAnnotations(section []byte, how showing) (err error) {
	if how.lock == (broker.LockToken{}) {
		r.buf = append(r.buf, section...)
		return nil
	}
	r.pairs.Reset()
	r.pairs.SymbolUUID(annLockToken, uuidOf(how.lock))
	r.buf, err = wire.MergeSection(r.buf, wire.DescDeliveryAnnotations, section, &r.pairs)
	return err
}

func (r *renderer) messageAnnotations(section []byte, m *broker.Stored, how showing) (err error) {
	p := &r.pairs
	p.Reset()
	p.SymbolTime(annEnqueuedTime, wire.TimestampOf(m.Enqueued))
	p.SymbolLong(annSequenceNumber, m.Sequence)
	if !m.LockedUntil.IsZero() {
		p.SymbolTime(annLockedUntil, wire.TimestampOf(m.LockedUntil))
	}
	if m.EnqueuedSequence != 0 { // it was forwarded, or is a topic's copy
		p.SymbolLong(annEnqueuedSequence, m.EnqueuedSequence)
	}
	if how.peeked || m.State != broker.MessageActive {
		p.SymbolInt(annMessageState, int32(m.State))
	}
	if m.DeadLetterSource != "" {
		p.SymbolString(annDeadLetterSource, m.DeadLetterSource)
	}
	if m.Edit != nil {
		editAnnotations(p, m.Edit)
	}
	r.buf, err = wire.MergeSection(r.buf, wire.DescMessageAnnotations, section, p, brokerAnnotations...)
	return err
}

// joined returns a rendered message in one piece, for the messages of a
// management reply.
func joined(parts [][]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	whole := make([]byte, 0, n)
	for _, p := range parts {
		whole = append(whole, p...)
	}
	return whole
}
