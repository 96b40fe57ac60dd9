package amqp

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

// identityCharsMax is how long a message id, session id or partition key may be.
const identityCharsMax = 128

// Message annotations that mean something to the broker.
const (
	annPartitionKey     = "x-opt-partition-key"
	annViaPartitionKey  = "x-opt-via-partition-key"
	annScheduledEnqueue = "x-opt-scheduled-enqueue-time"
)

// Places of fields in the lists of the header and properties sections
// (part 3, 3.2.1 and 3.2.4).
const (
	headerTTL              = 2
	propertyMessageID      = 0
	propertyAbsoluteExpiry = 8
	propertyCreation       = 9
	propertyGroupID        = 10
)

// identify reads from an encoded message what the broker must know of it, and
// nothing more: it walks over the sections and decodes six fields.
func identify(encoded []byte) (broker.Message, error) {
	m := broker.Message{Encoded: encoded}
	s, err := wire.ScanMessage(encoded)
	if err != nil {
		if m.Encoded = inOrder(encoded); m.Encoded == nil {
			return m, err
		}
		if s, err = wire.ScanMessage(m.Encoded); err != nil {
			return m, err
		}
	}
	life, err := identifyProperties(&m, s.Properties)
	if err != nil {
		return m, err
	}
	if err := identifyHeader(&m, s.Header, life); err != nil {
		return m, err
	}
	if err := identifyAnnotations(&m, s.MessageAnnotations); err != nil {
		return m, err
	}
	for _, id := range [...]string{m.MessageID, m.SessionID, m.PartitionKey, m.ViaPartitionKey} {
		if len(id) > identityCharsMax && utf8.RuneCountInString(id) > identityCharsMax {
			return m, fault.New(fault.Invalid, "Message ids, session ids and partition keys have at most %d characters.", identityCharsMax)
		}
	}
	return m, nil
}

// identifyProperties takes the ids, and the lifetime that the two time stamps
// name when both are there.
func identifyProperties(m *broker.Message, section []byte) (life time.Duration, err error) {
	var created, expires wire.Timestamp
	err = eachField(section, func(i int, value []byte) (err error) {
		switch i {
		case propertyMessageID:
			m.MessageID, err = idText(value)
		case propertyGroupID:
			if value[0] != wire.CodeNull {
				m.SessionID, err = idText(value)
				m.HasSession = true
			}
		case propertyAbsoluteExpiry:
			expires, err = timestampOf(value)
		case propertyCreation:
			created, err = timestampOf(value)
		}
		return err
	})
	if created != 0 && expires > created {
		life = expires.Time().Sub(created.Time())
	}
	return life, err
}

// identifyHeader takes the time to live. A header has room for 49 days; clients
// that mean more send the largest number and say how much in the properties.
func identifyHeader(m *broker.Message, section []byte, life time.Duration) error {
	return eachField(section, func(i int, value []byte) error {
		if i != headerTTL || value[0] == wire.CodeNull {
			return nil
		}
		v, _, err := wire.ReadValue(value)
		ms, ok := v.(uint32)
		if err != nil || !ok {
			return wire.Errorf(wire.ErrDecode, "the ttl of a header is a uint")
		}
		m.TTL = time.Duration(ms) * time.Millisecond
		if ms == 1<<32-1 {
			m.TTL = life
		}
		return nil
	})
}

// identifyAnnotations takes partition keys and the time a message is scheduled for.
func identifyAnnotations(m *broker.Message, section []byte) error {
	return eachPair(section, func(key, value []byte) (err error) {
		switch string(textOf(key)) {
		case annPartitionKey:
			m.PartitionKey, err = idText(value)
		case annViaPartitionKey:
			m.ViaPartitionKey, err = idText(value)
		case annScheduledEnqueue:
			var at wire.Timestamp
			if at, err = timestampOf(value); at > 0 {
				m.ScheduledAt = at.Time()
			}
		}
		return err
	})
}

// idText is the canonical text of an id of any of the types an id can have; null
// is empty.
func idText(value []byte) (string, error) {
	switch value[0] {
	case wire.CodeStr8, wire.CodeStr32, wire.CodeSym8, wire.CodeSym32:
		return string(textOf(value)), nil
	}
	v, _, err := wire.ReadValue(value)
	if err != nil {
		return "", err
	}
	switch id := v.(type) {
	case nil:
		return "", nil
	case uint64:
		return strconv.FormatUint(id, 10), nil
	case wire.UUID:
		return id.String(), nil
	case []byte:
		return hex.EncodeToString(id), nil
	}
	return "", wire.Errorf(wire.ErrDecode, "an id is a string, ulong, uuid or binary")
}

// timestampOf decodes a timestamp; null is 0.
func timestampOf(value []byte) (wire.Timestamp, error) {
	v, _, err := wire.ReadValue(value)
	if err != nil {
		return 0, err
	}
	switch at := v.(type) {
	case nil:
		return 0, nil
	case wire.Timestamp:
		return at, nil
	}
	return 0, wire.Errorf(wire.ErrDecode, "a time is a timestamp")
}

// textOf returns the bytes of an encoded string or symbol; nil for other types.
// The value was measured by Skip before.
func textOf(value []byte) []byte {
	switch value[0] {
	case wire.CodeStr8, wire.CodeSym8:
		return value[2:]
	case wire.CodeStr32, wire.CodeSym32:
		return value[5:]
	}
	return nil
}

// eachField calls fn with every encoded field of a section that is a list. An
// absent section has no fields.
func eachField(section []byte, fn func(i int, value []byte) error) error {
	body, count, err := compound(section)
	for i := 0; i < count && err == nil; i++ {
		var n int
		if n, err = wire.Skip(body); err == nil {
			err = fn(i, body[:n])
			body = body[n:]
		}
	}
	return err
}

// eachPair calls fn with every encoded key and value of a section that is a map.
func eachPair(section []byte, fn func(key, value []byte) error) error {
	body, count, err := compound(section)
	for ; count > 1 && err == nil; count -= 2 {
		var k, v int
		if k, err = wire.Skip(body); err != nil {
			break
		}
		if v, err = wire.Skip(body[k:]); err == nil {
			err = fn(body[:k], body[k:k+v])
			body = body[k+v:]
		}
	}
	return err
}

// compound opens a section that holds a list or a map: its elements' bytes and
// their number.
func compound(section []byte) (body []byte, count int, err error) {
	if len(section) == 0 {
		return nil, 0, nil
	}
	n, err := wire.Skip(section[1:]) // over the descriptor
	if err != nil {
		return nil, 0, err
	}
	value := section[1+n:]
	if len(value) == 0 {
		return nil, 0, wire.Errorf(wire.ErrDecode, "a section ends after its descriptor")
	}
	switch code := value[0]; {
	case code == wire.CodeList0:
		return nil, 0, nil
	case (code == wire.CodeList8 || code == wire.CodeMap8) && len(value) >= 3:
		return value[3:], int(value[2]), nil
	case (code == wire.CodeList32 || code == wire.CodeMap32) && len(value) >= 9:
		return value[9:], int(binary.BigEndian.Uint32(value[5:])), nil
	}
	return nil, 0, wire.Errorf(wire.ErrDecode, "a section of this kind holds a list or a map")
}
