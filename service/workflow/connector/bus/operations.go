package bus

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

func in(name, kind, about string, required bool) connector.Input {
	return connector.Input{Name: name, Kind: kind, About: about, Required: required}
}

var (
	queueIn   = []connector.Input{in("queueName", "string", "the queue; queue/$deadletterqueue for its dead letters", true)}
	topicIn   = []connector.Input{in("topicName", "string", "the topic", true), in("subscriptionName", "string", "its subscription; name/$deadletterqueue for its dead letters", true)}
	lockIn    = in("lockToken", "string", "the lockToken of the message", true)
	someLock  = in("lockToken", "string", "the lockToken of the message", false)
	someID    = in("messageId", "string", "the id of a message in hand", true)
	sessionIn = in("sessionId", "string", "the session", true)
	reasons   = []connector.Input{in("deadLetterReason", "string", "why", false), in("deadLetterErrorDescription", "string", "why, at length", false)}
	acquire   = in("acquireNewSession", "boolean", "take the session when it is not held", false)
	mostIn    = in("maxMessages", "integer", "how many at most; 1 when it is left out", false)
	batchIn   = in("maxMessageBatchSize", "integer", "how many are taken in one look at most; each starts a run", false)
	sessioned = in("isSessionsEnabled", "boolean", "take a session and its messages together", false)
	deferred  = in("sequenceNumber", "integer", "the sequenceNumber of the message", true)
)

func with(list []connector.Input, more ...connector.Input) []connector.Input {
	return append(append([]connector.Input{}, list...), more...)
}

const (
	oneMessage = "the message"
	messages   = "a list of messages"
)

// operations is the table.
func operations() []operation {
	all := []operation{
		{name: "sendMessage", summary: "sends a message", inputs: []connector.Input{in("entityName", "string", "the queue or topic", true), in("message", "object", "contentData, contentType, userProperties, messageId, sessionId ...", true), in("systemProperties", "string", "run ids are not added: None", false)}, outputs: "messageId", do: sendOne},
		{name: "sendMessages", summary: "sends several messages as one", inputs: []connector.Input{in("entityName", "string", "the queue or topic", true), in("messages", "array", "messages as of sendMessage", true), in("systemProperties", "string", "run ids are not added: None", false)}, outputs: "messageIds", do: sendAll},
	}
	triggers := []struct {
		name, summary string
		more          []connector.Input
		how           watching
		topic         bool
	}{
		{"receiveQueueMessages", "starts a run for each message, which is completed when the run is recorded", []connector.Input{sessioned, batchIn}, watching{auto: true}, false},
		{"receiveTopicMessages", "the same of a subscription", []connector.Input{sessioned, batchIn}, watching{auto: true}, true},
		{"peekLockQueueMessagesV2", "starts a run for each message, which is completed when the run has succeeded", []connector.Input{batchIn}, watching{}, false},
		{"peekLockTopicMessagesV2", "the same of a subscription", []connector.Input{batchIn}, watching{}, true},
		{"peekLockQueueMessages", "peekLockQueueMessagesV2 by its older name", []connector.Input{sessioned, batchIn}, watching{}, false},
		{"peekLockTopicMessages", "peekLockTopicMessagesV2 by its older name", []connector.Input{sessioned, batchIn}, watching{}, true},
		{"onNewMessagesFromQueueSession", "starts a run with messages of one session, which is held until the run has ended", []connector.Input{in("sessionId", "string", "the session; the next one when it is left out", false), mostIn}, watching{sessions: true, batch: true}, false},
		{"onNewMessagesFromTopicSession", "the same of a subscription", []connector.Input{in("sessionId", "string", "the session; the next one when it is left out", false), mostIn}, watching{sessions: true, batch: true}, true},
		{"onSingleNewMessageFromQueueSession", "starts a run with the first message of a session", []connector.Input{in("sessionId", "string", "the session; the next one when it is left out", false)}, watching{sessions: true, single: true}, false},
		{"onSingleNewMessageFromTopicSession", "the same of a subscription", []connector.Input{in("sessionId", "string", "the session; the next one when it is left out", false)}, watching{sessions: true, single: true}, true},
	}
	for _, t := range triggers {
		how, from, out := t.how, queueIn, "body: "+messages
		if t.topic {
			from = topicIn
		}
		if how.single {
			out = "body: " + oneMessage
		}
		all = append(all, operation{name: t.name, summary: t.summary, inputs: with(from, t.more...), outputs: out, watch: &how})
	}
	for _, s := range []struct {
		verb, how, done string
		more            []connector.Input
	}{{"complete", "complete", "completes", nil}, {"abandon", "abandon", "gives back", nil}, {"deadLetter", "deadLetter", "dead-letters", reasons}, {"defer", "defer", "defers", nil}} {
		do := settling(s.how)
		all = append(all,
			operation{name: s.verb + "QueueMessageV2", summary: s.done + " a message of a queue", inputs: with(with(queueIn, lockIn), s.more...), outputs: "nothing", do: do},
			operation{name: s.verb + "TopicMessageV2", summary: s.done + " a message of a subscription", inputs: with(with(topicIn, lockIn), s.more...), outputs: "nothing", do: do},
			operation{name: s.verb + "MessageInSession", summary: s.done + " a message of a session that is held", inputs: with([]connector.Input{someID, someLock}, s.more...), outputs: "nothing", do: do},
			operation{name: s.verb + "Message", summary: s.done + " a message in hand", inputs: with([]connector.Input{someID, someLock}, s.more...), outputs: "nothing", do: do})
	}
	return append(all,
		operation{name: "renewLockQueueMessageV2", summary: "keeps the lock of a message for longer", inputs: with(queueIn, lockIn), outputs: "lockedUntilUtc", do: renewing},
		operation{name: "renewLockTopicMessageV2", summary: "the same of a subscription", inputs: with(topicIn, lockIn), outputs: "lockedUntilUtc", do: renewing},
		operation{name: "renewLockMessage", summary: "keeps the lock of a message in hand for longer", inputs: []connector.Input{someID, someLock}, outputs: "lockedUntilUtc", do: renewing},
		operation{name: "renewQueueSession", summary: "keeps the lock of a session that is held for longer", inputs: with(queueIn, sessionIn), outputs: "lockedUntilUtc", do: renewSession},
		operation{name: "renewTopicSession", summary: "the same of a subscription", inputs: with(topicIn, sessionIn), outputs: "lockedUntilUtc", do: renewSession},
		operation{name: "closeQueueSession", summary: "lets a session go", inputs: with(queueIn, sessionIn), outputs: "nothing", do: closeSession},
		operation{name: "closeTopicSession", summary: "the same of a subscription", inputs: with(topicIn, sessionIn), outputs: "nothing", do: closeSession},
		operation{name: "getMessagesFromQueueV2", summary: "takes messages under a lock", inputs: with(queueIn, mostIn), outputs: messages, do: getMessages},
		operation{name: "getMessagesFromTopicV2", summary: "the same of a subscription", inputs: with(topicIn, mostIn), outputs: messages, do: getMessages},
		operation{name: "getMessagesFromQueue", summary: "getMessagesFromQueueV2 by its older name", inputs: with(queueIn, mostIn), outputs: messages, do: getMessages},
		operation{name: "getMessagesFromTopic", summary: "getMessagesFromTopicV2 by its older name", inputs: with(topicIn, mostIn), outputs: messages, do: getMessages},
		operation{name: "getMessagesFromQueueSession", summary: "takes messages of a session", inputs: with(queueIn, sessionIn, mostIn, acquire), outputs: messages, do: getFromSession},
		operation{name: "getMessagesFromTopicSession", summary: "the same of a subscription", inputs: with(topicIn, sessionIn, mostIn, acquire), outputs: messages, do: getFromSession},
		operation{name: "peekQueueMessages", summary: "shows messages without taking them", inputs: with(queueIn, mostIn), outputs: messages, do: peek},
		operation{name: "peekTopicMessages", summary: "the same of a subscription", inputs: with(topicIn, mostIn), outputs: messages, do: peek},
		operation{name: "getDeferredMessageFromQueueV2", summary: "takes a deferred message", inputs: with(queueIn, deferred), outputs: oneMessage, do: getDeferred},
		operation{name: "getDeferredMessageFromTopicV2", summary: "the same of a subscription", inputs: with(topicIn, deferred), outputs: oneMessage, do: getDeferred},
		operation{name: "getDeferredMessageFromQueue", summary: "getDeferredMessageFromQueueV2 by its older name", inputs: with(queueIn, deferred), outputs: oneMessage, do: getDeferred},
		operation{name: "getDeferredMessageFromTopic", summary: "getDeferredMessageFromTopicV2 by its older name", inputs: with(topicIn, deferred), outputs: oneMessage, do: getDeferred},
		operation{name: "getDeferredMessageFromQueueSession", summary: "takes a deferred message of a session", inputs: with(queueIn, deferred, in("sessionId", "string", "the session", false), acquire), outputs: oneMessage, do: getDeferred},
		operation{name: "getDeferredMessageFromTopicSession", summary: "the same of a subscription", inputs: with(topicIn, deferred, in("sessionId", "string", "the session", false), acquire), outputs: oneMessage, do: getDeferred},
	)
}

// entityOf reads where an operation is.
func entityOf(in *object) entity {
	e := entity{queue: text(in, "queueName"), topic: text(in, "topicName"), subscription: text(in, "subscriptionName")}
	for _, at := range []*string{&e.queue, &e.subscription} {
		if i := strings.LastIndexByte(*at, '/'); i >= 0 && strings.EqualFold((*at)[i:], "/$deadletterqueue") {
			*at, e.dead = (*at)[:i], true
		}
	}
	return e
}

func sendOne(ctx context.Context, _ *Connector, l *line, call *connector.Call, in *object) (any, error) {
	v, _ := in.Get("message")
	m, err := message(v, call.Who.Key)
	if err != nil {
		return nil, err
	}
	s, err := l.sender(text(in, "entityName"))
	if err != nil {
		return nil, err
	}
	if err := s.SendMessage(ctx, m, nil); err != nil {
		return nil, err
	}
	return expression.NewObject("messageId", *m.MessageID), nil
}

// sendMost is how many messages are sent as one.
const sendMost = 4500

func sendAll(ctx context.Context, _ *Connector, l *line, call *connector.Call, in *object) (any, error) {
	v, _ := in.Get("messages")
	list, ok := v.([]any)
	if !ok || len(list) > sendMost {
		return nil, refused("messages is a list of at most %d messages.", sendMost)
	}
	s, err := l.sender(text(in, "entityName"))
	if err != nil {
		return nil, err
	}
	batch, err := s.NewMessageBatch(ctx, nil)
	if err != nil {
		return nil, err
	}
	var ids []any
	for i, item := range list {
		m, err := message(item, call.Who.Key+"-"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if err := batch.AddMessage(m, nil); err != nil {
			return nil, refused("The %d messages are too large to be sent as one; %d fit: send fewer at once.", len(list), i)
		}
		ids = append(ids, *m.MessageID)
	}
	if len(ids) > 0 {
		if err := s.SendMessageBatch(ctx, batch, nil); err != nil {
			return nil, err
		}
	}
	return expression.NewObject("messageIds", ids), nil
}

// getWait is how long an action waits for a message.
const getWait = 5 * time.Second

func mostOf(in *object) (int, error) {
	s := text(in, "maxMessages")
	if s == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > mostMax {
		return 0, refused("The maxMessages is %q: it is a number from 1 to %d.", s, mostMax)
	}
	return n, nil
}

func list(all []*azservicebus.ReceivedMessage) []any {
	out := make([]any, len(all))
	for i, m := range all {
		out[i] = body(m)
	}
	return out
}

func getMessages(ctx context.Context, c *Connector, l *line, _ *connector.Call, in *object) (any, error) {
	most, err := mostOf(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, getWait)
	defer cancel()
	e := entityOf(in)
	all, err := l.take(ctx, e, most)
	if err != nil && len(all) == 0 && !nothing(err) {
		return nil, err
	}
	c.inHand(l, e, nil, all)
	return list(all), nil
}

func getFromSession(ctx context.Context, c *Connector, l *line, _ *connector.Call, in *object) (any, error) {
	most, err := mostOf(in)
	if err != nil {
		return nil, err
	}
	e := entityOf(in)
	s, _, err := l.sessionOf(ctx, e, text(in, "sessionId"), !strings.EqualFold(text(in, "acquireNewSession"), "false"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, getWait)
	defer cancel()
	all, err := s.receive(ctx, most)
	if err != nil && len(all) == 0 && !nothing(err) {
		return nil, err
	}
	c.inHand(l, e, s, all)
	return list(all), nil
}

func peek(ctx context.Context, _ *Connector, l *line, _ *connector.Call, in *object) (any, error) {
	most, err := mostOf(in)
	if err != nil {
		return nil, err
	}
	r, err := l.newReceiver(entityOf(in)) // one of its own: it begins at the front
	if err != nil {
		return nil, err
	}
	defer closing(r.Close)
	all, err := r.PeekMessages(ctx, most, nil)
	if err != nil {
		return nil, err
	}
	return list(all), nil
}

func getDeferred(ctx context.Context, c *Connector, l *line, _ *connector.Call, in *object) (any, error) {
	seq, err := strconv.ParseInt(text(in, "sequenceNumber"), 10, 64)
	if err != nil {
		return nil, refused("The sequenceNumber %q is no whole number.", text(in, "sequenceNumber"))
	}
	e := entityOf(in)
	var s *session
	var all []*azservicebus.ReceivedMessage
	if id := text(in, "sessionId"); id != "" {
		if s, _, err = l.sessionOf(ctx, e, id, !strings.EqualFold(text(in, "acquireNewSession"), "false")); err != nil {
			return nil, err
		}
		if all, err = s.receiver.ReceiveDeferredMessages(ctx, []int64{seq}, nil); err == nil {
			s.mu.Lock()
			for _, m := range all {
				s.messages[*m.SequenceNumber] = m
			}
			s.mu.Unlock()
		}
	} else {
		var r *azservicebus.Receiver
		if r, err = l.settler(e); err == nil {
			all, err = r.ReceiveDeferredMessages(ctx, []int64{seq}, nil)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, refused("There is no deferred message with the sequence number %d in %s.", seq, fmt.Sprintf("%q", e))
	}
	c.inHand(l, e, s, all[:1])
	return body(all[0]), nil
}
