package amqp

import "math"

// Header is the header section (part 3, 3.2.1).
type Header struct {
	Durable       bool
	Priority      uint8            // 4 when absent
	TTL           Optional[uint32] // milliseconds
	FirstAcquirer bool
	DeliveryCount uint32
}

// priorityDefault is the priority of messages that name none.
const priorityDefault = 4

// DecodeHeader decodes a header section; an absent one gives the defaults.
func DecodeHeader(section []byte) (Header, error) {
	if section == nil {
		return Header{Priority: priorityDefault}, nil
	}
	f, _ := openFields(section, DescHeader, "header")
	h := Header{Durable: f.isTrue("durable")}
	h.Priority = mode(&f, uint8(math.MaxUint8), "priority").Or(priorityDefault)
	h.TTL = f.uint("ttl")
	h.FirstAcquirer = f.isTrue("first-acquirer")
	h.DeliveryCount = f.uintOr(0, "delivery-count")
	return h, f.err
}

// Append appends the header section.
func (h *Header) Append(dst []byte) []byte {
	w := writeFields(dst, DescHeader)
	w.boolUnless(false, h.Durable)
	writeMode(&w, Optional[uint8]{h.Priority, h.Priority != priorityDefault})
	w.optUint(h.TTL)
	w.boolUnless(false, h.FirstAcquirer)
	w.uintUnless(0, h.DeliveryCount)
	return w.close()
}

// Properties is the properties section (part 3, 3.2.4).
type Properties struct {
	MessageID          any // nil, uint64, UUID, []byte or string
	UserID             []byte
	To                 Optional[string]
	Subject            Optional[string]
	ReplyTo            Optional[string]
	CorrelationID      any // as MessageID
	ContentType        Optional[Symbol]
	ContentEncoding    Optional[Symbol]
	AbsoluteExpiryTime Optional[Timestamp]
	CreationTime       Optional[Timestamp]
	GroupID            Optional[string]
	GroupSequence      Optional[uint32]
	ReplyToGroupID     Optional[string]
}

// DecodeProperties decodes a properties section; an absent one is empty.
func DecodeProperties(section []byte) (Properties, error) {
	if section == nil {
		return Properties{}, nil
	}
	f, _ := openFields(section, DescProperties, "properties")
	p := Properties{
		MessageID:          f.messageID("message-id"),
		UserID:             f.binary("user-id"),
		To:                 f.optString("to"),
		Subject:            f.optString("subject"),
		ReplyTo:            f.optString("reply-to"),
		CorrelationID:      f.messageID("correlation-id"),
		ContentType:        f.optSymbol("content-type"),
		ContentEncoding:    f.optSymbol("content-encoding"),
		AbsoluteExpiryTime: f.timestamp("absolute-expiry-time"),
		CreationTime:       f.timestamp("creation-time"),
		GroupID:            f.optString("group-id"),
		GroupSequence:      f.uint("group-sequence"),
		ReplyToGroupID:     f.optString("reply-to-group-id"),
	}
	return p, f.err
}

// Append appends the properties section.
func (p *Properties) Append(dst []byte) []byte {
	w := writeFields(dst, DescProperties)
	w.any(p.MessageID)
	w.binary(p.UserID)
	w.optString(p.To)
	w.optString(p.Subject)
	w.optString(p.ReplyTo)
	w.any(p.CorrelationID)
	w.optSymbol(p.ContentType)
	w.optSymbol(p.ContentEncoding)
	w.timestamp(p.AbsoluteExpiryTime)
	w.timestamp(p.CreationTime)
	w.optString(p.GroupID)
	w.optUint(p.GroupSequence)
	w.optString(p.ReplyToGroupID)
	return w.close()
}

// messageID reads a field of type message-id.
func (f *fields) messageID(field string) any {
	if f.n == 0 || f.err != nil {
		return nil
	}
	at := f.b
	switch v := f.any().(type) {
	case nil, uint64, UUID, []byte, string:
		return v
	}
	f.mismatch(at, field)
	return nil
}

// DecodeSectionMap decodes a section that is a map: annotations, application
// properties or footer. An absent one, and one that is null, give a nil map.
func DecodeSectionMap(section []byte) (Map, error) {
	if section == nil {
		return nil, nil
	}
	_, value, err := Descriptor(section)
	if err != nil {
		return nil, err
	}
	v, _, err := ReadValue(value)
	if err != nil {
		return nil, err
	}
	m, ok := v.(Map)
	if !ok && v != nil {
		return nil, Errorf(ErrDecode, "message section is no map")
	}
	return m, nil
}

// AppendSectionMap appends a map section with the given descriptor.
func AppendSectionMap(dst []byte, descriptor uint64, m Map) []byte {
	return appendMap(append(dst, CodeDescribed, CodeSmallUlong, byte(descriptor)), m)
}
