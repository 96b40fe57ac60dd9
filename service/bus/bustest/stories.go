package bustest

import (
	"time"

	"weir/service/bus/internal/broker"
)

// deadLetters is the dead-letter queue of an entity.
func deadLetters(path string) string { return path + "/$DeadLetterQueue" }

func inOrder(s *teller) {
	q := s.queue(nil)
	s.send(q, "a", "b", "c")
	h := s.open(q, Wish{})
	got := s.take(h, 3)
	s.are(got, "a", "b", "c")
	for i, l := range got {
		if i > 0 && l.Sequence <= got[i-1].Sequence {
			s.Errorf("sequence numbers %d, %d", got[i-1].Sequence, l.Sequence)
		}
		if l.DeliveryCount != 0 {
			s.Errorf("a first delivery counts %d failed ones", l.DeliveryCount)
		}
		s.must(h.Renew(s.ctx, l))
		s.settle(h, l, Complete)
	}
	s.holds(q)
}

func abandoned(s *teller) {
	q := s.queue(func(d *Definition) { d.MaxDeliveryCount = 2 })
	s.send(q, "poison")
	h := s.open(q, Wish{})
	for failed := range uint32(2) {
		l := s.take(h, 1)[0]
		if l.DeliveryCount != failed {
			s.Errorf("%d deliveries failed, it says %d", failed, l.DeliveryCount)
		}
		s.settle(h, l, Abandon)
	}
	d := s.open(deadLetters(q), Wish{})
	l := s.take(d, 1)[0]
	if l.Properties["DeadLetterReason"] != "MaxDeliveryCountExceeded" {
		s.Errorf("properties %v", l.Properties)
	}
	s.settle(d, l, Complete)
	s.holds(deadLetters(q))
}

func deadLettered(s *teller) {
	q := s.queue(nil)
	s.must(s.c.Send(s.ctx, q, Letter{ID: "x", Body: "x", Properties: map[string]any{"kept": "yes"}}))
	h := s.open(q, Wish{})
	s.must(h.Settle(s.ctx, s.take(h, 1)[0], DeadLetter, "why"))
	l := s.take(s.open(deadLetters(q), Wish{}), 1)[0]
	if l.Properties["DeadLetterReason"] != "why" || l.Properties["kept"] != "yes" || l.Body != "x" {
		s.Errorf("got %+v", l)
	}
}

func deferred(s *teller) {
	q := s.queue(nil)
	s.send(q, "later", "now")
	h := s.open(q, Wish{})
	l := s.take(h, 1)[0]
	s.settle(h, l, broker.Defer)
	s.are(s.take(h, 1), "now")
	if seen := s.holds(q, "later", "now"); seen[0].State != broker.MessageDeferred {
		s.Errorf("state %v", seen[0].State)
	}
	got, err := h.Fetch(s.ctx, l.Sequence)
	s.must(err)
	s.are(got, "later")
	s.settle(h, got[0], Complete)
	s.holds(q, "now")
}

func deleted(s *teller) {
	q := s.queue(nil)
	s.send(q, "a", "b")
	s.are(s.take(s.open(q, Wish{Delete: true}), 2), "a", "b")
	s.holds(q)
}

func batches(s *teller) {
	q := s.queue(func(d *Definition) { d.MaxMessageBytes = 1000 })
	s.must(s.c.Send(s.ctx, q, Letter{ID: "a", Body: "a"}, Letter{ID: "b", Body: "b"}))
	s.holds(q, "a", "b")
	if err := s.c.Send(s.ctx, q, Letter{ID: "c", Body: "c"}, Letter{ID: "d", Body: string(make([]byte, 2000))}); err == nil {
		s.Error("a batch with a message that is too large was taken")
	}
	s.holds(q, "a", "b")
}

func scheduled(s *teller) {
	q := s.queue(nil)
	numbers, err := s.c.Schedule(s.ctx, q, time.Now().Add(time.Hour), Letter{ID: "a", Body: "a"}, Letter{ID: "b", Body: "b"})
	s.must(err)
	for _, l := range s.holds(q, "a", "b") {
		if l.State != broker.MessageScheduled {
			s.Errorf("state %v", l.State)
		}
	}
	s.must(s.c.Cancel(s.ctx, q, numbers[0]))
	s.holds(q, "b")
	_, err = s.c.Schedule(s.ctx, q, time.Now().Add(20*time.Millisecond), Letter{ID: "soon", Body: "soon"})
	s.must(err)
	s.are(s.take(s.open(q, Wish{}), 1), "soon")
}

func expired(s *teller) {
	q := s.queue(func(d *Definition) { d.DeadLetterOnExpiration = true })
	s.must(s.c.Send(s.ctx, q, Letter{ID: "x", Body: "x", TTL: 20 * time.Millisecond}))
	l := s.take(s.open(deadLetters(q), Wish{}), 1)[0]
	if l.Body != "x" || l.Properties["DeadLetterReason"] != "TTLExpiredException" {
		s.Errorf("got %+v", l)
	}
}

func sessions(s *teller) {
	q := s.queue(func(d *Definition) { d.RequiresSession = true })
	one, two := "one", "two"
	for _, l := range []Letter{{ID: "1", Body: "1", Session: &one}, {ID: "2", Body: "2", Session: &two}, {ID: "3", Body: "3", Session: &one}} {
		s.must(s.c.Send(s.ctx, q, l))
	}
	h := s.open(q, Wish{Session: &one})
	if h.Session() != one {
		s.Errorf("session %q", h.Session())
	}
	if _, err := s.c.Open(s.ctx, q, Wish{Session: &one}); err == nil {
		s.Error("a session was given to two receivers")
	}
	if _, err := s.c.Open(s.ctx, q, Wish{}); err == nil {
		s.Error("a receiver without a session was let in")
	}
	s.are(s.take(h, 2), "1", "3")
	next := s.open(q, Wish{Next: true})
	if next.Session() != two {
		s.Errorf("the next session is %q", next.Session())
	}
	s.must(h.Close(s.ctx))
	again := s.open(q, Wish{Session: &one})
	l := s.take(again, 1)[0]
	if l.Body != "1" || l.DeliveryCount != 0 {
		s.Errorf("after its receiver closed: %+v", l)
	}
}

func states(s *teller) {
	q := s.queue(func(d *Definition) { d.RequiresSession = true })
	name := "s"
	h := s.open(q, Wish{Session: &name})
	if state, err := h.State(s.ctx); err != nil || state != nil {
		s.must(err)
		s.Errorf("a new session has the state %q", state)
	}
	s.must(h.SetState(s.ctx, []byte("kept")))
	s.must(h.Close(s.ctx))
	h = s.open(q, Wish{Session: &name})
	state, err := h.State(s.ctx)
	s.must(err)
	if string(state) != "kept" {
		s.Errorf("state %q", state)
	}
	s.must(h.SetState(s.ctx, nil))
	if state, err = h.State(s.ctx); err != nil || state != nil {
		s.Errorf("cleared to %q, %v", state, err)
	}
}

func rules(s *teller) {
	sub := func(name string, r Rule) Definition {
		r.Name, r.Created = "rule", time.Unix(1, 0).UTC()
		return Definition{Name: s.name + "/Subscriptions/" + name, Kind: Subscription, LockDuration: time.Minute, MaxDeliveryCount: 10, Rules: []Rule{r}}
	}
	s.door.Declare(s.T, Definition{Name: s.name, Kind: Topic, MaxSizeBytes: 1 << 30, MaxMessageBytes: 256 << 10},
		sub("all", Rule{}),
		sub("red", Rule{Filter: Filter{Kind: SQLFilter, Expression: "color = 'red'"}, Action: "SET seen = 'yes'"}),
		sub("none", Rule{Filter: Filter{Kind: broker.FalseFilter}}))
	for _, color := range []string{"red", "blue"} {
		s.must(s.c.Send(s.ctx, s.name, Letter{ID: color, Body: color, Properties: map[string]any{"color": color}}))
	}
	s.holds(s.name+"/Subscriptions/all", "red", "blue")
	if seen := s.holds(s.name+"/Subscriptions/red", "red"); len(seen) > 0 && seen[0].Properties["seen"] != "yes" {
		s.Errorf("properties %v", seen[0].Properties)
	}
	s.holds(s.name + "/Subscriptions/none")
}

func duplicates(s *teller) {
	q := s.queue(func(d *Definition) { d.DuplicateWindow = time.Minute })
	s.send(q, "a", "b", "a")
	s.holds(q, "a", "b")
}

func forwarded(s *teller) {
	end := s.queue(func(d *Definition) { d.Name += "end" })
	q := s.queue(func(d *Definition) { d.ForwardTo = end })
	s.send(q, "a", "b")
	s.are(s.take(s.open(end, Wish{}), 2), "a", "b")
	s.holds(q)
}
