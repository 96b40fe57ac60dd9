package amqp

import (
	"time"

	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

// Lock tokens travel in two orders: as an AMQP uuid they stand in RFC 4122
// order, in a delivery tag in the order .NET writes a GUID's bytes, its first
// three groups turned round. Clients turn the tag to get the token.

// tagOf returns the delivery tag that carries a lock token.
func tagOf(token broker.LockToken) [16]byte { return swapGUID(token) }

// uuidOf returns a lock token as it stands in management messages.
func uuidOf(token broker.LockToken) wire.UUID { return wire.UUID(token) }

func swapGUID(b [16]byte) [16]byte {
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
	return b
}

// ticksAtUnixEpoch is the Unix epoch in .NET ticks, 100 ns each since the year 1.
const ticksAtUnixEpoch = 621355968000000000

// ticksOf returns t in .NET ticks.
func ticksOf(t time.Time) int64 {
	return ticksAtUnixEpoch + t.Unix()*1e7 + int64(t.Nanosecond())/100
}
