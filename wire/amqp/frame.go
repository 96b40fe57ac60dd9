package amqp

import "encoding/binary"

// FrameType tells the two kinds of frames apart (part 2, 2.3.1).
type FrameType byte

// The frame types.
const (
	FrameAMQP FrameType = 0
	FrameSASL FrameType = 1
)

// FrameHead is the size of a frame's head without extended header, in bytes.
const FrameHead = 8

// FrameSizeMin is the smallest max-frame-size a peer may have, in bytes.
const FrameSizeMin = 512

// Protocol ids of the protocol header (part 2, 2.2; part 5, 5.2.1 and 5.3.2).
const (
	ProtocolAMQP byte = 0
	ProtocolTLS  byte = 2
	ProtocolSASL byte = 3
)

// ProtocolHeader returns the eight bytes that start a protocol, version 1.0.0.
func ProtocolHeader(id byte) []byte { return []byte{'A', 'M', 'Q', 'P', id, 1, 0, 0} }

// Frame is one frame. An empty Body makes it a heartbeat.
type Frame struct {
	Type    FrameType
	Channel uint16 // means nothing in SASL frames
	Body    []byte // aliases the input
}

// ReadFrame cuts the frame at the start of b. A size of 0 says that b does not
// hold all of it yet; need is then how many bytes are needed as far as known.
// Errors are framing errors: sizes above max, and offsets outside the frame.
func ReadFrame(b []byte, max uint32) (f Frame, size, need int, err error) {
	if len(b) < FrameHead {
		return f, 0, FrameHead, nil
	}
	n, offset := binary.BigEndian.Uint32(b), uint32(b[4])*4
	switch {
	case n > max:
		return f, 0, 0, Errorf(ErrConnectionFraming, "frame of %d bytes where %d is the limit", n, max)
	case n < FrameHead, offset < FrameHead, offset > n:
		return f, 0, 0, Errorf(ErrConnectionFraming, "frame of %d bytes with its body at %d", n, offset)
	case b[5] > byte(FrameSASL):
		return f, 0, 0, Errorf(ErrConnectionFraming, "frame type 0x%02x", b[5])
	}
	if uint64(len(b)) < uint64(n) {
		return f, 0, int(n), nil
	}
	return Frame{
		Type:    FrameType(b[5]),
		Channel: binary.BigEndian.Uint16(b[6:]),
		Body:    b[offset:n:n],
	}, int(n), int(n), nil
}

// OpenFrame appends a frame's head, which CloseFrame completes.
func OpenFrame(dst []byte, t FrameType, channel uint16) []byte {
	return append(dst, 0, 0, 0, 0, FrameHead/4, byte(t), byte(channel>>8), byte(channel))
}

// CloseFrame writes the size of the frame that starts at dst[start] and ends
// with dst.
func CloseFrame(dst []byte, start int) {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
}

// AppendFrame appends a frame with this body.
func AppendFrame(dst []byte, t FrameType, channel uint16, p Performative) []byte {
	start := len(dst)
	dst = p.Append(OpenFrame(dst, t, channel))
	CloseFrame(dst, start)
	return dst
}
