package broker

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"weir/service/bus/internal/filter"
	"weir/wire/amqp"
)

// view shows a message to the rule language: what its bytes say, under what was
// changed since. Sections are decoded when they are first asked for, once for all
// subscriptions.
type view struct {
	b       *Broker
	encoded []byte
	scanned bool
	message amqp.Message

	properties     amqp.Properties
	header         amqp.Header
	application    []Property // in the values of the rule language
	annotations    amqp.Map
	hasProperties  bool
	hasHeader      bool
	hasApplication bool
	hasAnnotations bool
	letter         letter
	edit           *Edit // of the copy in hand
	own            bool  // edit is nobody else's: it may be changed
	enqueued       int64
}

var (
	_ filter.MutableProperties = (*view)(nil)
	_ filter.IDSource          = (*view)(nil)
)

// show makes the broker's one view look at a message.
func (b *Broker) show(encoded []byte) *view {
	memory := b.view.application
	clear(memory)
	b.view = view{b: b, encoded: encoded, enqueued: b.now, application: memory[:0]}
	return &b.view
}

// look turns the view to a copy as it is now.
func (v *view) look(l letter) {
	l.content = nil
	v.letter, v.edit, v.own = l, l.edit, false
}

func (v *view) scan() {
	if !v.scanned {
		v.scanned = true
		v.message, _ = amqp.ScanMessage(v.encoded) // what cannot be read is not there
	}
}

func (v *view) props() *amqp.Properties {
	if !v.hasProperties {
		v.scan()
		v.hasProperties = true
		v.properties, _ = amqp.DecodeProperties(v.message.Properties)
	}
	return &v.properties
}

func (v *view) head() *amqp.Header {
	if !v.hasHeader {
		v.scan()
		v.hasHeader = true
		v.header, _ = amqp.DecodeHeader(v.message.Header)
	}
	return &v.header
}

func (v *view) users() []Property {
	if !v.hasApplication {
		v.scan()
		v.hasApplication = true
		m, _ := amqp.DecodeSectionMap(v.message.ApplicationProperties)
		for _, e := range m {
			if name, ok := e.Key.(string); ok {
				v.application = append(v.application, Property{name, filterValue(e.Value)})
			}
		}
	}
	return v.application
}

func (v *view) annotation(name string) any {
	if !v.hasAnnotations {
		v.scan()
		v.hasAnnotations = true
		v.annotations, _ = amqp.DecodeSectionMap(v.message.MessageAnnotations)
	}
	x, _ := v.annotations.Named(name)
	return filterValue(x)
}

// User returns an application property; where two names differ in case only, the
// exact one.
func (v *view) User(name string) (any, bool) {
	if v.edit != nil {
		if x, ok := named(v.edit.Application, name); ok {
			return filterValue(x), true
		}
		for _, gone := range v.edit.Removed {
			if strings.EqualFold(gone, name) {
				return nil, false
			}
		}
	}
	return named(v.users(), name)
}

func named(in []Property, name string) (any, bool) {
	folded := -1
	for i := range in {
		if in[i].Name == name {
			return in[i].Value, true
		}
		if folded < 0 && strings.EqualFold(in[i].Name, name) {
			folded = i
		}
	}
	if folded < 0 {
		return nil, false
	}
	return in[folded].Value, true
}

// System returns a system property by its canonical name.
func (v *view) System(name string) (any, bool) {
	if v.edit != nil {
		if x, ok := property(v.edit.System, name); ok {
			return filterValue(x), true
		}
	}
	if x, ok := v.text(name); ok {
		if !x.Set {
			return nil, true
		}
		return x.Value, true
	}
	switch name {
	case filter.SysMessageID:
		return idOrNil(v.props().MessageID), true
	case filter.SysCorrelationID:
		return idOrNil(v.props().CorrelationID), true
	case filter.SysSessionID:
		if !v.letter.hasSession {
			return nil, true
		}
		return v.letter.session, true
	case filter.SysPartitionKey:
		return v.annotation("x-opt-partition-key"), true
	case filter.SysViaPartitionKey:
		return v.annotation("x-opt-via-partition-key"), true
	case filter.SysScheduledEnqueueTime:
		return v.annotation("x-opt-scheduled-enqueue-time"), true
	}
	return v.brokered(name)
}

// text returns the system properties that are texts of the properties section.
func (v *view) text(name string) (amqp.Optional[string], bool) {
	p := v.props()
	switch name {
	case filter.SysLabel:
		return p.Subject, true
	case filter.SysTo:
		return p.To, true
	case filter.SysReplyTo:
		return p.ReplyTo, true
	case filter.SysReplyToSessionID:
		return p.ReplyToGroupID, true
	case filter.SysContentType:
		return amqp.Optional[string]{Value: string(p.ContentType.Value), Set: p.ContentType.Set}, true
	}
	return amqp.Optional[string]{}, false
}

// brokered returns the system properties that the broker knows of a message that
// is being copied.
func (v *view) brokered(name string) (any, bool) {
	switch name {
	case filter.SysTimeToLive:
		if ttl := v.head().TTL; ttl.Set {
			return filter.TimeSpan(int64(ttl.Value) * 10_000), true
		}
		return nil, true
	case filter.SysEnqueuedTime:
		return moment(v.enqueued), true
	case filter.SysExpiresAt:
		if v.letter.due == 0 {
			return nil, true
		}
		return moment(v.letter.due), true
	case filter.SysDeliveryCount:
		return int64(v.letter.count), true
	case filter.SysSize:
		return v.letter.size, true
	case filter.SysState:
		return int64(MessageActive), true
	case filter.SysForcePersistence:
		return v.head().Durable, true
	case filter.SysDeadLetterSource:
		if v.letter.source != "" {
			return v.letter.source, true
		}
		return v.annotation("x-opt-deadletter-source"), true
	case filter.SysSequenceNumber, filter.SysEnqueuedSequenceNumber, filter.SysLockedUntil, filter.SysLockToken, filter.SysTransactionID:
		return nil, true // not known before the copy is there
	}
	return nil, false
}

// SetUser assigns an application property of the copy, under the name that a
// property has already if only case differs.
func (v *view) SetUser(name string, value any) {
	x, ok := wireValue(value)
	if !ok {
		return
	}
	v.mine().set(v.spelled(name), x)
}

// RemoveUser removes an application property of the copy.
func (v *view) RemoveUser(name string) { v.mine().remove(v.spelled(name)) }

// SetSystem assigns a system property of the copy.
func (v *view) SetSystem(name string, value any) error {
	x, ok := wireValue(value)
	if !ok {
		return &filter.EvaluationError{Reason: "sys." + name + " cannot be set to such a value"}
	}
	if text, isText := x.(string); isText && (name == filter.SysMessageID || name == filter.SysSessionID || name == filter.SysPartitionKey) {
		if err := checkIdentity(name, text); err != nil {
			return &filter.EvaluationError{Reason: err.Error()}
		}
	}
	v.mine().setSystem(name, x)
	return nil
}

func (v *view) mine() *Edit {
	if !v.own {
		v.edit, v.own = v.edit.copy(), true
	}
	return v.edit
}

func (v *view) spelled(name string) string {
	if v.edit != nil {
		for _, p := range v.edit.Application {
			if strings.EqualFold(p.Name, name) {
				return p.Name
			}
		}
	}
	for _, p := range v.users() {
		if strings.EqualFold(p.Name, name) {
			return p.Name
		}
	}
	return name
}

// NewID makes the values of newid(). They are recorded with the copy, so they need
// only be different from each other, not agreed upon.
func (v *view) NewID() filter.GUID {
	v.b.newIDs++
	var seed [24]byte
	binary.BigEndian.PutUint64(seed[:], v.b.epoch)
	binary.BigEndian.PutUint64(seed[8:], v.b.newIDs)
	binary.BigEndian.PutUint64(seed[16:], uint64(v.b.now))
	var g filter.GUID
	binary.BigEndian.PutUint64(g[:], xxhash.Sum64(seed[:]))
	seed[0] ^= 0x80
	binary.BigEndian.PutUint64(g[8:], xxhash.Sum64(seed[:]))
	g[6], g[8] = g[6]&0x0f|0x40, g[8]&0x3f|0x80
	return g
}

// idOrNil is the text of a message id or correlation id.
func idOrNil(id any) any {
	if id == nil {
		return nil
	}
	return idText(id)
}

// idText is the canonical text of an id.
func idText(id any) string {
	switch x := id.(type) {
	case string:
		return x
	case uint64:
		return strconv.FormatUint(x, 10)
	case amqp.UUID:
		return x.String()
	case []byte:
		return hex.EncodeToString(x)
	}
	return ""
}
