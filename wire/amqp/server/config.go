package server

import (
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"weir/wire/amqp"
)

// Config names and bounds a server. The zero value of a field takes the default.
type Config struct {
	ContainerID      string        // of our open; default "weir"
	MaxFrameSize     uint32        // bytes, the largest frame we read; default 65536
	ChannelMax       uint16        // highest channel number; default 4999
	HandleMax        uint32        // highest link handle of a session; default 1023
	IncomingWindow   uint32        // transfer frames of a session; default 5000
	MaxMessageSize   uint64        // bytes, where AttachReply gives none; default 1 MiB
	IdleTimeout      time.Duration // a peer silent for that long is closed, half of it is advertised; default 4 min, negative: never
	HandshakeTimeout time.Duration // from the first byte to open; default 30 s
	WriteTimeout     time.Duration // for every 64 KiB of output; default 30 s
	CloseTimeout     time.Duration // how long we wait for the peer's close; default 2 s
	OutputBytesMax   int           // output at which reading and WaitRoom wait; default 4 MiB
	Mechanisms       []amqp.Symbol // SASL, in order of preference; default MSSBCBS, PLAIN, ANONYMOUS, EXTERNAL
	Properties       amqp.Map      // of our open
	Logger           *slog.Logger  // default: none
}

// outputSlackMax is how many bytes of output a Handler that never waits for room
// may pile up beyond OutputBytesMax, the newest message not counted, before the
// connection is cut off.
const outputSlackMax = 64 << 20

// channelMaxDefault is the default of ChannelMax, which can therefore not be 0.
const channelMaxDefault = 4999

func (c Config) withDefaults() Config {
	or(&c.ContainerID, "weir")
	or(&c.MaxFrameSize, 64<<10)
	c.MaxFrameSize = max(c.MaxFrameSize, amqp.FrameSizeMin)
	or(&c.ChannelMax, channelMaxDefault)
	or(&c.HandleMax, 1023)
	or(&c.IncomingWindow, 5000)
	or(&c.MaxMessageSize, 1<<20)
	or(&c.IdleTimeout, 4*time.Minute)
	or(&c.HandshakeTimeout, 30*time.Second)
	or(&c.WriteTimeout, 30*time.Second)
	or(&c.CloseTimeout, 2*time.Second)
	or(&c.OutputBytesMax, 4<<20)
	if c.Mechanisms == nil {
		c.Mechanisms = []amqp.Symbol{"MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func or[T comparable](field *T, fallback T) {
	var zero T
	if *field == zero {
		*field = fallback
	}
}

// PeerInfo is what is known of a peer before it speaks.
type PeerInfo struct {
	Remote   net.Addr
	TLS      *tls.ConnectionState // nil on plain connections
	Loopback bool
	External bool // it came through a door for other networks
}

// peerInfo asks the connection. Wrappers (WebSockets) may give RemoteAddr and
// ConnectionState methods of their own.
func peerInfo(conn net.Conn) PeerInfo {
	info := PeerInfo{Remote: conn.RemoteAddr()}
	if t, ok := conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		state := t.ConnectionState()
		info.TLS = &state
	}
	if tcp, ok := info.Remote.(*net.TCPAddr); ok {
		info.Loopback = tcp.IP.IsLoopback()
	}
	return info
}
