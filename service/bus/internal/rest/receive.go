package rest

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
)

// Waiting for a message.
const (
	waitDefault = time.Minute
	waitMax     = 2 * time.Minute
	// rereadMax is how often a message is asked for that the log can not give at the
	// moment, rereadEvery how soon again.
	rereadMax   = 50
	rereadEvery = 200 * time.Millisecond
)

// wait reads how long to wait from the query.
func (c *call) wait() (time.Duration, error) {
	text := c.r.URL.Query().Get("timeout")
	if text == "" {
		return waitDefault, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 {
		return 0, fault.New(fault.Invalid, "The timeout '%s' is no number of seconds.", text)
	}
	return min(time.Duration(min(seconds, waitMax.Seconds())*float64(time.Second)), waitMax), nil
}

// ear hears what the broker says to one receiver.
type ear struct {
	events chan broker.Event
}

// Events implements namespace.Listener. A receiver with one credit hears of one
// delivery and its end, at most.
func (e *ear) Events(events []broker.Event) {
	for _, one := range events {
		select {
		case e.events <- one:
		default:
		}
	}
}

// Changed implements namespace.Listener; a receiver hears of its end by an event.
func (e *ear) Changed(string, error) {}

// earEventsMax is more than one receiver hears.
const earEventsMax = 8

// receive waits for a message and answers with it.
func (c *call) receive() error {
	patience, err := c.wait()
	if err != nil {
		return err
	}
	if _, err := c.found(); err != nil {
		return err
	}
	// The server would end the request at its time for reading a body.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	mode := broker.PeekLock
	if c.r.Method == http.MethodDelete {
		mode = broker.ReceiveAndDelete
	}
	d, err := c.take(mode, patience)
	switch {
	case err != nil:
		return err
	case d == nil:
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := c.show(d, mode); err != nil {
		c.giveBack(d, mode, err)
		return err
	}
	c.meter.Outgoing.Add(1)
	return nil
}

// found is messageMax for entities that are received from.
func (c *call) found() (broker.Definition, error) {
	if d, ok := c.definition(); ok {
		return d, nil
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), definitionWait)
	defer cancel()
	if err := c.ns.Reconcile(ctx); err != nil {
		return broker.Definition{}, err
	}
	d, ok := c.definition()
	if !ok {
		return d, fault.New(fault.NotFound, "The messaging entity '%s' could not be found.", c.path)
	}
	return d, nil
}

// take opens a receiver, gives it one credit and waits. It returns nil when nothing
// came in time.
func (c *call) take(mode broker.Mode, patience time.Duration) (*broker.Delivery, error) {
	e := &ear{events: make(chan broker.Event, earEventsMax)}
	sink, err := c.ns.Connect(e)
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	lost := c.ns.Lost()
	var opened namespace.Opened
	var failed error
	err = c.ns.Call(c.r.Context(), func(t *namespace.Turn) {
		opened, failed = t.OpenReceiver(sink, broker.ReceiverSpec{Path: c.path, Mode: mode})
		if failed == nil {
			t.Broker.Credit(t, opened.ID, 1, false)
		}
	})
	giveUp := func() { _ = c.ns.Do(func(t *namespace.Turn) { c.shut(t, opened.ID, e, mode) }) }
	if err != nil {
		giveUp() // the turn may still run: what it opened must not stay
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	c.s.waiting.Add(1)
	defer c.s.waiting.Add(-1)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case one := <-e.events:
		// It has what it came for. A lock outlives its receiver.
		_ = c.ns.Do(func(t *namespace.Turn) { t.CloseReceiver(opened.ID) })
		return heard(one)
	case <-lost:
		return nil, fault.New(fault.Unavailable, "The namespace is now served by another node. Please try again.")
	case <-c.r.Context().Done():
		giveUp()
		return nil, fault.New(fault.Canceled, "The client is gone.")
	case <-timer.C:
		return c.last(opened.ID, e)
	case <-c.s.leaving:
		d, err := c.last(opened.ID, e)
		if d == nil && err == nil {
			err = fault.New(fault.Unavailable, "The server is shutting down. Please try again.")
		}
		return d, err
	}
}

// last closes a receiver whose time is up. What was decided for it before is answered
// still.
func (c *call) last(id broker.ReceiverID, e *ear) (*broker.Delivery, error) {
	// Not for as long as the client stays: what was deleted must be looked for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), definitionWait)
	defer cancel()
	if err := c.ns.Call(ctx, func(t *namespace.Turn) { t.CloseReceiver(id) }); err != nil {
		return nil, err
	}
	select {
	case one := <-e.events:
		return heard(one)
	default:
		return nil, nil
	}
}

// heard takes one event: a delivery, or the receiver's end.
func heard(one broker.Event) (*broker.Delivery, error) {
	switch one.Kind {
	case broker.Delivered:
		return &one.Delivery, nil
	case broker.Closed, broker.Refused:
		return nil, one.Err
	}
	return nil, nil
}

// shut closes a receiver whose client is gone, in a turn, and gives back what was
// locked for it.
func (c *call) shut(t *namespace.Turn, id broker.ReceiverID, e *ear, mode broker.Mode) {
	if id != 0 {
		t.CloseReceiver(id)
	}
	t.Reveal(func() {
		select {
		case one := <-e.events:
			if one.Kind == broker.Delivered {
				go c.giveBack(&one.Delivery, mode, nil)
			}
		default:
		}
	})
}

// giveBack frees a message that was locked and could not be answered. One received and
// deleted is gone, as that mode says; one whose bytes are lost is set aside, so that it
// does not stop those behind it.
func (c *call) giveBack(d *broker.Delivery, mode broker.Mode, why error) {
	if mode != broker.PeekLock {
		return
	}
	how := broker.Settlement{Path: c.path, Lock: d.Lock, Disposition: broker.Release}
	if fault.Is(why, fault.PayloadMissing) || fault.Is(why, fault.Damaged) {
		how.Disposition, how.Reason, how.Description = broker.DeadLetter, fault.PayloadMissing.String(), "The message's bytes can not be read."
	}
	// A lock that ran out meanwhile has given it back itself.
	_ = c.ns.Do(func(t *namespace.Turn) { _ = t.Broker.Settle(t, how) })
}

// fetch reads a message's bytes, with patience.
func (c *call) fetch(d *broker.Delivery) (encoded []byte, err error) {
	for range rereadMax {
		if encoded, err = c.ns.Read(c.r.Context(), d.Message.Ref); !fault.Is(err, fault.Unavailable) {
			return encoded, err
		}
		wait := time.NewTimer(rereadEvery)
		select {
		case <-wait.C:
		case <-c.r.Context().Done():
			wait.Stop()
			return nil, err
		}
	}
	return nil, err
}
