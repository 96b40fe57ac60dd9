package broker

import (
	"strings"
	"unicode/utf8"

	"weir/kernel/fault"
	"weir/wire/amqp"
)

// Send sends messages to a queue or topic: all of them or none. A message with
// ScheduledAt in the future waits in the entity until then. In a transaction the
// messages are held until it is discharged.
func (b *Broker) Send(t Turn, path string, msgs []Message, txn TxnID) error {
	b.begin(t)
	defer b.finish(t)
	e, err := b.findEntity(path)
	if err == nil {
		err = b.maySend(e, msgs)
	}
	if err != nil {
		return err
	}
	b.use(e)
	if txn != 0 {
		return b.holdSend(txn, operation{kind: opSend, path: path, msgs: msgs})
	}
	b.send(t, e, msgs, nil)
	return nil
}

// SendVia sends messages to an entity by way of another, as the older clients do
// in transactions. When the destination is disabled they come to lie in the
// transfer dead-letter queue of the entity they went by.
func (b *Broker) SendVia(t Turn, via, path string, msgs []Message, txn TxnID) error {
	b.begin(t)
	defer b.finish(t)
	if err := b.maySendVia(via, path, msgs); err != nil {
		return err
	}
	if txn != 0 {
		return b.holdSend(txn, operation{kind: opSendVia, path: path, via: via, msgs: msgs})
	}
	b.sendVia(t, via, path, msgs)
	return nil
}

func (b *Broker) maySendVia(via, path string, msgs []Message) error {
	by, err := b.findEntity(via)
	if err != nil {
		return err
	}
	if !by.takesSends() {
		return sendDisabled(by)
	}
	e, err := b.findEntity(path)
	if err != nil {
		return err
	}
	if !e.takesSends() {
		e = by // it will lie there
		return b.fits(e, msgs)
	}
	return b.maySend(e, msgs)
}

// sendVia sends what maySendVia has let pass.
func (b *Broker) sendVia(t Turn, via, path string, msgs []Message) {
	by, _ := b.findEntity(via)
	e, _ := b.findEntity(path)
	b.use(by)
	if e.takesSends() {
		b.use(e)
		b.send(t, e, msgs, nil)
		return
	}
	b.send(t, by, msgs, by.transfer)
}

func sendDisabled(e *entity) error {
	return fault.New(fault.Disabled, "The messaging entity '%s' is currently disabled for sending.", e.def.Name)
}

// maySend refuses messages that the entity cannot take.
func (b *Broker) maySend(e *entity, msgs []Message) error {
	if !e.takesSends() {
		return sendDisabled(e)
	}
	for i := range msgs {
		if err := e.accepts(&msgs[i]); err != nil {
			return err
		}
	}
	return b.fits(e, msgs)
}

// fits holds sizes against the limits of a message, a batch and the entity.
func (b *Broker) fits(e *entity, msgs []Message) error {
	most := int64(messageBytesMax)
	if e.def.MaxMessageBytes > 0 {
		most = min(most, e.def.MaxMessageBytes)
	}
	total := int64(0)
	for i := range msgs {
		n := int64(len(msgs[i].Encoded))
		total += n
		if n > most {
			return fault.New(fault.TooLarge, "The received message (size: %d) exceeds the limit (%d bytes) of '%s'.", n, most, e.def.Name)
		}
	}
	if len(msgs) > 1 && total > min(most, batchBytesMax) {
		return fault.New(fault.TooLarge, "The received batch (size: %d) exceeds the limit (%d bytes) of '%s'.", total, min(most, batchBytesMax), e.def.Name)
	}
	if !e.room(total) {
		return full(e)
	}
	return nil
}

func full(e *entity) error {
	return fault.New(fault.QuotaExceeded, "The maximum entity size has been reached or exceeded for '%s'. Size of entity in bytes: %d, Max entity size in bytes: %d.", e.def.Name, e.bytes, e.def.MaxSizeBytes)
}

// accepts refuses one message for what it says of itself.
func (e *entity) accepts(m *Message) error {
	if e.def.RequiresSession && !m.HasSession {
		return fault.New(fault.Conflict, "The SessionId was not set on a message, and it cannot be sent to the entity '%s'. Entities that have session support enabled can only receive messages that have the SessionId set to a valid value.", e.def.Name)
	}
	if e.def.Partitioned && m.HasSession && m.PartitionKey != "" && m.PartitionKey != m.SessionID {
		return fault.New(fault.Conflict, "The PartitionKey of a message must be its SessionId when it has one.")
	}
	if len(m.MessageID) <= identityCharsMax && len(m.SessionID) <= identityCharsMax && len(m.PartitionKey) <= identityCharsMax &&
		len(m.ViaPartitionKey) <= identityCharsMax && len(m.Encoded) <= propertyBytesMax {
		return nil
	}
	for _, id := range [...]struct{ what, text string }{
		{"message id", m.MessageID}, {"session id", m.SessionID}, {"partition key", m.PartitionKey}, {"via partition key", m.ViaPartitionKey},
	} {
		if err := checkIdentity(id.what, id.text); err != nil {
			return err
		}
	}
	return checkProperties(m.Encoded)
}

// checkIdentity holds an id against the number of characters it may have.
func checkIdentity(what, text string) error {
	if len(text) <= identityCharsMax || utf8.RuneCountInString(text) <= identityCharsMax {
		return nil
	}
	return fault.New(fault.Invalid, "The %s is longer than %d characters.", what, identityCharsMax)
}

// checkProperties holds the sections of a large message against the limits. A
// message that is smaller than one property may be needs no look.
func checkProperties(encoded []byte) error {
	s, err := amqp.ScanMessage(encoded)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The message cannot be read.")
	}
	all := len(s.Header) + len(s.DeliveryAnnotations) + len(s.MessageAnnotations) + len(s.Properties) + len(s.ApplicationProperties)
	if all <= propertyBytesMax {
		return nil
	}
	if all > headerBytesMax {
		return fault.New(fault.TooLarge, "The properties of the message take %d bytes; all together may take %d.", all, headerBytesMax)
	}
	m, err := amqp.DecodeSectionMap(s.ApplicationProperties)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The application properties of the message cannot be read.")
	}
	for _, e := range m {
		name, _ := e.Key.(string)
		if n := len(amqp.AppendValue(nil, e.Value)); n > propertyBytesMax {
			return fault.New(fault.TooLarge, "The property '%s' takes %d bytes; one may take %d.", strings.ToValidUTF8(name, "?"), n, propertyBytesMax)
		}
	}
	return nil
}

// send routes messages that were let pass and records them. straight names a
// mailbox to put them in instead.
func (b *Broker) send(t Turn, e *entity, msgs []Message, straight *mailbox) {
	p := b.newPlan()
	b.payloadParts = b.payloadParts[:0]
	for i := range msgs {
		b.plant(p, e, &msgs[i], straight)
	}
	b.commit(t, p, b.payloadParts)
	clear(b.payloadParts)
}

// plant plans for one new message, if it is not a duplicate.
func (b *Broker) plant(p *plan, e *entity, m *Message, straight *mailbox) {
	id := ""
	if e.def.DuplicateWindow > 0 {
		id = e.duplicateKey(m.MessageID, m.PartitionKey, m.SessionID, m.HasSession)
		if b.isDuplicate(p, e, id) {
			return
		}
	}
	x := item{length: len(m.Encoded), session: m.SessionID, hasSession: m.HasSession}
	p.begin(x)
	if id != "" {
		p.remember(e, id)
	}
	l := letter{size: int64(len(m.Encoded)), session: m.SessionID, hasSession: m.HasSession}
	switch {
	case straight != nil:
		l.reason = reasonTransfer
		b.stay(p, straight, l)
	case !m.ScheduledAt.IsZero() && m.ScheduledAt.UnixMilli() > b.now:
		b.shelve(p, e, m, l)
	default:
		l.due = expiry(b.now, ttlMillis(m))
		if e.def.Kind == Topic || e.def.ForwardTo != "" {
			l.content = b.show(m.Encoded)
		}
		if err := b.route(p, e, l); err != nil {
			panic("broker: a message whose bytes are here cannot be routed: " + err.Error())
		}
	}
	p.end()
	if p.items[len(p.items)-1].stays > 0 {
		b.payloadParts = append(b.payloadParts, m.Encoded)
	}
}

// ttlMillis is a message's own time to live, at least 1 ms when it names one.
func ttlMillis(m *Message) int64 {
	if m.TTL <= 0 {
		return 0
	}
	return max(m.TTL.Milliseconds(), 1)
}
