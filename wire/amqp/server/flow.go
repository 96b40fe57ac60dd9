package server

import "weir/wire/amqp"

// flowIn takes the link's part of a flow, under mu, and says whether the handler
// wants to know.
func (l *Link) flowIn(f *amqp.Flow) (tell bool) {
	if l.state > linkAttached {
		return false
	}
	if l.Role == amqp.RoleReceiver {
		l.senderFlow(f)
		return false
	}
	if f.LinkCredit.Set {
		l.credit = left(f.LinkCredit.Value, l.deliveryCount-f.DeliveryCount.Or(0))
	}
	l.drain = f.Drain
	l.properties = f.Properties
	if f.Echo && !f.Drain && l.state == linkAttached {
		l.flowOut(false)
	}
	return true
}

// senderFlow takes the flow of a peer that sends: it may have used up credit
// without sending.
func (l *Link) senderFlow(f *amqp.Flow) {
	if skipped := f.DeliveryCount.Value - l.deliveryCount; f.DeliveryCount.Set && int32(skipped) > 0 {
		l.credit = left(l.credit, skipped)
		l.deliveryCount = f.DeliveryCount.Value
		l.topUp()
	}
	if f.Echo && l.state == linkAttached {
		l.flowOut(false)
	}
}

// flow returns what the handler may know of a sending link, under mu.
func (l *Link) flow() Flow {
	return Flow{Credit: l.credit, Drain: l.drain, Properties: l.properties}
}

// Flow returns the newest credit of a link where we send.
func (l *Link) Flow() Flow {
	c := l.Conn()
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.flow()
}

// flowOut sends the flow state of the link and its session, under mu.
func (l *Link) flowOut(drain bool) {
	f := l.session.windows()
	f.Handle = amqp.Some(l.handle)
	f.DeliveryCount = amqp.Some(l.deliveryCount)
	f.LinkCredit = amqp.Some(l.credit)
	f.Drain = drain
	l.session.conn.frame(l.session.channel, f)
}

// Drained answers a drain: what credit is left is used up, and the peer is told so
// once all messages given to Send have left. Without a drain to answer it does
// nothing.
func (l *Link) Drained() {
	c := l.Conn()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !l.drain || l.state != linkAttached || l.session.ended {
		return
	}
	l.drain = false
	l.deliveryCount += l.credit
	l.credit = 0
	if len(l.session.queue) > 0 {
		l.session.queue = append(l.session.queue, &outgoing{link: l, drained: true})
		return
	}
	l.flowOut(true)
}

// Pause stops giving credit on a link where the peer sends. What was given stays.
func (l *Link) Pause() { l.setPaused(true) }

// Resume gives credit again.
func (l *Link) Resume() { l.setPaused(false) }

func (l *Link) setPaused(paused bool) {
	c := l.Conn()
	c.mu.Lock()
	defer c.mu.Unlock()
	l.paused = paused
	l.topUp()
}

// topUp renews the credit of a link where the peer sends, when a quarter of what
// the handler allows can be given, under mu.
func (l *Link) topUp() {
	if l.state != linkAttached || l.paused || l.Role != amqp.RoleReceiver || l.session.ended {
		return
	}
	want := left(l.creditMax, l.unsettled)
	if want <= l.credit || uint64(want-l.credit)*4 < uint64(l.creditMax) {
		return
	}
	l.credit = want
	l.flowOut(false)
}
