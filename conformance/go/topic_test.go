package go_test

import (
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

var topicScenarios = []scenario{
	{"topic/a copy for each subscription", []server.Resource{
		server.Topic("news", nil), server.Subscription("news", "one", nil), server.Subscription("news", "two", nil),
	}, copies},
	{"topic/SQL filters", sqlFilterEstate(), sqlFilters},
	{"topic/correlation filters", []server.Resource{
		server.Topic("correlated", nil),
		server.Subscription("correlated", "orders", nil), server.Subscription("correlated", "replies", nil),
		server.CorrelationRule("correlated", "orders", "$Default", map[string]any{"label": "order", "properties": map[string]any{"region": "eu"}}),
		server.CorrelationRule("correlated", "replies", "$Default", map[string]any{"correlationId": "42"}),
	}, correlationFilters},
	{"topic/actions", []server.Resource{
		server.Topic("changed", nil), server.Subscription("changed", "all", nil),
		server.SQLRule("changed", "all", "$Default", "1=1", "SET priority = 'high'; SET sys.Label = 'rewritten'; REMOVE secret"),
	}, actions},
	{"topic/several rules", []server.Resource{
		server.Topic("several", nil), server.Subscription("several", "s", nil),
		server.SQLRule("several", "s", "$Default", "size < 10", ""),
		server.SQLRule("several", "s", "even", "even = TRUE", ""),
		server.SQLRule("several", "s", "marked", "size > 5", "SET mark = 'big'"),
	}, severalRules},
	{"topic/a filter that fails buries the message", []server.Resource{
		server.Topic("failing", nil),
		server.Subscription("failing", "strict", server.Properties{"deadLetteringOnFilterEvaluationExceptions": true}),
		server.Subscription("failing", "lax", server.Properties{"deadLetteringOnFilterEvaluationExceptions": false}),
		server.SQLRule("failing", "strict", "$Default", "sys.ReplyTo = 1/0", ""),
		server.SQLRule("failing", "lax", "$Default", "sys.ReplyTo = 1/0", ""),
	}, failingFilter},
	{"topic/sessions", []server.Resource{
		server.Topic("session-topic", nil), server.Subscription("session-topic", "s", withSessions),
	}, topicSessions},
	{"topic/scheduled", []server.Resource{
		server.Topic("later", nil), server.Subscription("later", "s", nil),
	}, topicScheduled},
	{"topic/dead letters of a subscription", []server.Resource{
		server.Topic("dead-topic", nil), server.Subscription("dead-topic", "s", server.Properties{"maxDeliveryCount": 2}),
	}, subscriptionDeadLetters},
	{"topic/duplicates", []server.Resource{
		server.Topic("deduplicated-topic", server.Properties{"requiresDuplicateDetection": true}), server.Subscription("deduplicated-topic", "s", nil),
	}, topicDuplicates},
	{"topic/no subscription is no error", []server.Resource{server.Topic("unheard", nil)}, func(s *stage) { s.send("unheard", text("a")) }},
}

func copies(s *stage) {
	s.send("news", texts("a", "b")...)
	s.takes(s.subscription("news", "one"), "a", "b")
	r := s.subscription("news", "two")
	s.takes(r, "a", "b")
	s.empty(r)
	if _, err := s.client.NewReceiverForQueue("news", nil); err == nil {
		r := s.queue("news")
		if _, err := r.ReceiveMessages(s.ctx, 1, nil); err == nil {
			s.Error("a topic was received from")
		}
	}
}

// sqlCases are filters with the messages each lets through, by name.
var sqlCases = []struct{ name, filter, want string }{
	{"equal", "color = 'red'", "red"},
	{"unknown", "color <> 'red'", "blue"},
	{"exists", "EXISTS(color)", "red blue"},
	{"null", "color IS NULL", "plain"},
	{"and-or", "color = 'red' AND size > 2 OR sys.Label = 'labelled'", "red plain"},
	{"in", "color IN ('blue', 'green')", "blue"},
	{"like", "color LIKE 'b_u%'", "blue"},
	{"arithmetic", "size * 2 + 1 >= 21", "blue"},
	{"not", "NOT (color = 'red')", "blue"},
	{"system", "sys.CorrelationId = 'c-blue'", "blue"},
	{"none", "1 = 0", ""},
}

func sqlFilterEstate() []server.Resource {
	all := []server.Resource{server.Topic("filtered", nil)}
	for _, c := range sqlCases {
		all = append(all, server.Subscription("filtered", c.name, nil), server.SQLRule("filtered", c.name, "$Default", c.filter, ""))
	}
	return all
}

func sqlFilters(s *stage) {
	red, blue, plain := text("red"), text("blue"), text("plain")
	red.ApplicationProperties = map[string]any{"color": "red", "size": int64(3)}
	blue.ApplicationProperties = map[string]any{"color": "blue", "size": int64(10)}
	blue.CorrelationID = to.Ptr("c-blue")
	plain.Subject = to.Ptr("labelled")
	s.send("filtered", red, blue, plain)
	for _, c := range sqlCases {
		r := s.subscription("filtered", c.name)
		got, err := r.PeekMessages(s.ctx, 10, nil)
		s.must(err)
		if strings.Join(bodies(got), " ") != c.want {
			s.Errorf("%s: %s let through %q, want %q", c.name, c.filter, bodies(got), c.want)
		}
	}
}

func correlationFilters(s *stage) {
	match, region, reply := text("match"), text("other region"), text("reply")
	match.Subject, match.ApplicationProperties = to.Ptr("order"), map[string]any{"region": "eu"}
	region.Subject, region.ApplicationProperties = to.Ptr("order"), map[string]any{"region": "us"}
	reply.CorrelationID = to.Ptr("42")
	s.send("correlated", match, region, reply)
	orders, replies := s.subscription("correlated", "orders"), s.subscription("correlated", "replies")
	s.takes(orders, "match")
	s.empty(orders)
	s.takes(replies, "reply")
	s.empty(replies)
}

func actions(s *stage) {
	m := text("a")
	m.Subject = to.Ptr("original")
	m.ApplicationProperties = map[string]any{"secret": "x", "kept": int64(1)}
	s.send("changed", m)
	r := s.subscription("changed", "all")
	got := s.receiveOne(r)
	equal(s, "label", value(got.Subject), "rewritten")
	equal(s, "property that was set", got.ApplicationProperties["priority"], any("high"))
	equal(s, "property that was kept", got.ApplicationProperties["kept"], any(int64(1)))
	_, there := got.ApplicationProperties["secret"]
	equal(s, "property that was removed is there", there, false)
	s.complete(r, got)
}

// severalRules sends a message that matches two rules without an action and one
// that has one: one plain copy and one changed copy come.
func severalRules(s *stage) {
	m := text("six")
	m.ApplicationProperties = map[string]any{"size": int64(6), "even": true}
	s.send("several", m)
	r := s.subscription("several", "s")
	var marks []string
	for _, got := range s.receive(r, 2) {
		mark, _ := got.ApplicationProperties["mark"].(string)
		marks = append(marks, mark)
		s.complete(r, got)
	}
	slices.Sort(marks)
	if !slices.Equal(marks, []string{"", "big"}) {
		s.Errorf("copies are marked %q, want one plain and one big", marks)
	}
	s.empty(r)
}

func failingFilter(s *stage) {
	s.send("failing", text("a"))
	r, err := s.client.NewReceiverForSubscription("failing", "strict", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	s.must(err)
	m := s.receiveOne(r)
	if value(m.DeadLetterReason) == "" {
		s.Error("the dead letter has no reason")
	}
	s.complete(r, m)
	lax, err := s.client.NewReceiverForSubscription("failing", "lax", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	s.must(err)
	s.empty(lax)
	s.empty(s.subscription("failing", "lax"))
}

func topicSessions(s *stage) {
	s.send("session-topic", slices.Concat(in("x", texts("1", "2")...), in("y", text("3")))...)
	r, err := s.client.AcceptSessionForSubscription(s.ctx, "session-topic", "s", "x", nil)
	s.must(err)
	s.takes(r, "1", "2")
	next, err := s.client.AcceptNextSessionForSubscription(s.ctx, "session-topic", "s", nil)
	s.must(err)
	equal(s, "session", next.SessionID(), "y")
	s.takes(next, "3")
}

func topicScheduled(s *stage) {
	snd := s.sender("later")
	numbers, err := snd.ScheduleMessages(s.ctx, texts("comes", "never comes"), time.Now().Add(time.Second), nil)
	s.must(err)
	s.must(snd.CancelScheduledMessages(s.ctx, numbers[1:], nil))
	r := s.subscription("later", "s")
	s.empty(r)
	s.takes(r, "comes")
	s.empty(r)
}

func subscriptionDeadLetters(s *stage) {
	s.send("dead-topic", text("a"))
	r := s.subscription("dead-topic", "s")
	for range 2 {
		s.must(r.AbandonMessage(s.ctx, s.receiveOne(r), nil))
	}
	dead, err := s.client.NewReceiverForSubscription("dead-topic", "s", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	s.must(err)
	m := s.receiveOne(dead)
	equal(s, "reason", value(m.DeadLetterReason), "MaxDeliveryCountExceeded")
	s.complete(dead, m)
}

func topicDuplicates(s *stage) {
	s.send("deduplicated-topic", texts("same", "same", "other")...)
	r := s.subscription("deduplicated-topic", "s")
	s.takes(r, "same", "other")
	s.empty(r)
}
