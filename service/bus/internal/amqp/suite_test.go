package amqp

import (
	"context"
	"errors"
	"testing"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"weir/kernel/identity"
	"weir/service/bus/bustest"
	"weir/service/bus/internal/broker"
)

// The stories every front end must tell, through a plain AMQP client.
func TestSuite(t *testing.T) {
	bustest.Run(t, &door{newRig(t, Limits{})})
}

type door struct{ r *rig }

func (d *door) Declare(t *testing.T, ds ...bustest.Definition) {
	d.r.catalog.put(ds...)
	if err := d.r.ns.Reconcile(within(t)); err != nil {
		t.Fatal(err)
	}
}

func (d *door) Connect(t *testing.T) bustest.Client {
	c, err := goamqp.Dial(within(t), "amqp://"+d.r.addr, &goamqp.ConnOptions{SASLType: goamqp.SASLTypePlain(identity.EmulatorKeyName, identity.EmulatorKey)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := c.NewSession(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t, s, map[string]*pair{}}
}

// client is a go-amqp client without any SDK.
type client struct {
	t     *testing.T
	s     *goamqp.Session
	pairs map[string]*pair
}

func outgoing(l bustest.Letter) *goamqp.Message {
	m := &goamqp.Message{
		Data:       [][]byte{[]byte(l.Body)},
		Properties: &goamqp.MessageProperties{MessageID: l.ID, GroupID: l.Session}, ApplicationProperties: l.Properties,
	}
	if l.TTL > 0 {
		m.Header = &goamqp.MessageHeader{TTL: l.TTL}
	}
	return m
}

func incoming(m *goamqp.Message) bustest.Letter {
	l := bustest.Letter{Body: string(m.GetData()), Session: m.Properties.GroupID, Properties: m.ApplicationProperties, DeliveryCount: m.Header.DeliveryCount, Token: m}
	l.ID, _ = m.Properties.MessageID.(string)
	l.Sequence, _ = m.Annotations["x-opt-sequence-number"].(int64)
	state, _ := m.Annotations["x-opt-message-state"].(int32)
	l.State = broker.MessageState(state)
	return l
}

func (c *client) Send(ctx context.Context, path string, letters ...bustest.Letter) error {
	tx, err := c.s.NewSender(ctx, path, nil)
	if err != nil {
		return err
	}
	defer tx.Close(ctx)
	m := outgoing(letters[0])
	if len(letters) > 1 {
		m = &goamqp.Message{Format: 0x80013700}
		for _, l := range letters {
			encoded, err := outgoing(l).MarshalBinary()
			if err != nil {
				return err
			}
			m.Data = append(m.Data, encoded)
		}
	}
	return tx.Send(ctx, m, nil)
}

// ask makes a management request.
func (c *client) ask(path, operation string, body map[string]any) (map[string]any, error) {
	p := c.pairs[path]
	if p == nil {
		p = &pair{t: c.t}
		var err error
		ctx := within(c.t)
		if p.tx, err = c.s.NewSender(ctx, path+"/$management", nil); err != nil {
			return nil, err
		}
		if p.rx, err = c.s.NewReceiver(ctx, path+"/$management", &goamqp.ReceiverOptions{TargetAddress: "me-" + path, Credit: 100}); err != nil {
			return nil, err
		}
		c.pairs[path] = p
	}
	reply := p.ask("me-"+path, map[string]any{"operation": "com.microsoft:" + operation}, body)
	if code, _ := reply.ApplicationProperties["statusCode"].(int32); code >= 300 {
		text, _ := reply.ApplicationProperties["statusDescription"].(string)
		return nil, errors.New(text)
	}
	m, _ := reply.Value.(map[string]any)
	return m, nil
}

func (c *client) Schedule(_ context.Context, path string, at time.Time, letters ...bustest.Letter) ([]int64, error) {
	var list []any
	for _, l := range letters {
		m := outgoing(l)
		m.Annotations = goamqp.Annotations{"x-opt-scheduled-enqueue-time": at}
		encoded, err := m.MarshalBinary()
		if err != nil {
			return nil, err
		}
		list = append(list, map[string]any{"message-id": l.ID, "message": encoded})
	}
	reply, err := c.ask(path, "schedule-message", map[string]any{"messages": list})
	numbers, _ := reply["sequence-numbers"].([]int64)
	return numbers, err
}

func (c *client) Cancel(_ context.Context, path string, sequences ...int64) error {
	_, err := c.ask(path, "cancel-scheduled-message", map[string]any{"sequence-numbers": sequences})
	return err
}

func (c *client) Peek(_ context.Context, path string, from int64, most int) ([]bustest.Letter, error) {
	reply, err := c.ask(path, "peek-message", map[string]any{"from-sequence-number": from, "message-count": int32(most)})
	return letters(reply, err)
}

// letters decodes the messages of a management reply.
func letters(reply map[string]any, err error) (all []bustest.Letter, _ error) {
	list, _ := reply["messages"].([]any)
	for _, entry := range list {
		item := entry.(map[string]any)
		var m goamqp.Message
		if err := m.UnmarshalBinary(item["message"].([]byte)); err != nil {
			return nil, err
		}
		l := incoming(&m)
		if token, ok := item["lock-token"].(goamqp.UUID); ok {
			l.Token = token
		}
		all = append(all, l)
	}
	return all, err
}

func (c *client) Open(ctx context.Context, path string, w bustest.Wish) (bustest.Hand, error) {
	o := &goamqp.ReceiverOptions{Credit: -1, SettlementMode: goamqp.ReceiverSettleModeSecond.Ptr()}
	if w.Delete {
		o.SettlementMode, o.RequestedSenderSettleMode = goamqp.ReceiverSettleModeFirst.Ptr(), goamqp.SenderSettleModeSettled.Ptr()
	}
	switch {
	case w.Next:
		o.Filters = []goamqp.LinkFilter{goamqp.NewLinkFilter(filterSession, filterSessionCode, nil)}
	case w.Session != nil:
		o.Filters = []goamqp.LinkFilter{goamqp.NewLinkFilter(filterSession, filterSessionCode, *w.Session)}
	}
	rx, err := c.s.NewReceiver(ctx, path, o)
	if err != nil {
		return nil, err
	}
	h := &hand{c: c, rx: rx, path: path}
	h.session, _ = rx.LinkSourceFilterValue(filterSession).(string)
	return h, nil
}

type hand struct {
	c             *client
	rx            *goamqp.Receiver
	path, session string
}

func (h *hand) Take(ctx context.Context, n int) (got []bustest.Letter, err error) {
	if err := h.rx.IssueCredit(uint32(n)); err != nil {
		return nil, err
	}
	for range n {
		m, err := h.rx.Receive(ctx, nil)
		if err != nil {
			return got, err
		}
		got = append(got, incoming(m))
	}
	return got, nil
}

func (h *hand) Fetch(_ context.Context, sequences ...int64) ([]bustest.Letter, error) {
	return letters(h.c.ask(h.path, "receive-by-sequence-number", map[string]any{"sequence-numbers": sequences, "receiver-settle-mode": uint32(1)}))
}

// words are the dispositions in the words of $management.
var words = map[bustest.Disposition]string{broker.Complete: "completed", broker.Abandon: "abandoned", broker.Defer: "defered", broker.DeadLetter: "suspended"}

func (h *hand) Settle(ctx context.Context, l bustest.Letter, how bustest.Disposition, reason string) error {
	m, onLink := l.Token.(*goamqp.Message)
	if !onLink {
		_, err := h.c.ask(h.path, "update-disposition", map[string]any{
			"lock-tokens": []goamqp.UUID{l.Token.(goamqp.UUID)}, "disposition-status": words[how], "deadletter-reason": reason})
		return err
	}
	switch how {
	case broker.Complete:
		return h.rx.AcceptMessage(ctx, m)
	case broker.Abandon:
		return h.rx.ModifyMessage(ctx, m, nil)
	case broker.Defer:
		return h.rx.ModifyMessage(ctx, m, &goamqp.ModifyMessageOptions{UndeliverableHere: true})
	case broker.DeadLetter:
		return h.rx.RejectMessage(ctx, m, &goamqp.Error{Condition: "com.microsoft:dead-letter", Info: map[string]any{"DeadLetterReason": reason}})
	}
	return h.rx.ReleaseMessage(ctx, m)
}

func (h *hand) Renew(_ context.Context, l bustest.Letter) error {
	token := swapGUID([16]byte(l.Token.(*goamqp.Message).DeliveryTag))
	_, err := h.c.ask(h.path, "renew-lock", map[string]any{"lock-tokens": []goamqp.UUID{token}})
	return err
}

func (h *hand) Session() string { return h.session }

func (h *hand) State(context.Context) ([]byte, error) {
	reply, err := h.c.ask(h.path, "get-session-state", map[string]any{"session-id": h.session})
	state, _ := reply["session-state"].([]byte)
	return state, err
}

func (h *hand) SetState(_ context.Context, state []byte) error {
	_, err := h.c.ask(h.path, "set-session-state", map[string]any{"session-id": h.session, "session-state": state})
	return err
}

func (h *hand) Close(ctx context.Context) error { return h.rx.Close(ctx) }
