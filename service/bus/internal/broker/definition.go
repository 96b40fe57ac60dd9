package broker

import "time"

// appendDefinition writes the fields of a definition. Durations are in ms.
func appendDefinition(dst []byte, d *Definition) []byte {
	dst = appendText(dst, d.Name)
	dst = append(dst, byte(d.Kind), byte(d.Status))
	for _, x := range [...]time.Duration{d.LockDuration, d.DefaultTTL, d.AutoDeleteOnIdle, d.DuplicateWindow} {
		dst = appendNumber(dst, millis(x))
	}
	dst = appendNumber(dst, uint64(d.MaxDeliveryCount))
	dst = appendNumber(dst, uint64(max(d.MaxSizeBytes, 0)))
	dst = appendNumber(dst, uint64(max(d.MaxMessageBytes, 0)))
	for _, set := range [...]bool{d.Partitioned, d.RequiresSession, d.DeadLetterOnExpiration, d.DeadLetterOnFilterErrors, d.EnableBatchOperations} {
		dst = appendFlag(dst, set)
	}
	dst = appendText(appendText(appendText(dst, d.ForwardTo), d.ForwardDeadLettersTo), d.UserMetadata)
	dst = appendNumber(dst, uint64(len(d.Rules)))
	for i := range d.Rules {
		dst = appendRule(dst, &d.Rules[i])
	}
	return dst
}

func (r *reader) definition() (d Definition) {
	d.Name = r.text()
	d.Kind, d.Status = Kind(r.byte()), Status(r.byte())
	for _, x := range [...]*time.Duration{&d.LockDuration, &d.DefaultTTL, &d.AutoDeleteOnIdle, &d.DuplicateWindow} {
		*x = time.Duration(min(r.number(), uint64(durationMax/time.Millisecond))) * time.Millisecond
	}
	d.MaxDeliveryCount = r.small()
	d.MaxSizeBytes, d.MaxMessageBytes = r.positive(), r.positive()
	for _, set := range [...]*bool{&d.Partitioned, &d.RequiresSession, &d.DeadLetterOnExpiration, &d.DeadLetterOnFilterErrors, &d.EnableBatchOperations} {
		*set = r.flag()
	}
	d.ForwardTo, d.ForwardDeadLettersTo, d.UserMetadata = r.text(), r.text(), r.text()
	for range r.count() {
		d.Rules = append(d.Rules, r.rule())
	}
	if d.Kind < Queue || d.Kind > Subscription || d.Status > ReceiveDisabled {
		r.fail()
	}
	return d
}

const durationMax = time.Duration(1<<63 - 1)

func appendRule(dst []byte, r *Rule) []byte {
	dst = appendText(dst, r.Name)
	dst = appendSigned(dst, r.Created.UnixMilli())
	dst = append(dst, byte(r.Filter.Kind))
	dst = appendProperties(appendText(dst, r.Filter.Expression), r.Filter.Parameters)
	dst = appendFlag(dst, r.Filter.Correlation != nil)
	if c := r.Filter.Correlation; c != nil {
		for _, text := range c.texts() {
			dst = appendText(dst, *text)
		}
		dst = appendProperties(dst, c.Properties)
	}
	return appendProperties(appendText(dst, r.Action), r.ActionParameters)
}

func (r *reader) rule() (x Rule) {
	x.Name = r.text()
	x.Created = time.UnixMilli(r.signed()).UTC()
	x.Filter.Kind = FilterKind(r.byte())
	x.Filter.Expression, x.Filter.Parameters = r.text(), r.properties()
	if r.flag() {
		x.Filter.Correlation = &Correlation{}
		for _, text := range x.Filter.Correlation.texts() {
			*text = r.text()
		}
		x.Filter.Correlation.Properties = r.properties()
	}
	x.Action, x.ActionParameters = r.text(), r.properties()
	return x
}

// texts are the fields of a correlation filter, in the order in which they are
// stored.
func (c *Correlation) texts() [8]*string {
	return [8]*string{&c.CorrelationID, &c.MessageID, &c.To, &c.ReplyTo, &c.Label, &c.SessionID, &c.ReplyToSessionID, &c.ContentType}
}
