package amqp

import "math"

// Performative is the body of a frame.
type Performative interface {
	// Append appends the encoding.
	Append(dst []byte) []byte
	// Decode reads the encoding at the start of b and returns what follows it: for
	// a transfer the payload. Binaries alias b.
	Decode(b []byte) (rest []byte, err error)
}

// DecodePerformative decodes the body of a frame of either type.
func DecodePerformative(body []byte) (p Performative, payload []byte, err error) {
	code, _, err := Descriptor(body)
	if err != nil {
		return nil, nil, err
	}
	if p = newPerformative(code); p == nil {
		return nil, nil, Errorf(ErrNotImplemented, "no performative has descriptor 0x%x", code)
	}
	payload, err = p.Decode(body)
	if err != nil {
		return nil, nil, err
	}
	return p, payload, nil
}

func newPerformative(code uint64) Performative {
	switch code {
	case DescOpen:
		return new(Open)
	case DescBegin:
		return new(Begin)
	case DescAttach:
		return new(Attach)
	case DescFlow:
		return new(Flow)
	case DescTransfer:
		return new(Transfer)
	case DescDisposition:
		return new(Disposition)
	case DescDetach:
		return new(Detach)
	case DescEnd:
		return new(End)
	case DescClose:
		return new(Close)
	}
	return newSASL(code)
}

func newSASL(code uint64) Performative {
	switch code {
	case DescSASLMechanisms:
		return new(SASLMechanisms)
	case DescSASLInit:
		return new(SASLInit)
	case DescSASLChallenge:
		return new(SASLChallenge)
	case DescSASLResponse:
		return new(SASLResponse)
	case DescSASLOutcome:
		return new(SASLOutcome)
	}
	return nil
}

// Decode reads an open.
func (o *Open) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescOpen, "open")
	id, set := f.text("container-id")
	f.need(set, "container-id")
	*o = Open{
		ContainerID:         id,
		Hostname:            f.string("hostname"),
		MaxFrameSize:        f.uintOr(math.MaxUint32, "max-frame-size"),
		ChannelMax:          f.ushort("channel-max").Or(math.MaxUint16),
		IdleTimeout:         f.uintOr(0, "idle-time-out"),
		OutgoingLocales:     f.symbols("outgoing-locales"),
		IncomingLocales:     f.symbols("incoming-locales"),
		OfferedCapabilities: f.symbols("offered-capabilities"),
		DesiredCapabilities: f.symbols("desired-capabilities"),
		Properties:          f.mapping("properties"),
	}
	return rest, f.err
}

// Append appends an open.
func (o *Open) Append(dst []byte) []byte {
	w := writeFields(dst, DescOpen)
	w.string(o.ContainerID)
	w.stringUnlessEmpty(o.Hostname)
	w.optUint(Optional[uint32]{o.MaxFrameSize, o.MaxFrameSize != 0 && o.MaxFrameSize != math.MaxUint32})
	w.optUshort(Optional[uint16]{o.ChannelMax, o.ChannelMax != math.MaxUint16})
	w.uintUnless(0, o.IdleTimeout)
	w.symbols(o.OutgoingLocales)
	w.symbols(o.IncomingLocales)
	w.symbols(o.OfferedCapabilities)
	w.symbols(o.DesiredCapabilities)
	w.mapping(o.Properties)
	return w.close()
}

// Decode reads a begin.
func (g *Begin) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescBegin, "begin")
	*g = Begin{
		RemoteChannel:       f.ushort("remote-channel"),
		NextOutgoingID:      f.needUint("next-outgoing-id"),
		IncomingWindow:      f.needUint("incoming-window"),
		OutgoingWindow:      f.needUint("outgoing-window"),
		HandleMax:           f.uintOr(math.MaxUint32, "handle-max"),
		OfferedCapabilities: f.symbols("offered-capabilities"),
		DesiredCapabilities: f.symbols("desired-capabilities"),
		Properties:          f.mapping("properties"),
	}
	return rest, f.err
}

// Append appends a begin.
func (g *Begin) Append(dst []byte) []byte {
	w := writeFields(dst, DescBegin)
	w.optUshort(g.RemoteChannel)
	w.uint(g.NextOutgoingID)
	w.uint(g.IncomingWindow)
	w.uint(g.OutgoingWindow)
	w.uintUnless(math.MaxUint32, g.HandleMax)
	w.symbols(g.OfferedCapabilities)
	w.symbols(g.DesiredCapabilities)
	w.mapping(g.Properties)
	return w.close()
}

// Decode reads an end.
func (e *End) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescEnd, "end")
	*e = End{Error: f.errorField()}
	return rest, f.err
}

// Append appends an end.
func (e *End) Append(dst []byte) []byte { return appendFinal(dst, DescEnd, e.Error) }

// Decode reads a close.
func (c *Close) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescClose, "close")
	*c = Close{Error: f.errorField()}
	return rest, f.err
}

// Append appends a close.
func (c *Close) Append(dst []byte) []byte { return appendFinal(dst, DescClose, c.Error) }

// appendFinal appends an end or a close.
func appendFinal(dst []byte, descriptor uint64, e *Error) []byte {
	w := writeFields(dst, descriptor)
	w.error(e)
	return w.close()
}
