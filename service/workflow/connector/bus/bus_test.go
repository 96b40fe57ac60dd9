package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/conformance/server/servertest"
	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// finder has one connection.
type finder struct{ c connection.Connection }

func (f finder) Find(context.Context, string, connection.Reference) (*connection.Connection, error) {
	c := f.c
	return &c, nil
}

func parse(t *testing.T, s string) *object {
	t.Helper()
	v, err := expression.ParseJSON(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	o, _ := v.(*object)
	return o
}

// stage is a connector on a real node.
type stage struct {
	*testing.T
	c *Connector
}

func inputs(t *testing.T, op, parameters string) *object {
	return expression.NewObject("parameters", parse(t, parameters), "serviceProviderConfiguration", expression.NewObject("connectionName", "bus", "operationId", op, "serviceProviderId", Provider))
}

func (s stage) do(op, parameters string) connector.Answer {
	s.Helper()
	return s.c.Do(s.Context(), &connector.Call{Type: "ServiceProvider", Inputs: inputs(s.T, op, parameters), Who: connector.Who{Key: "key-1", Attempt: 1}})
}

func (s stage) must(op, parameters string) any {
	s.Helper()
	a := s.do(op, parameters)
	if a.Code != "" || a.Status != 200 {
		s.Fatalf("%s %s: %d %s %s", op, parameters, a.Status, a.Code, a.Message)
	}
	return a.Body
}

// look looks until there is something.
func (s stage) look(op, parameters string) []connector.Item {
	s.Helper()
	f := s.once(op, parameters, 20*time.Second)
	if len(f.Items) == 0 {
		s.Fatalf("%s %s found nothing", op, parameters)
	}
	return f.Items
}

func (s stage) once(op, parameters string, wait time.Duration) connector.Found {
	s.Helper()
	f := s.c.Look(s.Context(), &connector.Watch{Type: "ServiceProvider", Inputs: inputs(s.T, op, parameters), Wait: wait, Most: 100})
	if f.Code != "" {
		s.Fatalf("%s %s: %s %s", op, parameters, f.Code, f.Message)
	}
	return f
}

func (s stage) empty(queue string) {
	s.Helper()
	if all := s.must("peekQueueMessages", `{"queueName": "`+queue+`", "maxMessages": 10}`).([]any); len(all) > 0 {
		s.Errorf("%s still has %s", queue, expression.AppendJSON(nil, all))
	}
}

func first(i connector.Item) *object {
	v, _ := i.Outputs.Get("body")
	if all, ok := v.([]any); ok {
		v = all[0]
	}
	o, _ := v.(*object)
	return o
}

const where = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/weir/providers/Microsoft.ServiceBus/namespaces/sbemulatorns"

func newStage(t *testing.T, entities map[string]any) stage {
	t.Helper()
	srv := servertest.Start(t, nil)
	for _, pass := range []int{1, 2, 3} { // parents first
		for path, properties := range entities {
			if strings.Count(path, "/") != pass*2-1 {
				continue
			}
			body, _ := json.Marshal(map[string]any{"properties": properties})
			status, answer, err := srv.Ask(t.Context(), "PUT", where+"/"+path+"?api-version=2021-11-01", body)
			if err != nil || status >= 300 {
				t.Fatalf("%s: %d %s %v", path, status, answer, err)
			}
		}
	}
	c := New(Options{Connections: finder{connection.Connection{Name: "bus", Values: expression.NewObject("connectionString", srv.Emulator())}}})
	t.Cleanup(c.Close)
	return stage{t, c}
}

func TestOnANode(t *testing.T) {
	s := newStage(t, map[string]any{
		"queues/managed": nil, "queues/orders": map[string]any{"lockDuration": "PT5S", "maxDeliveryCount": 10}, "queues/auto": nil, "queues/settled": map[string]any{"lockDuration": "PT1M"},
		"queues/convoy": map[string]any{"requiresSession": true, "lockDuration": "PT1M"},
		"topics/news":   nil, "topics/news/subscriptions/all": nil,
	})
	run := func(name string, f func(stage)) { t.Run(name, func(t *testing.T) { f(stage{t, s.c}) }) }
	run("peek-lock", peekLock)
	run("auto", auto)
	run("settled by the run", settledByTheRun)
	run("sessions", convoy)
	run("topics", topics)
	run("shapes", shapes)
	run("managed", managedOnes)
	run("refused", refusedOnes)
}

func peekLock(s stage) {
	s.must("sendMessage", `{"entityName": "orders", "message": {"contentData": {"n": 1}, "contentType": "application/json", "userProperties": {"a": "b", "k": 7}, "label": "L"}}`)
	item := s.look("peekLockQueueMessagesV2", `{"queueName": "orders", "maxMessageBatchSize": 5}`)[0]
	m := first(item)
	if got := text(m, "messageId") + " " + text(m, "label") + " " + text(objectOf(m, "contentData"), "n") + " " + text(objectOf(m, "userProperties"), "k"); got != "key-1 L 1 7" {
		s.Errorf("found %s", expression.AppendJSON(nil, m))
	}
	if d, err := item.Hold(s.Context()); err != nil || d < 3*time.Second {
		s.Errorf("held for %s: %v", d, err)
	}
	// A run that fails leaves the message, which comes again by the same key; the old
	// token reaches it.
	if err := item.Settle(s.Context(), false); err != nil {
		s.Fatal(err)
	}
	again := s.look("peekLockQueueMessagesV2", `{"queueName": "orders"}`)[0]
	if again.Key != item.Key || text(first(again), "deliveryCount") == "0" || text(first(again), "lockToken") == text(m, "lockToken") {
		s.Errorf("came again by %s as %s", again.Key, expression.AppendJSON(nil, first(again)))
	}
	s.must("renewLockQueueMessageV2", `{"queueName": "orders", "lockToken": "`+text(m, "lockToken")+`"}`)
	if err := again.Settle(s.Context(), true); err != nil {
		s.Fatal(err)
	}
	s.empty("orders")
}

func auto(s stage) {
	s.must("sendMessages", `{"entityName": "auto", "messages": [{"contentData": "one"}, {"contentData": "two", "messageId": "mine"}]}`)
	var got []string
	for len(got) < 2 {
		for _, item := range s.look("receiveQueueMessages", `{"queueName": "auto", "isSessionsEnabled": false}`) {
			got = append(got, text(first(item), "messageId")+"="+text(first(item), "contentData"))
			for range 2 { // a second time does nothing
				if err := item.Taken(s.Context()); err != nil {
					s.Fatal(err)
				}
			}
			if err := item.Settle(s.Context(), false); err != nil {
				s.Error(err)
			}
			if d, err := item.Hold(s.Context()); err != nil || d < time.Minute {
				s.Errorf("a message that is gone is held for %s: %v", d, err)
			}
		}
	}
	if fmt.Sprint(got) != "[key-1-0=one mine=two]" {
		s.Error(got)
	}
	s.empty("auto")
	if f := s.once("receiveQueueMessages", `{"queueName": "auto"}`, 0); len(f.Items) > 0 || f.More {
		s.Errorf("found %d", len(f.Items))
	}
}

func settledByTheRun(s stage) {
	take := func() (connector.Item, string) {
		s.must("sendMessage", `{"entityName": "settled", "message": {"contentData": "x"}}`)
		item := s.look("peekLockQueueMessagesV2", `{"queueName": "settled"}`)[0]
		return item, `"queueName": "settled", "lockToken": "` + text(first(item), "lockToken") + `"`
	}
	item, at := take()
	s.must("completeQueueMessageV2", "{"+at+"}")
	if a := s.do("completeQueueMessageV2", "{"+at+"}"); a.Code == "" || a.Retryable {
		s.Errorf("settled twice: %+v", a)
	}
	if err := item.Settle(s.Context(), true); err != nil {
		s.Error(err)
	}
	item, at = take()
	s.must("abandonQueueMessageV2", "{"+at+"}")
	if err := item.Settle(s.Context(), true); err != nil { // what the run gave back stays given back
		s.Error(err)
	}
	item = s.look("peekLockQueueMessagesV2", `{"queueName": "settled"}`)[0]
	at = `"queueName": "settled", "lockToken": "` + text(first(item), "lockToken") + `"`
	s.must("deadLetterQueueMessageV2", `{`+at+`, "deadLetterReason": "bad", "deadLetterErrorDescription": "very"}`)
	dead := s.look("peekLockQueueMessagesV2", `{"queueName": "settled/$DeadLetterQueue"}`)[0]
	if text(first(dead), "deadLetterReason") != "bad" || text(first(dead), "deadLetterErrorDescription") != "very" {
		s.Errorf("%s", expression.AppendJSON(nil, first(dead)))
	}
	s.must("completeMessage", `{"messageId": "key-1", "lockToken": "`+text(first(dead), "lockToken")+`"}`)

	_, at = take()
	s.must("deferQueueMessageV2", "{"+at+"}")
	all := s.must("peekQueueMessages", `{"queueName": "settled"}`).([]any)
	m := s.must("getDeferredMessageFromQueueV2", `{"queueName": "settled", "sequenceNumber": `+text(all[0].(*object), "sequenceNumber")+`}`)
	s.must("completeMessage", `{"messageId": "`+text(m.(*object), "messageId")+`"}`)
	s.must("sendMessage", `{"entityName": "settled", "message": {"contentData": "y", "messageId": "y1"}}`)
	s.must("getMessagesFromQueue", `{"queueName": "settled"}`)
	s.must("renewLockMessage", `{"messageId": "y1"}`)
	s.must("completeMessage", `{"messageId": "y1"}`)
	s.empty("settled")
	if all := s.must("getMessagesFromQueueV2", `{"queueName": "settled", "maxMessages": 3}`).([]any); len(all) != 0 {
		s.Errorf("took %d", len(all))
	}
}

func convoy(s stage) {
	for _, m := range []string{"a1", "a2", "b1"} {
		s.must("sendMessage", `{"entityName": "convoy", "message": {"contentData": "`+m+`", "messageId": "`+m+`", "sessionId": "`+m[:1]+`"}}`)
	}
	bodies := func(i connector.Item) (got string) {
		v, _ := i.Outputs.Get("body")
		for _, m := range v.([]any) {
			got += text(m.(*object), "contentData") + " "
		}
		return got
	}
	nothing := func() {
		s.Helper()
		if f := s.once("onNewMessagesFromQueueSession", `{"queueName": "convoy"}`, 0); len(f.Items) > 0 {
			s.Errorf("convoy still has %s", bodies(f.Items[0]))
		}
	}
	one := s.look("onNewMessagesFromQueueSession", `{"queueName": "convoy", "maxMessages": 10}`)[0]
	two := s.look("onNewMessagesFromQueueSession", `{"queueName": "convoy", "maxMessages": 10}`)[0]
	if got := bodies(one) + "| " + bodies(two); got != "a1 a2 | b1 " {
		s.Errorf("sessions %s", got)
	}
	if f := s.once("onNewMessagesFromQueueSession", `{"queueName": "convoy", "sessionId": "a"}`, 0); len(f.Items) > 0 {
		s.Error("a session that is held was taken again")
	}
	s.must("renewQueueSession", `{"queueName": "convoy", "sessionId": "a"}`)
	s.must("completeMessageInSession", `{"messageId": "a1"}`)
	for _, i := range []connector.Item{one, two} {
		if d, err := i.Hold(s.Context()); err != nil || d < 30*time.Second {
			s.Errorf("held for %s: %v", d, err)
		}
		if err := i.Settle(s.Context(), true); err != nil {
			s.Error(err)
		}
	}
	nothing()
	s.must("sendMessage", `{"entityName": "convoy", "message": {"contentData": "c1", "sessionId": "c"}}`)
	s.must("sendMessage", `{"entityName": "convoy", "message": {"contentData": "c2", "sessionId": "c"}}`)
	single := s.look("onSingleNewMessageFromQueueSession", `{"queueName": "convoy"}`)[0]
	more := s.must("getMessagesFromQueueSession", `{"queueName": "convoy", "sessionId": "c", "maxMessages": 5}`).([]any)
	if text(first(single), "contentData") != "c1" || len(more) != 1 {
		s.Errorf("%s, then %d", text(first(single), "contentData"), len(more))
	}
	s.must("completeMessageInSession", `{"messageId": "key-1", "lockToken": "`+text(more[0].(*object), "lockToken")+`"}`)
	if err := single.Settle(s.Context(), true); err != nil {
		s.Error(err)
	}
	s.must("closeQueueSession", `{"queueName": "convoy", "sessionId": "c"}`)
	nothing()
}

func topics(s stage) {
	s.must("sendMessage", `{"entityName": "news", "message": {"contentData": "hello", "scheduledEnqueueTimeUtc": "0001-01-01T00:00:00Z", "timeToLive": "01:00:00"}}`)
	item := s.look("peekLockTopicMessagesV2", `{"topicName": "news", "subscriptionName": "all"}`)[0]
	if !strings.HasPrefix(item.Key, "news/subscriptions/all#") || text(first(item), "timeToLive") != "01:00:00" {
		s.Errorf("%s %s", item.Key, expression.AppendJSON(nil, first(item)))
	}
	s.must("completeTopicMessageV2", `{"topicName": "news", "subscriptionName": "all", "lockToken": "`+text(first(item), "lockToken")+`"}`)
	if all := s.must("peekTopicMessages", `{"topicName": "news", "subscriptionName": "all"}`).([]any); len(all) > 0 {
		s.Error("it is still there")
	}
}

func shapes(s stage) {
	for _, c := range []struct{ message, want string }{
		{`{"contentData": {"a": [1]}}`, `{"a":[1]} application/json`},
		{`{"contentData": "text"}`, `"text" `},
		{`{"contentData": "{\"a\":1}", "contentType": "application/json"}`, `{"a":1} application/json`},
		{`{"contentData": "{", "contentType": "application/json"}`, `"{" application/json`},
		{`{"contentData": {"$content-type": "application/octet-stream", "$content": "AAE="}}`, `{"$content-type":"application/octet-stream","$content":"AAE="} application/octet-stream`},
	} {
		s.must("sendMessage", `{"entityName": "auto", "message": `+c.message+`}`)
		item := s.look("receiveQueueMessages", `{"queueName": "auto"}`)[0]
		v, _ := first(item).Get("contentData")
		kind, _, _ := strings.Cut(text(first(item), "contentType"), ";")
		if got := string(expression.AppendJSON(nil, v)) + " " + kind; got != c.want {
			s.Errorf("%s came as %s", c.message, got)
		}
		if err := item.Settle(s.Context(), true); err != nil {
			s.Error(err)
		}
	}
}

func refusedOnes(s stage) {
	for _, c := range []struct{ op, parameters, want string }{
		{"replicateMessages", `{}`, `The operation "replicateMessages" of /serviceProviders/serviceBus is not supported: there are sendMessage`},
		{"sendMessage", `{"entityName": "auto"}`, `needs the parameter "message"`},
		{"sendMessage", `{"entityName": "auto", "message": {"contentdata": 1, "colour": 2}}`, `has no property "colour"`},
		{"sendMessage", `{"queue": "auto", "message": {}}`, `has no parameter "queue": it has entityName, message`},
		{"sendMessage", `{"entityName": "nowhere", "message": {"contentData": 1}}`, `nowhere`},
		{"receiveQueueMessages", `{"queueName": "auto"}`, `is a trigger, not an action`},
		{"completeQueueMessageV2", `{"queueName": "auto", "lockToken": "x"}`, `is none`},
		{"completeMessage", `{"messageId": "who"}`, `is not under a lock that this node holds`},
		{"getMessagesFromQueueV2", `{"queueName": "auto", "maxMessages": 0}`, `from 1 to 5000`},
	} {
		a := s.do(c.op, c.parameters)
		if a.Code == "" || !strings.Contains(a.Message, c.want) || a.Retryable {
			s.Errorf("%s %s: %+v, want %s", c.op, c.parameters, a, c.want)
		}
	}
	f := s.c.Look(s.Context(), &connector.Watch{Inputs: inputs(s.T, "sendMessage", `{}`)})
	if !strings.Contains(f.Message, "is an action, not a trigger") {
		s.Errorf("%+v", f)
	}
}

func TestConnectionsThatAreNotWhole(t *testing.T) {
	for values, want := range map[string]string{
		`{}`:                               "no connectionString, fullyQualifiedNamespace or namespaceId",
		`{"fullyQualifiedNamespace": "x"}`: "no issuer of tokens",
		`{"fullyQualifiedNamespace": "x", "authProvider": {"Type": "ActiveDirectoryOAuth"}}`: `the authProvider "ActiveDirectoryOAuth"`,
		`{"connectionString": "Endpoint=hidden-secret"}`:                                     "cannot be used",
	} {
		c := New(Options{Connections: finder{connection.Connection{Name: "bus", Values: parse(t, values), Hidden: []string{"hidden-secret"}}}})
		a := c.Do(t.Context(), &connector.Call{Inputs: inputs(t, "sendMessage", `{"entityName": "a", "message": {}}`)})
		if a.Code != connection.CodeMissing || !strings.Contains(a.Message, want) || strings.Contains(a.Message, "hidden-secret") {
			t.Errorf("%s: %+v, want %s", values, a, want)
		}
	}
}

func TestLife(t *testing.T) {
	for s, want := range map[string]string{"01:02:03": "1h2m3s", "1.00:00:00": "24h0m0s", "PT5M": "5m0s", "10000000": "1s", "00:00:00.5": "500ms", "10675199.02:48:05.4775807": "none", "": "none", "soon": "error", "25:00:00": "error"} {
		d, err := life(s)
		got := "none"
		if err != nil {
			got = "error"
		} else if d != nil {
			got = d.String()
		}
		if got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}

func TestLocksAreBounded(t *testing.T) {
	var k locks
	for i := range locksMax + 10 {
		k.add(&delivery{seq: int64(i), id: fmt.Sprint(i), token: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}})
	}
	if len(k.tokens) != locksMax || len(k.places) != locksMax || len(k.ids) != locksMax || len(k.history) != locksMax {
		t.Error(len(k.tokens), len(k.places), len(k.ids), len(k.history))
	}
}
