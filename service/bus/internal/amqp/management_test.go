package amqp

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"weir/kernel/identity"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

// desk is a connection without a socket, with what management requests need.
func (r *rig) desk() *conn {
	c := &conn{s: r.front, ns: r.ns, ctx: context.Background(), receivers: map[broker.ReceiverID]*receiver{}, named: map[string]*end{}}
	_ = c.claims.put("", identity.Principal{Claims: identity.Manage}, time.Now())
	return c
}

// ask runs an operation as if its request had come from the wire.
func (r *rig) ask(path, operation string, body wire.Map) (wire.Map, error) {
	payload := (&wire.Properties{MessageID: "1", ReplyTo: wire.Some("me")}).Append(nil)
	payload = wire.AppendSectionMap(payload, wire.DescApplicationProperties, wire.Map{{Key: "operation", Value: "com.microsoft:" + operation}})
	payload = wire.AppendValueBody(payload, body)
	q, err := parseRequest(payload, nil)
	if err != nil {
		return nil, err
	}
	x := &exchange{c: r.desk(), ctx: within(r.t), path: path, q: &q}
	if err := x.prepare(); err != nil {
		return nil, err
	}
	reply, err := operations[q.operation].run(x)
	if err != nil || reply == nil {
		return nil, err
	}
	// What goes out is looked at as a client decodes it.
	decoded, _, err := wire.ReadValue(wire.AppendValue(nil, reply))
	m, _ := decoded.(wire.Map)
	return m, err
}

func (r *rig) mustAsk(path, operation string, body wire.Map) wire.Map {
	r.t.Helper()
	m, err := r.ask(path, operation, body)
	if err != nil {
		r.t.Fatalf("%s: %v", operation, err)
	}
	return m
}

func table(pairs ...any) (m wire.Map) {
	for i := 0; i < len(pairs); i += 2 {
		m = append(m, wire.Entry{Key: pairs[i], Value: pairs[i+1]})
	}
	return m
}

func scheduleItem(id string) wire.Map {
	return table("message-id", id, "message", message{
		properties:  &wire.Properties{MessageID: id},
		annotations: wire.Map{{Key: wire.Symbol(annScheduledEnqueue), Value: wire.TimestampOf(time.Now().Add(time.Hour))}},
		data:        id,
	}.encode())
}

// Go asserts []int64, []time.Time and int32: an array is not a list, an int no uint.
func TestTypesOfReplies(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	scheduled := r.mustAsk(q, "schedule-message", table("messages", wire.List{scheduleItem("a"), scheduleItem("b")}))
	numbers, _ := scheduled.Named("sequence-numbers")
	if a, ok := numbers.(wire.Array); !ok || len(a.Items) != 2 || reflect.TypeOf(a.Items[0]) != reflect.TypeFor[int64]() {
		t.Fatalf("sequence-numbers are %#v", numbers)
	}
	peeked := r.mustAsk(q, "peek-message", table("from-sequence-number", int64(1), "message-count", int32(10)))
	messages, _ := peeked.Named("messages")
	list, ok := messages.(wire.List)
	if !ok || len(list) != 2 {
		t.Fatalf("messages are %#v", messages)
	}
	first, _ := list[0].(wire.Map)
	if encoded, _ := first.Named("message"); reflect.TypeOf(encoded) != reflect.TypeFor[[]byte]() {
		t.Errorf("a message is %T", encoded)
	}
	if m, err := r.ask(q, "cancel-scheduled-message", table("sequence-numbers", numbers)); err != nil || m == nil {
		t.Errorf("cancel: %v, %v", m, err)
	}
	if m := r.mustAsk(q, "peek-message", table("from-sequence-number", int64(1), "message-count", int32(10))); m != nil {
		t.Errorf("nothing to peek is 204, got %v", m)
	}
	if m := r.mustAsk(q, "batch-delete-messages", table("message-count", int32(5), "enqueued-time-utc", wire.TimestampOf(time.Now()))); m != nil {
		t.Errorf("nothing to delete is 204, got %v", m)
	}
}

// The same request in the widths and containers of three client families.
func TestRequestsOfThreeClients(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	for name, body := range map[string]wire.Map{
		"Go":     table("from-sequence-number", int64(0), "message-count", int32(1)),
		"JS":     table("from-sequence-number", int64(0), "message-count", int32(1), "session-id", nil, "omit-message-body", false),
		".NET":   table("from-sequence-number", int64(1), "message-count", int32(1), "omit-message-body", true),
		"Python": table(wire.Symbol("from-sequence-number"), int64(1), wire.Symbol("message-count"), uint32(1)),
	} {
		if _, err := r.ask(q, "peek-message", body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	token := wire.UUID{1}
	for name, tokens := range map[string]any{
		"array": wire.Array{Code: wire.CodeUUID, Items: []any{token}}, "list": wire.List{token},
	} {
		_, err := r.ask(q, "renew-lock", table("lock-tokens", tokens))
		if a := answerTo(err); a.status != 410 || a.condition != condMessageLockLost {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, mode := range []any{uint32(1), uint8(1), int32(1)} {
		_, err := r.ask(q, "receive-by-sequence-number", table("sequence-numbers", wire.Array{Code: wire.CodeLong, Items: []any{int64(1)}}, "receiver-settle-mode", mode))
		if a := answerTo(err); a.status != 404 || a.condition != condMessageNotFound {
			t.Errorf("%T: %v", mode, err)
		}
	}
	for _, status := range []string{"completed", "abandoned", "suspended", "defered"} {
		_, err := r.ask(q, "update-disposition", table("lock-tokens", wire.List{token}, "disposition-status", status, "deadletter-reason", "r"))
		if a := answerTo(err); a.status != 410 {
			t.Errorf("%s: %v", status, err)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	for _, c := range []struct {
		operation string
		body      wire.Map
		status    int32
		text      string
	}{
		{"make-coffee", table(), 501, "'com.microsoft:make-coffee'"},
		{"peek-message", table("message-count", int32(0)), 400, "'message-count'"},
		{"peek-message", table("message-count", "many"), 400, "'message-count'"},
		{"renew-lock", table(), 400, "'lock-tokens'"},
		{"renew-lock", table("lock-tokens", wire.List{"x"}), 400, "'lock-tokens'"},
		{"schedule-message", table("messages", wire.List{"x"}), 400, "'messages'"},
		{"schedule-message", table("messages", wire.List{table("message", "x")}), 400, "'message'"},
		{"update-disposition", table("lock-tokens", wire.List{wire.UUID{}}, "disposition-status", "eaten"), 400, "'eaten'"},
		{"get-session-state", table(), 400, "'session-id'"},
		{"set-session-state", table("session-id", "s", "session-state", "text"), 400, "'session-state'"},
		{"add-rule", table("rule-name", "r"), 400, "'rule-description'"},
		{"enumerate-rules", table("top", int32(1)), 409, "no subscription"},
		{"get-message-sessions", table("last-updated-time", "yesterday"), 400, "'last-updated-time'"},
	} {
		_, err := r.ask(q, c.operation, c.body)
		if err == nil || answerTo(err).status != c.status || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s %v: got %v", c.operation, c.body, err)
		}
	}
	if _, err := r.ask("missing", "peek-message", table()); answerTo(err).status != 404 {
		t.Errorf("no such entity: %v", err)
	}
}

// Rules come and go by $management, and are listed as described types.
func TestRulesByManagement(t *testing.T) {
	r := newRig(t, Limits{})
	topic := r.entity(broker.Topic, unique("t"))
	sub := r.entity(broker.Subscription, topic+"/Subscriptions/s")
	r.mustAsk(sub, "remove-rule", table("rule-name", "$Default"))
	r.mustAsk(sub, "add-rule", table("rule-name", "sql", "rule-description", table(
		"sql-filter", table("expression", "a = 1"), "sql-rule-action", table("expression", "SET b = 2"))))
	r.mustAsk(sub, "add-rule", table("rule-name", "corr", "rule-description", table(
		"correlation-filter", table("correlation-id", nil, "label", "l", "properties", table("k", int32(7))))))
	if _, err := r.ask(sub, "add-rule", table("rule-name", "SQL", "rule-description", table("sql-filter", table("expression", "1=1")))); answerTo(err).status != 409 {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := r.ask(sub, "remove-rule", table("rule-name", "nobody")); answerTo(err).status != 404 {
		t.Errorf("a name nobody has: %v", err)
	}
	reply := r.mustAsk(sub, "enumerate-rules", table("top", int32(1<<31-1), "skip", int32(0)))
	v, _ := reply.Named("rules")
	rules, _ := v.(wire.List)
	var got []string
	for _, entry := range rules {
		d, _ := entry.(wire.Map).Named("rule-description")
		got = append(got, plainly(d))
	}
	want := []string{
		"0x13700000004[0x1370000006[a = 1 20] 0x13700000006[SET b = 2 20] sql time]",
		"0x13700000004[0x1370000009[<nil> <nil> <nil> <nil> l <nil> <nil> <nil> map[k:7]] 0x13700000005[] corr time]",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r.mustAsk(sub, "remove-rule", table("rule-name", "sql"))
	r.mustAsk(sub, "remove-rule", table("rule-name", "corr"))
	if m := r.mustAsk(sub, "enumerate-rules", table("top", int32(10))); m != nil {
		t.Errorf("no rules is 204, got %v", m)
	}
}

// plainly writes a described value so that a test can read it.
func plainly(v any) string {
	switch x := v.(type) {
	case *wire.Described:
		return fmt.Sprintf("%#x%s", x.Descriptor, plainly(x.Value))
	case wire.List:
		var parts []string
		for _, item := range x {
			parts = append(parts, plainly(item))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case wire.Map:
		m := map[any]any{}
		for _, e := range x {
			m[e.Key] = e.Value
		}
		return fmt.Sprint(m)
	case wire.Timestamp:
		return "time"
	}
	return fmt.Sprint(v)
}

// pair is a request/response pair as go-amqp opens it, with nothing of the SDK.
type pair struct {
	t  *testing.T
	tx *goamqp.Sender
	rx *goamqp.Receiver
}

func (r *rig) dial(t *testing.T) *goamqp.Conn {
	t.Helper()
	c, err := goamqp.Dial(within(t), "amqp://"+r.addr, &goamqp.ConnOptions{SASLType: goamqp.SASLTypePlain(identity.EmulatorKeyName, identity.EmulatorKey)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func openPair(t *testing.T, c *goamqp.Conn, node string, target string) *pair {
	t.Helper()
	ctx := within(t)
	s, err := c.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t}
	if p.tx, err = s.NewSender(ctx, node, nil); err != nil {
		t.Fatal(err)
	}
	if p.rx, err = s.NewReceiver(ctx, node, &goamqp.ReceiverOptions{TargetAddress: target, Name: "reply-link", Credit: 10}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) ask(replyTo string, props map[string]any, body any) *goamqp.Message {
	p.t.Helper()
	ctx := within(p.t)
	m := &goamqp.Message{Value: body, ApplicationProperties: props, Properties: &goamqp.MessageProperties{MessageID: uint64(7), ReplyTo: &replyTo}}
	if err := p.tx.Send(ctx, m, nil); err != nil {
		p.t.Fatal(err)
	}
	reply, err := p.rx.Receive(ctx, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if reply.Properties == nil || reply.Properties.CorrelationID != uint64(7) {
		p.t.Errorf("the reply does not carry the request's id in its own type: %+v", reply.Properties)
	}
	return reply
}

// Replies go to the target address, as Go and .NET say, or to the link's name, as JS does.
func TestRepliesFindTheirLink(t *testing.T) {
	r := newRig(t, Limits{})
	q := r.queue()
	for name, c := range map[string]struct{ target, replyTo string }{
		"target address": {"odd $ text", "odd $ text"},
		"link name":      {"", "reply-link"},
	} {
		p := openPair(t, r.dial(t), q+"/$Management", c.target)
		reply := p.ask(c.replyTo, map[string]any{
			"operation": "com.microsoft:peek-message", "server-timeout": uint64(1000), "com.microsoft:tracking-id": "track",
		}, map[string]any{"from-sequence-number": int64(0), "message-count": int32(1)})
		props := reply.ApplicationProperties
		if props["statusCode"] != int32(204) || props["statusDescription"] != "No Content" || props["com.microsoft:tracking-id"] != "track" {
			t.Errorf("%s: %v", name, props)
		}
	}
}

func TestManagementErrorsCarryTheirCondition(t *testing.T) {
	r := newRig(t, Limits{})
	p := openPair(t, r.dial(t), r.queue()+"/$management", "me")
	reply := p.ask("me", map[string]any{"operation": "com.microsoft:renew-lock"}, map[string]any{"lock-tokens": []goamqp.UUID{{1}}})
	props := reply.ApplicationProperties
	if props["statusCode"] != int32(410) || fmt.Sprint(props["errorCondition"]) != "com.microsoft:message-lock-lost" {
		t.Errorf("got %v", props)
	}
	reply = p.ask("me", map[string]any{"operation": "com.microsoft:nonsense"}, map[string]any{})
	if props := reply.ApplicationProperties; props["statusCode"] != int32(501) || !strings.Contains(fmt.Sprint(props["statusDescription"]), "nonsense") {
		t.Errorf("got %v", props)
	}
	reply = p.ask("me", nil, "no map")
	if props := reply.ApplicationProperties; props["statusCode"] != int32(501) {
		t.Errorf("got %v", props)
	}
}

// Whatever bytes come as a request, it is answered or refused, and nothing breaks.
func FuzzManagementRequest(f *testing.F) {
	for op := range operations {
		b := wire.AppendSectionMap(nil, wire.DescApplicationProperties, table("operation", op))
		f.Add(wire.AppendValueBody(b, table("session-id", "s", "lock-tokens", wire.List{wire.UUID{1}}, "sequence-numbers", wire.List{int64(1)},
			"messages", wire.List{scheduleItem("a")}, "disposition-status", "completed", "rule-name", "r", "session-state", []byte{1},
			"rule-description", table("correlation-filter", table("properties", table("k", int32(1)))))))
	}
	r := newRig(f, Limits{})
	topic := r.entity(broker.Topic, "t")
	paths := []string{r.queue(), r.queue(func(d *broker.Definition) { d.RequiresSession = true }), topic,
		r.entity(broker.Subscription, topic+"/Subscriptions/s"), "missing"}
	f.Fuzz(func(t *testing.T, payload []byte) {
		q, err := parseRequest(payload, nil)
		if err != nil {
			return
		}
		for _, path := range paths {
			x := &exchange{c: r.desk(), ctx: t.Context(), path: path, q: &q}
			if x.prepare() != nil {
				return
			}
			body, err := operations[q.operation].run(x)
			if err == nil {
				wire.AppendValueBody(nil, body)
			} else if wireError(err).Condition == "" {
				t.Errorf("a refusal without a condition: %v", err)
			}
			_ = q.timeout()
		}
	})
}
