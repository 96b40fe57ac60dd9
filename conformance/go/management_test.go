package go_test

import (
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/go-amqp"

	"weir/conformance/server"
)

// These scenarios use go-amqp, the client below the SDK, for what this version
// of the SDK does not do itself.
var managementScenarios = []scenario{
	{"amqp/delete many", []server.Resource{server.Queue("purged", nil)}, deleteMany},
	{"amqp/rules while running", []server.Resource{server.Topic("ruled", nil), server.Subscription("ruled", "s", nil)}, rulesWhileRunning},
	{"amqp/SASL PLAIN", []server.Resource{server.Queue("sasl", nil)}, saslPlain},
	{"amqp/no token, no link", []server.Resource{server.Queue("tokenless", nil)}, noToken},
	{"amqp/drain", []server.Resource{server.Queue("drained", nil)}, drain},
	{"amqp/an unknown management operation", []server.Resource{server.Queue("managed", nil)}, unknownOperation},
}

func (s *stage) amqp(sasl amqp.SASLType) *amqp.Conn {
	s.Helper()
	conn, err := amqp.Dial(s.ctx, "amqp://"+s.server.Addr(), &amqp.ConnOptions{SASLType: sasl})
	s.must(err)
	s.Cleanup(func() { _ = conn.Close() })
	return conn
}

// manager speaks the request and response pattern of a management node.
type manager struct {
	s    *stage
	snd  *amqp.Sender
	recv *amqp.Receiver
}

func (s *stage) manage(entity string) *manager {
	s.Helper()
	session, err := s.amqp(amqp.SASLTypePlain(server.RootKeyName, emulatorKey)).NewSession(s.ctx, nil)
	s.must(err)
	node := entity + "/$management"
	recv, err := session.NewReceiver(s.ctx, node, &amqp.ReceiverOptions{TargetAddress: "answers"})
	s.must(err)
	snd, err := session.NewSender(s.ctx, node, nil)
	s.must(err)
	return &manager{s, snd, recv}
}

// ask sends one request and returns the answer's status and body.
func (m *manager) ask(operation string, body map[string]any) (status int32, answer map[string]any) {
	m.s.Helper()
	request := &amqp.Message{
		Properties:            &amqp.MessageProperties{MessageID: operation, ReplyTo: to.Ptr("answers")},
		ApplicationProperties: map[string]any{"operation": "com.microsoft:" + operation},
		Value:                 body,
	}
	m.s.must(m.snd.Send(m.s.ctx, request, nil))
	got, err := m.recv.Receive(m.s.ctx, nil)
	m.s.must(err)
	m.s.must(m.recv.AcceptMessage(m.s.ctx, got))
	equal(m.s, "correlation id of the answer", got.Properties.CorrelationID, any(operation))
	status, _ = got.ApplicationProperties["statusCode"].(int32)
	answer, _ = got.Value.(map[string]any)
	return status, answer
}

func deleteMany(s *stage) {
	s.send("purged", texts(numbered("old", 10)...)...)
	r := s.queue("purged")
	held := s.receiveOne(r)
	m := s.manage("purged")
	ask := func(n int32, before time.Time, want int32) {
		s.Helper()
		status, answer := m.ask("batch-delete-messages", map[string]any{"message-count": n, "enqueued-time-utc": before})
		if want == 0 && (status == 204 || status == 404) {
			return
		}
		equal(s, "status", status, 200)
		equal(s, "messages deleted", answer["message-count"], any(want))
	}
	ask(10, time.Now().Add(-time.Hour), 0)
	ask(4, time.Now().Add(time.Hour), 4)
	ask(100, time.Now().Add(time.Hour), 5)
	ask(100, time.Now().Add(time.Hour), 0)
	s.complete(r, held)
	s.empty(r)
}

func rulesWhileRunning(s *stage) {
	m := s.manage("ruled/Subscriptions/s")
	status, _ := m.ask("add-rule", map[string]any{
		"rule-name":        "red",
		"rule-description": map[string]any{"sql-filter": map[string]any{"expression": "color = 'red'"}, "sql-rule-action": map[string]any{"expression": "SET seen = 1"}},
	})
	equal(s, "status of adding a rule", status, 200)
	status, _ = m.ask("remove-rule", map[string]any{"rule-name": "$Default"})
	equal(s, "status of removing the default rule", status, 200)
	status, answer := m.ask("enumerate-rules", map[string]any{"top": int32(100), "skip": int32(0)})
	equal(s, "status of listing rules", status, 200)
	rules, _ := answer["rules"].([]any)
	equal(s, "rules listed", len(rules), 1)

	red, blue := text("red"), text("blue")
	red.ApplicationProperties = map[string]any{"color": "red"}
	blue.ApplicationProperties = map[string]any{"color": "blue"}
	s.send("ruled", blue, red)
	r := s.subscription("ruled", "s")
	got := s.receiveOne(r)
	equal(s, "body", string(got.Body), "red")
	if got.ApplicationProperties["seen"] == nil {
		s.Error("the rule's action did not run")
	}
	s.complete(r, got)
	s.empty(r)
}

func saslPlain(s *stage) {
	conn := s.amqp(amqp.SASLTypePlain("All", allKey))
	session, err := conn.NewSession(s.ctx, nil)
	s.must(err)
	snd, err := session.NewSender(s.ctx, "sasl", nil)
	s.must(err)
	s.must(snd.Send(s.ctx, amqp.NewMessage([]byte("plain")), nil))
	s.takes(s.queue("sasl"), "plain")

	wrong, err := amqp.Dial(s.ctx, "amqp://"+s.server.Addr(), &amqp.ConnOptions{SASLType: amqp.SASLTypePlain("All", "wrong")})
	if err == nil {
		_ = wrong.Close()
		s.Error("a wrong key was taken")
	}
}

func noToken(s *stage) {
	session, err := s.amqp(amqp.SASLTypeAnonymous()).NewSession(s.ctx, nil)
	s.must(err)
	_, err = session.NewSender(s.ctx, "tokenless", nil)
	if err == nil || !strings.Contains(err.Error(), "unauthorized-access") {
		s.Errorf("a link without a token got: %v, want unauthorized-access", err)
	}
}

// drain asks for credit to be used up: the answer must come at once, the JS SDK
// gives up after 200 ms.
func drain(s *stage) {
	session, err := s.amqp(amqp.SASLTypePlain(server.RootKeyName, emulatorKey)).NewSession(s.ctx, nil)
	s.must(err)
	r, err := session.NewReceiver(s.ctx, "drained", &amqp.ReceiverOptions{Credit: -1, SettlementMode: amqp.ReceiverSettleModeSecond.Ptr()})
	s.must(err)
	s.must(r.IssueCredit(10))
	s.must(r.DrainCredit(s.ctx, nil))
	s.send("drained", text("a"))
	if m := r.Prefetched(); m != nil {
		s.Error("a message came without credit")
	}
	s.must(r.IssueCredit(1))
	m, err := r.Receive(s.ctx, nil)
	s.must(err)
	s.must(r.AcceptMessage(s.ctx, m))
	s.empty(s.queue("drained"))
}

func unknownOperation(s *stage) {
	status, _ := s.manage("managed").ask("make-coffee", nil)
	if status < 400 {
		s.Errorf("status %d, want a refusal", status)
	}
	s.send("managed", text("still well"))
	s.takes(s.queue("managed"), "still well")
}
