package broker

import (
	"fmt"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/wire/amqp"
)

// logbook is a journal in memory: a Turn that keeps every fact, each as a batch of
// its own.
type logbook struct {
	now   time.Time
	facts []storedFact
	keep  bool
	at    record.Position
}

type storedFact struct {
	ref  record.Ref
	data []byte
}

// dawn is when tests begin.
var dawn = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func newLogbook() *logbook { return &logbook{now: dawn, keep: true} }

func (l *logbook) Now() time.Time { return l.now }

// factOffset is where a fact lies in its batch: not at 0, so that offsets count.
const factOffset = 100

func (l *logbook) RecordParts(parts ...[]byte) record.Ref {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	l.at++
	ref := record.Ref{At: l.at, Off: factOffset, Len: uint32(n)}
	if l.keep {
		data := make([]byte, 0, n)
		for _, p := range parts {
			data = append(data, p...)
		}
		l.facts = append(l.facts, storedFact{ref, data})
	}
	return ref
}

// read returns the bytes at a place.
func (l *logbook) read(ref record.Ref) []byte {
	f := l.facts[ref.At-1]
	return f.data[ref.Off-factOffset:][:ref.Len]
}

// follow makes a replica that folds what was recorded from a fact on.
func (l *logbook) follow(t testing.TB, b *Broker, from int) *Broker {
	t.Helper()
	for _, f := range l.facts[from:] {
		if err := b.Apply(f.ref, f.data); err != nil {
			t.Fatalf("fact %d (%v) does not fold: %v", f.ref.At, factKind(f.data[0]), err)
		}
	}
	return b
}

func follower() *Broker {
	b := &Broker{}
	b.Reset()
	return b
}

// sample describes a message to be sent.
type sample struct {
	name       string // of the body
	id         string
	session    string
	hasSession bool
	key        string
	ttl        time.Duration
	at         time.Time
	label      string
	properties []Property
	size       int
}

func (s sample) encode() []byte {
	var p amqp.Properties
	if s.id != "" {
		p.MessageID = s.id
	}
	if s.hasSession {
		p.GroupID = amqp.Some(s.session)
	}
	if s.label != "" {
		p.Subject = amqp.Some(s.label)
	}
	var out []byte
	if s.key != "" {
		out = amqp.AppendSectionMap(out, amqp.DescMessageAnnotations, amqp.Map{{Key: amqp.Symbol("x-opt-partition-key"), Value: s.key}})
	}
	out = p.Append(out)
	if len(s.properties) > 0 {
		var m amqp.Map
		for _, x := range s.properties {
			m = append(m, amqp.Entry{Key: x.Name, Value: x.Value})
		}
		out = amqp.AppendSectionMap(out, amqp.DescApplicationProperties, m)
	}
	body := []byte(s.name)
	if len(body) < s.size {
		body = append(body, make([]byte, s.size-len(body))...)
	}
	return amqp.AppendData(out, body)
}

func (s sample) message() Message {
	return Message{
		Encoded: s.encode(), MessageID: s.id, SessionID: s.session, HasSession: s.hasSession,
		PartitionKey: s.key, TTL: s.ttl, ScheduledAt: s.at,
	}
}

// nameOf returns the name in a message's body.
func nameOf(encoded []byte) string {
	m, err := amqp.ScanMessage(encoded)
	if err != nil {
		return fmt.Sprintf("unreadable (%v)", err)
	}
	for data := range amqp.DataSections(m.Body) {
		n := 0
		for n < len(data) && data[n] != 0 {
			n++
		}
		return string(data[:n])
	}
	return ""
}
