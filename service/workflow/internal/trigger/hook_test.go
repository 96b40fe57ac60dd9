package trigger

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

const hooks = `{"h": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "https://x/", "body": "@listCallbackUrl()"}, "unsubscribe": {"method": "DELETE", "uri": "https://x/"}}}}`

// service keeps subscriptions, by the key that they were asked for with.
type service struct {
	o       *outside
	by      map[string]string // key: address
	asked   map[string]bool
	refuses int // so many calls
}

func newService(o *outside) *service {
	s := &service{o: o, by: map[string]string{}, asked: map[string]bool{}}
	o.calls = s.call
	return s
}

func (s *service) call(c *connector.Call) connector.Answer {
	if s.refuses > 0 {
		s.refuses--
		s.o.said("refused")
		return connector.Answer{Status: 503}
	}
	in := c.Inputs.(*expression.Object)
	what, _ := in.Get("subscribe")
	body, _ := what.(*expression.Object).Get("body")
	if c.Step == connector.Unsubscribe {
		delete(s.by, c.Who.Key)
		s.o.said("unsubscribe %s at %s", body, c.URL)
		return connector.Answer{Status: 200}
	}
	s.by[c.Who.Key] = expression.Text(body)
	s.asked[c.Who.Key] = true
	s.o.said("subscribe %s, %s", body, c.Callback)
	return connector.Answer{Status: 201, Headers: expression.NewObject("Location", "/subscriptions/1")}
}

// has lists the addresses that are subscribed.
func (s *service) has() string {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	var all []string
	for _, address := range s.by {
		all = append(all, address)
	}
	return strings.Join(all, " ")
}

// A webhook is subscribed while it is enabled, and anew when it is another one or is
// called at another address.
func TestSubscriptions(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		newService(o)
		e.gain("east")
		e.put("a", hooks)
		after(time.Second)
		expect(t, o.told(), "subscribe https://east/a/h, https://east/a/h")
		e.put("a", hooks)
		m.Moved()
		after(time.Hour)
		expect(t, o.told(), "")
		if err := m.Reset(context.Background(), "a", "h"); err != nil {
			t.Error(err)
		}
		after(time.Second)
		expect(t, o.told(), "unsubscribe https://east/a/h at /subscriptions/1; subscribe https://east/a/h, https://east/a/h")
		e.set("a", func(f *flow) { f.view.Disabled = true })
		after(time.Second)
		expect(t, o.told(), "unsubscribe https://east/a/h at /subscriptions/1")
		e.set("a", func(f *flow) { f.view.Disabled = false })
		after(time.Second)
		expect(t, o.told(), "subscribe https://east/a/h, https://east/a/h")
		e.put("a", strings.Replace(hooks, `"DELETE"`, `"POST"`, 1))
		after(time.Second)
		expect(t, o.told(), "unsubscribe https://east/a/h at /subscriptions/1; subscribe https://east/a/h, https://east/a/h")
		e.drop()
		after(time.Minute)
		e.gain("west")
		after(time.Second)
		expect(t, o.told(), "unsubscribe https://east/a/h at /subscriptions/1; subscribe https://west/a/h, https://west/a/h")
		e.put("a", strings.Replace(hooks, `"h"`, `"g"`, 1))
		after(time.Second)
		if got := o.told(); !strings.Contains(got, "unsubscribe https://west/a/h at /subscriptions/1") || !strings.Contains(got, "subscribe https://west/a/g, https://west/a/g") {
			t.Errorf("another name: %s", got)
		}
		e.put("a", everyMinute)
		after(time.Second)
		expect(t, o.told(), "unsubscribe https://west/a/g at /subscriptions/1")
		e.put("b", hooks)
		after(time.Second)
		o.told()
		if err := m.Leave(context.Background(), "b"); err != nil {
			t.Error(err)
		}
		e.remove("b")
		after(time.Minute)
		expect(t, o.told(), "unsubscribe https://west/b/h at /subscriptions/1")
	})
}

// When the address by which callers reach this node changes, subscriptions follow, at
// once when it is said.
func TestSubscriptionsMove(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		s := newService(o)
		e.gain("east")
		e.put("a", hooks)
		after(time.Second)
		move := func(to string) {
			e.mu.Lock()
			e.owner.Location = to
			e.mu.Unlock()
		}
		move("north")
		m.Moved()
		after(time.Second)
		expect(t, s.has(), "https://north/a/h")
		move("south")
		after(10 * time.Minute)
		expect(t, s.has(), "https://south/a/h")
	})
}

// What is refused is asked for again as the retry policy says, then noted and asked for
// later; a subscription that cannot be ended is given up.
func TestSubscriptionsRefused(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		s := newService(o)
		s.refuses = 6
		e.gain("east")
		e.put("a", hooks)
		after(10 * time.Minute)
		expect(t, o.told(), "refused; refused; refused; refused; refused")
		expect(t, e.notes("a"), "Failed ServiceUnavailable")
		after(15 * time.Minute)
		expect(t, o.told(), "refused; subscribe https://east/a/h, https://east/a/h")
		o.mu.Lock()
		s.refuses = 5
		o.mu.Unlock()
		e.set("a", func(f *flow) { f.view.Disabled = true })
		after(10 * time.Minute)
		e.set("a", func(f *flow) { f.view.Disabled = false })
		after(10 * time.Minute)
		expect(t, o.told(), "refused; refused; refused; refused; refused; subscribe https://east/a/h, https://east/a/h")
		expect(t, e.notes("a"), "Failed ServiceUnavailable, Failed ServiceUnavailable")
	})
}

// What a definition has no more is unsubscribed also when the node is another one by then.
func TestSubscriptionsLeftBehind(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		s := newService(o)
		e.gain("east")
		e.put("a", hooks)
		after(time.Second)
		e.drop()
		e.put("a", everyMinute)
		e.gain("west")
		after(time.Second)
		expect(t, s.has(), "")
	})
}

// Killed before and after everything that it records or asks, a webhook has one
// subscription in the end, at the address of who owns.
func TestSubscriptionsKilledAnywhere(t *testing.T) {
	for at := 1; ; at++ {
		points := 0
		synctest.Test(t, func(t *testing.T) {
			e := newEstate(t)
			e.killAt = at
			e.put("a", hooks)
			e.gain("east")
			o := &outside{e: e}
			s := newService(o)
			for _, location := range []string{"west", "west", "east"} {
				ctx, cancel := context.WithCancel(context.Background())
				_, wait := e.start(ctx, o)
				after(time.Minute)
				cancel()
				wait()
				e.gain(location)
			}
			ctx, cancel := context.WithCancel(context.Background())
			_, wait := e.start(ctx, o)
			after(time.Minute)
			if e.isLost() {
				e.gain("east")
				after(time.Minute)
			}
			if got := s.has(); got != "https://east/a/h" {
				t.Errorf("killed at %d, subscribed: %s", at, got)
			}
			if len(s.asked) > 4 {
				t.Errorf("killed at %d, %d keys", at, len(s.asked))
			}
			cancel()
			wait()
			points = e.points
		})
		if at > points {
			t.Logf("killed at %d points", at-1)
			return
		}
	}
}

func TestDelivered(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		newService(o)
		e.gain("east")
		e.put("a", hooks)
		after(time.Second)
		r, err := m.Delivered(context.Background(), "a", "h", Incoming{Method: "POST", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"n": 1}`)})
		if err == nil {
			t.Log(r.Run)
		}
		expect(t, e.bodies("a"), `{"n":1}`)
		e.set("a", func(f *flow) { f.view.Disabled = true })
		after(time.Second)
		if _, err := m.Delivered(context.Background(), "a", "h", Incoming{Method: "POST"}); err == nil || !strings.Contains(err.Error(), "with state 'Disabled': trigger is not enabled.") {
			t.Errorf("a disabled trigger is called: %v", err)
		}
	})
}

const gathers = `{"b": {"type": "Batch", "inputs": {"mode": "Inline", "configurations": {"orders": {"releaseCriteria": {"messageCount": 3}}, "big": {"releaseCriteria": {"batchSize": 20}},
  "late": {"releaseCriteria": {"messageCount": 5, "recurrence": {"frequency": "Minute", "interval": 10}}}}}}}`

func send(t *testing.T, m *Manager, batch, partition string, content ...any) {
	t.Helper()
	for _, c := range content {
		if err := m.Send(context.Background(), "a", "b", Message{Batch: batch, Partition: partition, ID: "m", Content: c}); err != nil {
			t.Fatal(err)
		}
	}
}

// batchesOf says what the runs have gathered.
func batchesOf(e *estate) string {
	var all []string
	for _, r := range e.runs("a") {
		v, _ := r.outputs.Get("body")
		o := v.(*expression.Object)
		name, _ := o.Get("batchName")
		partition, _ := o.Get("partitionName")
		s := fmt.Sprintf("%s/%s:", name, partition)
		items, _ := o.Get("items")
		for _, item := range items.([]any) {
			c, _ := item.(*expression.Object).Get("content")
			s += fmt.Sprintf(" %v", expression.Text(c))
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

// Messages are gathered by partition and let go by count, by size and by time.
func TestBatches(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		e.gain("east")
		e.put("a", gathers)
		after(time.Second)
		send(t, m, "orders", "x", int64(1), int64(2))
		send(t, m, "orders", "y", int64(3))
		after(time.Second)
		expect(t, batchesOf(e), "")
		send(t, m, "orders", "x", int64(4))
		after(time.Second)
		expect(t, batchesOf(e), "orders/x: 1 2 4")
		send(t, m, "big", "", "ten signs.", "five.", "of the next")
		after(time.Second)
		expect(t, batchesOf(e), "orders/x: 1 2 4; big/DEFAULT: ten signs. five. of the next")
		send(t, m, "late", "", "l")
		after(10 * time.Minute)
		expect(t, batchesOf(e), "orders/x: 1 2 4; big/DEFAULT: ten signs. five. of the next; late/DEFAULT: l")
		e.drop()
		after(time.Minute)
		e.gain("west")
		after(time.Second)
		send(t, m, "orders", "y", int64(5), int64(6))
		after(time.Second)
		expect(t, batchesOf(e), "orders/x: 1 2 4; big/DEFAULT: ten signs. five. of the next; late/DEFAULT: l; orders/y: 3 5 6")
		send(t, m, "orders", "z", int64(7))
		if _, err := m.Run(context.Background(), "a", "b"); err != nil {
			t.Error(err)
		}
		if got := batchesOf(e); !strings.HasSuffix(got, "; orders/z: 7") {
			t.Errorf("let go by hand: %s", got)
		}
		for _, c := range []struct {
			m    Message
			code string
		}{{Message{Batch: "none"}, "BatchConfigurationNotFound"}, {Message{Batch: "orders", Content: strings.Repeat("x", 1<<20)}, "BatchMessageTooLarge"}} {
			err := m.Send(context.Background(), "a", "b", c.m)
			if r, ok := err.(*Refusal); !ok || r.Code != c.code {
				t.Errorf("sent %s: %v", c.code, err)
			}
		}
	})
}

// A large message lies in several slots, and comes out as one, also on another node.
func TestLargeMessages(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		e.gain("east")
		e.put("a", gathers)
		after(time.Second)
		large := strings.Repeat("0123456789", 20<<10)
		for round := range 3 {
			send(t, m, "orders", "", "a"+large, "b")
			e.drop()
			after(time.Second)
			e.gain("west")
			after(time.Second)
			send(t, m, "orders", "", "c"+large)
			after(time.Second)
			all := strings.Split(batchesOf(e), "; ")
			expect(t, all[round], "orders/DEFAULT: a"+large+" b c"+large)
		}
		if n := len(e.ledger.Find("a").Triggers); n > 20 {
			t.Errorf("%d slots", n)
		}
	})
}

// A message that is sent again while it waits counts once; a batch that is full refuses.
func TestBatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		ctx, cancel := context.WithCancel(context.Background())
		m := New(Options{Host: e, Connectors: &outside{e: e}, Limits: Limits{BatchMessages: 2}})
		wait := m.Start(ctx)
		e.gain("east")
		e.put("a", gathers)
		after(time.Second)
		for k := range 4 {
			err := m.Send(context.Background(), "a", "b", Message{Batch: "orders", ID: "1", Key: fmt.Sprint("k", k/2), Content: "x"})
			if err != nil {
				t.Errorf("message %d: %v", k, err)
			}
		}
		err := m.Send(context.Background(), "a", "b", Message{Batch: "orders", ID: "2", Content: "x"})
		if r, ok := err.(*Refusal); !ok || r.Code != "BatchFull" {
			t.Errorf("a full batch: %v", err)
		}
		cancel()
		wait()
	})
}

// Killed before and after everything, each message that was taken is in one run.
func TestBatchesKilledAnywhere(t *testing.T) {
	for at := 1; ; at++ {
		points := 0
		synctest.Test(t, func(t *testing.T) {
			e := newEstate(t)
			e.killAt = at
			e.put("a", gathers)
			e.gain("east")
			ctx, cancel := context.WithCancel(context.Background())
			m, wait := e.start(ctx, &outside{e: e})
			after(time.Second)
			for k := range 9 {
				one := Message{Batch: "orders", ID: fmt.Sprint(k), Key: "k", Content: int64(k)}
				for m.Send(context.Background(), "a", "b", one) != nil {
					e.gain("east")
					after(time.Second)
				}
			}
			after(10 * time.Second)
			if e.isLost() {
				e.gain("east")
			}
			after(10 * time.Second)
			got := batchesOf(e)
			for k := range 9 {
				if n := strings.Count(got, fmt.Sprintf(" %d", k)); n != 1 {
					t.Errorf("killed at %d, message %d is in %d runs: %s", at, k, n, got)
				}
			}
			cancel()
			wait()
			points = e.points
		})
		if at > points {
			t.Logf("killed at %d points", at-1)
			return
		}
	}
}
