package amqp

import (
	"encoding/binary"
	"math/rand/v2"

	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

// withID gives a message the id it came without, as Azure does: the JavaScript
// client can not settle a message that has none. It is the one change made to a
// bare message; one that has an id stays as it was sent.
func withID(m broker.Message) (broker.Message, error) {
	s, err := wire.ScanMessage(m.Encoded)
	if err != nil {
		return m, err
	}
	fields, count, err := compound(s.Properties)
	if err != nil {
		return m, err
	}
	if count > 0 {
		n, err := wire.Skip(fields) // over the null
		if err != nil {
			return m, err
		}
		fields = fields[n:]
	}
	var id wire.UUID
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // RFC 9562, version 4
	m.MessageID = id.String()

	head := len(s.Header) + len(s.DeliveryAnnotations) + len(s.MessageAnnotations)
	const listHead, idSize = 3 + 9, 2 + 36
	b := make([]byte, 0, len(m.Encoded)+listHead+idSize)
	b = append(b, m.Encoded[:head]...)
	b = append(b, wire.CodeDescribed, wire.CodeSmallUlong, byte(wire.DescProperties), wire.CodeList32)
	b = binary.BigEndian.AppendUint32(b, uint32(4+idSize+len(fields)))
	b = binary.BigEndian.AppendUint32(b, uint32(max(1, count)))
	b = wire.AppendString(b, m.MessageID)
	b = append(b, fields...)
	m.Encoded = append(b, m.Encoded[head+len(s.Properties):]...)
	return m, nil
}
