package bus

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/content"
	"weir/service/workflow/internal/expression"
)

// The managed API's name; its paths are those of definitions that were written for the
// multi-tenant connector.
const API = "servicebus"

// managed is a request of the managed API.
type managed struct {
	entity    string // of a send
	in        *object
	verb      string // what follows messages or sessions/{id}
	session   string
	inSession bool
	most      string
}

// route reads a request of the managed API.
func route(r connection.Request) (m managed, err error) {
	parts := r.Parts
	m.in = expression.NewObject()
	switch {
	case len(parts) >= 3 && strings.EqualFold(parts[1], "subscriptions"):
		m.in, parts = m.in.With("topicName", parts[0]).With("subscriptionName", dead(parts[2], text(r.Queries, "subscriptionType"))), parts[3:]
	case len(parts) >= 1:
		m.entity = parts[0]
		m.in, parts = m.in.With("queueName", dead(parts[0], text(r.Queries, "queueType"))), parts[1:]
	}
	switch {
	case len(parts) >= 1 && strings.EqualFold(parts[0], "messages"):
		m.verb = strings.ToLower(r.Method + " " + strings.Join(parts[1:], "/"))
	case len(parts) == 3 && strings.EqualFold(parts[0], "sessions"):
		m.session, m.verb = parts[1], strings.ToLower(r.Method+" sessions/"+parts[2])
	default:
		return m, refused("The Service Bus connection has no path %s %s.", r.Method, r.Path)
	}
	if id := text(r.Queries, "sessionId"); id != "" {
		m.inSession = true
		if low := strings.ToLower(id); low != "next available" && low != "nextavailable" {
			m.session = id
		}
	}
	if t := text(r.Queries, "lockToken"); t != "" {
		m.in = m.in.With("lockToken", t)
	}
	for _, name := range []string{"deadLetterReason", "deadLetterErrorDescription", "sequenceNumber"} {
		if v := text(r.Queries, name); v != "" {
			m.in = m.in.With(name, v)
		}
	}
	if m.session != "" {
		m.in = m.in.With("sessionId", m.session)
	}
	m.most = text(r.Queries, "maxMessageCount")
	if s := text(r.Queries, "systemProperties"); s != "" && !strings.EqualFold(s, "None") {
		return m, refused("The systemProperties %q are not added to messages: use None.", s)
	}
	if strings.TrimSpace(m.entity) == "" && text(m.in, "topicName") == "" {
		return m, refused("The path %s names no queue and no topic.", r.Path)
	}
	return m, nil
}

func dead(name, kind string) string {
	if strings.EqualFold(kind, "DeadLetter") {
		return name + "/$deadletterqueue"
	}
	return name
}

// Serve carries out an action of the managed API.
func (c *Connector) Serve(ctx context.Context, call *connector.Call, conn *connection.Connection, r connection.Request) connector.Answer {
	m, err := route(r)
	if err != nil {
		return answer(err, conn)
	}
	l, err := c.line(ctx, conn, call.Who)
	if err != nil {
		return answer(err, conn)
	}
	defer l.release()
	body, err := c.serve(ctx, l, call, m, r.Body)
	if err != nil {
		return answer(err, conn)
	}
	return connector.Answer{Status: 200, Body: body}
}

func (c *Connector) serve(ctx context.Context, l *line, call *connector.Call, m managed, body any) (any, error) {
	switch m.verb {
	case "post ":
		message, err := plainMessage(body)
		if err != nil {
			return nil, err
		}
		_, err = sendOne(ctx, c, l, call, expression.NewObject("entityName", m.entity, "message", message))
		return nil, err
	case "post batch":
		list, ok := body.([]any)
		if !ok {
			return nil, refused("The body is a list of messages.")
		}
		all := make([]any, len(list))
		for i, item := range list {
			message, err := plainMessage(item)
			if err != nil {
				return nil, err
			}
			all[i] = message
		}
		_, err := sendAll(ctx, c, l, call, expression.NewObject("entityName", m.entity, "messages", all))
		return nil, err
	case "delete complete":
		return settling("complete")(ctx, c, l, call, m.in)
	case "post abandon":
		return settling("abandon")(ctx, c, l, call, m.in)
	case "post deadletter":
		return settling("deadLetter")(ctx, c, l, call, m.in)
	case "post defer":
		return settling("defer")(ctx, c, l, call, m.in)
	case "post renewlock":
		return renewing(ctx, c, l, call, m.in)
	case "post sessions/renewlock":
		return renewSession(ctx, c, l, call, m.in)
	case "delete sessions/close":
		return closeSession(ctx, c, l, call, m.in)
	case "get batch/peek", "get batch/head", "get head/peek", "get head":
		return c.fetch(ctx, l, m)
	}
	return nil, refused("The Service Bus connection has no %q here: there are send (POST messages, messages/batch), receive (GET messages/head, head/peek, batch/head, batch/peek), complete, abandon, deadletter, defer, renewlock of messages, and renewlock and close of sessions.", m.verb)
}

// fetch takes messages for an action: under a lock, or completed at once.
func (c *Connector) fetch(ctx context.Context, l *line, m managed) (any, error) {
	n := 1
	if strings.Contains(m.verb, "batch") {
		n = mostDefault
	}
	if m.most != "" {
		var err error
		if n, err = mostOf(expression.NewObject("maxMessages", m.most)); err != nil {
			return nil, err
		}
	}
	e := entityOf(m.in)
	ctx, cancel := context.WithTimeout(ctx, getWait)
	defer cancel()
	var s *session
	var all []*azservicebus.ReceivedMessage
	var err error
	if m.inSession {
		if s, _, err = l.sessionOf(ctx, e, m.session, true); err == nil {
			all, err = s.receive(ctx, n)
		}
	} else {
		all, err = l.take(ctx, e, n)
	}
	if err != nil && len(all) == 0 && !nothing(err) {
		return nil, err
	}
	hands := c.inHand(l, e, s, all)
	out := make([]any, len(all))
	for i, one := range all {
		out[i] = managedBody(one)
		if strings.HasSuffix(m.verb, "head") {
			if err := c.settle(ctx, l, hands[i], way{how: "complete"}); err != nil {
				return nil, err
			}
		}
	}
	if strings.Contains(m.verb, "batch") {
		return out, nil
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out[0], nil
}

// Watch looks for messages for a trigger of the managed API.
func (c *Connector) Watch(ctx context.Context, w *connector.Watch, conn *connection.Connection, r connection.Request) connector.Found {
	m, err := route(r)
	if err != nil {
		return failed(err, conn, w.Cursor)
	}
	how := watching{sessions: m.inSession, batch: m.inSession}
	switch m.verb {
	case "get head":
		how.auto, how.single = true, true
	case "get head/peek":
		how.single = true
	case "get batch/head":
		how.auto = true
	case "get batch/peek":
	default:
		return failed(refused("The Service Bus connection has no trigger %s %s.", r.Method, r.Path), conn, w.Cursor)
	}
	most := mostDefault
	if how.single {
		most = 1
		if !how.sessions {
			most = mostDefault // each is an item of its own
		}
	}
	if m.most != "" {
		if most, err = mostOf(expression.NewObject("maxMessages", m.most)); err != nil {
			return failed(err, conn, w.Cursor)
		}
	}
	return c.look(ctx, w, conn, entityOf(m.in), m.session, how, most, func(all []*azservicebus.ReceivedMessage) any {
		if how.single {
			return managedBody(all[0])
		}
		list := make([]any, len(all))
		for i, one := range all {
			list[i] = managedBody(one)
		}
		return list
	})
}

// managedBody is a message as the managed API shows it.
func managedBody(m *azservicebus.ReceivedMessage) *object {
	o := expression.NewObject("ContentData", base64.StdEncoding.EncodeToString(m.Body), "ContentType", empty(m.ContentType), "ContentTransferEncoding", "Base64")
	all := map[string]any{"DeliveryCount": fmt.Sprint(m.DeliveryCount), "MessageId": m.MessageID}
	put := func(name string, v any) {
		if v != nil {
			all[name] = expression.Text(v)
		}
	}
	put("EnqueuedTimeUtc", stamp(m.EnqueuedTime))
	put("ExpiresAtUtc", stamp(m.ExpiresAt))
	put("LockedUntilUtc", stamp(m.LockedUntil))
	put("SequenceNumber", number(m.SequenceNumber))
	put("EnqueuedSequenceNumber", number(m.EnqueuedSequenceNumber))
	put("DeadLetterReason", str(m.DeadLetterReason))
	put("DeadLetterErrorDescription", str(m.DeadLetterErrorDescription))
	for name, v := range m.ApplicationProperties {
		all[name] = v
	}
	o = o.With("Properties", properties(all)).With("MessageId", m.MessageID).With("To", str(m.To)).With("ReplyTo", str(m.ReplyTo)).With("ReplyToSessionId", str(m.ReplyToSessionID)).
		With("Label", str(m.Subject)).With("ScheduledEnqueueTimeUtc", stamp(m.ScheduledEnqueueTime)).With("SessionId", str(m.SessionID)).With("CorrelationId", str(m.CorrelationID)).With("SequenceNumber", number(m.SequenceNumber))
	if m.LockToken != [16]byte{} {
		o = o.With("LockToken", token(m.LockToken))
	}
	if m.TimeToLive != nil {
		o = o.With("TimeToLive", int64(*m.TimeToLive/100))
	}
	return o
}

func empty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// plainMessage makes of a message as the managed API takes it one as sendMessage does: its
// content is base64.
func plainMessage(v any) (*object, error) {
	o, ok := v.(*object)
	if !ok {
		return nil, refused("A message is an object with ContentData.")
	}
	data, err := base64.StdEncoding.DecodeString(text(o, "ContentData"))
	if err != nil {
		return nil, refused("The ContentData of a message is base64; this one is not: write it with base64().")
	}
	kind := text(o, "ContentType")
	out := expression.NewObject("contentData", content.Raw(kind, data))
	for _, m := range o.Members {
		switch strings.ToLower(m.Name) {
		case "contentdata", "contenttransferencoding":
		default:
			out = out.With(m.Name, m.Value)
		}
	}
	return out, nil
}
